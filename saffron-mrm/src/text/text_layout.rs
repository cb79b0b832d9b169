//! What stands around a prompt as text: words, or a chat template with a conversation so far.

use std::sync::Arc;

use saffron_core::{ContextLayout, LayoutOrigin, ModelError, PromptEncoder, PromptLayout, Token};

use super::chat::Piece;
use super::layouts::{Named, guess};
use super::markers;
use super::{ChatTemplate, Message, TemplateError, TextError, TextTokenizer};
use crate::error::LoadError;

/// A layout that encodes prompts together with its own words, so that ids are those of
/// transformers' `apply_chat_template`.
///
/// A policy, a reward model or a served model takes it as its [`ContextLayout`]. It holds a
/// tokenizer, which must be the model's.
#[derive(Clone, Debug)]
pub struct TextLayout {
    tokenizer: TextTokenizer,
    around: Around,
    ids: PromptLayout,
    /// Before the prompt of a turn, which `ids` has behind those of earlier turns.
    turn: Vec<Token>,
    origin: LayoutOrigin,
    /// Marks of turns that are plain text.
    markers: Arc<[String]>,
}

/// What stands around a prompt.
#[derive(Clone, Debug)]
enum Around {
    /// Ids: the model was trained on these.
    Ids,
    /// Words, with earlier turns before them.
    Words { bos: Option<Token>, words: Arc<[String; 2]>, before: Vec<Message> },
    /// A chat template, with earlier messages.
    Template { template: Arc<ChatTemplate>, before: Vec<Message> },
}

impl TextLayout {
    /// A layout of [`LAYOUT_NAMES`](super::LAYOUT_NAMES).
    ///
    /// # Errors
    ///
    /// An unknown name, or a tokenizer without a control token of the layout.
    pub fn named(name: &str, tokenizer: &TextTokenizer) -> Result<Self, LoadError> {
        let (name, layout) = Named::find(name, tokenizer)?;
        let origin = LayoutOrigin::Named(name.into());
        match layout {
            Named::Ids(ids) => {
                let (tokenizer, turn) = (tokenizer.clone(), ids.prefix.clone());
                Ok(Self { tokenizer, around: Around::Ids, ids, turn, origin, markers: Arc::default() })
            }
            Named::Words { bos, prefix, infix } => {
                let bos = if bos { tokenizer.bos() } else { None };
                Self::of_words(tokenizer, bos, [prefix, infix, ""], origin)
                    .map_err(|error| LoadError::Layout { name: name.to_owned(), reason: error.to_string() })
            }
        }
    }

    /// The layout that special tokens suggest: ChatML, Llama 3, or none at all.
    ///
    /// # Errors
    ///
    /// A tokenizer that cannot encode the layout.
    pub fn guessed(tokenizer: &TextTokenizer) -> Result<Self, LoadError> {
        let name = guess(tokenizer);
        Ok(Self { origin: LayoutOrigin::Guessed(name.into()), ..Self::named(name, tokenizer)? })
    }

    /// A chat template around the user's next turn, with the conversation `before` it. A prefill is
    /// the beginning of the reply as `continue_final_message` renders it.
    ///
    /// # Errors
    ///
    /// As [`ChatTemplate::layout`].
    pub fn of_template(
        template: &ChatTemplate,
        before: &[Message],
        tokenizer: &TextTokenizer,
    ) -> Result<Self, TemplateError> {
        let tokenizer = tokenizer.guarding(template.source())?;
        let ids = template.layout(&tokenizer, before)?;
        Ok(Self {
            turn: ids.prefix.clone(),
            ids,
            markers: markers::of_template(template, &tokenizer).into(),
            around: Around::Template { template: Arc::new(template.clone()), before: before.to_vec() },
            tokenizer,
            origin: LayoutOrigin::Template,
        })
    }

    /// A layout in words: before the prompt, between prompt and response, and behind the response.
    /// Special tokens that they spell are special.
    ///
    /// # Errors
    ///
    /// Words that the tokenizer cannot encode.
    pub fn in_words(tokenizer: &TextTokenizer, words: [&str; 3]) -> Result<Self, TextError> {
        Self::of_words(tokenizer, None, words, LayoutOrigin::Given)
    }

    /// The same with an origin, behind the beginning of the sequence where the tokenizer has one.
    pub(crate) fn around(
        tokenizer: &TextTokenizer,
        bos: bool,
        words: [&str; 3],
        origin: LayoutOrigin,
    ) -> Result<Self, TextError> {
        let bos = if bos { tokenizer.bos() } else { None };
        Self::of_words(tokenizer, bos, words, origin)
    }

    fn of_words(
        tokenizer: &TextTokenizer,
        bos: Option<Token>,
        [prefix, infix, suffix]: [&str; 3],
        origin: LayoutOrigin,
    ) -> Result<Self, TextError> {
        let ids = PromptLayout {
            prefix: bos.into_iter().chain(tokenizer.encode_markup(prefix)?).collect(),
            infix: tokenizer.encode_markup(infix)?,
            suffix: tokenizer.encode_markup_behind(suffix)?,
        };
        let markers = markers::of_words([prefix, infix, suffix].into_iter(), tokenizer).into();
        let words = Arc::new([prefix, infix].map(str::to_owned));
        let around = Around::Words { bos, words, before: Vec::new() };
        Ok(Self { tokenizer: tokenizer.clone(), around, turn: ids.prefix.clone(), ids, origin, markers })
    }

