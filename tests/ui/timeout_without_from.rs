use persevere::{Retryable, retry};

#[derive(Retryable)]
#[retry(transient)]
struct Busy;

#[retry(attempt_timeout = 5)]
async fn ask() -> Result<u32, Busy> {
    Err(Busy)
}

fn main() {
    drop(ask());
}
