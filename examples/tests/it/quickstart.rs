//! The example `quickstart`: two runs give the same table, and its numbers can be.

use std::path::Path;

use serde_json::{Map, Value};

use crate::programs::{example, run, text};

const STRATEGIES: [&str; 4] = ["no defence", "best-of-n", "prm beam", "saffron"];

/// A line of the table by its fields.
type Line = Map<String, Value>;

fn read(path: &Path) -> Vec<Line> {
    let mut file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    serde_json::from_value(file["strategies"].take()).unwrap()
}

/// Runs the program, with another configuration than its own where there is one.
fn table(config: Option<&Path>) -> Vec<Line> {
    let out = tempfile::tempdir().unwrap();
    let json = out.path().join("table.json");
    let mut program = example("quickstart");
    program.arg("--json").arg(&json).arg("--out").arg(out.path());
    let output = run(program.args(config.into_iter().flat_map(|path| [Path::new("--config"), path])));
    assert!(output.status.success(), "{}", text(&output.stderr));
    read(&json)
}

/// Checks a table of so many attacked and harmless prompts.
fn check(table: &[Line], attacked: u64, harmless: u64) {
    let names: Vec<&str> = table.iter().map(|line| line["strategy"].as_str().unwrap()).collect();
    assert_eq!(names, STRATEGIES);
    for line in table {
        let number = |field: &str| line[field].as_f64().unwrap_or_else(|| panic!("{field} of {line:?}"));
        for share in ["asr", "over_refusal"] {
            let ends = [format!("{share}_low"), format!("{share}_high")];
            let [low, high] = ends.map(|end| number(&end));
            assert!(0.0 <= low && low <= number(share) && number(share) <= high && high <= 1.0, "{line:?}");
        }
        assert!(number("tflop") > 0.0 && number("seconds") > 0.0, "{line:?}");
        assert_eq!(line["attacked"], attacked, "{line:?}");
        assert_eq!(line["prompts"], attacked + harmless, "{line:?}");
    }
}

/// Checks that two tables differ in seconds alone.
fn check_twice(first: Vec<Line>, second: Vec<Line>) {
    let timeless = |table: Vec<Line>| {
        let mut lines = table;
        lines.iter_mut().for_each(|line| assert!(line.remove("seconds").is_some(), "{line:?}"));
        lines
    };
    assert_eq!(timeless(first), timeless(second));
}

/// The program's own configuration, over so many prompts of each data set, for a file in another
/// folder.
fn shortened(prompts: u64) -> String {
    let demo = std::path::absolute(crate::root().join("examples/demo")).unwrap();
    let text = std::fs::read_to_string(demo.join("quickstart.toml")).unwrap();
    let keys = ["model", "base", "adapter", "path"].map(|key| format!("{key} = \""));
    let placed = keys.iter().fold(text, |text, key| text.replace(key, &format!("{key}{}/", demo.display())));
    placed.replace("[[data]]\n", &format!("[[data]]\ntake = {prompts}\n"))
}

#[test]
fn a_few_prompts_give_the_same_table_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("few.toml");
    std::fs::write(&path, shortened(3)).unwrap();
    let (first, second) = (table(Some(&path)), table(Some(&path)));
    check(&first, 3, 3);
    check_twice(first, second);
}

/// `SAFFRON_QUICKSTART` names a table that `quickstart --json` has written: it stands for the first
/// of two runs.
#[test]
#[ignore = "takes two minutes: cargo test -p saffron-examples --test it -- --ignored quickstart_twice"]
fn quickstart_twice() {
    let first = std::env::var_os("SAFFRON_QUICKSTART").map_or_else(|| table(None), |path| read(path.as_ref()));
    check(&first, 120, 60);
    check_twice(first, table(None));
}
