//! A search that ends when nobody waits for it.

use saffron_search::scheduler::Canceller;

/// Cancels a search when it is dropped, as the future or body of a client that goes away is.
#[derive(Debug)]
pub(super) struct Guarded(pub(super) Canceller);

impl Drop for Guarded {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
