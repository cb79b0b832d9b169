//! The configuration of the paper's experiment: what it says is what the paper says.

use std::path::{Path, PathBuf};

use saffron_core::CandidateFilter;
use saffron_examples::compare::read;
use saffron_search::Preset;
use saffron_search::eval::attack::{Attack, PrefillText};
use saffron_search::eval::comparison::{
    ComparisonConfig, ComparisonConfigError, ContenderConfig, PublishedConfig, PublishedError,
};
use saffron_search::eval::curve::LogFit;
use saffron_search::eval::data::Format;
use saffron_search::eval::models::{JudgeModelSettings, RewardModelSettings};
use saffron_search::strategy::StrategyConfig;

/// Widths of Fig. 2 and Table 3.
const WIDTHS: [u64; 7] = [1, 2, 4, 8, 16, 32, 64];

pub(crate) fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/compare_paper.toml")
}

fn config() -> ComparisonConfig {
    read(&path()).unwrap()
}

fn strategy<'a>(config: &'a ComparisonConfig, name: &str) -> &'a ContenderConfig {
    config.strategies.iter().find(|strategy| strategy.name == name).unwrap()
}

fn guide<'a>(config: &'a ComparisonConfig, name: &str) -> &'a RewardModelSettings {
    let wanted = strategy(config, name).reward.as_ref().unwrap();
    &config.rewards.iter().find(|reward| reward.name == *wanted).unwrap().model
}

#[test]
fn both_data_sets_are_asked_under_the_papers_attack() {
    let config = config();
    assert_eq!((config.max_new_tokens, config.limit_tflop), (32, Some(500.0)));
    let formats: Vec<&Format> = config.data.iter().map(|data| &data.format).collect();
    assert_eq!(formats, [&Format::HexPhi, &Format::RewardBench]);
    for data in &config.data {
        assert_eq!(data.attack, Attack::Prefill { tokens: 10, text: PrefillText::Reply });
        assert!(!data.benign && data.take.is_none() && data.sample.is_none() && data.templates.is_none());
    }
}

#[test]
fn saffron_has_the_papers_nucleus_lengths_and_widths_under_either_preset() {
    let config = config();
    for (name, preset) in [("saffron", Preset::Paper), ("saffron-reference", Preset::Reference)] {
        let saffron = strategy(&config, name);
        let filter = saffron.filter.over(CandidateFilter::default());
        assert_eq!((filter.top_p, filter.min_new_tokens, filter.top_k), (0.8, 16, None));
        assert_eq!(saffron.budgets, WIDTHS);
        let StrategyConfig::Saffron { preset: rules, options } = &saffron.strategy else { panic!("{name}") };
        assert_eq!((*rules, options), (preset, &saffron_search::strategy::saffron::SaffronOptions::default()));
        let RewardModelSettings::Mrm(mrm) = guide(&config, name) else { panic!("{name} has no MRM") };
        assert_eq!((mrm.preset, mrm.layout.as_str()), (preset, "mrm"));
    }
}

#[test]
fn baselines_are_guided_by_the_guard_that_judges() {
    let config = config();
    let JudgeModelSettings::Guard { guard: judge, threshold } = &config.judges[0].judge else { panic!("no guard") };
    assert_eq!((config.judges.len(), *threshold), (1, 0.0));
    for name in ["best-of-n", "rebase", "deal"] {
        let RewardModelSettings::Guard(guard) = guide(&config, name) else { panic!("{name} has no guard") };
        assert_eq!((&guard.model, guard.question.is_none()), (&judge.model, true));
    }
    assert!(judge.question.is_none(), "asked as Llama Guard 3 is");
    let RewardModelSettings::Mrm(mrm) = guide(&config, "saffron") else { panic!("no MRM") };
    assert_eq!(mrm.base, judge.model, "the judge is the teacher");
    assert_eq!(strategy(&config, "best-of-n").budgets, WIDTHS);
    assert!(strategy(&config, "no-defence").reward.is_none());
}

/// Points with TFLOP, of the strategy that has them.
fn figure(config: &ComparisonConfig, strategy: &str) -> Vec<(f64, f64)> {
    let of_strategy = config.published.iter().filter(|published| published.strategy == strategy);
    of_strategy.flat_map(|published| &published.points).filter_map(|point| Some((point.tflop?, point.asr))).collect()
}

#[test]
fn the_points_of_figure_2_lie_on_the_lines_that_the_figure_draws() {
    let config = config();
    let drawn = [
        ("saffron", 7, 1.0346, -0.1543),
        ("best-of-n", 7, 1.0812, -0.1288),
        ("rebase", 6, 1.2561, -0.1214),
        ("deal", 3, 1.0889, -0.0646),
    ];
    for (strategy, count, intercept, slope) in drawn {
        let points = figure(&config, strategy);
        assert_eq!(points.len(), count, "{strategy}");
        let fit = LogFit::of(&points).unwrap();
        let off = ((fit.intercept - intercept).abs(), (fit.slope - slope).abs());
        assert!(off.0 < 1e-3 && off.1 < 3e-4, "{strategy}: {fit:?}");
    }
}

