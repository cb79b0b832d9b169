//! Which modules a configuration adapts, by PEFT's rule: a module that is excluded is not; else one
//! that a regular expression or a name stands for, in the layers that are named.

use std::collections::BTreeSet;
use std::path::Path;

use regex::bytes::Regex;
use serde::{Serialize, Serializer};

use super::AdapterConfig;
use super::pattern::whole;
use crate::error::LoadError;

/// Modules of a model, as `target_modules` and `exclude_modules` name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// Full names, or their ends at a dot.
    Names(Vec<String>),
    /// A regular expression that a full name matches as a whole.
    Pattern(String),
    /// Every linear layer of a block (`all-linear`).
    AllLinear,
}

impl Targets {
    /// Whether it names no module.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Names(names) => names.is_empty(),
            Self::Pattern(pattern) => pattern.is_empty(),
            Self::AllLinear => false,
        }
    }
}

impl Default for Targets {
    fn default() -> Self {
        Self::Names(Vec::new())
    }
}

impl From<Vec<String>> for Targets {
    fn from(names: Vec<String>) -> Self {
        Self::Names(names)
    }
}

/// As PEFT writes it: a list or a text.
impl Serialize for Targets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Names(names) => names.serialize(serializer),
            Self::Pattern(pattern) => pattern.serialize(serializer),
            Self::AllLinear => "all-linear".serialize(serializer),
        }
    }
}

/// Whether a module is adapted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Yes,
    No,
    /// A regular expression with something that is not evaluated here: the tensors decide.
    Maybe,
}

/// A configuration's rule, ready to be asked.
#[derive(Debug)]
pub(super) struct Rule<'a> {
    targets: Matcher<'a>,
    excluded: Matcher<'a>,
    layers: Option<&'a [usize]>,
    layers_pattern: &'a [String],
}

impl<'a> Rule<'a> {
    /// The rule for a model whose blocks have linear layers of these names.
    pub(super) fn of(config: &'a AdapterConfig, linear: &[&'static str], path: &Path) -> Result<Self, LoadError> {
        Ok(Self {
            targets: Matcher::of(&config.target_modules, linear, "target_modules", path)?,
            excluded: Matcher::of(&config.exclude_modules, linear, "exclude_modules", path)?,
            layers: config.layers_to_transform.as_deref(),
            layers_pattern: &config.layers_pattern,
        })
    }

    /// Whether the module of a full name is adapted.
    pub(super) fn verdict(&self, module: &str) -> Verdict {
        let excluded = self.excluded.verdict(module);
        if excluded == Verdict::Yes {
            return Verdict::No;
        }
        match self.target(module) {
            Verdict::Yes if excluded == Verdict::Maybe => Verdict::Maybe,
            verdict => verdict,
        }
    }

    fn target(&self, module: &str) -> Verdict {
        let verdict = self.targets.verdict(module);
        // A module that is named in full is meant whatever its layer.
        let named = matches!(&self.targets, Matcher::Names(names) if names.contains(module));
        match self.layers {
            Some(layers) if !named && verdict == Verdict::Yes => {
                let is_in = layer_of(module, self.layers_pattern).is_some_and(|layer| layers.contains(&layer));
                if is_in { Verdict::Yes } else { Verdict::No }
            }
            _ => verdict,
        }
    }

    /// The first target that is the name of none of these modules.
    pub(super) fn unknown_target(&self, modules: &[String]) -> Option<&'a str> {
        let Matcher::Names(names) = &self.targets else { return None };
        let known: BTreeSet<&str> = modules.iter().flat_map(|module| ends(module)).collect();
        names.iter().copied().find(|name| !known.contains(name))
    }
}

/// What a list or an expression matches.
#[derive(Debug)]
enum Matcher<'a> {
    Names(BTreeSet<&'a str>),
    /// None where the expression is not evaluated here.
    Pattern(Option<Regex>),
}

impl<'a> Matcher<'a> {
    fn of(targets: &'a Targets, linear: &[&'static str], field: &str, path: &Path) -> Result<Self, LoadError> {
        match targets {
            Targets::AllLinear => Ok(Self::Names(linear.iter().copied().collect())),
            Targets::Names(names) => Ok(Self::Names(names.iter().map(String::as_str).collect())),
            Targets::Pattern(pattern) if pattern.is_empty() => Ok(Self::Names(BTreeSet::new())),
            Targets::Pattern(pattern) => whole(pattern, field, path).map(Self::Pattern),
        }
    }

    fn verdict(&self, module: &str) -> Verdict {
        let is = match self {
            Self::Names(names) => ends(module).any(|end| names.contains(end)),
            Self::Pattern(Some(pattern)) => pattern.is_match(module.as_bytes()),
            Self::Pattern(None) => return Verdict::Maybe,
        };
        if is { Verdict::Yes } else { Verdict::No }
    }
}

