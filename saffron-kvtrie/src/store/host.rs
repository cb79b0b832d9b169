//! Rows in plain vectors: for tests, for machines without a tensor library, and as a place to put rows that a device has no room for.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    Element, KvStore, StoreError, StoreShape, StoreStats, check, check_rows, check_target, grown, in_order, total,
};
use crate::index::{Extent, Move};

/// Some tokens' keys and values in one layer, token after token: `[rows, kv_heads · head_dim]` each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostRows {
    /// Keys.
    pub keys: Vec<f32>,
    /// Values.
    pub values: Vec<f32>,
}

/// A store in the host's memory. It begins with the null row alone and doubles up to its limit.
///
/// ```
/// use saffron_kvtrie::Extent;
/// use saffron_kvtrie::store::{HostRows, HostStore, KvStore, StoreError};
/// let mut store = HostStore::new(1, 2, 2, 100);   // one layer, two heads of width two, a hundred tokens
/// let slots = Extent { base: 7, len: 1 };
/// let rows = HostRows { keys: vec![1.0, 2.0, 3.0, 4.0], values: vec![5.0; 4] };
/// assert!(matches!(store.write(0, &[(0, slots)], &rows), Err(StoreError::OutOfRange { .. })));
/// store.ensure(8)?;
/// store.write(0, &[(0, slots)], &rows)?;
/// assert_eq!(store.read(0, &[slots])?, rows);
/// # Ok::<(), StoreError>(())
/// ```
#[derive(Debug)]
pub struct HostStore {
    shape: StoreShape,
    /// A layer's keys and values: `[slots, kv_heads · head_dim]`.
    layers: Vec<HostRows>,
    slots: usize,
    limit: usize,
    writes: u64,
    gathered: AtomicU64,
    grows: u64,
}

impl HostStore {
    /// A store for `tokens` tokens and the null row.
    #[must_use]
    pub fn new(layers: usize, kv_heads: usize, head_dim: usize, tokens: u32) -> Self {
        let shape = StoreShape { layers, kv_heads, head_dim, element: Element::F32 };
        let null = || HostRows { keys: vec![0.0; shape.width()], values: vec![0.0; shape.width()] };
        Self {
            shape,
            layers: (0..layers).map(|_| null()).collect(),
            slots: 1,
            limit: tokens as usize + 1,
            writes: 0,
            gathered: AtomicU64::new(0),
            grows: 0,
        }
    }

    /// Asks for the memory that so many slots take.
    fn reserve(&mut self, slots: usize) -> Result<(), StoreError> {
        let len = slots * self.shape.width();
        let mut vectors = self.layers.iter_mut().flat_map(|rows| [&mut rows.keys, &mut rows.values]);
        vectors.try_for_each(|numbers| {
            let missing = len.saturating_sub(numbers.len());
            let refused = StoreError::Memory { bytes: (missing * size_of::<f32>()) as u64 };
            numbers.try_reserve_exact(missing).map_err(|_| refused)
        })
    }

    fn resize(&mut self, slots: usize) {
        let len = slots * self.shape.width();
        for HostRows { keys, values } in &mut self.layers {
            for numbers in [keys, values] {
                numbers.resize(len, 0.0);
                numbers.shrink_to_fit();
            }
        }
        self.slots = slots;
    }

    /// The numbers of an extent, of keys or values.
    fn range(&self, extent: Extent) -> std::ops::Range<usize> {
        let width = self.shape.width();
        extent.base as usize * width..extent.end() as usize * width
    }

    fn check_shape(&self, rows: &HostRows) -> Result<usize, StoreError> {
        let width = self.shape.width().max(1);
        let count = rows.keys.len() / width;
        for (what, found) in [("keys", rows.keys.len()), ("values", rows.values.len())] {
            if found != count * width {
                return Err(StoreError::Shape { what, expected: vec![count, width], found: vec![found] });
            }
        }
        Ok(count)
    }

    fn gather(&self, layer: usize, extents: &[Extent]) -> HostRows {
        let HostRows { keys, values } = &self.layers[layer];
        let pick = |numbers: &[f32]| extents.iter().flat_map(|extent| &numbers[self.range(*extent)]).copied().collect();
        HostRows { keys: pick(keys), values: pick(values) }
    }

    fn put(&mut self, layer: usize, writes: &[(usize, Extent)], rows: &HostRows) {
        let width = self.shape.width();
        for (first, extent) in writes {
            let (to, from) = (self.range(*extent), first * width..(first + extent.len as usize) * width);
            self.layers[layer].keys[to.clone()].copy_from_slice(&rows.keys[from.clone()]);
            self.layers[layer].values[to].copy_from_slice(&rows.values[from]);
        }
    }

