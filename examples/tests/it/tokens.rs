//! Conversations in tokens, against transformers' `apply_chat_template`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use saffron_mrm::text::{ChatTemplate, Message, TemplateError, TextTokenizer};
use serde::Deserialize;

/// More rows than any of the tokenizers has tokens.
const EMBEDDINGS: usize = 1 << 18;

/// What transformers made of a conversation; none where the template refuses it.
#[derive(Deserialize)]
struct Case {
    tokenizer: String,
    shape: String,
    messages: Vec<Message>,
    continued: bool,
    text: Option<String>,
    ids: Option<Vec<u32>>,
}

struct Model {
    tokenizer: TextTokenizer,
    template: ChatTemplate,
}

impl Model {
    fn open(dir: &Path) -> Self {
        let template = ChatTemplate::from_dir(dir).unwrap().unwrap();
        Self { tokenizer: TextTokenizer::from_dir(dir, EMBEDDINGS).unwrap(), template }
    }

    /// A conversation in tokens.
    fn tokens(&self, case: &Case) -> Result<Vec<u32>, TemplateError> {
        match case.continued {
            true => self.template.continued_tokens(&self.tokenizer, &case.messages),
            false => self.template.tokens(&self.tokenizer, &case.messages),
        }
    }

    /// Whether a conversation comes to the same text and to the same ids, or is refused as well.
    fn agrees(&self, case: &Case) -> [bool; 2] {
        let text = match case.continued {
            true => self.template.render_continued(&case.messages),
            false => self.template.render(&case.messages),
        };
        [text.ok() == case.text, self.tokens(case).ok() == case.ids]
    }
}

#[test]
#[ignore = "needs transformers: scripts/prove_tokens.sh"]
#[allow(clippy::print_stdout, reason = "figures for whoever runs it")]
fn conversations_have_the_ids_that_transformers_gives_them() {
    let dir = PathBuf::from(std::env::var_os("SAFFRON_TOKEN_CASES").unwrap());
    let mut models: BTreeMap<String, Model> = BTreeMap::new();
    // Conversations, those of equal text, those of equal ids.
    let mut counts: BTreeMap<(String, String), [usize; 3]> = BTreeMap::new();
    let mut shown = BTreeMap::new();
    for line in BufReader::new(File::open(dir.join("cases.jsonl")).unwrap()).lines() {
        let case: Case = serde_json::from_str(&line.unwrap()).unwrap();
        let model = models.entry(case.tokenizer.clone()).or_insert_with(|| Model::open(&dir.join(&case.tokenizer)));
        let agrees = model.agrees(&case);
        let count = counts.entry((case.tokenizer.clone(), case.shape.clone())).or_default();
        *count = [count[0] + 1, count[1] + usize::from(agrees[0]), count[2] + usize::from(agrees[1])];
        if agrees != [true, true] {
            shown.entry((case.tokenizer.clone(), case.shape.clone())).or_insert(case);
        }
    }
    for ((tokenizer, shape), [all, text, ids]) in &counts {
        println!("{tokenizer}: {shape}: {all} conversations, text equal in {text}, ids in {ids}");
    }
    for case in shown.values() {
        let found = models[&case.tokenizer].tokens(case);
        println!("{}: {}: {:?}\nexpected {:?}\nfound {found:?}", case.tokenizer, case.shape, case.text, case.ids);
    }
    assert!(counts.len() >= 24, "six tokenizers with four shapes each");
    assert!(counts.values().all(|[all, text, ids]| all == text && all == ids));
}
