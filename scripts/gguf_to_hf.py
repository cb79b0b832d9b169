#!/usr/bin/env python3
"""Converts the GGUF of a Llama-architecture model with a byte-level BPE tokenizer into a Hugging Face directory (float32).

usage: gguf_to_hf.py MODEL.gguf DIRECTORY        needs numpy, gguf, safetensors
"""

import json
import pathlib
import sys

import numpy
from gguf import GGUFReader, dequantize
from safetensors.numpy import save_file

BLOCK_TENSORS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
OTHER_TENSORS = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
CONTROL_TOKEN = 3


def field(reader, key, default=None):
    """A metadata value as plain Python."""
    if key not in reader.fields:
        return default
    return reader.fields[key].contents()


def halves_apart(weight, heads):
    """GGUF stores rotary pairs side by side; Hugging Face keeps each head's halves apart."""
    rows, columns = weight.shape
    pairs = weight.reshape(heads, rows // heads // 2, 2, columns)
    return pairs.transpose(0, 2, 1, 3).reshape(rows, columns)


def tensors(reader, heads, kv_heads):
    """All tensors under their Hugging Face names."""
    found = {}
    for tensor in reader.tensors:
        parts = tensor.name.split(".")
        if parts[0] == "blk":
            name = f"model.layers.{parts[1]}.{BLOCK_TENSORS[parts[2]]}.{parts[3]}"
        elif parts[0] in OTHER_TENSORS:
            name = f"{OTHER_TENSORS[parts[0]]}.{parts[1]}"
        elif parts[0] == "rope_freqs":
            continue
        else:
            raise SystemExit(f"unknown tensor {tensor.name}")
        weight = dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        if ".q_proj." in name:
            weight = halves_apart(weight, heads)
        if ".k_proj." in name:
            weight = halves_apart(weight, kv_heads)
        found[name] = numpy.ascontiguousarray(weight)
    return found


def model_config(reader, names):
    """config.json"""
    hidden = field(reader, "llama.embedding_length")
    heads = field(reader, "llama.attention.head_count")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": field(reader, "llama.feed_forward_length"),
        "num_hidden_layers": field(reader, "llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": field(reader, "llama.attention.head_count_kv", heads),
        "head_dim": field(reader, "llama.attention.key_length", hidden // heads),
        "vocab_size": len(field(reader, "tokenizer.ggml.tokens")),
        "max_position_embeddings": field(reader, "llama.context_length"),
        "rms_norm_eps": round(field(reader, "llama.attention.layer_norm_rms_epsilon"), 9),
        "rope_theta": field(reader, "llama.rope.freq_base", 10000.0),
        "rope_scaling": None,
        "tie_word_embeddings": "lm_head.weight" not in names,
        "hidden_act": "silu",
        "bos_token_id": field(reader, "tokenizer.ggml.bos_token_id"),
        "eos_token_id": field(reader, "tokenizer.ggml.eos_token_id"),
        "torch_dtype": "float32",
    }


def tokenizer(reader):
    """tokenizer.json: byte-level BPE with single digits, as SmolLM's tokenizer has it."""
    tokens = field(reader, "tokenizer.ggml.tokens")
    kinds = field(reader, "tokenizer.ggml.token_type")
    if field(reader, "tokenizer.ggml.model") != "gpt2" or field(reader, "tokenizer.ggml.pre") != "smollm":
        raise SystemExit("only byte-level BPE with SmolLM's pre-tokenizer is converted")
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    control = [i for i, kind in enumerate(kinds) if kind == CONTROL_TOKEN]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": i, "content": tokens[i], **flags} for i in control],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level],
        },
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate(tokens)},
            "merges": field(reader, "tokenizer.ggml.merges"),
        },
    }


def main(source, directory):
    reader = GGUFReader(source)
    if field(reader, "general.architecture") != "llama":
        raise SystemExit("only the Llama architecture is converted")
    heads = field(reader, "llama.attention.head_count")
    weights = tensors(reader, heads, field(reader, "llama.attention.head_count_kv", heads))
    config = model_config(reader, weights.keys())
    tokens = field(reader, "tokenizer.ggml.tokens")
    out = pathlib.Path(directory)
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    generation = {key: config[key] for key in ("bos_token_id", "eos_token_id")}
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokens[config["bos_token_id"]],
        "eos_token": tokens[config["eos_token_id"]],
        "chat_template": field(reader, "tokenizer.chat_template"),
        "clean_up_tokenization_spaces": False,
    }
    files = {
        "config.json": config,
        "generation_config.json": generation,
        "tokenizer.json": tokenizer(reader),
        "tokenizer_config.json": tokenizer_config,
    }
    for name, content in files.items():
        (out / name).write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
