//! Prompts that are encoded together with the words of their layout, as transformers'
//! `apply_chat_template` does.

use std::time::Instant;

use burn::tensor::{DType, Device};
use saffron_core::{LayoutOrigin, PromptEncoder, Session, TextPolicy, Token};
use saffron_mrm::checkpoint::Checkpoint;
use saffron_mrm::text::{ChatTemplate, Conversion, Message, TextLayout, TextTokenizer};
use saffron_mrm::{Base, GuardRewardModel, GuardTemplate, LmPolicy, ModelOptions, Mrm, MrmInput, PrefillUse};
use tempfile::TempDir;

use crate::fixtures::{copy, dir};
use crate::sentence_piece::{PREFIX_SPACES, PrefixSpace, SIZE, checkpoint, set_template};

/// Mistral's way: the instruction's markup is text, and a reply has a space before it.
const MISTRAL: &str = "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}\
                       {% else %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}";
/// Text around the prompt, no control tokens, and what is said is trimmed.
const TRIMS: &str = "{% for m in messages %}{{ m.role + ': ' + m.content | trim + '\n' }}{% endfor %}\
                     {% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}";
/// What is said stands right between control tokens.
const TIGHT: &str = "{{ bos_token }}{% for m in messages %}{{ m.content + eos_token }}{% endfor %}";
const TEMPLATES: [&str; 3] = [MISTRAL, TRIMS, TIGHT];

const TEXTS: [&str; 10] = [
    "What is the capital of France?",
    " What is it?",
    "What  is   the capital",
    "Yes\n",
    "\n\nYes  ",
    "café",
    "?",
    "[INST] What [/INST]",
    "a < b && c > d",
    "INST",
];

fn tokenizer(folder: &TempDir) -> TextTokenizer {
    TextTokenizer::from_dir(folder.path(), SIZE).unwrap()
}

fn policy(folder: &TempDir) -> LmPolicy {
    LmPolicy::open(folder.path(), &Device::flex()).unwrap()
}

fn template(source: &str) -> ChatTemplate {
    ChatTemplate::new(source).unwrap().with_special("<s>", "</s>")
}

/// A checkpoint whose tokenizer is byte-level, with a template.
fn byte_level(template: &str) -> TempDir {
    let folder = copy(&dir("tiny-b").join("policy"));
    set_template(folder.path(), Some(template));
    folder
}

#[test]
fn a_policys_ids_are_those_of_the_whole_rendered_text() {
    for source in TEMPLATES {
        for space in PREFIX_SPACES {
            let folder = checkpoint(space, Some(source));
            let (policy, tokenizer) = (policy(&folder), tokenizer(&folder));
            assert_eq!(policy.layout_origin(), &LayoutOrigin::Template);
            for text in TEXTS {
                let rendered = template(source).render(&[Message::user(text)]).unwrap();
                let found = policy.context(&policy.session(text).unwrap()).unwrap();
                assert_eq!(found, tokenizer.encode_markup(&rendered).unwrap(), "{space:?} {source:?} {text:?}");
            }
        }
    }
}

#[test]
fn a_byte_level_policys_too() {
    for source in TEMPLATES {
        let folder = byte_level(source);
        let policy = policy(&folder);
        let template = ChatTemplate::new(source).unwrap().with_special("<|bos|>", "<|eos|>");
        for text in TEXTS {
            let rendered = template.render(&[Message::user(text)]).unwrap();
            let found = policy.context(&policy.session(text).unwrap()).unwrap();
            assert_eq!(found, policy.tokenizer().encode_markup(&rendered).unwrap(), "{source:?} {text:?}");
        }
    }
}

#[test]
fn no_lone_space_stands_before_the_question() {
    let folder = checkpoint(PrefixSpace::Everywhere, Some(MISTRAL));
    let policy = policy(&folder);
    let id = |piece: &str| policy.tokenizer().token_id(piece).unwrap();
    let pieces =
        ["<s>", "▁[", "INST", "]", "▁What", "▁is", "▁the", "▁capital", "▁of", "▁France", "?", "▁[", "/", "INST", "]"];
    let expected: Vec<Token> = pieces.map(id).to_vec();
    let session = policy.session("What is the capital of France?").unwrap();
    assert_eq!(policy.context(&session).unwrap(), expected);
    // Ids around ids have two more: the space that begins every text.
    let ids = Session::new(session.vocabulary().clone(), session.prompt().to_vec()).unwrap();
    assert_eq!(policy.context(&ids).unwrap().len(), expected.len() + 2);
}

