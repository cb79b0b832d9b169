//! Guard examples laid out for one forward pass.

use saffron_core::PromptLayout;
use saffron_mrm::DecoderConfig;

use super::{GuardExample, GuardReply};
use crate::TrainError;
use crate::objective::packed::{Packed, Tree, check};

/// A batch: outputs are rewards at the cuts of all replies, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct GuardBatch {
    /// The inputs: question, prompt and reply once, and the end of the question behind each cut.
    pub inputs: Packed,
    /// Rows after which the guard answers, one an output.
    pub rows: Vec<u32>,
    /// Of each term the output that is to be high; none stands for a reward of 0.
    pub better: Vec<Option<u32>>,
    /// Of each term the output that is to be low; none stands for a reward of 0.
    pub worse: Vec<Option<u32>>,
    /// Of each term whether it is of a whole reply rather than of a beginning.
    pub whole: Vec<bool>,
}

impl GuardBatch {
    /// Lays examples out for a model.
    ///
    /// # Errors
    ///
    /// No examples, tokens that the model does not have, replies that do not fit it.
    pub fn new(examples: &[&GuardExample], layout: &PromptLayout, model: &DecoderConfig) -> Result<Self, TrainError> {
        let mut trees = Vec::new();
        let mut rows_of = Vec::new();
        let (mut better, mut worse, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        let mut outputs = 0u32;
        for (place, example) in examples.iter().enumerate() {
            for reply in example.replies() {
                let (tree, rows) = tree(place, reply, layout, model)?;
                trees.push(tree);
                rows_of.push(rows);
            }
            let cuts = example.replies()[0].cuts().len() as u32;
            for cut in 0..cuts {
                let here = Some(outputs + cut);
                let (high, low) = match example {
                    GuardExample::Labelled { safe: true, .. } => (here, None),
                    GuardExample::Labelled { safe: false, .. } => (None, here),
                    GuardExample::Pair { .. } => (here, Some(outputs + cuts + cut)),
                };
                better.push(high);
                worse.push(low);
                whole.push(cut + 1 == cuts);
            }
            outputs += cuts * example.replies().len() as u32;
        }
        let inputs = Packed::trees(trees)?;
        let row = |(sequence, rows): (usize, Vec<usize>)| {
            rows.into_iter().map(move |row| (sequence, row)).collect::<Vec<_>>()
        };
        let rows = rows_of.into_iter().enumerate().flat_map(row);
        let rows = rows.map(|(sequence, row)| (sequence * inputs.length + row) as u32).collect();
        Ok(Self { inputs, rows, better, worse, whole })
    }
}

/// The rows of one reply, and those of its answers.
fn tree(
    place: usize,
    reply: &GuardReply,
    layout: &PromptLayout,
    model: &DecoderConfig,
) -> Result<(Tree, Vec<usize>), TrainError> {
    let trunk = [&layout.prefix, reply.prompt(), &layout.infix, reply.reply()].concat();
    let context = trunk.len() - reply.reply().len();
    check(place, &[trunk.as_slice(), &layout.suffix].concat(), model)?;
    let mut tree = Tree::new(trunk);
    let rows = reply.cuts().iter().map(|cut| tree.branch(context + cut, &layout.suffix)).collect();
    Ok((tree, rows))
}
