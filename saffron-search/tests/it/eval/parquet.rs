//! Rows of parquet files.

use std::sync::Arc;

use parquet::basic::{Compression, GzipLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use saffron_search::eval::data::{Columns, DataErrorKind, Format, read, read_pairs, read_within};

use super::files::{Files, ids, prompts};

const SCHEMA: &str = "message rows {
    required binary prompt (UTF8); required binary chosen (UTF8); optional binary rejected (UTF8);
    required binary subset (UTF8); required int64 id; required binary raw; }";

fn texts(group: &mut SerializedRowGroupWriter<'_, Vec<u8>>, values: &[&str], levels: Option<&[i16]>) {
    bytes(group, &values.iter().map(|text| text.as_bytes()).collect::<Vec<_>>(), levels);
}

fn bytes(group: &mut SerializedRowGroupWriter<'_, Vec<u8>>, values: &[&[u8]], levels: Option<&[i16]>) {
    let values: Vec<ByteArray> = values.iter().map(|bytes| ByteArray::from(bytes.to_vec())).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&values, levels, None).unwrap();
    column.close().unwrap();
}

/// Three rows, the second of another subset and without a rejected reply.
fn file(compression: Compression, raw: &[u8]) -> Vec<u8> {
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    texts(&mut group, &["How?", "2+2?", "Why?"], None);
    texts(&mut group, &["No.", "4", "No!"], None);
    texts(&mut group, &["So.", "Thus."], Some(&[1, 0, 1]));
    texts(&mut group, &["refusals-dangerous", "math-prm", "refusals-offensive"], None);
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[1, 2, 3], None, None).unwrap();
    column.close().unwrap();
    bytes(&mut group, &[raw, raw, raw], None);
    group.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn reward_bench_is_read_from_parquet_under_every_compression_that_needs_no_c() {
    for compression in [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::GZIP(GzipLevel::default())] {
        let files = Files::new();
        let path = files.write("r.parquet", file(compression, b"x"));
        let data = read(&path, &Format::RewardBench).unwrap();
        assert_eq!(prompts(&data), ["How?", "Why?"]);
        assert_eq!(ids(&data), ["refusals-dangerous/1", "refusals-offensive/3"]);
        assert_eq!(data.items[1].reply.as_deref(), Some("Thus."));
        assert_eq!(read_pairs(&path, &Format::RewardBench).unwrap().pairs[1].chosen, "No!");
    }
}

#[test]
fn columns_of_parquet_can_be_named_numbers_are_ids_and_null_is_nothing() {
    let files = Files::new();
    let path = files.write("r.parquet", file(Compression::SNAPPY, "ß".as_bytes()));
    let (reply, id, group) = (Some("rejected".into()), Some("id".into()), Some("raw".into()));
    let data = read(path, &Format::Columns(Columns { reply, id, group, ..Columns::new("prompt") })).unwrap();
    assert_eq!(ids(&data), ["1", "2", "3"]);
    assert_eq!((data.items[1].reply.as_deref(), data.items[1].group.as_deref()), (None, Some("ß")));
}

fn fault(content: &[u8], format: &Format) -> (DataErrorKind, String) {
    super::files::fault("r.parquet", content, format)
}

#[test]
fn a_column_of_parquet_that_is_missing_or_not_text_is_named_with_the_row() {
    let whole = file(Compression::SNAPPY, b"x");
    let columns = |name: &str| Format::Columns(Columns::new(name));
    let (kind, words) = fault(&whole, &columns("question"));
    assert!(matches!(kind, DataErrorKind::MissingColumn { .. }), "{words}");
    assert!(words.starts_with("row 1: no column `question` among [\"chosen\", \"id\""), "{words}");
    assert_eq!(fault(&whole, &columns("rejected")).1, "row 2, column `rejected`: expected text, found null");
    assert_eq!(fault(&whole, &columns("id")).1, "row 1, column `id`: expected text, found a number");
    let (_, words) = fault(&file(Compression::SNAPPY, b"\xff"), &columns("prompt"));
    assert!(words.starts_with("row 1, column `raw`") && words.ends_with("found bytes that are not UTF-8"), "{words}");
}

#[test]
fn a_cut_parquet_file_is_an_error_wherever_it_is_cut() {
    let whole = file(Compression::SNAPPY, b"x");
    for cut in 0..whole.len() {
        let (kind, words) = fault(&whole[..cut], &Format::RewardBench);
        assert!(matches!(kind, DataErrorKind::Parquet(_)), "{cut}: {words}");
    }
}

#[test]
fn a_flipped_byte_of_a_parquet_file_is_an_error_or_unseen_but_no_panic() {
    let (files, whole) = (Files::new(), file(Compression::SNAPPY, b"x"));
    let mut errors = 0;
    for (place, flip) in (0..whole.len()).flat_map(|place| [0x01, 0x80, 0xff].map(|flip| (place, flip))) {
        let mut bytes = whole.clone();
        bytes[place] ^= flip;
        errors += usize::from(read(files.write("r.parquet", bytes), &Format::RewardBench).is_err());
    }
    // Pages written without checksums hide some damage to their content; the structure hides little.
    assert!(errors > whole.len(), "{errors} of {}", 3 * whole.len());
}

#[test]
fn a_parquet_file_that_states_more_than_is_allowed_is_refused() {
    let files = Files::new();
    let path = files.write("r.parquet", file(Compression::SNAPPY, &vec![0; 1 << 20]));
    let stored = path.metadata().unwrap().len();
    let error = read_within(&path, &Format::RewardBench, stored + 100).unwrap_err();
    assert!(matches!(error.kind(), DataErrorKind::TooLarge { .. }), "{error}");
    assert_eq!(read_within(&path, &Format::RewardBench, 1 << 24).unwrap().items.len(), 2);
}
