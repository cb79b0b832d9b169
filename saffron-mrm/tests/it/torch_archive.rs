//! Torch archives as `torch.save` writes them, made without Python.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A tensor: its name, shape and values.
pub(crate) type Named = (String, Vec<usize>, Vec<f32>);

/// A pickle in protocol 2 that puts texts and names in its memo and recalls them, as Python's does.
#[derive(Default)]
pub(crate) struct Pickle {
    pub(crate) bytes: Vec<u8>,
    memo: HashMap<Vec<u8>, u32>,
    next: u32,
}

impl Pickle {
    pub(crate) fn op(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    fn put(&mut self) -> u32 {
        let place = self.next;
        self.next += 1;
        match u8::try_from(place) {
            Ok(byte) => self.op(&[b'q', byte]),
            Err(_) => self.op(&[&b"r"[..], &place.to_le_bytes()].concat()),
        }
        place
    }

    fn once(&mut self, bytes: &[u8]) {
        match self.memo.get(bytes).map(|place| (*place, u8::try_from(*place))) {
            Some((_, Ok(byte))) => self.op(&[b'h', byte]),
            Some((place, Err(_))) => self.op(&[&b"j"[..], &place.to_le_bytes()].concat()),
            None => {
                self.op(bytes);
                let place = self.put();
                self.memo.insert(bytes.to_vec(), place);
            }
        }
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.once(&[&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat());
    }

    fn global(&mut self, name: &str) {
        self.once(&[b"c", name.replace(' ', "\n").as_bytes(), b"\n"].concat());
    }

    fn int(&mut self, value: usize) {
        match (u8::try_from(value), u16::try_from(value)) {
            (Ok(byte), _) => self.op(&[b'K', byte]),
            (_, Ok(word)) => self.op(&[&b"M"[..], &word.to_le_bytes()].concat()),
            _ => self.op(&[&b"J"[..], &(value as u32).to_le_bytes()].concat()),
        }
    }

    fn tuple(&mut self, values: &[usize]) {
        values.iter().for_each(|value| self.int(*value));
        self.op(&[0x84 + values.len() as u8]);
        self.put();
    }

    /// A contiguous tensor with a storage of its own.
    pub(crate) fn tensor(&mut self, storage: &str, key: &str, shape: &[usize], strides: &[usize]) {
        self.global("torch._utils _rebuild_tensor_v2");
        self.op(b"((");
        self.text("storage");
        self.global(storage);
        self.text(key);
        self.text("cpu");
        self.int(shape.iter().product());
        self.op(b"t");
        self.put();
        self.op(b"Q");
        self.int(0);
        self.tuple(shape);
        self.tuple(strides);
        self.op(&[0x89]);
        self.global("collections OrderedDict");
        self.op(b")R");
        self.put();
        self.op(b"t");
        self.put();
        self.op(b"R");
        self.put();
    }
}

/// The pickle of a dictionary, in batches of a thousand items as Python writes them.
pub(crate) fn dictionary(tensors: &[Named]) -> Vec<u8> {
    let mut pickle = Pickle::default();
    pickle.op(&[0x80, 2, b'}']);
    pickle.put();
    for (batch, items) in tensors.chunks(1000).enumerate() {
        let single = items.len() == 1;
        if !single {
            pickle.op(b"(");
        }
        for (place, (name, shape, _)) in items.iter().enumerate() {
            pickle.text(name);
            let strides = if shape.len() == 2 { vec![shape[1], 1] } else { vec![1] };
            pickle.tensor("torch FloatStorage", &(batch * 1000 + place).to_string(), shape, &strides);
        }
        pickle.op(if single { b"s" } else { b"u" });
    }
    pickle.op(b".");
    pickle.bytes
}

/// Writes an archive of a program and storages.
pub(crate) fn archive(path: &Path, program: &[u8], storages: &[Vec<u8>]) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut write = |name: &str, bytes: &[u8]| {
        zip.start_file(format!("adapter_model/{name}"), options).unwrap();
        zip.write_all(bytes).unwrap();
    };
    write("data.pkl", program);
    write("byteorder", b"little");
    for (place, bytes) in storages.iter().enumerate() {
        write(&format!("data/{place}"), bytes);
    }
    write("version", b"3\n");
    zip.finish().unwrap();
}

/// What `torch.save` makes of a dictionary of float tensors.
pub(crate) fn save(path: &Path, tensors: &[Named]) {
    let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let storages: Vec<Vec<u8>> = tensors.iter().map(|(_, _, values)| bytes(values)).collect();
    archive(path, &dictionary(tensors), &storages);
}
