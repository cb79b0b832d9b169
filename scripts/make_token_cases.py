#!/usr/bin/env python3
"""Makes small checkpoints of tokenizers and chat templates, and what transformers makes of conversations in their words.

    make_token_cases.py --out DIR [--texts 2000]

Each tokenizer is trained here, from the pages in docs/, and has a template in the style of a family of models. DIR gets a directory for each
of them and cases.jsonl: a tokenizer, messages, whether the last one is continued, and the text and ids of `apply_chat_template`, null where the
template refuses.
Prints how many cases of each shape there are.
"""

import argparse
import json
import random
from collections import Counter
from pathlib import Path

import transformers
from jinja2.exceptions import TemplateError
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

ROOT = Path(__file__).resolve().parent.parent
VOCABULARY = 900
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

# Templates, written for this script. Each does what one family does: trims, forbids a system prompt, drops reasoning, and so on.
CHATML = (
    "{%- for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
HEADERS = (
    "{{- bos_token }}{%- for m in messages %}"
    "{{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim + '<|eot_id|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"
)
INST = (
    "{{ bos_token }}{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('turns must alternate') }}{% endif %}{% if m['role'] == 'user' %}"
    "{{ '[INST] ' + m['content'] + ' [/INST]' }}{% else %}{{ m['content'] + eos_token }}{% endif %}{% endfor %}"
)
INST_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set told = messages[0]['content'] %}"
    "{% else %}{% set rest = messages %}{% set told = false %}{% endif %}{% for m in rest %}"
    "{% if loop.index0 == 0 and told %}{% set said = '<<SYS>>\\n' + told + '\\n<</SYS>>\\n\\n' + m['content'] %}"
    "{% else %}{% set said = m['content'] %}{% endif %}{% if m['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + said.strip() + ' [/INST]' }}{% else %}{{ ' ' + said.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
TURNS = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}{% for m in messages %}"
    "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\\n' + m['content'] | trim + '<end_of_turn>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)
WORDS = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ m['content'].strip() + '\\n\\n' }}{% elif m['role'] == 'user' %}"
    "{{ 'USER: ' + m['content'] + ' ' }}{% else %}{{ 'ASSISTANT: ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
BARS = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\\n' + m['content'] + '<|end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"
)
THINK = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'assistant' %}{% set said = m['content'] %}"
    "{% if '</think>' in said %}{% set said = said.split('</think>')[-1] %}{% endif %}"
    "{{ '<|assistant|>' + said + eos_token }}{% else %}{{ '<|' + m['role'] + '|>' + m['content'] }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|><think>\\n' }}{% endif %}"
)


