//! A served reward model beside the same model here.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use saffron_core::{
    Candidate, Candidates, ChildReward, Coverage, MultifurcationRewardModel, ServerAddress, Session, Token,
};
use saffron_mrm::Mrm;
use saffron_search::remote::{RemoteMrm, RemoteSettings, RewardSettings, Server, read_head};

use crate::args::ExportMrmArgs;
use crate::models::note;
use crate::output::line;

/// Questions of the contexts that are compared.
const QUESTIONS: [&str; 8] = [
    "What is the capital of France?",
    "How do I keep a garden?",
    "Name three colours.",
    "Why is the sky blue?",
    "How do I bake bread?",
    "What does a mayor do?",
    "Write a line about the sea.",
    "How far away is the moon?",
];
/// The beginnings of replies behind each question, by their tokens.
const CUTS: [usize; 4] = [0, 3, 8, 15];
/// Candidates of each context.
const CANDIDATES: usize = 64;

/// Compares rewards of a server that has loaded an export with those of the model here: 32 contexts
/// with 64 candidates each, all over the vocabulary.
///
/// # Errors
///
/// No head in the export; a server that cannot be asked; a context that is read as other ids; a
/// reward further off than the tolerance.
pub fn check(args: &ExportMrmArgs, here: &mut Mrm, address: &ServerAddress) -> Result<()> {
    let (mut there, sessions) = (served(args, here, address)?, sessions(here)?);
    there.report().notes.iter().for_each(|text| note(text));
    line(there.report())?;
    for session in &sessions {
        ensure!(there.context(session)? == here.context(session)?, "the server reads other ids than the model here");
    }
    let lists: Vec<Candidates> = (0..sessions.len()).map(|place| candidates(here, place)).collect();
    let found = there.child_rewards(&sessions, &lists)?.value;
    let expected = here.child_rewards(&sessions, &lists)?.value;
    let errors =
        found.iter().flatten().zip(expected.iter().flatten()).map(|(found, expected)| error(*found, *expected));
    let errors: Vec<f64> = errors.collect::<Option<_>>().context("a candidate without a reward")?;
    let (most, mean) = (errors.iter().copied().fold(0.0, f64::max), errors.iter().sum::<f64>() / errors.len() as f64);
    line(format_args!("{} rewards: error at most {most:.1e}, {mean:.1e} on average", errors.len()))?;
    let tolerance = args.check_tolerance;
    ensure!(
        most <= f64::from(tolerance),
        "served rewards lie up to {most:.1e} from those here, more than {tolerance:e}"
    );
    Ok(())
}

fn served(args: &ExportMrmArgs, here: &Mrm, address: &ServerAddress) -> Result<RemoteMrm> {
    let head = read_head(&args.out)?;
    let settings = RemoteSettings {
        model: args.check_model.clone(),
        vocab_size: Some(head.head.bias.len()),
        ..RemoteSettings::default()
    };
    let server = Server::reach(address, settings, &mut |_| {})?;
    let mut rewards = RewardSettings::default();
    rewards.route = args.check_route.as_deref().map(str::parse).transpose()?;
    rewards.tolerance = rewards.tolerance.max(args.check_tolerance);
    Ok(RemoteMrm::open(server, Arc::new(here.tokenizer().clone()), head, rewards)?)
}

fn sessions(here: &Mrm) -> Result<Vec<Session>> {
    let vocabulary = Arc::new(here.tokenizer().clone());
    let mut sessions = Vec::new();
    for (place, question) in QUESTIONS.iter().enumerate() {
        let asked = here.tokenizer().encode(question)?;
        let next = QUESTIONS[(place + 3) % QUESTIONS.len()];
        let reply = here.tokenizer().encode(&format!("Here is what I can say about that. You ask: {next}"))?;
        for cut in CUTS {
            let session = Session::new(vocabulary.clone(), asked.clone())?;
            sessions.push(session.with_response(reply[..cut.min(reply.len())].to_vec())?);
        }
    }
    Ok(sessions)
}

fn candidates(here: &Mrm, place: usize) -> Candidates {
    let head = here.head();
    let seen: Vec<Token> =
        (0..head.bias.len()).filter_map(|id| Token::try_from(id).ok()).filter(|id| head.is_seen(*id)).collect();
    let step = seen.len() / CANDIDATES + 1;
    let mut tokens: Vec<Token> =
        (0..CANDIDATES.min(seen.len())).map(|rank| seen[(place + rank * step) % seen.len()]).collect();
    tokens.sort_unstable();
    tokens.dedup();
    let ranked = tokens.into_iter().map(|token| Candidate { token, logprob: -1.0 }).collect();
    Candidates { ranked, mass: 0.9, coverage: Coverage::Full }
}

fn error(found: ChildReward, expected: ChildReward) -> Option<f64> {
    Some(f64::from((found.seen()? - expected.seen()?).abs()))
}