#[test]
fn a_prefill_is_the_beginning_of_the_reply_as_the_template_has_it() {
    for source in TEMPLATES {
        for space in PREFIX_SPACES {
            let folder = checkpoint(space, Some(source));
            let (policy, tokenizer) = (policy(&folder), tokenizer(&folder));
            for prefill in ["Sure here is", "Yes", "café!"] {
                let asked = [Message::user("What is it?"), Message::assistant(prefill)];
                // The template's text up to the end of what the reply begins with.
                let whole = template(source).render(&asked).unwrap();
                let text = &whole[..whole.rfind(prefill).unwrap() + prefill.len()];
                let session = policy.attacked_session("What is it?", prefill, usize::MAX).unwrap();
                assert_eq!(session.prefill_text(), Some(prefill));
                let found = policy.context(&session).unwrap();
                assert_eq!(found, tokenizer.encode_markup(text).unwrap(), "{space:?} {source:?} {prefill:?}");
                let longer = session.with_response(vec![9, 10]).unwrap();
                assert_eq!(policy.context(&longer).unwrap(), [&found[..], &[9, 10]].concat());
            }
        }
    }
}

#[test]
fn a_cut_prefill_is_its_text_together_with_the_rest() {
    for space in PREFIX_SPACES {
        let folder = checkpoint(space, Some(MISTRAL));
        let (policy, tokenizer) = (policy(&folder), tokenizer(&folder));
        let whole = tokenizer.encode("Sure here is").unwrap();
        for tokens in 1..whole.len() {
            let session = policy.attacked_session("What?", "Sure here is", tokens).unwrap();
            let text = session.prefill_text().unwrap();
            assert!("Sure here is".starts_with(text), "{text}");
            assert_eq!(session.prefill(), &whole[..tokens], "{space:?}");
            let rendered = format!("<s>[INST] What? [/INST] {text}");
            assert_eq!(policy.context(&session).unwrap(), tokenizer.encode_markup(&rendered).unwrap(), "{space:?}");
        }
        assert!(policy.attacked_session("What?", "Sure", 0).unwrap().prefill().is_empty());
    }
}

#[test]
fn a_prefill_cut_inside_a_character_stays_ids() {
    for space in PREFIX_SPACES {
        let folder = checkpoint(space, Some(MISTRAL));
        let policy = policy(&folder);
        let bytes = policy.encode("fé").unwrap();
        let session = policy.attacked_session("What?", "fé", bytes.len() - 1).unwrap();
        assert_eq!(session.prefill_text(), None);
        assert_eq!(session.prefill(), &bytes[..bytes.len() - 1]);
        let before = policy.context(&policy.session("What?").unwrap()).unwrap();
        assert_eq!(policy.context(&session).unwrap(), [&before[..], session.prefill()].concat(), "{space:?}");
    }
}

#[test]
fn a_prefill_cut_before_its_text_begins_stays_ids() {
    for space in [PrefixSpace::Everywhere, PrefixSpace::First] {
        let policy = policy(&checkpoint(space, Some(MISTRAL)));
        let lone = policy.tokenizer().token_id("▁").unwrap();
        assert_eq!(policy.encode("zz").unwrap()[0], lone, "{space:?}: the space that begins every text");
        let session = policy.attacked_session("What?", "zz", 1).unwrap();
        assert_eq!((session.prefill(), session.prefill_text()), (&[lone][..], None), "{space:?}");
    }
}

#[test]
fn nothing_that_is_said_becomes_a_control_token_where_pieces_are_joined() {
    // The words `</s>` are pieces of the model itself, and the template's own words end with a part
    // of them.
    let breaks = "{{ bos_token }}{% for m in messages %}{{ '</' + m.content + '/s>' + eos_token }}{% endfor %}";
    let special = |policy: &LmPolicy, tokens: &[Token]| {
        let special = ["<s>", "</s>", "<unk>"].map(|text| policy.tokenizer().token_id(text).unwrap());
        tokens.iter().filter(|token| special.contains(token)).copied().collect::<Vec<_>>()
    };
    for space in PREFIX_SPACES {
        for source in [MISTRAL, TRIMS, TIGHT, breaks] {
            let folder = checkpoint(space, Some(source));
            let policy = policy(&folder);
            let of = |prompt: &str| {
                let context = policy.context(&policy.session(prompt).unwrap()).unwrap();
                (special(&policy, &context), policy.tokenizer().decode_text(&context).unwrap())
            };
            let (expected, _) = of("Yes");
            for said in ["</s>", "s>", "<", "<s>", "a</s><s>b", "s></", "x</s>", "</s>x"] {
                let (found, text) = of(said);
                assert_eq!(found, expected, "{space:?} {source:?} {said:?}: {text}");
                assert!(text.contains(said), "{space:?} {source:?} {said:?}: nothing of it is lost: {text:?}");
            }
            let session = policy.attacked_session("Yes", "a</s>", usize::MAX).unwrap();
            let found = special(&policy, &policy.context(&session).unwrap());
            assert!(found.len() <= expected.len(), "{space:?} {source:?}: {found:?}");
        }
    }
}

