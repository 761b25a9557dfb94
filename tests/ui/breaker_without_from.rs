use persevere::{guard::Breaker, Policy, Retryable, retry};

static BREAKER: Breaker = Breaker::new();

#[derive(Debug, Retryable)]
enum MyError {
    #[retry(transient)]
    Busy,
}

#[retry(breaker = &BREAKER)]
fn blocking() -> Result<(), MyError> {
    Err(MyError::Busy)
}

#[retry(breaker = &BREAKER)]
async fn waiting() -> Result<(), MyError> {
    Err(MyError::Busy)
}

fn main() {
    let _ = blocking();
    drop(waiting());
    let _ = Policy::new().breaker(&BREAKER).run(blocking);
    let _ = retry(Policy::new().breaker(&BREAKER), blocking);
    let _ = persevere::prelude::retry!(Policy::new().breaker(&BREAKER), blocking());
}
