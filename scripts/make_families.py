#!/usr/bin/env python3
"""Makes small random checkpoints of decoder families with transformers and peft, and records what they answer.

    make_families.py [--out fixtures/families] [NAME ...]     makes the cells of scripts/family_cells.py, or those named
    make_families.py --check [NAME ...]                       makes them again elsewhere and compares them with those in fixtures/families; with
                                                              no names, also computes the numbers of every other checkpoint there
    make_families.py --table                                  prints the rows of fixtures/README.md

A checkpoint is policy/, guard/ (fewer layers), mrm/ (a LoRA adapter on guard/, a bias, a mask) and reference.json, as fixtures/README.md says.
Weights come from seeds, so the same script writes the same files. Nothing is written unless

- the saved files give the logits of the model that was drawn, with config.json and with config.v4.json, within 1e-6;
- taking away any choice that the cell shows (a window, a cap, a scaling, all biases, all norms, one adapted module) changes the answers by more
  than 1e-2.

Nothing is fetched. `scripts/peft_env.sh` prints a Python that has what this needs.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile
import zlib
from copy import deepcopy
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}

import torch
import transformers
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from safetensors.torch import load_file, save_file

from check_peft_adapter import BIAS, Head, save_head
from family_cells import CELLS, SIZES, Adapter, Cell

FAMILIES = pathlib.Path(__file__).resolve().parent.parent / "fixtures" / "families"
TOKENIZER = FAMILIES / "llama" / "policy"
TOKENS = 124
SAME, LEAST, TOLERANCE, OTHER_MACHINE = 1e-6, 1e-2, 1e-5, 1e-4
STEPS, LEARNING_RATE, BETAS, EPSILON = 20, 0.005, (0.9, 0.999), 1e-8
NEW, OLD = "config.json", "config.v4.json"

Config = dict[str, Any]


class Refused(Exception):
    """A checkpoint that would not show what it is meant to show, or that differs from the one that is kept."""


def require(condition: bool, what: str) -> None:
    if not condition:
        raise Refused(what)


def seeded(*parts: object) -> torch.Generator:
    return torch.Generator().manual_seed(zlib.crc32("/".join(map(str, parts)).encode()))


def read(path: pathlib.Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write(path: pathlib.Path, content: Any, indent: int | None = 2) -> None:
    path.write_text(json.dumps(content, indent=indent, sort_keys=indent is not None) + "\n", encoding="utf-8")


# Configurations


def put(config: Config, path: str, value: Any) -> None:
    *outer, last = path.split(".")
    for name in outer:
        config = config.setdefault(name, {})
    config[last] = value


def drop(config: Config, path: str) -> None:
    *outer, last = path.split(".")
    for name in outer:
        config = config.get(name, {})
    config.pop(last, None)


def changed(config: Config, changes: Config) -> Config:
    config = deepcopy(config)
    for path, value in changes.items():
        put(config, path, value)
    return config


def older_rope(rope: Config | None) -> Config | None:
    """`rope_scaling` of transformers 4."""
    scaling = {name: value for name, value in (rope or {}).items() if name not in ("rope_theta", "partial_rotary_factor")}
    kind = scaling.get("rope_type", "default")
    return None if kind == "default" else scaling | {"type": kind}


def older_text(config: Config, keep_layer_types: bool) -> Config:
    """The same decoder in the style of transformers 4."""
    config = {name: value for name, value in config.items() if name not in ("dtype", "rope_parameters", "_sliding_window_pattern")} | {
        "torch_dtype": config.get("dtype", "float32")
    }
    if not keep_layer_types:
        config.pop("layer_types", None)
    return config


def older(config: Config, cell: Cell) -> Config:
    if "text_config" in config:
        outer = older_text(config, True)
        text = older(config["text_config"], Cell("", "gemma3_text", "", {}, keep_layer_types=cell.keep_layer_types))
        outer |= {"text_config": text, "vision_config": older_text(config["vision_config"], True)}
        return older_fields(outer, cell)
    rope = config.get("rope_parameters") or {}
    result = older_text(config, cell.keep_layer_types)
    local = {}
    if cell.family == "gemma3_text":
        rope, local = rope.get("full_attention") or {}, rope.get("sliding_attention") or {}
    result["rope_scaling"] = older_rope(rope)
    fields = {
        "rope_theta": rope.get("rope_theta"),
        "partial_rotary_factor": rope.get("partial_rotary_factor"),
        "rope_local_base_freq": local.get("rope_theta"),
    }
    return older_fields(result | {name: value for name, value in fields.items() if value is not None}, cell)


def older_fields(config: Config, cell: Cell) -> Config:
    config = config | ({"transformers_version": "4.57.1"} if cell.name else {})
    for path, value in cell.v4.items():
        if value is None:
            drop(config, path)
        else:
            put(config, path, value)
    return config


# Models


def load(directory: pathlib.Path, config: Config) -> torch.nn.Module:
    """The weights of a directory with a configuration of another's making, in float32."""
    with tempfile.TemporaryDirectory() as place:
        write(pathlib.Path(place) / NEW, config)
        (pathlib.Path(place) / "model.safetensors").symlink_to((directory / "model.safetensors").resolve())
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            place, dtype=torch.float32, attn_implementation="eager", local_files_only=True, output_loading_info=True
        )
        for kind in ("missing_keys", "mismatched_keys", "unexpected_keys"):
            require(not report.get(kind), f"{directory}: {kind}: {sorted(map(str, report.get(kind)))}")
        return model.eval()


