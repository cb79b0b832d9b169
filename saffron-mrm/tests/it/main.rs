//! Integration tests over the tiny checkpoints in `fixtures/`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adapter_mutants;
mod adapters;
mod cards;
mod chat;
mod configs;
mod controls;
mod conversation;
mod dense;
mod export;
mod families;
mod files;
mod fixtures;
#[cfg(all(feature = "flex", feature = "autodiff"))]
mod fused_decoder;
#[cfg(feature = "gguf")]
mod gguf;
#[cfg(feature = "gguf")]
mod gguf_split;
mod guards;
mod heads;
mod hostile_templates;
mod hostile_tokenizers;
#[cfg(feature = "hub")]
mod hub;
mod input;
mod loaders;
mod local;
mod memory;
mod mutants;
mod parity;
mod save;
mod sentence_piece;
mod templates;
mod text;
mod together;
mod tokenizer_files;
mod torch_archive;
