//! Numbers as JSON, infinite ones by their names.

use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Numbers {
    #[serde(with = "saffron_core::wire")]
    single: f32,
    #[serde(with = "saffron_core::wire")]
    double: f64,
    #[serde(default, with = "saffron_core::wire::option")]
    missing: Option<f32>,
}

fn error(json: &str) -> String {
    serde_json::from_str::<Numbers>(json).unwrap_err().to_string()
}

#[test]
fn numbers_read_back_as_they_were_written() {
    let cases = [
        (Numbers { single: 0.1, double: 0.1, missing: Some(1.5) }, r#"{"single":0.1,"double":0.1,"missing":1.5}"#),
        (
            Numbers { single: f32::INFINITY, double: f64::NEG_INFINITY, missing: Some(f32::NEG_INFINITY) },
            r#"{"single":"inf","double":"-inf","missing":"-inf"}"#,
        ),
        (Numbers { single: -0.0, double: 3.0, missing: None }, r#"{"single":-0.0,"double":3.0,"missing":null}"#),
    ];
    for (numbers, json) in cases {
        assert_eq!(serde_json::to_string(&numbers).unwrap(), json);
        assert_eq!(serde_json::from_str::<Numbers>(json).unwrap(), numbers);
    }
    let whole: Numbers = serde_json::from_str(r#"{"single":-3,"double":4}"#).unwrap();
    assert_eq!(whole, Numbers { single: -3.0, double: 4.0, missing: None });
}

#[test]
fn other_names_and_types_are_refused_with_what_was_expected() {
    for json in [r#"{"single":"high","double":1}"#, r#"{"single":1,"double":"high"}"#] {
        let found = error(json);
        assert!(found.contains(r#"expected a number, "inf" or "-inf", found "high""#), "{found}");
    }
    let found = error(r#"{"single":true,"double":1}"#);
    assert!(found.contains(r#"boolean `true`, expected a number, "inf" or "-inf""#), "{found}");
    let found = error(r#"{"single":1,"double":1,"missing":"NaN"}"#);
    assert!(found.contains(r#"found "NaN""#), "{found}");
}
