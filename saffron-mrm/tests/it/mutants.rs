//! Seeded mutants of a tokenizer's file and of a chat template: each is refused or used, without a
//! panic, in bounded time.

use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use saffron_core::random::below;
use saffron_mrm::text::{ChatTemplate, Message, TextTokenizer};
use serde_json::{Value, json};

use crate::fixtures::{copy, dir};
use crate::sentence_piece::{PREFIX_SPACES, checkpoint};

/// Random numbers, and what is made of them.
struct Random(ChaCha8Rng);

impl Random {
    fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    fn below(&mut self, limit: usize) -> usize {
        below(&mut self.0, limit)
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// Some bytes changed, left out, put in or said twice.
    fn damage(&mut self, text: &str, words: &[&str]) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..1 + self.below(4) {
            let at = self.below(bytes.len());
            match self.below(6) {
                0 => bytes[at] = self.below(256) as u8,
                1 => drop(bytes.remove(at)),
                2 => bytes.truncate(at.max(1)),
                3 => {
                    let end = (at + 1 + self.below(200)).min(bytes.len());
                    let part = bytes[at..end].to_vec();
                    let to = self.below(bytes.len());
                    bytes.splice(to..to, part);
                }
                4 => drop(bytes.drain(at..(at + self.below(50)).min(bytes.len()))),
                _ => drop(bytes.splice(at..at, self.of(words).bytes())),
            }
            if bytes.is_empty() {
                bytes.push(b' ');
            }
        }
        bytes
    }
}

/// Puts a value in a random place of another.
fn put(random: &mut Random, into: &mut Value, value: Value) {
    let inner = match into {
        _ if random.below(4) == 0 => None,
        Value::Object(items) if items.len() < 40 => {
            let item = random.below(items.len());
            items.values_mut().nth(item)
        }
        Value::Array(items) => {
            let item = random.below(items.len());
            items.get_mut(item)
        }
        _ => None,
    };
    match inner {
        Some(inner) => put(random, inner, value),
        None => *into = value,
    }
}

/// Parts of tokenizers, some of which the `tokenizers` crate panics at or never ends with.
fn parts(random: &mut Random) -> Value {
    let text = *random.of(&["", "a", "aa", "▁", " ", "é", "##", "<|eos|>", "\u{fdfa}"]);
    let number = *random.of(&[-1_i64, 0, 1, 2, 3, 188, 189, 190, i64::MAX]);
    let pattern = json!({ *random.of(&["String", "Regex"]): *random.of(&["", "a", "^", "x*", r"\s+", "(a+)+(?!b)", "(?=a)", ".", "(", "[^a]"]) });
    let step = |kind: &str| {
        json!({ "type": kind, "pattern": pattern, "content": text, "prepend": text, "replacement": "▁",
        "prepend_scheme": "always", "behavior": "Isolated", "invert": false, "length": number, "start": number, "stop": number,
        "precompiled_charsmap": "BAAAAAAAAAA=", "suffix": text, "prefix": text, "cleanup": true, "add_prefix_space": true,
        "trim_offsets": true, "use_regex": false, "strip_left": true, "strip_right": true, "individual_digits": true,
        "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true, "pad_token": text,
        "word_delimiter_token": text, "delimiter": "a" })
    };
    let kinds = [
        "NFC",
        "NFKC",
        "Strip",
        "StripAccents",
        "Lowercase",
        "Nmt",
        "BertNormalizer",
        "ByteLevel",
        "Precompiled",
        "Prepend",
        "Replace",
        "Metaspace",
        "Whitespace",
        "WhitespaceSplit",
        "Split",
        "Punctuation",
        "Digits",
        "UnicodeScripts",
        "FixedLength",
        "BPEDecoder",
        "WordPiece",
        "CTC",
        "Fuse",
        "ByteFallback",
        "Delimiter",
        "BertPreTokenizer",
    ];
    let (one, other) = (step(kinds[random.below(kinds.len())]), step(kinds[random.below(kinds.len())]));
    match random.below(8) {
        0 => json!(text),
        1 => json!(number),
        2 => json!(null),
        3 => json!([text, number]),
        4 => {
            json!({ "type": "Sequence", "normalizers": [one, other], "pretokenizers": [one, other], "decoders": [one, other] })
        }
        _ => one,
    }
}

