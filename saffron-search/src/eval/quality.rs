//! What an answer is worth beside its safety.
