//! What a configuration leaves to the cards of its reward models.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use saffron_mrm::checkpoint::MrmCard;
use toml::{Table, Value};

/// Enters what the cards of multifurcation reward models ask for where a configuration says
/// nothing: preset and layout of the reward model. The preset of a reward model, named or of its
/// card, is that of the Saffron searches that it guides and that name none. Paths start from
/// `folder`. Returns whether anything was entered.
///
/// # Errors
///
/// A card that is there and cannot be read.
pub(super) fn enter_cards(config: &mut Table, folder: &Path) -> Result<bool> {
    let mut entered = false;
    let mut presets: BTreeMap<String, String> = BTreeMap::new();
    for reward in tables(config, "rewards") {
        let name = reward.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(model) = of_kind(reward, "model", "mrm") else { continue };
        let Some(adapter) = model.get("adapter").and_then(Value::as_str) else { continue };
        let card = MrmCard::read(&folder.join(adapter)).with_context(|| format!("the reward model {name}"))?;
        if let Some(preset) = card.preset {
            entered |= enter(model, "preset", preset.name());
        }
        if let Some(preset) = model.get("preset").and_then(Value::as_str) {
            presets.insert(name, preset.to_owned());
        }
        if let Some(layout) = &card.layout {
            entered |= enter(model, "layout", layout);
        }
    }
    for contender in tables(config, "strategies") {
        let reward = contender.get("reward").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(preset) = presets.get(&reward) else { continue };
        // Some strategies run another.
        let mut strategy = contender.get_mut("strategy");
        while let Some(found) = strategy.and_then(Value::as_table_mut) {
            if found.get("kind").and_then(Value::as_str) == Some("saffron") {
                entered |= enter(found, "preset", preset);
            }
            strategy = found.get_mut("search");
        }
    }
    Ok(entered)
}

fn tables<'a>(config: &'a mut Table, field: &str) -> impl Iterator<Item = &'a mut Table> {
    let list = config.get_mut(field).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_table_mut)
}

fn of_kind<'a>(table: &'a mut Table, field: &str, kind: &str) -> Option<&'a mut Table> {
    let inner = table.get_mut(field).and_then(Value::as_table_mut)?;
    (inner.get("kind").and_then(Value::as_str) == Some(kind)).then_some(inner)
}

fn enter(table: &mut Table, field: &str, value: &str) -> bool {
    let absent = !table.contains_key(field);
    if absent {
        table.insert(field.to_owned(), Value::from(value));
    }
    absent
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Table, enter_cards};

    #[test]
    fn a_card_fills_in_what_the_configuration_leaves_open_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("mrm")).unwrap();
        std::fs::write(folder.path().join("mrm/saffron.json"), r#"{"preset": "paper", "layout": "chatml"}"#).unwrap();
        let text = r#"
            rewards = [{ name = "a", model = { kind = "mrm", adapter = "mrm" } },
                       { name = "b", model = { kind = "mrm", adapter = "mrm", preset = "fluent", layout = "mrm" } }]
            strategies = [{ strategy = { kind = "saffron" }, reward = "a" },
                          { strategy = { kind = "saffron", preset = "reference" }, reward = "a" },
                          { strategy = { kind = "saffron", options = {} }, reward = "b" },
                          { strategy = { kind = "best-of-n" }, reward = "a" },
                          { strategy = { kind = "risk-stop", search = { kind = "saffron", options = {} } }, reward = "a" }]
        "#;
        let mut config: Table = toml::from_str(text).unwrap();
        assert!(enter_cards(&mut config, folder.path()).unwrap());
        let expected = text
            .replacen(r#"adapter = "mrm" }"#, r#"adapter = "mrm", preset = "paper", layout = "chatml" }"#, 1)
            .replacen(r#"{ kind = "saffron" }"#, r#"{ kind = "saffron", preset = "paper" }"#, 1)
            .replacen("options = {} }", r#"options = {}, preset = "fluent" }"#, 1)
            .replacen("options = {} }", r#"options = {}, preset = "paper" }"#, 1);
        assert_eq!(config, toml::from_str::<Table>(&expected).unwrap());
        assert!(!enter_cards(&mut config, folder.path()).unwrap());

        std::fs::write(folder.path().join("mrm/saffron.json"), r#"{"preset": "best"}"#).unwrap();
        let error = enter_cards(&mut config, folder.path()).unwrap_err();
        assert!(format!("{error:#}").contains("the reward model a: "), "{error:#}");
    }
}
