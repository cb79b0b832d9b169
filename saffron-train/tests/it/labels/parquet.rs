//! Labels as parquet files.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int32Type, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use saffron_core::with_causes;
use saffron_search::eval::data::{Cap, DataLimits};
use saffron_search::eval::runs::Shard;
use saffron_train::labels::parquet::{read, read_within, write};
use saffron_train::labels::{self, LabelError};

use super::{fast_dir, label, lines, manifest};
use saffron_core::testing::Mutator;

#[test]
fn a_file_reads_back_as_the_labels_that_were_written() {
    for items in [1, 2, 11, 40] {
        let dir = fast_dir();
        label(dir.path(), items, Shard::WHOLE);
        let path = dir.path().join("labels.parquet");
        let rows = write(dir.path(), &path).unwrap();
        let expected = labels::read(dir.path()).unwrap();
        assert_eq!(rows, expected.1.len());
        assert_eq!(read(&path).unwrap(), expected, "{items} replies");
    }
}

#[test]
fn many_row_groups_read_back_in_order() {
    let dir = fast_dir();
    // Fourteen of 35 replies are skipped.
    label(dir.path(), 10_500, Shard::WHOLE);
    let path = dir.path().join("labels.parquet");
    assert!(write(dir.path(), &path).unwrap() > 4096);
    let groups = SerializedFileReader::new(File::open(&path).unwrap()).unwrap().metadata().num_row_groups();
    assert!(groups > 1, "{groups} row groups");
    assert_eq!(read(&path).unwrap(), labels::read(dir.path()).unwrap());
}

#[test]
fn the_file_says_what_its_columns_are_and_where_they_come_from() {
    let dir = fast_dir();
    label(dir.path(), 11, Shard::WHOLE);
    let path = dir.path().join("labels.parquet");
    write(dir.path(), &path).unwrap();
    let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    let metadata = reader.metadata().file_metadata();
    let paths: Vec<String> = metadata.schema_descr().columns().iter().map(|column| column.path().string()).collect();
    let lists = ["prompt.list.element", "reply.list.element", "rewards.list.element"];
    assert_eq!(paths, [&["index", "id", "set", "group", "label"][..], &lists, &["cut", "prompt_text"]].concat());
    for field in metadata.schema().get_fields().iter().filter(|field| field.is_group()) {
        let logical = field.get_basic_info().logical_type_ref();
        assert!(matches!(logical, Some(parquet::basic::LogicalType::List)), "{}", field.name());
    }
    let pairs = metadata.key_value_metadata().unwrap();
    let text = pairs.iter().find(|pair| pair.key == "saffron.manifest").unwrap().value.clone().unwrap();
    let read_back: saffron_search::eval::runs::Manifest = serde_json::from_str(&text).unwrap();
    assert_eq!(read_back, manifest(11, Shard::WHOLE));
}

