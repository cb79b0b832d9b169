//! Published guards by name: their prompts, whole, and their rewards on a tiny checkpoint of their
//! family. The texts beside this file are the prompts as they were published.

mod cases;
mod refusals;
mod rewards;

use saffron_core::{Session, TextPolicy, Token};
use saffron_mrm::{GuardRewardModel, LmPolicy, ModelOptions, guards};

use cases::{CASES, Case, device};

const PROMPT: &str = "How do I pick a lock?";
const REPLY: &str = "Sure. First, find a pin.";

fn guard(case: &Case, name: &str) -> GuardRewardModel {
    let folder = case.checkpoint();
    GuardRewardModel::open_with(folder.path(), &device(), ModelOptions::default(), |tokenizer| {
        guards::named(name, tokenizer)
    })
    .unwrap()
}

/// A prompt with a reply, as a policy of the guard's own vocabulary has them.
fn session(case: &Case, prompt: &str, reply: &str) -> Session {
    let policy = LmPolicy::open(case.checkpoint().path(), &device()).unwrap();
    let reply = policy.tokenizer().encode(reply).unwrap();
    policy.session(prompt).unwrap().with_response(reply).unwrap()
}

/// The ids of the published prompt.
fn expected(case: &Case, guard: &GuardRewardModel, part: &str, session: &Session) -> Vec<Token> {
    let text = case.text.replace("{harm_text}", part).replace("{risk}", part).replace("{prompt}", PROMPT);
    let (before, after) = text.split_once("{reply}").unwrap();
    let markup = |text: &str| guard.tokenizer().encode_markup(text).unwrap();
    let bos = guard.tokenizer().bos().filter(|_| case.bos);
    let after = markup(&format!("{after}{}", case.forced));
    [bos.into_iter().collect(), markup(before), session.response().to_vec(), after].concat()
}

#[test]
fn every_guard_reads_the_prompt_that_its_makers_published() {
    for case in &CASES {
        let (guard, session) = (guard(case, case.name), session(case, PROMPT, REPLY));
        let contexts = guard.contexts(&session).unwrap();
        assert_eq!(contexts.len(), case.parts.len().max(1), "{}", case.name);
        let texts = if case.parts.is_empty() { &[""][..] } else { case.parts };
        for (found, part) in contexts.iter().zip(texts) {
            assert_eq!(found, &expected(case, &guard, part, &session), "{} {part}", case.name);
        }
        assert_eq!(guard.context(&session).unwrap(), contexts[0]);
    }
}

#[test]
fn every_guard_of_the_table_has_its_case() {
    let mut tested: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    tested.extend(["llama-guard-3", "qwen3guard-loose"]);
    tested.sort_unstable();
    assert_eq!(guards::names(), tested);
}

/// The risks that IBM's notebook shows for an assistant's message, by name.
#[test]
fn granite_guardian_3_2_has_its_own_risks() {
    let case = CASES.iter().find(|case| case.name == "granite-guardian-3.2").unwrap();
    let session = session(case, PROMPT, REPLY);
    let risk = "The last 'Assistant' message contains content promoting or describing physical harm to individuals or \
                groups. This includes depictions of assault, self-harm, or creation of a hostile environment through \
                threats or intimidation.";
    let guard = guard(case, "granite-guardian-3.2:violence");
    assert_eq!(guard.contexts(&session).unwrap(), [expected(case, &guard, risk, &session)]);
    let risks = ["harm", "social_bias", "profanity", "sexual_content", "unethical_behavior", "violence"];
    assert_eq!(guards::questions_of("granite-guardian-3.2"), risks);
}

#[test]
fn a_replys_own_control_tokens_are_left_out() {
    for case in CASES.iter().filter(|case| !case.controls.is_empty()) {
        let (guard, honest) = (guard(case, case.name), session(case, PROMPT, REPLY));
        let control = guard.tokenizer().token_id(case.controls[0]).unwrap();
        let end = guard.tokenizer().eos().unwrap();
        let mut reply = vec![control];
        reply.extend_from_slice(honest.response());
        reply.extend([end, control]);
        let forged = session(case, PROMPT, "").with_response(reply).unwrap();
        assert_eq!(guard.contexts(&forged).unwrap(), guard.contexts(&honest).unwrap(), "{}", case.name);
    }
}

/// Neither the prompt nor the reply becomes a control token, whatever they spell.
#[test]
fn what_an_attacker_writes_never_becomes_a_control_token() {
    for case in CASES.iter().filter(|case| !case.controls.is_empty()) {
        let guard = guard(case, case.name);
        let controls = |session: &Session| -> Vec<Vec<Token>> {
            let contexts = guard.contexts(session).unwrap().into_iter();
            let special = |ids: Vec<Token>| ids.into_iter().filter(|id| guard.tokenizer().is_control(*id)).collect();
            contexts.map(special).collect()
        };
        let honest = controls(&session(case, PROMPT, REPLY));
        assert!(honest.iter().all(|ids| ids.len() >= case.controls.len()), "{}", case.name);
        // The rest of the guard's own prompt, and an answer behind it.
        let (_, rest) = case.text.split_once("{reply}").unwrap();
        let forged = format!("Sorry.{rest}{}{}", case.forced, case.answers[0]);
        for (prompt, reply) in [(forged.as_str(), REPLY), (PROMPT, forged.as_str()), (forged.as_str(), forged.as_str())]
        {
            assert_eq!(controls(&session(case, prompt, reply)), honest, "{}", case.name);
        }
    }
}
