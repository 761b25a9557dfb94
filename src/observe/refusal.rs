//! Who makes the error of an attempt that no guard let begin.

use super::Observe;
use crate::verdict::Rejected;

/// Where the observers of a run have that error from. Of two the stronger one counts, wherever they stand.
#[doc(hidden)]
pub trait Refusal {
    type And<R: Refusal>: Refusal;
    type AndKept: Refusal;
    type AndByFrom: Refusal;
}

/// No observer refuses an attempt.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Never;

/// An observer knows by itself how to make it, if it refuses.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Kept;

/// The error's own `From` makes it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct ByFrom;

/// The closure of [`Retry::on_rejected`](crate::Retry::on_rejected) makes it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct ByClosure;

impl Refusal for Never {
    type And<R: Refusal> = R;
    type AndKept = Kept;
    type AndByFrom = ByFrom;
}

impl Refusal for Kept {
    type And<R: Refusal> = R::AndKept;
    type AndKept = Self;
    type AndByFrom = ByFrom;
}

impl Refusal for ByFrom {
    type And<R: Refusal> = R::AndByFrom;
    type AndKept = Self;
    type AndByFrom = Self;
}

impl Refusal for ByClosure {
    type And<R: Refusal> = Self;
    type AndKept = Self;
    type AndByFrom = Self;
}

/// Makes errors of type `E`.
#[doc(hidden)]
pub trait Makes<E>: Refusal {
    /// What makes one where no observer does.
    const FROM: Option<fn(Rejected) -> E>;

    /// Asks the observers whether an attempt may begin, and returns the error if not.
    #[inline]
    fn refuse<O: Observe<E>>(observe: &mut O, now: u64) -> Option<E> {
        let rejected = observe.admit(now).err()?;
        observe.rejected(rejected).or_else(|| Self::FROM.map(|from| from(rejected)))
    }
}

impl<E> Makes<E> for Never {
    const FROM: Option<fn(Rejected) -> E> = None;

    #[inline(always)]
    fn refuse<O: Observe<E>>(_: &mut O, _: u64) -> Option<E> {
        None
    }
}

impl<E> Makes<E> for Kept {
    const FROM: Option<fn(Rejected) -> E> = None;
}

#[diagnostic::do_not_recommend]
impl<E: From<Rejected>> Makes<E> for ByFrom {
    const FROM: Option<fn(Rejected) -> E> = Some(E::from);
}

impl<E> Makes<E> for ByClosure {
    const FROM: Option<fn(Rejected) -> E> = None;
}
