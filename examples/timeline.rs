//! Draws a run as a timeline, and the policy that led it before it ran.
//!
//! In virtual time, so nothing waits. A report of a real run is drawn the same way: `report.timeline()`.
//!
//! ```text
//! cargo run --example timeline --features svg,testing,terminal
//! cargo run --example timeline --features svg,testing,terminal -- timeline.svg
//! ```

use std::time::Duration;
use std::{env, fs, io};

use persevere::testing::{Script, VirtualTimer};
use persevere::{Fault, Policy, Report, Retryable, Verdict};

/// Seeded, so that the picture is the same each time.
const SEED: u64 = 26;

const POLICY: Policy =
    Policy::new().total(6).backoff(Duration::from_millis(400)).within(Duration::from_secs(60)).valid();

#[derive(Debug)]
enum ShopError {
    Refused,
    SlowDown(Duration),
    Reset,
    TimedOut,
    Unavailable,
}

impl std::fmt::Display for ShopError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Refused => "connection refused",
            Self::SlowDown(_) => "429 Too Many Requests",
            Self::Reset => "connection reset by peer",
            Self::TimedOut => "no answer after 2 s",
            Self::Unavailable => "503 Service Unavailable",
        })
    }
}

impl Retryable for ShopError {
    fn verdict(&self) -> Verdict {
        let transient = Verdict::transient();
        match self {
            Self::Refused => transient.with_fault(Fault::Connect),
            Self::SlowDown(after) => transient.with_fault(Fault::Throttle).with_hint(*after),
            Self::Reset => transient.with_fault(Fault::Read),
            Self::TimedOut => transient.with_fault(Fault::Timeout),
            Self::Unavailable => transient.with_fault(Fault::Status),
        }
    }
}

/// A run that meets a bit of everything.
pub(crate) fn report() -> Report {
    let millis = Duration::from_millis;
    let timer = VirtualTimer::new();
    let shop = Script::new()
        .timer(&timer)
        .stall(millis(30))
        .fail(1, || ShopError::Refused)
        .stall(millis(420))
        .fail(1, || ShopError::Reset)
        .stall(millis(2000))
        .fail(1, || ShopError::TimedOut)
        .stall(millis(350))
        .fail(1, || ShopError::Unavailable)
        .stall(millis(150))
        .fail(1, || ShopError::SlowDown(Duration::from_secs(4)))
        .stall(millis(640))
        .succeed("a kettle");
    let mut report = Report::new();
    let bought = POLICY.seed(SEED).timer(&timer).report(&mut report).run(|| shop.call());
    assert_eq!(bought.unwrap(), "a kettle");
    report
}

/// The same as a picture.
pub(crate) fn picture() -> String {
    report().timeline().to_svg()
}

fn main() -> io::Result<()> {
    let (report, forecast) = (report(), POLICY.forecast());
    #[cfg(feature = "terminal")]
    let (timeline, forecast) = (report.timeline().for_terminal(), forecast.for_terminal());
    #[cfg(not(feature = "terminal"))]
    let timeline = report.timeline();
    println!("Before the run:\n\n{forecast}\n\nAfter it:\n\n{timeline}\n\nFor a log:\n\n{report}");
    if let Some(path) = env::args_os().nth(1) {
        fs::write(path, picture())?;
    }
    Ok(())
}
