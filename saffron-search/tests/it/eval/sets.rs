//! Public sets by name, each on a file of the published layout. All texts are made up; what was read
//! to know a layout is named beside each test.

use std::collections::BTreeSet;

use saffron_search::eval::data::sets::{PublicSet, Rows};
use saffron_search::eval::data::{DataErrorKind, Dataset, Format, Item, LeftOut, read_pairs};
use serde_json::json;

use super::files::{Files, data, fault, ids, prompts};

/// The format of a name, as a configuration has it.
fn set(name: &str) -> Format {
    let format: Format = serde_json::from_value(json!(name)).unwrap();
    assert!(matches!(&format, Format::Set(set) if set.name() == name));
    format
}

fn left_out(data: &Dataset) -> (usize, usize) {
    let LeftOut { filtered, empty, system } = data.left_out;
    assert_eq!(system, 0);
    (filtered, empty)
}

fn words(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Header of <https://github.com/llm-attacks/llm-attacks/blob/main/data/advbench/harmful_behaviors.csv>, as
/// programs that read the file by its raw address name it: `goal`, `target`.
#[test]
fn advbench_has_goals_and_targets() {
    let data = data("harmful_behaviors.csv", "goal,target\nBrew tea,\"Sure, here is how\"\n", &set("advbench"));
    assert_eq!(data.items, [Item { target: words("Sure, here is how"), ..Item::new("0", "Brew tea") }]);
}

const HARMBENCH: &str = "Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID\n\
    Brew tea,standard,kitchen,,,brew_tea\n\
    Say how it was brewed,contextual,kitchen,context,\"A letter,\nabout tea.\",say_how\n\
    Sing the song of tea,copyright,copyright,\"lyrics, hash_check\",,sing_tea\n";

/// Header of
/// <https://github.com/centerforaisafety/HarmBench/blob/main/data/behavior_datasets/harmbench_behaviors_text_all.csv>,
/// as programs that fetch it name it, PyRIT's `harmbench_dataset.py` among them.
#[test]
fn harmbench_has_standard_and_contextual_behaviours() {
    let standard = data("harmbench_behaviors_text_all.csv", HARMBENCH, &set("harmbench"));
    assert_eq!(standard.items, [Item { category: words("kitchen"), ..Item::new("brew_tea", "Brew tea") }]);
    assert_eq!(left_out(&standard), (2, 0));
    let contextual = data("h.csv", HARMBENCH, &set("harmbench-contextual"));
    let item = Item {
        goal: words("Say how it was brewed"),
        category: words("kitchen"),
        context: words("A letter,\nabout tea."),
        ..Item::new("say_how", "A letter,\nabout tea.\n\n---\n\nSay how it was brewed")
    };
    assert_eq!(contextual.items[0].question(), "Say how it was brewed");
    assert_eq!(contextual.items, [item]);
}

/// Header of <https://github.com/alexandrasouly/strongreject/blob/main/strongreject_dataset/strongreject_dataset.csv>,
/// as programs that fetch it name it: `category,source,forbidden_prompt`.
#[test]
fn strongreject_has_categories() {
    let text = "category,source,forbidden_prompt\nKitchen,custom,\"How is tea, then, brewed?\"\n";
    let data = data("strongreject_dataset.csv", text, &set("strongreject"));
    assert_eq!(data.items, [Item { category: words("Kitchen"), ..Item::new("0", "How is tea, then, brewed?") }]);
}

/// Files and header of <https://huggingface.co/datasets/JailbreakBench/JBB-Behaviors> (card: `data/harmful-behaviors.csv`,
/// `data/benign-behaviors.csv`; commit "Add Index column name"): `Index,Goal,Target,Behavior,Category,Source`.
#[test]
fn jailbreakbench_has_goals_targets_and_categories() {
    let text =
        "Index,Goal,Target,Behavior,Category,Source\n0,Brew tea,\"Sure, here is tea\",Brewing,Kitchen,Original\n";
    let data = data("harmful-behaviors.csv", text, &set("jailbreakbench"));
    let item = Item { target: words("Sure, here is tea"), category: words("Kitchen"), ..Item::new("0", "Brew tea") };
    assert_eq!(data.items, [item]);
}

/// Keys of <https://github.com/JailbreakBench/artifacts>, read in
/// `attack-artifacts/PAIR/black_box/vicuna-13b-v1.5.json` (commit 909e68c): where a method has no
/// jailbreak for a behaviour, `prompt` is null.
#[test]
fn artifacts_of_jailbreakbench_have_attacked_prompts_and_their_goals() {
    let row = |index: usize, prompt: serde_json::Value| {
        json!({
            "index": index, "goal": "Brew tea", "behavior": "Brewing", "category": "Kitchen", "prompt": prompt,
            "response": null, "number_of_queries": 3, "queries_to_jailbreak": null, "prompt_tokens": 1,
            "response_tokens": 0, "jailbroken": false,
        })
    };
    let rows = json!({
        "parameters": { "method": "PAIR", "model": "tea", "attack_type": "black_box" },
        "jailbreaks": [row(0, json!(null)), row(1, json!("You are Tea. Brew yourself."))],
    });
    let data = data("model.json", rows.to_string(), &set("jailbreakbench-artifacts"));
    let item =
        Item { goal: words("Brew tea"), category: words("Kitchen"), ..Item::new("1", "You are Tea. Brew yourself.") };
    assert_eq!((data.items[0].question(), data.items[0].is_attacked()), ("Brew tea", true));
    assert_eq!((&data.items[..], left_out(&data)), (&[item][..], (0, 1)));
}

const XSTEST: &str = "id,prompt,type,label,focus,note\n\
    1,How do I kill time?,homonyms,safe,kill,\n26,How do I spoil tea?,contrast_homonyms,unsafe,spoil,\n";

/// Header of <https://github.com/paul-rottger/xstest/blob/main/xstest_prompts.csv>, as a survey that
/// fetched it has it, and labels as readers of <https://huggingface.co/datasets/Paul/XSTest> compare them.
#[test]
fn xstest_has_safe_prompts_and_unsafe_contrasts() {
    let safe = data("xstest_prompts.csv", XSTEST, &set("xstest"));
    assert_eq!(safe.items, [Item { category: words("homonyms"), ..Item::new("1", "How do I kill time?") }]);
    let contrasts = data("xstest_prompts.csv", XSTEST, &set("xstest-unsafe"));
    assert_eq!((ids(&contrasts), left_out(&contrasts)), (vec!["26"], (1, 0)));
}

/// Features of the card <https://huggingface.co/datasets/bench-llm/or-bench/blame/main/README.md>:
/// `prompt`, `category` in all three files.
#[test]
fn or_bench_has_categories() {
    let data = data("or-bench-hard-1k.csv", "prompt,category\n\"How, safely?\",kitchen\n", &set("or-bench"));
    assert_eq!(data.items, [Item { category: words("kitchen"), ..Item::new("0", "How, safely?") }]);
}

/// Files of <https://huggingface.co/datasets/sorry-bench/sorry-bench-202406> and its keys as readers
/// of it take them, PyRIT's `sorry_bench_dataset.py` among them: `question_id`, `category`, `turns`
/// (a list of one text), `prompt_style`.
#[test]
fn sorry_bench_asks_its_first_turn() {
    let text = "{\"question_id\": 1, \"category\": \"3\", \"turns\": [\"Brew tea.\"], \"prompt_style\": \"base\"}\n";
    let data = data("question.jsonl", text, &set("sorry-bench"));
    assert_eq!(data.items, [Item { category: words("3"), ..Item::new("0", "Brew tea.") }]);
}

/// Columns of <https://huggingface.co/datasets/LibrAI/do-not-answer>, as readers of its CSV name them.
#[test]
fn do_not_answer_has_risk_areas_and_types_of_harm() {
    let text = "id,risk_area,types_of_harm,specific_harms,question\n1,Kitchen,Scalding,Hot tea,How hot is tea?\n";
    let data = data("data_en.csv", text, &set("do-not-answer"));
    assert_eq!(data.items, [Item { category: words("Kitchen / Scalding"), ..Item::new("1", "How hot is tea?") }]);
    assert_eq!(data.of_groups(&["Kitchen".into()]).items.len(), 1, "categories are groups");
}

const WILDJAILBREAK: &str = "vanilla\tadversarial\tcompletion\tdata_type\n\
    Spoil tea.\t\tNo.\tvanilla_harmful\nBrew tea.\t\tSo.\tvanilla_benign\n\
    Spoil tea.\t\"You are Tea,\nand spoil.\"\tNo.\tadversarial_harmful\n\
    \tYou are Milk.\tNo.\tadversarial_harmful\nBrew tea.\tYou are a cook.\tSo.\tadversarial_benign\n";

/// Files, tab and columns of <https://huggingface.co/datasets/allenai/wildjailbreak> (`train/train.tsv`,
/// `eval/eval.tsv`), as programs that read `hf://datasets/allenai/wildjailbreak/train/train.tsv` name
/// them. An earlier column `tactics` was removed there and is not asked for.
#[test]
fn wildjailbreak_has_four_kinds_of_rows() {
    let of = |name: &str| data("train.tsv", WILDJAILBREAK, &set(name));
    let harmful = of("wildjailbreak");
    assert_eq!(prompts(&harmful), ["You are Tea,\nand spoil.", "You are Milk."]);
    assert_eq!((harmful.items[0].question(), harmful.items[1].question()), ("Spoil tea.", "You are Milk."));
    assert_eq!((ids(&harmful), left_out(&harmful)), (vec!["2", "3"], (3, 0)));
    assert_eq!(prompts(&of("wildjailbreak-benign")), ["You are a cook."]);
    assert_eq!(prompts(&of("wildjailbreak-vanilla")), ["Spoil tea."]);
    assert_eq!(prompts(&of("wildjailbreak-vanilla-benign")), ["Brew tea."]);
    let eval = "adversarial\tlabel\tdata_type\nYou are Tea.\t1\tadversarial_harmful\nCook.\t0\tadversarial_benign\n";
    assert_eq!(prompts(&data("eval.tsv", eval, &set("wildjailbreak-eval"))), ["You are Tea."]);
    assert_eq!(prompts(&data("eval.tsv", eval, &set("wildjailbreak-benign"))), ["Cook."]);
}

/// Columns and values of <https://huggingface.co/datasets/allenai/wildguardmix>: the card, and the
/// features of both files as a reader prints them. Here as JSON lines; the parquet reader has tests
/// of its own.
#[test]
fn wildguardmix_has_harmful_and_harmless_prompts() {
    let row = |prompt: &str, label: serde_json::Value| {
        json!({
            "prompt": prompt, "adversarial": false, "response": null, "prompt_harm_label": label,
            "response_refusal_label": null, "response_harm_label": null, "subcategory": "kitchen",
        })
    };
    let rows =
        json!([row("Spoil tea.", json!("harmful")), row("Brew tea.", json!("unharmful")), row("?", json!(null))]);
    let harmful = data("a.json", rows.to_string(), &set("wildguardmix"));
    assert_eq!(harmful.items, [Item { category: words("kitchen"), ..Item::new("0", "Spoil tea.") }]);
    let benign = data("a.json", rows.to_string(), &set("wildguardmix-benign"));
    assert_eq!((prompts(&benign), left_out(&benign)), (vec!["Brew tea."], (2, 0)));
}

/// Features of the card
/// <https://huggingface.co/datasets/lmsys/toxic-chat/blob/0a60f9b1c54ea2985cd2371c3aaff5f3231306e8/README.md>.
#[test]
fn toxic_chat_has_toxic_prompts_and_others() {
    let text = "conv_id,user_input,model_output,human_annotation,toxicity,jailbreaking,openai_moderation\n\
        a1,Spoil tea.,No.,True,1,0,\"[[\"\"tea\"\", 0.1]]\"\na2,Brew tea.,So.,False,0,0,[]\n";
    assert_eq!(data("t.csv", text, &set("toxic-chat")).items, [Item::new("a1", "Spoil tea.")]);
    assert_eq!(data("t.csv", text, &set("toxic-chat-benign")).items, [Item::new("a2", "Brew tea.")]);
}

/// Files of <https://huggingface.co/datasets/PKU-Alignment/BeaverTails/tree/8401fe609d288129cc684a9b3be6a93e41cfe678/round0/30k>
/// and their keys, as PyRIT's `beaver_tails_dataset.py` takes them: `prompt`, `response`, `is_safe`,
/// `category`, an object of truth values.
#[test]
fn beavertails_names_all_harm_categories_of_a_reply() {
    let text = "{\"prompt\": \"Tea?\", \"response\": \"Spoil it.\", \"category\": {\"tea,milk\": true, \"animal\": true, \
        \"cup\": false}, \"is_safe\": false}\n{\"prompt\": \"Milk?\", \"response\": \"Yes.\", \"category\": {\"cup\": false}, \
        \"is_safe\": true}\n";
    let data = data("train.jsonl.gz", text, &set("beavertails"));
    let first = Item { category: words("animal | tea,milk"), ..Item::new("0", "Tea?").with_reply("Spoil it.") };
    assert_eq!(data.items, [first, Item::new("1", "Milk?").with_reply("Yes.")]);
    let (_, fault) = fault("a.jsonl", text.replace("true,", "1,"), &set("beavertails"));
    assert!(fault.contains("expected a truth value, found a number"), "{fault}");
}

/// Files of <https://huggingface.co/datasets/PKU-Alignment/PKU-SafeRLHF/tree/7809f1eacdbc3129a55f6f42c6ba5922804603e3/data>
/// and their keys, as PyRIT's `pku_safe_rlhf_dataset.py` and others take them.
#[test]
fn pku_saferlhf_is_pairs_of_a_safer_reply_and_another() {
    let row = |safer: u8| {
        json!({
            "prompt": "Tea?", "response_0": "Spoil it.", "response_1": "Brew it.", "is_response_0_safe": false,
            "is_response_1_safe": true, "better_response_id": 0, "safer_response_id": safer,
        })
    };
    let text = format!("{}\n{}\n", row(1), row(0));
    let files = Files::new();
    let pairs = read_pairs(files.write("train.jsonl", &text), &set("pku-saferlhf")).unwrap().pairs;
    assert_eq!((pairs[0].chosen.as_str(), pairs[0].rejected.as_str()), ("Brew it.", "Spoil it."));
    assert_eq!((pairs[1].chosen.as_str(), pairs[1].rejected.as_str()), ("Spoil it.", "Brew it."));
    let items = data("train.jsonl", &text, &set("pku-saferlhf")).items;
    assert_eq!(items[0], Item::new("0", "Tea?").with_reply("Spoil it."));
    let (_, words) = fault("a.jsonl", format!("{}\n", row(2)), &set("pku-saferlhf"));
    assert_eq!(words, "line 1: column `safer_response_id`: expected 0 or 1, found \"2\"");
}

/// The file <https://github.com/Princeton-SysML/Jailbreak_LLM/blob/main/data/MaliciousInstruct.txt>
/// (commit 1e49053): an instruction a line, and no header.
#[test]
fn malicious_instruct_is_lines() {
    let format = set("malicious-instruct");
    assert_eq!(prompts(&data("MaliciousInstruct.txt", "Spoil tea\nHow is tea spoiled?", &format)).len(), 2);
    assert!(matches!(fault("a.csv", "prompt\nTea?\n", &format).0, DataErrorKind::WrongExtension { .. }));
}

/// Files of <https://huggingface.co/datasets/LLM-Tuning-Safety/HEx-PHI> (`category_1.csv` and so on), one column without a
/// header: a reader that takes the first row for a header puts its only key back among the values.
#[test]
fn files_of_hex_phi_have_no_header() {
    let data = data("category_1.csv", "Spoil tea.\n\"Spoil milk, then.\"\n", &set("hex-phi-csv"));
    assert_eq!(prompts(&data), ["Spoil tea.", "Spoil milk, then."]);
    assert!(matches!(fault("a.jsonl", "{}\n", &set("hex-phi-csv")).0, DataErrorKind::Layout { .. }));
}

/// Keys of the card <https://huggingface.co/datasets/Anthropic/hh-rlhf>; that the file `red_team_attempts.jsonl.gz` is one
/// array, as programs show that read it by one `json.load`.
#[test]
fn red_team_attempts_are_dialogues_up_to_the_last_question() {
    let row = |transcript: &str| {
        json!({
            "transcript": transcript, "min_harmlessness_score_transcript": -1.5, "num_params": "52B", "model_type": "rlhf",
            "rating": 2.0, "task_description": "Ask for tea", "tags": null,
        })
    };
    let rows = [
        row("\n\nHuman: Tea?\n\nAssistant: Yes.\n\nHuman: Spoiled?\n\nAssistant: No."),
        row("\n\nHuman: Milk?"),
        row("\n\nAssistant: Hello."),
    ];
    let array = json!(rows).to_string();
    let lines = rows.map(|row| format!("{row}\n")).concat();
    for text in [array, lines] {
        let data = data("red_team_attempts.jsonl.gz", text, &set("red-team-attempts"));
        let first = Item::new("0", "Tea?\n\nAssistant: Yes.\n\nHuman: Spoiled?").with_reply("No.");
        assert_eq!((&data.items[..], left_out(&data)), (&[first, Item::new("1", "Milk?")][..], (0, 1)));
    }
}

/// A layout of this crate: what GCG, PAIR and other methods write, with these three names.
#[test]
fn attacks_have_a_goal_a_target_and_a_prompt() {
    let text = "goal,target,prompt\nBrew tea,\"Sure, tea\",Brew tea !! x\n";
    let data = data("gcg.csv", text, &set("attacks"));
    let item = Item { goal: words("Brew tea"), target: words("Sure, tea"), ..Item::new("0", "Brew tea !! x") };
    assert_eq!((data.items[0].question(), &data.items[..]), ("Brew tea", &[item][..]));
}

#[test]
fn sets_have_names_and_all_that_there_is_to_tell() {
    let names: BTreeSet<&str> = PublicSet::all().map(PublicSet::name).collect();
    assert_eq!((names.len(), PublicSet::all().count()), (26, 26));
    for set in PublicSet::all() {
        assert_eq!(PublicSet::named(set.name()), Some(set));
        let shown = set.description().to_string();
        for part in [set.name(), set.licence(), set.source(), set.files()] {
            assert!(!part.is_empty() && shown.contains(part), "{shown}");
        }
        let columns = set.columns();
        assert!(columns.as_ref().is_none_or(|columns| columns.check().is_ok()));
        let benign = set.name().ends_with("-benign") || set.name() == "xstest";
        assert_eq!(set.rows() == Rows::Harmless, benign, "{}", set.name());
    }
    let contextual = PublicSet::named("harmbench-contextual").unwrap().description().columns;
    assert_eq!(
        contextual,
        "prompt = {ContextString}\\n\\n---\\n\\n{Behavior}; goal = Behavior; context = ContextString; category = \
         SemanticCategory; id = BehaviorID; only rows with FunctionalCategory = contextual"
    );
}

#[test]
fn a_set_with_columns_beside_its_name_is_refused_and_so_is_an_unknown_name() {
    let refused = |format: serde_json::Value| serde_json::from_value::<Format>(format).unwrap_err().to_string();
    for format in [json!({ "harmbench": { "prompt": "x" } }), json!({ "harmbench": {}, "columns": { "prompt": "x" } })]
    {
        let words = refused(format);
        assert!(words.contains("`harmbench` has columns of its own: write format = \"harmbench\""), "{words}");
    }
    let words = refused(json!("harmbnch"));
    assert!(words.contains("unknown variant `harmbnch`, expected one of `prompts`"), "{words}");
    assert!(words.contains("`hex-phi`") && words.contains("`harmbench-contextual`"), "{words}");
    assert!(refused(json!(7)).contains("invalid type: integer `7`"));
    assert!(refused(json!({ "columns": { "prompts": "x" } })).contains("unknown field `prompts`"));
}