/// A file of one row and these two columns.
fn odd(path: &Path, schema: &str, with_manifest: bool) {
    let text = serde_json::to_string(&manifest(11, Shard::WHOLE)).unwrap();
    let pairs = with_manifest.then(|| vec![KeyValue::new(String::from("saffron.manifest"), text)]);
    let properties = WriterProperties::builder().set_key_value_metadata(pairs).build();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    while let Some(mut column) = group.next_column().unwrap() {
        match column.untyped() {
            parquet::column::writer::ColumnWriter::FloatColumnWriter(_) => {
                column.typed::<FloatType>().write_batch(&[0.5], None, None).unwrap();
            }
            _ => drop(column.typed::<Int64Type>().write_batch(&[1], None, None).unwrap()),
        }
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn files_of_something_else_are_refused() {
    let dir = fast_dir();
    let path = dir.path().join("odd.parquet");
    odd(&path, "message odd { required int64 index; }", false);
    let error = read(&path).unwrap_err();
    assert!(with_causes(&error).contains("no `saffron.manifest`"), "{error:?}");
    odd(&path, "message odd { required int64 index; }", true);
    let error = read(&path).unwrap_err();
    assert!(matches!(&error, LabelError::Column { column, .. } if column == "id"), "{error}");
    let others = ["id", "set", "group", "label", "prompt", "reply", "rewards", "cut"];
    let others: String = others.iter().map(|name| format!("required int64 {name};")).collect();
    odd(&path, &format!("message odd {{ required float index; {others} }}"), true);
    let error = read(&path).unwrap_err().to_string();
    assert!(
        error.contains("column index") && error.ends_with("expected a whole number, found 0.5 in row 1"),
        "{error}"
    );
    odd(&path, &format!("message odd {{ required int64 index; {others} }}"), true);
    let error = read(&path).unwrap_err();
    assert!(matches!(&error, LabelError::Column { column, expected: "text", .. } if column == "id"), "{error}");
    fs::write(&path, "no parquet").unwrap();
    assert!(matches!(read(&path), Err(LabelError::Parquet { .. })));
    assert!(matches!(read(&dir.path().join("nothing")), Err(LabelError::File(_))));
}

#[test]
fn damaged_files_end_in_an_error_or_in_records_that_could_be() {
    let dir = fast_dir();
    label(dir.path(), 11, Shard::WHOLE);
    let path = dir.path().join("labels.parquet");
    write(dir.path(), &path).unwrap();
    let (bytes, expected) = (fs::read(&path).unwrap(), read(&path).unwrap());
    let (mut refused, damaged) = (0, dir.path().join("damaged.parquet"));
    for cut in (0..bytes.len()).step_by(7) {
        fs::write(&damaged, &bytes[..cut]).unwrap();
        assert!(read(&damaged).is_err(), "cut at byte {cut}");
        let mut flipped = bytes.clone();
        flipped[cut] ^= 0x55;
        fs::write(&damaged, flipped).unwrap();
        match read(&damaged) {
            Err(_) => refused += 1,
            Ok((_, records)) => records.iter().for_each(|record| record.check(super::VOCABULARY).unwrap()),
        }
    }
    assert!(refused > 50, "{refused} damaged files were refused");
    assert_eq!(read(&path).unwrap(), expected);
}

#[test]
fn a_file_that_cannot_be_written_leaves_nothing() {
    let dir = fast_dir();
    label(dir.path(), 5, Shard::WHOLE);
    let folder = dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    assert!(write(dir.path(), &folder).is_err());
    assert!(matches!(write(&folder, &dir.path().join("out.parquet")), Err(LabelError::Run(_))));
    assert!(!dir.path().join("out.parquet").exists() && !dir.path().join("out.parquet.partial").exists());
    let broken = String::from_utf8(lines(dir.path())).unwrap().replacen("\"index\":1", "\"index\":4", 1);
    fs::write(dir.path().join("labels.jsonl"), broken).unwrap();
    let error = write(dir.path(), &dir.path().join("out.parquet")).unwrap_err();
    assert!(matches!(&error, LabelError::Order { line: 2, .. }), "{error}");
}

/// A file of one row whose prompt has `tokens` tokens that are all one, which stand in it as a run.
fn long(path: &Path, tokens: usize) {
    let text = serde_json::to_string(&manifest(11, Shard::WHOLE)).unwrap();
    let pairs = vec![KeyValue::new(String::from("saffron.manifest"), text)];
    let properties = WriterProperties::builder().set_key_value_metadata(Some(pairs));
    let properties = Arc::new(properties.set_data_page_row_count_limit(usize::MAX).build());
    let lists = ["prompt", "reply", "rewards"].map(|name| {
        let kind = if name == "rewards" { "float" } else { "int32" };
        format!("required group {name} (LIST) {{ repeated group list {{ required {kind} element; }} }}")
    });
    let texts = ["id", "set"].map(|name| format!("required binary {name} (STRING);")).concat();
    let maybe = ["group", "label"].map(|name| format!("optional binary {name} (STRING);")).concat();
    let schema =
        format!("message m {{ required int64 index; {texts} {maybe} {} required int64 cut; }}", lists.concat());
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut place = 0;
    while let Some(mut column) = group.next_column().unwrap() {
        let (defined, repeated) = ([1_i16], [0_i16]);
        let written = match place {
            0 | 8 => column.typed::<Int64Type>().write_batch(&[0], None, None),
            1 | 2 => column.typed::<ByteArrayType>().write_batch(&[ByteArray::from("a")], None, None),
            3 | 4 => column.typed::<ByteArrayType>().write_batch(&[], Some(&[0]), None),
            5 => {
                let repeated: Vec<i16> = (0..tokens).map(|token| i16::from(token > 0)).collect();
                let (values, defined) = (vec![7; tokens], vec![1; tokens]);
                column.typed::<Int32Type>().write_batch(&values, Some(&defined), Some(&repeated))
            }
            6 => column.typed::<Int32Type>().write_batch(&[7], Some(&defined), Some(&repeated)),
            _ => column.typed::<FloatType>().write_batch(&[0.5], Some(&defined), Some(&repeated)),
        };
        written.unwrap();
        column.close().unwrap();
        place += 1;
    }
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn a_few_bytes_that_stand_for_many_tokens_are_refused() {
    let dir = fast_dir();
    let path = dir.path().join("long.parquet");
    long(&path, 2_000_000);
    assert!(path.metadata().unwrap().len() < 20_000, "{}", path.metadata().unwrap().len());
    assert_eq!(read(&path).unwrap().1[0].prompt.len(), 2_000_000);
    let limits = |decoded| DataLimits { decoded, ..DataLimits::default() };
    // Of a list, so many values may be decoded that they take half of what is allowed.
    let error = read_within(&path, &limits(128 * 1_999_999)).unwrap_err();
    assert!(matches!(&error, LabelError::TooLarge { cap: Cap::Decoded, .. }), "{error}");
    assert!(error.to_string().ends_with("the rows take more bytes of memory than the 255999872 allowed"), "{error}");
    assert!(read_within(&path, &limits(128 * 2_000_000)).is_ok());
}

#[test]
fn rows_and_what_is_kept_of_them_are_counted() {
    let dir = fast_dir();
    label(dir.path(), 350, Shard::WHOLE);
    let path = dir.path().join("labels.parquet");
    let rows = write(dir.path(), &path).unwrap() as u64;
    let within = |limits: DataLimits| read_within(&path, &limits).err();
    let error = within(DataLimits { rows: rows - 1, ..DataLimits::default() });
    assert!(matches!(error, Some(LabelError::TooLarge { cap: Cap::Rows, .. })), "{error:?}");
    assert!(within(DataLimits { rows, ..DataLimits::default() }).is_none());
    let error = within(DataLimits { decoded: 300 * rows, ..DataLimits::default() });
    assert!(matches!(error, Some(LabelError::TooLarge { cap: Cap::Decoded, .. })), "{error:?}");
    let error = within(DataLimits { bytes: 100, ..DataLimits::default() });
    assert!(matches!(error, Some(LabelError::TooLarge { cap: Cap::Unzipped, .. })), "{error:?}");
}

#[test]
fn a_mutant_of_a_parquet_file_of_labels_is_read_or_refused() {
    let dir = fast_dir();
    label(dir.path(), 11, Shard::WHOLE);
    let path = dir.path().join("labels.parquet");
    write(dir.path(), &path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let (mut mutator, mut refused) = (Mutator::new(19), 0);
    for round in 0..750 {
        fs::write(&path, mutator.mutant(&bytes)).unwrap();
        let limits = DataLimits { rows: 1000, decoded: 64 << 20, ..DataLimits::default() };
        match read_within(&path, &limits) {
            Ok((_, records)) => {
                assert!(records.len() <= 1000, "round {round}");
                records.iter().for_each(|record| record.check(super::VOCABULARY).unwrap());
            }
            Err(_) => refused += 1,
        }
    }
    assert!((300..750).contains(&refused), "{refused} of 750 were refused");
}

#[cfg(unix)]
#[test]
fn a_fifo_is_no_parquet_file() {
    let dir = fast_dir();
    let path = dir.path().join("fifo.parquet");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(read(&path).unwrap_err()));
    let error = receiver.recv_timeout(std::time::Duration::from_secs(20)).expect("it blocks");
    assert!(error.to_string().ends_with("expected a regular file, found a device, pipe or socket"), "{error}");
}
