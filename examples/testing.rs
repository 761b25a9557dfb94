//! A unit test of a function that retries: two ways, neither of which waits.
//!
//! The code under test is an ordinary one, with the policy that it has in production: up to 61 attempts, two minutes
//! apart. Run the tests, or the same as a program:
//!
//! ```text
//! cargo test --example testing --features testing
//! cargo run --example testing --features testing
//! ```

use std::io;
use std::time::{Duration, Instant};

use persevere::testing::{self, Script, VirtualTimer};
use persevere::{Jitter, Policy, retry, time::BlockingTimer};

/// What the code under test talks to.
trait Warehouse {
    fn stock(&self, article: &str) -> io::Result<u32>;
}

/// The code under test. Nothing in it knows of tests.
fn reorder(warehouse: &impl Warehouse) -> io::Result<&'static str> {
    let stock = retry(Policy::new().total(60).backoff(Duration::from_secs(60)), || warehouse.stock("kettle"))?;
    Ok(if stock < 10 { "order more" } else { "enough" })
}

/// The same with the timer as an argument, for tests of what depends on time.
fn reorder_within_an_hour(warehouse: &impl Warehouse, timer: impl BlockingTimer) -> io::Result<u32> {
    let policy = Policy::new().forever().backoff(Duration::from_secs(60)).within(Duration::from_secs(3600));
    policy.jitter(Jitter::None).timer(timer).run(|| warehouse.stock("kettle"))
}

/// A warehouse by script.
impl Warehouse for Script<u32, io::Error> {
    fn stock(&self, _: &str) -> io::Result<u32> {
        self.call()
    }
}

fn down() -> io::Error {
    io::ErrorKind::ConnectionRefused.into()
}

#[cfg_attr(test, test)]
fn it_retries_until_the_warehouse_is_back() {
    let waits = testing::skip_waits();
    let warehouse = Script::new().fail(50, down).succeed(3);
    assert_eq!(reorder(&warehouse).unwrap(), "order more");
    assert_eq!(warehouse.calls(), 51);
    assert_eq!(waits.due().len(), 49); // the first retry comes at once
}

#[cfg_attr(test, test)]
fn it_gives_the_error_back_when_the_warehouse_stays_down() {
    let waits = testing::skip_waits();
    let warehouse = Script::new().fail(61, down);
    assert_eq!(reorder(&warehouse).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    assert!(waits.due().iter().all(|wait| *wait <= Duration::from_secs(120)));
}

#[cfg_attr(test, test)]
fn it_does_not_repeat_what_will_not_go_away() {
    let warehouse = Script::new().fail(1, || io::ErrorKind::PermissionDenied.into());
    assert_eq!(reorder(&warehouse).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    assert_eq!(warehouse.calls(), 1); // a second call would have panicked: the script has one outcome
}

#[cfg_attr(test, test)]
fn it_keeps_its_hour() {
    let timer = VirtualTimer::new();
    let warehouse =
        Script::new().timer(&timer).stall(Duration::from_secs(10)).then(std::iter::repeat_with(|| Err(down())));
    assert!(reorder_within_an_hour(&warehouse, &timer).is_err());
    assert_eq!(timer.elapsed().as_secs(), 10 + 29 * 120); // one more wait would have ended past the hour
    assert_eq!(warehouse.calls(), 31);
}

fn main() {
    let started = Instant::now();
    let tests: [(&str, fn()); 4] = [
        ("it retries until the warehouse is back", it_retries_until_the_warehouse_is_back),
        (
            "it gives the error back when the warehouse stays down",
            it_gives_the_error_back_when_the_warehouse_stays_down,
        ),
        ("it does not repeat what will not go away", it_does_not_repeat_what_will_not_go_away),
        ("it keeps its hour", it_keeps_its_hour),
    ];
    for (name, test) in tests {
        test();
        println!("ok  {name}");
    }
    let virtually = Duration::from_secs(49 * 120 + 59 * 120 + 10 + 29 * 120);
    println!("up to {} minutes of waits and stalls, tested in {:?}", virtually.as_secs() / 60, started.elapsed());
}
