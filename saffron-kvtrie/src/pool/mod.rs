//! Keys and values of all slots, in burn tensors. Head-major, `[kv_heads, slots, head_dim]` per layer, so that the rows of a trunk
//! are a view and a step's new rows one contiguous write.

mod store;

use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::index::{CacheError, Extent, Move};
use crate::store::{StoreError, StoreStats};

pub use self::store::PoolRows;

/// The sizes of a model's keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolShape {
    /// Transformer layers.
    pub layers: usize,
    /// Key (and value) heads per layer.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Element type of the pools.
    pub dtype: DType,
}

impl PoolShape {
    /// Bytes that one token takes in all layers.
    #[must_use]
    pub fn bytes_per_token(&self) -> u64 {
        (self.layers * 2 * self.kv_heads * self.head_dim * self.dtype.size()) as u64
    }

    /// How many tokens a budget of bytes holds, the null row and the copy that is made while a pool grows or is put in order included:
    /// the budget is never exceeded, not even for a moment.
    ///
    /// # Errors
    ///
    /// A budget that does not hold one token.
    pub fn tokens_within(&self, budget: u64) -> Result<u32, CacheError> {
        let per_token = self.bytes_per_token();
        // One of all pools, of which a layer has two, may exist twice.
        let pools = 2 * self.layers as u128;
        let slots = u128::from(budget) * pools / (u128::from(per_token) * (pools + 1)).max(1);
        let tokens = u32::try_from(slots.saturating_sub(1)).unwrap_or(u32::MAX - 1);
        if tokens == 0 { Err(CacheError::BudgetTooSmall { budget, per_token }) } else { Ok(tokens) }
    }
}

/// Smallest number of slots that pools are made with, where the limit allows.
const FIRST_SLOTS: usize = 256;

/// The pools of one model. They begin small and double, layer by layer, up to their limit.
#[derive(Debug)]
pub struct KvPools {
    shape: PoolShape,
    keys: Vec<Tensor<3>>,
    values: Vec<Tensor<3>>,
    slots: usize,
    limit: usize,
    writes: u64,
    copied_writes: u64,
    gathered: AtomicU64,
    grows: u64,
    device: Device,
}

impl KvPools {
    /// Pools that may grow to `tokens` slots and the null row.
    #[must_use]
    pub fn new(shape: PoolShape, tokens: u32, device: &Device) -> Self {
        let limit = tokens as usize + 1;
        let mut slots = limit;
        while slots.div_ceil(2) >= FIRST_SLOTS {
            slots = slots.div_ceil(2);
        }
        let pool = || (0..shape.layers).map(|_| zeros(shape, slots, device)).collect();
        let (keys, values) = (pool(), pool());
        let (gathered, device) = (AtomicU64::new(0), device.clone());
        Self { shape, keys, values, slots, limit, writes: 0, copied_writes: 0, gathered, grows: 0, device }
    }

    /// The sizes.
    #[must_use]
    pub fn shape(&self) -> PoolShape {
        self.shape
    }

    /// Where they are.
    #[must_use]
    pub fn device(&self) -> Device {
        self.device.clone()
    }

