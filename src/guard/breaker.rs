//! Circuit breakers: no calls to what keeps failing.

use core::fmt;
use core::time::Duration;
#[cfg(feature = "std")]
use std::sync::Arc;

use crate::guard::budget::fraction;
pub use crate::guard::change::BreakerChange;
use crate::guard::change::Hook;
#[cfg(feature = "std")]
use crate::guard::change::SharedHook;
use crate::guard::sync::{AcqRel, Acquire, AtomicU64, const_fn};
use crate::guard::window::Window;
use crate::policy::{Cause, Contradiction, Guard};
use crate::time::nanos;
use crate::verdict::Rejected;

/// Stops calls to what keeps failing, and lets one through now and then to see whether it is back.
///
/// | state | what happens |
/// |---|---|
/// | [`Closed`](BreakerState::Closed) | attempts begin; when at least a `share` of at least `least` outcomes within the `window` failed, it opens |
/// | [`Open`](BreakerState::Open) | attempts are [`Rejected`], for as long as the `pause` |
/// | [`HalfOpen`](BreakerState::HalfOpen) | **one** attempt is let through as a probe, all others are rejected: its success closes the breaker, its failure opens it again |
///
/// | setting | default |
/// |---|---|
/// | [`share`](Breaker::failure_rate) | 0.5 |
/// | [`least`](Breaker::min_outcomes) | 10 outcomes |
/// | [`window`](Breaker::window) | 10 s |
/// | [`pause`](Breaker::open_for) | 5 s |
///
/// A breaker takes load off a server that is in trouble, at the price of failures that would have been successes. Use
/// one for each thing that fails on its own: a host, not a whole fleet. A failure is what trying again may mend; a
/// permanent one, such as "not found", is an answer and counts as a success.
///
/// The outcome of an attempt that began before the last change of state counts for nothing: a straggler neither opens
/// a breaker nor closes it. A probe that is dropped (cancelled, or by a panic) frees its place and counts for
/// nothing. A probe that hangs holds its place, so give attempts a timeout.
///
/// It is lock-free, and has no clock: the time comes in as that since any fixed moment. A clock that was set back by
/// less than the pause can make a pause twice as long; any other step ends it. Share a breaker in a `static` or an
/// `Arc`.
///
/// ```
/// use persevere::{guard::{Breaker, BreakerState}};
/// use std::time::Duration;
///
/// static BREAKER: Breaker = Breaker::new().min_outcomes(2).open_for(Duration::from_secs(30)).valid();
///
/// let mut now = Duration::ZERO;
/// for _ in 0..2 {
///     BREAKER.admit(now)?.failed(now);
/// }
/// assert_eq!(BREAKER.state_at(now), BreakerState::Open);
/// assert!(BREAKER.admit(now).is_err());
///
/// now += Duration::from_secs(30);
/// let probe = BREAKER.admit(now)?;
/// assert!(BREAKER.admit(now).is_err());
/// probe.succeeded(now);
/// assert_eq!(BREAKER.state_at(now), BreakerState::Closed);
/// # Ok::<(), persevere::Rejected>(())
/// ```
#[must_use]
pub struct Breaker {
    state: AtomicU64,
    window: Window,
    length: u64,
    pause: u64,
    share: f64,
    /// The share as a fraction.
    part: (u64, u64),
    least: u32,
    hook: Hook,
}

/// What a [`Breaker`] does with attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakerState {
    /// Lets all through.
    Closed,
    /// Lets none through.
    Open,
    /// Lets one through, or waits for that one's outcome.
    HalfOpen,
}

/// The state as one word, from the top: generation 16 bits, microseconds of the clock when it opened 46, mode 2.
///
/// Each change of state begins a generation, so that an outcome knows whether it still counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct State {
    generation: u16,
    since: u64,
    mode: Mode,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Closed,
    Open,
    Probing,
}

impl Mode {
    const fn state(self) -> BreakerState {
        match self {
            Self::Closed => BreakerState::Closed,
            Self::Open => BreakerState::Open,
            Self::Probing => BreakerState::HalfOpen,
        }
    }
}

