//! The user's own types in erased errors.

use core::any::type_name;
use core::fmt;
use core::marker::PhantomData;
use std::boxed::Box;
use std::error::Error;

use super::boxed;
use crate::drive::judge::Classify;
use crate::drive::shared::{ShareClassify, SharedClassify};
use crate::verdict::{self, Retryable, Verdict};

/// Classifies erased errors by the first error in their chain that has one of these types: what
/// [`Retry::any_of`](crate::Retry::any_of) puts into a run.
///
/// `T` is a type or a tuple of types. Each is [`Retryable`] and says what it means. If none is found, the types that the
/// crate knows decide, and an error without any of them is [unclassified](Verdict::unclassified).
pub struct AnyOf<T>(PhantomData<fn() -> T>);

impl<T> AnyOf<T> {
    pub(crate) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Clone for AnyOf<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for AnyOf<T> {}

impl<T> fmt::Debug for AnyOf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyOf")
    }
}

impl<E: Erased, T: Types> Classify<E> for AnyOf<T> {
    fn verdict(&mut self, error: &E) -> Verdict {
        let in_chain = |outermost| boxed::chain(outermost).find_map(T::verdict);
        in_chain(beginning(error)).or_else(|| T::find(error)).unwrap_or_else(|| error.verdict())
    }

    fn erased<'e>(&self, error: &'e E) -> Option<verdict::Erased<'e>> {
        Some(verdict::Erased { own: Some(type_name::<T>()), ..inside(error) })
    }
}

impl<E: Erased, T: Types> ShareClassify<E> for AnyOf<T> {
    fn share(self) -> SharedClassify<E> {
        SharedClassify::of(|error| Self::new().verdict(error), |error| Self::new().erased(error))
    }
}

/// Where the chain begins. The chain of a report that was made of a box leaves out the error in the box, and not its causes.
fn beginning(error: &impl Erased) -> &(dyn Error + 'static) {
    error.boxed().unwrap_or_else(|| error.outermost())
}

/// What is inside, and what the crate looked for.
pub(super) fn inside(error: &impl Erased) -> verdict::Erased<'_> {
    verdict::Erased { chain: beginning(error), known: boxed::KNOWN, own: None }
}

/// Returns the verdict of the types that the crate knows.
#[cfg(any(feature = "anyhow", feature = "eyre-0_6"))]
pub(super) fn known(error: &impl Erased) -> Verdict {
    boxed::walk(beginning(error))
}

/// An error whose type is erased: a boxed one, `anyhow::Error`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no erased error: `any_of` looks into boxed errors, `anyhow::Error` and the like",
    label = "its type is known",
    note = "implement `Retryable` for the error, or decide with `.when(|error: &{Self}| ..)`"
)]
pub trait Erased: Retryable {
    fn outermost(&self) -> &(dyn Error + 'static);

    /// An error that was boxed before it was erased, which stands in no chain.
    fn boxed(&self) -> Option<&(dyn Error + 'static)> {
        None
    }

    /// Asks the error itself, which knows the contexts that stand in no chain.
    fn find<T: Error + Send + Sync + 'static>(&self) -> Option<&T>;
}

macro_rules! boxed {
    ($($error:ty),*) => {$(
        impl Erased for Box<$error> {
            fn outermost(&self) -> &(dyn Error + 'static) {
                &**self
            }

            fn find<T: Error + Send + Sync + 'static>(&self) -> Option<&T> {
                self.downcast_ref()
            }
        }
    )*};
}

boxed!(dyn Error, dyn Error + Send, dyn Error + Send + Sync);

/// A type to look for, or a tuple of them.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`any_of` can't look for `{Self}`",
    label = "not a `Retryable` error that is `Send + Sync + 'static`",
    note = "it takes a type, or a tuple of at most eight types"
)]
pub trait Types {
    fn verdict(error: &(dyn Error + 'static)) -> Option<Verdict>;
    fn find<E: Erased>(error: &E) -> Option<Verdict>;
}

impl<T: Retryable + Error + Send + Sync + 'static> Types for T {
    fn verdict(error: &(dyn Error + 'static)) -> Option<Verdict> {
        error.downcast_ref::<T>().map(Retryable::verdict)
    }

    fn find<E: Erased>(error: &E) -> Option<Verdict> {
        error.find::<T>().map(Retryable::verdict)
    }
}

macro_rules! tuples {
    ($($first:ident $($rest:ident)*;)*) => {$(
        impl<$first: Types, $($rest: Types),*> Types for ($first, $($rest,)*) {
            fn verdict(error: &(dyn Error + 'static)) -> Option<Verdict> {
                $first::verdict(error)$(.or_else(|| $rest::verdict(error)))*
            }

            fn find<Erasing: Erased>(error: &Erasing) -> Option<Verdict> {
                $first::find(error)$(.or_else(|| $rest::find(error)))*
            }
        }
    )*};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}

impl<P, C, K, O, B, U> crate::drive::retry::Retry<P, C, K, O, B, U> {
    /// Looks for these types of yours in boxed errors, `anyhow::Error` and the like: a type, or a tuple of types.
    ///
    /// Each type is [`Retryable`] and says by itself what it means. The first error in the chain that has one of the types
    /// decides. If none has, the types that the crate knows decide. An error without any of them ends the run with
    /// [`StopReason::Unclassified`](crate::StopReason::Unclassified).
    ///
    /// ```
    /// use persevere::{Policy, Retryable};
    /// use std::error::Error;
    ///
    /// #[derive(Debug, thiserror::Error, Retryable)]
    /// #[error("busy")]
    /// #[retry(transient)]
    /// struct Busy;
    ///
    /// let mut calls = 0;
    /// let answer = Policy::new().any_of::<Busy>().run(|| {
    ///     calls += 1;
    ///     if calls < 3 { Err(Box::<dyn Error>::from(Busy)) } else { Ok(calls) }
    /// });
    /// assert_eq!(answer.unwrap(), 3);
    /// ```
    pub fn any_of<T: Types>(self) -> crate::drive::retry::Retry<P, AnyOf<T>, K, O, B, U> {
        self.classified(AnyOf::new())
    }
}

macro_rules! start {
    ($($policy:ty),*) => {$(
        impl $policy {
            /// Looks for these types of yours in boxed errors; see [`Retry::any_of`](crate::Retry::any_of).
            ///
            /// ```
            /// use persevere::{Policy, Retryable};
            ///
            /// #[derive(Debug, thiserror::Error, Retryable)]
            /// #[error("busy")]
            /// #[retry(transient)]
            /// struct Busy;
            ///
            /// let run = Policy::new().any_of::<(Busy, std::io::Error)>();
            /// # let _ = run;
            /// ```
            pub fn any_of<T: Types>(self) -> crate::drive::retry::Retry<Self, AnyOf<T>> {
                crate::drive::retry::Retry::new(self).any_of()
            }
        }
    )*};
}

start!(crate::policy::Policy, crate::policy::Timed<crate::policy::Policy>);
