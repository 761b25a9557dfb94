//! Doors for reqwest, async and blocking.

use core::borrow::Borrow;
use core::convert::Infallible;
use core::fmt;
use core::future::{Future, Ready, poll_fn, ready};
use core::hash::{Hash, Hasher};
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use core::task::{Context, Poll};
use core::time::Duration;
use std::hash::DefaultHasher;
use std::io::{self, Read};
use std::string::String;
use std::sync::{Arc, Mutex, PoisonError};

use ::http::Method;
use ::reqwest::redirect;
use ::reqwest::{Error, Url, blocking};
use hyper::body::{Bytes, Frame, SizeHint};

use super::door::{Answer, DRAINED, Fate, prepare};
use super::session::{Mounts, Rules, Session};
use super::{HttpPolicy, Statuses};
use crate::before::{BeforeAsync, BeforeBlocking};
use crate::classify::{AnyOk, Classify};
use crate::driver::{Driver, Step};
use crate::observe::Observe;
use crate::plan::Plan;
use crate::policy::Policy;
use crate::retry::{IntoRetry, Prepared, Retry};
use crate::timer::{BlockingTimer, Timer, Yield};

/// Gives a request of reqwest's its retries.
///
/// It takes what [`retry`](crate::retry()) takes: a [`Policy`], a prepared [`Retry`] with a report, hooks or a timer; what
/// an [`HttpPolicy`] has beside it is said with [`statuses`](RetryRequest::statuses) and [`idempotent`](RetryRequest::idempotent).
///
/// ```no_run
/// use persevere::{Policy, Report, http::RetryExt as _};
///
/// # async fn f(client: reqwest::Client) -> Result<(), reqwest::Error> {
/// let page = client.get("https://example.org/").retry(Policy::new()).text().await?;
///
/// let mut report = Report::new();
/// let response = client.post("https://example.org/orders").body("one").retry(Policy::new().report(&mut report)).send();
/// println!("{}: {report}", response.await?.status());
/// # let _ = page; Ok(()) }
/// ```
pub trait RetryExt: Sized {
    /// Runs the request by this policy.
    fn retry<R: IntoRetry>(self, policy: R) -> RetryRequest<Self, Prepared<R>>;
}

impl RetryExt for reqwest::RequestBuilder {
    fn retry<R: IntoRetry>(self, policy: R) -> RetryRequest<Self, Prepared<R>> {
        request(self, policy)
    }
}

impl RetryExt for blocking::RequestBuilder {
    fn retry<R: IntoRetry>(self, policy: R) -> RetryRequest<Self, Prepared<R>> {
        request(self, policy)
    }
}

/// A request that is sent again while its policy allows.
///
/// `B` is reqwest's own builder, async or blocking. An attempt ends when the body is read, so a body that breaks is
/// fetched again; after `send`, which gives the response as soon as its head is there, reading the body is the caller's.
///
/// If retries run out on a status, the last response comes back as `Ok`, as reqwest itself gives it.
///
/// What may be sent twice is decided by the method and the `Idempotency-Key`, see [`HttpPolicy::for_request`]. A body
/// that is a stream is sent once; after a failure before any of it was read the request is tried again, else the run
/// ends with [`StopReason::BodyNotReplayable`](crate::StopReason::BodyNotReplayable).
///
/// An attempt timeout becomes the request's own timeout, clipped to what is left of the deadline.
///
/// # Requests that are not idempotent, and redirects
///
/// When a connection fails, reqwest does not tell whether a redirect led there. Then the first server has executed the
/// request. So a request that is not idempotent is sent again after a connect fault only if it can't have been
/// redirected: if the client is an async one that follows no redirects, or if it is a [`RetryClient`] made by
/// [`build`](RetryClient::build), which counts them.
#[must_use = "a request does nothing until it is sent"]
pub struct RetryRequest<B, R> {
    builder: B,
    retry: R,
    rules: Rules,
}

fn request<B, P: IntoRetry>(builder: B, policy: P) -> RetryRequest<B, Prepared<P>> {
    RetryRequest { builder, retry: policy.into_retry(), rules: Rules::default() }
}

