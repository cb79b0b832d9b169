//! Linear layers of few columns.

use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use pulp::{Simd, WithSimd};
use rayon::prelude::*;
use saffron_kvtrie::simd::{dispatch, flex, flex_tensor, host};

use super::activation;
use super::right::Right;
use crate::config::Activation;

/// From so many columns on, burn's own product is as fast.
const MOST_COLUMNS: usize = 64;

/// Output rows of a task, at most.
const CHUNK: usize = 96;

/// Multiplications from which on threads pay.
const PARALLEL: usize = 1 << 18;

/// `x + W y`, or `W y` where there is nothing to add to.
///
/// # Shapes
///
/// - weight: `[out, in]`
/// - x: `[in, rows]`
/// - add, output: `[out, rows]`
pub(crate) fn linear(weight: &Tensor<2>, x: &Tensor<2>, add: Option<&Tensor<2>>) -> Option<Tensor<2>> {
    let product = Product::new(weight, x)?;
    let (rows, columns) = (weight.dims()[0], product.columns);
    let mut out = match add {
        Some(add) => flex(add)?.as_slice::<f32>()?.to_vec(),
        None => vec![0.0; rows * columns],
    };
    product.run(Pick::Rows, &mut out);
    Some(flex_tensor(out, [rows, columns]))
}

/// `f(G x) · U x` with an activation `f`, where the first half of the weight's rows is `G` and the second `U`.
///
/// # Shapes
///
/// - weight: `[2 · out, in]`
/// - x: `[in, rows]`
/// - output: `[out, rows]`
pub(crate) fn gated(weight: &Tensor<2>, x: &Tensor<2>, activation: Activation) -> Option<Tensor<2>> {
    let product = Product::new(weight, x)?;
    let (rows, columns) = (weight.dims()[0] / 2, product.columns);
    let mut out = vec![0.0; rows * columns];
    product.run(Pick::Pairs { apart: rows, activation }, &mut out);
    Some(flex_tensor(out, [rows, columns]))
}

/// `f(g) · u` of a joint projection: what [`gated`] does after the product, for the product that burn made.
///
/// # Shapes
///
/// - joint: `[2 · out, rows]`, gate above up
/// - output: `[out, rows]`
pub(crate) fn gate(joint: &Tensor<2>, activation: Activation) -> Option<Tensor<2>> {
    let [height, columns] = joint.dims();
    let joint = flex(joint)?;
    let (gate, up) = joint.as_slice::<f32>()?.split_at(height / 2 * columns);
    let mut out = gate.to_vec();
    let parts = out.par_chunks_mut(PARALLEL / 8).zip(up.par_chunks(PARALLEL / 8));
    parts.for_each(|(gate, up)| dispatch(Gate { gate, up, activation }));
    Some(flex_tensor(out, [height / 2, columns]))
}

struct Gate<'a> {
    gate: &'a mut [f32],
    up: &'a [f32],
    activation: Activation,
}

impl WithSimd for Gate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        activation::gate(self.activation, self.gate, self.up);
    }
}

/// The columns of `W x`, one after the other, on the host.
///
/// # Shapes
///
/// - weight: `[vocab, hidden]`
/// - x: `[hidden, rows]`
/// - output: `[rows, vocab]`
pub(crate) fn logits(weight: &Tensor<2>, x: &Tensor<2>) -> Option<Vec<f32>> {
    let product = Product::new(weight, x)?;
    let (rows, columns) = (weight.dims()[0], product.columns);
    let mut out = vec![0.0; rows * columns];
    let chunk = product.chunk(rows);
    let mut parts: Vec<Vec<&mut [f32]>> = (0..rows.div_ceil(chunk)).map(|_| Vec::with_capacity(columns)).collect();
    for column in out.chunks_mut(rows) {
        column.chunks_mut(chunk).zip(&mut parts).for_each(|(part, parts)| parts.push(part));
    }
    let task = |(place, mut parts): (usize, Vec<&mut [f32]>)| {
        let mut block = vec![0.0; parts[0].len() * columns];
        product.task(Pick::Rows, place * chunk, &mut block);
        for (row, values) in block.chunks_exact(columns).enumerate() {
            parts.iter_mut().zip(values).for_each(|(part, value)| part[row] = *value);
        }
    };
    if product.is_large(rows) {
        parts.into_par_iter().enumerate().for_each(task);
    } else {
        parts.into_iter().enumerate().for_each(task);
    }
    Some(out)
}

/// Which weight rows make an output row.
#[derive(Clone, Copy, Debug)]
enum Pick {
    /// The row of the same number.
    Rows,
    /// That row and the one so many further down: gate and up.
    Pairs { apart: usize, activation: Activation },
}

