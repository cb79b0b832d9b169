//! Which items of a file are wanted.

use super::{Dataset, Item, Pair, Pairs, Share};

/// Which items of a file are wanted: those of the `groups`, of these those of the `share`, of these
/// a `sample`, of these the first (`take`), and of these not the first (`skip`).
///
/// Without a `sample`, reading ends with the last item that is wanted: what comes behind it in the
/// file is not looked at. A row that is left out costs time, but no memory.
///
/// ```
/// use saffron_search::eval::data::{Choice, Format, read_chosen};
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("asked.jsonl");
/// std::fs::write(&path, "{\"prompt\": \"How?\"}\n{\"prompt\": \"Why?\"}\nno JSON\n")?;
/// let choice = Choice { take: Some(2), skip: 1, ..Choice::default() };
/// let data = read_chosen(&path, &Format::Prompts, &choice)?;
/// assert_eq!(data.items[0].prompt, "Why?");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Names of groups, see [`Dataset::of_groups`]; all where there are none.
    pub groups: Option<Vec<String>>,
    /// A part of the prompts, see [`Dataset::share`].
    pub share: Option<Share>,
    /// How many are drawn by which seed, see [`Dataset::sample`]. The whole file is read.
    pub sample: Option<(usize, u64)>,
    /// How many, see [`Dataset::take`].
    pub take: Option<usize>,
    /// How many are left out of those, see [`Dataset::skip`].
    pub skip: usize,
}

impl Choice {
    /// Whether an item may be wanted.
    pub(super) fn keeps(&self, item: &Item) -> bool {
        self.groups.as_ref().is_none_or(|names| item.is_of_groups(names))
            && self.share.is_none_or(|share| share.has(&item.prompt))
    }

    /// Whether a pair may be wanted.
    pub(super) fn keeps_pair(&self, pair: &Pair) -> bool {
        self.groups.is_none() && self.share.is_none_or(|share| share.has(&pair.prompt()))
    }

    /// Whether no more items are wanted than these.
    pub(super) fn has_enough(&self, items: usize) -> bool {
        self.sample.is_none() && self.take.is_some_and(|wanted| items >= wanted)
    }

    /// What is left of items that may be wanted.
    pub(super) fn of(&self, data: Dataset) -> Dataset {
        let data = match self.sample {
            Some((count, seed)) => data.sample(count, seed),
            None => data,
        };
        data.take(self.take.unwrap_or(usize::MAX)).skip(self.skip)
    }

    /// What is left of pairs that may be wanted. They are drawn as items are.
    pub(super) fn of_pairs(&self, data: Pairs) -> Pairs {
        let Pairs { pairs, origin, left_out } = data;
        let items = (0..pairs.len()).map(|place| Item::new(place.to_string(), "")).collect();
        let kept = self.of(Dataset { items, origin, left_out });
        let mut left: Vec<Option<Pair>> = pairs.into_iter().map(Some).collect();
        let places = kept.items.iter().filter_map(|item| item.id.parse::<usize>().ok());
        Pairs { pairs: places.filter_map(|place| left.get_mut(place)?.take()).collect(), origin: kept.origin, left_out }
    }
}
