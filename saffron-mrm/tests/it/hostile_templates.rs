//! Chat templates that nest, double, repeat or widen without bound: refused while they are parsed,
//! or while they render, in little time, memory and stack.

use std::time::{Duration, Instant};

use saffron_mrm::text::{ChatTemplate, Message, TemplateError};
use serde_json::json;

fn say() -> [Message; 1] {
    [Message::user("x")]
}

/// The error of a template that can be parsed.
fn refused(source: &str) -> String {
    let begin = Instant::now();
    let error = ChatTemplate::new(source).unwrap().render(&say()).unwrap_err();
    assert!(matches!(error, TemplateError::Refused(_) | TemplateError::TooLong { .. }), "{source:.200}: {error}");
    assert!(begin.elapsed() < Duration::from_secs(10), "{source:.200}: {:?}", begin.elapsed());
    error.to_string()
}

fn rendered(source: &str) -> String {
    ChatTemplate::new(source).unwrap().render(&say()).unwrap()
}

#[test]
fn what_is_nested_too_deep_is_not_parsed() {
    let of = |begin: &str, part: &str, end: &str| format!("{begin}{}{end}", part.repeat(22_000 / part.len()));
    for source in [
        of("{{ ", "-", "1 }}"),
        of("{{ ", "not ", "1 }}"),
        of("{{ messages", ".a", " }}"),
        of("{{ 1", "~1", " }}"),
        of("{{ 1", "**1", " }}"),
        of("{{ 1", " if 1 else 1", " }}"),
        of("{{ 1", " is odd", " }}"),
        of("{{ 1", "|abs", " }}"),
        of("{{ ", "(", " }}"),
        of("{{ ", "[", " }}"),
        of("{{ ", "{1:", " }}"),
        of("{{ a", "(b", " }}"),
        of("{% set ", "(", " %}"),
        of("{% set a = ", "-", "1 %}"),
        of("{% for ", "(", " %}"),
        of("{% if a %}", "{% elif a %}", "{% endif %}"),
        of("", "{% if a %}", ""),
        of("", "{% for a in b %}", ""),
        of("{% filter trim", "|trim", " %}{% endfilter %}"),
    ] {
        let error = ChatTemplate::new(source.clone()).map(drop).unwrap_err();
        assert!(matches!(error, TemplateError::Syntax(_)), "{source:.40}: {error}");
    }
}

#[test]
fn templates_as_they_are_in_use_are_parsed() {
    let long = format!("{{{{ 'a' {} }}}}", "+ 'b' ".repeat(100));
    assert_eq!(rendered(&long), format!("a{}", "b".repeat(100)));
    let branches = "{% if messages|length == 7 %}{% elif messages[0].role == 'tool' %}";
    let source = format!("{branches}{}a{{% endif %}}", "{% elif messages[0].content == 'x' %}".repeat(30));
    assert_eq!(rendered(&source), "", "the first that holds is empty");
    let tools = format!("{{% set t = [{}] %}}{{{{ t|length }}}}", "{'name': 'f', 'of': ['a', 'b']}, ".repeat(100));
    assert_eq!(rendered(&tools), "100");
    assert_eq!(rendered("{{ '-' * 10 }}{{ ('=' * 3) ~ 2 * 3 }}"), "----------===6");
}

#[test]
fn values_that_hold_themselves_are_not_made() {
    for source in [
        "{% set ns = namespace(x=1) %}{% set ns.x = [ns] %}{{ ns.x | pprint }}",
        "{% set ns = namespace(x=1) %}{% set ns.x = ns %}{{ ns|string }}",
        "{% set ns = namespace(x=1) %}{% set a = {'b': [ns]} %}{% set ns.x = a %}{{ ns.x ~ '' }}",
        "{% set a = namespace() %}{% set b = namespace(a=a) %}{% set a.b = b %}{{ a == b }}",
    ] {
        assert!(refused(source).contains("a namespace in a namespace"), "{source}");
    }
}