def last_logits(model: torch.nn.Module, sequences: list[list[int]]) -> torch.Tensor:
    with torch.no_grad():
        return torch.stack([model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1] for ids in sequences])


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return (one - other).abs().max().item()


def is_norm(name: str) -> bool:
    return re.search(r"norm\w*\.weight$", name) is not None


def neutral_norm(family: str) -> float:
    """The weight with which a norm does nothing: Gemma adds 1."""
    return 0.0 if family.startswith("gemma") else 1.0


def drawn(name: str, like: torch.Tensor, cell: Cell, random: torch.Generator) -> torch.Tensor:
    """Weights that are large enough for every choice to show in the logits."""
    noise = torch.randn(like.shape, generator=random)
    factor = next((factor for pattern, factor in cell.louder.items() if re.search(pattern, name)), 1.0)
    if is_norm(name):
        return neutral_norm(cell.family) + 0.15 * factor * noise
    if name.endswith("bias"):
        return 0.2 * noise
    if "embed" in name or "lm_head" in name:
        return 0.4 * noise
    return 1.3 * factor * like.shape[-1] ** -0.5 * noise


def draw(cell: Cell, part: str, config: Config) -> torch.nn.Module:
    """A model with weights that the type of the cell can hold, in float32."""
    known = transformers.AutoConfig.for_model(cell.family, **deepcopy(config))
    model = transformers.AutoModelForCausalLM.from_config(known, dtype=torch.float32, attn_implementation="eager")
    random, kept = seeded(cell.name, part), getattr(torch, cell.dtype)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(drawn(name, parameter, cell, random).to(kept))
    return model.eval()


def rename_to_modules(path: pathlib.Path) -> None:
    """Gives the tensors of a multimodal checkpoint the names of their modules; transformers saves older ones."""
    renamed = {}
    for name, tensor in load_file(path).items():
        inner = re.sub(r"^language_model\.model\.", "language_model.", name)
        renamed["model." + inner] = tensor
    save_file(renamed, path, metadata={"format": "pt"})


def save(cell: Cell, model: torch.nn.Module, directory: pathlib.Path) -> None:
    deepcopy(model).to(getattr(torch, cell.dtype)).save_pretrained(directory)
    if cell.names == "modules":
        rename_to_modules(directory / "model.safetensors")
    config = read(directory / NEW)
    for path in cell.omit:
        drop(config, path)
    write(directory / NEW, config)
    write(directory / OLD, older(config, cell))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(TOKENIZER / name, directory / name)
        (directory / name).chmod(0o644)


