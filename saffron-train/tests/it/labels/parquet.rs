//! Labels as parquet files.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use parquet::data_type::{FloatType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use saffron_search::eval::runs::Shard;
use saffron_train::labels::parquet::{read, write};
use saffron_train::labels::{self, LabelError};

use super::{fast_dir, label, lines, manifest};

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
    assert!(error.to_string().contains("no `saffron.manifest`"), "{error}");
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
