//! The sets. What was read of each to write its columns down stands beside its test.

use super::{Entry, Named, Rows, Shape};
use crate::eval::data::Unwanted;

const WILDJAILBREAK: &str = "https://huggingface.co/datasets/allenai/wildjailbreak";
const WILDGUARDMIX: &str = "https://huggingface.co/datasets/allenai/wildguardmix";
const HARMBENCH: &str =
    "https://github.com/centerforaisafety/HarmBench/blob/main/data/behavior_datasets/harmbench_behaviors_text_all.csv";
const XSTEST: &str = "https://github.com/paul-rottger/xstest/blob/main/xstest_prompts.csv";
const TOXIC_CHAT: &str = "https://huggingface.co/datasets/lmsys/toxic-chat";

pub(super) static SETS: [Entry; 26] = [
    Entry {
        name: "advbench",
        title: "AdvBench, harmful behaviours",
        licence: "MIT",
        source: "https://github.com/llm-attacks/llm-attacks/blob/main/data/advbench/harmful_behaviors.csv",
        files: "harmful_behaviors.csv",
        rows: Rows::Harmful,
        shape: Shape::Columns(Named { target: Some("target"), ..Named::prompt("goal") }),
    },
    Entry {
        name: "harmbench",
        title: "HarmBench, standard behaviours",
        licence: "MIT",
        source: HARMBENCH,
        files: "harmbench_behaviors_text_all.csv, or its val and test parts",
        rows: Rows::Harmful,
        shape: Shape::Columns(Named {
            id: Some("BehaviorID"),
            category: Some("SemanticCategory"),
            kept: Some(("FunctionalCategory", "standard")),
            ..Named::prompt("Behavior")
        }),
    },
    Entry {
        name: "harmbench-contextual",
        title: "HarmBench, contextual behaviours: the context before the behaviour",
        licence: "MIT",
        source: HARMBENCH,
        files: "harmbench_behaviors_text_all.csv, or its val and test parts",
        rows: Rows::Harmful,
        shape: Shape::Columns(Named {
            id: Some("BehaviorID"),
            goal: Some("Behavior"),
            category: Some("SemanticCategory"),
            context: Some("ContextString"),
            kept: Some(("FunctionalCategory", "contextual")),
            ..Named::prompt("{ContextString}\n\n---\n\n{Behavior}")
        }),
    },
    Entry {
        name: "strongreject",
        title: "StrongREJECT, forbidden prompts",
        licence: "MIT",
        source: "https://github.com/alexandrasouly/strongreject/tree/main/strongreject_dataset",
        files: "strongreject_dataset.csv, strongreject_small_dataset.csv",
        rows: Rows::Harmful,
        shape: Shape::Columns(Named { category: Some("category"), ..Named::prompt("forbidden_prompt") }),
    },
    Entry {
        name: "jailbreakbench",
        title: "JailbreakBench, behaviours",
        licence: "MIT",
        source: "https://huggingface.co/datasets/JailbreakBench/JBB-Behaviors",
        files: "data/harmful-behaviors.csv, data/benign-behaviors.csv",
        rows: Rows::OfFile,
        shape: Shape::Columns(Named {
            id: Some("Index"),
            target: Some("Target"),
            category: Some("Category"),
            ..Named::prompt("Goal")
        }),
    },
    Entry {
        name: "jailbreakbench-artifacts",
        title: "JailbreakBench, submitted jailbreaks",
        licence: "MIT",
        source: "https://github.com/JailbreakBench/artifacts",
        files: "attack-artifacts/METHOD/TYPE/MODEL.json",
        rows: Rows::Harmful,
        shape: Shape::Columns(Named {
            id: Some("index"),
            goal: Some("goal"),
            category: Some("category"),
            rows: Some("jailbreaks"),
            empty: Unwanted::Drop,
            ..Named::prompt("prompt")
        }),
    },
    Entry {
        name: "xstest",
        title: "XSTest, safe prompts",
        licence: "CC BY 4.0",
        source: XSTEST,
        files: "xstest_prompts.csv",
        rows: Rows::Harmless,
        shape: Shape::Columns(Named {
            id: Some("id"),
            category: Some("type"),
            kept: Some(("label", "safe")),
            ..Named::prompt("prompt")
        }),
    },
    Entry {
        name: "xstest-unsafe",
        title: "XSTest, unsafe contrasts",
        licence: "CC BY 4.0",
        source: XSTEST,
        files: "xstest_prompts.csv",
        rows: Rows::Harmful,
        shape: Shape::Columns(Named {
            id: Some("id"),
            category: Some("type"),
            kept: Some(("label", "unsafe")),
            ..Named::prompt("prompt")
        }),
    },
    Entry {
        name: "or-bench",
        title: "OR-Bench: seemingly toxic prompts, and toxic ones in a file of their own",
        licence: "CC BY 4.0",
        source: "https://huggingface.co/datasets/bench-llm/or-bench",
        files: "or-bench-80k.csv, or-bench-hard-1k.csv (harmless), or-bench-toxic.csv (harmful)",
        rows: Rows::OfFile,
        shape: Shape::Columns(Named { category: Some("category"), ..Named::prompt("prompt") }),
    },
    Entry {
        name: "sorry-bench",
        title: "SORRY-Bench, unsafe instructions in one prompt style a file",
        licence: "SORRY-Bench's own agreement",
        source: "https://huggingface.co/datasets/sorry-bench/sorry-bench-202406",
        files: "question.jsonl, question_STYLE.jsonl",
        rows: Rows::Harmful,
        shape: Shape::Columns(Named { category: Some("category"), ..Named::prompt("turns.0") }),
    },
    Entry {
        name: "do-not-answer",
        title: "Do-Not-Answer, questions",
        licence: "Apache-2.0",
        source: "https://huggingface.co/datasets/LibrAI/do-not-answer",
        files: "datasets/data_en.csv of the repository, or the hub's parquet",
        rows: Rows::Harmful,
        shape: Shape::Columns(Named {
            id: Some("id"),
            category: Some("{risk_area} / {types_of_harm}"),
            ..Named::prompt("question")
        }),
    },
    Entry {
        name: "wildjailbreak",
        title: "WildJailbreak, adversarial harmful prompts for training",
        licence: "ODC-BY",
        source: WILDJAILBREAK,
        files: "train/train.tsv",
        rows: Rows::Harmful,
        shape: Shape::Columns(Named {
            goal: Some("vanilla"),
            kept: Some(("data_type", "adversarial_harmful")),
            ..Named::prompt("adversarial")
        }),
    },
    Entry {
        name: "wildjailbreak-benign",
        title: "WildJailbreak, adversarial benign prompts for training",
        licence: "ODC-BY",
        source: WILDJAILBREAK,
        files: "train/train.tsv",
        rows: Rows::Harmless,
        shape: Shape::Columns(Named {
            kept: Some(("data_type", "adversarial_benign")),
            ..Named::prompt("adversarial")
        }),
    },
    Entry {
        name: "wildjailbreak-vanilla",
        title: "WildJailbreak, plain harmful prompts for training",
        licence: "ODC-BY",
        source: WILDJAILBREAK,
        files: "train/train.tsv",
        rows: Rows::Harmful,
        shape: Shape::Columns(Named { kept: Some(("data_type", "vanilla_harmful")), ..Named::prompt("vanilla") }),
    },
    Entry {
        name: "wildjailbreak-vanilla-benign",
        title: "WildJailbreak, plain benign prompts for training",
        licence: "ODC-BY",
        source: WILDJAILBREAK,
        files: "train/train.tsv",
        rows: Rows::Harmless,
        shape: Shape::Columns(Named { kept: Some(("data_type", "vanilla_benign")), ..Named::prompt("vanilla") }),
    },
    Entry {
        name: "wildjailbreak-eval",
        title: "WildJailbreak, adversarial harmful prompts for evaluation",
        licence: "ODC-BY",
        source: WILDJAILBREAK,
        files: "eval/eval.tsv",
        rows: Rows::Harmful,
        shape: Shape::Columns(Named {
            kept: Some(("data_type", "adversarial_harmful")),
            ..Named::prompt("adversarial")
        }),
    },
    Entry {
        name: "wildguardmix",
        title: "WildGuardMix, harmful prompts",
        licence: "ODC-BY",
        source: WILDGUARDMIX,
        files: "train/wildguard_train.parquet, test/wildguard_test.parquet",
        rows: Rows::Harmful,
        shape: Shape::Columns(Named {
            category: Some("subcategory"),
            kept: Some(("prompt_harm_label", "harmful")),
            ..Named::prompt("prompt")
        }),
    },
    Entry {
        name: "wildguardmix-benign",
        title: "WildGuardMix, harmless prompts",
        licence: "ODC-BY",
        source: WILDGUARDMIX,
        files: "train/wildguard_train.parquet, test/wildguard_test.parquet",
        rows: Rows::Harmless,
        shape: Shape::Columns(Named {
            category: Some("subcategory"),
            kept: Some(("prompt_harm_label", "unharmful")),
            ..Named::prompt("prompt")
        }),
    },
    Entry {
        name: "toxic-chat",
        title: "ToxicChat, prompts annotated as toxic",
        licence: "CC BY-NC 4.0",
        source: TOXIC_CHAT,
        files: "data/0124/toxic-chat_annotation_train.csv, …_test.csv, and those of 1123",
        rows: Rows::Harmful,
        shape: Shape::Columns(Named {
            id: Some("conv_id"),
            kept: Some(("toxicity", "1")),
            ..Named::prompt("user_input")
        }),
    },
    Entry {
        name: "toxic-chat-benign",
        title: "ToxicChat, prompts annotated as not toxic",
        licence: "CC BY-NC 4.0",
        source: TOXIC_CHAT,
        files: "data/0124/toxic-chat_annotation_train.csv, …_test.csv, and those of 1123",
        rows: Rows::Harmless,
        shape: Shape::Columns(Named {
            id: Some("conv_id"),
            kept: Some(("toxicity", "0")),
            ..Named::prompt("user_input")
        }),
    },
    Entry {
        name: "beavertails",
        title: "BeaverTails: prompts with a reply each, and the reply's harm categories",
        licence: "CC BY-NC 4.0",
        source: "https://huggingface.co/datasets/PKU-Alignment/BeaverTails",
        files: "round0/30k/train.jsonl.gz and test.jsonl.gz; those of 330k after `xz -d`",
        rows: Rows::OfFile,
        shape: Shape::Columns(Named { reply: Some("response"), category: Some("category"), ..Named::prompt("prompt") }),
    },
    Entry {
        name: "pku-saferlhf",
        title: "PKU-SafeRLHF: prompts with two replies, of which one is safer; also as preference pairs",
        licence: "CC BY-NC 4.0",
        source: "https://huggingface.co/datasets/PKU-Alignment/PKU-SafeRLHF",
        files: "data/MODEL/train.jsonl, data/MODEL/test.jsonl",
        rows: Rows::OfFile,
        shape: Shape::SaferOfTwo,
    },
    Entry {
        name: "malicious-instruct",
        title: "MaliciousInstruct, an instruction a line",
        licence: "none stated",
        source: "https://github.com/Princeton-SysML/Jailbreak_LLM/blob/main/data/MaliciousInstruct.txt",
        files: "MaliciousInstruct.txt",
        rows: Rows::Harmful,
        shape: Shape::Lines,
    },
    Entry {
        name: "hex-phi-csv",
        title: "HEx-PHI, the instructions of one category",
        licence: "HEx-PHI's own agreement",
        source: "https://huggingface.co/datasets/LLM-Tuning-Safety/HEx-PHI",
        files: "category_1.csv and so on, without a header",
        rows: Rows::Harmful,
        shape: Shape::Columns(Named { header: false, ..Named::prompt("0") }),
    },
    Entry {
        name: "red-team-attempts",
        title: "Anthropic's red team: the dialogue up to its last human turn",
        licence: "MIT",
        source: "https://huggingface.co/datasets/Anthropic/hh-rlhf/tree/main/red-team-attempts",
        files: "red_team_attempts.jsonl.gz, which is one JSON array",
        rows: Rows::Harmful,
        shape: Shape::Transcripts,
    },
    Entry {
        name: "attacks",
        title: "Attacks of any method: what each is after, how a reply would begin, what is asked",
        licence: "the file's own",
        source: "a file of one's own",
        files: "any with the columns goal, target and prompt",
        rows: Rows::Harmful,
        shape: Shape::Columns(Named { goal: Some("goal"), target: Some("target"), ..Named::prompt("prompt") }),
    },
];
