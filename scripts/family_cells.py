"""The checkpoints that scripts/make_families.py makes: one cell for every choice of a family that the recorded checkpoints do not show."""

from dataclasses import dataclass, field
from typing import Any

SHORT, LONG = (6, 18, 41, 91), (18, 33, 41, 91)


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter in peft's terms."""

    targets: tuple[str, ...] = ("q_proj", "v_proj")
    rank: int = 4
    alpha: int = 8
    rslora: bool = False
    rank_pattern: dict[str, int] = field(default_factory=dict)
    alpha_pattern: dict[str, int] = field(default_factory=dict)
    dtype: str = "float32"


@dataclass(frozen=True)
class Cell:
    """A checkpoint to make. Paths into a configuration are dotted; in a multimodal one they begin with `text_config.`."""

    name: str
    family: str
    shows: str
    config: dict[str, Any]
    adapter: Adapter = Adapter()
    # What the guard's configuration has otherwise, besides two layers.
    guard: dict[str, Any] = field(default_factory=dict)
    # Fields that config.json and config.v4.json leave out, so that the family's default counts.
    omit: tuple[str, ...] = ()
    # Fields that config.v4.json has otherwise; None removes a field from it.
    v4: dict[str, Any] = field(default_factory=dict)
    keep_layer_types: bool = False
    # Changes of the configuration that must change the logits, by what they take away.
    without: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Factors on drawn weights, by a regular expression on their names.
    louder: dict[str, float] = field(default_factory=dict)
    dtype: str = "float32"
    lengths: tuple[int, ...] = SHORT
    train_lengths: tuple[int, ...] = (9, 13, 21, 21)
    # Names of tensors in the file: "saved" as transformers saves them, "modules" as the modules are called.
    names: str = "saved"


