//! What a layer asks of requests and responses: the request's own policy, a copy of it, whether the response will do.

use core::fmt;

use crate::drive::judge::{Accept, Classify};
use crate::policy::Policy;
use crate::verdict::{Erased, Reached, Verdict};

/// What holds for a request, beside the layer's own policy.
#[doc(hidden)]
pub trait Rules<Req> {
    /// Whether a failed connection proves nothing, since the service may have followed a redirect to it.
    const REDIRECTS: bool = false;

    fn policy(&self, plain: Policy, request: &Req) -> Policy;
}

/// Which responses are worth another attempt.
#[doc(hidden)]
pub trait Judge<Res> {
    fn verdict(&self, response: &Res) -> Option<Verdict>;
}

/// The layer's policy holds for all requests alike.
#[derive(Clone, Copy, Debug)]
pub struct Alike;

impl<Req> Rules<Req> for Alike {
    fn policy(&self, plain: Policy, _: &Req) -> Policy {
        plain
    }
}

impl<Res> Judge<Res> for Alike {
    fn verdict(&self, _: &Res) -> Option<Verdict> {
        None
    }
}

/// The closure of [`RetryLayer::for_request`](super::RetryLayer::for_request).
#[derive(Clone, Copy)]
pub struct ForRequest<F>(pub(super) F);

impl<F> fmt::Debug for ForRequest<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForRequest")
    }
}

impl<Req, F: Fn(Policy, &Req) -> Policy> Rules<Req> for ForRequest<F> {
    fn policy(&self, plain: Policy, request: &Req) -> Policy {
        (self.0)(plain, request)
    }
}

impl<Res, F> Judge<Res> for ForRequest<F> {
    fn verdict(&self, _: &Res) -> Option<Verdict> {
        None
    }
}

/// Makes the copies of a request that its retries send.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a `{Req}` can't be sent again by cloning it",
    note = "say how with `.clone_request(|request: &{Req}| ..)`, which answers `None` for one that is sent once"
)]
pub trait Again<Req> {
    fn again(&mut self, request: &Req) -> Option<Req>;
}

/// Requests are cloned.
#[derive(Clone, Copy, Debug)]
pub struct ByClone;

impl<Req: Clone> Again<Req> for ByClone {
    fn again(&mut self, request: &Req) -> Option<Req> {
        Some(request.clone())
    }
}

/// The closure of [`RetryLayer::clone_request`](super::RetryLayer::clone_request).
#[derive(Clone, Copy)]
pub struct CloneRequest<F>(pub(super) F);

impl<F> fmt::Debug for CloneRequest<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CloneRequest")
    }
}

impl<Req, F: FnMut(&Req) -> Option<Req>> Again<Req> for CloneRequest<F> {
    fn again(&mut self, request: &Req) -> Option<Req> {
        (self.0)(request)
    }
}

/// What became of the attempt, beside its outcome.
#[derive(Clone, Copy, Default)]
pub(super) struct Fate {
    pub(super) sent: Sent,
    /// The service failed before it got a request: by tower's contract it is of no more use.
    pub(super) broken: bool,
    /// A failed connection proves nothing.
    pub(super) redirects: bool,
}

/// Whether the service got the request.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Sent {
    #[default]
    No,
    /// And there is a copy.
    Copied,
    /// And there is no other.
    Spent,
}

impl Fate {
    fn adjust(self, mut verdict: Verdict) -> Verdict {
        match self.sent {
            Sent::No => verdict = verdict.with_reached(Reached::No),
            _ if self.redirects => verdict = verdict.with_reached(Reached::Maybe),
            _ => {}
        }
        verdict.transient &= !self.broken;
        verdict.repeatable &= self.sent != Sent::Spent;
        verdict
    }
}

/// Judges errors and responses with what is known beside them.
pub(super) struct Knowing<W, U> {
    pub(super) what: W,
    pub(super) rules: U,
    pub(super) fate: Fate,
}

impl<E, C: Classify<E>> Classify<E> for Knowing<C, ()> {
    fn verdict(&mut self, error: &E) -> Verdict {
        self.fate.adjust(self.what.verdict(error))
    }

    fn erased<'e>(&self, error: &'e E) -> Option<Erased<'e>> {
        self.what.erased(error)
    }
}

impl<V, K: Accept<V>, U: Judge<V>> Accept<V> for Knowing<K, U> {
    fn verdict(&mut self, response: &V) -> Option<Verdict> {
        let verdict = self.rules.verdict(response).or_else(|| self.what.verdict(response));
        verdict.map(|verdict| self.fate.adjust(verdict))
    }
}
