//! Pickles written by hand, and by a small writer of random values.

use super::*;
use proptest::prelude::*;

/// What the writer can write.
#[derive(Clone, Debug)]
enum Tree {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Tree>),
    Tuple(Vec<Tree>),
    Dict(Vec<(String, Tree)>),
    /// A call of a function that is not known.
    Call(Vec<Tree>),
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend(u32::try_from(text.len()).expect("short").to_le_bytes());
    out.extend(text.as_bytes());
}

fn write(out: &mut Vec<u8>, tree: &Tree) {
    match tree {
        Tree::None => out.push(b'N'),
        Tree::Bool(value) => out.push(if *value { 0x88 } else { 0x89 }),
        Tree::Int(value) => {
            if let Ok(small) = u8::try_from(*value) {
                out.extend([b'K', small]);
            } else {
                out.extend([0x8a, 8]);
                out.extend(value.to_le_bytes());
            }
        }
        Tree::Float(value) => {
            out.push(b'G');
            out.extend(value.to_be_bytes());
        }
        Tree::Text(text) => write_text(out, text),
        Tree::List(items) => {
            out.extend(b"](");
            for item in items {
                write(out, item);
            }
            out.push(b'e');
        }
        Tree::Tuple(items) => {
            out.push(b'(');
            for item in items {
                write(out, item);
            }
            out.push(b't');
        }
        Tree::Dict(items) => {
            out.extend(b"}(");
            for (key, value) in items {
                write_text(out, key);
                write(out, value);
            }
            out.push(b'u');
        }
        Tree::Call(items) => {
            out.extend(b"cos\nsystem\n");
            write(out, &Tree::Tuple(items.clone()));
            out.push(b'R');
        }
    }
}

fn pickled(tree: &Tree) -> Vec<u8> {
    let mut bytes = vec![0x80, 2];
    write(&mut bytes, tree);
    bytes.push(b'.');
    bytes
}

fn is(pickle: &Pickle<'_>, value: &Value<'_>, tree: &Tree) -> bool {
    let all = |ids: &[Id], trees: &[Tree]| {
        let mut pairs = ids.iter().zip(trees);
        ids.len() == trees.len() && pairs.all(|(id, tree)| is(pickle, pickle.get(*id), tree))
    };
    match (value, tree) {
        (Value::None, Tree::None) | (Value::Opaque, Tree::Call(_)) => true,
        (Value::Bool(a), Tree::Bool(b)) => a == b,
        (Value::Int(a), Tree::Int(b)) => a == b,
        (Value::Float(a), Tree::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::Text(a), Tree::Text(b)) => a == b,
        (Value::List(ids), Tree::List(trees)) | (Value::Tuple(ids), Tree::Tuple(trees)) => {
            all(ids, trees)
        }
        (Value::Dict(entries), Tree::Dict(trees)) => {
            entries.len() == trees.len()
                && entries.iter().zip(trees).all(|((key, value), (text, tree))| {
                    *pickle.get(*key) == Value::Text(text) && is(pickle, pickle.get(*value), tree)
                })
        }
        _ => false,
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::None),
        any::<bool>().prop_map(Tree::Bool),
        any::<i64>().prop_map(Tree::Int),
        (0i64..256).prop_map(Tree::Int),
        any::<f64>().prop_map(Tree::Float),
        ".{0,6}".prop_map(Tree::Text),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..6);
        prop_oneof![
            items.clone().prop_map(Tree::List),
            items.clone().prop_map(Tree::Tuple),
            items.prop_map(Tree::Call),
            prop::collection::vec((".{0,6}", inner), 0..6).prop_map(Tree::Dict),
        ]
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read(tree in trees(), after in prop::collection::vec(any::<u8>(), 0..9)) {
        let mut bytes = pickled(&tree);
        let len = bytes.len();
        bytes.extend(after);
        let pickle = Pickle::parse(&bytes).expect("a valid pickle");
        prop_assert!(is(&pickle, pickle.root(), &tree));
        prop_assert_eq!(pickle.len, len);
    }

    #[test]
    fn cut_and_changed_pickles_never_panic(
        tree in trees(),
        cut in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        with in any::<u8>(),
    ) {
        let mut bytes = pickled(&tree);
        prop_assert!(Pickle::parse(&bytes[..cut.index(bytes.len())]).is_err());
        let at = at.index(bytes.len());
        bytes[at] = with;
        let _ = Pickle::parse(&bytes);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Pickle::parse(&bytes);
    }

    /// Random bytes hardly get past the first opcode; these are likely to.
    #[test]
    fn random_opcodes_never_panic(choices in prop::collection::vec(any::<prop::sample::Index>(), 0..60)) {
        const PIECES: [&[u8]; 26] = [
            b"(", b"0", b"1", b"2", b"N", b"K\x01", b"X\x01\0\0\0a", b")", b"t", b"\x85", b"\x86",
            b"\x87", b"]", b"}", b"\x8f", b"a", b"e", b"s", b"u", b"\x90", b"R", b"b", b"Q", b"q\0",
            b"h\0", b"ccollections\nOrderedDict\n",
        ];
        let bytes: Vec<u8> =
            choices.iter().flat_map(|i| PIECES[i.index(PIECES.len())]).copied().chain([b'.']).collect();
        let _ = Pickle::parse(&bytes);
    }
}

