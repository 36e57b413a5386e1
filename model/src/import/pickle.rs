//! A reader of the pickles that `torch.save` writes, which executes nothing.
//!
//! A pickle is a program for a stack machine. This machine knows the opcodes that protocols 2 to 4
//! write, and the classes and functions of [`Class`]; whatever any other one would build is an
//! opaque value. Values are in one vector and refer to each other by index, so that neither deep
//! nesting nor cycles cost anything, and texts are slices of the file. Every opcode makes a bounded
//! number of values, so memory is bounded by [`MAX_OPCODES`]: some 100 MB at worst.
//!
//! Not here: the bytes of tensors, and what a file's dictionary means.

use crate::import::element::Element;
use std::collections::BTreeMap;

/// Most opcodes of one pickle; a ResNet-34 with its optimizer has 14,000.
const MAX_OPCODES: usize = 1 << 19;
/// Most dimensions of a tensor.
const MAX_DIMENSIONS: usize = 8;
/// Newest protocol that is read.
const MAX_PROTOCOL: u8 = 5;

/// Index of a value.
pub(crate) type Id = usize;

/// A value of the pickled program.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A float.
    Float(f64),
    /// A text.
    Text(&'a str),
    /// Bytes, or an integer of more than 64 bits in little-endian form.
    Bytes(&'a [u8]),
    /// A tuple.
    Tuple(Vec<Id>),
    /// A list.
    List(Vec<Id>),
    /// A dictionary, in the order of insertion; of equal keys the last one counts.
    Dict(Vec<(Id, Id)>),
    /// A class or function by name.
    Class(Class),
    /// A reference to elements that are stored outside the pickle.
    Storage(Storage<'a>),
    /// A view of a storage.
    Tensor(Box<View<'a>>),
    /// Anything else.
    Opaque,
}

/// The classes and functions whose meaning is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// `collections.OrderedDict`.
    OrderedDict,
    /// `torch._utils._rebuild_tensor` and its successor `_rebuild_tensor_v2`.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`.
    RebuildParameter,
    /// `torch.FloatStorage` and its like.
    Storage(Element),
    /// Any other; never called.
    Unknown,
}

/// Elements that are stored outside the pickle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Storage<'a> {
    /// Type of the elements.
    pub element: Element,
    /// Name of the storage.
    pub key: &'a str,
    /// Elements that it claims to have.
    pub len: usize,
}

/// A tensor: some elements of a storage. Nothing is checked against the storage yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View<'a> {
    /// Where the elements are.
    pub storage: Storage<'a>,
    /// First element.
    pub offset: usize,
    /// Sizes, slowest first.
    pub shape: Vec<usize>,
    /// Elements from one index to the next, as many as sizes.
    pub strides: Vec<usize>,
}

/// A pickle that was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    root: Id,
    /// Bytes that it takes.
    pub len: usize,
}

/// Why bytes are not a readable pickle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset} of the pickle: {problem}")]
pub struct PickleError {
    /// Where the opcode starts.
    pub offset: usize,
    /// What is wrong.
    pub problem: PickleProblem,
}

/// What is wrong with an opcode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickleProblem {
    /// The bytes end within the pickle.
    #[error("it ends too early")]
    Truncated,
    /// An opcode that PyTorch does not write.
    #[error("opcode {0:#04x} is not one that PyTorch writes")]
    Opcode(u8),
    /// A protocol that did not exist yet.
    #[error("protocol {0} is newer than {MAX_PROTOCOL}")]
    Protocol(u8),
    /// An opcode takes more values than there are.
    #[error("the stack has too few values")]
    Stack,
    /// A remembered value that was never stored.
    #[error("value {0} was never remembered")]
    Memo(u32),
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    Utf8,
    /// An operand of the wrong type or value.
    #[error("{0}")]
    Operand(&'static str),
    /// The limit of `MAX_OPCODES`.
    #[error("it has more than {MAX_OPCODES} opcodes")]
    TooLong,
}

use PickleProblem::{Memo, Opcode, Operand, Protocol, Stack, TooLong, Truncated, Utf8};

