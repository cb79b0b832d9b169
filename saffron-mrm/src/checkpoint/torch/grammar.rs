//! The pickle programs that are accepted: those that `torch.save` writes for one bare tensor or
//! parameter, and for a dictionary of them.

use safetensors::Dtype;

use super::pickle::{Op, Ops};
use crate::brief::cut;

/// What a program says of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) dtype: Dtype,
    /// Name of the storage's entry, which holds this tensor and nothing else.
    pub(super) key: String,
    /// One dimension or two.
    pub(super) shape: Vec<usize>,
}

impl Header {
    pub(super) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes of one element.
    pub(super) fn size(&self) -> usize {
        if self.dtype == Dtype::BOOL { 1 } else { self.dtype.bitsize() / 8 }
    }
}

/// The one tensor of a program.
pub(super) fn tensor(program: &[u8]) -> Result<Header, String> {
    let mut walk = Walk(Ops::of(program)?);
    let header = walk.value()?;
    walk.0.end()?;
    Ok(header)
}

/// The tensors of a program by name, at most so many, in the order of the file.
pub(super) fn tensors(program: &[u8], most: usize) -> Result<Vec<(String, Header)>, String> {
    let mut walk = Walk(Ops::of(program)?);
    if !walk.0.next_if(Op::EmptyDict)? {
        walk.ordered_dict()?;
    }
    let mut found = Vec::new();
    // Python writes items in batches between a mark and SETITEMS, a single one with SETITEM.
    while walk.0.peek()? != Op::Stop {
        let batch = walk.0.next_if(Op::Mark)?;
        let end = if batch { Op::SetItems } else { Op::SetItem };
        loop {
            let name = walk.text()?.to_owned();
            found.push((name, walk.value()?));
            if found.len() > most {
                return Err(format!("more than {most} tensors"));
            }
            if walk.0.next_if(end)? {
                break;
            }
            if !batch {
                walk.expect(end)?;
            }
        }
    }
    walk.0.end()?;
    Ok(found)
}

const REBUILD: Op<'_> = Op::Global("torch._utils", "_rebuild_tensor_v2");
const PARAMETER: Op<'_> = Op::Global("torch._utils", "_rebuild_parameter");
const DICT: Op<'_> = Op::Global("collections", "OrderedDict");

struct Walk<'a>(Ops<'a>);

impl<'a> Walk<'a> {
    fn expect(&mut self, op: Op<'_>) -> Result<(), String> {
        match self.0.next()? {
            found if found == op => Ok(()),
            found => Err(format!("a pickle with {found} where a tensor has {op}")),
        }
    }

    fn int(&mut self) -> Result<i64, String> {
        match self.0.next()? {
            Op::Int(value) => Ok(value),
            found => Err(format!("a pickle with {found} where a tensor has a number")),
        }
    }

    fn boolean(&mut self) -> Result<(), String> {
        match self.0.next()? {
            Op::Bool(_) => Ok(()),
            found => Err(format!("a pickle with {found} where a tensor has requires_grad")),
        }
    }