def byte_level(prefix=False, split=False):
    tokenizer = Tokenizer(models.BPE())
    own = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=not split)
    cut = pre_tokenizers.Split(Regex(SPLIT), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([cut, own]) if split else own
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, trainers.BpeTrainer(vocab_size=VOCABULARY, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)


def sentence_piece(normalizer=None, pre_tokenizer=None, prefix=True):
    """A BPE that falls back to bytes, as SentencePiece has it."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    strip = [decoders.Strip(" ", 1, 0)] if prefix else []
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip])
    return tokenizer, trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=["<unk>", *BYTES], limit_alphabet=120, show_progress=False)


def unigram(scheme, fallback):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme=scheme)
    special = ["<unk>", *(BYTES if fallback else [])]
    return tokenizer, trainers.UnigramTrainer(vocab_size=VOCABULARY, unk_token="<unk>", special_tokens=special, show_progress=False)


PREPEND = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
REPLACE = normalizers.Replace(" ", "▁")
# Name, tokenizer, template, its control tokens.
KINDS = [
    ("byte-level", lambda: byte_level(), CHATML, ["<|im_start|>", "<|im_end|>"]),
    ("byte-level-split", lambda: byte_level(split=True), HEADERS, ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]),
    ("byte-level-prefix", lambda: byte_level(prefix=True), THINK, ["<|user|>", "<|assistant|>", "<|system|>", "+<think>", "+</think>"]),
    ("sentencepiece-prefix", lambda: sentence_piece(normalizer=PREPEND), INST, []),
    ("sentencepiece-plain", lambda: sentence_piece(REPLACE, pre_tokenizers.Split(" ", "merged_with_previous"), False), TURNS,
     ["<start_of_turn>", "<end_of_turn>"]),
    ("metaspace-first", lambda: sentence_piece(pre_tokenizer=pre_tokenizers.Metaspace(prepend_scheme="first", split=False)), INST_SYSTEM, []),
    ("metaspace-strip", lambda: sentence_piece(pre_tokenizer=pre_tokenizers.Metaspace(prepend_scheme="always", split=False)), BARS,
     [f"{bar}<|{name}|>" for bar, name in [(">", "user"), (">", "assistant"), (">", "system"), (">", "end")]]),
    ("unigram", lambda: unigram("always", True), WORDS, []),
    ("unigram-unknown", lambda: unigram("never", False), CHATML, ["<|im_start|>", "<|im_end|>"]),
]


def train(make, pages, control):
    tokenizer, trainer = make()
    tokenizer.train_from_iterator(pages, trainer)
    state = json.loads(tokenizer.to_str())
    if state["model"]["type"] == "Unigram" and "<0x00>" in dict(state["model"]["vocab"]):
        # Bytes are for what is not in the vocabulary.
        state["model"]["byte_fallback"] = True
        state["model"]["vocab"] = [[token, score - 40 if token in BYTES else score] for token, score in state["model"]["vocab"]]
    # Bytes are words of the model and no special tokens.
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] not in BYTES]
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.add_special_tokens(["<s>", "</s>"])
    for token in control:
        # "+" is an added token that is not special, ">" one that takes the white space behind it.
        text = token.lstrip("+>") if token[0] in "+>" else token
        tokenizer.add_tokens([AddedToken(text, special=token[0] != "+", rstrip=token[0] == ">", normalized=False)])
    return tokenizer


def write(folder, tokenizer, template):
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    unknown = {"unk_token": "<unk>"} if tokenizer.token_to_id("<unk>") is not None else {}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", **unknown}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return transformers.PreTrainedTokenizerFast.from_pretrained(folder)


SPACES = [" ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", "\u00a0", "\u2003", "\u3000", "\u200b", "\u2028", "\x1c", " \n ", "▁"]
WORDS_BESIDE = ["é", "naïve", "漢字", "かな", "🙂", "👩\u200d💻", "e\u0301", "ﬁ", "Ω", "½", "def f(x):\n    return x", "(a , b) !", "1234567"]


# Control tokens of any of the tokenizers, as texts may spell them.
CONTROL = {"<s>", "</s>", "<unk>"} | {token.lstrip("+>") for *_, control in KINDS for token in control} | set(BYTES)


def said(random_numbers, pages):
    """A few words from a page, in most cases with unusual spaces around or in them."""
    page = random_numbers.choice(pages)
    start = random_numbers.randrange(max(1, len(page) - 160))
    text = page[start : start + random_numbers.randrange(1, 160)]
    if any(token in text for token in CONTROL):  # What spells a control token is for other tests.
        text = text.replace("<", "(").replace("[", "(")
    for _ in range(random_numbers.randrange(4)):
        place = random_numbers.choice([0, len(text), random_numbers.randrange(len(text) + 1)])
        text = text[:place] + random_numbers.choice(SPACES + WORDS_BESIDE) + text[place:]
    return text if text.strip() else text + "x"


def conversation(shape, text, more):
    user = lambda content: {"role": "user", "content": content}
    assistant = lambda content: {"role": "assistant", "content": content}
    return {
        "single turn": [user(text)],
        "several turns": [user(more[0]), assistant(text), user(more[1]), assistant(more[2]), user(more[3])],
        "system prompt": [{"role": "system", "content": text}, user(more[0])],
        "prefill": [user(more[0]), assistant(text)],
        "prefill after turns": [user(more[0]), assistant(more[1]), user(more[2]), assistant(text)],
        "reasoning": [user(more[0]), assistant(f"<think>\n{more[1]}\n</think>\n\n{text}"), user(more[2])],
    }[shape]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=2000)
    arguments = parser.parse_args()
    pages = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").rglob("*.md"))]
    random_numbers = random.Random(17)
    texts = [said(random_numbers, pages) for _ in range(arguments.texts)]
    counts, refused = Counter(), Counter()
    with open(arguments.out / "cases.jsonl", "w", encoding="utf-8") as file:
        for name, make, template, control in KINDS:
            tokenizer = write(arguments.out / name, train(make, pages, control), template)
            shapes = ["single turn", "several turns", "system prompt", "prefill", "prefill after turns"]
            # The reasoning is left out of the text only by a template that drops it; elsewhere it would spell control tokens.
            shapes += ["reasoning"] if template == THINK else []
            for place, words in enumerate(texts):
                shape = shapes[place % len(shapes)]
                messages = conversation(shape, words, [texts[(place + step) % len(texts)] for step in (1, 2, 3, 4)])
                goes_on = shape.startswith("prefill")
                how = {"continue_final_message": True} if goes_on else {"add_generation_prompt": True}
                try:
                    text = tokenizer.apply_chat_template(messages, tokenize=False, **how)
                    ids = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=False, **how)
                except TemplateError:
                    text = ids = None
                    refused[name, shape] += 1
                case = {"tokenizer": name, "shape": shape, "messages": messages, "continued": goes_on, "text": text, "ids": ids}
                file.write(json.dumps(case, ensure_ascii=False) + "\n")
                counts[name, shape] += 1
    for (name, shape), count in counts.items():
        print(f"{name}: {shape}: {count}" + (f", of which transformers refuses {refused[name, shape]}" if refused[name, shape] else ""))
    print(f"{sum(counts.values())} conversations over {len(texts)} texts, by transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
