//! What a failure is: its fault, whether trying again may help, whether the operation may have taken effect.

use core::time::Duration;

use crate::time::nanos;

mod cut;
mod rejected;
mod timed_out;

pub use self::cut::Cut;
pub use self::rejected::Rejected;
pub use self::timed_out::TimedOut;

/// Says of an error whether another attempt may help.
///
/// Implement it beside the error type, by hand or with `#[derive(Retryable)]`; or leave it out and decide at the call
/// with [`when`](crate::Retry::when). It is implemented for `std::io::Error`, boxed errors and the error types behind
/// features.
///
/// ```
/// use persevere::{Retryable, Verdict};
///
/// enum StoreError { Busy, NoSuchKey }
///
/// impl Retryable for StoreError {
///     fn verdict(&self) -> Verdict {
///         match self {
///             StoreError::Busy => Verdict::transient(),
///             StoreError::NoSuchKey => Verdict::permanent(),
///         }
///     }
/// }
/// assert!(StoreError::Busy.verdict().is_transient());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which of its values are worth another attempt",
    label = "not `Retryable`",
    note = "decide at the call: build the policy with `.when(|e: &{Self}| ..)`, or write `when = |e| ..` in `#[retry(..)]`",
    note = "or beside your own error type: `#[derive(persevere::Retryable)]`, or `impl persevere::Retryable for ..`"
)]
pub trait Retryable {
    /// Classifies this error.
    fn verdict(&self) -> Verdict;

    /// Returns what is inside an error whose type is erased, for the report on one that no rule knows.
    #[doc(hidden)]
    #[inline]
    fn erased(&self) -> Option<Erased<'_>> {
        None
    }
}

/// An error whose type is erased, and where the crate looked for types in it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Erased<'a> {
    pub(crate) chain: &'a (dyn core::error::Error + 'static),
    /// The crates whose errors are known.
    pub(crate) known: &'static [&'static str],
    /// The user's own types, as the name of a type or a tuple.
    pub(crate) own: Option<&'static str>,
}

/// Names the kind of a failure; limits beside `total` are set per kind.
///
/// | fault | counts against |
/// |---|---|
/// | `Connect` | [`connect`](crate::Policy::connect) |
/// | `Timeout`, `Read` | [`read`](crate::Policy::read) |
/// | `Status`, `Throttle` | [`status`](crate::Policy::status) |
/// | `Redirect` | [`redirect`](crate::Policy::redirect) |
/// | `Other` | [`other`](crate::Policy::other) |
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(::serde::Serialize, ::serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Fault {
    /// The other side can't be connected to: refused, unreachable, no such host.
    Connect,
    /// An attempt took too long.
    Timeout,
    /// The connection broke after it stood: reset, closed, cut short.
    Read,
    /// The other side answered that it failed.
    Status,
    /// The other side answered that it is asked too much. Its first retry waits the backoff's base, never nothing in its
    /// place.
    Throttle,
    /// A redirect could not be followed.
    Redirect,
    /// Anything else.
    Other,
}

impl Fault {
    pub(crate) const NAMES: [&str; 7] = ["connect", "timeout", "read", "status", "throttle", "redirect", "other"];

    #[cfg(feature = "serde")]
    pub(crate) const ALL: [Self; 7] =
        [Self::Connect, Self::Timeout, Self::Read, Self::Status, Self::Throttle, Self::Redirect, Self::Other];

    pub(crate) const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

impl core::fmt::Display for Fault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.name())
    }
}

/// Says whether the call that failed may already have taken effect on the other side.
///
/// It says nothing about what the operation did before that call: **one effect per attempt**.
///
/// [`No`](Reached::No) needs a proof, because `idempotent(false)` repeats the operation on the strength of it. These are
/// all the places where the crate says it, each with its proof:
///
/// | failure | proof |
/// |---|---|
/// | `io::Error`: refused | The other side's system answered that nobody listens, so there was no connection. (Linux ends a standing connection with this, too, if a firewall begins to answer it with "port unreachable" and goes on until the system gives up, after 15 minutes unless set otherwise.) |
/// | `io::Error`: no such host | Without an address there is nothing to connect to. |
/// | an erased error of hyper-util, tonic or what stands on them, while connecting | Their clients send a request only on a connection that stands. So a timeout, a reset or an unreachable host is a proof *below the error that says "connecting"*. |
/// | `hyper::Error`: canceled, closed | hyper gives the request back, untouched. It says the same of an upgrade that did not happen; that one is no proof. |
/// | HTTP/2: `REFUSED_STREAM` from the server, before a response | RFC 9113, section 8.7: the request was not processed. |
/// | `reqwest::Error`: while connecting, through a proxy, too | The same, for the last request that reqwest made. It hides redirects, and requests that it sent again over HTTP/2: let the client do neither. |
/// | `ureq::Error`: no such host, no connection, timeouts of these two, a proxy that refuses | The same. It hides redirects, too. |
/// | a request of `RetryExt`, `RetryClient` or `RetryAgent` | The client has asked nothing of the body; or nothing was sent on a connection, no redirect was followed and nothing was sent again. |
/// | tower: the service was not ready, `Overloaded` | The service was not called. |
/// | [`Rejected`](crate::Rejected) | The attempt did not begin, and none before it in that run. |
/// | [`tables`](crate::tables): some codes of servers | The protocol defines the code for a request that was turned away before it was worked on. |
/// | your own | What you say: `#[retry(connect, reached = no)]`, [`Verdict::reached`], [`Verdict::connecting`]. |
///
/// No proof are: a host or a network that is unreachable, and an address that is not available (a standing connection
/// ends with these, too, if the route or the address is lost after the request); a timeout; a reset; a `GOAWAY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reached {
    /// Provably not: that call is safe to repeat, whatever it does.
    No,
    /// Perhaps: that call is safe to repeat only if it is idempotent.
    Maybe,
}

