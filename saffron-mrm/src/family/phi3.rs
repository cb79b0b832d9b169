//! Phi-3 and Phi-4-mini: projections stored as one matrix, a part of each head rotated, divisors of
//! their own for contexts beyond the original length.

use serde_json::{Map, Value, json};

#[cfg(feature = "gguf")]
use super::gguf::{self, Gguf};
use super::model::Model;
use super::rope::Rope;
use super::write::{activation, object, whole_if_it_is};
use super::{Defaults, Entry};
use crate::config::{Choices, DecoderConfig, Family, RopeScaling};
#[cfg(feature = "gguf")]
use crate::config::{Layer, Layers};
use crate::error::LoadError;

const NAME: Family = Family("phi3");
const THETA: f64 = 10_000.0;
/// `original_max_position_embeddings` of a file that names none at its top level, whatever else it
/// says.
const ORIGINAL: usize = 4096;
/// What files of earlier versions call their stretching.
const ALIASES: [(&str, &str); 2] = [("su", "longrope"), ("yarn", "longrope")];

pub(super) const PHI3: Entry = Entry {
    name: NAME,
    architecture: "Phi3ForCausalLM",
    defaults: Defaults { sizes: &[("max_position_embeddings", 4096)], eps: 1e-5, tied: false },
    always_tied: false,
    choices,
    fields,
    #[cfg(feature = "gguf")]
    gguf: Some(Gguf {
        divisors: &[gguf::LONG, gguf::SHORT],
        strips,
        written: |config, written| written.window_or_none(config),
        ..Gguf::new(NAME.0, of_gguf)
    }),
};

fn choices(model: &Model<'_>) -> Result<Choices, LoadError> {
    // Fields of the family's own code that say nothing at this value.
    for field in ["full_attn_mod", "interpolate_factor"] {
        if let Some(other) = model.fields.number(field)?.filter(|value| *value != 1.0) {
            return Err(model.fields.refuse(field, "1", other));
        }
    }
    let rotary = Rope::new(model, THETA).partial().with_original(ORIGINAL).with_aliases(&ALIASES).resolve()?;
    match rotary.scaling {
        RopeScaling::Plain | RopeScaling::LongRope(_) => {}
        _ => return Err(model.fields.refuse("rope_type", "default or longrope", "another")),
    }
    let layers = model.alike(rotary, model.window(None)?)?;
    Ok(Choices { activation: model.activation("hidden_act")?, fused: true, ..Choices::plain(NAME, layers) })
}

/// llama.cpp computes without the window that a file names.
#[cfg(feature = "gguf")]
fn of_gguf(model: &gguf::Model<'_>) -> Result<Choices, LoadError> {
    let rotary = model.partial_rotary()?;
    match rotary.scaling {
        RopeScaling::Plain | RopeScaling::LongRope(_) => {}
        _ => return Err(model.keys.refuse("rope.scaling.type", "none or longrope", "another")),
    }
    let layers = Layers::Alike(Layer { rotary: Some(rotary), window: model.window()? });
    Ok(Choices { fused: true, ..Choices::plain(NAME, layers) })
}

/// The tokens of Phi-3's turns drop the line end behind them.
#[cfg(feature = "gguf")]
fn strips(token: &str, control: bool) -> bool {
    token == "</s>" || control && !["<unk>", "<s>", "<|endoftext|>"].contains(&token)
}

fn fields(config: &DecoderConfig) -> Map<String, Value> {
    let mut fields = object(json!({
        "hidden_act": activation(config.choices.activation),
        "sliding_window": config.window(),
    }));
    fields.extend(config.rope_fields());
    if let Some(RopeScaling::LongRope(scaling)) = config.layer(0).rotary.as_ref().map(|rotary| &rotary.scaling) {
        let original = whole_if_it_is(scaling.original_max_position_embeddings);
        fields.insert(String::from("original_max_position_embeddings"), original);
    }
    fields
}
