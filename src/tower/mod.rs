//! Retries for tower's services: a layer that drives the same core as every other door.
//!
//! ```
//! use persevere::testing::{Script, VirtualTimer};
//! use persevere::{Budget, Policy, tower::RetryLayer};
//! use std::io;
//! use tower::{Layer as _, ServiceExt as _, service_fn};
//!
//! static BUDGET: Budget = Budget::new(); // shared by all calls, of all clones of the service
//!
//! # futures::executor::block_on(async {
//! let timer = VirtualTimer::new(); // in place of tokio's, which is the default
//! let server = Script::new().fail(2, || io::Error::from(io::ErrorKind::ConnectionReset)).succeed("page");
//! let layer = RetryLayer::new(Policy::new().total(3).budget(&BUDGET).timer(&timer));
//! let service = layer.layer(service_fn(|path: &str| {
//!     assert_eq!(path, "/");
//!     server.call_async()
//! }));
//! assert_eq!(service.oneshot("/").await.unwrap(), "page");
//! assert_eq!(server.calls(), 3);
//! # });
//! ```
//!
//! The layer takes what [`retry_async`](crate::retry_async()) takes: a [`Policy`], or one with hooks, a classifier, a
//! [`Budget`](crate::Budget), a [`Breaker`](crate::Breaker), a timer. Each call gets a clone of it, so closures in it must be
//! `Clone`; what a run shares with others (budget, breaker, throttle) is shared, what it remembers is not. A
//! [`Report`](crate::Report) is of one run and can't be cloned: to see what calls do use
//! [`on_retry`](crate::Retry::on_retry), or the [events](crate::guide::events).
//!
//! The error that comes back is the service's own. For a breaker it must be `From<Rejected>`, for an attempt timeout
//! `From<TimedOut>`; tower's `BoxError` is both. tower's own `Elapsed` and `Overloaded` are
//! [`Retryable`](crate::Retryable), and found in a box; so are hyper's errors (feature `hyper`) and reqwest's. Decide about
//! others with [`when`](crate::Retry::when).
//!
//! # HTTP
//!
//! `RetryLayer::http` (feature `http`) makes a layer for services of `http::Request<_>`, or of reqwest's own: it retries
//! on statuses, waits as `Retry-After` says, and looks at the request for what may be sent twice. A POST that may have been
//! executed is not repeated.
//!
//! ```
//! # #[cfg(feature = "http")]
//! # futures::executor::block_on(async {
//! use http::{Request, Response, StatusCode};
//! use persevere::testing::{Script, VirtualTimer};
//! use persevere::{Policy, http::HttpPolicy, tower::RetryLayer};
//! use std::convert::Infallible;
//! use tower::{ServiceBuilder, ServiceExt as _};
//!
//! let busy = || Response::builder().status(503).header("retry-after", "2").body("busy").unwrap();
//! let server = Script::<_, Infallible>::new().succeed(busy()).succeed(Response::new("page")).succeed(busy());
//!
//! const RULES: HttpPolicy = HttpPolicy::new(Policy::new().total(5)).retry_status(404);
//! let timer = VirtualTimer::new();
//! let service = ServiceBuilder::new()
//!     .layer(RetryLayer::http(RULES).policy(RULES.policy().timer(&timer)))
//!     .service_fn(|_: Request<&str>| server.call_async());
//!
//! let page = service.clone().oneshot(Request::get("/").body("").unwrap()).await.unwrap();
//! assert_eq!(page.into_body(), "page");
//! assert!(timer.elapsed().as_secs() >= 2);
//!
//! let busy = service.oneshot(Request::post("/").body("order").unwrap()).await.unwrap();
//! assert_eq!(busy.status(), StatusCode::SERVICE_UNAVAILABLE);
//! assert_eq!(server.calls(), 3); // the POST was sent once
//! # });
//! ```
//!
//! Below the layer an error must be one that the crate knows. hyper-util's client has its own; box it, and what is behind
//! it is found:
//!
//! ```
//! # #[cfg(feature = "http")] {
//! # use http_body_util::Full;
//! # use hyper_util::rt::TokioExecutor;
//! # use persevere::{Policy, http::HttpPolicy, tower::RetryLayer};
//! # use std::time::Duration;
//! # use tower::ServiceBuilder;
//! # const RULES: HttpPolicy = HttpPolicy::new(Policy::new());
//! let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http::<Full<&[u8]>>();
//! let service = ServiceBuilder::new()
//!     .layer(RetryLayer::http(RULES)) // round all that is below
//!     .timeout(Duration::from_secs(5)) // for each attempt
//!     .map_err(tower::BoxError::from)
//!     .service(client);
//! # fn is_service<S: tower::Service<http::Request<Full<&'static [u8]>>>>(_: S) {}
//! # is_service(service); }
//! ```
//!
//! Put the layer below one that follows redirects: above it a connection that failed may be the second hop's. reqwest's
//! client follows them inside, so there a request that is not idempotent is not sent again after any fault; `RetryClient`
//! knows more. A response that is retried is dropped unread.
//!
//! # Where the layer stands
//!
//! What stands below the layer applies to each attempt, what stands above it to the call with all its attempts and waits.
//!
//! | | below | above |
//! |---|---|---|
//! | `timeout` | cuts an attempt, which is then retried | cuts the run |
//! | `concurrency_limit` | is free while a call waits for its retry | a call that waits holds its place |
//! | `load_shed` | what it sheds is retried | what it sheds is not |
//!
//! Have one layer retry, not two: their attempts multiply; see [`Nested`](crate::Nested).
//!
//! # Readiness
//!
//! The first attempt goes to the service that the caller made ready. Each retry waits until the service is ready again
//! before it is let through by a breaker and charged for good: a call that is dropped there gives its charge back. An
//! attempt timeout covers that wait. If the service fails to become ready it is of no more use, by tower's contract, and
//! the run ends with that error.

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
use crate::drive::before::BeforeAsync;
use crate::drive::bound::Guard;
use crate::drive::judge::{Accept, Classify};
use crate::drive::plan::Plan;
use crate::drive::retry::{IntoRetry, Prepared, Retry};
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
    /// use persevere::{Budget, Policy, http::HttpPolicy, tower::RetryLayer};
    ///
    /// static BUDGET: Budget = Budget::new();
    ///
    /// let layer = RetryLayer::http(HttpPolicy::default().retry_status(404)).policy(Policy::new().budget(&BUDGET));
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
    /// use persevere::{Policy, tower::RetryLayer};
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
    /// use persevere::testing::Script;
    /// use persevere::{Policy, tower::RetryLayer};
    /// use std::io;
    /// use tower::{Layer as _, ServiceExt as _, service_fn};
    ///
    /// #[derive(Clone, PartialEq)]
    /// enum Command { Get, Append }
    ///
    /// # futures::executor::block_on(async {
    /// let layer = RetryLayer::new(Policy::new())
    ///     .for_request(|policy, command: &Command| policy.idempotent(*command == Command::Get));
    /// let store = Script::<(), _>::new().fail(1, || io::Error::from(io::ErrorKind::BrokenPipe));
    /// let service = layer.layer(service_fn(|_: Command| store.call_async()));
    /// assert!(service.oneshot(Command::Append).await.is_err());
    /// assert_eq!(store.calls(), 1); // it may have been appended
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
    B: BeforeAsync + Clone,
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
