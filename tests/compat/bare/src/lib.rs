//! A device without an operating system, an allocator or a clock but its own ticks.

#![no_std]
#![deny(warnings)]

use core::cell::Cell;
use core::future::{Ready, ready};
use core::panic::PanicInfo;
use core::time::Duration;

use persevere::{run::{Decision, Run}, time::{BlockingTimer, Timer}, Event, Fault, Jitter, Policy, Report, Retryable, Verdict, retry, retry_async};

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// The wire is noisy.
pub struct BusError;

impl Retryable for BusError {
    fn verdict(&self) -> Verdict {
        Verdict::transient().with_fault(Fault::Read)
    }
}

#[derive(Default)]
struct Ticks(Cell<u64>);

impl BlockingTimer for Ticks {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.get())
    }

    fn sleep(&self, wait: Duration) {
        self.0.set(self.0.get() + wait.as_millis() as u64);
    }
}

impl Timer for Ticks {
    type Sleep = Ready<()>;

    fn now(&self) -> Duration {
        BlockingTimer::now(self)
    }

    fn sleep(&self, wait: Duration) -> Ready<()> {
        BlockingTimer::sleep(self, wait);
        ready(())
    }
}

const POLICY: Policy = Policy::new().total(5).jitter(Jitter::Full).within(Duration::from_secs(10)).valid();

fn read(register: &mut u8) -> Result<u8, BusError> {
    *register += 1;
    if *register < 3 { Err(BusError) } else { Ok(*register) }
}

/// Each blocking door.
pub fn blocking() -> Result<u8, BusError> {
    let timer = Ticks::default();
    let mut register = 0;
    let one = retry(POLICY.timer(&timer), || read(&mut register))?;
    let told = POLICY
        .timer(&timer)
        .run_with(|attempt| read(&mut register).map(|value| value + attempt.number() as u8))?;
    let mut report = Report::new();
    let prepared = POLICY
        .timer(&timer)
        .on_retry(|_: Event<'_, BusError>| ())
        .before_retry(|_: Event| ())
        .report_with(&mut report, |_: &BusError, f: &mut core::fmt::Formatter<'_>| f.write_str("bus"));
    let in_place = persevere::prelude::retry!(prepared, read(&mut register))?;
    Ok(one + told + in_place + report.attempts() as u8)
}

/// Each async door.
pub async fn later() -> Result<u8, BusError> {
    let timer = Ticks::default();
    let register = &mut 0;
    let one = retry_async!(POLICY.timer(&timer), read(register))?;
    let other = retry_async(POLICY.timer(&timer), || ready(Ok::<u8, BusError>(1))).await?;
    Ok(one + other)
}

/// The core alone.
#[unsafe(no_mangle)]
pub extern "C" fn wait_millis(now_millis: u64, random: u64) -> u64 {
    let _ = (blocking(), later());
    let now = Duration::from_millis(now_millis);
    match Run::new(POLICY, now).failed(Verdict::transient(), now, random) {
        Decision::Wait(wait) => wait.as_millis() as u64,
        Decision::Stop(_) => u64::MAX,
    }
}
