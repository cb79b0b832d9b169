//! The decoder against an independent one: plain loops in float64, no cache, no fusing, no folding. Over shapes that the fixtures do not
//! have: biases, heads wider than hidden / heads, half-precision files.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use half::{bf16, f16};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use saffron_mrm::engine::Engine;
use saffron_mrm::{DecoderConfig, ModelOptions};
use serde_json::{Value, json};

use crate::fixtures::{gap, logits};

/// A checkpoint of random numbers.
struct Checkpoint {
    config: Value,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Checkpoint {
    fn random(changes: Value) -> Self {
        let mut config = json!({
            "model_type": "llama", "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 10, "vocab_size": 30,
            "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 1000.0, "tie_word_embeddings": false,
        });
        config.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let size = |name: &str| config[name].as_u64().unwrap() as usize;
        let on = |name: &str| config[name].as_bool().unwrap_or(false);
        let (hidden, wide, vocab) = (size("hidden_size"), size("intermediate_size"), size("vocab_size"));
        let (q, kv) = (size("num_attention_heads") * size("head_dim"), size("num_key_value_heads") * size("head_dim"));
        let mut shapes = vec![(String::from("model.embed_tokens.weight"), vec![vocab, hidden])];
        shapes.push((String::from("model.norm.weight"), vec![hidden]));
        if !on("tie_word_embeddings") {
            shapes.push((String::from("lm_head.weight"), vec![vocab, hidden]));
        }
        for layer in 0..size("num_hidden_layers") {
            let block = format!("model.layers.{layer}");
            for norm in ["input_layernorm", "post_attention_layernorm"] {
                shapes.push((format!("{block}.{norm}.weight"), vec![hidden]));
            }
            let linears = [
                ("self_attn.q_proj", q, hidden, on("attention_bias")),
                ("self_attn.k_proj", kv, hidden, on("attention_bias")),
                ("self_attn.v_proj", kv, hidden, on("attention_bias")),
                ("self_attn.o_proj", hidden, q, on("attention_bias")),
                ("mlp.gate_proj", wide, hidden, on("mlp_bias")),
                ("mlp.up_proj", wide, hidden, on("mlp_bias")),
                ("mlp.down_proj", hidden, wide, on("mlp_bias")),
            ];
            for (name, out, into, bias) in linears {
                shapes.push((format!("{block}.{name}.weight"), vec![out, into]));
                if bias {
                    shapes.push((format!("{block}.{name}.bias"), vec![out]));
                }
            }
        }
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let mut values = |shape: &[usize]| -> Vec<f32> {
            let unit = |bits: u32| (bits >> 8) as f32 / (1 << 23) as f32 - 1.0;
            (0..shape.iter().product()).map(|_| unit(rng.next_u32()) * 0.6).collect()
        };
        let tensors = shapes.into_iter().map(|(name, shape)| {
            let values = values(&shape);
            (name, (shape, values))
        });
        Self { config: config.clone(), tensors: tensors.collect() }
    }

    /// Rounds all numbers to a type's.
    fn rounded(mut self, dtype: Dtype) -> Self {
        for (_, values) in self.tensors.values_mut() {
            values.iter_mut().for_each(|value| match dtype {
                Dtype::BF16 => *value = bf16::from_f32(*value).to_f32(),
                Dtype::F16 => *value = f16::from_f32(*value).to_f32(),
                _ => {}
            });
        }
        self
    }

    fn save(&self, dir: &Path, dtype: Dtype) {
        std::fs::write(dir.join("config.json"), self.config.to_string()).unwrap();
        let bytes = |values: &[f32]| -> Vec<u8> {
            match dtype {
                Dtype::BF16 => values.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect(),
                Dtype::F16 => values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect(),
                _ => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            }
        };
        let data: Vec<_> =
            self.tensors.iter().map(|(name, (shape, values))| (name, shape.clone(), bytes(values))).collect();
        let views = data.iter().map(|(name, shape, data)| (name, TensorView::new(dtype, shape.clone(), data).unwrap()));
        safetensors::serialize_to_file(views, None, &dir.join("model.safetensors")).unwrap();
    }

    fn linear(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let (shape, weight) = &self.tensors[&format!("{name}.weight")];
        let bias = self.tensors.get(&format!("{name}.bias"));
        let row = |out: usize| {
            let row = &weight[out * shape[1]..(out + 1) * shape[1]];
            let sum: f64 = row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum();
            sum + bias.map_or(0.0, |(_, bias)| f64::from(bias[out]))
        };
        (0..shape[0]).map(row).collect()
    }

    fn norm(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
        let scale = 1.0 / (mean + 1e-5).sqrt();
        x.iter().zip(&self.tensors[&format!("{name}.weight")].1).map(|(x, w)| x * scale * f64::from(*w)).collect()
    }

    /// Logits of the last token, by the definition of the architecture.
    fn logits(&self, tokens: &[u32]) -> Vec<f32> {
        let size = |name: &str| self.config[name].as_u64().unwrap() as usize;
        let (heads, kv_heads, width) = (size("num_attention_heads"), size("num_key_value_heads"), size("head_dim"));
        let hidden = size("hidden_size");
        let (_, embedding) = &self.tensors["model.embed_tokens.weight"];
        let row = |token: &u32| &embedding[*token as usize * hidden..(*token as usize + 1) * hidden];
        let mut xs: Vec<Vec<f64>> =
            tokens.iter().map(|token| row(token).iter().map(|x| f64::from(*x)).collect()).collect();
        for layer in 0..size("num_hidden_layers") {
            let block = format!("model.layers.{layer}");
            let normed: Vec<Vec<f64>> = xs.iter().map(|x| self.norm(&format!("{block}.input_layernorm"), x)).collect();
            let project = |name: &str, turn: bool| -> Vec<Vec<f64>> {
                let rows = normed.iter().enumerate();
                rows.map(|(position, x)| {
                    let y = self.linear(&format!("{block}.self_attn.{name}"), x);
                    if turn { y.chunks(width).flat_map(|head| self.rotate(head, position)).collect() } else { y }
                })
                .collect()
            };
            let (q, k, v) = (project("q_proj", true), project("k_proj", true), project("v_proj", false));
            for position in 0..xs.len() {
                let mut mixed = Vec::new();
                for head in 0..heads {
                    let (own, shared) = (head * width, head / (heads / kv_heads) * width);
                    let dot = |key: &[f64]| -> f64 {
                        q[position][own..own + width].iter().zip(&key[shared..]).map(|(q, k)| q * k).sum()
                    };
                    let weights: Vec<f64> =
                        k[..=position].iter().map(|key| (dot(key) / (width as f64).sqrt()).exp()).collect();
                    let total: f64 = weights.iter().sum();
                    mixed.extend((0..width).map(|i| {
                        let sum: f64 = weights.iter().zip(&v).map(|(w, v)| w * v[shared + i]).sum();
                        sum / total
                    }));
                }
                let output = self.linear(&format!("{block}.self_attn.o_proj"), &mixed);
                xs[position].iter_mut().zip(output).for_each(|(x, y)| *x += y);
            }
            for x in &mut xs {
                let normed = self.norm(&format!("{block}.post_attention_layernorm"), x);
                let gate = self.linear(&format!("{block}.mlp.gate_proj"), &normed);
                let up = self.linear(&format!("{block}.mlp.up_proj"), &normed);
                let wide: Vec<f64> = gate.iter().zip(up).map(|(g, u)| g / (1.0 + (-g).exp()) * u).collect();
                let down = self.linear(&format!("{block}.mlp.down_proj"), &wide);
                x.iter_mut().zip(down).for_each(|(x, y)| *x += y);
            }
        }
        let last = self.norm("model.norm", xs.last().unwrap());
        let head = if self.tensors.contains_key("lm_head.weight") { "lm_head" } else { "model.embed_tokens" };
        self.linear(head, &last).into_iter().map(|x| x as f32).collect()
    }

    fn rotate(&self, head: &[f64], position: usize) -> Vec<f64> {
        let half = head.len() / 2;
        let theta = self.config["rope_theta"].as_f64().unwrap();
        let angle = |i: usize| position as f64 / theta.powf(i as f64 / half as f64);
        let low = (0..half).map(|i| head[i] * angle(i).cos() - head[half + i] * angle(i).sin());
        let high = (0..half).map(|i| head[half + i] * angle(i).cos() + head[i] * angle(i).sin());
        low.chain(high).collect()
    }
}

fn assert_agrees(checkpoint: &Checkpoint, dtype: Dtype, what: &str) {
    let dir = tempfile::tempdir().unwrap();
    checkpoint.save(dir.path(), dtype);
    let mut engine = Engine::open(dir.path(), &Device::flex(), ModelOptions::default()).unwrap();
    let contexts = [vec![3, 1, 4, 1, 5, 9, 2, 6], vec![3, 1, 4, 7], vec![29]];
    for (found, context) in logits(&mut engine, &contexts).iter().zip(&contexts) {
        let gap = gap(found, &checkpoint.logits(context));
        assert!(gap < 1e-5, "{what}: {gap}");
    }
}

#[test]
fn every_option_of_the_architecture_agrees_with_plain_float64() {
    let options = [
        json!({}),
        json!({ "attention_bias": true }),
        json!({ "mlp_bias": true }),
        json!({ "attention_bias": true, "mlp_bias": true, "tie_word_embeddings": true }),
        json!({ "num_key_value_heads": 1 }),
        json!({ "num_key_value_heads": 4, "head_dim": 6 }),
        json!({ "head_dim": null, "num_attention_heads": 4 }),
        json!({ "rope_theta": null, "rope_parameters": { "rope_type": "default", "rope_theta": 500.0 } }),
        json!({ "rope_theta": 1000.0, "rope_parameters": { "rope_type": "default", "rope_theta": 500.0 } }),
    ];
    for option in options {
        let mut changes = option.clone();
        // What a file leaves out has a value all the same; the plain decoder wants it spelled out.
        let spelled = |changes: &mut Value| {
            if changes.get("head_dim") == Some(&Value::Null) {
                changes["head_dim"] = json!(6);
            }
            if let Some(theta) = changes.pointer("/rope_parameters/rope_theta").cloned() {
                changes["rope_theta"] = theta;
            }
        };
        spelled(&mut changes);
        let mut checkpoint = Checkpoint::random(changes);
        let plain = checkpoint.config.clone();
        for (field, value) in option.as_object().unwrap() {
            checkpoint.config[field] = value.clone();
        }
        let dir = tempfile::tempdir().unwrap();
        checkpoint.save(dir.path(), Dtype::F32);
        DecoderConfig::from_dir(dir.path()).unwrap();
        let written = checkpoint.config.clone();
        checkpoint.config = plain;
        let reference: Vec<f32> = checkpoint.logits(&[3, 1, 4, 7]);
        checkpoint.config = written;
        let mut engine = Engine::open(dir.path(), &Device::flex(), ModelOptions::default()).unwrap();
        let found = logits(&mut engine, &[vec![3, 1, 4, 7]]);
        let gap = gap(&found[0], &reference);
        assert!(gap < 1e-5, "{option}: {gap}");
    }
}

#[test]
fn half_precision_files_load_to_the_numbers_that_they_hold() {
    for dtype in [Dtype::F32, Dtype::BF16, Dtype::F16] {
        let checkpoint = Checkpoint::random(json!({ "attention_bias": true })).rounded(dtype);
        assert_agrees(&checkpoint, dtype, &format!("{dtype:?}"));
    }
}

/// bf16 arithmetic keeps about two digits; what matters is that it runs and stays near.
#[test]
fn a_model_may_run_in_half_precision() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = Checkpoint::random(json!({}));
    checkpoint.save(dir.path(), Dtype::F32);
    for dtype in [burn::tensor::DType::BF16, burn::tensor::DType::F16] {
        let options = ModelOptions { dtype, ..ModelOptions::default() };
        let mut engine = Engine::open(dir.path(), &Device::flex(), options).unwrap();
        let found = logits(&mut engine, &[vec![3, 1, 4, 1, 5], vec![3, 1, 4, 7]]);
        let gap = gap(&found[1], &checkpoint.logits(&[3, 1, 4, 7]));
        assert!(gap < 0.05, "{dtype:?}: {gap}");
    }
}

