//! Named settings of a Saffron search and of its reward model's input that belong together.

use serde::{Deserialize, Serialize};

/// Which rules a Saffron search follows, and how its reward model reads.
///
/// | preset | search | reward model's input |
/// |---|---|---|
/// | `fluent` | the paper's rules with the candidates and options that the experiments chose | as for `paper` |
/// | `paper` | the paper's equations (arXiv 2506.06444, Eq. 2, 3 and 7; Appendix A.1) | ids as they are where the vocabularies are equal, bias added |
/// | `reference` | the reference implementation's exact rules | everything through text, bias left out |
///
/// ```
/// use saffron_core::Preset;
/// assert_eq!(Preset::default(), Preset::Fluent);
/// assert_eq!(serde_json::from_str::<Preset>("\"paper\"")?, Preset::Paper);
/// assert_eq!(Preset::Reference.to_string(), "reference");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Preset {
    /// What the experiments chose: safe answers that read like the policy's own.
    #[default]
    Fluent,
    /// The paper's equations.
    Paper,
    /// The reference implementation's exact rules.
    Reference,
}

impl Preset {
    /// All presets, the default first.
    pub const ALL: [Self; 3] = [Self::Fluent, Self::Paper, Self::Reference];

    /// The name, as configurations and programs have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fluent => "fluent",
            Self::Paper => "paper",
            Self::Reference => "reference",
        }
    }
}

impl std::fmt::Display for Preset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
