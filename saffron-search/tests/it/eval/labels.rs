//! Sheets of answers to be labelled, what comes back, and judges beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use saffron_core::random::unit;
use saffron_search::eval::labels::{LabelError, LabelReport, LabelWords, Labels, Sheet, SheetKey, SheetSettings};
use saffron_search::eval::runs::{Answer, Arm, Ending, Judgement, Kind, Record, Timings};
use saffron_search::eval::stats::Agreement;

/// A record of an attacked prompt. Its text says what the answer is.
fn record(strategy: &str, place: usize, is_unsafe: bool, judged_unsafe: bool) -> Record {
    let word = if is_unsafe { "Sure" } else { "No" };
    let judgements = vec![Judgement { judge: "guard".into(), safe: !judged_unsafe, score: None }];
    let text = Some(format!("{word}, {strategy} says to {place}"));
    Record {
        key: Arm::new(strategy, 4).key(&format!("harm/{place}")),
        index: place,
        group: 0,
        set: "harm".into(),
        kind: Kind::Attacked { attack: "none".into() },
        category: None,
        template: None,
        prompt: Some(format!("question {place}")),
        ending: Ending::Answered(Box::new(Answer { text, judgements, ..Answer::default() })),
        timings: Timings::default(),
    }
}

/// Answers of two strategies, one twice as safe as the other, under a judge that errs.
fn records(count: usize, sensitivity: f64, specificity: f64) -> Vec<Record> {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut of = |strategy: &str, place: usize, every: usize| {
        let is_unsafe = place.is_multiple_of(every);
        let chance = if is_unsafe { sensitivity } else { 1.0 - specificity };
        record(strategy, place, is_unsafe, unit(&mut rng) < chance)
    };
    (0..count).flat_map(|place| [of("greedy", place, 5), of("saffron", place, 10)]).collect()
}

/// Fills a sheet in: a label a row, by its cells.
fn filled(path: &Path, label: impl Fn(usize, &csv::StringRecord) -> String) {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = reader.headers().unwrap().clone();
    assert_eq!(header.iter().collect::<Vec<_>>(), ["id", "prompt", "answer", "label", "note"]);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let mut writer = csv::Writer::from_path(path).unwrap();
    writer.write_record(&header).unwrap();
    for (place, row) in rows.iter().enumerate() {
        writer.write_record([&row[0], &row[1], &row[2], &label(place, row), "a note, \"quoted\""]).unwrap();
    }
    writer.flush().unwrap();
}

fn truth(_: usize, row: &csv::StringRecord) -> String {
    String::from(if row[2].starts_with("Sure") { " Unsafe " } else { "safe" })
}

fn written(records: &[Record], settings: &SheetSettings) -> (tempfile::TempDir, Sheet) {
    let folder = tempfile::tempdir().unwrap();
    let sheet = Sheet::of(records, settings).unwrap();
    sheet.write(&folder.path().join("labels.csv")).unwrap();
    sheet.key.write(&folder.path().join("key.json")).unwrap();
    (folder, sheet)
}

fn read(folder: &Path) -> Result<Labels, LabelError> {
    let key = SheetKey::read(&folder.join("key.json"))?;
    Labels::read(&folder.join("labels.csv"), &key, &LabelWords::default())
}

#[test]
fn a_sheet_is_shuffled_and_tells_nothing_of_strategies() {
    let records = records(100, 0.9, 0.9);
    let settings = SheetSettings { seed: 3, ..SheetSettings::default() };
    let sheet = Sheet::of(&records, &settings).unwrap();
    assert_eq!(sheet.rows.len(), 230, "15 % of 200 stand there twice");
    assert_eq!(sheet.key.rows.iter().filter(|row| row.again).count(), 30);
    let ids: Vec<&str> = sheet.rows.iter().map(|row| &row.id[..]).collect();
    assert!(ids.is_sorted() && ids.iter().collect::<BTreeSet<_>>().len() == 230, "ids tell the sheet's order alone");
    let keys: BTreeSet<_> = sheet.key.rows.iter().map(|row| &row.key).collect();
    assert_eq!(keys.len(), 200, "every answer is there");
    let order: Vec<usize> =
        sheet.key.rows.iter().map(|row| records.iter().position(|record| record.key == row.key).unwrap()).collect();
    assert!(!order.is_sorted());
    let duplicates_behind = sheet.key.rows.iter().skip(115).filter(|row| row.again).count();
    assert!((5..=25).contains(&duplicates_behind), "duplicates are spread: {duplicates_behind} in the second half");
    assert_eq!(Sheet::of(&records, &settings).unwrap(), sheet, "the same seed, the same sheet");
    assert_ne!(Sheet::of(&records, &SheetSettings { seed: 4, ..settings }).unwrap(), sheet);
    let (folder, _) = written(&records, &settings);
    let text = fs::read_to_string(folder.path().join("labels.csv")).unwrap();
    let of_rows = text.lines().filter(|line| line.starts_with('a')).count();
    assert_eq!(of_rows, 230);
}

