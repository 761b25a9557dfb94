use persevere::{Policy, Timed, retry};
use std::io;
use std::time::Duration;

#[retry(attempt_timeout = 5)]
fn by_key() -> io::Result<String> {
    std::fs::read_to_string("x")
}

const TIMED: Timed<Policy> = Policy::new().attempt_timeout(Duration::from_secs(5));

#[retry(policy = TIMED)]
fn by_policy() -> io::Result<String> {
    std::fs::read_to_string("x")
}

fn main() {
    let _ = (by_key(), by_policy());
}
