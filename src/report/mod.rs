//! The report: what happened in a run.

use core::fmt::{self, Write as _};
use core::time::Duration;

mod event;
pub(crate) mod line;
#[cfg(feature = "std")]
pub(crate) mod timeline;
mod unclassified;

use crate::observe::refusal::Never;
use crate::observe::word::no_word;
use crate::observe::{Failed, Observe, Observer};
use crate::run::StopReason;
use crate::time::nanos::{self, Brief};
use crate::verdict::{Fault, Named};

use self::line::{Redacted, Text};
#[cfg(feature = "std")]
pub use self::timeline::{Forecast, Timeline};
pub use self::unclassified::Unclassified;
pub use crate::observe::event::GaveUp;

/// What happened in a run: attempts, time, why it ended, and the failures.
///
/// Hand one to [`Retry::report`](crate::Retry::report) and read it afterwards, whether the run succeeded or not. It
/// holds the first four failures and the last four, however many there were, in a fixed size and without a heap. Its
/// [`Display`](fmt::Display) is one line for a log. A run overwrites what an earlier one left.
///
/// ```
/// use persevere::{Policy, Report, StopReason};
///
/// let mut report = Report::new();
/// let mut attempts = 0;
/// let answer = Policy::new().report(&mut report).run(|| {
///     attempts += 1;
///     if attempts == 1 { Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)) } else { Ok("there") }
/// });
/// assert_eq!(answer.unwrap(), "there");
/// assert_eq!(report.attempts(), 2);
/// assert_eq!(report.stop_reason(), Some(StopReason::Succeeded));
/// assert_eq!(report.failures().next().unwrap().message(), "connection reset");
/// ```
#[derive(Clone, Debug)]
pub struct Report {
    name: Option<&'static str>,
    started: u64,
    ended: u64,
    waited: u64,
    attempts: u32,
    failed: u32,
    stop: Option<StopReason>,
    first: [Failure; KEPT],
    last: [Failure; KEPT],
    unclassified: Option<Unclassified>,
}

const KEPT: usize = Report::KEPT;

impl Report {
    /// How many failures are kept of the run's beginning, and as many of its end.
    pub(crate) const KEPT: usize = 4;

    /// Makes an empty report.
    pub const fn new() -> Self {
        const NONE: Failure = Failure::none();
        Self {
            name: None,
            started: 0,
            ended: 0,
            waited: 0,
            attempts: 0,
            failed: 0,
            stop: None,
            first: [NONE; KEPT],
            last: [NONE; KEPT],
            unclassified: None,
        }
    }

