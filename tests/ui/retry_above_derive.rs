use persevere::{Retryable, retry};

#[retry(transient)]
#[derive(Retryable)]
struct Busy;

#[retry]
fn one() -> Result<u32, Busy> {
    Err(Busy)
}

fn main() {
    let _ = one();
}
