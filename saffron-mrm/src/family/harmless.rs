//! Fields of a `config.json` that change nothing in what a decoder computes, and the refusal of
//! those that are neither these nor understood.

use serde_json::Value;

use super::model::Model;
use crate::config::Seen;
use crate::error::LoadError;

/// Names of fields that are not about arithmetic: what files and programs note, how text is
/// generated, how a model was trained, heads of other tasks.
const NAMES: [&str; 74] = [
    "architectures",
    "assistant_confidence_threshold",
    "assistant_lookbehind",
    "attn_implementation",
    "auto_map",
    "bad_words_ids",
    "begin_suppress_tokens",
    "cache_implementation",
    "chunk_size_feed_forward",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "encoder_repetition_penalty",
    "epsilon_cutoff",
    "eta_cutoff",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "hidden_dropout",
    "id2label",
    "initializer_range",
    "is_decoder",
    "is_llama_config",
    "label2id",
    "length_penalty",
    "license",
    "max_length",
    "max_sequence_length",
    "max_window_layers",
    "min_length",
    "model_max_length",
    "model_type",
    "name_or_path",
    "neftune_noise_alpha",
    "no_repeat_ngram_size",
    "num_assistant_tokens",
    "num_assistant_tokens_schedule",
    "num_beam_groups",
    "num_beams",
    "num_labels",
    "num_logits_to_keep",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_router_logits",
    "output_scores",
    "prefix",
    "pretraining_tp",
    "problem_type",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict",
    "return_dict_in_generate",
    "router_aux_loss_coef",
    "sep_token",
    "suppress_tokens",
    "target_lookbehind",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torchscript",
    "transformers.js_config",
    "typical_p",
    "use_bfloat16",
    "use_cache",
    "use_flash_attn",
];

/// Beginnings and endings of such names.
const BEGINNINGS: [&str; 2] = ["_", "unsloth"];
const ENDINGS: [&str; 6] = ["_dropout", "_pdrop", "_token_id", "_token_index", "_dtype", "_version"];

fn is_harmless(name: &str) -> bool {
    NAMES.binary_search(&name).is_ok()
        || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Whether a value says that something is not so: nothing, off, or empty.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        _ => false,
    }
}

/// Refuses fields that say something and that nobody has looked at.
pub(super) fn refuse_unknown(model: &Model<'_>, seen: &Seen) -> Result<(), LoadError> {
    let seen = seen.borrow();
    let fields = model.fields;
    let unknown =
        fields.all().find(|(name, value)| !seen.contains(&fields.named(name)) && !is_harmless(name) && !is_off(value));
    match unknown {
        None => Ok(()),
        Some((name, value)) => {
            let expected =
                "no field of this name, which is not known: remove it if it does not change what the model computes";
            Err(fields.refuse(name, expected, value))
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_in_order() {
        assert!(super::NAMES.is_sorted());
    }
}
