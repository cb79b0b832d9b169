//! What the recipes share: arguments and the models that they name, devices, progress bars, the case format. Nothing here is part of the SDK.

pub mod bench;
pub mod calibration;
pub mod cases;
pub mod compare;
pub mod conversation;
pub mod curves;
pub mod demo;
pub mod device;
pub mod fit;
pub mod label;
pub mod memory;
pub mod models;
pub mod output;
pub mod progress;
pub mod prompt;
pub mod questions;
pub mod recipe;
pub mod reference;
pub mod report;
pub mod rewards;
pub mod search;
pub mod settings;
pub mod synthetic;
pub mod trace;
pub mod train;

/// mimalloc: large temporaries are page-faulted in anew by glibc's allocator each time, seven times slower than a warm reuse.
#[cfg(not(feature = "system-allocator"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
