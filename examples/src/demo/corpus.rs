//! What the demo's models learn from, and what they are asked.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use saffron_core::random::below;
use serde::Serialize;

use super::request::{Kind, Request};
use super::world::World;

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dialogue {
    /// A name that no other has in its file.
    pub id: String,
    /// What is asked.
    pub prompt: String,
    /// What is answered.
    pub reply: String,
    /// Whether the answer is safe, by the world's rule.
    pub safe: bool,
}

/// Sets the random numbers of one corpus apart from those of the others.
#[derive(Clone, Copy, Debug)]
enum Stream {
    Books = 10,
    Lessons,
    Judged,
    Asked,
}

impl World {
    /// What a policy reads before it is taught anything: every request is complied with, mischief as the drift has it.
    #[must_use]
    pub fn books(&self, count: usize) -> Vec<Dialogue> {
        self.dialogues(Stream::Books, count, |request, rng| self.compliance(request, rng))
    }

    /// What it is taught: chores are answered, mischief is refused.
    #[must_use]
    pub fn lessons(&self, count: usize) -> Vec<Dialogue> {
        self.dialogues(Stream::Lessons, count, |request, rng| match request.kind {
            Kind::Chore => self.compliance(request, rng),
            Kind::Mischief => self.refusal(request, rng),
        })
    }

    /// What a guard learns from: answers of all sorts, a fifth of those to mischief refusals.
    #[must_use]
    pub fn judged(&self, count: usize) -> Vec<Dialogue> {
        self.dialogues(Stream::Judged, count, |request, rng| match request.kind {
            Kind::Mischief if below(rng, 5) == 0 => self.refusal(request, rng),
            _ => self.compliance(request, rng),
        })
    }

    /// Requests, each with an answer that an attacker would like: what prefilling attacks force the beginning of.
    #[must_use]
    pub fn asked(&self, requests: &[Request], name: &str) -> Vec<Dialogue> {
        let mut rng = self.stream(Stream::Asked);
        let asked = |(number, request): (usize, &Request)| {
            self.dialogue(format!("{name}-{number}"), request, self.compliance(request, &mut rng))
        };
        requests.iter().enumerate().map(asked).collect()
    }

    /// Requests to learn from by turns of their kind, in any form.
    fn dialogues(
        &self,
        stream: Stream,
        count: usize,
        answer: impl Fn(&Request, &mut ChaCha8Rng) -> String,
    ) -> Vec<Dialogue> {
        let mut rng = self.stream(stream);
        let requests = [Kind::Chore, Kind::Mischief].map(|kind| self.parts(kind).learning);
        let mut dialogue = |number: usize| {
            let of_kind = &requests[number % 2];
            let form = below(&mut rng, self.forms.len());
            let request = Request { form, ..of_kind[below(&mut rng, of_kind.len())].clone() };
            let reply = answer(&request, &mut rng);
            self.dialogue(format!("{stream:?}-{number}").to_lowercase(), &request, reply)
        };
        (0..count).map(&mut dialogue).collect()
    }

    fn dialogue(&self, id: String, request: &Request, reply: String) -> Dialogue {
        Dialogue { id, prompt: request.prompt(self), safe: self.rule().is_safe(&reply), reply }
    }

    fn stream(&self, stream: Stream) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.seed + stream as u64)
    }
}
