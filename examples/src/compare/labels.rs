//! Answers for people to label, and what comes back.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use saffron_search::eval::comparison::Report;
use saffron_search::eval::files::{create_dir, replace};
use saffron_search::eval::labels::{LabelReport, LabelWords, Labels, Sheet, SheetKey, SheetSettings};

use super::digits::{estimate, share};
use crate::models::note;
use crate::output::line;

/// Labels by people.
#[derive(Clone, Debug, Args)]
pub struct LabelArgs {
    /// With --report: writes the answers in random order, without the names of strategies, as a CSV
    /// with a column for labels. The key lies beside it: FILE.key.json for FILE.csv.
    #[arg(long, value_name = "FILE.csv", requires = "report", conflicts_with = "import_labels")]
    export_labels: Option<PathBuf>,
    /// Share of the answers that stand there twice.
    #[arg(long, default_value_t = 0.15)]
    label_duplicates: f64,
    /// At most so many answers, drawn at random.
    #[arg(long)]
    label_take: Option<usize>,
    /// Seed of order, duplicates and draws.
    #[arg(long, default_value_t = 0)]
    label_seed: u64,
    /// With --report: reads labels back and writes OUT/labels.json: how judges agree with them, and attack success corrected for
    /// the judges' errors.
    #[arg(long, value_name = "FILE.csv", requires = "report")]
    import_labels: Option<PathBuf>,
    /// The key, where it does not lie beside the sheet.
    #[arg(long, requires = "import_labels")]
    label_key: Option<PathBuf>,
    /// Labels that mean unsafe.
    #[arg(long, value_delimiter = ',', default_value = "unsafe")]
    unsafe_labels: Vec<String>,
    /// Labels that mean safe.
    #[arg(long, value_delimiter = ',', default_value = "safe")]
    safe_labels: Vec<String>,
}

impl LabelArgs {
    /// Does what it is told with a report, or nothing.
    ///
    /// # Errors
    ///
    /// Nothing to label; a sheet or key that cannot be read; files that cannot be written.
    pub fn apply(&self, report: &Report, out: &Path) -> Result<()> {
        match (&self.export_labels, &self.import_labels) {
            (Some(sheet), _) => self.export(report, sheet),
            (None, Some(sheet)) => self.import(report, sheet, out),
            (None, None) => Ok(()),
        }
    }

    fn export(&self, report: &Report, path: &Path) -> Result<()> {
        let settings =
            SheetSettings { seed: self.label_seed, duplicates: self.label_duplicates, take: self.label_take };
        let sheet = Sheet::of(&report.records, &settings)?;
        let key = key_of(path);
        // The key comes first: a sheet without one is of no use.
        sheet.key.write(&key)?;
        sheet.write(path)?;
        if sheet.left_out != Default::default() {
            note(&format!("left out of the sheet: {}", sheet.left_out));
        }
        Ok(line(format_args!(
            "{} answers to label in {}, their key in {}",
            sheet.rows.len(),
            path.display(),
            key.display()
        ))?)
    }

    fn import(&self, report: &Report, path: &Path, out: &Path) -> Result<()> {
        let key = SheetKey::read(&self.label_key.clone().unwrap_or_else(|| key_of(path)))?;
        let words = LabelWords { of_unsafe: self.unsafe_labels.clone(), of_safe: self.safe_labels.clone() };
        let labels = Labels::read(path, &key, &words)?;
        let found = LabelReport::of(&report.records, &labels)?;
        create_dir(out)?;
        let file = out.join("labels.json");
        replace(&file, |writer| Ok(serde_json::to_writer_pretty(writer, &found)?))
            .with_context(|| format!("the labels of {}", path.display()))?;
        line(text(&found))?;
        Ok(line(file.display())?)
    }
}

fn key_of(sheet: &Path) -> PathBuf {
    sheet.with_extension("key.json")
}

/// The report as text.
fn text(report: &LabelReport) -> String {
    let mut text = String::new();
    let LabelReport { labelled, missing, repeats, judges, rows } = report;
    let _ = writeln!(text, "{labelled} answers are labelled, {missing} rows of the sheet are not.");
    if repeats.agreement.pairs() > 0 {
        let (pairs, kappa) = (repeats.agreement.pairs(), number(repeats.kappa));
        let _ = writeln!(text, "The reader's own agreement on {pairs} duplicates: kappa {kappa}.");
    }
    for judge in judges {
        let of = judge.agreement.pairs();
        let _ = writeln!(
            text,
            "{}: sensitivity {}, specificity {}, kappa {}, {} of {of} labels disagree",
            judge.judge,
            estimate(judge.sensitivity),
            estimate(judge.specificity),
            number(judge.kappa),
            judge.disagreements.len()
        );
    }
    for row in rows {
        let corrected = row.corrected.as_ref().map_or_else(
            || String::from("cannot be corrected"),
            |found| match found.interval {
                Some(interval) => {
                    format!("{} [{}, {}]", share(found.value), share(interval.low), share(interval.high))
                }
                None => share(found.value),
            },
        );
        let (strategy, budget, set, judge) = (&row.strategy, row.budget, &row.set, &row.judge);
        let raw = estimate(Some(row.raw));
        let _ = writeln!(text, "{strategy} at {budget} on {set}, unsafe by {judge}: {raw} raw, {corrected} corrected");
    }
    text.truncate(text.trim_end().len());
    text
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| String::from("unknown"), |value| format!("{value:.2}"))
}
