//! The right-hand side of a product, laid out for the kernels.

/// The columns of a matrix, in tiles: tile after tile, row after row, the tile's columns together, padded with zeros.
#[derive(Debug)]
pub struct Columns {
    values: Vec<f32>,
    rows: usize,
    tile: usize,
}

impl Columns {
    /// Packs a matrix of which `at(row, column)` is an entry.
    #[must_use]
    pub fn pack(rows: usize, columns: usize, tile: usize, at: impl Fn(usize, usize) -> f32) -> Self {
        let tiles = columns.div_ceil(tile);
        let mut values = vec![0.0; tiles * rows * tile];
        for (place, part) in values.chunks_exact_mut(tile).enumerate() {
            let (first, row) = (place / rows * tile, place % rows);
            let width = tile.min(columns - first);
            for (column, value) in part[..width].iter_mut().enumerate() {
                *value = at(row, first + column);
            }
        }
        Self { values, rows, tile }
    }

    /// Columns of a tile.
    #[must_use]
    pub fn tile(&self) -> usize {
        self.tile
    }

    /// The tiles, each `[rows, tile]`.
    pub fn tiles(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.rows * self.tile)
    }
}
