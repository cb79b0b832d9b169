//! What was found out about a served reward model.

use std::fmt;

use super::route::RewardRoute;

/// What the probes of a connection found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RewardReport {
    /// The route to rewards.
    pub route: RewardRoute,
    /// The most ids that a request may name; none where there is no limit.
    pub id_limit: Option<usize>,
    /// By how much rewards of a context moved between asking for it alone and in a batch.
    pub step: f32,
    /// How far rewards lay from those of the exported model; none where its head has no probes.
    pub error: Option<f32>,
    /// Whether the prefix cache serves; none where the server does not say.
    pub caches: Option<bool>,
    /// What a user should know, a sentence each.
    pub notes: Vec<String>,
}

impl fmt::Display for RewardReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rewards by {}", self.route)?;
        if let Some(limit) = self.id_limit {
            write!(f, ", {limit} ids a request")?;
        }
        match self.error {
            Some(error) => write!(f, ", {error:.1e} from the exported model's")?,
            None => f.write_str(", not compared with the exported model's")?,
        }
        write!(f, ", moved by {:.1e} in a batch", self.step)
    }
}