/// Loads a tokenizer and runs it over some texts. Whether it could be loaded.
fn run_tokenizer(folder: &std::path::Path) -> bool {
    let Ok(tokenizer) = TextTokenizer::from_dir(folder, 190) else { return false };
    for text in
        ["one question", "", " a", "aaaaaaaa", "café 中文\n\n<|eos|> [INST]", "\u{fdfa}\u{0}\u{1e}", "a##b </s><s>"]
    {
        for tokens in [tokenizer.encode(text), tokenizer.encode_markup(text)].into_iter().flatten() {
            assert!(tokens.len() <= 200 * (text.len() + 1), "{} tokens of {text:?}", tokens.len());
            tokenizer.decode_text(&tokens).ok();
        }
    }
    for tokens in [&[][..], &[0], &[1, 1], &[5, 9, 200, u32::MAX], &[40, 41, 42, 0, 3]] {
        tokenizer.decode_text(tokens).ok();
    }
    true
}

#[test]
fn nine_hundred_mutants_of_a_tokenizer() {
    let mut random = Random::new(0x5eed);
    let spaces = PREFIX_SPACES.map(|space| checkpoint(space, None));
    let folders = [copy(&dir("tiny-b").join("policy")), copy(&dir("tiny-a").join("policy"))];
    let folders: Vec<_> = folders.into_iter().chain(spaces).collect();
    let sound: Vec<String> =
        folders.iter().map(|folder| std::fs::read_to_string(folder.path().join("tokenizer.json")).unwrap()).collect();
    let words =
        ["\"", "{", "}", "[]", "null", "0", "-1", "1e999", "\\u0000", "\"type\":\"Sequence\",", "{\"String\":\"\"}"];
    let (mut loaded, mut refused) = (0, 0);
    for number in 0..900 {
        let which = number % folders.len();
        let text = match number % 3 {
            0 => random.damage(&sound[which], &words),
            _ => {
                let mut value: Value = serde_json::from_str(&sound[which]).unwrap();
                for _ in 0..1 + random.below(2) {
                    let part = parts(&mut random);
                    match random.below(3) {
                        0 => put(&mut random, &mut value, part),
                        _ => value[*random.of(&["normalizer", "pre_tokenizer", "decoder"])] = part,
                    }
                    if !value.is_object() {
                        break;
                    }
                }
                value.to_string().into_bytes()
            }
        };
        std::fs::write(folders[which].path().join("tokenizer.json"), &text).unwrap();
        let begin = Instant::now();
        let count = if run_tokenizer(folders[which].path()) { &mut loaded } else { &mut refused };
        *count += 1;
        assert!(begin.elapsed() < Duration::from_secs(10), "mutant {number}: {:?}", begin.elapsed());
    }
    assert!(loaded > 90 && refused > 90, "{loaded} loaded, {refused} refused");
}

