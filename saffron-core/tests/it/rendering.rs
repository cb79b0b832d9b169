//! Sessions of text, how they are rendered, and policies that speak in words.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use saffron_core::testing::TablePolicy;
use saffron_core::{
    CandidateFilter, Candidates, ContextLayout, ContextRenderer, Hypothesis, LayoutOrigin, ModelError, Policy,
    PromptEncoder, PromptLayout, Reading, Reply, Session, TextPolicy, Token, Vocabulary, VocabularyError, VocabularyId,
};

/// One id a byte.
#[derive(Debug)]
struct Bytes;

impl Vocabulary for Bytes {
    fn id(&self) -> VocabularyId {
        VocabularyId(7)
    }

    fn size(&self) -> usize {
        256
    }

    fn decode(&self, tokens: &[Token]) -> Result<String, VocabularyError> {
        let bytes: Vec<u8> = tokens.iter().map(|token| *token as u8).collect();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn encode(&self, text: &str) -> Result<Option<Vec<Token>>, VocabularyError> {
        Ok(Some(bytes(text)))
    }
}

fn bytes(text: &str) -> Vec<Token> {
    text.bytes().map(Token::from).collect()
}

/// Counts what it encodes.
#[derive(Debug, Default)]
struct Counting(AtomicUsize);

impl PromptEncoder for Counting {
    fn encode_prompt(&self, prompt: &str, prefill: Option<&str>) -> Result<Vec<Token>, ModelError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(bytes(&format!("[{prompt}]{}", prefill.unwrap_or_default())))
    }
}

fn layout(encoder: &Arc<Counting>) -> ContextLayout {
    let ids = PromptLayout { prefix: vec![1], infix: vec![2], suffix: vec![3] };
    ContextLayout::of_text(ids, encoder.clone(), LayoutOrigin::Template)
}

fn session(prompt: &str) -> Session {
    Session::of_text(Arc::new(Bytes), prompt, bytes(prompt)).unwrap()
}

const ALL: Reading = Reading { together: true, prefill: true };

fn render(renderer: &ContextRenderer, session: &Session, reading: Reading) -> Vec<Token> {
    renderer.render(session, reading, 1000, |ids| Ok(ids.to_vec())).unwrap()
}

#[test]
fn a_session_of_text_keeps_its_text_and_one_of_ids_has_none() {
    let asked = session("ab").with_prefill_text("cd", bytes("cd")).unwrap().with_response(vec![5]).unwrap();
    assert_eq!((asked.prompt_text(), asked.prefill_text()), (Some("ab"), Some("cd")));
    assert_eq!((asked.prompt(), asked.prefill(), asked.response()), (&bytes("ab")[..], &bytes("cd")[..], &[5][..]));
    assert_eq!(asked.clone().with_prefill(vec![9]).unwrap().prefill_text(), None, "ids take the place of text");
    assert_eq!(asked.with_prefill_text("", vec![]).unwrap().prefill_text(), None);
    let ids = Session::new(Arc::new(Bytes), vec![1]).unwrap();
    assert_eq!((ids.prompt_text(), ids.prefill_text()), (None, None));
    assert!(matches!(Session::of_text(Arc::new(Bytes), "", vec![]), Err(ModelError::EmptyPrompt)));
    assert!(Session::of_text(Arc::new(Bytes), "x", vec![256]).is_err());
}