#[test]
fn published_rates_are_whole_numbers_of_prompts() {
    for PublishedConfig { data, strategy, points, .. } in config().published {
        let prompts = if data == "hex-phi" { 330.0 } else { 200.0 };
        for point in points {
            let unsafe_answers = (point.asr * prompts).round();
            assert!((unsafe_answers / prompts - point.asr).abs() <= 5e-4 + 1e-9, "{strategy} on {data}: {}", point.asr);
        }
    }
}

#[test]
fn table_2_has_every_strategy_on_both_sets_and_saffron_is_the_best() {
    let config = config();
    for data in ["hex-phi", "ai2-refusals"] {
        let table = config.published.iter().filter(|row| row.source == "Table 2" && row.data == data);
        let rates: Vec<(&str, f64)> = table.map(|row| (row.strategy.as_str(), row.points[0].asr)).collect();
        let names: Vec<&str> = rates.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["no-defence", "deal", "rebase", "best-of-n", "saffron"], "in the paper's order");
        assert!(rates.windows(2).all(|pair| pair[0].1 > pair[1].1), "{rates:?}");
    }
}

/// What is wrong with the configuration once a line of it is changed.
fn error(from: &str, to: &str) -> PublishedError {
    let text = std::fs::read_to_string(path()).unwrap();
    assert!(text.contains(from), "{from}");
    let dir = tempfile::tempdir().unwrap();
    let changed = dir.path().join("changed.toml");
    std::fs::write(&changed, text.replace(from, to)).unwrap();
    let error = read(&changed).unwrap_err();
    match error.downcast_ref::<ComparisonConfigError>() {
        Some(ComparisonConfigError::Published(published)) => published.clone(),
        _ => panic!("{error:#}"),
    }
}

#[test]
fn published_numbers_that_cannot_be_are_refused_by_field() {
    let cases = [
        ("asr = 0.742,", "asr = 1.2,", "published[0].points[1].asr: expected a share from 0 to 1, found 1.2"),
        ("asr = 0.742,", "asr = nan,", "published[0].points[1].asr: expected a share from 0 to 1, found NaN"),
        ("tflop = 14.29", "tflop = 0.0", "published[2].points[0].tflop: expected a finite number above 0, found 0"),
        (
            "{ budget = 1, asr = 0.897",
            "{ budget = 0, asr = 0.897",
            "published[1].points[0].budget: expected at least 1",
        ),
        ("source = \"Fig. 2, Table 3\"", "source = \" \"", "published[0].source: expected something, found nothing"),
        ("points = [{ asr = 0.175 }]", "points = []", "published[13].points: expected something, found nothing"),
    ];
    for (from, to, says) in cases {
        let error = error(from, to).to_string();
        assert!(error.starts_with(says), "{error}");
    }
}

#[test]
fn published_numbers_of_strategies_sets_and_judges_that_the_file_does_not_have_are_refused() {
    let line = "strategy = \"deal\"\ndata = \"hex-phi\"\njudge = \"guard\"";
    let sets = vec![String::from("hex-phi"), String::from("ai2-refusals")];
    let unknown = |field: &str, known: &[String], found: &str| PublishedError::Unknown {
        field: format!("published[3].{field}"),
        known: known.to_vec(),
        found: found.to_owned(),
    };
    assert_eq!(error(line, &line.replace("hex-phi", "hexphi")), unknown("data", &sets, "hexphi"));
    let judges = [String::from("guard")];
    assert_eq!(error(line, &line.replace("guard", "gpt")), unknown("judge", &judges, "gpt"));
    let names: Vec<String> = config().strategies.into_iter().map(|strategy| strategy.name).collect();
    assert_eq!(error(line, &line.replace("deal", "mcts")), unknown("strategy", &names, "mcts"));
}

/// Every test source of the workspace, as one text.
fn tests() -> String {
    let mut open = vec![crate::root()];
    let mut text = String::new();
    while let Some(dir) = open.pop() {
        for path in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                open.push(path);
            } else if name.ends_with(".rs") && path.components().any(|part| part.as_os_str() == "tests") {
                text += &std::fs::read_to_string(&path).unwrap();
            }
        }
    }
    text
}

#[test]
fn the_tests_that_the_page_names_are_there() {
    let page = std::fs::read_to_string(crate::root().join("docs/paper-experiment.md")).unwrap();
    let checked = page.split_once("## Checked without the weights").unwrap().1;
    let named = checked.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() > 2);
    let tests = tests();
    let mut seen = 0;
    for name in named {
        assert!(tests.contains(&format!("fn {name}()")), "{name}");
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}