/// Whether the attempt that failed got further before it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    None,
    /// The limits begin anew, and the waits go on growing.
    Limits,
    /// The limits and the waits begin anew.
    LimitsAndPace,
}

/// The classification of one failure: transient or permanent, its fault, what was reached, and the server's hint.
///
/// ```
/// use persevere::{Fault, Reached, Verdict};
/// use std::time::Duration;
///
/// let refused = Verdict::transient().with_fault(Fault::Connect).with_reached(Reached::No);
/// let slow_down = Verdict::transient().with_fault(Fault::Throttle).with_hint(Duration::from_secs(10));
/// assert_eq!(slow_down.hint(), Some(Duration::from_secs(10)));
/// assert!(!Verdict::permanent().is_transient());
/// assert_eq!(slow_down.with_status(429).status(), Some(429));
/// # let _ = refused;
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Verdict {
    /// In nanoseconds, one more than it is; 0 for none. In place of an `Option`, to keep a verdict in two words.
    hint: u64,
    pub(crate) transient: bool,
    pub(crate) fault: Fault,
    pub(crate) reached: Reached,
    /// Whether the operation still has what an attempt needs; a request's body may be gone.
    pub(crate) repeatable: bool,
    pub(crate) progress: Progress,
    /// Whether it is permanent only because no rule knows the error.
    pub(crate) unclassified: bool,
    /// 0 for none, which is no status.
    status: u16,
}

impl Verdict {
    /// May go away by trying again. The fault is [`Fault::Other`], and the operation may have taken effect.
    #[inline]
    pub const fn transient() -> Self {
        Self {
            hint: 0,
            transient: true,
            fault: Fault::Other,
            reached: Reached::Maybe,
            repeatable: true,
            progress: Progress::None,
            unclassified: false,
            status: 0,
        }
    }

    /// Will not go away: no other attempt is made.
    #[inline]
    pub const fn permanent() -> Self {
        Self { transient: false, ..Self::transient() }
    }

    /// Creates the verdict on an error that no rule knows. It is not retried, and the run ends with
    /// [`StopReason::Unclassified`](crate::StopReason::Unclassified).
    ///
    /// A `Box<dyn Error>` or an `anyhow::Error` gets it if no error in its chain has a type that the crate knows. Say which
    /// of your own types to look for with [`any_of`](crate::Retry::any_of), or decide with [`when`](crate::Retry::when).
    ///
    /// ```
    /// use persevere::{Retryable, Verdict};
    ///
    /// let error: Box<dyn std::error::Error> = "no rule knows this".into();
    /// assert_eq!(error.verdict(), Verdict::unclassified());
    /// assert!(!error.verdict().is_transient());
    /// ```
    #[inline]
    pub const fn unclassified() -> Self {
        Self { unclassified: true, ..Self::permanent() }
    }

    /// Returns whether no rule knows the error.
    #[inline]
    pub const fn is_unclassified(&self) -> bool {
        self.unclassified
    }

    /// Names the fault.
    #[inline]
    pub const fn with_fault(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }

    /// Says whether the operation may have taken effect; [`Reached::Maybe`] unless set.
    #[inline]
    pub const fn with_reached(mut self, reached: Reached) -> Self {
        self.reached = reached;
        self
    }

    /// Adds the wait that the server asked for.
    #[inline]
    pub const fn with_hint(mut self, hint: Duration) -> Self {
        self.hint = nanos::from(hint).saturating_add(1);
        self
    }

    /// Adds the HTTP status that was the answer; a report shows it. A number that is none (100 to 999) is left out.
    #[inline]
    pub const fn with_status(mut self, status: u16) -> Self {
        self.status = if status < 100 || status > 999 { 0 } else { status };
        self
    }

