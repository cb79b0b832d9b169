//! The adapter that a recipe trains.

use saffron_core::ModelName;
use saffron_mrm::DecoderConfig;
use saffron_train::recipe::{AdapterRecipe, base_name};
use serde_json::json;

use super::{recipe, told};

fn refusal(adapter: &AdapterRecipe) -> String {
    let model = DecoderConfig::from_dir(&crate::dir("tiny-b/guard")).unwrap();
    told(&adapter.check(&model).unwrap_err())
}

#[test]
fn an_adapter_that_cannot_be_is_refused_before_weights_are_loaded() {
    let from = crate::dir("tiny-b/mrm");
    assert!(!recipe::<AdapterRecipe>(json!({ "from": from })).is_contradictory());
    let both = recipe(json!({ "from": from, "rank": 4 }));
    assert_eq!(refusal(&both), "adapter.from: rank, alpha, targets and seed are those of the adapter that it names");
    let unknown = refusal(&recipe(json!({ "targets": ["q_proj", "query"] })));
    assert!(unknown.starts_with("adapter: ") && unknown.contains("query"), "{unknown}");
    let other = crate::dir("tiny-a/mrm");
    let other = refusal(&recipe(json!({ "from": other })));
    assert!(other.contains("tiny-a/mrm: ") && other.contains("expected shape"), "{other}");
}

#[test]
fn a_network_begins_as_the_recipe_says_and_names_its_base() {
    let (base, dir) = (crate::base("tiny-b"), crate::dir("tiny-b/guard"));
    let name = ModelName::from_path(&dir).unwrap();
    let adapter: AdapterRecipe = recipe(json!({ "rank": 3, "alpha": 6.0, "seed": 5 }));
    let network = adapter.network(&base, &name).unwrap();
    let config = network.config().unwrap();
    assert_eq!((config.r, config.lora_alpha), (3, 6.0));
    assert_eq!(config.base_model_name_or_path.as_deref(), Some(base_name(&name).unwrap().as_str()));
    assert!(std::path::Path::new(&base_name(&name).unwrap()).is_absolute());
    let named = AdapterRecipe { base_name: Some(String::from("mine")), ..adapter };
    let network = named.network(&base, &name).unwrap();
    assert_eq!(network.config().unwrap().base_model_name_or_path.as_deref(), Some("mine"));
    assert_eq!(base_name(&"org/model".parse().unwrap()).unwrap(), "org/model");
}