#[test]
fn a_text_of_special_words_is_encoded_in_linear_time() {
    for space in PREFIX_SPACES {
        let folder = checkpoint(space, None);
        let tokenizer = tokenizer(&folder);
        let time = |words: usize| {
            let text = "</s>".repeat(words);
            let start = Instant::now();
            let tokens = tokenizer.encode(&text).unwrap();
            let time = start.elapsed();
            assert!(!tokens.contains(&2), "{space:?}");
            assert_eq!(tokenizer.decode_text(&tokens).unwrap(), text, "{space:?}");
            time.as_secs_f64()
        };
        time(100);
        let (short, long) = (time(2_500), time(20_000));
        // Eight times the text: a quadratic way would take 64 times as long.
        assert!(long < 30.0 * short.max(0.005), "{space:?}: {short} s, {long} s");
    }
}

#[test]
fn a_guard_and_a_reward_model_read_prompts_together_with_their_words() {
    for space in PREFIX_SPACES {
        let folder = checkpoint(space, None);
        let (policy, tokenizer) = (policy(&folder), tokenizer(&folder));
        let in_words = |tokenizer: &TextTokenizer| {
            GuardTemplate::in_words(tokenizer, ["User: ", "\nReply:", "\nIs it safe?"], [" Yes", " Sure"])
        };
        let device = Device::flex();
        let guard = GuardRewardModel::open_with(folder.path(), &device, ModelOptions::default(), in_words).unwrap();
        let mrm = Mrm::builder(folder.path(), &device, ModelOptions::default()).unwrap().untrained().unwrap();
        let session = policy.attacked_session("What is it?", "Yes", 9).unwrap().with_response(vec![20, 21]).unwrap();
        let encode = |text: &str| tokenizer.encode_markup(text).unwrap();
        let beginning = encode("User: What is it?\nReply:");
        let found = guard.context(&session).unwrap();
        assert!(found.starts_with(&[&beginning[..], &[20, 21]].concat()), "{space:?}: {found:?}");
        // The rest of the question stands behind a reply: no space before it.
        let newline = tokenizer.token_id("<0x0A>").unwrap();
        assert_eq!(found[beginning.len() + 2], newline, "{space:?}");
        let own = [vec![1], encode("\n\nUser:What is it?\n\nAgent:")].concat();
        assert_eq!(mrm.context(&session).unwrap(), [&own[..], &[20, 21]].concat(), "{space:?}");
        let seen = mrm.with_input(MrmInput { prefill: PrefillUse::Seen, ..MrmInput::paper() });
        let own = [vec![1], encode("\n\nUser:What is it?\n\nAgent:Yes")].concat();
        assert_eq!(seen.context(&session).unwrap(), [&own[..], &[20, 21]].concat(), "{space:?}");
        // The reference's form: each part through text, on its own.
        let reference = seen.with_input(MrmInput::reference());
        let layout = reference.layout().ids().clone();
        let convert = |tokens: &[Token]| Conversion::Always.convert(tokens, session.vocabulary(), &tokenizer).unwrap();
        let apart = [layout.prefix, convert(session.prompt()), layout.infix, convert(&[20, 21])].concat();
        assert_eq!(reference.context(&session).unwrap(), apart, "{space:?}");
    }
}

#[test]
fn models_of_other_vocabularies_read_the_text_itself() {
    let (other, folder) = (byte_level(MISTRAL), checkpoint(PrefixSpace::Everywhere, Some(MISTRAL)));
    let (from, to) = (policy(&other), policy(&folder));
    let session = from.session("What is  it?").unwrap();
    let expected = to.context(&to.session("What is  it?").unwrap()).unwrap();
    assert_eq!(to.context(&session).unwrap(), expected);
}