    /// Says that the operation got further before it failed: a download that came to a new position, a subscription that
    /// delivered, a batch that was done in part.
    ///
    /// The failure is then the first of a new streak. The limits ([`total`](crate::Policy::total) and those of single
    /// faults) begin anew. The waits do not: they go on growing, so that a server that delivers one item and fails is not
    /// asked again without a pause. They begin anew after an attempt that was long enough, which a run knows that has
    /// [`reset_after`](crate::run::Run::reset_after).
    ///
    /// ```
    /// use persevere::{Policy, Verdict};
    ///
    /// // A batch of ten that does two at a time, and fails after each.
    /// let mut done = 0;
    /// let outcome = Policy::new().total(1).backoff(std::time::Duration::ZERO).when(|further: &bool| {
    ///     if *further { Verdict::transient().progressed() } else { Verdict::permanent() }
    /// });
    /// let outcome = outcome.run(|| {
    ///     done += 2;
    ///     if done < 10 { Err(true) } else { Ok(done) }
    /// });
    /// assert_eq!(outcome, Ok(10));
    /// ```
    #[inline]
    pub const fn progressed(mut self) -> Self {
        self.progress = Progress::Limits;
        self
    }

    /// Returns whether the operation got so much further that the waits begin anew.
    #[cfg(target_has_atomic = "64")]
    pub(crate) const fn has_earned(&self) -> bool {
        matches!(self.progress, Progress::LimitsAndPace)
    }

    /// Says that the operation got so much further that the waits begin anew, too.
    #[cfg(any(feature = "reqwest", feature = "ureq"))]
    pub(crate) const fn earned(mut self) -> Self {
        self.progress = Progress::LimitsAndPace;
        self
    }

    /// Returns whether the operation got further before it failed.
    #[inline]
    pub const fn has_progressed(&self) -> bool {
        !matches!(self.progress, Progress::None)
    }

    /// Marks the failure as one of the connect: the operation was not sent.
    ///
    /// Use it where the phase is known to the caller and not to the error: a connection that breaks during the handshake
    /// looks the same as one that breaks later. A transient verdict becomes a [`Fault::Connect`] that never reached the
    /// other side. [`Fault::Throttle`] stays, because a server that has too many connections needs the wait. A permanent
    /// verdict does not change.
    ///
    /// ```
    /// use persevere::{Fault, Reached, Retryable};
    /// use std::io;
    ///
    /// let cut = io::Error::from(io::ErrorKind::UnexpectedEof);
    /// assert_eq!((cut.verdict().fault(), cut.verdict().reached()), (Fault::Read, Reached::Maybe));
    /// let connecting = cut.verdict().connecting();
    /// assert_eq!((connecting.fault(), connecting.reached()), (Fault::Connect, Reached::No));
    /// ```
    #[inline]
    pub const fn connecting(mut self) -> Self {
        if self.transient {
            if !matches!(self.fault, Fault::Throttle) {
                self.fault = Fault::Connect;
            }
            self.reached = Reached::No;
        }
        self
    }

    /// Tells whether another attempt may help.
    #[inline]
    pub const fn is_transient(&self) -> bool {
        self.transient
    }

    /// Tells the wait that the server asked for.
    #[inline]
    pub const fn hint(&self) -> Option<Duration> {
        if self.hint == 0 { None } else { Some(Duration::from_nanos(self.hint - 1)) }
    }

    /// Tells the fault.
    #[inline]
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// Tells whether the operation may have taken effect.
    #[inline]
    pub const fn reached(&self) -> Reached {
        self.reached
    }

    /// Tells the HTTP status, if the failure was one.
    #[inline]
    pub const fn status(&self) -> Option<u16> {
        if self.status == 0 { None } else { Some(self.status) }
    }

    /// The hint in nanoseconds; none and zero are the same to the arithmetic.
    pub(crate) const fn hint_nanos(&self) -> u64 {
        self.hint.saturating_sub(1)
    }

    /// Whether there is a hint, and one of more than zero.
    #[inline(always)]
    pub(crate) const fn asks_for_wait(&self) -> bool {
        self.hint > 1
    }
}

impl core::fmt::Debug for Verdict {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Verdict")
            .field("transient", &self.transient)
            .field("fault", &self.fault)
            .field("reached", &self.reached)
            .field("repeatable", &self.repeatable)
            .field("progress", &self.progress)
            .field("unclassified", &self.unclassified)
            .field("hint", &self.hint())
            .field("status", &self.status())
            .finish()
    }
}

const _: () = assert!(size_of::<Verdict>() == 16);

/// A failure's short name: its HTTP status, or else its fault.
pub(crate) struct Named(pub(crate) Fault, pub(crate) Option<u16>);

impl core::fmt::Display for Named {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.1 {
            Some(status) => write!(f, "HTTP {status}"),
            None => self.0.fmt(f),
        }
    }
}

/// `true` is [`transient`](Verdict::transient), `false` is [`permanent`](Verdict::permanent).
impl From<bool> for Verdict {
    #[inline]
    fn from(transient: bool) -> Self {
        if transient { Self::transient() } else { Self::permanent() }
    }
}

impl<T: Retryable + ?Sized> Retryable for &T {
    #[inline]
    fn verdict(&self) -> Verdict {
        (**self).verdict()
    }
}

impl Retryable for core::convert::Infallible {
    fn verdict(&self) -> Verdict {
        match *self {}
    }
}
