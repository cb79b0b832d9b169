//! The server: requests over connections, on small models.

mod answers;
mod client;
mod documents;
mod faults;
mod limits;
mod programs;
mod served;
