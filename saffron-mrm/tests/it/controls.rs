//! Which tokens are control tokens, and that no text from outside becomes one.

use saffron_mrm::LoadError;
use saffron_mrm::text::{ChatTemplate, Message, TextLayout, TextTokenizer, layout};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixtures::{copy, dir};

const IDS: std::ops::Range<u32> = 184..190;
/// Texts of added tokens that are not marked special.
const ADDED: [&str; 6] = ["◁im_end▷", "<td>", "    ", "<|turn|>", "[END]", "◁pad▷"];
const TEMPLATE: &str = "{% for m in messages %}{{ m.role ~ ' ' ~ m.content ~ '◁im_end▷' }}{% endfor %}";

/// A tiny checkpoint with added tokens, and these files.
fn checkpoint(files: &[(&str, String)]) -> TempDir {
    let folder = copy(&dir("tiny-b").join("policy"));
    let path = folder.path().join("tokenizer.json");
    let mut file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    // Room for them in the vocabulary, and for the bytes of `◁` and `▷`.
    let few = |id: &Value| id.as_u64().unwrap() < u64::from(IDS.start) - 5;
    file["model"]["vocab"].as_object_mut().unwrap().retain(|_, id| few(id));
    file["model"]["merges"] = json!([]);
    for (id, byte) in (IDS.start - 5..).zip(["â", "ģ", "Ĺ", "ĸ", "·"]) {
        file["model"]["vocab"][byte] = json!(id);
    }
    for (id, text) in IDS.zip(ADDED) {
        let mut token = file["added_tokens"][0].clone();
        (token["id"], token["content"], token["special"]) = (json!(id), json!(text), json!(false));
        file["added_tokens"].as_array_mut().unwrap().push(token);
        file["model"]["vocab"][text] = json!(id);
    }
    std::fs::write(&path, file.to_string()).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn open(files: &[(&str, String)]) -> TextTokenizer {
    TextTokenizer::from_dir(checkpoint(files).path(), 190).unwrap()
}

/// Which of the added tokens are control tokens: what a user says does not become them.
fn controls(tokenizer: &TextTokenizer) -> Vec<&'static str> {
    let is_control = |text: &&str| {
        let id = tokenizer.token_id(text).unwrap();
        let said = tokenizer.encode(&format!("a{text}b")).unwrap();
        assert_eq!(tokenizer.decode_text(&said).unwrap(), format!("a{text}b"), "nothing of it is lost");
        assert!(tokenizer.encode_markup(&format!("a{text}b")).unwrap().contains(&id), "a layout's own text may");
        assert_eq!(tokenizer.is_control(id), !said.contains(&id), "{text:?}");
        tokenizer.is_control(id)
    };
    ADDED.into_iter().filter(is_control).collect()
}

#[test]
fn added_tokens_are_ordinary_words_unless_something_names_them() {
    assert_eq!(controls(&open(&[])), ["<|turn|>"], "the form of turns' marks");
    let template = ("chat_template.jinja", TEMPLATE.to_owned());
    assert_eq!(controls(&open(&[template])), ["◁im_end▷", "<|turn|>"]);
    let indented = "{# [END] #}{% if '<td>' %}\n    x{% endif %}".to_owned();
    assert_eq!(
        controls(&open(&[("chat_template.jinja", indented)])),
        ["<td>", "<|turn|>"],
        "no comments, no white space"
    );
    let map =
        ("special_tokens_map.json", json!({ "pad_token": "◁pad▷", "eos_token": { "content": "[END]" } }).to_string());
    assert_eq!(controls(&open(&[map])), ["<|turn|>", "[END]", "◁pad▷"]);
    let generation = json!({ "eos_token_id": [1, 184], "pad_token_id": 189, "temperature": 185 }).to_string();
    assert_eq!(controls(&open(&[("generation_config.json", generation)])), ["◁im_end▷", "<|turn|>", "◁pad▷"]);
    let config = json!({ "eot_token": "<td>", "chat_template": [{ "name": "tools", "template": "{{ '[END]' }}" }] });
    assert_eq!(controls(&open(&[("tokenizer_config.json", config.to_string())])), ["<td>", "<|turn|>", "[END]"]);
}

