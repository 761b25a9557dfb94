//! Observers: who stands beside a run, to be told what happens in it or to have a say in it. Without one, nothing is
//! computed for them.

use core::time::Duration;

pub(crate) mod around;
pub(crate) mod event;
pub(crate) mod refusal;
pub(crate) mod word;

use self::around::{Around, Plain};
use self::event::{Event, GaveUp};
use self::refusal::{ByClosure, Makes, Never, Refusal};

pub(crate) use self::word::Word;
use self::word::no_word;
use crate::run::{Decision, StopReason};
use crate::verdict::{Erased, Rejected, Verdict};

/// Told what happens. Times are nanoseconds on the run's clock, read only if `CLOCK` asks for it.
#[doc(hidden)]
pub trait Observer {
    /// Whether it wants to know nothing at all.
    const IDLE: bool = false;
    const CLOCK: bool = false;
    /// Whether it has to be asked before each attempt, the first included.
    const GATED: bool = false;
    /// [`Plain`], or `Scoped` to learn whether a run inside an attempt gave up.
    type Around: Around;
    /// Where the error of an attempt that may not begin comes from.
    type Refusal: Refusal;
    /// What its hooks have to say before a wait.
    type Word: Word;

    /// The word on the failure that was told last.
    fn word(&mut self) -> Self::Word;

    #[inline]
    fn started(&mut self, _now: u64, _name: Option<&'static str>) {}

    /// How long the attempt is held back, in nanoseconds, with so much left of the deadline. It may be refused instead.
    #[inline]
    fn hold(&mut self, _now: u64, _left: u64) -> u64 {
        0
    }

    /// May the attempt begin? If not, the run ends.
    #[inline]
    fn admit(&mut self, _now: u64) -> Result<(), Rejected> {
        Ok(())
    }

    /// Why it did not let the attempt begin.
    #[inline]
    fn refusal(&self) -> Option<StopReason> {
        None
    }

    /// All have let the attempt begin.
    #[inline]
    fn begins(&mut self) {}

    /// The attempt failed, or did not.
    #[inline]
    fn answered(&mut self, _failed: bool, _now: u64) {}

    /// The core has decided on a retry after this wait: is it one that may be made?
    #[inline]
    fn permit(&mut self, _retry: &Retrying<'_>) -> Result<(), StopReason> {
        Ok(())
    }

    /// A wait was left out by the test kit: this much time should have passed.
    #[cfg(feature = "testing")]
    #[inline]
    fn skipped(&mut self, _nanos: u64) {}

    #[inline]
    fn ended(&mut self, _reason: StopReason, _attempts: u32, _now: u64) {}

    /// When the run started, if the observer keeps that.
    #[inline]
    fn since(&self) -> Option<u64> {
        None
    }
}

/// A retry that the core has decided on.
#[doc(hidden)]
#[derive(Debug)]
#[cfg_attr(not(target_has_atomic = "64"), allow(dead_code))] // Only what is shared by runs has a say.
pub struct Retrying<'a> {
    pub(crate) verdict: &'a Verdict,
    /// Whether a run inside the attempt gave up.
    #[cfg_attr(not(feature = "std"), allow(dead_code))]
    pub(crate) nested: bool,
    pub(crate) wait: u64,
    pub(crate) now: u64,
}

/// An observer of runs whose errors are `E`.
#[doc(hidden)]
pub trait Observe<E>: Observer {
    fn failed(&mut self, failure: &Failed<'_, E>);

    /// Makes the error of an attempt that may not begin, if the observer has been asked to.
    #[inline]
    fn rejected(&mut self, _rejected: Rejected) -> Option<E> {
        None
    }

    /// Writes the error's text for the run's events, if the observer has been asked to.
    #[cfg(feature = "tracing")]
    fn text(&self, _error: &E, _to: &mut dyn core::fmt::Write) -> bool {
        false
    }
}

/// An observer whose refusals can be errors of type `E`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{E}` can't say that a breaker or a throttle let no attempt begin",
    label = "not `From<Rejected>`",
    note = "give the error a variant for it: `Rejected(#[from] persevere::Rejected)`; `io::Error` and boxed errors have one",
    note = "or make the error at the call: `.on_rejected(|rejected| ..)` on the policy, `on_rejected = |rejected| ..` in `#[retry(..)]`"
)]
pub trait Refuse<E>: Observe<E> {
    fn refuse(&mut self, now: u64) -> Option<E>;

    /// What makes the error where no observer does.
    #[cfg(feature = "std")]
    const FROM: Option<fn(Rejected) -> E>;
}

#[diagnostic::do_not_recommend]
impl<E, O: Observe<E, Refusal: Makes<E>>> Refuse<E> for O {
    #[inline(always)]
    fn refuse(&mut self, now: u64) -> Option<E> {
        O::Refusal::refuse(self, now)
    }

    #[cfg(feature = "std")]
    const FROM: Option<fn(Rejected) -> E> = O::Refusal::FROM;
}

/// One failure, judged.
#[doc(hidden)]
#[derive(Debug)]
pub struct Failed<'a, E> {
    #[cfg_attr(not(any(feature = "tracing", feature = "metrics")), allow(dead_code))]
    pub(crate) name: Option<&'static str>,
    pub(crate) attempt: u32,
    pub(crate) verdict: Verdict,
    pub(crate) next: Decision,
    pub(crate) now: u64,
    pub(crate) nested: bool,
    pub(crate) error: Option<&'a E>,
    /// There is one if no rule knows the error.
    pub(crate) unknown: Option<Unknown<'a>>,
}

/// An error that no rule knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unknown<'a> {
    pub(crate) type_name: &'static str,
    pub(crate) erased: Option<Erased<'a>>,
}

