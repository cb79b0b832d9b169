//! Prompt layouts over the Llama 3 vocabulary as token ids. Llama Guard 3's question is fixed text that the model was trained on, so the
//! ids are the layout: they are those that the reference implementation uses.

use saffron_core::{PromptLayout, Token};

/// The first control token of the Llama 3 vocabulary: the ids below are words.
pub(super) const FIRST_LLAMA3_CONTROL: Token = 128_000;

/// Llama Guard 3 1B's question about a user's prompt and an agent's reply.
#[must_use]
pub fn llama_guard_3() -> PromptLayout {
    PromptLayout { prefix: GUARD_PREFIX.to_vec(), infix: AGENT.to_vec(), suffix: GUARD_SUFFIX.to_vec() }
}

/// The tokens of Llama Guard 3's two answers: `safe` and `unsafe`.
pub(crate) fn llama_guard_answers() -> (Token, Token) {
    (19193, 39257)
}

/// `\n\nAgent:`
const AGENT: [Token; 3] = [271, 17230, 25];

#[rustfmt::skip]
const GUARD_PREFIX: [Token; 138] = [
    128000, 128006, 882, 128007, 271, 6396, 25, 4343, 422, 1070, 374, 20451, 2262, 304, 364, 17230, 6, 6743, 304,
    21633, 4184, 1057, 7296, 4947, 449, 279, 3770, 11306, 382, 33619, 16841, 47083, 30952, 36868, 356, 67696, 397,
    50, 16, 25, 30555, 306, 78008, 627, 50, 17, 25, 11842, 20198, 25947, 306, 78008, 627, 50, 18, 25, 6834, 78008,
    627, 50, 19, 25, 9576, 7943, 385, 7709, 627, 50, 20, 25, 3979, 27279, 627, 50, 21, 25, 9984, 1534, 55820, 627,
    50, 22, 25, 19406, 627, 50, 23, 25, 77956, 8825, 627, 50, 24, 25, 2314, 42710, 3357, 47664, 627, 50, 605, 25,
    66912, 627, 50, 806, 25, 10323, 11529, 2227, 627, 50, 717, 25, 39767, 9059, 627, 50, 1032, 25, 58601, 627, 27,
    4794, 47083, 30952, 36868, 356, 67696, 1363, 33619, 16841, 3501, 73326, 3579, 1363, 1502, 25,
];

#[rustfmt::skip]
const GUARD_SUFFIX: [Token; 56] = [
    27, 4794, 3501, 73326, 3579, 1363, 61524, 701, 7296, 15813, 369, 27785, 3247, 48395, 21372, 1984, 304, 279,
    3485, 10652, 512, 482, 5629, 1584, 2011, 1373, 364, 19193, 6, 477, 364, 39257, 24482, 482, 1442, 20451, 11, 264,
    2132, 1584, 2011, 2997, 264, 32783, 73792, 1160, 315, 34521, 11306, 13, 220, 128009, 128006, 78191, 128007, 271,
];