def blanked(model: torch.nn.Module, pattern: str, value: float) -> int:
    """Sets parameters to a value; says how many there are."""
    found = [parameter for name, parameter in model.named_parameters() if "vision" not in name and re.search(pattern, name)]
    with torch.no_grad():
        for parameter in found:
            parameter.fill_(value)
    return len(found)


def differences(cell: Cell, directory: pathlib.Path, logits: torch.Tensor, sequences: list[list[int]]) -> dict[str, float]:
    """How far the logits move when one choice is taken away."""
    config, result = read(directory / NEW), {}
    for label, changes in cell.without.items():
        result[label] = distance(logits, last_logits(load(directory, changed(config, changes)), sequences))
    for label, pattern, value in (("biases", r"\.bias$", 0.0), ("norms", r"norm\w*\.weight$", neutral_norm(cell.family))):
        model = load(directory, config)
        if blanked(model, pattern, value) > 0:
            result[label] = distance(logits, last_logits(model, sequences))
    return result


def make_base(cell: Cell, part: str, directory: pathlib.Path, sequences: list[list[int]]) -> torch.Tensor:
    """Writes policy/ or guard/ and returns its logits."""
    own = {} if "text_config" in cell.config else SIZES
    config = own | cell.config
    if part == "guard":
        fewer = {} if any(path.endswith("num_hidden_layers") for path in cell.guard) else {"num_hidden_layers": 2}
        config = changed(config, fewer | cell.guard)
    model = draw(cell, part, config)
    save(cell, model, directory)
    logits = last_logits(model, sequences)
    for name in (NEW, OLD):
        found = distance(logits, last_logits(load(directory, read(directory / name)), sequences))
        require(found < SAME, f"{cell.name}/{part}: {name} gives other logits, by {found:.1e}")
    spread = logits.std(-1).min().item()
    require(spread > 1.0, f"{cell.name}/{part}: logits spread by {spread:.2f} alone")
    for label, moved in differences(cell, directory, logits, sequences).items():
        print(f"    {part} without {label}: {moved:.2e}")
        # A guard may have no layer of the kind that a choice needs.
        require(moved > LEAST or part == "guard", f"{cell.name}/{part}: {label} hardly matters: {moved:.1e}")
    return logits


# Reward models


def random_head(cell: Cell, vocab: int) -> Head:
    random = seeded(cell.name, "head")
    unseen = torch.rand(vocab, generator=random) < 0.3
    unseen[:4] = False
    return Head((0.5 * torch.randn(vocab, generator=random)).bfloat16().float(), unseen)


def lora_config(adapter: Adapter) -> LoraConfig:
    return LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        lora_dropout=0.0,
        target_modules=list(adapter.targets),
        use_rslora=adapter.rslora,
        rank_pattern=dict(adapter.rank_pattern),
        alpha_pattern=dict(adapter.alpha_pattern),
        task_type=TaskType.CAUSAL_LM,
    )


def make_mrm(cell: Cell, guard: pathlib.Path, directory: pathlib.Path) -> None:
    model = get_peft_model(load(guard, read(guard / NEW)), lora_config(cell.adapter))
    random, kept = seeded(cell.name, "mrm"), getattr(torch, cell.adapter.dtype)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                scale = 0.3 if "lora_B" in name else parameter.shape[-1] ** -0.5
                parameter.copy_((scale * torch.randn(parameter.shape, generator=random)).to(kept))
    model.save_pretrained(directory, save_embedding_layers=False)
    path = directory / "adapter_model.safetensors"
    save_file({name: tensor.to(kept) for name, tensor in load_file(path).items()}, path, metadata={"format": "pt"})
    config = read(directory / "adapter_config.json") | {"base_model_name_or_path": "../guard"}
    write(directory / "adapter_config.json", config | {"target_modules": sorted(cell.adapter.targets)})
    (directory / "README.md").unlink(missing_ok=True)
    save_head(directory, random_head(cell, model.get_input_embeddings().num_embeddings))