/// The clock's microseconds wrap after two years; differences are taken in that ring.
const RING: u64 = (1 << 46) - 1;
/// 200 days in microseconds: a step of the clock can still be told from a pause.
const LONGEST: u64 = 200 * 86_400 * 1_000_000;

impl State {
    const fn unpack(word: u64) -> Self {
        let mode = match word & 3 {
            0 => Mode::Closed,
            1 => Mode::Open,
            _ => Mode::Probing,
        };
        Self { generation: (word >> 48) as u16, since: (word >> 2) & RING, mode }
    }

    const fn pack(self) -> u64 {
        ((self.generation as u64) << 48) | (self.since << 2) | self.mode as u64
    }

    const fn next(self, mode: Mode, since: u64) -> Self {
        Self { generation: self.generation.wrapping_add(1), since: since & RING, mode }
    }

    /// How long it stays open from now on, in microseconds.
    const fn pause_left(self, now: u64, pause: u64) -> u64 {
        let elapsed = now.wrapping_sub(self.since) & RING;
        if elapsed < pause {
            pause - elapsed
        } else if elapsed > RING - pause {
            // A little before it opened: another thread's earlier look at the clock, or a clock that was set back.
            pause
        } else {
            0
        }
    }
}

/// That an attempt was let through: when, and whether as a probe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    generation: u16,
    probe: bool,
}

impl Breaker {
    const_fn! {
        /// Makes a closed breaker with the defaults of the table above.
        pub fn new() -> Self {
            const LENGTH: Duration = Duration::from_secs(10);
            Self {
                state: AtomicU64::new(0),
                window: Window::new(LENGTH),
                length: nanos::from(LENGTH),
                pause: 5_000_000,
                share: 0.5,
                part: (1, 2),
                least: 10,
                hook: Hook::None,
            }
        }
    }

    /// Sets the share of failures among the outcomes from which on it opens; 0.5 unless set.
    #[inline]
    pub const fn failure_rate(mut self, share: f64) -> Self {
        self.share = share;
        self.part = fraction(share);
        self
    }

    /// Sets how many outcomes there must be in the window before it may open; 10 unless set, and at most 131 071, up to
    /// which they are counted exactly.
    #[inline]
    pub const fn min_outcomes(mut self, outcomes: u32) -> Self {
        self.least = outcomes;
        self
    }

    /// Sets how long outcomes count; 10 s unless set. It moves in steps of a tenth.
    #[inline]
    pub const fn window(mut self, length: Duration) -> Self {
        self.length = nanos::from(length);
        self.window = self.window.length(length);
        self
    }

    /// Sets how long it stays open before it lets a probe through; 5 s unless set, and at most 200 days.
    #[inline]
    pub const fn open_for(mut self, pause: Duration) -> Self {
        let micros = nanos::from(pause).div_ceil(1000);
        self.pause = if micros > LONGEST { LONGEST } else { micros };
        self
    }

    /// Calls this when the breaker changes its state. Closures that keep nothing fit, too.
    ///
    /// It is called by whoever changes it, in the middle of a run, so it should be quick. A panic in it passes through. With
    /// the feature `metrics` each change is also counted, as `persevere.breaker.changes` with the label `breaker.state`.
    ///
    /// ```
    /// use persevere::guard::{Breaker, BreakerState};
    /// use std::time::Duration;
    ///
    /// static BREAKER: Breaker = Breaker::new().min_outcomes(1).on_change(|change| println!("breaker: {change}")).valid();
    ///
    /// BREAKER.admit(Duration::ZERO)?.failed(Duration::ZERO); // breaker: closed to open
    /// # Ok::<(), persevere::Rejected>(())
    /// ```
    #[allow(clippy::forget_non_drop)] // Without `std` there is nothing to drop.
    pub const fn on_change(mut self, hook: fn(BreakerChange)) -> Self {
        // What was there before keeps nothing yet: only a map by key gives a hook that does, and it comes last.
        core::mem::forget(core::mem::replace(&mut self.hook, Hook::Plain(hook)));
        self
    }

