//! Tensors in PyTorch's zip archives: bare ones, the form in which the reference releases its bias
//! and mask, and dictionaries of them, the older form of adapters.
//!
//! The archive's `data.pkl` is a pickle, that is, a program. It is never run: it is compared,
//! opcode by opcode, with the programs that `torch.save` writes for contiguous tensors (or
//! parameters), and whatever differs is refused.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use half::bf16;
use safetensors::Dtype;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use self::archive::Archive;
pub(crate) use self::tensors::TorchTensors;
use super::safetensors::floats;
use super::tensors::TensorSource;
use crate::error::LoadError;
use crate::files::open_regular;

mod archive;
mod grammar;
mod pickle;
mod tensors;

/// Larger than any vocabulary's bias.
const MAX_ARCHIVE: u64 = 8 << 20;
/// The real program has some 300 bytes.
const MAX_PROGRAM: u64 = 16 << 10;

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
    let wrong = |found| refuse(path, "one dimension, f32, f16, bf16 or bool", found);
    let mut archive = Archive::open(path, MAX_ARCHIVE)?.map_err(wrong)?;
    let mut read = || {
        archive.check_order()?;
        let header = grammar::tensor(&archive.program(MAX_PROGRAM)?)?;
        let [length] = header.shape[..] else { return Err(format!("dimensions {:?}", header.shape)) };
        let data = archive.storage(&header.key, length, header.size())?;
        Ok((header, data))
    };
    let (header, data) = read().map_err(wrong)?;
    match floats(header.dtype, &data) {
        Some(values) => Ok(TorchVector::Floats(values)),
        None => Ok(TorchVector::Bools(data.iter().map(|byte| *byte != 0).collect())),
    }
}

fn refuse(path: &Path, expected: &str, found: String) -> LoadError {
    LoadError::Torch { path: path.to_path_buf(), expected: expected.to_owned(), found }
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
    let program = grammar::vector_program(dtype, length);
    let entries: [(&str, &[u8]); 4] =
        [("data.pkl", &program), ("byteorder", b"little"), ("data/0", &data), ("version", b"3\n")];
    let zip_error = |error: zip::result::ZipError| LoadError::io(path)(std::io::Error::other(error.to_string()));
    for (name, bytes) in entries {
        archive.start_file(format!("{stem}/{name}"), options).map_err(zip_error)?;
        archive.write_all(bytes).map_err(LoadError::io(path))?;
    }
    archive.finish().map_err(zip_error)?;
    Ok(())
}
