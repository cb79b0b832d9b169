//! A request's answer is the one that it has alone.

use saffron_core::{Outcome, Session};
use saffron_search::scheduler::{Limits, Request, Ticket};
use saffron_search::{Saffron, Scheduler, Searcher};

use super::{gate, session};
use crate::many::{Prompted, reward, timeless};
use crate::strategies::{all, searcher};

/// Sixteen strategies and sixteen widths, with filters, lengths and seeds of their own.
fn requests() -> Vec<(Searcher, Session)> {
    let widths = (1..=16).map(|width| Box::new(Saffron::paper(width)) as Box<_>);
    let prompts = (1..=40).filter(|prompt| *prompt != 13);
    let settings = |(place, (strategy, prompt)): (usize, (_, u32))| {
        let searcher = searcher(strategy, 3 + place % 4).seed(place as u64 / 3);
        let searcher = match place / 2 % 5 {
            0 => searcher,
            1 => searcher.top_p(0.9),
            2 => searcher.top_k(3),
            3 => searcher.min_new_tokens(2),
            _ => searcher.no_repeat_ngram(2),
        };
        (searcher, session(prompt % 40))
    };
    all().into_iter().chain(widths).zip(prompts).enumerate().map(settings).collect()
}

fn alone() -> Vec<Outcome> {
    let run = |(searcher, session): (Searcher, Session)| searcher.run(&session, &mut Prompted, &mut reward());
    requests().into_iter().map(|request| timeless(run(request).unwrap())).collect()
}

fn wait(ticket: Ticket) -> Outcome {
    timeless(ticket.wait().unwrap())
}

#[test]
fn requests_that_arrive_one_after_another_have_the_answers_that_each_has_alone() {
    for running in [1, 5, 32] {
        let (policy, gate) = gate();
        let scheduler = Scheduler::with_limits(policy, reward(), Limits { running, queued: 64 }).unwrap();
        let mut most = 0;
        let mut tickets = Vec::new();
        for (searcher, session) in requests() {
            tickets.push(scheduler.submit(Request::new(searcher, session)).unwrap());
            // One call of the policy between one arrival and the next.
            let mut prompts = gate.call();
            prompts.dedup();
            most = most.max(prompts.len());
            gate.allow();
        }
        drop(gate);
        let found: Vec<Outcome> = tickets.into_iter().map(wait).collect();
        assert_eq!(found, alone(), "{running} at once");
        assert_eq!(most > 1, running > 1, "{most} together, {running} at once");
    }
}

#[test]
fn the_order_of_arrival_does_not_change_answers() {
    let expected = alone();
    for rotation in [0, 1, 11, 30] {
        let scheduler = Scheduler::with_limits(Prompted, reward(), Limits { running: 7, queued: 64 }).unwrap();
        let mut requests: Vec<(usize, (Searcher, Session))> = requests().into_iter().enumerate().collect();
        requests.rotate_left(rotation);
        if rotation % 2 == 1 {
            requests.reverse();
        }
        let submit = |(place, (searcher, session))| (place, scheduler.submit(Request::new(searcher, session)).unwrap());
        let tickets: Vec<(usize, Ticket)> = requests.into_iter().map(submit).collect();
        for (place, ticket) in tickets {
            assert_eq!(wait(ticket), expected[place], "request {place}, rotation {rotation}");
        }
    }
}

#[test]
fn threads_that_share_a_scheduler_have_the_answers_that_each_has_alone() {
    let expected = alone();
    let scheduler = Scheduler::with_limits(Prompted, reward(), Limits { running: 4, queued: 64 }).unwrap();
    std::thread::scope(|scope| {
        for ((searcher, session), expected) in requests().into_iter().zip(&expected) {
            let scheduler = &scheduler;
            scope.spawn(move || {
                let ticket = scheduler.submit(Request::new(searcher, session)).unwrap();
                assert_eq!(wait(ticket), *expected);
            });
        }
    });
}