#[test]
fn a_letter_that_a_configuration_names_stays_a_letter() {
    let folder = checkpoint(&[("generation_config.json", json!({ "pad_token_id": 4 }).to_string())]);
    let tokenizer = TextTokenizer::from_dir(folder.path(), 190).unwrap();
    assert_eq!(tokenizer.encode("!").unwrap(), [4]);
    assert!(!tokenizer.is_control(4));
}

#[test]
fn a_template_from_elsewhere_guards_what_it_writes() {
    let tokenizer = open(&[]);
    let id = tokenizer.token_id("◁im_end▷").unwrap();
    let count = |tokens: &[u32]| tokens.iter().filter(|token| **token == id).count();
    let template = ChatTemplate::new(TEMPLATE).unwrap();
    let turns = [Message::user("a◁im_end▷"), Message::assistant("◁im_end▷b")];
    assert_eq!(count(&template.tokens(&tokenizer, &turns).unwrap()), 2);
    assert_eq!(count(&template.layout(&tokenizer, &turns).unwrap().prefix), 2);
    let layout = TextLayout::of_template(&template, &turns, &tokenizer).unwrap();
    let tokens = saffron_core::PromptEncoder::encode_prompt(&layout, "◁im_end▷", None).unwrap();
    assert_eq!(count(&tokens), 3);
}

/// The tiny tokenizer with ChatML's marks in the vocabulary, added to it or not.
fn chatml(added: Option<bool>) -> TempDir {
    let folder = checkpoint(&[]);
    let path = folder.path().join("tokenizer.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("◁im_end▷", "<|im_start|>").replace("◁pad▷", "<|im_end|>");
    let mut file: Value = serde_json::from_str(&text).unwrap();
    let tokens = file["added_tokens"].as_array_mut().unwrap();
    match added {
        Some(special) => tokens.iter_mut().for_each(|token| token["special"] = special.into()),
        None => tokens.retain(|token| !token["content"].as_str().unwrap().starts_with("<|im_")),
    }
    std::fs::write(&path, file.to_string()).unwrap();
    folder
}

#[test]
fn a_layout_whose_marks_are_words_is_refused() {
    let tokenizer = |added| TextTokenizer::from_dir(chatml(added).path(), 190).unwrap();
    let words = tokenizer(None);
    assert!(words.token_id("<|im_start|>").is_some(), "the vocabulary has it");
    let error = layout("chatml", &words).unwrap_err();
    assert!(matches!(&error, LoadError::Layout { name, .. } if name == "chatml"), "{error}");
    assert!(error.to_string().contains("<|im_start|> is no special token of this tokenizer"), "{error}");
    assert_eq!(TextLayout::guessed(&words).unwrap().origin().to_string(), "plain, guessed from the special tokens");
    for special in [true, false] {
        let tokenizer = tokenizer(Some(special));
        let found = layout("chatml", &tokenizer).unwrap();
        assert_eq!(found.prefix[0], tokenizer.token_id("<|im_start|>").unwrap());
        assert!(tokenizer.encode("<|im_start|><|im_end|>").unwrap().iter().all(|token| !tokenizer.is_control(*token)));
    }
}

#[test]
fn marks_of_plain_text_are_told() {
    let tokenizer = open(&[]);
    let source = "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}\
                  {% else %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}";
    let template = ChatTemplate::new(source).unwrap().with_special("<|bos|>", "<|eos|>");
    let layout = TextLayout::of_template(&template, &[], &tokenizer).unwrap();
    assert_eq!(layout.markers(), ["[/INST]", "[INST]"]);
    assert_eq!(layout.spells_markers("a [/INST] b [INST] c"), ["[/INST]", "[INST]"]);
    assert_eq!(layout.spells_markers("x[INST]"), ["[INST]"]);
    assert!(layout.spells_markers("INST <|eos|>").is_empty());
    let named = |name| TextLayout::named(name, &tokenizer).unwrap();
    assert_eq!(named("mrm").markers(), ["Agent:", "User:"]);
    assert!(named("plain").markers().is_empty());
    let alone = ChatTemplate::new(TEMPLATE).unwrap();
    assert!(
        TextLayout::of_template(&alone, &[], &tokenizer).unwrap().markers().is_empty(),
        "control tokens are no text"
    );
}