impl<B, R> RetryRequest<B, R> {
    /// Retries these statuses, in place of [`Statuses::TRANSIENT`] or the session's.
    pub fn statuses(mut self, statuses: Statuses) -> Self {
        self.rules.statuses = Some(statuses);
        self
    }

    /// Says whether this request may be sent again after it may have been executed, whatever its method.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.rules.idempotent = Some(idempotent);
        self
    }

    /// Runs this request by another policy, or one with a report, hooks or a timer. Of a session's policy the statuses
    /// and the idempotency stay.
    pub fn policy<P: IntoRetry>(self, policy: P) -> RetryRequest<B, Prepared<P>> {
        let Self { builder, mut rules, .. } = self;
        if let Some(session) = &mut rules.session {
            session.own_policy = true;
        }
        RetryRequest { builder, retry: policy.into_retry(), rules }
    }
}

/// Without the request: its URL and headers may hold secrets.
impl<B, R> fmt::Debug for RetryRequest<B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryRequest").finish_non_exhaustive()
    }
}

/// Tells whether the client may have followed a redirect in the attempt that just failed.
struct Hops {
    counter: Option<&'static AtomicU32>,
    before: u32,
}

impl Hops {
    fn new(counted: bool, url: &Url) -> Self {
        Self { counter: counted.then(|| counter(url)), before: 0 }
    }

    fn begin(&mut self) {
        self.before = self.counter.map_or(0, |counter| counter.load(Relaxed));
    }

    fn redirected(&self, client: &dyn fmt::Debug) -> bool {
        match self.counter {
            Some(counter) => counter.load(Relaxed) != self.before,
            // There is no other way to ask a client; where the text changes, the answer is the safe one.
            None => !std::format!("{client:?}").contains("Policy(None)"),
        }
    }
}

/// Counts the redirects of all requests whose URL falls into the same place: too many are harmless, none is proof.
fn counter(url: &Url) -> &'static AtomicU32 {
    static COUNTERS: [AtomicU32; 64] = [const { AtomicU32::new(0) }; 64];
    let mut hasher = DefaultHasher::new();
    // The fragment is not sent, so a redirect's history does not have it.
    url.as_str().split('#').next().hash(&mut hasher);
    &COUNTERS[hasher.finish() as usize % COUNTERS.len()]
}

fn counting(limit: usize) -> redirect::Policy {
    let limited = redirect::Policy::limited(limit);
    redirect::Policy::custom(move |attempt| {
        if let Some(first) = attempt.previous().first() {
            counter(first).fetch_add(1, Relaxed);
        }
        limited.redirect(attempt)
    })
}

/// Writes a request again whose body, if it has one, can be cloned.
macro_rules! again {
    ($request:ty, $from:expr) => {{
        let from = $from;
        from.try_clone().unwrap_or_else(|| {
            let mut request = <$request>::new(from.method().clone(), from.url().clone());
            request.headers_mut().clone_from(from.headers());
            *request.version_mut() = from.version();
            *request.timeout_mut() = from.timeout().copied();
            request
        })
    }};
}

/// Makes one attempt after another of the same request.
struct Template {
    request: reqwest::Request,
    /// A body that can't be cloned, and whether any of it was read.
    stream: Option<Arc<Stream>>,
}

struct Stream {
    body: Mutex<reqwest::Body>,
    touched: AtomicBool,
}

impl Template {
    fn new(mut request: reqwest::Request) -> Self {
        let mut stream = None;
        if request.try_clone().is_none() {
            stream = request
                .body_mut()
                .take()
                .map(|body| Arc::new(Stream { body: Mutex::new(body), touched: AtomicBool::new(false) }));
        }
        Self { request, stream }
    }

    fn request(&self, limit: Option<Duration>) -> reqwest::Request {
        let mut request = again!(reqwest::Request, &self.request);
        if let Some(stream) = &self.stream {
            *request.body_mut() = Some(reqwest::Body::wrap(Shared(stream.clone())));
        }
        shorten(request.timeout_mut(), limit);
        request
    }

    fn is_spent(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.touched.load(Relaxed))
    }
}

fn shorten(timeout: &mut Option<Duration>, limit: Option<Duration>) {
    if let Some(limit) = limit {
        *timeout = Some(timeout.map_or(limit, |timeout| timeout.min(limit)));
    }
}

/// A body that is still there after an attempt that did not read it.
struct Shared(Arc<Stream>);

