//! Bare tensors in PyTorch's zip archive, the one form in which the reference releases its bias and mask.
//!
//! The archive's `data.pkl` is a pickle, that is, a program. It is never run: it is compared, opcode by opcode, with the one program
//! that `torch.save` writes for a contiguous one-dimensional tensor (or parameter), and whatever differs is refused.

use std::fs::File;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use half::bf16;
use safetensors::Dtype;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::files::read_capped;
use super::safetensors::floats;
use crate::LoadError;

mod pickle;

/// Larger than any vocabulary's bias.
const MAX_ARCHIVE: u64 = 64 << 20;

/// A bare vector out of an archive.
#[derive(Clone, Debug, PartialEq)]
pub enum TorchVector {
    /// f32, f16 or bf16, widened.
    Floats(Vec<f32>),
    /// Booleans.
    Bools(Vec<bool>),
}

/// Reads a `.pt` file that holds one vector.
///
/// # Errors
///
/// Anything else: no archive, another pickle, another type or shape, a storage of another length.
pub fn read_vector(path: &Path) -> Result<TorchVector, LoadError> {
    let refuse = |found: String| LoadError::Torch {
        path: path.to_path_buf(),
        expected: String::from("one dimension, f32, f16, bf16 or bool"),
        found,
    };
    let bytes = read_capped(path, MAX_ARCHIVE)?;
    let mut archive =
        ZipArchive::new(Cursor::new(bytes.as_slice())).map_err(|error| refuse(format!("no zip archive ({error})")))?;
    let (_, program) = entry(&mut archive, "/data.pkl").map_err(&refuse)?;
    let header = pickle::recognise(&program).map_err(&refuse)?;
    if let Ok((_, order)) = entry(&mut archive, "/byteorder")
        && order != b"little"
    {
        return Err(refuse(format!("byte order {:?}", String::from_utf8_lossy(&order))));
    }
    let (_, data) = entry(&mut archive, &format!("/data/{}", header.key)).map_err(&refuse)?;
    let size = if header.dtype == Dtype::BOOL { 1 } else { header.dtype.bitsize() / 8 };
    if data.len() != header.length * size {
        return Err(refuse(format!("{} bytes of storage for {} elements of {size}", data.len(), header.length)));
    }
    match floats(header.dtype, &data) {
        Some(values) => Ok(TorchVector::Floats(values)),
        None => Ok(TorchVector::Bools(data.iter().map(|byte| *byte != 0).collect())),
    }
}

/// The archive's only entry with this ending, in any top folder.
fn entry(archive: &mut ZipArchive<Cursor<&[u8]>>, ending: &str) -> Result<(String, Vec<u8>), String> {
    let names = (0..archive.len()).filter_map(|index| archive.name_for_index(index).and_then(Result::ok));
    let names: Vec<String> = names.map(|name| name.into_owned()).collect();
    let found: Vec<&String> =
        names.iter().filter(|name| name.strip_suffix(ending).is_some_and(|top| !top.contains('/'))).collect();
    let [name] = found.as_slice() else {
        return Err(format!("{} entries named *{ending}", found.len()));
    };
    let file = archive.by_name(name).map_err(|error| format!("entry {name}: {error}"))?;
    if file.size() > MAX_ARCHIVE {
        return Err(format!("entry {name} of {} bytes", file.size()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_ARCHIVE).read_to_end(&mut bytes).map_err(|error| format!("entry {name}: {error}"))?;
    Ok(((*name).clone(), bytes))
}

/// Writes a vector as `torch.save` would, floats as bf16 (as the reference releases its bias).
///
/// # Errors
///
/// What the file system says.
pub fn write_vector(path: &Path, vector: &TorchVector) -> Result<(), LoadError> {
    let (dtype, data) = match vector {
        TorchVector::Floats(values) => {
            (Dtype::BF16, values.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect::<Vec<u8>>())
        }
        TorchVector::Bools(values) => (Dtype::BOOL, values.iter().map(|value| u8::from(*value)).collect()),
    };
    let length = match vector {
        TorchVector::Floats(values) => values.len(),
        TorchVector::Bools(values) => values.len(),
    };
    let stem = path.file_stem().map_or_else(|| String::from("archive"), |stem| stem.to_string_lossy().into_owned());
    let file = File::create(path).map_err(LoadError::io(path))?;
    let mut archive = ZipWriter::new(file);
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).with_alignment(64);
    let program = pickle::program(dtype, length);
    let entries: [(&str, &[u8]); 4] =
        [("data.pkl", &program), ("byteorder", b"little"), ("data/0", &data), ("version", b"3\n")];
    let zip_error = |error: zip::result::ZipError| LoadError::Io { path: path.to_path_buf(), source: error.into() };
    for (name, bytes) in entries {
        archive.start_file(format!("{stem}/{name}"), options).map_err(zip_error)?;
        archive.write_all(bytes).map_err(LoadError::io(path))?;
    }
    archive.finish().map_err(zip_error)?;
    Ok(())
}
