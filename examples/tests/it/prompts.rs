//! What one prompt leaves for the next: the prefix that the template gives both.

use burn::tensor::Device;
use saffron_core::{CandidateFilter, ChildScorer, Policy, Session, TextPolicy, Work};
use saffron_examples::cases::Models;
use saffron_mrm::ModelOptions;

use crate::replay::case_file;

/// Asks both models about a session; what it cost the policy and the reward model.
fn ask(models: &mut Models, session: &Session) -> [Work; 2] {
    let sessions = std::slice::from_ref(session);
    let proposed = models.policy.propose(sessions, &CandidateFilter::default()).unwrap();
    let scored = models.mrm.score_children(sessions, &proposed.value).unwrap();
    [proposed.work[0], scored.work[0]]
}

fn hits(models: &mut Models) -> [u64; 2] {
    [models.policy.engine().cache_stats().tokens_hit, models.mrm.engine().cache_stats().tokens_hit]
}

fn common(a: &[u32], b: &[u32]) -> u64 {
    a.iter().zip(b).take_while(|(a, b)| a == b).count() as u64
}

#[test]
fn the_second_prompt_computes_only_what_differs_from_the_first() {
    for name in ["A1", "B1"] {
        let file = case_file(name);
        let mut models = file.open_models(&crate::fixtures(), &Device::flex(), ModelOptions::default()).unwrap();
        // The whole search of the first prompt, not only its first step.
        file.replay(&file.cases[0], &mut models).unwrap();
        let [first, second] = [0, 1].map(|place: usize| {
            let case = &file.cases[place];
            models.policy.attacked_session(&case.prompt, &case.prefill, case.prefill_len).unwrap()
        });
        let contexts =
            |session: &Session| [models.policy.context(session).unwrap(), models.mrm.context(session).unwrap()];
        let (first, second_contexts) = (contexts(&first), contexts(&second));
        let shared = [0, 1].map(|model: usize| common(&first[model], &second_contexts[model]));
        let templates = [&file.policy_template, &file.mrm_template].map(|template| template.prefix.len() as u64);
        assert!(templates.iter().all(|length| *length > 0), "{name}: templates begin with tokens of their own");
        let before = hits(&mut models);
        let work = ask(&mut models, &second);
        let after = hits(&mut models);
        for model in [0, 1] {
            assert!(shared[model] >= templates[model], "{name}");
            let length = second_contexts[model].len() as u64;
            assert_eq!(work[model].computed.tokens, length - shared[model], "{name}: {:?}", work[model]);
            assert_eq!(work[model].cached, shared[model], "{name}: {:?}", work[model]);
            assert_eq!(after[model] - before[model], shared[model], "{name}: what the cache says of it");
        }
    }
}
