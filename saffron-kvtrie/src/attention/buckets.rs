//! Which sizes tensors may have. Backends that compile or tune a kernel for a shape do so again for
//! every new one, and a search has a new one at every step.

use std::borrow::Cow;

/// Sizes up to here are rounded to powers of two, larger ones to multiples of it.
const STEP: usize = 64;

/// How sizes of a forward pass are rounded up. Padding is masked or dropped, so that results do not
/// depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Buckets {
    /// Not at all: best where a shape costs nothing.
    #[default]
    Exact,
    /// To powers of two up to 64, then to multiples of 64: few shapes, at most twice the
    /// arithmetic.
    Powers,
}

impl Buckets {
    /// The size that stands for `size`; zero stays zero.
    #[must_use]
    pub fn round(self, size: usize) -> usize {
        match self {
            Self::Powers if size > STEP => size.next_multiple_of(STEP),
            Self::Powers if size > 0 => size.next_power_of_two(),
            _ => size,
        }
    }
}

/// The values with zeros behind them up to `len`.
pub(super) fn padded(values: &[u32], len: usize) -> Cow<'_, [u32]> {
    if values.len() >= len {
        return Cow::Borrowed(values);
    }
    let mut padded = values.to_vec();
    padded.resize(len, 0);
    Cow::Owned(padded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_round_to_few_others_and_never_down() {
        let rounded: Vec<usize> =
            [0, 1, 2, 3, 5, 33, 64, 65, 128, 129].map(|size| Buckets::Powers.round(size)).to_vec();
        assert_eq!(rounded, [0, 1, 2, 4, 8, 64, 64, 128, 128, 192]);
        assert!((0..300).all(|size| Buckets::Exact.round(size) == size && Buckets::Powers.round(size) >= size));
    }
}
