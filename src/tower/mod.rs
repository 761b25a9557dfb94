//! Retries for tower's services: a layer that drives the same core as every other door.
//!
// Its examples need more of tower than the layer does: `tests/http` runs them.
#![cfg_attr(not(doctest), doc = include_str!("page.md"))]

mod future;
#[cfg(feature = "http")]
mod http;
mod rules;

use core::task::{Context, Poll};
use core::{fmt, mem};

use ::tower::{Layer, Service};

pub use self::future::ResponseFuture;
#[cfg(feature = "http")]
use self::http::HttpRules;
use self::rules::{Again, Alike, ByClone, CloneRequest, ForRequest, Judge, Rules};
use crate::drive::bound::Guard;
use crate::drive::judge::{Accept, Classify};
use crate::drive::plan::Plan;
use crate::drive::retry::{IntoRetry, Prepared, Retry};
use crate::drive::staged::Staged;
#[cfg(feature = "http")]
use crate::http::HttpPolicy;
use crate::observe::Refuse;
use crate::policy::Policy;
use crate::time::Timer;

/// Gives services their retries: what a call runs by, as a layer.
///
/// The service must be `Clone`, since each call keeps one for its retries; put `tower::buffer::Buffer` round one that is
/// not. So must the requests, unless [`clone_request`](RetryLayer::clone_request) says how to copy them.
#[derive(Clone, Copy)]
#[must_use = "a layer does nothing until it is put round a service"]
pub struct RetryLayer<R, U = Alike, A = ByClone> {
    retry: R,
    rules: U,
    again: A,
}

impl<P, C, K, O, B, T> RetryLayer<Retry<P, C, K, O, B, T>> {
    /// Makes a layer that runs each request by this: a [`Policy`], or anything else that
    /// [`retry_async`](crate::retry_async()) takes.
    ///
    /// The policy holds for all requests alike, and takes them for idempotent unless it says otherwise; where that
    /// depends on the request, say so with [`for_request`](RetryLayer::for_request).
    pub fn new<R>(policy: R) -> Self
    where
        R: IntoRetry<Plan = P, Classify = C, Accept = K, Observe = O, Before = B, Timer = T>,
        // Said here, too, since here the compiler says what of it is missing.
        Retry<P, C, K, O, B, T>: Clone,
    {
        Self { retry: policy.into_retry(), rules: Alike, again: ByClone }
    }
}

#[cfg(feature = "http")]
impl RetryLayer<Retry<Policy>, HttpRules> {
    /// Makes a layer for services of HTTP: statuses, `Retry-After` and idempotency as the policy says.
    ///
    /// Requests and responses are those of the `http` crate, or with the feature `reqwest` that client's own. If retries
    /// run out on a status, the last response comes back. For hooks, a budget and the like replace the plain policy with
    /// [`policy`](RetryLayer::policy).
    ///
    /// ```
    /// use persevere::{guard::Budget, http::HttpPolicy, tower::RetryLayer, Policy};
    ///
    /// static BUDGET: Budget = Budget::new();
    ///
    /// let layer = RetryLayer::http(HttpPolicy::default().also_retry(404)).policy(Policy::new().budget(&BUDGET));
    /// # let _ = layer;
    /// ```
    pub fn http(policy: impl Into<HttpPolicy>) -> Self {
        let policy = policy.into();
        Self { retry: Retry::new(policy.policy()), rules: HttpRules(policy), again: ByClone }
    }
}

impl<R, U, A> RetryLayer<R, U, A> {
    /// Runs each request by this in place of the layer's policy. What looks at requests and responses stays: of an
    /// `HttpPolicy` the statuses and the idempotency.
    pub fn policy<I>(self, policy: I) -> RetryLayer<Prepared<I>, U, A>
    where
        I: IntoRetry,
        Prepared<I>: Clone,
    {
        RetryLayer { retry: policy.into_retry(), rules: self.rules, again: self.again }
    }