impl hyper::body::Body for Shared {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0.touched.store(true, Relaxed);
        let mut body = self.0.body.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.body.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.body.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}

/// Reads what has come of a body, so that its connection can be used again. Never waits for a server that is slow.
async fn drain(mut response: reqwest::Response) {
    let mut turns = 16;
    let mut read = 0;
    while read < DRAINED && turns > 0 {
        let mut chunk = pin!(response.chunk());
        match poll_fn(|context| Poll::Ready(chunk.as_mut().poll(context))).await {
            Poll::Ready(Ok(Some(chunk))) => read += chunk.len(),
            Poll::Ready(_) => return,
            Poll::Pending => {
                turns -= 1;
                Yield::default().await;
            }
        }
    }
}

impl<P, C, O, B, T> RetryRequest<reqwest::RequestBuilder, Retry<P, C, AnyOk, O, B, T>>
where
    P: Plan,
    C: Classify<Error>,
    O: Observe<Error>,
    B: BeforeAsync,
    T: Timer,
{
    /// Sends the request, and gives the response when its head is there. Reading the body is not retried.
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt. A status is no error: see [`error_for_status`](super::error_for_status).
    ///
    /// # Cancel safety
    ///
    /// As [`retry_async`](crate::retry_async()).
    pub fn send(self) -> impl Future<Output = Result<reqwest::Response, Error>> {
        self.run(|response, _| async { Ok(response) }, drain)
    }

    /// Sends the request and reads the body as text, both in the attempt.
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt. The text of an error page is no error.
    ///
    /// # Cancel safety
    ///
    /// As [`retry_async`](crate::retry_async()).
    pub fn text(self) -> impl Future<Output = Result<String, Error>> {
        self.run(|response, _| response.text(), forget)
    }

    /// Sends the request and reads the body, both in the attempt.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text).
    ///
    /// # Cancel safety
    ///
    /// As [`retry_async`](crate::retry_async()).
    pub fn bytes(self) -> impl Future<Output = Result<Bytes, Error>> {
        self.run(|response, _| response.bytes(), forget)
    }

    /// Sends the request and reads the body as JSON, both in the attempt.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text); and an error of reqwest's if a body that came whole is not the JSON of a `V`, which is not
    /// retried. If retries run out on a status, that is its error page, as it is with reqwest itself.
    ///
    /// # Cancel safety
    ///
    /// As [`retry_async`](crate::retry_async()).
    pub fn json<V: serde_core::de::DeserializeOwned>(self) -> impl Future<Output = Result<V, Error>> {
        let page = self.run(
            |response, accepted| async move {
                let bytes = response.bytes().await?;
                // The page of a status that is retried need not be JSON.
                if accepted { Ok(Page::Read(parse(bytes).await?)) } else { Ok(Page::Refused(bytes)) }
            },
            forget,
        );
        async move {
            match page.await? {
                Page::Read(value) => Ok(value),
                Page::Refused(bytes) => parse(bytes).await,
            }
        }
    }

    fn run<V, R, F, D, G>(self, read: R, discard: D) -> impl Future<Output = Result<V, Error>>
    where
        R: Fn(reqwest::Response, bool) -> F + Copy,
        F: Future<Output = Result<V, Error>>,
        D: Fn(V) -> G,
        G: Future<Output = ()>,
    {
        async move {
            let Self { builder, retry, rules } = self;
            let (client, built) = builder.build_split();
            let built = built?;
            let (policy, rules, counted) =
                rules.of(*retry.plan.policy().borrow(), built.method(), built.headers(), built.url().as_str());
            let cuts = retry.plan.limit() != u64::MAX;
            let mut hops = Hops::new(counted, built.url());
            let (template, fate) = (Template::new(built), Fate::default());
            let mut driver = Driver::new(prepare(retry, policy, &fate));
            let mut memory = driver.start();
            loop {
                hops.begin();
                let limit = if cuts { driver.attempt(&memory).left() } else { None };
                let request = template.request(limit);
                // Nothing is borrowed, or the future could not be proved `Send` where it is spawned.
                let own = client.clone();
                let attempt = move || async move {
                    let response = own.execute(request).await?;
                    let verdict = rules.verdict(response.status(), response.headers());
                    Ok((read(response, verdict.is_none()).await?, verdict))
                };
                let outcome: Result<_, Error> = driver.guard(&memory, attempt).await;
                fate.spent.store(template.is_spent(), Relaxed);
                let wait = match outcome {
                    Ok((value, verdict)) => {
                        let wait = match driver.settle(&mut memory, Ok::<_, Error>(Answer((), verdict))) {
                            Step::Done(_) => return Ok(value),
                            Step::Again => None,
                            Step::Wait(wait) => Some(wait),
                        };
                        discard(value).await;
                        wait
                    }
                    Err(error) => {
                        fate.redirected.store(error.is_connect() && hops.redirected(&client), Relaxed);
                        match driver.settle(&mut memory, Err::<Answer<Infallible>, _>(error)) {
                            Step::Done(Err(error)) => return Err(error),
                            Step::Done(Ok(Answer(never, _))) => match never {},
                            Step::Again => None,
                            Step::Wait(wait) => Some(wait),
                        }
                    }
                };
                match wait {
                    None => Yield::default().await,
                    Some(wait) => driver.sleep(wait).await,
                }
            }
        }
    }
}

