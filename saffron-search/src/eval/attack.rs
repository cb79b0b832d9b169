//! What an attacker does to a prompt.
