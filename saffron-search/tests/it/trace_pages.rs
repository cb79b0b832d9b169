//! The tree as Graphviz and as a page. The page's script is tried in a browser by `scripts/check_tree_page.sh`.

use std::collections::BTreeSet;
use std::path::Path;

use saffron_search::trace::tree::{SearchTreeView, dot, html};
use saffron_search::{Greedy, Saffron, Searcher};
use serde_json::Value;

use crate::trace_tree::view;
use crate::words::{Steady, WORDS, Words, word};

fn tree(searcher: &Searcher) -> SearchTreeView {
    view(searcher, &Words.session(), &mut Words, &mut Steady).0.labelled(word)
}

fn wide(width: usize, depth: usize) -> SearchTreeView {
    tree(&Searcher::new(Saffron::paper(width)).min_new_tokens(4).max_new_tokens(depth))
}

/// The JSON within the page.
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once(r#"<script type="application/json" id="data">"#).unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// The start tags of the page's body before its scripts: names and attributes as they stand.
fn tags(page: &str) -> Vec<&str> {
    let body = page.split_once("<body>").unwrap().1.split_once("<script").unwrap().0;
    body.split('<').skip(1).filter(|tag| !tag.starts_with('/')).map(|tag| tag.split_once('>').unwrap().0).collect()
}

#[test]
fn a_page_has_one_element_a_node_and_knows_them_all() {
    let view = wide(4, 12);
    let page = html(&view);
    let data = data(&page);
    let ids = |values: &Value| values.as_array().unwrap().iter().map(|node| node["id"].as_u64().unwrap()).collect();
    let known: BTreeSet<u64> = ids(&data["nodes"]);
    let expected: BTreeSet<u64> = view.nodes().map(|(id, _)| id.index() as u64).collect();
    assert_eq!(known, expected);
    let items = tags(&page).into_iter().filter(|tag| tag.contains(r#"role="treeitem""#)).count();
    assert_eq!(items, expected.len());
    let answer = data["nodes"].as_array().unwrap().iter().filter(|node| node["fate"] == "answer").count();
    assert_eq!(answer, view.answer_path().len());
    let pruned = data["nodes"].as_array().unwrap().iter().filter_map(|node| node["why"].as_str());
    assert!(pruned.filter(|why| why.contains("below the beam's cut")).count() > 3);
}

#[test]
fn nodes_of_a_page_have_places_of_their_own_and_the_answer_the_first_row() {
    let view = wide(5, 12);
    let page = html(&view);
    let items: Vec<&str> = tags(&page).into_iter().filter(|tag| tag.contains("treeitem")).collect();
    let place = |tag: &str| tag.split_once("grid-area:").unwrap().1.split_once('"').unwrap().0.to_owned();
    let places: BTreeSet<String> = items.iter().map(|tag| place(tag)).collect();
    assert_eq!(places.len(), items.len());
    let answer: Vec<String> = items.iter().filter(|tag| tag.contains("class=\"answer")).map(|tag| place(tag)).collect();
    let first_row: Vec<String> = (1..=view.answer_path().len()).map(|column| format!("1/{column}")).collect();
    assert_eq!(answer, first_row);
}

#[test]
fn no_line_from_parent_to_child_meets_another_parents_child() {
    let page = html(&wide(16, 32));
    let place = |tag: &&str| -> (usize, usize) {
        let area = tag.split_once("grid-area:").unwrap().1.split_once('"').unwrap().0;
        let (row, column) = area.split_once('/').unwrap();
        (row.parse().unwrap(), column.parse().unwrap())
    };
    let places: Vec<(usize, usize)> = tags(&page).iter().filter(|tag| tag.contains("treeitem")).map(place).collect();
    let data = data(&page);
    let nodes = data["nodes"].as_array().unwrap();
    let row_of = |id: &Value| places[nodes.iter().position(|node| node["id"] == *id).unwrap()].0;
    let mut lines = 0;
    for (node, (row, column)) in nodes.iter().zip(&places).skip(1) {
        let between = row_of(&node["parent"])..*row;
        lines += usize::from(!between.is_empty());
        let met = nodes.iter().zip(&places).filter(|(_, place)| place.1 == *column && between.contains(&place.0));
        assert!(met.into_iter().all(|(other, _)| other["parent"] == node["parent"]), "{}", node["id"]);
    }
    assert!(lines > 50);
}

#[test]
fn a_hostile_token_stays_text() {
    let view = wide(6, 12);
    let page = html(&view.clone().labelled(|_| WORDS[18].to_owned()));
    let harmless = html(&view.labelled(|_| String::from("word")));
    let names = |page: &str| -> Vec<String> {
        tags(page).iter().map(|tag| tag.split_whitespace().next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&page), names(&harmless), "no element more, whatever tokens say");
    assert!(!page.contains("<img") && !page.contains("</script><"));
    assert_eq!(page.matches("</script>").count(), harmless.matches("</script>").count());
    let texts = data(&page);
    assert!(texts["nodes"].as_array().unwrap().iter().skip(1).all(|node| node["running"] == WORDS[18]));
}

#[test]
fn texts_that_mean_something_to_templates_scripts_and_writing_are_shown_for_what_they_are() {
    let view = wide(2, 3);
    let shown = |text: &str| {
        let page = html(&view.clone().labelled(|_| text.to_owned()));
        assert!(!page.contains('\u{2028}') && !page.contains('\u{202e}'));
        data(&page)["nodes"][1]["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(shown("{{data}}"), "{{data}}");
    assert_eq!(shown("\u{2028}\u{202e}\0"), r"\u{2028}\u{202e}\u{0}");
    assert_eq!(shown("  a b "), "␣␣a b␣");
    assert_eq!(shown("\n\t"), "⏎⇥");
    assert_eq!(shown(" "), "␣");
    assert_eq!(shown(""), "⟨empty⟩");
}

#[test]
fn a_page_asks_the_network_for_nothing() {
    let page = html(&wide(4, 8).labelled(|_| String::from("word")));
    for way in ["http:", "https:", "src=", "href=", "@import", "url(", "fetch(", "XMLHttpRequest", "<link"] {
        assert!(!page.contains(way), "{way}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn equal_views_have_equal_pages() {
    assert_eq!(html(&wide(4, 8)), html(&wide(4, 8)));
    assert_eq!(dot(&wide(4, 8)), dot(&wide(4, 8)));
}

#[test]
fn a_view_of_nothing_has_a_page_and_a_graph() {
    let view = SearchTreeView::default();
    assert_eq!(data(&html(&view))["nodes"].as_array().unwrap().len(), 1);
    assert!(dot(&view).contains("n0 [label=\"prompt"));
}

#[test]
fn a_tree_as_deep_as_a_long_answer_has_a_page_and_a_graph() {
    let view = tree(&Searcher::new(Greedy).min_new_tokens(3000).max_new_tokens(3000));
    let page = html(&view);
    assert_eq!(data(&page)["nodes"].as_array().unwrap().len(), 3001);
    assert_eq!(dot(&view).matches(" -> ").count(), 3000);
    assert!(page.len() < 4_000_000, "{} bytes", page.len());
}

/// The statements of a graph, read with DOT's rules for quoted strings.
fn statements(graph: &str) -> Vec<&str> {
    let body = graph.strip_prefix("digraph search {\n").unwrap().strip_suffix("}\n").unwrap();
    let (mut statements, mut from, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in body.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            ';' if !quoted => {
                statements.push(body[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    assert!(!quoted && body[from..].trim().is_empty(), "all strings and statements are closed");
    statements
}

#[test]
fn a_graph_has_every_node_and_edge_and_marks_the_answer_and_what_was_given_up() {
    let view = wide(5, 10);
    let graph = dot(&view);
    let statements = statements(&graph);
    let edges: BTreeSet<&str> = statements.iter().filter(|line| line.contains(" -> ")).copied().collect();
    assert_eq!(edges.len(), view.nodes().count() - 1);
    let nodes = statements.iter().filter(|line| line.starts_with('n') && line.contains("[label=")).count();
    assert_eq!(nodes, view.nodes().count());
    for pair in view.answer_path().windows(2) {
        let edge = format!("n{} -> n{} [color=\"#1f5fbf\", penwidth=3]", pair[0], pair[1]);
        assert!(edges.contains(&edge[..]), "{edge}");
    }
    let (pruned, _) = view.nodes().find(|(_, node)| node.given_up()).unwrap();
    let line = statements.iter().find(|line| line.starts_with(&format!("n{pruned} ["))).unwrap();
    assert!(line.contains("color=\"gray60\"") && line.contains("tooltip=\"pruned: best of"), "{line}");
}

#[test]
fn texts_that_mean_something_to_graphviz_are_escaped() {
    let view = wide(2, 2).labelled(|_| String::from("\"];\\N\\\n&lt;"));
    let graph = dot(&view);
    let label = statements(&graph).into_iter().find(|line| line.starts_with("n1 [")).unwrap();
    assert!(label.starts_with(r#"n1 [label="\"];\\N\\⏎&amp;lt;\n"#), "{label}");
}

#[test]
fn the_tree_page_is_written_for_the_browser_check() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let pages = [("search_tree.html", wide(16, 32)), ("search_tree_narrow.html", wide(4, 12))];
    for (name, view) in pages {
        let page = html(&view);
        std::fs::write(folder.join(name), &page).unwrap();
        std::fs::write(folder.join(name).with_extension("dot"), dot(&view)).unwrap();
        assert!(page.contains(&format!("{} nodes", view.nodes().count())));
    }
}
