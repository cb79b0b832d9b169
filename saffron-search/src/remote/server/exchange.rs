//! Requests about many sequences: in parts, several at a time, asked again where a row is short.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use saffron_core::Token;
use serde_json::Value;

use super::Server;
use crate::remote::engine::Request;
use crate::remote::{AnswerProblem, RemoteError};

/// What is asked about sequences, and how the answer is read.
pub(in crate::remote) trait Exchange: Sync {
    /// What is known of one sequence.
    type Row: Send;

    /// The most sequences of one request.
    fn most(&self) -> usize {
        usize::MAX
    }

    /// The request about some sequences.
    fn request(&self, sequences: &[Vec<Token>]) -> Request;

    /// The answer: a row a sequence, in their order.
    fn read(&self, body: Value, sequences: &[Vec<Token>]) -> Result<Read<Self::Row>, AnswerProblem>;
}

/// An answer that was read.
#[derive(Debug)]
pub(in crate::remote) struct Read<R> {
    /// Rows, or what is wrong with them.
    pub(in crate::remote) rows: Vec<Result<R, AnswerProblem>>,
    /// The model that answered, where the server says.
    pub(in crate::remote) model: Option<String>,
}

/// Sequences that are asked about in one way. A sequence's key decides its endpoint.
#[derive(Debug)]
pub(in crate::remote) struct Asking<E> {
    pub(in crate::remote) sequences: Vec<(u32, Vec<Token>)>,
    pub(in crate::remote) exchange: E,
}

/// One request.
struct Part {
    asking: usize,
    endpoint: usize,
    /// Places of its sequences in the asking.
    places: Vec<usize>,
}

impl Server {
    /// The rows of all askings, in their order. Requests are in flight together, at most
    /// [`RemoteSettings::in_flight`](crate::remote::RemoteSettings::in_flight). Of several failures
    /// the first in order is reported.
    pub(in crate::remote) fn ask<E: Exchange>(&self, askings: &[Asking<E>]) -> Result<Vec<Vec<E::Row>>, RemoteError> {
        let parts: Vec<Part> =
            askings.iter().enumerate().flat_map(|(place, asking)| self.parts(place, asking)).collect();
        let answers = self.in_flight(&parts, |part| {
            let Asking { sequences, exchange } = &askings[part.asking];
            let contexts: Vec<Vec<Token>> = part.places.iter().map(|place| sequences[*place].1.clone()).collect();
            self.ask_one(&self.endpoints[part.endpoint], &contexts, exchange)
        })?;
        let mut rows: Vec<Vec<Option<E::Row>>> =
            askings.iter().map(|asking| asking.sequences.iter().map(|_| None).collect()).collect();
        for (part, answer) in parts.iter().zip(answers) {
            for (place, row) in part.places.iter().zip(answer) {
                rows[part.asking][*place] = Some(row);
            }
        }
        Ok(rows.into_iter().map(|rows| rows.into_iter().flatten().collect()).collect())
    }

    /// An asking in requests of bounded size, each to one endpoint.
    fn parts<E: Exchange>(&self, place: usize, asking: &Asking<E>) -> Vec<Part> {
        let mut places: Vec<Vec<usize>> = vec![Vec::new(); self.endpoints.len()];
        for (place, (key, _)) in asking.sequences.iter().enumerate() {
            places[*key as usize % self.endpoints.len()].push(place);
        }
        let most = self.settings.max_batch.min(asking.exchange.most()).max(1);
        let parts = places.iter().enumerate().flat_map(|(endpoint, places)| {
            places.chunks(most).map(move |places| Part { asking: place, endpoint, places: places.to_vec() })
        });
        parts.collect()
    }

    /// What `send` makes of every part, several at the same time. After a failure no further part
    /// begins.
    fn in_flight<R: Send>(
        &self,
        parts: &[Part],
        send: impl Fn(&Part) -> Result<R, RemoteError> + Sync,
    ) -> Result<Vec<R>, RemoteError> {
        let workers = self.settings.in_flight.max(1).min(parts.len());
        if workers <= 1 {
            return parts.iter().map(send).collect();
        }
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let answers: Mutex<Vec<Option<Result<R, RemoteError>>>> = Mutex::new(parts.iter().map(|_| None).collect());
        let work = || {
            while !failed.load(Ordering::Relaxed) {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(part) = parts.get(place) else { return };
                let answer = send(part);
                failed.fetch_or(answer.is_err(), Ordering::Relaxed);
                answers.lock().unwrap_or_else(PoisonError::into_inner)[place] = Some(answer);
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..workers {
                scope.spawn(work);
            }
            work();
        });
        // Parts that were not begun stand behind one that failed.
        answers.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect()
    }

    /// The rows of some sequences from one endpoint. Rows that are short are asked again, as often
    /// as requests are tried again, within the time of one request.
    pub(in crate::remote) fn ask_one<E: Exchange>(
        &self,
        endpoint: &str,
        sequences: &[Vec<Token>],
        exchange: &E,
    ) -> Result<Vec<E::Row>, RemoteError> {
        let (begun, mut backoff) = (Instant::now(), self.settings.backoff);
        let failed = |problem| self.http.unusable(endpoint, problem);
        let mut rows: Vec<Option<E::Row>> = sequences.iter().map(|_| None).collect();
        let mut open: Vec<usize> = (0..sequences.len()).collect();
        for tries in 0.. {
            let asked: Vec<Vec<Token>> = open.iter().map(|place| sequences[*place].clone()).collect();
            let read = self.exchange(endpoint, &asked, exchange, begun)?;
            let (mut short, mut again) = (None, Vec::new());
            for (place, row) in open.iter().zip(read) {
                match row {
                    Ok(row) => rows[*place] = Some(row),
                    Err(problem) if problem.may_pass() => {
                        again.push(*place);
                        short.get_or_insert(problem);
                    }
                    Err(problem) => return Err(failed(problem)),
                }
            }
            let Some(problem) = short else { break };
            let left = self.settings.timeout.saturating_sub(begun.elapsed());
            if tries >= self.settings.retries || backoff >= left {
                return Err(failed(problem));
            }
            std::thread::sleep(backoff);
            backoff = backoff.saturating_mul(2);
            open = again;
        }
        Ok(rows.into_iter().flatten().collect())
    }

    /// One request and its answer, from the model that has answered before.
    fn exchange<E: Exchange>(
        &self,
        endpoint: &str,
        sequences: &[Vec<Token>],
        exchange: &E,
        begun: Instant,
    ) -> Result<Vec<Result<E::Row, AnswerProblem>>, RemoteError> {
        let failed = |problem| self.http.unusable(endpoint, problem);
        let (path, body) = exchange.request(sequences);
        let body = self.http.post_since(begun, endpoint, path, &body)?;
        let Read { rows, model } = exchange.read(body, sequences).map_err(failed)?;
        self.check_model(model).map_err(failed)?;
        match rows.len() == sequences.len() {
            true => Ok(rows),
            false => Err(failed(AnswerProblem::Count { expected: sequences.len(), found: rows.len() })),
        }
    }

    fn check_model(&self, found: Option<String>) -> Result<(), AnswerProblem> {
        let Some(found) = found else { return Ok(()) };
        let expected = self.answering.get_or_init(|| found.clone());
        match *expected == found {
            true => Ok(()),
            false => Err(AnswerProblem::OtherModel { expected: expected.clone(), found }),
        }
    }
}
