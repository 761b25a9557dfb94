use persevere::{Rejected, Retryable, TimedOut};
use std::time::Duration;

#[derive(Retryable)]
enum Two {
    #[retry(timed_out)]
    One,
    #[retry(timed_out)]
    Other(TimedOut),
}

#[derive(Retryable)]
enum Several {
    #[retry(rejected)]
    HeldBack(Rejected, u32),
}

#[derive(Retryable)]
#[retry(timed_out)]
enum Whole {
    One,
}

#[derive(Retryable)]
enum OnField {
    #[retry(transient)]
    One(#[retry(timed_out)] TimedOut),
}

#[derive(Retryable)]
enum Value {
    #[retry(timed_out = 5)]
    One,
}

#[derive(Retryable)]
enum Contradicts {
    #[retry(timed_out, permanent)]
    One,
}

#[derive(Retryable)]
enum Field {
    #[retry(timed_out)]
    TooLong(Duration),
    #[retry(rejected)]
    HeldBack(String),
}

fn main() {}
