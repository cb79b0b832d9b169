//! A token-trie KV cache for tree search over language models.
//!
//! Every prefix that any sequence has is computed and stored once. A step of a search asks for many sequences that share almost
//! all of their tokens; the trie finds what is stored, gives slots to what is not, and the pools hold keys and values in place.
//!
//! | module | knows | does not know |
//! |---|---|---|
//! | [`index`] | tokens, runs of slots, pins, eviction order | tensors |
//! | [`evict`] | node ids and numbers: what to forget first | tokens, slots |
//! | [`reserve`] | what a batch of contexts has to compute, row by row | tensors, models |
//! | [`store`] | rows by layer and slot, behind a trait; in host memory or on a device | tokens, trees |
//! | [`pool`] | rows as burn tensors | tokens, trees |
//! | [`KvTrie`] | trie and store together: a step, a snapshot, another capacity | models |
//! | [`payload`] | what callers keep with sequences | what it means |
//! | [`attention`] | how rows attend to trunk and own suffix | where slots come from |
//! | [`snapshot`] | a trie with its rows as a file | what wrote them |
//!
//! Without the feature `tensors` (on by default) there is no burn, no [`pool`] and no [`attention`]; everything else is there.
//!
//! ```
//! use saffron_kvtrie::{Reuse, Trie, Want};
//! let mut trie = Trie::new(64);
//! let prompt = [5, 6, 7];
//! let reservation = trie.reserve(&[Want::keep(&prompt)], Reuse::Cached)?;
//! assert_eq!(reservation.tokens(), &prompt);       // nothing is cached: three rows to compute
//! trie.commit(reservation)?;                       // after the forward pass
//! let (left, right) = ([5, 6, 7, 8], [5, 6, 7, 9]);
//! let reservation = trie.reserve(&[Want::keep(&left), Want::keep(&right)], Reuse::Cached)?;
//! assert_eq!(reservation.tokens(), &[8, 9]);       // the shared prefix is there
//! # Ok::<(), saffron_kvtrie::CacheError>(())
//! ```

#[cfg(feature = "tensors")]
pub mod attention;
mod cache;
pub mod evict;
mod handle;
mod inbox;
pub mod index;
pub mod payload;
#[cfg(feature = "tensors")]
pub mod pool;
pub mod reserve;
#[cfg(feature = "flex")]
pub mod simd;
pub mod snapshot;
pub mod store;
mod sync;
mod trie;
mod writes;

pub use cache::{CacheStats, KvError, KvTrie, Step, StepError};
pub use handle::{Match, Seq};
pub use index::{CacheError, Extent, Move, TrieStats};
#[cfg(feature = "tensors")]
pub use pool::{KvPools, PoolShape};
pub use reserve::{Reservation, Reuse, Segment, Want};
pub use store::{HostStore, KvStore, StoreError, StoreStats};
pub use trie::Trie;
