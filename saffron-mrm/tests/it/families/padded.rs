//! Embeddings with more rows than the tokenizer has ids.

use burn::tensor::{DType, Device};
use saffron_core::{CandidateFilter, ChildReward, MultifurcationRewardModel, Policy, TextPolicy, TokenSet};
use saffron_mrm::{Base, LmPolicy, Mrm};

use super::numbers::options;
use super::{families, path};

#[test]
fn ids_without_a_text_are_no_candidates_and_everything_else_is() {
    for name in families() {
        let base = |part| Base::open(path(&name).join(part), &Device::flex(), DType::F32).unwrap();
        let mut policy = LmPolicy::on(&base("policy"), options(&name)).unwrap();
        let (known, size) = (policy.tokenizer().known(), policy.vocabulary().size());
        assert!(known < size, "{name}: the fixture's embedding is padded");
        let session = policy.session("a question").unwrap();
        let everything = CandidateFilter { top_p: 1.0, ..CandidateFilter::default() };
        let candidates = policy.propose(&[session.clone()], &everything).unwrap().value.remove(0);
        let mut tokens: Vec<u32> = candidates.tokens().collect();
        tokens.sort_unstable();
        assert_eq!(tokens, (0..known as u32).collect::<Vec<_>>(), "{name}");
        // The head has a row for every embedding.
        let mrm = Mrm::on(&base("guard"), options(&name)).unwrap();
        let mut mrm = mrm.with_adapter(path(&name).join("mrm")).unwrap();
        let rewards = mrm.child_rewards(&[session], &[candidates]).unwrap().value.remove(0);
        assert_eq!(rewards.len(), known, "{name}");
        let unseen: &TokenSet = &mrm.head().unseen;
        let seen = (0..known as u32).filter(|token| !unseen.contains(*token)).count();
        assert_eq!(rewards.iter().filter(|reward| matches!(reward, ChildReward::Seen(_))).count(), seen, "{name}");
    }
}
