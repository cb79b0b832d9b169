//! The one pickle program that is accepted, as a grammar. Nothing is executed and nothing is built.

use safetensors::Dtype;

/// What the program says of its tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) dtype: Dtype,
    /// Name of the storage entry.
    pub(super) key: String,
    pub(super) length: usize,
}

/// An opcode with its argument, as far as the grammar knows it. Memo writes carry no meaning here and are skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Op {
    Global(String),
    Text(String),
    Int(i64),
    Bool(bool),
    Mark,
    Tuple,
    Tuple1,
    Tuple3,
    EmptyTuple,
    EmptyDict,
    PersistentId,
    Reduce,
    /// A value that was put in the memo earlier.
    Recall,
    Stop,
}

/// Checks the program and takes out what it says.
pub(super) fn recognise(program: &[u8]) -> Result<Header, String> {
    let ops = decode(program)?;
    let mut walk = Walk { ops: &ops, at: 0 };
    let parameter = walk.next_if(&global("torch._utils _rebuild_parameter"));
    if parameter {
        // The parameter's arguments are (tensor, requires_grad, hooks): TUPLE3 closes them without a mark.
        let header = walk.tensor()?;
        walk.boolean()?;
        walk.hooks()?;
        walk.expect(&Op::Tuple3)?;
        walk.expect(&Op::Reduce)?;
        walk.expect(&Op::Stop)?;
        return walk.end(header);
    }
    let header = walk.tensor()?;
    walk.expect(&Op::Stop)?;
    walk.end(header)
}

struct Walk<'a> {
    ops: &'a [Op],
    at: usize,
}

impl Walk<'_> {
    fn next(&mut self) -> Result<&Op, String> {
        let op = self.ops.get(self.at).ok_or("a pickle that ends too early")?;
        self.at += 1;
        Ok(op)
    }

    fn next_if(&mut self, op: &Op) -> bool {
        let is = self.ops.get(self.at) == Some(op);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, op: &Op) -> Result<(), String> {
        match self.next()? {
            found if found == op => Ok(()),
            found => Err(format!("a pickle with {found:?} where a bare tensor has {op:?}")),
        }
    }

    fn int(&mut self) -> Result<i64, String> {
        match self.next()? {
            Op::Int(value) => Ok(*value),
            found => Err(format!("a pickle with {found:?} where a bare tensor has a number")),
        }
    }

    fn boolean(&mut self) -> Result<(), String> {
        match self.next()? {
            Op::Bool(_) => Ok(()),
            found => Err(format!("a pickle with {found:?} where a bare tensor has requires_grad")),
        }
    }

    fn text(&mut self) -> Result<String, String> {
        match self.next()? {
            Op::Text(text) => Ok(text.clone()),
            found => Err(format!("a pickle with {found:?} where a bare tensor has a text")),
        }
    }

    /// `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`
    fn tensor(&mut self) -> Result<Header, String> {
        self.expect(&global("torch._utils _rebuild_tensor_v2"))?;
        self.expect(&Op::Mark)?;
        self.expect(&Op::Mark)?;
        self.expect(&Op::Text(String::from("storage")))?;
        let dtype = match self.next()? {
            Op::Global(name) => storage_type(name)?,
            found => return Err(format!("a pickle with {found:?} where a bare tensor has its storage type")),
        };
        let key = self.text()?;
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(format!("a storage named {key:?}"));
        }
        let _device = self.text()?;
        let stored = self.int()?;
        self.expect(&Op::Tuple)?;
        self.expect(&Op::PersistentId)?;
        self.expect(&Op::Int(0))?;
        let size = self.int()?;
        self.expect(&Op::Tuple1)?;
        self.expect(&Op::Int(1))?;
        self.expect(&Op::Tuple1)?;
        self.boolean()?;
        self.hooks()?;
        self.expect(&Op::Tuple)?;
        self.expect(&Op::Reduce)?;
        match usize::try_from(size) {
            Ok(length) if size == stored => Ok(Header { dtype, key, length }),
            _ => Err(format!("{size} elements of a storage of {stored}")),
        }
    }

    /// An empty `OrderedDict`, made anew or by the constructor that the memo holds.
    fn hooks(&mut self) -> Result<(), String> {
        if self.next_if(&Op::EmptyDict) {
            return Ok(());
        }
        if !self.next_if(&Op::Recall) {
            self.expect(&global("collections OrderedDict"))?;
        }
        self.expect(&Op::EmptyTuple)?;
        self.expect(&Op::Reduce)
    }

    fn end(&self, header: Header) -> Result<Header, String> {
        if self.at == self.ops.len() { Ok(header) } else { Err(String::from("a pickle with something after its end")) }
    }
}

