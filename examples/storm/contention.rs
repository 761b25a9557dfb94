//! Clients that contend for one row: each reads its version and writes, and all but one of those that write the same
//! version fail and try again. The setting is that of a well-known article: M. Brooker, "Exponential Backoff And
//! Jitter", AWS Architecture Blog, 2015.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use persevere::{
    Backoff, Jitter, Policy, Verdict,
    run::{Decision, Run},
};

use crate::random::Random;

pub(crate) const CLIENTS: [usize; 10] = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100];

/// The article's wait `n` is 5 ms * 2^n, with n counted from 1: 10 ms, 20 ms and so on. Decorrelated jitter has no such
/// exponent, and draws from 5 ms on.
const BASE: Duration = Duration::from_millis(5);
const CAP: Duration = Duration::from_secs(2);

/// Name, jitter, and the calls that the article's simulator needs with 100 clients, in the mean of 100 runs. The
/// first and the last are the published figures; it has the other two only as curves, so they are from a run of it.
pub(crate) const KINDS: [(&str, Jitter, f64); 4] = [
    ("exponential", Jitter::None, 1858.0),
    ("equal jitter", Jitter::Equal, 811.0),
    ("decorrelated jitter", Jitter::Decorrelated, 1007.0),
    ("full jitter", Jitter::Full, 795.0),
];

pub(crate) fn policy(jitter: Jitter) -> Policy {
    let base = if jitter == Jitter::Decorrelated { BASE } else { 2 * BASE };
    Policy::from_backoff(Backoff::new(base).immediate_first(false).max_wait(CAP).jitter(jitter)).forever()
}

/// What one run took until all clients were through.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) calls: f64,
    pub(crate) seconds: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Message {
    Read,
    ReadAnswer(u32),
    Write(u32),
    WriteAnswer(bool),
}

pub(crate) fn run(clients: usize, policy: Policy, seed: u64) -> Outcome {
    let mut random = Random::new(seed);
    let mut queue = BinaryHeap::new();
    let mut runs = vec![Run::new(policy, Duration::ZERO); clients];
    let (mut version, mut calls, mut now, mut number) = (0_u32, 0_u32, Duration::ZERO, 0_u64);
    let mut post = |queue: &mut BinaryHeap<_>, random: &mut Random, at: Duration, client: usize, message: Message| {
        let delay = Duration::from_secs_f64(random.normal(0.010, 0.002).abs());
        number += 1;
        queue.push(Reverse((at + delay, number, client, message)));
    };
    for client in 0..clients {
        post(&mut queue, &mut random, now, client, Message::Read);
    }
    while let Some(Reverse((at, _, client, message))) = queue.pop() {
        now = at;
        match message {
            Message::Read => post(&mut queue, &mut random, now, client, Message::ReadAnswer(version)),
            Message::ReadAnswer(version) => post(&mut queue, &mut random, now, client, Message::Write(version)),
            Message::Write(known) => {
                calls += 1;
                let written = known == version;
                version += u32::from(written);
                post(&mut queue, &mut random, now, client, Message::WriteAnswer(written));
            }
            Message::WriteAnswer(true) => {}
            Message::WriteAnswer(false) => match runs[client].failed(Verdict::transient(), now, random.next()) {
                Decision::Wait(wait) => post(&mut queue, &mut random, now + wait, client, Message::Read),
                Decision::Stop(reason) => unreachable!("it goes on for ever: {reason}"),
            },
        }
    }
    Outcome { calls: calls.into(), seconds: now.as_secs_f64() }
}

/// The mean of so many runs.
pub(crate) fn mean(clients: usize, jitter: Jitter, runs: u32, seed: u64) -> Outcome {
    let mut mean = Outcome::default();
    for index in 0..runs {
        let outcome = run(clients, policy(jitter), seed * 1_000_003 + u64::from(index));
        mean.calls += outcome.calls / f64::from(runs);
        mean.seconds += outcome.seconds / f64::from(runs);
    }
    mean
}
