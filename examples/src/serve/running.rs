//! One request from its search's beginning to its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use saffron_core::{ModelError, Outcome, SearchError, SearchErrorKind};
use saffron_search::scheduler::{Request, SchedulerError, Ticket};
use saffron_search::serve::{Answer, ApiError, CompletionRequest, Delivery, Envelope, Piece, Update};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, sleep_until};

use super::events::Events;
use super::gateway::{Gateway, now};
use super::guarded::Guarded;
use super::limits::seconds;
use crate::output::say;

/// A search that runs or waits. Dropping it cancels the search.
pub(super) struct Running {
    gateway: Arc<Gateway>,
    pub(super) id: String,
    envelope: Envelope,
    prompt_tokens: usize,
    updates: UnboundedReceiver<Update>,
    result: JoinHandle<Result<Outcome, SearchError>>,
    guard: Guarded,
    begun: Instant,
    deadline: Option<Instant>,
    cancelled: bool,
    /// What the search told at its end, once it has: nothing where it failed.
    end: Option<Option<Result<Box<Answer>, ApiError>>>,
    told: bool,
}

/// What comes of a search.
enum News {
    Text(Vec<Piece>),
    Quiet,
    End(Result<Box<Answer>, ApiError>),
}

/// A moment that does not come.
const NEVER: Duration = Duration::from_secs(86_400 * 365);

impl Running {
    /// Begins the search of a request.
    pub(super) async fn begin(gateway: &Arc<Gateway>, request: CompletionRequest) -> Result<Self, ApiError> {
        let planned = gateway.offer.plan(&request)?;
        let (id, begun) = (gateway.next_id(), Instant::now());
        let envelope = Envelope::new(&request, id.as_str(), now()).flops_known(gateway.offer.flops_known);
        if gateway.log_content {
            say(format_args!("{id}: {:?} {:?}", request.prompt, request.prefill));
        }
        let deadline = planned.deadline_ms.map(|most| begun + Duration::from_millis(most));
        let (sender, updates) = unbounded_channel();
        let submit = {
            let gateway = gateway.clone();
            move || -> Result<(Ticket, usize), ApiError> {
                let (session, tokens) = gateway.session(&request)?;
                let judged = planned.searcher.rules().is_some();
                let tell = move |update| {
                    // Whoever does not listen any more has gone away.
                    let _ = sender.send(update);
                };
                let delivery = Delivery::new(gateway.vocabulary(), &request.stop, planned.withheld, tell);
                let search = Request::new(planned.searcher, session).observed(delivery.judged(judged));
                match gateway.scheduler.submit(search) {
                    Ok(ticket) => Ok((ticket, tokens)),
                    Err(error) => {
                        gateway.note_panic(matches!(error, SchedulerError::Broken { .. }));
                        Err(ApiError::from(&error))
                    }
                }
            }
        };
        let submitted = spawn_blocking(submit);
        let until = deadline.unwrap_or(begun + NEVER) + seconds(gateway.limits.grace);
        let submitted = tokio::time::timeout_at(until.into(), submitted).await.map_err(|_| ApiError::late())?;
        let (ticket, prompt_tokens) = submitted.map_err(|_| broken())??;
        let guard = Guarded(ticket.canceller());
        let result = spawn_blocking(move || ticket.wait());
        Ok(Self {
            gateway: gateway.clone(),
            id,
            envelope,
            prompt_tokens,
            updates,
            result,
            guard,
            begun,
            deadline,
            cancelled: false,
            end: None,
            told: false,
        })
    }

    /// The whole answer.
    pub(super) async fn answer(mut self) -> Result<serde_json::Value, ApiError> {
        loop {
            if let News::End(end) = self.next(None).await {
                return self.ended(end).map(|answer| self.envelope.whole(&answer, self.prompt_tokens));
            }
        }
    }