impl<'a> Pickle<'a> {
    /// Reads one pickle from the start of the bytes, which may go on after it.
    ///
    /// # Errors
    /// [`PickleError`].
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, PickleError> {
        let mut machine = Machine {
            bytes,
            at: 0,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: BTreeMap::new(),
            steps: 0,
        };
        loop {
            let offset = machine.at;
            match machine.step() {
                Ok(None) => {}
                Ok(Some(root)) => {
                    return Ok(Self { values: machine.values, root, len: machine.at });
                }
                Err(problem) => return Err(PickleError { offset, problem }),
            }
        }
    }

    /// Returns the value that the pickle is.
    pub(crate) fn root(&self) -> &Value<'a> {
        &self.values[self.root]
    }

    /// Returns a value.
    pub(crate) fn get(&self, id: Id) -> &Value<'a> {
        &self.values[id]
    }

    /// Returns all values, in no useful order.
    pub(crate) fn values(&self) -> &[Value<'a>] {
        &self.values
    }

    /// Returns the entry of a dictionary with this text as key; `None` where there is none, or the
    /// value is no dictionary.
    pub(crate) fn entry(&self, dict: &Value<'a>, key: &str) -> Option<&Value<'a>> {
        let Value::Dict(entries) = dict else { return None };
        let found = entries.iter().rev().find(|(k, _)| self.values[*k] == Value::Text(key));
        found.map(|(_, value)| &self.values[*value])
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Id>,
    steps: usize,
}

type Step<T = ()> = Result<T, PickleProblem>;

impl<'a> Machine<'a> {
    /// Executes one opcode; returns the result where it is the last one.
    fn step(&mut self) -> Step<Option<Id>> {
        self.charge(1)?;
        let opcode = self.u8()?;
        match opcode {
            b'.' => return self.pop().map(Some),
            0x80 => {
                let protocol = self.u8()?;
                if protocol > MAX_PROTOCOL {
                    return Err(Protocol(protocol));
                }
            }
            0x95 => {
                self.take(8)?; // A frame: only a hint for buffering.
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                self.pop_mark()?;
            }
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'K' | b'M' | b'J' | b'G' | 0x8a | 0x8b => self.number(opcode)?,
            b'X' | b'U' | b'T' | b'B' | b'C' | 0x8c | 0x8d | 0x8e => self.text(opcode)?,
            b')' | b't' | 0x85..=0x87 => self.tuple(opcode)?,
            b']' => self.push(Value::List(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            0x8f => self.push(Value::Opaque), // A set.
            b'a' | b'e' | b's' | b'u' | 0x90 => self.extend(opcode)?,
            0x91 => {
                self.pop_mark()?;
                self.push(Value::Opaque); // A frozen set.
            }
            b'c' | 0x93 => self.class(opcode)?,
            b'R' => self.reduce()?,
            // `cls.__new__(cls, *args)`, and with keyword arguments: of no class that is known.
            0x81 => self.replace(2)?,
            0x92 => self.replace(3)?,
            b'b' => {
                self.pop()?; // Attributes of the object below, which keeps its value.
            }
            b'Q' => self.persistent()?,
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.remember(opcode)?,
            other => return Err(Opcode(other)),
        }
        Ok(None)
    }

    /// Pays for work; every value, reference and remembered value is paid for.
    fn charge(&mut self, steps: usize) -> Step {
        self.steps += steps;
        if self.steps > MAX_OPCODES { Err(TooLong) } else { Ok(()) }
    }

    fn take(&mut self, len: usize) -> Step<&'a [u8]> {
        let end = self.at.checked_add(len).ok_or(Truncated)?;
        let bytes = self.bytes.get(self.at..end).ok_or(Truncated)?;
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("bug: N bytes were taken"))
    }

    fn u8(&mut self) -> Step<u8> {
        Ok(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Step<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn push(&mut self, value: Value<'a>) {
        self.values.push(value);
        self.stack.push(self.values.len() - 1);
    }

    fn top(&self) -> Step<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack.get(floor..).and_then(<[Id]>::last).copied().ok_or(Stack)
    }

    fn pop(&mut self) -> Step<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or(Stack)?;
        Ok(self.stack.split_off(mark))
    }

    /// Replaces values by an opaque one.
    fn replace(&mut self, count: usize) -> Step {
        for _ in 0..count {
            self.pop()?;
        }
        self.push(Value::Opaque);
        Ok(())
    }

    fn number(&mut self, opcode: u8) -> Step {
        let value = match opcode {
            b'K' => Value::Int(self.u8()?.into()),
            b'M' => Value::Int(u16::from_le_bytes(self.array()?).into()),
            b'J' => Value::Int(i32::from_le_bytes(self.array()?).into()),
            b'G' => Value::Float(f64::from_be_bytes(self.array()?)),
            _ => {
                let len = if opcode == 0x8a { self.u8()?.into() } else { self.u32()? };
                integer(self.take(index(len))?)
            }
        };
        self.push(value);
        Ok(())
    }

    fn text(&mut self, opcode: u8) -> Step {
        let len = match opcode {
            b'U' | b'C' | 0x8c => self.u8()?.into(),
            b'X' | b'T' | b'B' => index(self.u32()?),
            _ => usize::try_from(u64::from_le_bytes(self.array()?)).map_err(|_| Truncated)?,
        };
        let bytes = self.take(len)?;
        let value = match (opcode, str::from_utf8(bytes)) {
            // A text of Python 2 may be any bytes.
            (b'B' | b'C' | 0x8e, _) | (b'U' | b'T', Err(_)) => Value::Bytes(bytes),
            (_, Ok(text)) => Value::Text(text),
            (_, Err(_)) => return Err(Utf8),
        };
        self.push(value);
        Ok(())
    }

    fn tuple(&mut self, opcode: u8) -> Step {
        let items = match opcode {
            b't' => self.pop_mark()?,
            b')' => Vec::new(),
            _ => {
                let mut items =
                    (0x85..=opcode).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
                items.reverse();
                items
            }
        };
        self.push(Value::Tuple(items));
        Ok(())
    }

    /// Adds items to the container below them.
    fn extend(&mut self, opcode: u8) -> Step {
        let items = match opcode {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.pop_mark()?,
        };
        let container = self.top()?;
        match (&mut self.values[container], opcode) {
            (Value::List(list), b'a' | b'e') => list.extend(items),
            (Value::Dict(entries), b's' | b'u') => {
                let (pairs, rest) = items.as_chunks::<2>();
                if !rest.is_empty() {
                    return Err(Operand("a dictionary has a key without a value"));
                }
                entries.extend(pairs.iter().map(|&[key, value]| (key, value)));
            }
            (Value::Opaque, _) => {}
            _ => return Err(Operand("items are added to something that holds none")),
        }
        Ok(())
    }

    fn class(&mut self, opcode: u8) -> Step {
        let (module, name) = if opcode == b'c' {
            (self.line()?, self.line()?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            match (&self.values[module], &self.values[name]) {
                (Value::Text(module), Value::Text(name)) => (*module, *name),
                _ => return Err(Operand("the name of a class is not a text")),
            }
        };
        self.push(Value::Class(Class::from_name(module, name)));
        Ok(())
    }

    fn line(&mut self) -> Step<&'a str> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|&b| b == b'\n').ok_or(Truncated)?;
        let line = self.take(len)?;
        self.at += 1;
        str::from_utf8(line).map_err(|_| Utf8)
    }

    /// Evaluates a call of one of the known functions.
    fn reduce(&mut self) -> Step {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Value::Tuple(arguments) = &self.values[arguments] else {
            return Err(Operand("the arguments of a call are not a tuple"));
        };
        let value = match &self.values[function] {
            Value::Class(Class::OrderedDict) if arguments.is_empty() => Value::Dict(Vec::new()),
            Value::Class(Class::RebuildTensor) => self.tensor(arguments)?,
            Value::Class(Class::RebuildParameter) => {
                match arguments.first().map(|&id| &self.values[id]) {
                    Some(Value::Tensor(view)) => Value::Tensor(view.clone()),
                    _ => Value::Opaque,
                }
            }
            _ => Value::Opaque,
        };
        self.push(value);
        Ok(())
    }

    /// Returns the tensor of `(storage, offset, size, stride, ..)`.
    fn tensor(&self, arguments: &[Id]) -> Step<Value<'a>> {
        let [storage, offset, shape, strides, ..] = arguments else {
            return Err(Operand("a tensor lacks its storage, offset, sizes or strides"));
        };
        let Value::Storage(storage) = self.values[*storage] else { return Ok(Value::Opaque) };
        let (shape, strides) = (self.sizes(*shape)?, self.sizes(*strides)?);
        if shape.len() != strides.len() {
            return Err(Operand("a tensor has not as many strides as sizes"));
        }
        let offset = self.size(*offset)?;
        Ok(Value::Tensor(Box::new(View { storage, offset, shape, strides })))
    }

    fn sizes(&self, id: Id) -> Step<Vec<usize>> {
        match &self.values[id] {
            Value::Tuple(items) if items.len() <= MAX_DIMENSIONS => {
                items.iter().map(|&item| self.size(item)).collect()
            }
            _ => Err(Operand("the sizes or strides of a tensor are not a tuple of at most 8")),
        }
    }

    fn size(&self, id: Id) -> Step<usize> {
        match self.values[id] {
            Value::Int(value) => usize::try_from(value).ok(),
            _ => None,
        }
        .ok_or(Operand("a size, stride or offset of a tensor is not a number from 0"))
    }

    /// Makes a storage of `('storage', class, key, location, elements)`; the location says on which
    /// device it was, and does not matter.
    fn persistent(&mut self) -> Step {
        let id = self.pop()?;
        let Value::Tuple(items) = &self.values[id] else {
            return Err(Operand("a persistent id is not a tuple"));
        };
        let items: Vec<&Value<'a>> = items.iter().take(6).map(|&id| &self.values[id]).collect();
        let value = match items[..] {
            [
                Value::Text("storage"),
                Value::Class(Class::Storage(element)),
                Value::Text(key),
                _,
                Value::Int(len),
            ]
            | [
                Value::Text("storage"),
                Value::Class(Class::Storage(element)),
                Value::Text(key),
                _,
                Value::Int(len),
                Value::None,
            ] => {
                let len = usize::try_from(*len)
                    .map_err(|_| Operand("a storage has a negative number of elements"))?;
                Value::Storage(Storage { element: *element, key, len })
            }
            _ => Value::Opaque,
        };
        self.push(value);
        Ok(())
    }

    /// Remembers the top of the stack, or repeats what was remembered.
    fn remember(&mut self, opcode: u8) -> Step {
        let key = match opcode {
            b'q' | b'h' => self.u8()?.into(),
            b'r' | b'j' => self.u32()?,
            _ => u32::try_from(self.memo.len()).map_err(|_| TooLong)?,
        };
        if matches!(opcode, b'h' | b'j') {
            self.stack.push(*self.memo.get(&key).ok_or(Memo(key))?);
        } else {
            let top = self.top()?;
            self.memo.insert(key, top);
        }
        Ok(())
    }
}

impl Class {
    fn from_name(module: &str, name: &str) -> Self {
        match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", name) => {
                Element::from_storage_class(name).map_or(Self::Unknown, Self::Storage)
            }
            _ => Self::Unknown,
        }
    }
}

/// The value of a little-endian two's complement integer.
fn integer(bytes: &[u8]) -> Value<'_> {
    let Some(&last) = bytes.last() else { return Value::Int(0) };
    let mut wide = if last < 128 { [0; 8] } else { [255; 8] };
    match wide.get_mut(..bytes.len()) {
        Some(low) => {
            low.copy_from_slice(bytes);
            Value::Int(i64::from_le_bytes(wide))
        }
        None => Value::Bytes(bytes),
    }
}

fn index(value: u32) -> usize {
    usize::try_from(value).expect("bug: addresses have at least 32 bits")
}

#[cfg(test)]
mod tests;