/// What was read whole leaves nothing to drain.
fn forget<V>(_: V) -> Ready<()> {
    ready(())
}

enum Page<V> {
    Read(V),
    Refused(Bytes),
}

/// Reads JSON with reqwest's own error.
async fn parse<V: serde_core::de::DeserializeOwned>(bytes: Bytes) -> Result<V, Error> {
    reqwest::Response::from(::http::Response::new(bytes)).json().await
}

fn parse_blocking<V: serde_core::de::DeserializeOwned>(bytes: Bytes) -> Result<V, Error> {
    blocking::Response::from(::http::Response::new(bytes)).json()
}

/// Reads a body that is short and of known length, so that its connection can be used again.
fn drain_blocking(response: blocking::Response) {
    if response.content_length().is_some_and(|length| length <= DRAINED as u64) {
        // What can't be read costs a new connection.
        let _ = io::copy(&mut response.take(DRAINED as u64), &mut io::sink());
    }
}

impl<P, C, O, B, T> RetryRequest<blocking::RequestBuilder, Retry<P, C, AnyOk, O, B, T>>
where
    P: Plan,
    C: Classify<Error>,
    O: Observe<Error>,
    B: BeforeBlocking,
    T: BlockingTimer,
{
    /// Sends the request, and gives the response when its head is there. Reading the body is not retried.
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt. A status is no error: see [`error_for_status`](super::error_for_status).
    pub fn send(self) -> Result<blocking::Response, Error> {
        self.run(|response, _| Ok(response), drain_blocking)
    }

    /// Sends the request and reads the body as text, both in the attempt.
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt. The text of an error page is no error.
    pub fn text(self) -> Result<String, Error> {
        self.run(|response, _| response.text(), drop)
    }

    /// Sends the request and reads the body, both in the attempt.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text).
    pub fn bytes(self) -> Result<Bytes, Error> {
        self.run(|response, _| response.bytes(), drop)
    }

    /// Sends the request and reads the body as JSON, both in the attempt.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text); and an error of reqwest's if a body that came whole is not the JSON of a `V`, which is not
    /// retried. If retries run out on a status, that is its error page, as it is with reqwest itself.
    pub fn json<V: serde_core::de::DeserializeOwned>(self) -> Result<V, Error> {
        let page = self.run(
            |response, accepted| {
                let bytes = response.bytes()?;
                // The page of a status that is retried need not be JSON.
                if accepted { Ok(Page::Read(parse_blocking(bytes)?)) } else { Ok(Page::Refused(bytes)) }
            },
            drop,
        );
        match page? {
            Page::Read(value) => Ok(value),
            Page::Refused(bytes) => parse_blocking(bytes),
        }
    }

    fn run<V>(
        self,
        read: impl Fn(blocking::Response, bool) -> Result<V, Error>,
        discard: impl Fn(V),
    ) -> Result<V, Error> {
        let Self { builder, retry, rules } = self;
        let (client, built) = builder.build_split();
        let mut built = built?;
        let (policy, rules, counted) =
            rules.of(*retry.plan.policy().borrow(), built.method(), built.headers(), built.url().as_str());
        let cuts = retry.plan.limit() != u64::MAX;
        let mut hops = Hops::new(counted, built.url());
        let fate = Fate::default();
        let mut driver = Driver::new(prepare(retry, policy, &fate));
        let mut memory = driver.start_blocking();
        // A body that can't be cloned goes with the first attempt.
        let mut stream = if built.try_clone().is_none() { built.body_mut().take() } else { None };
        fate.spent.store(stream.is_some(), Relaxed);
        loop {
            hops.begin();
            let limit = if cuts { driver.attempt_blocking(&memory).left() } else { None };
            let mut attempt = || {
                let mut request = again!(blocking::Request, &built);
                if let Some(stream) = stream.take() {
                    *request.body_mut() = Some(stream);
                }
                shorten(request.timeout_mut(), limit);
                let response = client.execute(request)?;
                let verdict = rules.verdict(response.status(), response.headers());
                Ok::<_, Error>((read(response, verdict.is_none())?, verdict))
            };
            let wait = match attempt() {
                Ok((value, verdict)) => {
                    let wait = match driver.settle_blocking(&mut memory, Ok::<_, Error>(Answer((), verdict))) {
                        Step::Done(_) => return Ok(value),
                        Step::Again => Duration::ZERO,
                        Step::Wait(wait) => wait,
                    };
                    discard(value);
                    wait
                }
                Err(error) => {
                    fate.redirected.store(error.is_connect() && hops.redirected(&client), Relaxed);
                    match driver.settle_blocking(&mut memory, Err::<Answer<Infallible>, _>(error)) {
                        Step::Done(Err(error)) => return Err(error),
                        Step::Done(Ok(Answer(never, _))) => match never {},
                        Step::Again => Duration::ZERO,
                        Step::Wait(wait) => wait,
                    }
                }
            };
            driver.wait_blocking(wait);
        }
    }
}