NO_WINDOW = {"window": {"sliding_window": 4096}}
NO_ROPE_SCALING = {"scaling": {"rope_parameters.rope_type": "default"}}
SIZES = {
    "vocab_size": 129,
    "hidden_size": 32,
    "intermediate_size": 28,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
    "rms_norm_eps": 1e-6,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
SEVEN = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
SLIDING, FULL = "sliding_attention", "full_attention"


def yarn(theta: float | None = 20000.0, **fields: Any) -> dict[str, Any]:
    rope = {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 32} | fields
    return {name: value for name, value in rope.items() if value is not None} | ({"rope_theta": theta} if theta else {})


def linear(factor: float, theta: float = 10000.0) -> dict[str, Any]:
    return {"rope_type": "linear", "factor": factor, "rope_theta": theta}


def llama3(theta: float) -> dict[str, Any]:
    scaling = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
    return {"rope_type": "llama3", "rope_theta": theta} | scaling


def plain(theta: float) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": theta}


LLAMA = [
    Cell(
        "llama-lm-head",
        "llama",
        "tied embeddings with LoRA on `lm_head` (the embedding keeps its weights) and `q_proj`; no biases",
        {"tie_word_embeddings": True, "rope_parameters": plain(10000.0)},
        adapter=Adapter(("q_proj", "lm_head")),
    ),
    Cell(
        "llama-default",
        "llama",
        "as many key heads as heads, by default; untied; RoPE without scaling; all seven modules, rsLoRA, patterns of rank and alpha; no `dtype`",
        {"num_key_value_heads": 4, "rms_norm_eps": 1e-5, "rope_parameters": plain(500000.0)},
        adapter=Adapter(SEVEN, rslora=True, rank_pattern={"o_proj": 2, "layers.0.mlp.up_proj": 3}, alpha_pattern={"q_proj": 3, "layers.1.mlp.down_proj": 5}),
        omit=("num_key_value_heads", "head_dim", "dtype"),
    ),
    Cell(
        "llama-yarn-factor",
        "llama",
        "yarn with `attention_factor`",
        {"rope_parameters": yarn(attention_factor=1.3)},
        without=NO_ROPE_SCALING | {"attention_factor": {"rope_parameters.attention_factor": 1.0}},
    ),
    Cell(
        "llama-yarn-mscale",
        "llama",
        "yarn with `mscale`, `mscale_all_dim` and `truncate: false`",
        {
            "head_dim": 12,
            "rope_parameters": yarn(500.0, original_max_position_embeddings=64, mscale=2.0, mscale_all_dim=0.5, truncate=False, beta_fast=4.0, beta_slow=0.5),
        },
        without=NO_ROPE_SCALING
        | {
            "mscale": {"rope_parameters.mscale": None},
            "truncate": {"rope_parameters.truncate": True},
        },
    ),
]
MISTRAL = [
    Cell(
        "mistral-long-window",
        "mistral",
        "four heads to one key head, `head_dim` of 12, a window longer than any context",
        {"num_key_value_heads": 1, "head_dim": 12, "sliding_window": 4096, "rope_parameters": plain(10000.0)},
    ),
    Cell(
        "mistral-no-window",
        "mistral",
        "`sliding_window: null`, tied, eight heads to two, RoPE with llama3's scaling",
        {
            "num_attention_heads": 8,
            "sliding_window": None,
            "tie_word_embeddings": True,
            "rope_parameters": llama3(1000.0),
        },
        without=NO_ROPE_SCALING,
    ),
    Cell(
        "mistral-defaults",
        "mistral",
        "no `num_key_value_heads` (8), no `sliding_window` (4096), no theta (10,000); sixteen heads",
        {"num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 6, "num_hidden_layers": 2, "rope_parameters": plain(10000.0)},
        guard={"num_hidden_layers": 1},
        omit=("num_key_value_heads", "sliding_window", "rope_parameters"),
    ),
]
QWEN = [
    Cell(
        "qwen2-yarn",
        "qwen2",
        "yarn, tied; adapter on `k_proj` and `o_proj`; in the older style a window that `use_sliding_window: false` switches off",
        {"tie_word_embeddings": True, "rope_parameters": yarn(1000000.0)},
        adapter=Adapter(("k_proj", "o_proj")),
        v4={"sliding_window": 8, "max_window_layers": 1},
        without=NO_ROPE_SCALING,
    ),
    Cell(
        "qwen3-yarn-window",
        "qwen3",
        "yarn, `attention_bias`, a window from layer `max_window_layers` on, `head_dim` of 16 where hidden / heads is 8",
        {
            "head_dim": 16,
            "attention_bias": True,
            "use_sliding_window": True,
            "sliding_window": 11,
            "max_window_layers": 1,
            "intermediate_size": 28,
            "rope_parameters": yarn(10000.0),
        },
        without=NO_ROPE_SCALING | NO_WINDOW,
    ),
    Cell(
        "qwen3-bf16",
        "qwen3",
        "weights and adapter in bf16; `layer_types` against `max_window_layers`",
        {
            "head_dim": 12,
            "tie_word_embeddings": True,
            "use_sliding_window": True,
            "sliding_window": 10,
            "layer_types": [SLIDING, FULL, SLIDING],
            "rope_parameters": plain(1000000.0),
        },
        adapter=Adapter(("q_proj", "k_proj", "down_proj"), dtype="bfloat16"),
        guard={"layer_types": [SLIDING, FULL]},
        keep_layer_types=True,
        without=NO_WINDOW,
        dtype="bfloat16",
    ),
]
GEMMA2_CAPS = {"attn_logit_softcapping": None, "final_logit_softcapping": None}
GEMMA = [
    Cell(
        "gemma2-no-caps",
        "gemma2",
        "both caps null, `attention_bias`; adapter on `q_proj` and `o_proj`",
        {"head_dim": 12, "attention_bias": True, "sliding_window": 16, "query_pre_attn_scalar": 12, "rope_parameters": plain(10000.0)} | GEMMA2_CAPS,
        adapter=Adapter(("q_proj", "o_proj")),
        without=NO_WINDOW,
    ),
    Cell(
        "gemma2-score-cap",
        "gemma2",
        "the final cap alone null; `layer_types` of its own; `query_pre_attn_scalar` of 5 where `head_dim` is 8; an odd window",
        {
            "head_dim": 8,
            "sliding_window": 13,
            "query_pre_attn_scalar": 5,
            "layer_types": [FULL, SLIDING, SLIDING],
            "rope_parameters": plain(10000.0),
        }
        | GEMMA2_CAPS
        | {"attn_logit_softcapping": 4.0},
        guard={"layer_types": [FULL, SLIDING]},
        keep_layer_types=True,
        without=NO_WINDOW | {"score cap": {"attn_logit_softcapping": None}, "scale": {"query_pre_attn_scalar": 8}},
    ),
    Cell(
        "gemma2-defaults",
        "gemma2",
        "caps (50 and 30), `query_pre_attn_scalar` (256), heads (8 and 4), tying and theta left out",
        {"head_dim": 8, "num_attention_heads": 8, "num_key_value_heads": 4, "sliding_window": 10, "num_hidden_layers": 2, "rope_parameters": plain(10000.0)},
        adapter=Adapter(("k_proj", "gate_proj")),
        omit=(
            "attn_logit_softcapping",
            "final_logit_softcapping",
            "query_pre_attn_scalar",
            "num_attention_heads",
            "num_key_value_heads",
            "tie_word_embeddings",
            "rope_parameters",
            "layer_types",
            "hidden_activation",
            "attention_bias",
            "rms_norm_eps",
        ),
        louder={"[qk]_proj": 5.0},
        without=NO_WINDOW
        | {
            "score cap": {"attn_logit_softcapping": None},
            "final cap": {"final_logit_softcapping": None},
            "scale": {"query_pre_attn_scalar": 8},
        },
    ),
    Cell(
        "gemma3-pattern",
        "gemma3_text",
        "seven layers of which the sixth is full, `attention_bias`, an odd window, a final cap; thetas left out",
        {
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_hidden_layers": 7,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 8,
            "attention_bias": True,
            "sliding_window": 7,
            "query_pre_attn_scalar": 8,
            "final_logit_softcapping": 5.0,
        },
        guard={"num_hidden_layers": 6},
        omit=("layer_types", "_sliding_window_pattern", "rope_parameters"),
        without=NO_WINDOW | {"final cap": {"final_logit_softcapping": None}, "pattern": {"sliding_window_pattern": 7}},
        louder={"[qk]_proj": 2.0},
    ),
    Cell(
        "gemma3-yarn",
        "gemma3_text",
        "a final cap, every second layer full, yarn in the full layers",
        {
            "head_dim": 12,
            "sliding_window": 9,
            "query_pre_attn_scalar": 10,
            "final_logit_softcapping": 6.0,
            "layer_types": [SLIDING, FULL, SLIDING],
            "rope_parameters": {FULL: yarn(100000.0), SLIDING: plain(5000.0)},
        },
        adapter=Adapter(("o_proj", "up_proj")),
        guard={"layer_types": [SLIDING, FULL]},
        v4={"sliding_window_pattern": 2},
        without=NO_WINDOW
        | {
            "final cap": {"final_logit_softcapping": None},
            "scaling": {f"rope_parameters.{FULL}.rope_type": "default"},
        },
    ),
    Cell(
        "gemma3-bf16",
        "gemma3_text",
        "weights in bf16",
        {
            "head_dim": 12,
            "sliding_window": 12,
            "query_pre_attn_scalar": 24,
            "layer_types": [SLIDING, SLIDING, FULL],
            "rope_parameters": {FULL: plain(1000000.0), SLIDING: plain(10000.0)},
        },
        guard={"num_hidden_layers": 3},
        v4={"sliding_window_pattern": 3},
        without=NO_WINDOW,
        dtype="bfloat16",
    ),
]
VISION = {
    "model_type": "siglip_vision_model",
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "image_size": 8,
    "patch_size": 4,
}
IMAGES = {"vision_config": VISION, "mm_tokens_per_image": 1, "boi_token_index": 126, "eoi_token_index": 127, "image_token_index": 128}
TEXT_SIZES = {name: SIZES[name] for name in ("vocab_size", "hidden_size", "bos_token_id", "eos_token_id", "pad_token_id")}
MULTIMODAL = [
    Cell(
        "gemma3-multimodal",
        "gemma3",
        "a multimodal configuration whose `text_config` leaves most fields to defaults; tensors named `model.language_model…`; the adapter reaches into the vision tower too",
        IMAGES
        | {
            "text_config": TEXT_SIZES
            | {
                "intermediate_size": 28,
                "num_hidden_layers": 2,
                "head_dim": 6,
                "sliding_window": 9,
                "layer_types": [SLIDING, FULL],
                "rope_parameters": {FULL: linear(8.0, 1000000.0), SLIDING: plain(10000.0)},
            }
        },
        guard={"text_config.num_hidden_layers": 2},
        omit=tuple(
            f"text_config.{name}"
            for name in (
                "num_attention_heads",
                "num_key_value_heads",
                "query_pre_attn_scalar",
                "hidden_activation",
                "rms_norm_eps",
                "attention_bias",
                "attn_logit_softcapping",
                "final_logit_softcapping",
                "max_position_embeddings",
                "tie_word_embeddings",
                "use_bidirectional_attention",
                "_sliding_window_pattern",
                "attention_dropout",
                "initializer_range",
                "use_cache",
                f"rope_parameters.{FULL}.rope_theta",
                f"rope_parameters.{SLIDING}",
            )
        )
        + ("tie_word_embeddings",),
        v4={"text_config.sliding_window_pattern": 2},
        louder={"[qk]_norm": 3.0},
        without={
            "window": {"text_config.sliding_window": 4096},
            "scaling": {f"text_config.rope_parameters.{FULL}.rope_type": "default"},
        },
        names="modules",
    ),
    Cell(
        "gemma3-multimodal-old",
        "gemma3",
        "a multimodal configuration with the tensor names that transformers writes (`language_model.model…`); `attention_bias`, an odd window, six layers by the default pattern",
        IMAGES
        | {
            "text_config": TEXT_SIZES
            | {
                "hidden_size": 16,
                "intermediate_size": 24,
                "num_hidden_layers": 6,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "head_dim": 8,
                "attention_bias": True,
                "sliding_window": 11,
                "query_pre_attn_scalar": 8,
            }
        },
        adapter=Adapter(("o_proj", "gate_proj", "down_proj")),
        guard={"text_config.num_hidden_layers": 6},
        omit=("text_config.layer_types", "text_config._sliding_window_pattern"),
        louder={"[qk]_proj": 2.0},
        without={"window": {"text_config.sliding_window": 4096}},
    ),
]
PHI3 = [
    Cell(
        "phi3-mini4",
        "phi3",
        "Phi-4-mini's combination: `partial_rotary_factor` of 0.75 with longrope (short factors), tied, two heads to one; adapter on `gate_up_proj`, `down_proj`, `o_proj`",
        {
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "tie_word_embeddings": True,
            "max_position_embeddings": 2048,
            "original_max_position_embeddings": 512,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 10000.0,
                "partial_rotary_factor": 0.75,
                "original_max_position_embeddings": 512,
                "short_factor": [1.0, 1.2, 1.5, 1.7, 2.0, 2.4],
                "long_factor": [1.0, 1.9, 2.8, 4.4, 6.1, 9.0],
            },
        },
        adapter=Adapter(("gate_up_proj", "down_proj", "o_proj")),
        without={"short factors": {"rope_parameters.short_factor": [1.0] * 6}, "cos/sin factor": {"rope_parameters.attention_factor": 1.0}},
    ),
    Cell(
        "phi3-long",
        "phi3",
        "longrope where every sequence is longer than `original_max_position_embeddings`: long factors throughout; `type: su` in the older style",
        {
            "max_position_embeddings": 128,
            "original_max_position_embeddings": 16,
            "sliding_window": None,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 10000.0,
                "partial_rotary_factor": 1.0,
                "original_max_position_embeddings": 16,
                "short_factor": [1.0, 1.1, 1.3, 1.6],
                "long_factor": [1.1, 1.7, 3.0, 6.5],
            },
        },
        adapter=Adapter(("qkv_proj", "down_proj")),
        without={"long factors": {"rope_parameters.long_factor": [1.0, 1.1, 1.3, 1.6]}, "cos/sin factor": {"rope_parameters.attention_factor": 1.0}},
        v4={"rope_scaling.type": "su", "rope_scaling.rope_type": None},
        lengths=LONG,
        train_lengths=(18, 21, 25, 31),
    ),
    Cell(
        "phi3-window",
        "phi3",
        "RoPE without scaling on half of a head, a window, untied, as many key heads as heads by default",
        {
            "num_key_value_heads": 4,
            "sliding_window": 13,
            "rope_parameters": plain(10000.0) | {"partial_rotary_factor": 0.5},
        },
        adapter=Adapter(("qkv_proj",)),
        omit=("num_key_value_heads",),
        without=NO_WINDOW | {"partial rotary": {"rope_parameters.partial_rotary_factor": 1.0}},
    ),
]
OTHERS = [
    Cell(
        "smollm3-biased",
        "smollm3",
        "`attention_bias`, `mlp_bias`, untied; no RoPE in every second layer (`no_rope_layer_interval`, no list); yarn, whose theta and original length are left out",
        {
            "attention_bias": True,
            "mlp_bias": True,
            "tie_word_embeddings": False,
            "no_rope_layer_interval": 2,
            "max_position_embeddings": 96,
            "rope_parameters": yarn(None, original_max_position_embeddings=None, factor=4.0),
        },
        adapter=Adapter(("k_proj", "v_proj", "up_proj")),
        omit=("no_rope_layers", "layer_types", "rope_parameters.rope_theta", "rope_parameters.original_max_position_embeddings"),
        without=NO_ROPE_SCALING | {"layers without RoPE": {"no_rope_layers": [1, 1, 1]}},
    ),
    Cell(
        "smollm3-window",
        "smollm3",
        "`use_sliding_window`: the layers without RoPE slide; a `no_rope_layers` of its own; llama3's scaling",
        {
            "use_sliding_window": True,
            "sliding_window": 10,
            "no_rope_layers": [0, 1, 0],
            "rope_parameters": llama3(2000.0),
        },
        guard={"no_rope_layers": [1, 0]},
        without=NO_ROPE_SCALING | NO_WINDOW | {"layers without RoPE": {"no_rope_layers": [1, 1, 1]}},
    ),
    Cell(
        "olmo2-biased",
        "olmo2",
        "`attention_bias`, tied, four heads to one, `head_dim` of 10, linear scaling; no `rms_norm_eps` (1e-5)",
        {
            "attention_bias": True,
            "tie_word_embeddings": True,
            "num_key_value_heads": 1,
            "head_dim": 10,
            "rms_norm_eps": 1e-5,
            "rope_parameters": linear(4.0),
        },
        adapter=Adapter(("q_proj", "k_proj", "o_proj")),
        omit=("rms_norm_eps",),
        without=NO_ROPE_SCALING,
    ),
    Cell(
        "olmo2-f16",
        "olmo2",
        "weights in f16, llama3's scaling",
        {"rope_parameters": llama3(500.0)},
        adapter=Adapter(("gate_proj", "down_proj")),
        without=NO_ROPE_SCALING,
        dtype="float16",
    ),
    Cell(
        "granite-biased",
        "granite",
        "`attention_bias`, `mlp_bias`, untied, linear scaling, no `attention_multiplier` (1, not the root of the head's size); adapter on the MLP",
        {
            "attention_bias": True,
            "mlp_bias": True,
            "embedding_multiplier": 2.5,
            "residual_multiplier": 0.6,
            "logits_scaling": 1.3,
            "rope_parameters": linear(3.0),
        },
        adapter=Adapter(("gate_proj", "up_proj", "down_proj")),
        omit=("attention_multiplier",),
        without=NO_ROPE_SCALING
        | {
            "scale": {"attention_multiplier": 8**-0.5},
            "embedding multiplier": {"embedding_multiplier": 1.0},
            "residual multiplier": {"residual_multiplier": 1.0},
            "logits scaling": {"logits_scaling": 1.0},
        },
    ),
    Cell(
        "granite-defaults",
        "granite",
        "`embedding_multiplier`, `residual_multiplier`, `logits_scaling` left out (1), `attention_multiplier` given; tied",
        {"attention_multiplier": 0.15, "tie_word_embeddings": True, "rope_parameters": llama3(1500.0)},
        omit=("embedding_multiplier", "residual_multiplier", "logits_scaling"),
        without=NO_ROPE_SCALING | {"scale": {"attention_multiplier": 8**-0.5}},
    ),
]
CELLS = LLAMA + MISTRAL + QWEN + GEMMA + MULTIMODAL + PHI3 + OTHERS
