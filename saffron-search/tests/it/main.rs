//! Integration tests of the searcher and its strategies, over tables: no tensor anywhere.

mod searcher;
mod strategies;
mod traces;
mod worlds;
