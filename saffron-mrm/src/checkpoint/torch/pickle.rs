//! The opcodes of a pickle, one by one. Nothing is executed, built or kept, but for texts and names
//! that the program recalls.

use std::collections::BTreeMap;
use std::fmt;

use crate::brief::cut;

/// An opcode with its argument, as far as the grammar knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op<'a> {
    Global(&'a str, &'a str),
    Text(&'a str),
    Int(i64),
    Bool(bool),
    Mark,
    Tuple,
    Tuple1,
    Tuple2,
    Tuple3,
    EmptyTuple,
    EmptyDict,
    SetItem,
    SetItems,
    PersistentId,
    Reduce,
    Stop,
}

impl fmt::Display for Op<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global(module, name) => write!(f, "Global({:?})", cut(format!("{module} {name}"))),
            Self::Text(text) => write!(f, "Text({:?})", cut((*text).to_owned())),
            other => write!(f, "{other:?}"),
        }
    }
}

/// A program and how far it has been read.
pub(super) struct Ops<'a> {
    rest: &'a [u8],
    /// What the program has put aside and may recall. Other values are never recalled.
    memo: BTreeMap<u32, Op<'a>>,
    peeked: Option<Op<'a>>,
}

impl<'a> Ops<'a> {
    pub(super) fn of(program: &'a [u8]) -> Result<Self, String> {
        let mut ops = Self { rest: program, memo: BTreeMap::new(), peeked: None };
        if ops.byte()? != 0x80 {
            return Err(String::from("no pickle"));
        }
        ops.byte()?;
        Ok(ops)
    }

    pub(super) fn next(&mut self) -> Result<Op<'a>, String> {
        match self.peeked.take() {
            Some(op) => Ok(op),
            None => self.read(),
        }
    }

    pub(super) fn peek(&mut self) -> Result<Op<'a>, String> {
        let op = self.next()?;
        self.peeked = Some(op);
        Ok(op)
    }

    /// Goes on if the next opcode is this one.
    pub(super) fn next_if(&mut self, op: Op<'_>) -> Result<bool, String> {
        let is = self.peek()? == op;
        if is {
            self.peeked = None;
        }
        Ok(is)
    }

    /// The end of the program, behind its last opcode.
    pub(super) fn end(&mut self) -> Result<(), String> {
        match self.next()? {
            Op::Stop if self.rest.is_empty() => Ok(()),
            Op::Stop => Err(String::from("a pickle with something after its end")),
            found => Err(format!("a pickle with {found} where it should end")),
        }
    }

    fn read(&mut self) -> Result<Op<'a>, String> {
        let op = self.decode()?;
        // What is put in the memo is the value on top: here always that of the opcode before.
        while let [code @ (b'q' | b'r'), ..] = self.rest {
            self.byte()?;
            let place = self.little_endian(if *code == b'q' { 1 } else { 4 })? as u32;
            match op {
                Op::Text(_) | Op::Global(..) => self.memo.insert(place, op),
                _ => self.memo.remove(&place),
            };
        }
        Ok(op)
    }

    /// The next opcode. Anything outside the grammar's alphabet is refused by its byte.
    fn decode(&mut self) -> Result<Op<'a>, String> {
        Ok(match self.byte()? {
            b'c' => Op::Global(self.line()?, self.line()?),
            b'X' => {
                let length = self.little_endian(4)?;
                Op::Text(self.utf8(length as usize)?)
            }
            b'K' => Op::Int(self.little_endian(1)?),
            b'M' => Op::Int(self.little_endian(2)?),
            b'J' => Op::Int(i64::from(self.little_endian(4)? as u32 as i32)),
            0x88 => Op::Bool(true),
            0x89 => Op::Bool(false),
            b'(' => Op::Mark,
            b't' => Op::Tuple,
            0x85 => Op::Tuple1,
            0x86 => Op::Tuple2,
            0x87 => Op::Tuple3,
            b')' => Op::EmptyTuple,
            b'}' => Op::EmptyDict,
            b's' => Op::SetItem,
            b'u' => Op::SetItems,
            b'Q' => Op::PersistentId,
            b'R' => Op::Reduce,
            b'.' => Op::Stop,
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            other => return Err(format!("a pickle with opcode 0x{other:02x}")),
        })
    }

    fn recall(&mut self, bytes: usize) -> Result<Op<'a>, String> {
        let place = self.little_endian(bytes)? as u32;
        let found = self.memo.get(&place).copied();
        found.ok_or_else(|| format!("a pickle that recalls {place}, which is no text and no name"))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
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

    fn utf8(&mut self, count: usize) -> Result<&'a str, String> {
        std::str::from_utf8(self.take(count)?).map_err(|_| String::from("a pickle with a text that is no UTF-8"))
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let length = self.rest.iter().position(|byte| *byte == b'\n').ok_or("a pickle that ends too early")?;
        let line = self.utf8(length)?;
        self.byte()?;
        Ok(line)
    }
}
