//! What a client needs of a model that is served.

use saffron_core::{ContextLayout, LayoutOrigin, ModelError, RewardProbe, Run, ServedHead, Token, Unembedding};

use super::Mrm;
use crate::engine::{Outputs, Query};
use crate::nn::read_columns;

/// Tokens whose logits a probe holds.
const PROBED: usize = 16;

impl Mrm {
    /// The head of this model for a client of the same model on a server. `contexts` become probes,
    /// which the client asks the server for to see that it serves this model. With `unembedding`,
    /// the head holds the rows that a server of hidden states leaves to its client.
    ///
    /// A layout that has no name is left out: the client must be given it.
    ///
    /// # Errors
    ///
    /// Empty or too long contexts, ids without embedding.
    pub fn served_head(&mut self, contexts: &[Vec<Token>], unembedding: bool) -> Result<ServedHead, ModelError> {
        let mut served = ServedHead::new(self.head.clone());
        served.notes.probes = self.probes(contexts)?;
        if unembedding {
            served.unembedding = Some(self.unembedding()?);
        }
        let choices = &self.engine.decoder().config().choices;
        served.notes.logit_divisor = choices.scales.logit_divisor as f32;
        served.notes.logit_cap = choices.logit_cap.map(|cap| cap as f32);
        served.notes.layout = layout_name(self.layout());
        served.notes.preset = self.preset;
        Ok(served)
    }

    fn probes(&mut self, contexts: &[Vec<Token>]) -> Result<Vec<RewardProbe>, ModelError> {
        let run = Run::new();
        let queries: Vec<Query<'_>> =
            contexts.iter().map(|tokens| Query { run: &run, tokens: tokens.clone(), scratch: 0 }).collect();
        let answers = self.engine.last_logits(&queries, Outputs::All)?;
        let size = Token::try_from(self.head.bias.len()).unwrap_or(Token::MAX);
        let seen: Vec<Token> = (0..size).filter(|token| self.head.is_seen(*token)).collect();
        let ids: Vec<Token> = seen.iter().copied().step_by(seen.len().div_ceil(PROBED).max(1)).collect();
        let probe = |(place, tokens): (usize, &Vec<Token>)| {
            let logits = answers.logits(place);
            let logits = ids.iter().filter_map(|id| logits.get(*id as usize).copied()).collect();
            RewardProbe { tokens: tokens.clone(), ids: ids.clone(), logits }
        };
        Ok(contexts.iter().enumerate().map(probe).collect())
    }

    /// The rows of the unembedding, what an adapter adds to them included.
    fn unembedding(&self) -> Result<Unembedding, ModelError> {
        let rows = self.engine.decoder().unembedding();
        let width = rows.dims()[1];
        // Columns of the transposed matrix are the rows.
        let rows = read_columns(rows.transpose())?;
        Unembedding::new(rows, width)
            .ok_or_else(|| ModelError::other("reading the unembedding", "rows of another width than the model's"))
    }
}

fn layout_name(layout: &ContextLayout) -> Option<String> {
    match layout.origin() {
        LayoutOrigin::Named(name) => Some(name.to_string()),
        _ => None,
    }
}
