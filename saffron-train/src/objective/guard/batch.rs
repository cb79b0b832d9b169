//! Guard examples laid out for one forward pass.

use saffron_core::ContextLayout;
use saffron_mrm::DecoderConfig;

use super::{GuardExample, GuardReply};
use crate::error::TrainError;
use crate::objective::packed::{Packed, Tree, check};

/// A batch: outputs are rewards at the cuts of all replies, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct GuardBatch {
    /// The inputs: question, prompt and reply once, and the end of the question behind each cut.
    pub inputs: Packed,
    /// Rows after which the guard answers, one an output.
    pub rows: Vec<u32>,
    /// What is learnt.
    pub terms: Vec<Term>,
}

/// One term of the loss, `−ln σ(better − worse)`: the places of two outputs, or of one against a reward of 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// The output that is to be high; none stands for a reward of 0.
    pub better: Option<u32>,
    /// The output that is to be low; none stands for a reward of 0.
    pub worse: Option<u32>,
    /// Whether it is of a whole reply rather than of a beginning.
    pub whole: bool,
}

impl GuardBatch {
    /// Lays examples out for a model. Prompts whose text is known are encoded together with the
    /// question, as a guard does in a search.
    ///
    /// # Errors
    ///
    /// No examples, a prompt that cannot be encoded, tokens that the model does not have, replies
    /// that do not fit it.
    pub fn new(examples: &[&GuardExample], layout: &ContextLayout, model: &DecoderConfig) -> Result<Self, TrainError> {
        let (mut trees, mut answers, mut terms) = (Vec::new(), Vec::new(), Vec::new());
        for (place, example) in examples.iter().enumerate() {
            terms.extend(terms_of(example, answers.len() as u32));
            for reply in example.replies() {
                let (tree, rows) = tree(place, reply, layout, model)?;
                answers.extend(rows.into_iter().map(|row| (trees.len(), row)));
                trees.push(tree);
            }
        }
        let inputs = Packed::trees(trees)?;
        let rows = answers.into_iter().map(|(sequence, row)| (sequence * inputs.length + row) as u32).collect();
        Ok(Self { inputs, rows, terms })
    }
}

/// The terms of an example whose outputs begin at `first`.
fn terms_of(example: &GuardExample, first: u32) -> impl Iterator<Item = Term> {
    let cuts = example.replies()[0].cuts().len() as u32;
    (0..cuts).map(move |cut| {
        let (here, beside) = (Some(first + cut), Some(first + cuts + cut));
        let (better, worse) = match example {
            GuardExample::Labelled { safe: true, .. } => (here, None),
            GuardExample::Labelled { safe: false, .. } => (None, here),
            GuardExample::Pair { .. } => (here, beside),
        };
        Term { better, worse, whole: cut + 1 == cuts }
    })
}

/// The rows of one reply, and those of its answers.
fn tree(
    place: usize,
    reply: &GuardReply,
    layout: &ContextLayout,
    model: &DecoderConfig,
) -> Result<(Tree, Vec<usize>), TrainError> {
    let mut trunk = layout.context(reply.prompt(), reply.prompt_text())?;
    let (context, suffix) = (trunk.len(), &layout.ids().suffix);
    trunk.extend(reply.reply());
    check(place, &[trunk.as_slice(), suffix].concat(), model)?;
    let mut tree = Tree::new(trunk);
    let rows = reply.cuts().iter().map(|cut| tree.branch(context + cut, suffix)).collect();
    Ok((tree, rows))
}
