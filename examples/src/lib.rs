//! What the recipes share: arguments and the models that they name, devices, progress bars, tables
//! and plots, the formats of the fixtures, the demo's world. Nothing here is part of the SDK.

pub mod args;
pub mod bench;
pub mod calibration;
pub mod cases;
pub mod chat;
pub mod compare;
pub mod curves;
pub mod demo;
pub mod device;
pub mod export;
#[cfg(doctest)]
mod guides;
pub mod label;
pub mod memory;
pub mod models;
pub mod output;
pub mod progress;
pub mod prompt;
pub mod recipe;
pub mod reference;
pub mod report;
pub mod rewards;
pub mod rewards_file;
pub mod search;
pub mod serve;
pub mod server;
pub mod settings;
pub mod synthetic;
pub mod toy_layer;
pub mod train;

/// mimalloc: large temporaries are page-faulted in anew by glibc's allocator each time, seven times slower than a warm reuse.
#[cfg(not(feature = "system-allocator"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