    /// Copies requests by this in place of `Clone`, before each is sent. A request that it answers `None` for is sent
    /// once: a transient failure then ends the run with
    /// [`StopReason::BodyNotReplayable`](crate::StopReason::BodyNotReplayable).
    ///
    /// ```
    /// use persevere::{tower::RetryLayer, Policy};
    ///
    /// # #[cfg(feature = "reqwest")]
    /// let layer = RetryLayer::http(Policy::new()).clone_request(reqwest::Request::try_clone);
    /// ```
    pub fn clone_request<Req, F>(self, clone: F) -> RetryLayer<R, U, CloneRequest<F>>
    where
        F: FnMut(&Req) -> Option<Req>,
    {
        RetryLayer { retry: self.retry, rules: self.rules, again: CloneRequest(clone) }
    }
}

impl<R, A> RetryLayer<R, Alike, A> {
    /// Derives each request's own policy from the layer's, which looks at no request by itself: above all, whether this request may be sent twice.
    ///
    /// ```
    /// use persevere::{tower::RetryLayer, Policy};
    /// # use std::future::{Ready, ready};
    /// # use std::io;
    /// # use std::task::{Context, Poll};
    /// use tower::{Layer as _, Service};
    ///
    /// #[derive(Clone, PartialEq)]
    /// enum Command { Get, Append }
    ///
    /// #[derive(Clone)]
    /// struct Store; // its connection breaks during each command
    ///
    /// impl Service<Command> for Store {
    ///     // ..
    /// #     type Response = ();
    /// #     type Error = io::Error;
    /// #     type Future = Ready<io::Result<()>>;
    /// #     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
    /// #         Poll::Ready(Ok(()))
    /// #     }
    /// #     fn call(&mut self, command: Command) -> Self::Future {
    /// #         assert!(command == Command::Append);
    /// #         ready(Err(io::ErrorKind::BrokenPipe.into()))
    /// #     }
    /// }
    ///
    /// # pollster::block_on(async {
    /// let layer = RetryLayer::new(Policy::new())
    ///     .for_request(|policy, command: &Command| policy.idempotent(*command == Command::Get));
    /// let mut service = layer.layer(Store);
    /// let failed = service.call(Command::Append).await; // sent once: it may have been appended
    /// assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    /// # });
    /// ```
    pub fn for_request<Req, F>(self, policy: F) -> RetryLayer<R, ForRequest<F>, A>
    where
        F: Fn(Policy, &Req) -> Policy,
    {
        RetryLayer { retry: self.retry, rules: ForRequest(policy), again: self.again }
    }
}

impl<R: fmt::Debug, U: fmt::Debug, A> fmt::Debug for RetryLayer<R, U, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLayer").field("retry", &self.retry).field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl<S, R: Clone, U: Clone, A: Clone> Layer<S> for RetryLayer<R, U, A> {
    type Service = RetryService<S, R, U, A>;

    fn layer(&self, service: S) -> Self::Service {
        RetryService { service, layer: self.clone() }
    }
}

/// A service that sends a request again while its policy allows; what [`RetryLayer`] makes of a service.
///
/// It is ready when the service in it is. Nothing of a call happens before its future is polled.
#[derive(Clone, Copy)]
pub struct RetryService<S, R, U = Alike, A = ByClone> {
    service: S,
    layer: RetryLayer<R, U, A>,
}

impl<S: fmt::Debug, R: fmt::Debug, U: fmt::Debug, A> fmt::Debug for RetryService<S, R, U, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryService").field("service", &self.service).field("layer", &self.layer).finish()
    }
}

impl<S, Req, P, C, K, O, B, T, U, A> Service<Req> for RetryService<S, Retry<P, C, K, O, B, T>, U, A>
where
    S: Service<Req> + Clone,
    P: Plan<Timing: Guard<S::Error>> + Clone,
    C: Classify<S::Error> + Clone,
    K: Accept<S::Response> + Clone,
    O: Refuse<S::Error> + Clone,
    B: Staged + Clone,
    T: Timer + Clone,
    U: Rules<Req> + Judge<S::Response> + Clone,
    A: Again<Req> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, Req, P, C, K, O, B, T, U, A, B::Lead>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        // What is ready is this service, not its clone.
        let clone = self.service.clone();
        let ready = mem::replace(&mut self.service, clone);
        let RetryLayer { retry, rules, again } = self.layer.clone();
        ResponseFuture::new(ready, request, retry, rules, again)
    }
}