    #[cfg(feature = "std")]
    pub(crate) fn on_change_shared(mut self, hook: Arc<SharedHook>) -> Self {
        self.hook = Hook::Shared(hook);
        self
    }

    /// Returns whether nothing is lost if it is forgotten: it is not open, nor waits for its probe.
    #[cfg(feature = "std")]
    pub(crate) fn may_be_forgotten(&self, now: Duration) -> bool {
        let state = self.load();
        match state.mode {
            Mode::Closed => true,
            Mode::Open => state.pause_left(micros(now), self.pause) == 0,
            Mode::Probing => false,
        }
    }

    /// Finds the first contradiction, if there is one.
    ///
    /// # Errors
    ///
    /// Names the field, its value and what is allowed.
    ///
    /// ```
    /// use persevere::guard::Breaker;
    ///
    /// let wrong = Breaker::new().failure_rate(50.0).check().unwrap_err();
    /// assert_eq!(wrong.to_string(), "failure_rate is 50: it must be more than 0 and at most 1");
    /// ```
    pub const fn check(&self) -> Result<(), Contradiction> {
        Err(Contradiction(Cause::Guard(if !(self.share > 0.0 && self.share <= 1.0) {
            Guard::Share(self.share)
        } else if self.least == 0 {
            Guard::Least
        } else if self.length == 0 {
            Guard::Window
        } else if self.pause == 0 {
            Guard::Pause
        } else {
            return Ok(());
        })))
    }

    /// Passes the breaker on if it is free of contradictions. In a `static` or `const`, a contradiction fails to
    /// compile.
    ///
    /// # Panics
    ///
    /// On what [`check`](Breaker::check) finds.
    pub const fn valid(self) -> Self {
        match self.check() {
            Ok(()) => self,
            Err(error) => error.panic(),
        }
    }