    /// The layout around the next turn of a conversation that has come so far. Layouts that are no
    /// chat templates have no words for what the system is told, and leave it out.
    ///
    /// # Errors
    ///
    /// A conversation that the template refuses, text that cannot be encoded.
    pub fn after(&self, messages: &[Message]) -> Result<Self, TemplateError> {
        let (bos, words, before) = match &self.around {
            Around::Template { template, before } => {
                return Self::of_template(template, &[&before[..], messages].concat(), &self.tokenizer);
            }
            Around::Words { bos, words, before } => (*bos, Some(words), &before[..]),
            Around::Ids => (self.tokenizer.bos(), None, &[][..]),
        };
        // The beginning of the sequence comes once.
        let begin = usize::from(bos.is_some() && self.turn.first() == bos.as_ref());
        let turns = messages.iter().filter(|message| message.role != "system");
        let turn = &self.turn[begin..];
        let mut prefix = self.ids.prefix[..self.ids.prefix.len() - turn.len()].to_vec();
        for message in turns.clone() {
            prefix.extend_from_slice(if message.role == "user" { turn } else { &self.ids.infix });
            prefix.extend(self.tokenizer.encode(&message.content)?);
        }
        prefix.extend_from_slice(turn);
        let around = match words {
            None => Around::Ids,
            Some(words) => {
                Around::Words { bos, words: words.clone(), before: before.iter().chain(turns).cloned().collect() }
            }
        };
        let ids = PromptLayout { prefix, ..self.ids.clone() };
        Ok(Self { around, ids, ..self.clone() })
    }

    /// The layout of sessions made of ids.
    #[must_use]
    pub fn ids(&self) -> &PromptLayout {
        &self.ids
    }

    /// Where it comes from.
    #[must_use]
    pub fn origin(&self) -> &LayoutOrigin {
        &self.origin
    }

    /// The marks of turns that are plain text, not control tokens (`[INST]`, `User:`). The model
    /// cannot tell them from a prompt that spells them.
    #[must_use]
    pub fn markers(&self) -> &[String] {
        &self.markers
    }

    /// The [markers](Self::markers) that a prompt spells: to the model it looks as if a turn began
    /// or ended there. Nothing is done about it, since the prompt may only speak of them; a program
    /// says so.
    #[must_use]
    pub fn spells_markers(&self, prompt: &str) -> Vec<&str> {
        self.markers.iter().map(String::as_str).filter(|marker| prompt.contains(marker)).collect()
    }

    /// The token that begins every context, and the words before and behind the prompt, of a layout
    /// in words without earlier turns.
    pub(crate) fn words(&self) -> Option<(Option<Token>, [String; 2])> {
        match &self.around {
            Around::Words { bos, words, before } if before.is_empty() => Some((*bos, (**words).clone())),
            _ => None,
        }
    }

    fn encode(&self, prompt: &str, prefill: Option<&str>) -> Result<Vec<Token>, TemplateError> {
        match &self.around {
            Around::Ids => {
                let [prompt, prefill] = [prompt, prefill.unwrap_or_default()].map(|text| self.tokenizer.encode(text));
                Ok([&self.ids.prefix[..], &prompt?, &self.ids.infix, &prefill?].concat())
            }
            Around::Words { bos, words, before } => {
                let mut pieces = Vec::new();
                let turn = |message: usize, text| [Piece::Markup(&words[0]), Piece::Said { message, text }];
                for (place, message) in before.iter().enumerate() {
                    let [mut markup, said] = turn(place, &message.content);
                    if message.role != "user" {
                        markup = Piece::Markup(&words[1]);
                    }
                    pieces.extend([markup, said]);
                }
                pieces.extend(turn(before.len(), prompt));
                pieces.push(Piece::Markup(&words[1]));
                pieces.extend(prefill.map(|text| Piece::Said { message: before.len() + 1, text }));
                Ok(bos.iter().copied().chain(self.tokenizer.encode_pieces(&pieces)?).collect())
            }
            Around::Template { template, before } => {
                let mut messages = [&before[..], &[Message::user(prompt)]].concat();
                let Some(prefill) = prefill else { return template.guarded_tokens(&self.tokenizer, &messages) };
                messages.push(Message::assistant(prefill));
                template.guarded_continued_tokens(&self.tokenizer, &messages)
            }
        }
    }
}

impl PromptEncoder for TextLayout {
    fn encode_prompt(&self, prompt: &str, prefill: Option<&str>) -> Result<Vec<Token>, ModelError> {
        self.encode(prompt, prefill).map_err(|error| ModelError::other("encoding a prompt in its layout", error))
    }

    fn spelled_marks(&self, prompt: &str) -> Vec<String> {
        self.spells_markers(prompt).into_iter().map(str::to_owned).collect()
    }
}

impl From<TextLayout> for ContextLayout {
    fn from(layout: TextLayout) -> Self {
        let (ids, origin) = (layout.ids.clone(), layout.origin.clone());
        match layout.around {
            Around::Ids => Self::of_ids(ids, origin),
            _ => Self::of_text(ids, Arc::new(layout), origin),
        }
    }
}
