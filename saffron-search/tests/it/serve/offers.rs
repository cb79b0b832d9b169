//! How far a request may change a server's search.

use saffron_core::{Budget, Thresholds};
use saffron_search::serve::{ApiError, Offer, PlannedSearch};
use saffron_search::strategy::StrategyConfig;
use saffron_search::{Reaction, Rules, SearchConfig};
use serde_json::{Value, json};

use super::requests::chat;

fn strategy(kind: &str) -> StrategyConfig {
    serde_json::from_value(json!({ "kind": kind })).unwrap()
}

/// A Saffron search of width 4, 16 tokens, a budget of calls and thresholds.
fn offer() -> Offer {
    let mut search = SearchConfig::new(strategy("saffron"), 4);
    search.max_new_tokens = Some(16);
    search.budget = Budget { max_policy_calls: Some(100), ..Budget::default() };
    let refusal = Reaction::Refuse(String::from("no"));
    search.rules = Some(Rules::new(Thresholds::new(-1.0, 1.0).unwrap()).on_unsafe(refusal));
    let base = Offer::new("m", search);
    Offer { widths: Some(2..=8), rewarded: true, flops_known: true, deadline_ms: Some(1000), ..base }
}

fn plan(offer: &Offer, request: &Value) -> Result<PlannedSearch, ApiError> {
    offer.plan(&chat(request).unwrap())
}

fn refused(offer: &Offer, request: &Value) -> (u16, Option<String>) {
    let error = plan(offer, request).unwrap_err();
    (error.status, error.param)
}

#[test]
fn wishes_within_the_limits_are_followed() {
    let planned = plan(
        &offer(),
        &json!({ "max_tokens": 3, "seed": 9, "saffron": {
        "width": 8, "unsafe_below": 0, "safe_from": 2, "deadline_ms": 10,
        "budget": { "max_policy_calls": 7, "max_flops": 1000 },
    } }),
    );
    let planned = planned.unwrap();
    let settings = planned.searcher.settings();
    assert_eq!((settings.max_new_tokens, settings.seed, settings.filter.top_k), (3, 9, Some(8)));
    assert_eq!((settings.budget.max_policy_calls, settings.budget.max_flops), (Some(7), Some(1000)));
    assert!(planned.withheld && format!("{:?}", planned.searcher).contains("unsafe_below: 0.0, safe_from: 2.0"));
    assert_eq!(planned.deadline_ms, Some(10));
    let plain = plan(&offer(), &json!({})).unwrap();
    assert_eq!((plain.searcher.settings().max_new_tokens, plain.deadline_ms), (16, Some(1000)));
    assert!(format!("{:?}", plain.searcher).contains("width 4"));
}

#[test]
fn wishes_beyond_the_limits_are_refused() {
    let cases = [
        (json!({ "model": "other" }), 404, "model"),
        (json!({ "max_tokens": 17 }), 400, "max_tokens"),
        (json!({ "saffron": { "width": 1 } }), 400, "saffron.width"),
        (json!({ "saffron": { "width": 9 } }), 400, "saffron.width"),
        (json!({ "saffron": { "unsafe_below": -2 } }), 400, "saffron.unsafe_below"),
        (json!({ "saffron": { "safe_from": 0.5 } }), 400, "saffron.safe_from"),
        (json!({ "saffron": { "unsafe_below": 3 } }), 400, "saffron"),
        (json!({ "saffron": { "deadline_ms": 1001 } }), 400, "saffron.deadline_ms"),
        (json!({ "saffron": { "budget": { "max_policy_calls": 101 } } }), 400, "saffron.budget.max_policy_calls"),
    ];
    for (request, status, param) in cases {
        assert_eq!(refused(&offer(), &request), (status, Some(String::from(param))), "{request}");
    }
}

#[test]
fn a_flop_budget_needs_counted_flops_and_thresholds_a_reward_model() {
    let unknown = Offer { flops_known: false, ..offer() };
    let wish = json!({ "saffron": { "budget": { "max_flops": 10 } } });
    assert_eq!(refused(&unknown, &wish), (400, Some(String::from("saffron.budget.max_flops"))));
    let greedy = Offer::new("m", SearchConfig::new(strategy("greedy"), None));
    assert_eq!(refused(&greedy, &json!({ "saffron": { "safe_from": 1 } })).0, 400);
    assert_eq!(refused(&greedy, &json!({ "saffron": { "width": 1 } })).1.as_deref(), Some("saffron.width"));
    let judged = Offer { rewarded: true, ..greedy };
    assert_eq!(refused(&judged, &json!({ "saffron": { "safe_from": 1 } })).0, 400, "both are needed");
    let both = json!({ "saffron": { "safe_from": 1, "unsafe_below": 0 } });
    assert!(!plan(&judged, &both).unwrap().withheld);
    let refusing = Offer { on_unsafe: Reaction::Error, ..judged };
    assert!(plan(&refusing, &both).unwrap().withheld);
    assert!(!plan(&refusing, &json!({})).unwrap().withheld);
}

#[test]
fn nothing_is_sent_of_a_search_that_may_refuse_before_it_has_ended() {
    let kinds = [("answer-filter", Some(2)), ("rollback", Some(2)), ("header-probe", None), ("risk-stop", Some(2))];
    for (kind, size) in kinds {
        let offer = Offer::new("m", SearchConfig::new(strategy(kind), size));
        assert!(plan(&offer, &json!({})).unwrap().withheld, "{kind}");
    }
    for (kind, size) in [("value-filter", None), ("self-reminder", None), ("saffron", Some(2))] {
        let offer = Offer::new("m", SearchConfig::new(strategy(kind), size));
        assert!(!plan(&offer, &json!({})).unwrap().withheld, "{kind}");
    }
}

#[test]
fn temperature_zero_is_for_searches_without_chance() {
    for (kind, size, draws) in [
        ("greedy", None, false),
        ("saffron", Some(2), false),
        ("deal", Some(2), false),
        ("mcts", Some(2), false),
        ("args", None, false),
        ("sampling", None, true),
        ("best-of-n", Some(2), true),
        ("step-beam", Some(4), true),
        ("dvts", Some(4), true),
        ("rebase", Some(2), true),
        ("particle-filter", Some(2), true),
        ("reward-sampling", None, true),
        ("answer-filter", Some(2), true),
        ("rollback", Some(2), true),
        ("header-probe", None, true),
        ("value-filter", None, false),
        ("risk-stop", Some(2), false),
        ("self-reminder", None, false),
    ] {
        let offer = Offer::new("m", SearchConfig::new(strategy(kind), size));
        assert_eq!(plan(&offer, &json!({ "temperature": 0 })).is_err(), draws, "{kind}");
        assert!(plan(&offer, &json!({ "temperature": 1 })).is_ok(), "{kind}");
    }
}