/// A dotted name and all its ends at a dot.
fn ends(module: &str) -> impl Iterator<Item = &str> {
    let dots = module.match_indices('.').map(|(dot, _)| &module[dot + 1..]);
    std::iter::once(module).chain(dots)
}

/// The number of a module's layer: what stands behind one of these names, or behind any, the last
/// one in the module's name.
fn layer_of(module: &str, patterns: &[String]) -> Option<usize> {
    let parts: Vec<&str> = module.split('.').collect();
    let find = |name: Option<&str>| {
        let places = (1..parts.len().saturating_sub(2)).rev();
        let mut numbers = places
            .filter(|place| name.is_none_or(|name| parts[*place] == name))
            .filter_map(|place| parts[place + 1].parse().ok());
        numbers.next()
    };
    if patterns.is_empty() { find(None) } else { patterns.iter().find_map(|name| find(Some(name))) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// Whether modules of two layers are adapted, each `q_proj`, `down_proj`.
    fn verdicts(config: &AdapterConfig) -> Vec<Verdict> {
        let rule = Rule::of(config, &["q_proj", "down_proj"], Path::new("adapter_config.json")).unwrap();
        let modules = ["0.self_attn.q_proj", "0.mlp.down_proj", "10.self_attn.q_proj", "10.mlp.down_proj"];
        modules.iter().map(|module| rule.verdict(&format!("model.layers.{module}"))).collect()
    }

    fn names(names: &[&str]) -> Targets {
        Targets::Names(names.iter().map(|name| (*name).to_owned()).collect())
    }

    /// As peft 0.21's `check_target_module_exists` answers.
    #[test]
    fn modules_are_matched_as_peft_does() {
        use Verdict::{Maybe, No, Yes};
        let new =
            |targets: Targets| AdapterConfig { target_modules: targets, ..AdapterConfig::new(1, 1.0, Vec::new()) };
        let pattern = |text: &str| Targets::Pattern(text.to_owned());
        let layers = |targets: Targets, layers: &[usize], pattern: &[&str]| AdapterConfig {
            layers_to_transform: Some(layers.to_vec()),
            layers_pattern: pattern.iter().map(|name| (*name).to_owned()).collect(),
            ..new(targets)
        };
        let without = |targets: Targets, excluded: Targets| AdapterConfig { exclude_modules: excluded, ..new(targets) };
        let cases = [
            (new(names(&["q_proj"])), [Yes, No, Yes, No]),
            (new(Targets::AllLinear), [Yes, Yes, Yes, Yes]),
            (new(names(&["proj"])), [No, No, No, No]),
            (new(names(&["0.mlp.down_proj"])), [No, Yes, No, No]),
            (new(names(&["model.layers.10.self_attn.q_proj"])), [No, No, Yes, No]),
            (new(pattern(r".*\.q_proj")), [Yes, No, Yes, No]),
            (new(pattern("q_proj")), [No, No, No, No]),
            (new(pattern(r"model\.layers\.\d\..*|.*down_proj$")), [Yes, Yes, No, Yes]),
            (new(pattern(r".*(?<!self_attn)\.\w+_proj")), [Maybe, Maybe, Maybe, Maybe]),
            (layers(names(&["q_proj", "down_proj"]), &[10], &[]), [No, No, Yes, Yes]),
            (layers(names(&["q_proj", "down_proj"]), &[0], &["layers"]), [Yes, Yes, No, No]),
            (layers(names(&["q_proj"]), &[0], &["h"]), [No, No, No, No]),
            (layers(names(&["q_proj", "model.layers.0.mlp.down_proj"]), &[10], &[]), [No, Yes, Yes, No]),
            (without(names(&["q_proj", "down_proj"]), names(&["mlp.down_proj"])), [Yes, No, Yes, No]),
            (without(names(&["q_proj", "down_proj"]), pattern(r".*layers\.0\..*")), [No, No, Yes, Yes]),
            (without(names(&["q_proj"]), pattern(r"(.)\1.*")), [Maybe, No, Maybe, No]),
        ];
        for (config, expected) in cases {
            assert_eq!(verdicts(&config), expected, "{config:?}");
        }
    }
}