    /// Lets an attempt begin, or not. Tell the permit how it ended.
    ///
    /// # Errors
    ///
    /// [`Rejected`] while the breaker is open, or waits for the outcome of its probe.
    pub fn admit(&self, now: Duration) -> Result<Permit<'_>, Rejected> {
        self.admit_ticket(now).map(|ticket| Permit { breaker: self, ticket: Some(ticket) })
    }

    /// Returns what the breaker does with attempts now, by the clock of the default timers.
    ///
    /// For runs with another timer, ask [`state_at`](Breaker::state_at) with that timer's time.
    ///
    /// ```
    /// use persevere::{guard::{Breaker, BreakerState}, Policy};
    /// use std::io;
    ///
    /// static BREAKER: Breaker = Breaker::new().min_outcomes(1);
    ///
    /// assert_eq!(BREAKER.state(), BreakerState::Closed);
    /// let _ = Policy::new().total(0).breaker(&BREAKER).run(|| Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut)));
    /// assert_eq!(BREAKER.state(), BreakerState::Open);
    /// ```
    #[cfg(feature = "std")]
    pub fn state(&self) -> BreakerState {
        self.state_at(crate::time::BlockingTimer::now(&crate::time::ThreadTimer))
    }

    /// Returns what the breaker does with attempts at this time, on the clock of its runs' timer.
    ///
    /// The time of any other clock, such as how long your program runs, means nothing to the breaker.
    pub fn state_at(&self, now: Duration) -> BreakerState {
        let state = self.load();
        match state.mode {
            Mode::Closed => BreakerState::Closed,
            Mode::Open if state.pause_left(micros(now), self.pause) > 0 => BreakerState::Open,
            Mode::Open | Mode::Probing => BreakerState::HalfOpen,
        }
    }

    /// As [`admit`](Breaker::admit), for those who [`settle`](Breaker::settle) or [`release`](Breaker::release)
    /// by hand.
    #[inline]
    pub(crate) fn admit_ticket(&self, now: Duration) -> Result<Ticket, Rejected> {
        let state = self.load();
        match state.mode {
            Mode::Closed => Ok(Ticket { generation: state.generation, probe: false }),
            _ => self.probe(state, micros(now)),
        }
    }

    #[cold]
    fn probe(&self, mut state: State, now: u64) -> Result<Ticket, Rejected> {
        loop {
            match state.mode {
                Mode::Closed => return Ok(Ticket { generation: state.generation, probe: false }),
                Mode::Probing => return Err(Rejected::probing()),
                Mode::Open => {}
            }
            let left = state.pause_left(now, self.pause);
            if left > 0 {
                return Err(Rejected::open(left.saturating_mul(1000)));
            }
            let probing = state.next(Mode::Probing, state.since);
            match self.change(state, probing) {
                Ok(()) => return Ok(Ticket { generation: probing.generation, probe: true }),
                Err(found) => state = found,
            }
        }
    }

    /// Counts an attempt's outcome, if it began in the state that still holds.
    pub(crate) fn settle(&self, ticket: Ticket, succeeded: bool, now: Duration) {
        let state = self.load();
        if state.generation != ticket.generation {
            return;
        }
        if ticket.probe {
            let mode = if succeeded { Mode::Closed } else { Mode::Open };
            // None but the probe leaves this state.
            let _ = self.change(state, state.next(mode, micros(now)));
            return;
        }
        let (epoch, nanos) = (ticket.generation, nanos::from(now));
        self.window.count(epoch, nanos, !succeeded, || self.load() == state);
        let (all, failures) = self.window.counts(epoch, nanos);
        if all >= u64::from(self.least).min(Window::SURE) && self.is_too_much(failures, all) {
            // Who comes second finds it open.
            let _ = self.change(state, state.next(Mode::Open, micros(now)));
        }
    }

    /// Forgets an attempt whose outcome nobody will know; another one may be the probe.
    pub(crate) fn release(&self, ticket: Ticket) {
        let state = self.load();
        if ticket.probe && state.generation == ticket.generation {
            let _ = self.change(state, state.next(Mode::Open, state.since));
        }
    }

    fn is_too_much(&self, failures: u64, all: u64) -> bool {
        let (part, whole) = self.part;
        failures > 0
            && !self.share.is_nan()
            && u128::from(failures) * u128::from(whole) >= u128::from(part) * u128::from(all)
    }

    fn load(&self) -> State {
        State::unpack(self.state.load(Acquire))
    }

    fn change(&self, from: State, to: State) -> Result<(), State> {
        match self.state.compare_exchange(from.pack(), to.pack(), AcqRel, Acquire) {
            Ok(_) => {
                self.hook.tell(BreakerChange { from: from.mode.state(), to: to.mode.state() });
                Ok(())
            }
            Err(found) => Err(State::unpack(found)),
        }
    }
}

/// As [`Breaker::new`].
impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("share", &self.share)
            .field("least", &self.least)
            .field("window", &nanos::duration(self.length))
            .field("pause", &Duration::from_micros(self.pause))
            .field("mode", &self.load().mode)
            .finish_non_exhaustive()
    }
}

fn micros(now: Duration) -> u64 {
    nanos::from(now) / 1000
}

/// Leave for one attempt: what [`Breaker::admit`] returns.
///
/// Dropping it untold, as a cancelled future or a panic does, counts for nothing; a probe's place is free again.
#[derive(Debug)]
#[must_use = "dropping it frees the place; tell it how the attempt ended"]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    ticket: Option<Ticket>,
}

impl Permit<'_> {
    /// Says that the attempt succeeded, or failed for good: either way the other side answered.
    pub fn succeeded(mut self, now: Duration) {
        self.settle(true, now);
    }

    /// Says that the attempt failed, and that another may succeed.
    pub fn failed(mut self, now: Duration) {
        self.settle(false, now);
    }

    /// Tells whether this attempt is the probe of a half-open breaker.
    pub const fn is_probe(&self) -> bool {
        matches!(self.ticket, Some(Ticket { probe: true, .. }))
    }

    fn settle(&mut self, succeeded: bool, now: Duration) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.settle(ticket, succeeded, now);
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.release(ticket);
        }
    }
}