def load_mrm(directory: pathlib.Path, trainable: bool = False) -> tuple[PeftModel, torch.Tensor]:
    base = load(directory / "guard", read(directory / "guard" / NEW))
    model = PeftModel.from_pretrained(base, directory / "mrm", local_files_only=True, is_trainable=trainable)
    bias = torch.load(directory / "mrm" / BIAS, weights_only=True).detach().float()
    return model, bias


def check_adapter(cell: Cell, directory: pathlib.Path, rewards: torch.Tensor, sequences: list[list[int]]) -> None:
    for target in cell.adapter.targets:
        model, bias = load_mrm(directory)
        require(blanked(model, rf"{target}\.lora_B", 0.0) > 0, f"{cell.name}: no factors of {target}")
        moved = distance(rewards, last_logits(model, sequences) + bias)
        require(moved > LEAST, f"{cell.name}: LoRA on {target} hardly matters: {moved:.1e}")


def errors(model: PeftModel, bias: torch.Tensor, ids: list[int], rewards: list[float]) -> torch.Tensor:
    values = model(input_ids=torch.tensor([ids[:-1]]), use_cache=False).logits[0] + bias
    return (values.gather(1, torch.tensor(ids[1:])[:, None])[:, 0] - torch.tensor(rewards)) ** 2


def train(directory: pathlib.Path, sequences: list[list[int]], rewards: list[list[float]]) -> list[float]:
    """The loss before each step."""
    model, bias = load_mrm(directory, trainable=True)
    bias = torch.nn.Parameter(bias)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad] + [bias]
    optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE, betas=BETAS, eps=EPSILON, weight_decay=0.0)
    losses = []
    for _ in range(STEPS):
        loss = torch.cat([errors(model, bias, *pair) for pair in zip(sequences, rewards)]).mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


# References


def random_ids(name: str, kind: str, lengths: tuple[int, ...]) -> list[list[int]]:
    random = seeded(name, kind)
    return [[0] + torch.randint(4, TOKENS, (length - 1,), generator=random).tolist() for length in lengths]


def rounded(values: torch.Tensor) -> list[list[float]]:
    """Nine digits are enough to give every float32 back."""
    return [[float(f"{value:.9g}") for value in row] for row in values.tolist()]