/// A client whose requests are sent again while their policy allows: an existing client of reqwest's, async or blocking,
/// with its settings, headers, proxies and pool, and a policy for each URL prefix.
///
/// Cloning it is cheap. Its requests give the same results as the client's own.
///
/// ```no_run
/// use persevere::{Policy, http::{HttpPolicy, RetryClient}};
///
/// # async fn f(client: reqwest::Client) -> Result<(), reqwest::Error> {
/// let client = RetryClient::new(client, Policy::new())
///     .mount("https://slow.example.org/", HttpPolicy::new(Policy::new().total(8)).retry_status(404));
/// let page = client.get("https://slow.example.org/new").text().await?;
/// let order = client.post("https://example.org/orders").header("idempotency-key", "8e03978e").body("one").send().await?;
/// # let _ = (page, order); Ok(()) }
/// ```
#[derive(Clone)]
pub struct RetryClient<C> {
    client: C,
    session: Session,
}

/// The rules alone: a client's own `Debug` shows its headers.
impl<C> fmt::Debug for RetryClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryClient").field("policy", &self.session.mounts).finish_non_exhaustive()
    }
}

impl<C> RetryClient<C> {
    /// Gives an existing client its retries.
    ///
    /// A request that is not idempotent is then sent again after a connect fault only if the client is an
    /// async one that follows no redirects; see [`RetryRequest`]. [`build`](RetryClient::build) has no such limit.
    pub fn new(client: C, policy: impl Into<HttpPolicy>) -> Self {
        Self::with(client, policy.into(), false)
    }

    /// Builds the client, too, with a redirect policy that follows up to ten hops, as reqwest's own, and counts them: then
    /// a connect fault without a redirect is known for one, and retried for any method.
    ///
    /// The builder's other settings stay; a redirect policy that it has is replaced.
    ///
    /// # Errors
    ///
    /// reqwest's own.
    ///
    /// ```no_run
    /// use persevere::{Policy, http::RetryClient};
    ///
    /// let client = RetryClient::build(reqwest::Client::builder(), Policy::new());
    /// let blocking = RetryClient::build(reqwest::blocking::Client::builder(), Policy::new());
    /// # let _ = (client, blocking);
    /// ```
    pub fn build<B>(builder: B, policy: impl Into<HttpPolicy>) -> Result<Self, Error>
    where
        B: ClientBuilder<Client = C>,
    {
        Ok(Self::with(builder.counting(counting(10))?, policy.into(), true))
    }