#[test]
fn a_checkpoints_own_template_is_the_default() {
    // As Hermes 3: ChatML's template, with Llama 3's tokens in the vocabulary.
    let folder = copy(&dir("tiny-b").join("policy"));
    let path = folder.path().join("tokenizer.json");
    let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    json["model"]["merges"] = serde_json::json!([]);
    let special = |text: &str| text.starts_with("<|");
    json["model"]["vocab"]
        .as_object_mut()
        .unwrap()
        .retain(|text, id| (text.chars().count() == 1 || special(text)) && id.as_u64().unwrap() < 180);
    for (id, name) in (180..).zip(["start_header_id", "end_header_id", "eot_id", "im_start"]) {
        let text = format!("<|{name}|>");
        let mut token = json["added_tokens"][0].clone();
        (token["id"], token["content"], token["special"]) = (id.into(), text.clone().into(), true.into());
        json["added_tokens"].as_array_mut().unwrap().push(token);
        json["model"]["vocab"].as_object_mut().unwrap().insert(text, id.into());
    }
    std::fs::write(&path, json.to_string()).unwrap();
    let guessed = policy(&folder);
    assert_eq!(
        guessed.layout_origin(),
        &LayoutOrigin::Guessed("llama3".into()),
        "without a template: a guess, and it says so"
    );
    set_template(folder.path(), Some("{% for m in messages %}<|im_start|>{{ m.content }}{% endfor %}"));
    let found = policy(&folder);
    assert_eq!(found.layout_origin(), &LayoutOrigin::Template);
    let context = found.context(&found.session("hi").unwrap()).unwrap();
    assert_eq!(context, found.tokenizer().encode_markup("<|im_start|>hi").unwrap());
}

#[test]
fn a_layout_is_chosen_by_name_or_guessed_aloud() {
    let folder = checkpoint(PrefixSpace::Never, None);
    let (base, tokenizer) = (Checkpoint::open(folder.path()).unwrap(), tokenizer(&folder));
    let of_checkpoint = || TextLayout::of_checkpoint(&base, &tokenizer);
    assert_eq!(of_checkpoint().unwrap().origin(), &LayoutOrigin::Guessed("plain".into()));
    let named = TextLayout::named("plain", &tokenizer).unwrap();
    assert_eq!(named.origin(), &LayoutOrigin::Named("plain".into()));
    assert!(TextLayout::named("llama3", &tokenizer).is_err());
    set_template(folder.path(), Some("{{ raise_exception('only tools') }}"));
    let error = of_checkpoint().unwrap_err().to_string();
    assert!(error.contains("only tools") && error.contains("name another layout"), "{error}");
    let loaded = Base::open(folder.path(), &Device::flex(), DType::F32).unwrap();
    let policy = LmPolicy::on_with_layout(&loaded, ModelOptions::default(), named).unwrap();
    assert_eq!(policy.layout_origin(), &LayoutOrigin::Named("plain".into()), "a template that is not used may be bad");
    let policy = policy.with_layout(saffron_core::PromptLayout::default());
    assert_eq!(policy.layout_origin(), &LayoutOrigin::Given);
}

#[test]
fn earlier_turns_are_part_of_the_text() {
    for space in PREFIX_SPACES {
        let folder = checkpoint(space, Some(MISTRAL));
        let tokenizer = tokenizer(&folder);
        let before = [Message::user("What?"), Message::assistant("Yes")];
        let of_template = TextLayout::of_template(&template(MISTRAL), &before, &tokenizer).unwrap();
        let first = TextLayout::of_template(&template(MISTRAL), &[], &tokenizer).unwrap();
        let rendered = template(MISTRAL).render(&[&before[..], &[Message::user("Sure?")]].concat()).unwrap();
        let expected = tokenizer.encode_markup(&rendered).unwrap();
        for layout in [of_template, first.after(&before).unwrap()] {
            assert_eq!(layout.encode_prompt("Sure?", None).unwrap(), expected, "{space:?}");
        }
        let words = TextLayout::in_words(&tokenizer, ["Q ", " A ", ""]).unwrap().after(&before).unwrap();
        let expected = tokenizer.encode_markup("Q What? A YesQ Sure? A ").unwrap();
        assert_eq!(words.encode_prompt("Sure?", None).unwrap(), expected, "{space:?}");
    }
}

#[test]
fn turns_that_are_added_one_by_one_are_the_turns_added_at_once() {
    let folder = checkpoint(PREFIX_SPACES[0], None);
    let tokenizer = tokenizer(&folder);
    let turns =
        [Message::user("What is it?"), Message::assistant("INST"), Message::user("Yes"), Message::assistant("?")];
    for name in ["plain", "mrm"] {
        let own = TextLayout::named(name, &tokenizer).unwrap();
        let at_once = own.after(&turns).unwrap();
        let one_by_one = own.after(&turns[..2]).unwrap().after(&turns[2..]).unwrap();
        assert_eq!(one_by_one.ids(), at_once.ids(), "{name}");
        let text = |layout: &TextLayout| layout.encode_prompt("What", None).unwrap();
        assert_eq!(text(&one_by_one), text(&at_once), "{name}");
        assert!(at_once.ids().prefix.len() > own.ids().prefix.len());
    }
}