/// As in transformers 5: the weights count, whatever the configuration says of them.
#[test]
fn a_tied_configuration_uses_the_head_that_is_stored() {
    let open = |checkpoint: &Checkpoint| {
        let dir = tempfile::tempdir().unwrap();
        checkpoint.save(dir.path(), Dtype::F32);
        Engine::open(dir.path(), &Device::flex(), ModelOptions::default())
    };
    let (embedding, head) = ("model.embed_tokens.weight", "lm_head.weight");
    let mut differs = Checkpoint::random(json!({}));
    differs.config["tie_word_embeddings"] = json!(true);
    let context = [vec![3, 1, 4, 7]];
    let mut engine = open(&differs).unwrap();
    assert!(gap(&logits(&mut engine, &context)[0], &differs.logits(&context[0])) < 1e-5);
    assert!(engine.decoder().head().is_some() && !engine.decoder().config().tie_word_embeddings);
    // Equal to the last bit: one matrix serves as both.
    let mut equal = Checkpoint::random(json!({ "tie_word_embeddings": true }));
    let tied = equal.logits(&context[0]);
    equal.tensors.insert(head.into(), equal.tensors[embedding].clone());
    let mut engine = open(&equal).unwrap();
    assert!(gap(&logits(&mut engine, &context)[0], &tied) < 1e-5);
    assert!(engine.decoder().head().is_none() && engine.decoder().config().tie_word_embeddings);
    // The head alone is stored and serves as both.
    equal.tensors.remove(embedding);
    assert!(gap(&logits(&mut open(&equal).unwrap(), &context)[0], &tied) < 1e-5);
    // A head of another shape is no head.
    differs.tensors.insert(head.into(), (vec![29, 24], vec![0.5; 29 * 24]));
    let error = open(&differs).unwrap_err().to_string();
    assert!(error.contains("lm_head.weight: expected shape [30, 24], found [29, 24]"), "{error}");
    equal.tensors.remove(head);
    let error = open(&equal).unwrap_err().to_string();
    assert!(error.contains("1 missing tensors: model.embed_tokens.weight"), "{error}");
}

