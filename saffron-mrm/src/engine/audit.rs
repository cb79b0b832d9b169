//! The engine's own check of its books.

use super::Engine;

impl Engine {
    /// Counts everything that the cache holds from scratch and compares it with the running counts. For tests: it walks the whole cache.
    ///
    /// # Errors
    ///
    /// A sentence about the first difference.
    pub fn validate(&mut self) -> Result<(), String> {
        self.cache.validate(&[])
    }
}
