use persevere::{guard::Breaker, Policy, Retryable, retry, retry_async};
use std::time::Duration;

static BREAKER: Breaker = Breaker::new();

#[derive(Retryable)]
#[retry(transient)]
struct Busy;

#[retry(attempt_timeout = 5)]
async fn ask() -> Result<u32, Busy> {
    Err(Busy)
}

#[retry(attempt_timeout = 5, breaker = &BREAKER)]
async fn guarded() -> Result<u32, Busy> {
    Err(Busy)
}

fn function() -> impl Future {
    retry_async(Policy::new().attempt_timeout(Duration::from_secs(5)), ask)
}

fn main() {
    drop((ask(), guarded(), function()));
}