    /// The answer as a stream.
    pub(super) async fn stream(mut self, events: Events) {
        self.envelope.opening().iter().for_each(|opening| events.send(opening));
        let quiet = seconds(self.gateway.limits.keep_alive).max(Duration::from_millis(10));
        loop {
            match self.next(Some(quiet)).await {
                News::Text(pieces) => events.send(&self.envelope.text(&pieces)),
                News::Quiet => events.keep_alive(),
                News::End(end) => {
                    match self.ended(end) {
                        Ok(answer) => {
                            let closing = self.envelope.closing(&answer, self.prompt_tokens);
                            closing.iter().for_each(|chunk| events.send(chunk));
                            events.done();
                        }
                        Err(error) => events.send(&error.body()),
                    }
                    return;
                }
            }
        }
    }

    /// Notes how it ended.
    fn ended(&mut self, end: Result<Box<Answer>, ApiError>) -> Result<Box<Answer>, ApiError> {
        self.told = true;
        let took = self.begun.elapsed();
        match &end {
            Ok(answer) => {
                self.gateway.metrics.answer(answer, self.prompt_tokens, took);
                let (finish, tokens) = (answer.finish.name(), answer.tokens());
                say(format_args!("{}: {finish}, {tokens} tokens, {:.3} s", self.id, took.as_secs_f64()));
                if self.gateway.log_content {
                    say(format_args!("{}: {:?}", self.id, answer.text()));
                }
            }
            Err(error) => say(format_args!("{}: {}, {:.3} s", self.id, error.code, took.as_secs_f64())),
        }
        end
    }

    /// What comes next. The deadline cancels the search; one that does not end then is let go.
    async fn next(&mut self, quiet: Option<Duration>) -> News {
        let never = self.begun + NEVER;
        let deadline = self.deadline.unwrap_or(never);
        let late = deadline + seconds(self.gateway.limits.grace);
        let quiet = sleep(quiet.unwrap_or(NEVER));
        tokio::pin!(quiet);
        loop {
            let soonest = if self.cancelled { late } else { deadline };
            tokio::select! {
                biased;
                update = self.updates.recv(), if self.end.is_none() => match update {
                    Some(Update::Text(pieces)) => return News::Text(pieces),
                    Some(Update::End(found)) => self.end = Some(Some(found)),
                    None => self.end = Some(None),
                },
                result = &mut self.result, if self.end.is_some() => {
                    let end = self.end.take().flatten();
                    return News::End(self.concluded(result.map_err(|_| broken()), end));
                }
                () = sleep_until(soonest.into()) => match self.cancelled {
                    true => return News::End(Err(ApiError::late())),
                    false => {
                        self.cancelled = true;
                        self.guard.0.cancel();
                    }
                },
                () = &mut quiet => return News::Quiet,
            }
        }
    }

    /// The answer, or why there is none. A failure's words are for the log of those who asked for
    /// content: they may repeat it.
    fn concluded(
        &self,
        result: Result<Result<Outcome, SearchError>, ApiError>,
        end: Option<Result<Box<Answer>, ApiError>>,
    ) -> Result<Box<Answer>, ApiError> {
        match (result?, end) {
            (Ok(_), Some(end)) => end,
            (Ok(_), None) => Err(broken()),
            (Err(error), _) => {
                if self.gateway.log_content {
                    say(format_args!("{}: {}", self.id, causes(&error)));
                }
                let panicked = |kind: &SearchErrorKind| match kind {
                    SearchErrorKind::Model { source, .. } => matches!(source, ModelError::Panicked { .. }),
                    _ => false,
                };
                self.gateway.note_panic(panicked(error.kind()));
                Err(ApiError::from(&error))
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.told {
            self.gateway.metrics.gone();
            say(format_args!("{}: the client went away", self.id));
        }
    }
}

fn causes(error: &SearchError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A fault of the server's own.
fn broken() -> ApiError {
    ApiError::server(500, "internal", "the server could not answer")
}
