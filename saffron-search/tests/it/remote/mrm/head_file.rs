//! The file of a head.

use std::fs;

use saffron_search::remote::{HeadErrorKind, read_head};
use serde_json::json;

/// A safetensors file of `tensors` (name, type, shape, bytes) and notes.
fn file(tensors: &[(&str, &str, &[usize], Vec<u8>)], notes: Option<&str>) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, dtype, shape, bytes) in tensors {
        let begin = data.len();
        data.extend_from_slice(bytes);
        header.insert((*name).into(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [begin, data.len()] }));
    }
    if let Some(notes) = notes {
        header.insert("__metadata__".into(), json!({ "saffron": notes }));
    }
    let header = serde_json::Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn kind(bytes: &[u8]) -> HeadErrorKind {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("reward_head.safetensors");
    fs::write(&path, bytes).unwrap();
    let error = read_head(dir.path()).unwrap_err();
    assert_eq!(error.path, path);
    error.kind
}

const BIAS: &str = "lm_head.bias";
const MASK: &str = "unseen_mask";

#[test]
fn a_head_is_read_whole() {
    let rows = ("lm_head.weight", "F32", &[3usize, 2][..], floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    let tensors =
        [(BIAS, "F32", &[3usize][..], floats(&[0.5, -1.0, 2.0])), (MASK, "BOOL", &[3][..], vec![0, 1, 0]), rows];
    let notes = r#"{"reference":1,"logit_divisor":8.0,"logit_cap":30.0,"preset":"paper"}"#;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("head");
    fs::write(&path, file(&tensors, Some(notes))).unwrap();
    let head = read_head(&path).unwrap();
    assert_eq!(head.head.bias, [0.5, -1.0, 2.0]);
    assert_eq!(head.head.unseen.iter().collect::<Vec<_>>(), [1]);
    assert_eq!(head.unembedding.unwrap().logit(2, &[1.0, 1.0]), Some(11.0));
    assert_eq!((head.notes.reference, head.notes.logit_divisor), (Some(1), 8.0));
    assert!((head.notes.bounded(80.0) - 30.0 * (1.0f32 / 3.0).tanh()).abs() < 1e-6);
    // Without notes and rows, the head alone.
    fs::write(&path, file(&tensors[..2], None)).unwrap();
    assert!(read_head(&path).unwrap().unembedding.is_none());
}

#[test]
fn what_is_no_head_is_refused_by_what_is_wrong() {
    let bias = |values: &[f32]| (BIAS, "F32", &[2usize][..], floats(values));
    let mask = (MASK, "BOOL", &[2usize][..], vec![0, 1]);
    let good = bias(&[1.0, 2.0]);
    let tensor = |bytes: &[u8]| match kind(bytes) {
        HeadErrorKind::Tensor { tensor, expected, found } => (tensor, format!("{expected}; {found}")),
        other => panic!("{other}"),
    };
    assert_eq!(tensor(&file(std::slice::from_ref(&mask), None)), (BIAS, String::from("a tensor; none")));
    assert_eq!(tensor(&file(std::slice::from_ref(&good), None)), (MASK, String::from("a tensor; none")));
    assert_eq!(tensor(&file(&[bias(&[1.0, f32::NAN]), mask.clone()], None)).0, BIAS);
    let short = (MASK, "BOOL", &[1usize][..], vec![0]);
    assert_eq!(tensor(&file(&[good.clone(), short], None)), (MASK, String::from("[2]; [1]")));
    let other = (BIAS, "F16", &[2usize][..], vec![0; 4]);
    assert_eq!(tensor(&file(&[other, mask.clone()], None)), (BIAS, String::from("F32; F16")));
    let rows = ("lm_head.weight", "F32", &[3usize, 1][..], floats(&[0.0; 3]));
    assert_eq!(tensor(&file(&[good.clone(), mask.clone(), rows], None)).0, "lm_head.weight");
    let notes = file(&[good.clone(), mask.clone()], Some(r#"{"referense":1}"#));
    assert!(matches!(kind(&notes), HeadErrorKind::Notes(_)));
    let whole = file(&[good, mask], None);
    assert!(matches!(kind(&whole[..whole.len() - 1]), HeadErrorKind::Header(_)));
    assert!(matches!(kind(&whole[..5]), HeadErrorKind::Header(_)));
    assert!(matches!(kind(&[&u64::MAX.to_le_bytes()[..], b"{}"].concat()), HeadErrorKind::Header(_)));
    assert!(matches!(kind(b"no header at all, but longer than eight bytes"), HeadErrorKind::Header(_)));
}

#[test]
fn what_is_no_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(read_head(dir.path()).unwrap_err().kind, HeadErrorKind::Io(_)));
    fs::create_dir(dir.path().join("reward_head.safetensors")).unwrap();
    assert!(matches!(read_head(dir.path()).unwrap_err().kind, HeadErrorKind::NotAFile { .. }));
}

#[test]
fn damaged_heads_are_refused_or_read_and_never_more() {
    let tensors = [(BIAS, "F32", &[3usize][..], floats(&[0.5, -1.0, 2.0])), (MASK, "BOOL", &[3][..], vec![0, 1, 0])];
    let whole = file(&tensors, Some(r#"{"reference":1}"#));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("head");
    let mut mutator = saffron_core::testing::Mutator::new(23);
    for _ in 0..2000 {
        fs::write(&path, mutator.mutant(&whole)).unwrap();
        if let Ok(head) = read_head(&path) {
            assert!(head.head.bias.iter().all(|value| value.is_finite()));
            assert_eq!(head.head.unseen.size(), head.head.bias.len());
        }
    }
}
