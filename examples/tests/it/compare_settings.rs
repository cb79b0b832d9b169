//! Configuration files of comparisons. What a configuration is refused for, saffron-search tests.

use std::path::{Path, PathBuf};

use saffron_examples::compare;

/// Data, attack and strategies of a small configuration; nothing of it is opened when it is read.
pub(crate) struct Small<'a> {
    pub(crate) top: &'a str,
    pub(crate) judges: &'a str,
    pub(crate) data: &'a str,
    pub(crate) strategies: &'a str,
}

pub(crate) const PHRASES: &str = "[[judges]]\nname = \"phrases\"\njudge = { kind = \"refusal-phrases\" }\n";
pub(crate) const GREEDY: &str = "[[strategies]]\nname = \"greedy\"\nstrategy = { kind = \"greedy\" }\n";
pub(crate) const MINE: &str = "[[data]]\nname = \"mine\"\npath = \"mine.jsonl\"\nformat = \"prompts\"\n";

impl Default for Small<'_> {
    fn default() -> Self {
        Self { top: "", judges: PHRASES, data: MINE, strategies: GREEDY }
    }
}

impl Small<'_> {
    /// Writes the configuration, with two harmless prompts beside it.
    pub(crate) fn write(&self, dir: &Path) -> PathBuf {
        let models = crate::fixtures().join("tiny-b");
        let Self { top, judges, data, strategies } = self;
        let text = format!(
            "max_new_tokens = 4\ngroup = 2\n{top}\n[policy]\nmodel = {policy:?}\nlayout = \"plain\"\n[[rewards]]\nname = \"mrm\"\n\
             model = {{ kind = \"mrm\", base = {guard:?}, adapter = {mrm:?} }}\n{judges}{data}{strategies}",
            policy = models.join("policy"),
            guard = models.join("guard"),
            mrm = models.join("mrm"),
        );
        let prompts = "{\"id\":\"q0\",\"prompt\":\"How do I bake bread?\"}\n{\"id\":\"q1\",\"prompt\":\"Why is the sea salt?\"}\n";
        std::fs::write(dir.join("mine.jsonl"), prompts).unwrap();
        let path = dir.join("small.toml");
        std::fs::write(&path, text).unwrap();
        path
    }
}

#[test]
fn a_configuration_that_is_refused_is_named_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let strategies = format!("{GREEDY}budgets = [4]\n");
    let path = Small { strategies: &strategies, ..Small::default() }.write(dir.path());
    let error = format!("{:#}", compare::read(&path).unwrap_err());
    assert_eq!(error, format!("{}: the strategy greedy has no budget to set", path.display()));
    // Numbers that JSON does not have.
    let data = format!(
        "{MINE}[[strategies]]\nname = \"nan\"\nstrategy = {{ kind = \"greedy\" }}\nfilter = {{ top_p = nan }}\n"
    );
    let path = Small { data: &data, ..Small::default() }.write(dir.path());
    let error = format!("{:#}", compare::read(&path).unwrap_err());
    assert!(error.ends_with("the strategy nan, filter: top_p must lie in (0, 1], found NaN"), "{error}");
}
