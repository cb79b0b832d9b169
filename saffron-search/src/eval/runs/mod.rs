//! Runs over many prompts whose records survive a kill.