    /// Slots there are now, the null row included.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Slots there may be, the null row included.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes of all pools now.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shape.bytes_per_token() * self.slots as u64
    }

    /// Writes that had to copy a pool because something else still held it; none in ordinary use on flex.
    #[must_use]
    pub fn copied_writes(&self) -> u64 {
        self.copied_writes
    }

    pub(crate) fn counts(&self) -> StoreStats {
        StoreStats {
            writes_in_place: self.writes - self.copied_writes,
            writes_copied: self.copied_writes,
            gathered_bytes: self.gathered.load(Ordering::Relaxed),
            grows: self.grows,
            bytes: self.bytes(),
        }
    }

    /// Grows the pools until they have at least `slots` slots, by doubling up to the limit.
    ///
    /// # Errors
    ///
    /// More slots than the limit, or than the host has memory for; the pools are then as before.
    pub fn ensure(&mut self, slots: usize) -> Result<(), StoreError> {
        let target = crate::store::grown(self.slots, slots, self.limit)?;
        if target > self.slots {
            self.check_room(target)?;
            self.resize(target);
            self.grows += 1;
        }
        Ok(())
    }

    /// Asks whether the host would give memory for one pool of so many slots: the tensors' own
    /// request would end the process. Devices with other memory answer for themselves.
    fn check_room(&self, slots: usize) -> Result<(), StoreError> {
        let bytes = self.shape.bytes_per_token() / (2 * self.shape.layers as u64).max(1) * slots as u64;
        let mut room: Vec<u8> = Vec::new();
        let asked = usize::try_from(bytes).ok().filter(|bytes| room.try_reserve_exact(*bytes).is_ok());
        // A request whose answer nobody uses may be left out by the compiler.
        std::hint::black_box(&room);
        asked.map(drop).ok_or(StoreError::Memory { bytes })
    }

    /// Changes how many slots there may be, the null row included; those above a lower limit are given up, layer by layer.
    pub fn set_limit(&mut self, slots: usize) {
        self.limit = slots.max(1);
        if self.slots > self.limit {
            self.resize(self.limit);
        }
    }

    /// Pools of another size, with the rows that both have.
    fn resize(&mut self, slots: usize) {
        let PoolShape { kv_heads, head_dim, .. } = self.shape;
        let both = [0..kv_heads, 0..slots.min(self.slots), 0..head_dim];
        for pool in self.keys.iter_mut().chain(&mut self.values) {
            let other = zeros(self.shape, slots, &self.device);
            pool.inplace(|old| other.slice_assign(both.clone(), old.slice(both.clone())));
        }
        self.slots = slots;
    }

    /// Keys and values of a layer, all slots.
    ///
    /// # Shapes
    ///
    /// - each: `[kv_heads, slots, head_dim]`
    #[cfg(feature = "flex")]
    pub(crate) fn tensors(&self, layer: usize) -> (&Tensor<3>, &Tensor<3>) {
        (&self.keys[layer], &self.values[layer])
    }

    /// Writes new rows into their slots, in place. Nothing is checked on the host; [`KvStore::write`](crate::KvStore::write) does.
    ///
    /// # Shapes
    ///
    /// - keys, values: `[kv_heads, rows, head_dim]`, of which each pair of `writes` takes as many rows as its extent has slots,
    ///   from its first row on
    pub fn write(&mut self, layer: usize, writes: &[(usize, Extent)], keys: &Tensor<3>, values: &Tensor<3>) {
        for (pool, rows) in [(&mut self.keys[layer], keys), (&mut self.values[layer], values)] {
            self.writes += 1;
            self.copied_writes += u64::from(!pool.can_mut());
            writes.iter().for_each(|(first, extent)| put(pool, *extent, rows, *first));
        }
    }

    /// Keys and values of some extents, one after the other, copied.
    ///
    /// # Shapes
    ///
    /// - each: `[kv_heads, rows, head_dim]`
    pub(crate) fn collect(&self, layer: usize, extents: &[Extent]) -> (Tensor<3>, Tensor<3>) {
        if extents.iter().all(|extent| extent.len == 0) {
            return (zeros(self.shape, 0, &self.device), zeros(self.shape, 0, &self.device));
        }
        self.gather(layer, &self.slots_of(extents))
    }

    fn slots_of(&self, extents: &[Extent]) -> Tensor<1, Int> {
        let slots: Vec<i32> = extents.iter().flat_map(|extent| extent.slots()).map(|slot| slot as i32).collect();
        Tensor::from_data(slots.as_slice(), &self.device)
    }

    fn count_gathered(&self, rows: usize) {
        let bytes = 2 * rows * self.shape.kv_heads * self.shape.head_dim * self.shape.dtype.size();
        self.gathered.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Moves rows in all layers, pool by pool.
    pub(crate) fn rearrange(&mut self, moves: &[Move]) {
        let from: Vec<Extent> = moves.iter().map(|moved| moved.from).collect();
        if from.iter().all(|extent| extent.len == 0) {
            return;
        }
        let slots = self.slots_of(&from);
        for pool in self.keys.iter_mut().chain(&mut self.values) {
            let moved = pool.clone().select(1, slots.clone());
            let mut first = 0;
            for to in moves.iter().map(|moved| moved.target()) {
                put(pool, to, &moved, first);
                first += to.len as usize;
            }
        }
    }

    /// Rows from their bytes, `[kv_heads, rows, head_dim]`.
    pub(crate) fn rows_of(&self, rows: usize, bytes: Vec<u8>) -> Tensor<3> {
        let shape = [self.shape.kv_heads, rows, self.shape.head_dim];
        let data = TensorData::from_bytes_vec(bytes, shape, self.shape.dtype);
        Tensor::from_data(data, (&self.device, self.shape.dtype))
    }

    /// The rows of one extent, without a copy where the backend allows.
    ///
    /// # Shapes
    ///
    /// - each: `[kv_heads, extent.len, head_dim]`
    #[must_use]
    pub fn view(&self, layer: usize, extent: Extent) -> (Tensor<3>, Tensor<3>) {
        let range = extent.base as usize..extent.end() as usize;
        let view = |pool: &Tensor<3>| pool.clone().slice_dim(1, range.clone());
        (view(&self.keys[layer]), view(&self.values[layer]))
    }

    /// The rows of any slots, copied.
    ///
    /// # Shapes
    ///
    /// - slots: `[n]`, every one below [`slots`](Self::slots)
    /// - each: `[kv_heads, n, head_dim]`
    #[must_use]
    pub fn gather(&self, layer: usize, slots: &Tensor<1, Int>) -> (Tensor<3>, Tensor<3>) {
        self.count_gathered(slots.dims()[0]);
        let gather = |pool: &Tensor<3>| pool.clone().select(1, slots.clone());
        (gather(&self.keys[layer]), gather(&self.values[layer]))
    }
}

/// Zeros, never uninitialised memory: padding reads the null row, and 0 · NaN would leak through a matrix product.
fn zeros(shape: PoolShape, slots: usize, device: &Device) -> Tensor<3> {
    Tensor::zeros([shape.kv_heads, slots, shape.head_dim], (device, shape.dtype))
}

/// Writes rows from `first` on into an extent.
fn put(pool: &mut Tensor<3>, extent: Extent, rows: &Tensor<3>, first: usize) {
    let [heads, total, width] = rows.dims();
    let (base, len) = (extent.base as usize, extent.len as usize);
    let part = if len == total { rows.clone() } else { rows.clone().slice([0..heads, first..first + len]) };
    pool.inplace(|pool| pool.slice_assign([0..heads, base..base + len, 0..width], part));
}