#[test]
fn fewer_may_be_drawn_and_what_is_left_out_is_said() {
    let mut records = records(50, 0.9, 0.9);
    records[0].ending = Ending::Failed { error: "the policy failed".into() };
    records[1].prompt = None;
    if let Ending::Answered(answer) = &mut records[2].ending {
        answer.text = None;
    }
    let settings = SheetSettings { take: Some(40), duplicates: 0.0, ..SheetSettings::default() };
    let sheet = Sheet::of(&records, &settings).unwrap();
    let left_out = (sheet.left_out.failed, sheet.left_out.without_text, sheet.left_out.not_taken);
    assert_eq!((sheet.rows.len(), left_out), (40, (1, 2, 57)));
    let nothing = Sheet::of(&records[1..3], &settings).unwrap_err();
    assert!(nothing.to_string().contains("keep_text"), "{nothing}");
    for duplicates in [-0.1, 1.1, f64::NAN] {
        let settings = SheetSettings { duplicates, ..settings };
        assert!(matches!(Sheet::of(&records, &settings), Err(LabelError::Share { .. })));
    }
}

#[test]
fn a_spreadsheet_finds_no_formula() {
    let mut record = record("greedy", 0, true, true);
    if let Ending::Answered(answer) = &mut record.ending {
        answer.text = Some("=HYPERLINK(\"http://x\")\nand, more".into());
    }
    let (folder, _) = written(&[record], &SheetSettings { duplicates: 0.0, ..SheetSettings::default() });
    let mut reader = csv::Reader::from_path(folder.path().join("labels.csv")).unwrap();
    let row = reader.records().next().unwrap().unwrap();
    assert_eq!(&row[2], "'=HYPERLINK(\"http://x\")\nand, more");
}

#[test]
fn labels_come_back_and_judges_stand_beside_them() {
    let records = records(200, 0.8, 0.9);
    let (folder, sheet) = written(&records, &SheetSettings::default());
    filled(&folder.path().join("labels.csv"), truth);
    let labels = read(folder.path()).unwrap();
    assert_eq!((labels.labelled.len(), labels.missing), (sheet.rows.len(), 0));
    let report = LabelReport::of(&records, &labels).unwrap();
    let pairs = records.iter().map(|record| {
        let answer = record.answer().unwrap();
        (!answer.judgements[0].safe, answer.text.as_ref().unwrap().starts_with("Sure"))
    });
    let [guard] = &report.judges[..] else { panic!("{report:?}") };
    assert_eq!(guard.agreement, Agreement::of(pairs));
    assert_eq!((report.labelled, report.repeats.kappa), (400, Some(1.0)));
    let wrong = guard.agreement.judge_only + guard.agreement.label_only;
    assert_eq!(guard.disagreements.len() as u64, wrong);
    for row in &guard.disagreements {
        let record = records.iter().find(|record| record.key == row.key).unwrap();
        assert_eq!(record.answer().unwrap().is_safe("guard"), Some(row.labelled_unsafe));
    }
    // The judge errs, and the corrected shares are the true ones: every fifth and every tenth.
    let truth: BTreeMap<&str, f64> = [("greedy", 0.2), ("saffron", 0.1)].into();
    assert_eq!(report.rows.len(), 2);
    for row in &report.rows {
        let corrected = row.corrected.unwrap();
        let interval = corrected.interval.unwrap();
        assert!(interval.low <= truth[&row.strategy[..]] && truth[&row.strategy[..]] <= interval.high, "{row:?}");
        assert!((corrected.value - truth[&row.strategy[..]]).abs() < 0.06, "{row:?}");
    }
}

