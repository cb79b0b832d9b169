//! SmolLM3: a Llama some of whose layers do not rotate queries and keys.

use serde_json::{Map, Value, json};

#[cfg(feature = "gguf")]
use super::gguf::{self, Gguf};
use super::model::Model;
use super::write::{activation, object};
use super::{Defaults, Entry};
use crate::config::{Biases, Choices, DecoderConfig, Family};
use crate::error::LoadError;

const NAME: Family = Family("smollm3");
const THETA: f64 = 2_000_000.0;
/// Every layer of this number is not rotated.
const INTERVAL: usize = 4;

pub(super) const SMOLLM3: Entry = Entry {
    name: NAME,
    architecture: "SmolLM3ForCausalLM",
    defaults: Defaults {
        sizes: &[("max_position_embeddings", 32_768), ("num_key_value_heads", 4)],
        eps: 1e-6,
        tied: true,
    },
    always_tied: false,
    choices,
    fields,
    #[cfg(feature = "gguf")]
    gguf: Some(Gguf::new(NAME.0, of_gguf).side_by_side(&[])),
};

fn choices(model: &Model<'_>) -> Result<Choices, LoadError> {
    let rotated = rotated(model)?;
    let window = model.window(None)?;
    let window = if model.fields.flag("use_sliding_window")? { window } else { None };
    let sliding = model.sliding(|layer| window.is_some() && !rotated[layer])?;
    let rotary = model.rotary(THETA)?;
    let layers = model.layers_of(&sliding, window, |layer| rotated[layer].then(|| rotary.clone()))?;
    let attention = model.fields.flag("attention_bias")?;
    Ok(Choices {
        biases: Biases { qkv: attention, output: attention, mlp: model.fields.flag("mlp_bias")? },
        activation: model.activation("hidden_act")?,
        ..Choices::plain(NAME, layers)
    })
}

/// Whether each layer rotates: `no_rope_layers` has a 1 where it does.
fn rotated(model: &Model<'_>) -> Result<Vec<bool>, LoadError> {
    let field = "no_rope_layers";
    let interval = model.interval("no_rope_layer_interval", INTERVAL)?;
    let Some(marks) = model.fields.numbers(field)? else {
        return Ok((0..model.layers).map(|layer| (layer + 1) % interval != 0).collect());
    };
    if marks.len() < model.layers {
        return Err(model.fields.refuse(field, format!("one for each of {} layers", model.layers), marks.len()));
    }
    let rotates = |mark: &f64| match *mark {
        1.0 => Ok(true),
        0.0 => Ok(false),
        other => Err(model.fields.refuse(field, "0 or 1", other)),
    };
    marks[..model.layers].iter().map(rotates).collect()
}

/// The format has one interval and no windows for it.
#[cfg(feature = "gguf")]
fn of_gguf(model: &gguf::Model<'_>) -> Result<Choices, LoadError> {
    model.unwindowed()?;
    let rotary = model.rotary()?;
    let rotated = |layer: usize| !(layer + 1).is_multiple_of(INTERVAL);
    let layers = model.layers_of(&vec![false; model.layers], None, |layer| rotated(layer).then(|| rotary.clone()));
    let attention = model.attention_bias();
    Ok(Choices {
        biases: Biases { qkv: attention, output: attention, mlp: model.mlp_bias() },
        ..Choices::plain(NAME, layers)
    })
}

fn fields(config: &DecoderConfig) -> Map<String, Value> {
    let rotated = (0..config.num_hidden_layers).map(|layer| u8::from(config.layer(layer).rotary.is_some()));
    let mut fields = object(json!({
        "hidden_act": activation(config.choices.activation),
        "attention_bias": config.choices.biases.qkv,
        "mlp_bias": config.choices.biases.mlp,
        "no_rope_layers": rotated.collect::<Vec<u8>>(),
        "use_sliding_window": config.window().is_some(),
    }));
    fields.extend(config.window_fields());
    fields.extend(config.rope_fields());
    fields
}