#[test]
fn text_is_encoded_together_and_ids_are_put_together() {
    let encoder = Arc::new(Counting::default());
    let renderer = ContextRenderer::new(layout(&encoder));
    let text = session("ab").with_prefill_text("cd", bytes("cd")).unwrap().with_response(vec![5]).unwrap();
    let ids = Session::new(Arc::new(Bytes), bytes("ab")).unwrap().with_prefill(bytes("cd")).unwrap();
    let ids = ids.with_response(vec![5]).unwrap();
    let hidden = Reading { prefill: false, ..ALL };
    let apart = Reading { together: false, ..ALL };
    let together = |text: &str| [bytes(text), vec![5, 3]].concat();
    let concatenated = |prefill: &str| [vec![1], bytes("ab"), vec![2], bytes(prefill), vec![5, 3]].concat();
    assert_eq!(render(&renderer, &text, ALL), together("[ab]cd"));
    assert_eq!(render(&renderer, &text, hidden), together("[ab]"));
    assert_eq!(render(&renderer, &text, apart), concatenated("cd"));
    assert_eq!(render(&renderer, &ids, ALL), concatenated("cd"));
    assert_eq!(render(&renderer, &ids, hidden), concatenated(""));
    // A prefill of ids behind a prompt of text.
    let mixed = text.clone().with_prefill(vec![200]).unwrap();
    assert_eq!(render(&renderer, &mixed, ALL), [bytes("[ab]"), vec![200, 5, 3]].concat());
    let error = renderer.render(&text, ALL, 7, |ids| Ok(ids.to_vec())).unwrap_err();
    assert!(matches!(error, ModelError::ContextTooLong { length: 8, limit: 7 }), "{error}");
}

#[test]
fn a_prompt_is_encoded_once_for_all_nodes_of_its_search() {
    let encoder = Arc::new(Counting::default());
    let renderer = ContextRenderer::new(layout(&encoder));
    let root = session("ab").with_prefill_text("cd", bytes("cd")).unwrap();
    for response in 0..50 {
        render(&renderer, &root.with_response(vec![response]).unwrap(), ALL);
    }
    assert_eq!(encoder.0.load(Ordering::Relaxed), 1);
    render(&renderer, &root, Reading { prefill: false, ..ALL });
    assert_eq!(encoder.0.load(Ordering::Relaxed), 2, "without the prefill it is another text");
    for prompt in 0..3000 {
        render(&renderer, &session(&format!("prompt {prompt}")), ALL);
    }
    assert_eq!(encoder.0.load(Ordering::Relaxed), 3002);
    assert_eq!(render(&renderer, &session("prompt 0"), ALL), [bytes("[prompt 0]"), vec![3]].concat());
}

/// A policy of bytes.
struct Speaks(TablePolicy);

impl Policy for Speaks {
    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        Arc::new(Bytes)
    }

    fn end_tokens(&self) -> Vec<Token> {
        vec![0]
    }

    fn propose(
        &mut self,
        sessions: &[Session],
        filter: &CandidateFilter,
    ) -> Result<Reply<Vec<Candidates>>, ModelError> {
        self.0.propose(sessions, filter)
    }
}

impl TextPolicy for Speaks {
    fn encode(&self, text: &str) -> Result<Vec<Token>, ModelError> {
        Ok(bytes(text))
    }
}

fn speaks() -> Speaks {
    Speaks(TablePolicy::new(vec![0.0; 256], vec![0]))
}

#[test]
fn a_prefill_is_cut_to_its_first_tokens_as_text_where_it_is_text() {
    let mut policy = speaks();
    let policy: &dyn TextPolicy = &&mut policy;
    let cut = |tokens| {
        let session = policy.attacked_session("q", "aé b", tokens).unwrap();
        (session.prefill_text().map(str::to_owned), session.prefill().len())
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(cut(0), (None, 0));
    assert_eq!(cut(1), (text("a"), 1));
    assert_eq!(cut(2), (None, 2), "inside a character: ids");
    assert_eq!(cut(3), (text("aé"), 3));
    assert_eq!(cut(4), (text("aé "), 4));
    assert_eq!(cut(5), (text("aé b"), 5));
    assert_eq!(cut(usize::MAX), (text("aé b"), 5));
    assert_eq!(policy.session("q").unwrap().prompt_text(), Some("q"));
}

#[test]
fn a_response_is_its_text_without_the_token_that_ends_it() {
    let text = |tokens: Vec<Token>| {
        let hypothesis = Hypothesis { tokens, reward: None, logprob: 0.0, stop: None };
        speaks().text(&hypothesis).unwrap()
    };
    assert_eq!(text(vec![97, 98, 0]), "ab");
    assert_eq!(text(vec![97, 98]), "ab");
    assert_eq!(text(vec![0, 97]), "\0a");
    assert_eq!(text(vec![]), "");
}