impl Pick {
    /// Weight rows of an output row.
    fn each(self) -> usize {
        match self {
            Self::Rows => 1,
            Self::Pairs { .. } => 2,
        }
    }
}

/// The operands of a product.
struct Product {
    weights: FlexTensor,
    width: usize,
    right: Right,
    columns: usize,
}

impl Product {
    fn new(weights: &Tensor<2>, x: &Tensor<2>) -> Option<Self> {
        let [width, columns] = x.dims();
        if columns == 0 || columns > MOST_COLUMNS {
            return None;
        }
        let (weights, x) = (flex(weights)?, flex(x)?);
        weights.as_slice::<f32>()?;
        let (values, [down, along]) = host::<2>(&x)?;
        let right = Right::pack(width, columns, |row, column| values[row * down + column * along]);
        Some(Self { weights, width, right, columns })
    }

    fn is_large(&self, rows: usize) -> bool {
        rows * self.width * self.columns >= PARALLEL
    }

    /// Output rows of a task.
    fn chunk(&self, rows: usize) -> usize {
        rows.div_ceil(rayon::current_num_threads()).next_multiple_of(24).min(CHUNK)
    }

    /// Adds the product to `out`.
    fn run(&self, pick: Pick, out: &mut [f32]) {
        let rows = out.len() / self.columns;
        let chunk = self.chunk(rows);
        if self.is_large(rows * pick.each()) {
            let parts = out.par_chunks_mut(chunk * self.columns).enumerate();
            parts.for_each(|(place, out)| self.task(pick, place * chunk, out));
        } else {
            self.task(pick, 0, out);
        }
    }

    /// Adds the output rows from `first` on, as many as there is room for.
    fn task(&self, pick: Pick, first: usize, out: &mut [f32]) {
        // Checked when the product was made.
        let weights = self.weights.as_slice::<f32>().unwrap_or_default();
        dispatch(Task { weights, product: self, pick, first, out });
    }
}

struct Task<'a> {
    weights: &'a [f32],
    product: &'a Product,
    pick: Pick,
    first: usize,
    out: &'a mut [f32],
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // As many sums as there are registers for, less those of the columns and the weight.
        match (self.product.right.is_wide::<S>(), S::F32_LANES) {
            (true, 16) => self.blocks::<S, 12>(simd),
            (true, _) => self.blocks::<S, 6>(simd),
            (false, _) => self.blocks::<S, 8>(simd),
        }
    }
}

impl Task<'_> {
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "the caller's instruction set is this function's")]
    fn blocks<S: Simd, const R: usize>(self, simd: S) {
        let Self { weights, product: Product { width, right, columns, .. }, pick, first, out } = self;
        let columns = *columns;
        let step = R / pick.each();
        let blocks = Blocks::new(out.len() / columns, step, right.is_few());
        let row = |row: usize| &weights[row * width..(row + 1) * width];
        let last = weights.len() / width / pick.each() - 1;
        // A block at the end repeats the last row: it is computed more than once and used once.
        let rows_of = |block: usize| -> [&[f32]; R] {
            let at = |place: usize| (first + blocks.row(block, place)).min(last);
            std::array::from_fn(|place| match pick {
                Pick::Rows => row(at(place)),
                Pick::Pairs { apart, .. } => row(at(place % step) + place / step * apart),
            })
        };
        let mut results = vec![0.0; R * columns];
        for block in 0..blocks.count {
            right.times(simd, rows_of(block), rows_of(block + 1), columns, &mut results);
            if let Pick::Pairs { activation, .. } = pick {
                let (gate, up) = results.split_at_mut(step * columns);
                activation::gate(activation, gate, up);
            }
            for (place, results) in results.chunks_exact(columns).take(step).enumerate() {
                let first = blocks.row(block, place) * columns;
                let out = out.get_mut(first..first + columns).unwrap_or_default();
                out.iter_mut().zip(results).for_each(|(out, value)| *out += value);
            }
        }
    }
}

/// Which of a task's rows are multiplied together.
///
/// Dot products wait for memory alone, and processors fetch ahead along a few long streams best: so a block's rows lie far apart, each of
/// them followed in the next block by its neighbour. Where columns are multiplied side by side, a block's rows are neighbours and the next
/// ones are asked for by name.
struct Blocks {
    count: usize,
    step: usize,
    far: bool,
}

impl Blocks {
    fn new(rows: usize, step: usize, far: bool) -> Self {
        Self { count: rows.div_ceil(step), step, far }
    }

    /// The row in a place of a block; at the end it may lie beyond the last.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "two multiplications")]
    fn row(&self, block: usize, place: usize) -> usize {
        if self.far { place * self.count + block } else { block * self.step + place }
    }
}
