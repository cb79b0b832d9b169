//! What a run goes through, epoch by epoch.

/// Samples by their place. A corpus may give another sample of the same place for every epoch, as
/// long as it depends on place and epoch alone.
pub trait Corpus<S> {
    /// Number of places.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// About how many tokens a sample has, for putting samples of like length together.
    fn tokens(&self, place: usize) -> usize;

    /// The sample of a place in an epoch, counted from 0.
    fn sample(&self, place: usize, epoch: u64) -> S;
}
