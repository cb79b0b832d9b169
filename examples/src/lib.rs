//! What the recipes share: devices by name, progress bars, the case format. Nothing here is part of the SDK.

pub mod bench;
pub mod cases;
pub mod curves;
pub mod device;
pub mod fit;
pub mod progress;
pub mod reference;
pub mod synthetic;
pub mod trace;

/// mimalloc: large temporaries are page-faulted in anew by glibc's allocator each time, seven times slower than a warm reuse.
#[cfg(not(feature = "system-allocator"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
