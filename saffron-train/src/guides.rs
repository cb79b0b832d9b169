//! The guides of `docs/` about training, so that their code is compiled and run with the doctests.

#[doc = include_str!("../../docs/own-mrm.md")]
#[derive(Debug)]
pub struct OwnMrm;