/// A checkpoint that was saved from the model below its head has lost the prefix of all names.
#[test]
fn a_bare_model_is_read_as_the_one_that_it_is_of() {
    let open = |checkpoint: &Checkpoint| {
        let dir = tempfile::tempdir().unwrap();
        checkpoint.save(dir.path(), Dtype::F32);
        Engine::open(dir.path(), &Device::flex(), ModelOptions::default())
    };
    let bare = |mut checkpoint: Checkpoint| {
        let stripped = |name: String| name.strip_prefix("model.").map_or(name.clone(), str::to_owned);
        checkpoint.tensors = checkpoint.tensors.into_iter().map(|(name, tensor)| (stripped(name), tensor)).collect();
        checkpoint.config["architectures"] = json!(["LlamaModel"]);
        checkpoint
    };
    let context = [vec![3, 1, 4, 7]];
    let tied = Checkpoint::random(json!({ "tie_word_embeddings": true }));
    let expected = logits(&mut open(&tied).unwrap(), &context);
    let tied = bare(tied);
    assert_eq!(logits(&mut open(&tied).unwrap(), &context), expected);
    // An unembedding of its own is not in it, unless it is stored beside.
    let whole = Checkpoint::random(json!({}));
    let expected = logits(&mut open(&whole).unwrap(), &context);
    let mut untied = bare(whole);
    assert_eq!(logits(&mut open(&untied).unwrap(), &context), expected);
    untied.tensors.remove("lm_head.weight");
    let error = open(&untied).unwrap_err().to_string();
    assert!(error.contains("1 missing tensors: lm_head.weight"), "{error}");
}
