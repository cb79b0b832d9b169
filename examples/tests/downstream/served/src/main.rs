//! A search whose policy and multifurcation reward model are both on an engine. This machine has
//! neither weights nor tensors: what it knows of the reward model is its head.

mod engine;

use std::error::Error;

use saffron_search::prelude::*;
use saffron_search::remote::{RemoteMrm, RemotePolicy, RemoteSettings, RewardSettings, Server};
use saffron_search::saffron_core::{HeadLayout, PlainVocabulary, PromptLayout, RewardHead, ServedHead};

fn main() -> Result<(), Box<dyn Error>> {
    let address = format!("vllm:{}", engine::serve()?).parse()?;
    let named = |model: &str| RemoteSettings {
        model: Some(model.to_owned()),
        vocab_size: Some(engine::VOCABULARY),
        top: 4,
        ..RemoteSettings::default()
    };
    let vocabulary = PlainVocabulary::shared(engine::VOCABULARY);
    let around = PromptLayout { prefix: vec![1], infix: vec![2], suffix: Vec::new() };
    let server = Server::connect(&address, named(engine::POLICY))?;
    let mut policy = RemotePolicy::on(server, vocabulary.clone(), around.clone(), vec![engine::END]);
    let rewards = Server::reach(&address, named(engine::REWARDS), &mut |wait| eprintln!("{}", wait.reason))?;
    let mut mrm = RemoteMrm::open(rewards, vocabulary.clone(), head(around), RewardSettings::default())?;
    println!("{}", mrm.report());

    let session = Session::new(vocabulary, vec![3, 4])?;
    let searcher = Searcher::new(Saffron::paper(2)).max_new_tokens(4).top_p(0.95);
    let outcome = searcher.run(&session, &mut policy, &mut mrm)?;
    println!("{:?}, reward {:?}, {}", outcome.best.tokens, outcome.best.reward, outcome.usage);
    // The policy would rather say its favourite; the reward model wants the safe token.
    assert_eq!(outcome.best.tokens, [engine::SAFE; 4]);
    Ok(())
}

/// What `export_mrm` writes beside a model, made by hand.
fn head(ids: PromptLayout) -> ServedHead {
    let mut served = ServedHead::new(RewardHead::neutral(engine::VOCABULARY));
    served.head.unseen.insert(engine::REFERENCE);
    served.notes.reference = Some(engine::REFERENCE);
    served.notes.layout = Some(HeadLayout { name: "own".into(), ids, words: None, begin: None });
    served
}
