//! Rows of parquet files.

use std::sync::Arc;

use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use saffron_search::eval::data::{Cap, Choice, Columns, DataErrorKind, DataLimits, Format, Place};
use saffron_search::eval::data::{read, read_chosen, read_pairs, read_within};

use super::files::{Files, ids, prompts};
use saffron_core::testing::Mutator;

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
    reward_bench_is_read(&[Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::GZIP(GzipLevel::default())]);
}

#[test]
fn reward_bench_is_read_from_parquet_under_zstandard() {
    reward_bench_is_read(&[
        Compression::ZSTD(ZstdLevel::default()),
        Compression::ZSTD(ZstdLevel::try_new(19).unwrap()),
    ]);
}

fn reward_bench_is_read(compressions: &[Compression]) {
    for compression in compressions.iter().copied() {
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
    assert!(words.starts_with("row 1: no column `question` among 6 columns: \"prompt\", \"chosen\""), "{words}");
    assert_eq!(fault(&whole, &columns("rejected")).1, "row 2, column `rejected`: expected text, found null");
    assert_eq!(fault(&whole, &columns("id")).1, "row 1, column `id`: expected text, found a number");
    let (_, words) = fault(&file(Compression::SNAPPY, b"\xff"), &columns("raw"));
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
fn a_column_that_nobody_asks_for_may_be_anything() {
    let files = Files::new();
    let path = files.write("r.parquet", file(Compression::SNAPPY, b"\xff"));
    assert_eq!(read(path, &Format::RewardBench).unwrap().items.len(), 2);
}

#[test]
fn a_parquet_file_that_states_more_than_is_allowed_is_refused() {
    let files = Files::new();
    let path = files.write("r.parquet", file(Compression::SNAPPY, &vec![0; 1 << 20]));
    let format = Format::Columns(Columns { group: Some("raw".into()), ..Columns::new("prompt") });
    let bytes = path.metadata().unwrap().len() + 100;
    let limits = DataLimits { bytes, ..DataLimits::default() };
    let error = read_within(&path, &format, &Choice::default(), limits).unwrap_err();
    assert!(matches!(error.kind(), DataErrorKind::TooLarge { cap: Cap::Unzipped, limit, .. } if *limit == bytes));
    assert_eq!(read(&path, &format).unwrap().items.len(), 3);
}

/// A file of `rows` prompts that are all one text, which stands in it once.
fn shared(text: &str, rows: usize, compression: Compression) -> Vec<u8> {
    let properties = WriterProperties::builder().set_compression(compression);
    let properties = properties.set_dictionary_page_size_limit(1 << 30).build();
    let schema = Arc::new(parse_message_type("message rows { required binary prompt (UTF8); }").unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let batch = vec![ByteArray::from(text); 1000];
    for _ in 0..rows / 1000 {
        column.typed::<ByteArrayType>().write_batch(&batch, None, None).unwrap();
    }
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn rows_that_share_a_dictionary_count_by_the_memory_that_they_take() {
    let files = Files::new();
    let zstandard = Compression::ZSTD(ZstdLevel::default());
    for compression in [Compression::SNAPPY, Compression::GZIP(GzipLevel::default()), zstandard] {
        // 2 GB of prompts in a file of some kilobytes.
        let path = files.write("r.parquet", shared(&"x".repeat(100_000), 20_000, compression));
        assert!(path.metadata().unwrap().len() < 100_000);
        let limits = DataLimits { decoded: 10 << 20, ..DataLimits::default() };
        let error = read_within(&path, &Format::Prompts, &Choice::default(), limits).unwrap_err();
        let place = match error.kind() {
            DataErrorKind::TooLarge { cap: Cap::Decoded, limit: 10_485_760, place: Some(Place::Row(row)) } => *row,
            other => panic!("{other}"),
        };
        // A hundred kilobytes a row, and one more while it is read.
        assert!((100..=105).contains(&place), "row {place}");
        let few = read_chosen(&path, &Format::Prompts, &Choice { take: Some(3), ..Choice::default() }).unwrap();
        assert_eq!((few.items.len(), few.items[2].prompt.len()), (3, 100_000));
        let limits = DataLimits { rows: 7, ..DataLimits::default() };
        let error = read_within(&path, &Format::Prompts, &Choice::default(), limits).unwrap_err();
        let expected = "row 8: the file has more rows than the 7 allowed";
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}

#[test]
fn a_page_larger_than_allowed_is_not_unzipped() {
    let files = Files::new();
    let path = files.write("r.parquet", shared(&"x".repeat(1 << 20), 1000, Compression::SNAPPY));
    let limits = DataLimits { decoded: 2 << 20, ..DataLimits::default() };
    let error = read_within(&path, &Format::Prompts, &Choice::default(), limits).unwrap_err();
    assert!(matches!(error.kind(), DataErrorKind::TooLarge { cap: Cap::Page, limit: 524_288, .. }), "{error}");
}

#[test]
fn a_footer_that_is_no_tree_is_refused_before_room_is_made() {
    // One element that states 2^31 - 1 children, and sixty in each other.
    let element = |children: u32| {
        let mut bytes = vec![0x48, 1, b'g', 0x15];
        let mut number = children << 1;
        while number > 0x7f {
            bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        bytes.extend([number as u8, 0]);
        bytes
    };
    let list = |elements: Vec<Vec<u8>>| {
        let mut footer = vec![0x15, 4, 0x19, 0xfc, elements.len() as u8];
        footer.extend(elements.concat());
        footer.push(0);
        let length = (footer.len() as u32).to_le_bytes();
        [b"PAR1", &footer[..], &length, b"PAR1"].concat()
    };
    let deep = (0..60).map(|_| element(1)).chain([vec![0x15, 4, 0x25, 0, 0x18, 1, b'c', 0]]).collect();
    for content in [list(vec![element((1 << 31) - 1)]), list(deep)] {
        let (kind, _) = fault(&content, &Format::Prompts);
        let DataErrorKind::Parquet(reason) = kind else { panic!("{kind}") };
        assert_eq!(reason.to_string(), "the footer is damaged");
    }
}

/// What the reader of files of several row groups has to go through.
#[test]
fn a_mutant_of_a_parquet_file_is_read_or_refused() {
    let limits = DataLimits { rows: 10_000, decoded: 16 << 20, ..DataLimits::default() };
    let bases = [Compression::SNAPPY, Compression::GZIP(GzipLevel::default()), Compression::ZSTD(ZstdLevel::default())];
    let bases = bases.map(|compression| file(compression, b"x"));
    let texts = Columns {
        group: Some("raw".into()),
        reply: Some("rejected".into()),
        id: Some("id".into()),
        ..Columns::new("prompt")
    };
    let (files, mut mutator, mut read) = (Files::new(), Mutator::new(19), 0);
    for round in 0..750 {
        let bytes = mutator.mutant(&bases[round % 3]);
        let path = files.write("r.parquet", bytes);
        let format = if round % 4 == 0 { Format::RewardBench } else { Format::Columns(texts.clone()) };
        if let Ok(data) = read_within(&path, &format, &Choice::default(), limits) {
            assert!(data.items.len() <= 10_000, "round {round}");
            read += 1;
        }
    }
    // Bytes of statistics, of names and of texts may change without harm.
    assert!((10..600).contains(&read), "{read} of 750 were read");
}

const CHATS: &str = "message rows {
    required group turns (LIST) { repeated group list { required binary element (UTF8); } }
    required group meta { optional binary topic (UTF8); }
    required binary other; }";

/// Two rows: a list of two texts and one of one, a group with a text and with null.
fn nested() -> Vec<u8> {
    let schema = Arc::new(parse_message_type(CHATS).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let turns = ["How?", "So?", "Why?"].map(ByteArray::from);
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&turns, Some(&[1, 1, 1]), Some(&[0, 1, 0])).unwrap();
    column.close().unwrap();
    texts(&mut group, &["tea"], Some(&[1, 0]));
    bytes(&mut group, &[b"\xff", b"\xff"], None);
    group.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn a_path_leads_into_nested_columns_of_parquet_and_others_are_not_read() {
    let files = Files::new();
    let path = files.write("r.parquet", nested());
    let columns = Columns { category: Some("meta.topic".into()), ..Columns::new("turns.0") };
    let data = read(&path, &Format::Columns(columns)).unwrap();
    assert_eq!(prompts(&data), ["How?", "Why?"]);
    assert_eq!((data.items[0].category.as_deref(), data.items[1].category.as_deref()), (Some("tea"), None));
    let second = Format::Columns(Columns::new("turns.1"));
    assert_eq!(fault(&nested(), &second).1, "row 2: no column `turns.1` among 1 column: \"turns\"");
    let text = Format::Columns(Columns::new("meta"));
    assert_eq!(fault(&nested(), &text).1, "row 1, column `meta`: expected text, found an object");
}

#[test]
fn a_list_of_parquet_with_more_values_than_allowed_is_refused() {
    let limits = DataLimits { decoded: 256, ..DataLimits::default() };
    let files = Files::new();
    let path = files.write("r.parquet", nested());
    let read = read_within(path, &Format::Columns(Columns::new("turns.0")), &Choice::default(), limits);
    assert!(matches!(read.unwrap_err().kind(), DataErrorKind::TooLarge { .. }));
}

#[test]
fn a_mutant_of_nested_parquet_is_read_or_refused() {
    let limits = DataLimits { rows: 10_000, decoded: 16 << 20, ..DataLimits::default() };
    let format = Format::Columns(Columns { category: Some("meta.topic".into()), ..Columns::new("turns.0") });
    let (files, mut mutator, base, mut read) = (Files::new(), Mutator::new(23), nested(), 0);
    for round in 0..400 {
        let path = files.write("r.parquet", mutator.mutant(&base));
        if let Ok(data) = read_within(&path, &format, &Choice::default(), limits) {
            assert!(data.items.len() <= 10_000, "round {round}");
            read += 1;
        }
    }
    assert!((5..350).contains(&read), "{read} of 400 were read");
}