    /// Numbers as bytes, head by head.
    fn bytes(&self, numbers: &[f32]) -> Vec<u8> {
        let StoreShape { kv_heads, head_dim, .. } = self.shape;
        let heads = (0..kv_heads).flat_map(|head| {
            let rows = numbers.chunks((kv_heads * head_dim).max(1));
            rows.flat_map(move |row| &row[head * head_dim..(head + 1) * head_dim])
        });
        heads.flat_map(|number| number.to_le_bytes()).collect()
    }

    /// The opposite of [`bytes`](Self::bytes).
    fn numbers(&self, bytes: &[u8]) -> Vec<f32> {
        let StoreShape { kv_heads, head_dim, .. } = self.shape;
        let (words, _) = bytes.as_chunks::<4>();
        let width = kv_heads * head_dim;
        let rows = words.len() / width.max(1);
        let mut numbers = vec![0.0; words.len()];
        for (place, word) in words.iter().enumerate() {
            let (head, row, index) = (place / (rows * head_dim), place / head_dim % rows, place % head_dim);
            numbers[row * width + head * head_dim + index] = f32::from_le_bytes(*word);
        }
        numbers
    }
}

impl KvStore for HostStore {
    type Rows = HostRows;

    fn shape(&self) -> StoreShape {
        self.shape
    }

    fn slots(&self) -> usize {
        self.slots
    }

    fn limit(&self) -> usize {
        self.limit
    }

    fn ensure(&mut self, slots: usize) -> Result<(), StoreError> {
        let target = grown(self.slots, slots, self.limit)?;
        if target > self.slots {
            self.reserve(target)?;
            self.resize(target);
            self.grows += 1;
        }
        Ok(())
    }

    fn set_limit(&mut self, slots: usize) -> Result<(), StoreError> {
        self.limit = slots.max(1);
        if self.slots > self.limit {
            self.resize(self.limit);
        }
        Ok(())
    }

    fn write(&mut self, layer: usize, writes: &[(usize, Extent)], rows: &HostRows) -> Result<(), StoreError> {
        let extents = || writes.iter().map(|(_, extent)| *extent);
        check(layer, self.shape.layers, extents(), self.slots)?;
        check_target(extents())?;
        check_rows(writes, self.check_shape(rows)?)?;
        self.put(layer, writes, rows);
        self.writes += 2;
        Ok(())
    }

    fn read(&self, layer: usize, extents: &[Extent]) -> Result<HostRows, StoreError> {
        check(layer, self.shape.layers, extents.iter().copied(), self.slots)?;
        let bytes = 2 * total(extents) * self.shape.width() * self.shape.element.bytes();
        self.gathered.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(self.gather(layer, extents))
    }

    fn copy(&mut self, moves: &[Move]) -> Result<(), StoreError> {
        let ends = moves.iter().flat_map(|moved| [moved.from, moved.target()]);
        check(0, self.shape.layers.max(1), ends, self.slots)?;
        check_target(moves.iter().map(|moved| moved.target()))?;
        let from: Vec<Extent> = moves.iter().map(|moved| moved.from).collect();
        let to: Vec<Extent> = moves.iter().map(|moved| moved.target()).collect();
        for layer in 0..self.shape.layers {
            let rows = self.gather(layer, &from);
            self.put(layer, &in_order(&to), &rows);
        }
        Ok(())
    }

    fn export(&self, layer: usize, extents: &[Extent]) -> Result<[Vec<u8>; 2], StoreError> {
        let HostRows { keys, values } = self.read(layer, extents)?;
        Ok([self.bytes(&keys), self.bytes(&values)])
    }

    fn import(&mut self, layer: usize, extents: &[Extent], bytes: [Vec<u8>; 2]) -> Result<(), StoreError> {
        let expected = total(extents) * self.shape.width() * self.shape.element.bytes();
        if let Some(wrong) = bytes.iter().find(|bytes| bytes.len() != expected) {
            return Err(StoreError::Bytes { expected, found: wrong.len() });
        }
        let [keys, values] = bytes.map(|bytes| self.numbers(&bytes));
        self.write(layer, &in_order(extents), &HostRows { keys, values })
    }

    fn stats(&self) -> StoreStats {
        StoreStats {
            writes_in_place: self.writes,
            writes_copied: 0,
            gathered_bytes: self.gathered.load(Ordering::Relaxed),
            grows: self.grows,
            bytes: self.shape.bytes_per_token() * self.slots as u64,
        }
    }
}
