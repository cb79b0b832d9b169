//! Requests, answers and streams of an OpenAI-compatible server, without one.

mod deliveries;
mod offers;
mod requests;
