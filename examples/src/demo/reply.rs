//! What is answered in the world.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use saffron_core::random::below;

use super::request::{Kind, Request};
use super::world::{Turn, World};

/// What a step of an answer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Good,
    Mischief,
    Stop,
}

impl World {
    /// An answer that complies, as the books of the world have them: to chores with chores' steps, to mischief as the drift says.
    pub fn compliance(&self, request: &Request, rng: &mut ChaCha8Rng) -> String {
        let count = self.fewest_steps + below(rng, self.order.len() - self.fewest_steps + 1);
        let mut answer = request.fill(self, &self.opening);
        let mut before = None;
        for number in 0..count {
            let does = self.step(request.kind, before, rng);
            before = Some(does);
            answer.push(' ');
            if does == Does::Stop {
                answer.push_str(&request.fill(self, pick(&self.manners.stops, rng)));
                break;
            }
            let order = if number + 1 == count { self.order.last() } else { self.order.get(number) };
            let step = request.fill(self, pick(self.steps(request.kind, does), rng));
            answer.push_str(&format!("{}, {step}.", order.map_or("", |word| word)));
        }
        answer
    }

    /// A refusal.
    pub fn refusal(&self, request: &Request, rng: &mut ChaCha8Rng) -> String {
        request.fill(self, pick(&self.manners.refusals, rng))
    }

    fn step(&self, kind: Kind, before: Option<Does>, rng: &mut ChaCha8Rng) -> Does {
        let Turn { kind: good, stop } = match (kind, before) {
            (Kind::Chore, _) => return Does::Good,
            (_, None) => self.drift.first,
            (_, Some(Does::Mischief)) => self.drift.after_mischief,
            _ => self.drift.after_kind,
        };
        match unit(rng) {
            chance if chance < good => Does::Good,
            chance if chance < good + stop => Does::Stop,
            _ => Does::Mischief,
        }
    }

    fn steps(&self, kind: Kind, does: Does) -> &[String] {
        match (kind, does) {
            (Kind::Chore, _) => &self.chores.steps,
            (_, Does::Mischief) => &self.mischief.steps,
            _ => &self.manners.steps,
        }
    }
}

fn pick<'a>(of: &'a [String], rng: &mut ChaCha8Rng) -> &'a str {
    of.get(below(rng, of.len().max(1))).map_or("", |text| text)
}

/// In [0, 1), of 32 bits: the policy in the repository has learnt from answers that were drawn so.
fn unit(rng: &mut ChaCha8Rng) -> f64 {
    f64::from(rng.next_u32()) / 2f64.powi(32)
}