    fn text(&mut self) -> Result<&'a str, String> {
        match self.0.next()? {
            Op::Text(text) => Ok(text),
            found => Err(format!("a pickle with {found} where a text should be")),
        }
    }

    /// A tensor, or `_rebuild_parameter(tensor, requires_grad, hooks)`, whose arguments a TUPLE3
    /// closes without a mark.
    fn value(&mut self) -> Result<Header, String> {
        if !self.0.next_if(PARAMETER)? {
            return self.tensor();
        }
        let header = self.tensor()?;
        self.boolean()?;
        self.hooks()?;
        self.expect(Op::Tuple3)?;
        self.expect(Op::Reduce)?;
        Ok(header)
    }

    /// `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`
    fn tensor(&mut self) -> Result<Header, String> {
        self.expect(REBUILD)?;
        self.expect(Op::Mark)?;
        self.expect(Op::Mark)?;
        self.expect(Op::Text("storage"))?;
        let dtype = match self.0.next()? {
            Op::Global(module, name) => storage_type(module, name)?,
            found => return Err(format!("a pickle with {found} where a tensor has its storage type")),
        };
        let key = self.text()?;
        if key.is_empty() || key.len() > 32 || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(format!("a storage named {:?}", cut(key.to_owned())));
        }
        let _device = self.text()?;
        let stored = self.int()?;
        self.expect(Op::Tuple)?;
        self.expect(Op::PersistentId)?;
        self.expect(Op::Int(0))?;
        let (shape, strides) = (self.sizes()?, self.sizes()?);
        self.boolean()?;
        self.hooks()?;
        self.expect(Op::Tuple)?;
        self.expect(Op::Reduce)?;
        header(dtype, key, stored, &shape, &strides)
    }

    /// A tuple of one number or two.
    fn sizes(&mut self) -> Result<Vec<i64>, String> {
        let first = self.int()?;
        if self.0.next_if(Op::Tuple1)? {
            return Ok(vec![first]);
        }
        let second = self.int()?;
        self.expect(Op::Tuple2)?;
        Ok(vec![first, second])
    }

    /// An empty dictionary.
    fn hooks(&mut self) -> Result<(), String> {
        match self.0.next_if(Op::EmptyDict)? {
            true => Ok(()),
            false => self.ordered_dict(),
        }
    }

    fn ordered_dict(&mut self) -> Result<(), String> {
        self.expect(DICT)?;
        self.expect(Op::EmptyTuple)?;
        self.expect(Op::Reduce)
    }
}

/// A tensor that fills its storage, row after row.
fn header(dtype: Dtype, key: &str, stored: i64, shape: &[i64], strides: &[i64]) -> Result<Header, String> {
    let sizes: Option<Vec<usize>> = shape.iter().map(|size| usize::try_from(*size).ok()).collect();
    let elements = shape.iter().try_fold(1, |product: i64, size| product.checked_mul(*size));
    let Some(sizes) = sizes.filter(|_| elements == Some(stored)) else {
        return Err(format!("elements {shape:?} of a storage of {stored}"));
    };
    let mut stride = 1;
    for (size, found) in shape.iter().zip(strides).rev() {
        // A dimension of one element is never stepped along.
        if *size > 1 && *found != stride {
            return Err(format!("strides {strides:?} of a tensor of {shape:?}"));
        }
        stride *= size;
    }
    match shape.len() == strides.len() {
        true => Ok(Header { dtype, key: key.to_owned(), shape: sizes }),
        false => Err(format!("strides {strides:?} of a tensor of {shape:?}")),
    }
}

fn storage_type(module: &str, name: &str) -> Result<Dtype, String> {
    match (module, name) {
        ("torch", "FloatStorage") => Ok(Dtype::F32),
        ("torch", "HalfStorage") => Ok(Dtype::F16),
        ("torch", "BFloat16Storage") => Ok(Dtype::BF16),
        ("torch", "BoolStorage") => Ok(Dtype::BOOL),
        _ => Err(format!("a tensor of {}", Op::Global(module, name))),
    }
}

/// The program for a contiguous vector in storage `0`.
pub(super) fn vector_program(dtype: Dtype, length: usize) -> Vec<u8> {
    let storage = if dtype == Dtype::BOOL { "BoolStorage" } else { "BFloat16Storage" };
    let mut out = vec![0x80, 2];
    let global = |out: &mut Vec<u8>, name: &str| out.extend([b"c", name.as_bytes(), b"\n"].concat());
    let text = |out: &mut Vec<u8>, text: &str| {
        out.push(b'X');
        out.extend((text.len() as u32).to_le_bytes());
        out.extend(text.as_bytes());
    };
    let int = |out: &mut Vec<u8>, value: u32| {
        out.push(b'J');
        out.extend(value.to_le_bytes());
    };
    global(&mut out, "torch._utils\n_rebuild_tensor_v2");
    out.extend(b"((");
    text(&mut out, "storage");
    global(&mut out, &format!("torch\n{storage}"));
    text(&mut out, "0");
    text(&mut out, "cpu");
    int(&mut out, length as u32);
    out.extend(b"tQ");
    int(&mut out, 0);
    int(&mut out, length as u32);
    out.push(0x85);
    int(&mut out, 1);
    out.push(0x85);
    out.push(0x89);
    global(&mut out, "collections\nOrderedDict");
    out.extend(b")RtR.");
    out
}