/// Templates to begin with.
const TEMPLATES: [&str; 4] = [
    "{{ bos_token }}{% for m in messages %}{{ '<|user|>' + m.role + '\n' + m.content | trim + '<|eos|>\n' }}{% endfor %}\
     {% if add_generation_prompt %}{{ '<|user|>assistant\n' }}{% endif %}",
    "{%- set ns = namespace(last=0, all=[], text='') %}{%- for m in messages %}{%- if m.role == 'user' %}\
     {%- set ns.last = loop.index0 %}{%- set ns.all = ns.all + [m] %}{%- endif %}{%- endfor %}\
     {%- for m in messages[0:] %}{%- set said = m.content.split('</think>')[-1].lstrip('\n') %}\
     {{- '<|user|>' ~ loop.index0 ~ said ~ '-' * 3 }}{%- endfor %}{{ ns.all | tojson(indent=2) }}",
    "{% macro show(item, depth=0) -%}{%- if item is mapping %}{%- for key, value in item.items() %}{{ '  ' * depth }}\
     {{ key | upper }}: {{ show(value, depth + 1) }}{%- endfor %}{%- elif item is string %}{{ '{:>8}|{}'.format(item, depth) }}\
     {%- else %}{{ item | string | indent(depth) }}{%- endif %}{%- endmacro %}{% for m in messages %}{{ show(m) }}{% endfor %}",
    "{% set tools = [{'name': 'f', 'of': [1, 2.5, none]}] %}{% if tools and not tools is string %}{{ tools[0] | dictsort | list | tojson }}\
     {% else %}{{ raise_exception('none') }}{% endif %}{% with a = messages | map(attribute='content') | join(', ') %}{{ a }}{% endwith %}\
     {% raw %}{{ x }}{% endraw %}{# a comment #}{% set x %}{{ strftime_now('%d %b %Y') }}{% endset %}{{ x }}",
];

/// What makes templates costly.
const COSTLY: [&str; 30] = [
    "{% for a in range(99999) %}",
    "{% endfor %}",
    "{% set ns.all = [ns.all, ns.all] %}",
    "{% set ns.all = ns.all + ns.all %}",
    "{% set ns.x = [ns] %}",
    "{{ ns.all | pprint }}",
    "{{ ns ~ '' }}",
    "{{ '{:>99999999}'.format(1) }}",
    "{{ '%9999999d' | format(1) }}",
    " * 99999999 ",
    " ~ ",
    " | string ",
    " | pprint ",
    " | list ",
    "------------",
    "((((((((((",
    ".a.a.a.a.a",
    " not not not ",
    "{% if a %}",
    "{% elif b %}",
    "{% endif %}",
    "{{ show([item, item]) }}",
    "{% set tools = [tools, tools] %}",
    " == ",
    " in ",
    "[0:]",
    "[::-1]",
    " | tojson ",
    "{{ 'x' * 9999999 }}",
    "{% set ns.text = ns.text ~ ns.text ~ 'ab' %}",
];

#[test]
fn six_hundred_mutants_of_a_template() {
    let mut random = Random::new(0xc0ffee);
    let turns = [Message::user("one\ntwo"), Message::assistant("a</think>b"), Message::user("three")];
    let (mut rendered, mut refused) = (0, 0);
    for number in 0..600 {
        let source = TEMPLATES[number % TEMPLATES.len()];
        // Half of them are damaged anywhere, half get something costly where a tag may stand.
        let source = if number % 8 < 4 {
            String::from_utf8_lossy(&random.damage(source, &COSTLY)).into_owned()
        } else {
            let tags: Vec<usize> =
                source.match_indices("{%").chain(source.match_indices("{{")).map(|(at, _)| at).collect();
            let (before, after) = source.split_at(tags[random.below(tags.len())]);
            format!("{before}{}{after}", COSTLY[random.below(COSTLY.len())])
        };
        let begin = Instant::now();
        let template = ChatTemplate::new(&source[..]);
        let text = template.and_then(|template| {
            template.render_continued(&turns[..2]).ok();
            template.with_special("<|bos|>", "<|eos|>").render(&turns)
        });
        match text {
            Ok(_) => rendered += 1,
            Err(_) => refused += 1,
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "mutant {number}: {:?}\n{source}", begin.elapsed());
    }
    assert!(rendered > 60 && refused > 60, "{rendered} rendered, {refused} refused");
}

#[test]
fn the_templates_to_begin_with_are_sound() {
    let turns = [Message::user("one"), Message::assistant("a</think>b")];
    for source in TEMPLATES {
        let template = ChatTemplate::new(source).unwrap().with_special("<|bos|>", "<|eos|>");
        assert!(template.render(&turns).is_ok(), "{source}: {:?}", template.render(&turns));
    }
}