#[test]
fn lists_that_double_are_not_kept() {
    for (begin, step) in [("[1]", "[ns.x, ns.x]"), ("[1]", "ns.x + ns.x"), ("'ab'", "ns.x ~ ns.x"), ("[1]", "[ns.x]")] {
        for end in ["{{ ns.x|string }}", "{{ ns.x|pprint }}", "{{ ns.x ~ '' }}", "{{ ns.x == 1 }}", "{{ {ns.x: 1} }}"] {
            refused(&format!(
                "{{% set ns = namespace(x={begin}) %}}{{% for i in range(60) %}}{{% set ns.x = {step} %}}{{% endfor %}}{end}"
            ));
        }
    }
    let straight = format!("{{% set x = [1] %}}{}{{{{ x|string|length }}}}", "{% set x = [x, x] %}".repeat(40));
    refused(&straight);
    let deep = format!("{{% set x = [1] %}}{}{{{{ x|string|length }}}}", "{%set x=[x]%}".repeat(15_000));
    refused(&deep);
    let loops = format!("{}{}{}", "{% for a in [[a, a]] %}".repeat(60), "{{ a|string }}", "{% endfor %}".repeat(60));
    refused(&loops);
    refused(
        "{% macro f(x, n) %}{% if n %}{{ f([x, x], n - 1) }}{% else %}{{ x|string|length }}{% endif %}{% endmacro %}{{ f([1], 60) }}",
    );
    let withs = format!("{}{}{}", "{% with a = [a, a] %}".repeat(60), "{{ a|string }}", "{% endwith %}".repeat(60));
    refused(&withs);
}

#[test]
fn what_is_computed_item_by_item_does_not_nest() {
    let steps = "{% for i in range(5000) %}{% set ns.x = ns.x[0:] %}{% endfor %}";
    assert_eq!(rendered(&format!("{{% set ns = namespace(x=[1, 2][0:]) %}}{steps}{{{{ ns.x|length }}}}")), "2");
    let source = "{% set ns = namespace(x=messages[0:]) %}{% set d = {'a': messages[0:]} %}{{ ns.x[0].content ~ d.a[0].content }}";
    assert_eq!(rendered(source), "xx");
}

#[test]
fn widths_are_paid_for() {
    for source in [
        "{{ '{:>10000000000}'.format('a') }}",
        "{% set x = '{:>10000000000}'.format('a') %}{{ x|length }}",
        "{{ '{:.9999999999f}'.format(1.5) }}",
        "{{ '%10000000000d'|format(1) }}",
        "{{ '%.10000000000f'|format(1.5) }}",
        "{{ 'a\nb'|indent(10000000000) }}",
        "{{ 'x' * 10000000000 }}",
        "{{ (messages|string) ~ ('{0}' * 100000).format('y' * 100000) }}",
        "{{ 'a'.replace('a', 'b' * 1000000).replace('b', 'c' * 1000000) }}",
        "{{ ('a' * 1000000).join(range(100000)) }}",
        "{{ strftime_now('%100Y' * 100000) }}",
    ] {
        refused(source);
    }
    assert_eq!(rendered("{{ '{:>5}|{:<3}|{a:.1f}'.format('a', 7, a=1.25) }}"), "    a|7  |1.2");
}

#[test]
fn lists_are_not_repeated_without_bound() {
    for source in [
        "{{ ([1] * 1000000000) ~ '' }}",
        "{% set n = 9 %}{{ ([1] * n)|string }}",
        "{% for a in b recursive %}{{ loop([a, a]) }}{% endfor %}",
    ] {
        assert!(matches!(ChatTemplate::new(source), Err(TemplateError::Syntax(_))), "{source}");
    }
    assert_eq!(rendered("{{ ([1, 2] * 3)|length }}"), "6");
}

#[test]
fn values_grow_with_the_conversation() {
    let turns: Vec<Message> = (0..4000).map(|turn| Message::user(format!("{turn} {}", "word ".repeat(20)))).collect();
    let source = "{% set ns = namespace(all=[], text='') %}{% set rest = messages[1:] %}{% for m in rest %}\
                  {% set ns.text = m.content %}{% endfor %}{{ ns.text }}{{ rest|length }}";
    let text = ChatTemplate::new(source).unwrap().render(&turns).unwrap();
    assert!(text.starts_with("3999 word") && text.ends_with("3999"), "{text:.40}");
    let tools: Vec<serde_json::Value> =
        (0..3000).map(|tool| json!({ "name": tool, "of": ["a", "b", { "c": 1 }] })).collect();
    let template = ChatTemplate::new("{% set t = tools %}{{ t|length }}").unwrap().with_option("tools", tools);
    assert_eq!(template.render(&say()).unwrap(), "3000");
}

#[test]
fn an_error_is_short() {
    let error = refused("{{ raise_exception('y' * 1000000) }}");
    assert!(error.len() < 3000, "{}", error.len());
}
