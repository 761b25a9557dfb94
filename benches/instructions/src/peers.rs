//! The peers' doors beside this crate's, by the rows of the timed benches: one operation, one set of rules.

use std::hint::black_box;
use std::mem;

use persevere_benches::operation::{Outcome, SMALL};
use persevere_benches::{blocking, future, measure, operation};

use crate::cases::{Answer, Fail, Script, cases};

fn answer(outcome: Outcome) -> Answer {
    outcome.map_err(|_| Fail::default())
}

#[inline(always)]
fn blocking<R: blocking::Row>(script: &mut Script) -> Answer {
    answer(R::run(operation::blocking(mem::take(&mut script.failures))))
}

#[inline(always)]
fn future<R: future::Row>() -> Answer {
    answer(measure::poll(R::at_once(operation!(SMALL, black_box(0)))))
}

cases! {
    fn peer_blocking_bare(f) {
        let mut operation = operation::blocking(mem::take(&mut f.failures));
        loop {
            let outcome = operation();
            if outcome.is_ok() {
                break answer(outcome);
            }
        }
    }
    fn peer_blocking_hand(f) { blocking::<blocking::HandWritten>(f) }
    fn peer_blocking_function(f) { blocking::<blocking::Function>(f) }
    fn peer_blocking_macro(f) { blocking::<blocking::InPlace>(f) }
    fn peer_blocking_backon(f) { blocking::<blocking::Backon>(f) }
    fn peer_blocking_backoff(f) { blocking::<blocking::Backoff>(f) }
    fn peer_blocking_retry(f) { blocking::<blocking::Retry>(f) }
    fn peer_blocking_exponential(f) { blocking::<blocking::ExponentialBackoff>(f) }

    fn peer_async_bare(_f) { answer(measure::poll(future::bare(operation!(SMALL, black_box(0))))) }
    fn peer_async_hand(_f) { future::<future::HandWritten>() }
    fn peer_async_function(_f) { future::<future::Function>() }
    fn peer_async_macro(_f) { future::<future::InPlace>() }
    fn peer_async_backon(_f) { future::<future::Backon>() }
    fn peer_async_backoff(_f) { future::<future::Backoff>() }
    fn peer_async_tokio_retry2(_f) { future::<future::TokioRetry2>() }
    fn peer_async_tryhard(_f) { future::<future::Tryhard>() }
    fn peer_async_again(_f) { future::<future::Again>() }
    fn peer_async_exponential(_f) { future::<future::ExponentialBackoff>() }
    fn peer_async_tower(_f) { future::<future::Tower>() }
}
