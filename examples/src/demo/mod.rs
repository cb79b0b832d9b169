//! The embedded demo: a small English world with a law of its own, and models that were made in it by a recipe.
//!
//! [`World`] reads `demo/world.toml`: who asks what, what is answered, how often. Its [rule](World::rule) judges answers by their words. From the world's
//! seed come the prompts in `demo/prompts`, the tokenizer, and everything that the models learn from.

mod contrast;
mod corpus;
mod files;
mod lines;
mod policy;
mod reply;
mod request;
mod split;
mod tokenizer;
pub mod trial;
mod world;

pub use contrast::Contrast;
pub use corpus::Dialogue;
pub use lines::{Line, table};
pub use policy::{PolicyRecipe, PolicyTraining, Sizes, Stage};
pub use request::{Kind, Request};
pub use split::Parts;
pub use tokenizer::SPECIAL;
pub use world::{Counts, Drift, Manners, Split, Tasks, Turn, World};
