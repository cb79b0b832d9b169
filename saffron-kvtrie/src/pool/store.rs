//! The pools as a store.

use burn::tensor::{DType, Tensor};

use super::{KvPools, PoolShape};
use crate::index::{Extent, Move};
use crate::store::{
    Element, KvStore, StoreError, StoreShape, StoreStats, check, check_rows, check_target, in_order, total,
};

/// Some tokens' keys and values in one layer.
///
/// # Shapes
///
/// - each: `[kv_heads, rows, head_dim]`
#[derive(Clone, Debug)]
pub struct PoolRows {
    /// Keys.
    pub keys: Tensor<3>,
    /// Values.
    pub values: Tensor<3>,
}

impl From<PoolShape> for StoreShape {
    fn from(shape: PoolShape) -> Self {
        let element = match shape.dtype {
            DType::F32 => Element::F32,
            DType::F16 => Element::F16,
            DType::BF16 => Element::BF16,
            other => Element::Other { bytes: other.size() },
        };
        Self { layers: shape.layers, kv_heads: shape.kv_heads, head_dim: shape.head_dim, element }
    }
}

impl KvPools {
    fn check_shape(&self, rows: &PoolRows) -> Result<usize, StoreError> {
        let PoolShape { kv_heads, head_dim, .. } = self.shape();
        let expected = [kv_heads, rows.keys.dims()[1], head_dim];
        for (what, found) in [("keys", rows.keys.dims()), ("values", rows.values.dims())] {
            if found != expected {
                return Err(StoreError::Shape { what, expected: expected.to_vec(), found: found.to_vec() });
            }
        }
        Ok(expected[1])
    }
}

impl KvStore for KvPools {
    type Rows = PoolRows;

    fn shape(&self) -> StoreShape {
        Self::shape(self).into()
    }

    fn slots(&self) -> usize {
        Self::slots(self)
    }

    fn limit(&self) -> usize {
        Self::limit(self)
    }

    fn ensure(&mut self, slots: usize) -> Result<(), StoreError> {
        Self::ensure(self, slots)
    }

    fn set_limit(&mut self, slots: usize) -> Result<(), StoreError> {
        Self::set_limit(self, slots);
        Ok(())
    }

    fn write(&mut self, layer: usize, writes: &[(usize, Extent)], rows: &PoolRows) -> Result<(), StoreError> {
        let extents = || writes.iter().map(|(_, extent)| *extent);
        check(layer, Self::shape(self).layers, extents(), Self::slots(self))?;
        check_target(extents())?;
        check_rows(writes, self.check_shape(rows)?)?;
        Self::write(self, layer, writes, &rows.keys, &rows.values);
        Ok(())
    }

    fn read(&self, layer: usize, extents: &[Extent]) -> Result<PoolRows, StoreError> {
        check(layer, Self::shape(self).layers, extents.iter().copied(), Self::slots(self))?;
        let (keys, values) = self.collect(layer, extents);
        Ok(PoolRows { keys, values })
    }

    fn copy(&mut self, moves: &[Move]) -> Result<(), StoreError> {
        let ends = moves.iter().flat_map(|moved| [moved.from, moved.target()]);
        check(0, Self::shape(self).layers.max(1), ends, Self::slots(self))?;
        check_target(moves.iter().map(|moved| moved.target()))?;
        self.rearrange(moves);
        Ok(())
    }

    fn export(&self, layer: usize, extents: &[Extent]) -> Result<[Vec<u8>; 2], StoreError> {
        let rows = self.read(layer, extents)?;
        let bytes = |rows: Tensor<3>| -> Result<Vec<u8>, StoreError> {
            let data = rows.try_into_data().map_err(|error| StoreError::Device(format!("{error:?}")))?;
            Ok(data.as_bytes().to_vec())
        };
        Ok([bytes(rows.keys)?, bytes(rows.values)?])
    }

    fn import(&mut self, layer: usize, extents: &[Extent], bytes: [Vec<u8>; 2]) -> Result<(), StoreError> {
        let shape = KvStore::shape(self);
        let expected = total(extents) * shape.width() * shape.element.bytes();
        if let Some(wrong) = bytes.iter().find(|bytes| bytes.len() != expected) {
            return Err(StoreError::Bytes { expected, found: wrong.len() });
        }
        let [keys, values] = bytes.map(|bytes| self.rows_of(total(extents), bytes));
        KvStore::write(self, layer, &in_order(extents), &PoolRows { keys, values })
    }

    fn stats(&self) -> StoreStats {
        self.counts()
    }
}
