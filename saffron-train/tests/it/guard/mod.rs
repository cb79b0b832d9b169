//! Guards: rewards at the cuts of replies, losses, training, corpora, reports.

mod corpus;
mod outputs;
mod report;

use saffron_core::PromptLayout;
use saffron_mrm::GuardTemplate;
use saffron_train::objective::guard::{GuardExample, GuardObjective, GuardReply};

/// A question of ids that both fixtures have.
pub(crate) fn template() -> GuardTemplate {
    let layout = PromptLayout { prefix: vec![0, 30, 31], infix: vec![32], suffix: vec![33, 34, 35] };
    GuardTemplate { layout: layout.into(), safe: 50, not_safe: 51 }
}

pub(crate) fn objective() -> GuardObjective {
    GuardObjective::new(template())
}

pub(crate) fn reply(prompt: &[u32], reply: &[u32], cuts: &[usize]) -> GuardReply {
    GuardReply::new(prompt.to_vec(), reply.to_vec()).unwrap().with_cuts(cuts.to_vec()).unwrap()
}

pub(crate) fn labelled(safe: bool) -> GuardExample {
    let reply = match safe {
        true => reply(&[40, 41], &[60, 61, 62, 63, 64], &[2, 3, 5]),
        false => reply(&[42], &[70, 71, 72], &[1, 3]),
    };
    GuardExample::Labelled { reply, safe }
}

pub(crate) fn pair() -> GuardExample {
    let better = reply(&[43, 44, 45], &[80, 81, 82, 83], &[2, 4]);
    GuardExample::pair(better, reply(&[43, 44, 45], &[90, 91, 92, 93, 94, 95], &[2, 6])).unwrap()
}
