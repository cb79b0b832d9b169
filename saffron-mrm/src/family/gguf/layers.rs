//! Windows of layers.

use super::Model;
use crate::config::{Layer, Layers, Pattern, Rotary};
use crate::error::LoadError;

pub(super) const WINDOW: &str = "attention.sliding_window";
pub(super) const PATTERN: &str = "attention.sliding_window_pattern";

impl Model<'_> {
    /// The width of the layers' windows, if they have some.
    pub(in crate::family) fn window(&self) -> Result<Option<usize>, LoadError> {
        Ok(self.keys.count(WINDOW)?.filter(|window| *window > 0))
    }

    /// Layers with the same positions and no windows. Refuses a file that has some.
    pub(in crate::family) fn unwindowed(&self) -> Result<Layers, LoadError> {
        self.keys.none(WINDOW)?;
        Ok(Layers::Alike(Layer { rotary: Some(self.rotary()?), window: None }))
    }

    /// Whether each layer slides: as the file says, else all but the last of `period`. None does
    /// without a window.
    pub(in crate::family) fn sliding(&self, window: Option<usize>, period: usize) -> Result<Vec<bool>, LoadError> {
        let pattern = self.keys.pattern(PATTERN)?.unwrap_or(Pattern::Period(period));
        let sliding: Vec<bool> = match pattern {
            Pattern::Each(each) if each.len() == self.layers => each,
            Pattern::Each(each) => {
                let expected = format!("one for each of {} layers", self.layers);
                return Err(self.keys.refuse(PATTERN, expected, each.len()));
            }
            Pattern::Period(0) => vec![true; self.layers],
            Pattern::Period(period) => (0..self.layers).map(|layer| layer % period < period - 1).collect(),
        };
        Ok(sliding.into_iter().map(|slides| slides && window.is_some()).collect())
    }

    /// Layers that slide or do not, each with its positions.
    pub(in crate::family) fn layers_of(
        &self,
        sliding: &[bool],
        window: Option<usize>,
        rotary: impl Fn(usize) -> Option<Rotary>,
    ) -> Layers {
        let layer =
            |(number, slides): (usize, &bool)| Layer { rotary: rotary(number), window: window.filter(|_| *slides) };
        Layers::of(sliding.iter().enumerate().map(layer).collect())
    }
}
