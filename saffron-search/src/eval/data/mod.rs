//! Reading prompts and replies from files.