    fn with(client: C, policy: HttpPolicy, counted: bool) -> Self {
        Self { client, session: Session { mounts: Mounts::new(policy), counted, own_policy: false } }
    }

    /// Sets the policy of all requests whose URL starts with this; of several prefixes that fit the longest decides.
    ///
    /// The URL is compared as it is sent: lower-case scheme and host, no default port, a `/` after the host.
    #[must_use]
    pub fn mount(mut self, prefix: impl Into<String>, policy: impl Into<HttpPolicy>) -> Self {
        self.session.mounts.mount(prefix.into(), policy.into());
        self
    }
}

/// reqwest's client builders, async and blocking. Sealed.
pub trait ClientBuilder: sealed::Sealed {
    /// What it builds.
    type Client;

    #[doc(hidden)]
    fn counting(self, redirects: redirect::Policy) -> Result<Self::Client, Error>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! session {
    ($client:ty, $builder:ty, $body:ty, $make:ty) => {
        impl sealed::Sealed for $make {}
        impl ClientBuilder for $make {
            type Client = $client;

            fn counting(self, redirects: redirect::Policy) -> Result<$client, Error> {
                self.redirect(redirects).build()
            }
        }

        impl RetryClient<$client> {
            /// Starts a GET request.
            pub fn get(&self, url: impl reqwest::IntoUrl) -> RetryRequest<$builder, Retry<Policy>> {
                self.request(Method::GET, url)
            }

            /// Starts a HEAD request.
            pub fn head(&self, url: impl reqwest::IntoUrl) -> RetryRequest<$builder, Retry<Policy>> {
                self.request(Method::HEAD, url)
            }

            /// Starts a POST request.
            pub fn post(&self, url: impl reqwest::IntoUrl) -> RetryRequest<$builder, Retry<Policy>> {
                self.request(Method::POST, url)
            }

            /// Starts a PUT request.
            pub fn put(&self, url: impl reqwest::IntoUrl) -> RetryRequest<$builder, Retry<Policy>> {
                self.request(Method::PUT, url)
            }

            /// Starts a PATCH request.
            pub fn patch(&self, url: impl reqwest::IntoUrl) -> RetryRequest<$builder, Retry<Policy>> {
                self.request(Method::PATCH, url)
            }

            /// Starts a DELETE request.
            pub fn delete(&self, url: impl reqwest::IntoUrl) -> RetryRequest<$builder, Retry<Policy>> {
                self.request(Method::DELETE, url)
            }

            /// Starts a request.
            pub fn request(&self, method: Method, url: impl reqwest::IntoUrl) -> RetryRequest<$builder, Retry<Policy>> {
                let request = request(self.client.request(method, url), self.session.mounts.default_policy());
                let rules = Rules { session: Some(self.session.clone()), ..Rules::default() };
                RetryRequest { rules, ..request }
            }
        }

        impl<R> RetryRequest<$builder, R> {
            /// Changes the request with the methods of reqwest's own builder.
            ///
            /// The methods used most are here, too.
            pub fn with(mut self, change: impl FnOnce($builder) -> $builder) -> Self {
                self.builder = change(self.builder);
                self
            }

            /// Adds a header.
            pub fn header<K, V>(self, name: K, value: V) -> Self
            where
                ::http::HeaderName: TryFrom<K>,
                <::http::HeaderName as TryFrom<K>>::Error: Into<::http::Error>,
                ::http::HeaderValue: TryFrom<V>,
                <::http::HeaderValue as TryFrom<V>>::Error: Into<::http::Error>,
            {
                self.with(|builder| builder.header(name, value))
            }

            /// Sets the body.
            pub fn body(self, body: impl Into<$body>) -> Self {
                self.with(|builder| builder.body(body))
            }

            /// Sets the time that each attempt may take, the reading of its body included.
            pub fn timeout(self, timeout: Duration) -> Self {
                self.with(|builder| builder.timeout(timeout))
            }
        }
    };
}

session!(reqwest::Client, reqwest::RequestBuilder, reqwest::Body, reqwest::ClientBuilder);
session!(blocking::Client, blocking::RequestBuilder, blocking::Body, blocking::ClientBuilder);