impl<E> Failed<'_, E> {
    pub(crate) fn wait(&self) -> Option<Duration> {
        match self.next {
            Decision::Wait(wait) => Some(wait),
            Decision::Stop(_) => None,
        }
    }

    /// The hook's event, if a retry follows.
    pub(crate) fn event(&self) -> Option<Event<'_, E>> {
        self.wait().map(|wait| Event::new(self.attempt, wait, self.verdict, self.error))
    }
}

impl Observer for () {
    const IDLE: bool = true;
    type Around = Plain;
    type Refusal = Never;
    no_word!();
}

impl<E> Observe<E> for () {
    #[inline]
    fn failed(&mut self, _: &Failed<'_, E>) {}
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    const IDLE: bool = A::IDLE && B::IDLE;
    const CLOCK: bool = A::CLOCK || B::CLOCK;
    const GATED: bool = A::GATED || B::GATED;
    type Around = <A::Around as Around>::And<B::Around>;
    type Refusal = <A::Refusal as Refusal>::And<B::Refusal>;
    type Word = (A::Word, B::Word);

    #[inline(always)]
    fn word(&mut self) -> Self::Word {
        (self.0.word(), self.1.word())
    }

    #[inline]
    fn started(&mut self, now: u64, name: Option<&'static str>) {
        self.0.started(now, name);
        self.1.started(now, name);
    }

    #[inline]
    fn hold(&mut self, now: u64, left: u64) -> u64 {
        self.0.hold(now, left).max(self.1.hold(now, left))
    }

    #[inline]
    fn admit(&mut self, now: u64) -> Result<(), Rejected> {
        self.0.admit(now)?;
        self.1.admit(now)
    }

    #[inline]
    fn refusal(&self) -> Option<StopReason> {
        self.0.refusal().or(self.1.refusal())
    }

    #[inline]
    fn begins(&mut self) {
        self.0.begins();
        self.1.begins();
    }

    #[inline]
    fn answered(&mut self, failed: bool, now: u64) {
        self.0.answered(failed, now);
        self.1.answered(failed, now);
    }

    #[inline]
    fn permit(&mut self, retry: &Retrying<'_>) -> Result<(), StopReason> {
        self.0.permit(retry)?;
        self.1.permit(retry)
    }

    #[cfg(feature = "testing")]
    #[inline]
    fn skipped(&mut self, nanos: u64) {
        self.0.skipped(nanos);
        self.1.skipped(nanos);
    }

    #[inline]
    fn ended(&mut self, reason: StopReason, attempts: u32, now: u64) {
        self.0.ended(reason, attempts, now);
        self.1.ended(reason, attempts, now);
    }

    #[inline]
    fn since(&self) -> Option<u64> {
        self.0.since().or(self.1.since())
    }
}

impl<E, A: Observe<E>, B: Observe<E>> Observe<E> for (A, B) {
    #[inline]
    fn failed(&mut self, failure: &Failed<'_, E>) {
        self.0.failed(failure);
        self.1.failed(failure);
    }

    // The later one counts.
    #[inline]
    fn rejected(&mut self, rejected: Rejected) -> Option<E> {
        self.1.rejected(rejected).or_else(|| self.0.rejected(rejected))
    }

    #[cfg(feature = "tracing")]
    fn text(&self, error: &E, to: &mut dyn core::fmt::Write) -> bool {
        self.0.text(error, to) || self.1.text(error, to)
    }
}

/// The closure of [`Retry::on_retry`](crate::Retry::on_retry).
#[derive(Clone, Copy)]
pub struct OnRetry<F>(pub(crate) F);

impl<F> core::fmt::Debug for OnRetry<F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("OnRetry")
    }
}

impl<F> Observer for OnRetry<F> {
    type Around = Plain;
    type Refusal = Never;
    no_word!();
}

impl<E, F: FnMut(Event<'_, E>)> Observe<E> for OnRetry<F> {
    #[inline]
    fn failed(&mut self, failure: &Failed<'_, E>) {
        if let Some(event) = failure.event() {
            (self.0)(event);
        }
    }
}

/// The closure of [`Retry::on_give_up`](crate::Retry::on_give_up).
#[derive(Clone, Copy)]
pub struct OnGiveUp<F>(pub(crate) F);

impl<F> core::fmt::Debug for OnGiveUp<F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("OnGiveUp")
    }
}

impl<F: FnMut(GaveUp)> Observer for OnGiveUp<F> {
    type Around = Plain;
    type Refusal = Never;
    no_word!();

    #[inline]
    fn ended(&mut self, reason: StopReason, attempts: u32, _: u64) {
        if reason != StopReason::Succeeded {
            (self.0)(GaveUp { reason, attempts });
        }
    }
}

impl<E, F: FnMut(GaveUp)> Observe<E> for OnGiveUp<F> {
    #[inline]
    fn failed(&mut self, _: &Failed<'_, E>) {}
}

/// The closure of [`Retry::on_rejected`](crate::Retry::on_rejected).
#[derive(Clone, Copy)]
pub struct OnRejected<F>(pub(crate) F);

impl<F> core::fmt::Debug for OnRejected<F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("OnRejected")
    }
}

impl<F> Observer for OnRejected<F> {
    const IDLE: bool = true;
    type Around = Plain;
    type Refusal = ByClosure;
    no_word!();
}

impl<E, F: FnMut(Rejected) -> E> Observe<E> for OnRejected<F> {
    #[inline]
    fn failed(&mut self, _: &Failed<'_, E>) {}

    #[inline]
    fn rejected(&mut self, rejected: Rejected) -> Option<E> {
        Some((self.0)(rejected))
    }
}