fn global(name: &str) -> Op {
    Op::Global(name.to_owned())
}

fn storage_type(name: &str) -> Result<Dtype, String> {
    match name {
        "torch FloatStorage" => Ok(Dtype::F32),
        "torch HalfStorage" => Ok(Dtype::F16),
        "torch BFloat16Storage" => Ok(Dtype::BF16),
        "torch BoolStorage" => Ok(Dtype::BOOL),
        other => Err(format!("a tensor of {other}")),
    }
}

/// The opcodes of a program; anything outside the grammar's alphabet is refused by its byte.
fn decode(program: &[u8]) -> Result<Vec<Op>, String> {
    let mut bytes = Bytes { rest: program };
    if bytes.byte()? != 0x80 {
        return Err(String::from("no pickle"));
    }
    bytes.byte()?;
    let mut ops = Vec::new();
    while !bytes.rest.is_empty() {
        let op = match bytes.byte()? {
            b'c' => Op::Global(format!("{} {}", bytes.line()?, bytes.line()?)),
            b'X' => {
                let length = bytes.little_endian(4)?;
                Op::Text(bytes.utf8(length as usize)?)
            }
            b'K' => Op::Int(bytes.little_endian(1)?),
            b'M' => Op::Int(bytes.little_endian(2)?),
            b'J' => Op::Int(bytes.little_endian(4).map(|value| i64::from(value as u32 as i32))?),
            0x88 => Op::Bool(true),
            0x89 => Op::Bool(false),
            b'(' => Op::Mark,
            b't' => Op::Tuple,
            0x85 => Op::Tuple1,
            0x87 => Op::Tuple3,
            b')' => Op::EmptyTuple,
            b'}' => Op::EmptyDict,
            b'Q' => Op::PersistentId,
            b'R' => Op::Reduce,
            b'.' => Op::Stop,
            b'h' => bytes.little_endian(1).map(|_| Op::Recall)?,
            b'q' => {
                bytes.byte()?;
                continue;
            }
            other => return Err(format!("a pickle with opcode 0x{other:02x}")),
        };
        ops.push(op);
    }
    Ok(ops)
}

struct Bytes<'a> {
    rest: &'a [u8],
}

impl Bytes<'_> {
    fn take(&mut self, count: usize) -> Result<&[u8], String> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("a pickle that ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn little_endian(&mut self, count: usize) -> Result<i64, String> {
        Ok(self.take(count)?.iter().rev().fold(0, |value, byte| value << 8 | i64::from(*byte)))
    }

    fn utf8(&mut self, count: usize) -> Result<String, String> {
        String::from_utf8(self.take(count)?.to_vec()).map_err(|_| String::from("a pickle with a text that is no UTF-8"))
    }

    fn line(&mut self) -> Result<String, String> {
        let length = self.rest.iter().position(|byte| *byte == b'\n').ok_or("a pickle that ends too early")?;
        let line = self.utf8(length)?;
        self.byte()?;
        Ok(line)
    }
}

/// The program for a contiguous vector in storage `0`.
pub(super) fn program(dtype: Dtype, length: usize) -> Vec<u8> {
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
