//! What a recording holds, and its JSON lines.

use std::io::{self, BufRead, Write};

use saffron_core::{CandidateFilter, Candidates, ChildReward, Role, Token, Work};
use serde::{Deserialize, Serialize};

use crate::trace::TraceError;
use crate::trace::lines;

/// What is known of the models without asking them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Models {
    /// Number of ids in the policy's vocabulary.
    pub vocabulary: usize,
    /// The policy's end-of-sequence tokens.
    pub end_tokens: Vec<Token>,
    /// The ids that open a reply of the policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reply_header: Vec<Token>,
    /// How rewards are made.
    pub rewards: String,
}

/// A prompt that was asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// What the user asked.
    pub prompt: Vec<Token>,
    /// What the reply was forced to begin with.
    pub prefill: Vec<Token>,
}

/// A session of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedSession {
    /// Place of its prompt among the recording's.
    pub prompt: usize,
    /// The tokens generated so far.
    pub response: Vec<Token>,
}

/// What was asked of the sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "asked", rename_all = "lowercase", expecting = "an object whose `asked` says what it is")]
pub enum Request {
    /// The policy's candidates.
    Propose {
        /// Which.
        filter: CandidateFilter,
    },
    /// The rewards of candidates.
    Score {
        /// Their tokens, session by session.
        candidates: Vec<Vec<Token>>,
    },
}

impl Request {
    /// The model that was asked.
    #[must_use]
    pub fn role(&self) -> Role {
        match self {
            Self::Propose { .. } => Role::Policy,
            Self::Score { .. } => Role::Reward,
        }
    }
}

/// What was answered, session by session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase", expecting = "an object whose `answer` says what it is")]
pub enum Answer {
    /// Candidates.
    Candidates {
        /// One list a session.
        value: Vec<Candidates>,
        /// One entry a session.
        work: Vec<Work>,
    },
    /// Rewards, each a number or `"unseen"` in JSON.
    Rewards {
        /// One list a session.
        #[serde(with = "crate::trace::wire::lists")]
        value: Vec<Vec<ChildReward>>,
        /// One entry a session.
        work: Vec<Work>,
    },
    /// The model failed.
    Failed {
        /// What it said.
        message: String,
    },
}

/// A request with its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedCall {
    /// The batch.
    pub sessions: Vec<AskedSession>,
    /// What was asked.
    pub request: Request,
    /// What was answered.
    pub answer: Answer,
}

/// All that passed a port, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// What is known of the models without asking them.
    pub models: Models,
    /// The prompts, in the order of their first mention.
    pub prompts: Vec<Prompt>,
    /// The calls, in order.
    pub calls: Vec<RecordedCall>,
}

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "lowercase", expecting = "an object whose `record` says what it is")]
enum Line {
    Models(Models),
    Prompt(Prompt),
    Call(RecordedCall),
}

impl Recording {
    /// Writes the recording as JSON lines: the models, the prompts, then one line a call.
    ///
    /// # Errors
    ///
    /// The writer's.
    pub fn write(&self, mut writer: impl Write) -> io::Result<()> {
        let models = std::iter::once(Line::Models(self.models.clone()));
        let prompts = self.prompts.iter().map(|prompt| Line::Prompt(prompt.clone()));
        let calls = self.calls.iter().map(|call| Line::Call(call.clone()));
        for line in models.chain(prompts).chain(calls) {
            writeln!(writer, "{}", serde_json::to_string(&line)?)?;
        }
        writer.flush()
    }

    /// Reads a recording back.
    ///
    /// # Errors
    ///
    /// The first line that is no record or is not in its place: the models come first, and a prompt before the calls that ask about
    /// it.
    pub fn read(reader: impl BufRead) -> Result<Self, TraceError> {
        let mut lines = lines::values(reader, "record of a recording");
        let models = match lines.next().transpose()? {
            Some((_, Line::Models(models))) => models,
            Some((line, other)) => return Err(misplaced(line, "the models", other.name())),
            None => return Err(misplaced(1, "the models", "no line")),
        };
        let mut recording = Self { models, ..Self::default() };
        for line in lines {
            let (line, record) = line?;
            recording.take(line, record)?;
        }
        Ok(recording)
    }

    fn take(&mut self, line: usize, record: Line) -> Result<(), TraceError> {
        match record {
            Line::Models(_) => return Err(misplaced(line, "a prompt or a call", "the models again")),
            Line::Prompt(prompt) => self.prompts.push(prompt),
            Line::Call(call) => {
                let unknown = call.sessions.iter().find(|session| session.prompt >= self.prompts.len());
                if let Some(session) = unknown {
                    let found = format!("prompt {} of {}", session.prompt, self.prompts.len());
                    return Err(misplaced(line, "sessions of prompts that came before", found));
                }
                self.calls.push(call);
            }
        }
        Ok(())
    }
}

impl Line {
    fn name(&self) -> &'static str {
        match self {
            Self::Models(_) => "the models",
            Self::Prompt(_) => "a prompt",
            Self::Call(_) => "a call",
        }
    }
}

fn misplaced(line: usize, expected: &'static str, found: impl Into<String>) -> TraceError {
    TraceError::Misplaced { line, expected, found: found.into() }
}
