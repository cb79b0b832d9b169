//! Keys and values of all slots, in burn tensors. Head-major, `[kv_heads, slots, head_dim]` per layer, so that the rows of a trunk
//! are a view and a step's new rows one contiguous write.

use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::index::{CacheError, Extent};

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

    /// How many tokens a budget of bytes holds, the null row and the copy that is made when one pool grows to its last size
    /// included: the budget is never exceeded, not even for a moment.
    ///
    /// # Errors
    ///
    /// A budget that does not hold one token.
    pub fn tokens_within(&self, budget: u64) -> Result<u32, CacheError> {
        let per_token = self.bytes_per_token();
        // While the last pool doubles, its old half is there too: a quarter of a layer's two pools on top.
        let with_growth = u128::from(budget) * 4 * self.layers as u128;
        let slots = with_growth / (u128::from(per_token) * (4 * self.layers as u128 + 1));
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
    copied_writes: u64,
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
        Self { shape, keys, values, slots, limit, copied_writes: 0, device: device.clone() }
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

    /// Grows the pools until they have at least `slots` slots, by doubling up to the limit.
    ///
    /// # Panics
    ///
    /// When the slots exceed the limit: slots come from a trie of the same size, so that books must be wrong.
    pub fn ensure(&mut self, slots: usize) {
        assert!(slots <= self.limit, "slot {slots} of a pool of {}", self.limit);
        let mut target = self.slots;
        while target < slots {
            target = (target * 2).min(self.limit);
        }
        if target == self.slots {
            return;
        }
        for pool in self.keys.iter_mut().chain(&mut self.values) {
            let larger = zeros(self.shape, target, &self.device);
            let PoolShape { kv_heads, head_dim, .. } = self.shape;
            pool.inplace(|old| larger.slice_assign([0..kv_heads, 0..self.slots, 0..head_dim], old));
        }
        self.slots = target;
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

    /// Writes new rows into their slots.
    ///
    /// # Shapes
    ///
    /// - keys, values: `[kv_heads, rows, head_dim]`, of which each pair of `writes` takes as many rows as its extent has slots,
    ///   from its first row on
    pub fn write(&mut self, layer: usize, writes: &[(usize, Extent)], keys: &Tensor<3>, values: &Tensor<3>) {
        for (pool, rows) in [(&mut self.keys[layer], keys), (&mut self.values[layer], values)] {
            self.copied_writes += u64::from(!pool.can_mut());
            let [heads, total, width] = rows.dims();
            for (first, extent) in writes {
                let (base, len) = (extent.base as usize, extent.len as usize);
                let part =
                    if len == total { rows.clone() } else { rows.clone().slice([0..heads, *first..first + len]) };
                pool.inplace(|pool| pool.slice_assign([0..heads, base..base + len, 0..width], part));
            }
        }
    }

    /// Keys and values of some extents as bytes, `[kv_heads, rows, head_dim]` each.
    pub(crate) fn export(&self, layer: usize, extents: &[Extent]) -> Result<[Vec<u8>; 2], String> {
        let read = |pool: &Tensor<3>| -> Result<Vec<u8>, String> {
            let parts =
                extents.iter().map(|extent| pool.clone().slice_dim(1, extent.base as usize..extent.end() as usize));
            let data = Tensor::cat(parts.collect(), 1).try_into_data();
            Ok(data.map_err(|error| format!("{error:?}"))?.as_bytes().to_vec())
        };
        Ok([read(&self.keys[layer])?, read(&self.values[layer])?])
    }

    /// Writes bytes that [`export`](Self::export) gave into other extents of the same lengths.
    pub(crate) fn import(&mut self, layer: usize, extents: &[Extent], keys: Vec<u8>, values: Vec<u8>) {
        let rows = extents.iter().map(|extent| extent.len as usize).sum();
        let shape = [self.shape.kv_heads, rows, self.shape.head_dim];
        let tensor = |bytes| {
            let data = TensorData::from_bytes_vec(bytes, shape, self.shape.dtype);
            Tensor::<3>::from_data(data, (&self.device, self.shape.dtype))
        };
        let (keys, values) = (tensor(keys), tensor(values));
        let starts = extents.iter().scan(0, |row, extent| {
            let first = *row;
            *row += extent.len as usize;
            Some((first, *extent))
        });
        let writes: Vec<(usize, Extent)> = starts.collect();
        self.write(layer, &writes, &keys, &values);
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
    pub fn gather(&self, layer: usize, slots: &Tensor<1, burn::tensor::Int>) -> (Tensor<3>, Tensor<3>) {
        let gather = |pool: &Tensor<3>| pool.clone().select(1, slots.clone());
        (gather(&self.keys[layer]), gather(&self.values[layer]))
    }
}

/// Zeros, never uninitialised memory: padding reads the null row, and 0 · NaN would leak through a matrix product.
fn zeros(shape: PoolShape, slots: usize, device: &Device) -> Tensor<3> {
    Tensor::zeros([shape.kv_heads, slots, shape.head_dim], (device, shape.dtype))
}
