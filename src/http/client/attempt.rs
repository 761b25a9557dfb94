use core::time::Duration;

use ::http::StatusCode;

/// The attempt that a request is prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestAttempt {
    pub(super) number: u32,
    pub(super) remaining: Option<Duration>,
    pub(super) last_status: Option<u16>,
}

impl RequestAttempt {
    /// The first attempt.
    pub(in crate::http) const FIRST: Self = Self { number: 1, remaining: None, last_status: None };

    /// The attempt that may take this long.
    pub(in crate::http) const fn within(self, remaining: Option<Duration>) -> Self {
        Self { remaining, ..self }
    }

    /// The attempt after this one.
    pub(in crate::http) const fn next(self) -> Self {
        Self { number: self.number.saturating_add(1), remaining: None, last_status: None }
    }

    /// As the one after an attempt that was answered with this status.
    pub(in crate::http) fn answered(self, status: StatusCode) -> Self {
        Self { last_status: Some(status.as_u16()), ..self }
    }

    /// Returns the number of the attempt. The first is 1.
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Returns how long the attempt may take, or `None` if the policy sets no deadline or attempt timeout that cuts it.
    pub const fn remaining(&self) -> Option<Duration> {
        self.remaining
    }

    /// Returns the status that the attempt before this one was answered with, or `None` if there was none.
    ///
    /// After a 401 the token was refused, and a new one is needed.
    pub const fn last_status(&self) -> Option<u16> {
        self.last_status
    }
}

/// What a closure that prepares a request may return: its value, or a `Result` whose error is the attempt's.
///
/// The crate implements it for `()`, for reqwest's `Request` and for a `Result` of either.
pub trait Prepared<V, E>: sealed::Sealed {
    #[doc(hidden)]
    fn result(self) -> Result<V, E>;
}

mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for () {}
impl<E> Prepared<(), E> for () {
    fn result(self) -> Result<(), E> {
        Ok(())
    }
}

impl<V, E> sealed::Sealed for Result<V, E> {}
impl<V, E> Prepared<V, E> for Result<V, E> {
    fn result(self) -> Self {
        self
    }
}

#[cfg(feature = "reqwest")]
impl sealed::Sealed for reqwest::Request {}
#[cfg(feature = "reqwest")]
impl Prepared<Self, reqwest::Error> for reqwest::Request {
    fn result(self) -> Result<Self, reqwest::Error> {
        Ok(self)
    }
}
