//! The tree as one page that needs nothing else: no network, and no script to be read.

mod data;
mod facts;
mod nodes;

use super::SearchTreeView;
use super::shape::place;
use super::text::escape;

/// The page with names in double braces where its parts go.
const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// A page that shows the search: its facts, the tree token by token from left to right with the answer in the first row, and, of the node
/// that is chosen, why it ended and what was passed over. Equal views have equal pages.
#[must_use]
pub fn html(view: &SearchTreeView) -> String {
    let placed = place(view);
    let scale = nodes::Scale::of(view);
    let title = view.start().map_or(String::from("Search tree"), |start| format!("Search tree: {}", start.strategy));
    fill(PAGE, |name| match name {
        "title" => escape(&title),
        "style" => STYLE.to_owned(),
        "script" => SCRIPT.to_owned(),
        "facts" => facts::facts(view),
        "legend" => nodes::legend(&scale),
        "nodes" => nodes::nodes(view, &placed, &scale),
        "data" => data::data(view, &placed),
        _ => String::new(),
    })
}

/// The template with its names replaced. What is put in is not looked at again.
fn fill(template: &str, part: impl Fn(&str) -> String) -> String {
    let mut pieces = template.split("{{");
    let mut page = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once("}}") {
            Some((name, rest)) => {
                page.push_str(&part(name));
                page.push_str(rest);
            }
            None => page.push_str(piece),
        }
    }
    page
}
