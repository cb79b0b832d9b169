//! Counters in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saffron_core::Safety;
use saffron_search::scheduler::Load;
use saffron_search::serve::{Answer, Endpoint};

/// Upper ends of the histogram of times, in seconds.
const BUCKETS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// What a server has done so far.
#[derive(Debug, Default)]
pub(super) struct Metrics(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// By name and labels.
    counters: BTreeMap<(&'static str, String), u64>,
    seconds: f64,
    buckets: [u64; BUCKETS.len()],
    answers: u64,
}

impl Metrics {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has its status.
    pub(super) fn request(&self, endpoint: Endpoint, status: u16) {
        let labels = format!("{{path=\"{}\",status=\"{status}\"}}", endpoint.path());
        self.counts().add("saffron_requests_total", labels, 1);
    }

    /// A client went away before its answer was complete.
    pub(super) fn gone(&self) {
        self.counts().add("saffron_disconnects_total", String::new(), 1);
    }

    /// An answer is complete.
    pub(super) fn answer(&self, answer: &Answer, prompt_tokens: usize, took: Duration) {
        let mut counts = self.counts();
        counts.add("saffron_prompt_tokens_total", String::new(), prompt_tokens as u64);
        counts.add("saffron_completion_tokens_total", String::new(), answer.tokens() as u64);
        let usage = &answer.outcome.usage;
        counts.add("saffron_flops_total", String::new(), usage.computed_flops());
        counts.add("saffron_finish_total", format!("{{reason=\"{}\"}}", answer.finish.name()), 1);
        if answer.intervened == Some(true) {
            counts.add("saffron_interventions_total", String::new(), 1);
        }
        if answer.judged {
            let verdict = match answer.outcome.verdict.safety {
                Safety::Safe => "safe",
                Safety::Unsafe => "unsafe",
                Safety::Undecided => "undecided",
            };
            counts.add("saffron_verdicts_total", format!("{{verdict=\"{verdict}\"}}"), 1);
        }
        counts.took(took.as_secs_f64());
    }

    /// The page that Prometheus reads.
    pub(super) fn page(&self, load: Load) -> String {
        let counts = self.counts();
        let mut page = String::new();
        let mut last = "";
        for ((name, labels), value) in &counts.counters {
            if *name != last {
                let _ = writeln!(page, "# TYPE {name} counter");
                last = name;
            }
            let _ = writeln!(page, "{name}{labels} {value}");
        }
        for (name, value) in [("saffron_running", load.running), ("saffron_queued", load.queued)] {
            let _ = write!(page, "# TYPE {name} gauge\n{name} {value}\n");
        }
        let name = "saffron_answer_seconds";
        let _ = writeln!(page, "# TYPE {name} histogram");
        for (end, count) in BUCKETS.iter().zip(counts.buckets) {
            let _ = writeln!(page, "{name}_bucket{{le=\"{end}\"}} {count}");
        }
        let Counts { answers, seconds, .. } = *counts;
        let _ = write!(page, "{name}_bucket{{le=\"+Inf\"}} {answers}\n{name}_sum {seconds}\n{name}_count {answers}\n");
        page
    }
}

impl Counts {
    fn add(&mut self, name: &'static str, labels: String, more: u64) {
        let counter = self.counters.entry((name, labels)).or_default();
        *counter = counter.saturating_add(more);
    }

    fn took(&mut self, seconds: f64) {
        self.seconds += seconds;
        self.answers += 1;
        for (end, count) in BUCKETS.iter().zip(&mut self.buckets) {
            *count += u64::from(seconds <= *end);
        }
    }
}