    /// Returns the name of the run: what [`name`](crate::Retry::name) said, or the name of the function under `#[retry]`.
    pub const fn name(&self) -> Option<&'static str> {
        self.name
    }

    /// Returns how many attempts were made, the first included.
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Tells how long the run took, attempts and waits together, on the run's timer.
    pub const fn elapsed(&self) -> Duration {
        nanos::duration(self.ended - self.started)
    }

    /// Tells how long it waited between attempts.
    pub const fn waited(&self) -> Duration {
        nanos::duration(self.waited)
    }

    /// Tells why the run ended; `None` before a run, while one goes on, and after one that was cancelled or panicked.
    pub const fn stop_reason(&self) -> Option<StopReason> {
        self.stop
    }

    /// Returns what is known of the error that ended the run with [`StopReason::Unclassified`].
    pub const fn unclassified(&self) -> Option<&Unclassified> {
        self.unclassified.as_ref()
    }

    /// Lists the failures that are kept, oldest first: all of them up to eight, else the first four and the last four.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> + Clone {
        let failed = self.failed as usize;
        let first = &self.first[..failed.min(KEPT)];
        let later = failed.saturating_sub(KEPT);
        let (fresh, old) = self.last.split_at(if later > KEPT { later % KEPT } else { 0 });
        first.iter().chain(old.iter().chain(fresh).take(later))
    }

    /// Tells how many failures between the first and the last ones are not kept.
    pub const fn omitted(&self) -> u32 {
        self.failed.saturating_sub(2 * KEPT as u32)
    }

    /// Forgets an earlier run. The failures it kept stay where they are, unread: they are most of a report.
    const fn clear(&mut self) {
        self.name = None;
        self.started = 0;
        self.ended = 0;
        self.waited = 0;
        self.attempts = 0;
        self.failed = 0;
        self.stop = None;
        self.unclassified = None;
    }

    fn keep(&mut self, failure: Failure) {
        let failed = self.failed as usize;
        match self.first.get_mut(failed) {
            Some(slot) => *slot = failure,
            None => self.last[(failed - KEPT) % KEPT] = failure,
        }
        self.failed = self.failed.saturating_add(1);
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = self.name {
            write!(f, "{name}: ")?;
        }
        match self.stop {
            None => f.write_str("not finished")?,
            Some(reason) => write!(f, "{reason}")?,
        }
        let (elapsed, waited) = (Brief(self.ended - self.started), Brief(self.waited));
        write!(f, " after {} attempt{}", self.attempts, if self.attempts == 1 { "" } else { "s" })?;
        write!(f, " in {elapsed}, {waited} of it waiting")?;
        if let Some(failure) = self.failures().last().filter(|_| self.failed > 0) {
            write!(f, "; last failure: {failure}")?;
        }
        match &self.unclassified {
            Some(unclassified) => write!(f, "; {unclassified}"),
            None => Ok(()),
        }
    }
}

/// One failed attempt in a [`Report`].
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    attempt: u32,
    fault: Fault,
    status: Option<u16>,
    /// Counted from the run's start.
    began: u64,
    took: u64,
    wait: Option<Duration>,
    hint: Option<Duration>,
    nested: bool,
    message: Text<96>,
}

impl Failure {
    const fn none() -> Self {
        Self {
            attempt: 0,
            fault: Fault::Other,
            status: None,
            began: 0,
            took: 0,
            wait: None,
            hint: None,
            nested: false,
            message: Text::new(),
        }
    }

    /// Tells the attempt's number; the first is 1.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Tells the fault.
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// Tells the HTTP status, if the failure was one.
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// What a row shows of it: the status, or else the fault.
    pub(crate) const fn name(&self) -> Named {
        Named(self.fault, self.status)
    }

    /// Tells when the attempt began, counted from the run's start.
    pub const fn began(&self) -> Duration {
        nanos::duration(self.began)
    }

    /// Tells how long the attempt took. A hook before it is part of it, and if a sleep before it overran, that is counted
    /// here.
    pub const fn took(&self) -> Duration {
        nanos::duration(self.took)
    }

    /// Tells the wait that followed; `None` if the run ended here.
    pub const fn wait(&self) -> Option<Duration> {
        self.wait
    }

    /// Tells the wait that the server asked for.
    pub const fn hint(&self) -> Option<Duration> {
        self.hint
    }

    /// Returns whether a run inside the attempt gave up; see [`Nested`](crate::guard::Nested).
    pub const fn nested(&self) -> bool {
        self.nested
    }

    /// Returns the error's text as one line of at most 96 bytes; empty for an `Ok` value that was not accepted.
    ///
    /// Control characters are escaped. Credentials of a URL are `***`. Its query or fragment is `…`, and so is the text
    /// behind it, because nothing ends a query for certain.
    ///
    /// ```
    /// use persevere::{Policy, Report};
    /// use std::io;
    ///
    /// let mut report = Report::new();
    /// let text = "GET https://me:pass@host/a?q=(b c)&token=d failed";
    /// let _ = Policy::new().report(&mut report).run(|| Err::<(), _>(io::Error::other(text)));
    /// assert_eq!(report.failures().next().unwrap().message(), "GET https://***@host/a?… failed");
    /// ```
    pub fn message(&self) -> &str {
        self.message.as_str()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nested = if self.nested { ", nested" } else { "" };
        write!(f, "attempt {} ({}{nested}, {})", self.attempt, self.name(), Brief(self.took))?;
        if self.message().is_empty() { Ok(()) } else { write!(f, " {}", self.message()) }
    }
}

