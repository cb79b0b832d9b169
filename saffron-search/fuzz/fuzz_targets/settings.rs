//! Bytes as settings that name their kind: refused, or settings that are written as they were read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use saffron_search::eval::attack::Attack;
use saffron_search::eval::models::{JudgeSettings, RewardSettings};
use saffron_search::strategy::StrategyConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;

fn again<T: DeserializeOwned + Serialize>(bytes: &[u8]) {
    match serde_json::from_slice::<T>(bytes) {
        Ok(settings) => {
            let written = serde_json::to_value(&settings).expect("settings that were read");
            let read: T = serde_json::from_value(written.clone()).expect("settings that were written");
            assert_eq!(serde_json::to_value(&read).expect("the same settings"), written);
        }
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains("tagged enum"), "{text}");
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    again::<StrategyConfig>(bytes);
    again::<Attack>(bytes);
    again::<JudgeSettings>(bytes);
    again::<RewardSettings>(bytes);
});