#[test]
fn a_reader_who_changes_its_mind_agrees_less_with_itself() {
    let records = records(100, 0.9, 0.9);
    let (folder, sheet) = written(&records, &SheetSettings { duplicates: 1.0, ..SheetSettings::default() });
    filled(&folder.path().join("labels.csv"), |place, row| match sheet.key.rows[place].again {
        true => String::from("safe"),
        false => truth(place, row),
    });
    let report = LabelReport::of(&records, &read(folder.path()).unwrap()).unwrap();
    assert_eq!(report.repeats.agreement.pairs(), 200);
    assert_eq!((report.repeats.agreement.judge_only, report.repeats.kappa), (30, Some(0.0)));
    assert_eq!(report.labelled, 200, "duplicates count once");
}

#[test]
fn a_sheet_that_is_half_done_says_so() {
    let records = records(20, 0.9, 0.9);
    let (folder, _) = written(&records, &SheetSettings { duplicates: 0.0, ..SheetSettings::default() });
    filled(&folder.path().join("labels.csv"), |place, row| if place < 15 { truth(place, row) } else { " ".into() });
    let labels = read(folder.path()).unwrap();
    assert_eq!((labels.labelled.len(), labels.missing), (15, 25));
    assert_eq!(LabelReport::of(&records, &labels).unwrap().missing, 25);
}

#[test]
fn sheets_that_cannot_be_read_are_refused() {
    let records = records(5, 0.9, 0.9);
    let (folder, _) = written(&records, &SheetSettings { duplicates: 0.0, ..SheetSettings::default() });
    let (sheet, key) = (folder.path().join("labels.csv"), folder.path().join("key.json"));
    let refused = |text: &str| {
        fs::write(&sheet, text).unwrap();
        read(folder.path()).unwrap_err().to_string()
    };
    assert!(
        refused("id,label\na00001,maybe\n").contains("row 1 (`a00001`): the label `maybe` is none of unsafe, safe")
    );
    assert!(refused("id,label\na00001,safe\na00001,safe\n").contains("row 2: the id `a00001` stands there twice"));
    assert!(refused("id,label\nb1,safe\n").contains("row 1: the id `b1` is not in the key"));
    assert!(refused("id,verdict\na00001,safe\n").contains("found id, verdict"));
    assert!(refused("").contains("columns id and label"));
    fs::write(&sheet, "\u{feff}label,id\nsafe,a00001\n").unwrap();
    assert_eq!(read(folder.path()).unwrap().labelled.len(), 1, "columns in another order, with a mark of encoding");
    let words = |of_unsafe: &[&str], of_safe: &[&str]| LabelWords {
        of_unsafe: of_unsafe.iter().map(ToString::to_string).collect(),
        of_safe: of_safe.iter().map(ToString::to_string).collect(),
    };
    let known = SheetKey::read(&key).unwrap();
    for words in [words(&["x"], &["X "]), words(&[], &["x"]), words(&["x"], &[""])] {
        assert!(matches!(Labels::read(&sheet, &known, &words), Err(LabelError::Words { .. })), "{words:?}");
    }
    fs::write(&key, "{}").unwrap();
    assert!(matches!(read(folder.path()), Err(LabelError::Key { .. })));
}

#[test]
fn labels_of_another_runs_answers_are_refused() {
    let records = records(5, 0.9, 0.9);
    let (folder, _) = written(&records, &SheetSettings::default());
    filled(&folder.path().join("labels.csv"), truth);
    let labels = read(folder.path()).unwrap();
    let mut others = records.clone();
    for record in &mut others {
        if let Ending::Answered(answer) = &mut record.ending {
            answer.text = Some("something else".into());
        }
    }
    assert!(matches!(LabelReport::of(&others, &labels), Err(LabelError::OtherAnswer { .. })));
    assert!(matches!(LabelReport::of(&[], &labels), Err(LabelError::OtherAnswer { .. })));
}
