//! Who decides whether an outcome is retried.

use crate::verdict::{Erased, Retryable, Verdict};

/// Classifies errors.
#[doc(hidden)]
pub trait Classify<E: ?Sized> {
    fn verdict(&mut self, error: &E) -> Verdict;

    /// Where it looked in an error that it does not know.
    fn erased<'e>(&self, _error: &'e E) -> Option<Erased<'e>> {
        None
    }
}

/// The error's own [`Retryable`] decides.
#[derive(Clone, Copy, Debug)]
pub struct ByTrait;

impl<E: Retryable + ?Sized> Classify<E> for ByTrait {
    #[inline]
    fn verdict(&mut self, error: &E) -> Verdict {
        error.verdict()
    }

    fn erased<'e>(&self, error: &'e E) -> Option<Erased<'e>> {
        error.erased()
    }
}

/// The closure of [`Retry::when`] decides.
#[derive(Clone, Copy)]
pub struct When<F>(pub(crate) F);

impl<E, R, F> Classify<E> for When<F>
where
    F: FnMut(&E) -> R,
    R: Into<Verdict>,
{
    #[inline]
    fn verdict(&mut self, error: &E) -> Verdict {
        (self.0)(error).into()
    }
}

/// Says of an `Ok` value whether to try again for it.
#[doc(hidden)]
pub trait Accept<V> {
    /// Whether it takes any value, unasked.
    const ANY: bool = false;

    fn verdict(&mut self, value: &V) -> Option<Verdict>;
}

/// Any `Ok` value is a success.
#[derive(Clone, Copy, Debug)]
pub struct AnyOk;

impl<V> Accept<V> for AnyOk {
    const ANY: bool = true;

    #[inline]
    fn verdict(&mut self, _: &V) -> Option<Verdict> {
        None
    }
}

/// The closure of [`Retry::when_ok`] decides.
#[derive(Clone, Copy)]
pub struct WhenOk<F>(pub(crate) F);

impl<V, R, F> Accept<V> for WhenOk<F>
where
    F: FnMut(&V) -> R,
    R: Into<Verdict>,
{
    #[inline]
    fn verdict(&mut self, value: &V) -> Option<Verdict> {
        Some((self.0)(value).into()).filter(Verdict::is_transient)
    }
}

impl<F> core::fmt::Debug for When<F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("When")
    }
}

impl<F> core::fmt::Debug for WhenOk<F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("WhenOk")
    }
}