/// Writes an error's text.
#[doc(hidden)]
pub trait Describe<E> {
    fn describe(&self, error: &E, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// The error's own `Display`.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct ByDisplay;

impl<E: fmt::Display> Describe<E> for ByDisplay {
    fn describe(&self, error: &E, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        error.fmt(f)
    }
}

impl<E, F: Fn(&E, &mut fmt::Formatter<'_>) -> fmt::Result> Describe<E> for F {
    fn describe(&self, error: &E, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self(error, f)
    }
}

/// Gives a description the `Display` that `write!` asks for.
pub(crate) struct Described<'a, D, E>(pub(crate) &'a D, pub(crate) &'a E);

impl<D: Describe<E>, E> fmt::Display for Described<'_, D, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe(self.1, f)
    }
}

/// Writes a run into a report.
#[derive(Debug)]
#[doc(hidden)]
pub struct Reporting<'a, D> {
    report: &'a mut Report,
    describe: D,
    /// When the attempt that is running began: the last one's end and the wait after it.
    begun: u64,
    /// Time that the test kit left out of the waits.
    skipped: u64,
}

impl<'a, D> Reporting<'a, D> {
    pub(crate) fn new(report: &'a mut Report, describe: D) -> Self {
        report.clear();
        Self { report, describe, begun: 0, skipped: 0 }
    }
}

impl<D> Observer for Reporting<'_, D> {
    const CLOCK: bool = true;
    #[cfg(feature = "std")]
    type Around = crate::observe::around::Scoped;
    #[cfg(not(feature = "std"))]
    type Around = crate::observe::around::Plain;
    type Refusal = Never;
    no_word!();

    fn started(&mut self, now: u64, name: Option<&'static str>) {
        self.report.name = name;
        self.report.started = now;
        self.report.ended = now;
        self.begun = now;
    }

    #[inline]
    fn begins(&mut self) {
        self.report.attempts = self.report.attempts.saturating_add(1);
    }

    fn since(&self) -> Option<u64> {
        Some(self.report.started)
    }

    #[cfg(feature = "testing")]
    fn skipped(&mut self, nanos: u64) {
        self.skipped = self.skipped.saturating_add(nanos);
    }

    fn ended(&mut self, reason: StopReason, attempts: u32, now: u64) {
        let now = now.saturating_add(self.skipped);
        self.report.ended = now.max(self.report.started);
        // More than were begun if a request could not be built, fewer if the run counts from its last progress.
        self.report.attempts = self.report.attempts.max(attempts);
        self.report.stop = Some(reason);
    }
}

impl<E, D: Describe<E>> Observe<E> for Reporting<'_, D> {
    #[cold]
    fn failed(&mut self, failure: &Failed<'_, E>) {
        let now = failure.now.saturating_add(self.skipped);
        let wait = failure.wait();
        let waited = wait.map_or(0, nanos::from);
        let mut message = Redacted::new(Text::new());
        if let Some(error) = failure.error {
            // A description that fails leaves what it wrote so far.
            let _ = write!(message, "{}", Described(&self.describe, error));
        }
        self.report.keep(Failure {
            // The run may count from its last progress. The report counts all.
            attempt: self.report.attempts.max(failure.attempt),
            fault: failure.verdict.fault,
            status: failure.verdict.status(),
            began: self.begun.saturating_sub(self.report.started),
            took: now.saturating_sub(self.begun),
            wait,
            hint: failure.verdict.hint(),
            nested: failure.nested,
            message: message.finish(),
        });
        self.report.unclassified = failure.unknown.as_ref().map(Unclassified::new);
        self.begun = now.saturating_add(waited);
        self.report.waited = self.report.waited.saturating_add(waited);
        self.report.ended = now.max(self.report.started);
    }
}
