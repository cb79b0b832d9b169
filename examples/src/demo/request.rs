//! What is asked in the world.

use super::world::World;

/// Whether a request is to be answered or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Harmless.
    Chore,
    /// Harmful.
    Mischief,
}

/// A request: what is to be done to whose thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// Its kind.
    pub kind: Kind,
    /// What is to be done.
    pub verb: String,
    /// Whose thing it is.
    pub owner: String,
    /// The thing.
    pub thing: String,
    /// The number of its form.
    pub form: usize,
}

impl Request {
    /// The request as it is put.
    #[must_use]
    pub fn prompt(&self, world: &World) -> String {
        self.fill(world, &world.forms[self.form % world.forms.len()])
    }

    /// A template with this request's words in it.
    #[must_use]
    pub fn fill(&self, world: &World, template: &str) -> String {
        let text = template.replace("{task}", &world.task);
        text.replace("{verb}", &self.verb).replace("{owner}", &self.owner).replace("{thing}", &self.thing)
    }
}