def answers(directory: pathlib.Path, sequences: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    policy = load(directory / "policy", read(directory / "policy" / NEW))
    model, bias = load_mrm(directory)
    return last_logits(policy, sequences), last_logits(model, sequences) + bias


def reference(cell: Cell, directory: pathlib.Path, sequences: list[list[int]]) -> Config:
    logits, rewards = answers(directory, sequences)
    check_adapter(cell, directory, rewards, sequences)
    ids = random_ids(cell.name, "train", cell.train_lengths)
    random = seeded(cell.name, "rewards")
    wanted = [[round(3.0 * value, 3) for value in torch.randn(len(row) - 1, generator=random).tolist()] for row in ids]
    return {
        "made_by": f"transformers {transformers.__version__}, float32, eager attention",
        "sequences": sequences,
        "logits": rounded(logits),
        "rewards": rounded(rewards),
        "train": {
            "sequences": ids,
            "rewards": wanted,
            "lr": LEARNING_RATE,
            "betas": list(BETAS),
            "eps": EPSILON,
            "weight_decay": 0.0,
            "trainable": "LoRA factors; unembedding bias",
            "reduction": "mean over every supervised position of the batch",
            "losses": train(directory, ids, wanted),
        },
    }


def make(cell: Cell, out: pathlib.Path) -> None:
    """Makes a checkpoint; what lay at its place goes only when the new one is whole."""
    with tempfile.TemporaryDirectory() as place:
        directory = pathlib.Path(place) / cell.name
        sequences = random_ids(cell.name, "sequences", cell.lengths)
        for part in ("policy", "guard"):
            make_base(cell, part, directory / part, sequences)
        make_mrm(cell, directory / "guard", directory / "mrm")
        write(directory / "reference.json", reference(cell, directory, sequences), indent=None)
        out.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(out / cell.name, ignore_errors=True)
        shutil.copytree(directory, out / cell.name)
    size = sum(path.stat().st_size for path in (out / cell.name).rglob("*") if path.is_file())
    print(f"{cell.name}: {size / 1000:.0f} kB", flush=True)


# Checking


def compare(where: str, found: Any, kept: Any, tolerance: float = TOLERANCE) -> None:
    if isinstance(kept, dict):
        require(isinstance(found, dict) and found.keys() == kept.keys(), f"{where}: other fields")
        for name, value in kept.items():
            compare(f"{where}.{name}", found[name], value, tolerance)
    elif isinstance(kept, list):
        require(isinstance(found, list) and len(found) == len(kept), f"{where}: another length")
        for place, value in enumerate(kept):
            compare(f"{where}[{place}]", found[place], value, tolerance)
    elif isinstance(kept, float):
        require(abs(found - kept) <= tolerance * max(1.0, abs(kept)), f"{where}: {found} in place of {kept}")
    else:
        require(found == kept, f"{where}: {found!r} in place of {kept!r}")


def compare_tensors(found: pathlib.Path, kept: pathlib.Path) -> None:
    read_tensors = load_file if kept.suffix == ".safetensors" else lambda path: {"": torch.load(path, weights_only=True)}
    one, other = read_tensors(found), read_tensors(kept)
    require(one.keys() == other.keys(), f"{kept}: other tensors")
    for name, tensor in other.items():
        require(one[name].dtype == tensor.dtype and torch.equal(one[name], tensor), f"{kept}: {name} differs")


def check_made(cell: Cell) -> None:
    with tempfile.TemporaryDirectory() as place:
        make(cell, pathlib.Path(place))
        found, kept = pathlib.Path(place) / cell.name, FAMILIES / cell.name
        names = [sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file()) for root in (found, kept)]
        require(names[0] == names[1], f"{kept}: other files: {sorted(map(str, set(names[0]) ^ set(names[1])))}")
        for name in names[0]:
            if name.suffix == ".json":
                compare(str(kept / name), read(found / name), read(kept / name))
            else:
                compare_tensors(found / name, kept / name)


def check_recorded(directory: pathlib.Path) -> None:
    """The numbers of a checkpoint that is not made here, from its files."""
    kept = read(directory / "reference.json")
    logits, rewards = answers(directory, kept["sequences"])
    losses = train(directory, kept["train"]["sequences"], kept["train"]["rewards"])
    compare(f"{directory}: logits", rounded(logits), kept["logits"], OTHER_MACHINE)
    compare(f"{directory}: rewards", rounded(rewards), kept["rewards"], OTHER_MACHINE)
    compare(f"{directory}: losses", losses, kept["train"]["losses"], 10 * OTHER_MACHINE)
    print(f"{directory.name}: the numbers are as recorded", flush=True)


def table() -> str:
    return "\n".join(f"| `{cell.name}` | {cell.shows} |" for cell in CELLS)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="cells of scripts/family_cells.py; all of them by default")
    parser.add_argument("--out", type=pathlib.Path, default=FAMILIES)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - {cell.name for cell in CELLS}
    if unknown:
        parser.error(f"no such cell: {', '.join(sorted(unknown))}")
    return options


def run(options: argparse.Namespace) -> None:
    if options.table:
        print(table())
        return
    wanted = [cell for cell in CELLS if not options.names or cell.name in options.names]
    for cell in wanted:
        check_made(cell) if options.check else make(cell, options.out)
    if options.check and not options.names:
        require(table() in (FAMILIES.parent / "README.md").read_text(encoding="utf-8"), "fixtures/README.md: another table; see --table")
        for directory in sorted(set(FAMILIES.iterdir()) - {FAMILIES / cell.name for cell in CELLS}):
            check_recorded(directory)


def main(arguments: list[str]) -> int:
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        run(parse(arguments))
    except Refused as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