const REBUILD: &[u8] = b"ctorch._utils\n_rebuild_tensor_v2\n";

/// A pickle of one tensor of 6 half-precision elements, with these sizes and strides.
fn tensor(len: &[u8], sizes: &[u8], strides: &[u8]) -> Vec<u8> {
    let storage =
        [b"((X\x07\0\0\0storagectorch\nHalfStorage\nU\x01kU\x06cuda:0", len, b"tQ"].concat();
    [b"\x80\x02", REBUILD, &storage, b"K\x02", sizes, strides, b"\x89)tR."].concat()
}

#[test]
fn tensor_is_a_view_of_a_storage() {
    let bytes = tensor(b"K\x06", b"K\x02K\x01\x86", b"K\x01K\x04\x86");
    let pickle = Pickle::parse(&bytes).expect("valid");
    let storage = Storage { element: Element::F16, key: "k", len: 6 };
    let view = View { storage, offset: 2, shape: vec![2, 1], strides: vec![1, 4] };
    assert_eq!(pickle.root(), &Value::Tensor(Box::new(view)));
}

#[track_caller]
fn refuse(bytes: &[u8], message: &str) {
    let error = Pickle::parse(bytes).expect_err("refused").to_string();
    assert!(error.contains(message), "{error}");
}

#[test]
fn refused_pickles_say_where_and_why() {
    refuse(b"\x80\x02", "byte 2 of the pickle: it ends too early");
    refuse(b"\x80\x06N.", "byte 0 of the pickle: protocol 6 is newer than 5");
    refuse(b"I1\n.", "opcode 0x49 is not one that PyTorch writes");
    refuse(b"N(.", "the stack has too few values");
    refuse(b"t.", "the stack has too few values");
    refuse(b"h\x07.", "value 7 was never remembered");
    refuse(b"}(Nu.", "a dictionary has a key without a value");
    refuse(b"NNa.", "items are added to something that holds none");
    refuse(b"X\xff\xff\xff\xffa.", "it ends too early");
    refuse(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.", "it ends too early");
    refuse(b"\x8c\x01\xff.", "a text is not UTF-8");
    refuse(b"NQ.", "a persistent id is not a tuple");
    refuse(&tensor(b"J\xff\xff\xff\xff", b")", b")"), "a negative number of elements");
    refuse(&tensor(b"K\x06", b"J\xfe\xff\xff\xff\x85", b"K\x01\x85"), "is not a number from 0");
    refuse(&tensor(b"K\x06", b"K\x01\x85", b")"), "not as many strides as sizes");
    refuse(&tensor(b"K\x06", b"(NNNNNNNNNt", b")"), "a tuple of at most 8");
}

#[test]
fn opcodes_are_limited() {
    let mut bytes = vec![b'N'; MAX_OPCODES];
    bytes.push(b'.');
    refuse(&bytes, "more than 524288 opcodes");
    bytes.remove(0);
    Pickle::parse(&bytes).expect("the limit itself is allowed");
}

#[test]
fn a_list_may_hold_itself() {
    let pickle = Pickle::parse(b"]q\0h\0a.").expect("valid");
    assert_eq!(pickle.root(), &Value::List(vec![0]));
}

#[test]
fn protocol_four_names_classes_on_the_stack() {
    let bytes =
        b"\x80\x04\x95\0\0\0\0\0\0\0\0\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93)R.";
    assert_eq!(Pickle::parse(bytes).expect("valid").root(), &Value::Dict(vec![]));
}

#[test]
fn integers_have_any_length() {
    assert_eq!(integer(&[]), Value::Int(0));
    assert_eq!(integer(&[0xfe]), Value::Int(-2));
    assert_eq!(integer(&[0, 1]), Value::Int(256));
    assert_eq!(integer(&[1; 9]), Value::Bytes(&[1; 9]));
}
