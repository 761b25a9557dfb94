//! Doors for reqwest, async and blocking.

use core::borrow::Borrow;
use core::convert::Infallible;
use core::fmt;
use core::future::{Future, Ready, ready};
use core::mem;
use core::pin::pin;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;
use std::string::{String, ToString as _};

use ::http::header::RETRY_AFTER;
use ::http::{Method, StatusCode};
use ::reqwest::{Error, ResponseBuilderExt as _, Url, blocking, redirect};
use hyper::body::Bytes;

use super::door::{Answer, Fate, Sent, last, prepare, unbuilt_blocking};
use super::hops::{Hops, counting};
use super::session::{Rules, Session, guarded};
use super::template::{Template, Watch, again, drain, shorten, without_body};
use crate::drive::before::{BeforeAsync, BeforeBlocking};
use crate::drive::judge::{Accept, Classify};
use crate::drive::plan::Plan;
use crate::drive::rest::rest;
use crate::drive::retry::{IntoRetry, Prepared, Retry};
use crate::drive::signal::BlockingSignal;
use crate::drive::{Driver, Step};
use crate::http::download::{Download, Fetch, Known, SendHook, course};
use crate::http::{HttpPolicy, Statuses};
use crate::observe::word::NoneAwaited;
use crate::observe::{Observe, Observer as _};
use crate::policy::Policy;
use crate::time::{BlockingTimer, Timer};
use crate::verdict::{Rejected, Retryable as _};

/// Gives a request of reqwest's its retries.
///
/// It takes what [`retry`](crate::retry()) takes: a [`Policy`], a prepared [`Retry`] with a report, hooks or a timer; what
/// an [`HttpPolicy`] has beside it is said with [`statuses`](RetryRequest::retry_only) and [`idempotent`](RetryRequest::idempotent).
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
/// If retries run out on a status, the last response comes back as `Ok`, as reqwest itself gives it. If the deadline
/// passed during a wait, the last error or response comes back, the response without its body. A policy's
/// [`when_ok`](Retry::when_ok) is asked about what the request gives: a response, or the body that was read.
///
/// What may be sent twice is decided by the method and the `Idempotency-Key`, see [`HttpPolicy::for_request`]. A body
/// that is a stream is sent once; after a failure before any of it was read the request is tried again, else the run
/// ends with [`StopReason::BodyNotReplayable`](crate::StopReason::BodyNotReplayable). A blocking client reads such a body
/// before it connects, so there it is always sent once.
///
/// An attempt timeout takes the place of the client's total timeout in each attempt, even if it is longer. It is clipped
/// to what is left of the deadline. A [`deadline`](Policy::deadline) does the same with what is left of it. So the client
/// cuts by its own timeout, and the error is the client's own. A timeout that the request itself has, if it is shorter, and the client's other
/// timeouts hold beside it.
///
/// # Requests that are not idempotent
///
/// When a connection fails, reqwest does not say what came before: a redirect, or a request that it sent again by itself
/// over HTTP/2. The first server may then have executed the request. So a request that is not idempotent is sent again
/// after a connect fault only if it is known that nothing came before:
///
/// - of a [`RetryClient`] that [`build`](RetryClient::build) made, which counts the redirects and turns reqwest's own retries off;
/// - of an async client that follows no redirects: there the body is watched, which shows whether anything was sent, and
///   reqwest can't send it again by itself;
/// - of any async client, if the request has no body or one that is a stream: these are watched, too.
///
/// For any other request, such as a POST with a text as its body on a client that follows redirects, the run ends with
/// [`StopReason::NotIdempotent`](crate::StopReason::NotIdempotent).
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
    pub fn retry_only(mut self, statuses: Statuses) -> Self {
        self.rules.statuses = Some(statuses);
        self
    }

    /// Says whether this request may be sent again after it may have been executed, whatever its method.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.rules.idempotent = Some(idempotent);
        self
    }

    /// Runs this request by another policy, or one with a report, hooks or a timer. Of a session the statuses, the
    /// idempotency and the guards stay.
    pub fn policy<P: IntoRetry>(self, policy: P) -> RetryRequest<B, Prepared<P>> {
        let Self { builder, rules, .. } = self;
        RetryRequest { builder, retry: policy.into_retry(), rules: rules.own_policy() }
    }
}

/// Without the request: its URL and headers may hold secrets.
impl<B, R> fmt::Debug for RetryRequest<B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryRequest").finish_non_exhaustive()
    }
}

impl<P, C, K, O, B, T> RetryRequest<reqwest::RequestBuilder, Retry<P, C, K, O, B, T>>
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
    /// reqwest's own, of the last attempt. A status is no error: see [`error_for_status`](crate::http::error_for_status).
    ///
    /// # Cancel safety
    ///
    /// As [`retry_async`](crate::retry_async()).
    pub fn send(self) -> impl Future<Output = Result<reqwest::Response, Error>>
    where
        K: Accept<reqwest::Response>,
    {
        self.run(|response| ready(Ok(response)), drain)
    }

    /// Sends the request and reads the body as text, both in the attempt.
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt. The text of an error page is no error. The page of a status that is retried is
    /// read only if retries have run out.
    ///
    /// # Cancel safety
    ///
    /// As [`retry_async`](crate::retry_async()).
    pub fn text(self) -> impl Future<Output = Result<String, Error>>
    where
        K: Accept<String>,
    {
        self.run(reqwest::Response::text, whole)
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
    pub fn bytes(self) -> impl Future<Output = Result<Bytes, Error>>
    where
        K: Accept<Bytes>,
    {
        self.run(reqwest::Response::bytes, whole)
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
    pub fn json<V: serde_core::de::DeserializeOwned>(self) -> impl Future<Output = Result<V, Error>>
    where
        K: Accept<V>,
    {
        self.run(reqwest::Response::json, whole)
    }

    /// Downloads the body, which goes on where it broke.
    ///
    /// Nothing is sent before the body is read. A policy's [`when_ok`](Retry::when_ok) is not asked.
    ///
    /// # Errors
    ///
    /// Reading it gives a [`DownloadError`](crate::http::DownloadError). A status that is not retried is one, too.
    pub fn download<'a>(self) -> Download<'a>
    where
        P: Plan<Signal: Send> + Send + 'a,
        C: Send + 'a,
        O: Observe<Error, Word: Send> + Send + 'a,
        B: SendHook + Send + 'a,
        T: Timer<Sleep: Send> + Send + 'a,
    {
        let Self { builder, retry, mut rules } = self;
        let guards = rules.guards();
        let (client, built) = builder.build_split();
        let mut known = Known { policy: *retry.plan.policy().borrow(), once: false };
        let mut http = HttpPolicy::new(known.policy);
        let mut parts = false;
        if let Ok(request) = &built {
            (known.policy, http, _) =
                rules.of(known.policy, request.method(), request.headers(), request.url().as_str());
            known.once = request.try_clone().is_none();
            parts = !known.once && request.method() == Method::GET;
        }
        let course = course(retry, guards, known);
        Download::new(Fetch { client, request: built.map_err(Some), course, rules: http, limit: None }, parts)
    }

    fn run<V, R, F, D, W>(self, read: R, discard: D) -> impl Future<Output = Result<V, Error>>
    where
        K: Accept<V>,
        R: Fn(reqwest::Response) -> F + Copy,
        F: Future<Output = Result<V, Error>>,
        D: Fn(V) -> W,
        W: Future<Output = V>,
    {
        async move {
            let Self { builder, retry, mut rules } = self;
            let guards = rules.guards();
            let (client, built) = builder.build_split();
            let fate = Fate::default();
            let built = match built {
                Ok(built) => built,
                Err(error) => {
                    let policy = *retry.plan.policy().borrow();
                    fate.hopeless.store(true, Relaxed);
                    let mut driver = Driver::new(prepare(retry, guards, policy, &fate));
                    let mut memory = driver.start();
                    driver.retry.observe.begins();
                    return Err(last(driver.settle(&mut memory, Err::<Infallible, _>(error))));
                }
            };
            let (policy, rules, counted) =
                rules.of(*retry.plan.policy().borrow(), built.method(), built.headers(), built.url().as_str());
            let mut hops = if policy.idempotent { Hops::Unknown } else { Hops::of(counted, built.url(), &client) };
            let template = Template::new(built, if policy.idempotent { Watch::None } else { hops.watch() });
            let mut driver = Driver::new(prepare(retry, guards, policy, &fate));
            let mut memory = driver.start();
            loop {
                hops.begin();
                let outcome: Result<_, Error> = match driver.admit() {
                    Ok(()) => {
                        let limit = driver.lead(&memory).await;
                        let request = template.request(limit);
                        // Nothing is borrowed, or the future could not be proved `Send` where it is spawned.
                        let (own, body) = (client.clone(), template.body.clone());
                        let attempt = move || async move {
                            let sending = own.execute(request);
                            if let Some(body) = body {
                                body.begin();
                            }
                            if limit == Some(Duration::ZERO) {
                                // The deadline is over, or the hook was cut. So is the request, by its own timeout, and
                                // before it is polled.
                                tokio::time::sleep(Duration::from_millis(1)).await;
                            }
                            let response = sending.await?;
                            match rules.verdict(response.status(), response.headers()) {
                                None => read(response).await.map(Answer::Read),
                                Some(verdict) => Ok(Answer::Refused(response, verdict)),
                            }
                        };
                        let ended = driver.guard(&memory, attempt).await;
                        driver.outcome(ended)
                    }
                    Err(rejected) => Ok(Answer::Refused(refusal(rejected, template.url()).into(), rejected.verdict())),
                };
                fate.spent.store(template.is_spent(), Relaxed);
                if let Err(error) = &outcome {
                    fate.sent(if template.is_untouched() { Sent::Nothing } else { hops.sent(error) });
                }
                let (wait, outcome) = match driver.settle(&mut memory, outcome) {
                    Step::Done(outcome) => return finish(outcome, read).await,
                    Step::Wait(wait, outcome) => (wait, outcome),
                };
                let outcome = match outcome {
                    Ok(Answer::Read(value)) => Ok(Answer::Read(discard(value).await)),
                    Ok(Answer::Refused(response, verdict)) => Ok(Answer::Refused(drain(response).await, verdict)),
                    Err(error) => Err(error),
                };
                // Only a run with a deadline, or one that can be stopped, can still return it.
                let last = driver.may_end(policy.within).then_some(outcome);
                rest(pin!(driver.sleep(wait)), driver.word(), driver.signal()).await;
                if let Some(outcome) = last.filter(|_| driver.is_late(&mut memory)) {
                    return finish(outcome, read).await;
                }
            }
        }
    }
}

/// Returns what a run ends with. The page of a status that was not retried is read here.
async fn finish<V, F>(
    outcome: Result<Answer<V, reqwest::Response>, Error>,
    read: impl Fn(reqwest::Response) -> F,
) -> Result<V, Error>
where
    F: Future<Output = Result<V, Error>>,
{
    match outcome? {
        Answer::Read(value) => Ok(value),
        Answer::Refused(response, _) => read(response).await,
    }
}

/// The answer in place of an attempt that was not let through. An error of reqwest's can't be made; a gateway in front
/// of the server would answer the same.
fn refusal(rejected: Rejected, url: &Url) -> ::http::Response<String> {
    let mut response = ::http::Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).url(url.clone());
    if let Some(wait) = rejected.retry_in() {
        // Whole seconds, rounded up: not before the breaker lets a probe through.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response = response.header(RETRY_AFTER, seconds);
    }
    response.body(rejected.to_string()).unwrap_or_default()
}

/// Lets a body go unread, and returns the response without it.
fn unread(mut response: blocking::Response) -> blocking::Response {
    let headers = mem::take(response.headers_mut());
    without_body(response.status(), response.version(), response.url().clone(), headers).into()
}

/// What was read whole leaves nothing to drain.
fn whole<V>(value: V) -> Ready<V> {
    ready(value)
}

impl<P, C, K, O, B, T> RetryRequest<blocking::RequestBuilder, Retry<P, C, K, O, B, T>>
where
    P: Plan<Signal: BlockingSignal>,
    C: Classify<Error>,
    O: Observe<Error, Word: NoneAwaited>,
    B: BeforeBlocking,
    T: BlockingTimer,
{
    /// Sends the request, and gives the response when its head is there. Reading the body is not retried.
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt. A status is no error: see [`error_for_status`](crate::http::error_for_status).
    pub fn send(self) -> Result<blocking::Response, Error>
    where
        K: Accept<blocking::Response>,
    {
        self.run(Ok, unread)
    }

    /// Sends the request and reads the body as text, both in the attempt.
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt. The text of an error page is no error. The page of a status that is retried is
    /// read only if retries have run out.
    pub fn text(self) -> Result<String, Error>
    where
        K: Accept<String>,
    {
        self.run(blocking::Response::text, |text| text)
    }

    /// Sends the request and reads the body, both in the attempt.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text).
    pub fn bytes(self) -> Result<Bytes, Error>
    where
        K: Accept<Bytes>,
    {
        self.run(blocking::Response::bytes, |bytes| bytes)
    }

    /// Sends the request and reads the body as JSON, both in the attempt.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text); and an error of reqwest's if a body that came whole is not the JSON of a `V`, which is not
    /// retried. If retries run out on a status, that is its error page, as it is with reqwest itself.
    pub fn json<V: serde_core::de::DeserializeOwned>(self) -> Result<V, Error>
    where
        K: Accept<V>,
    {
        self.run(blocking::Response::json, |value| value)
    }

    fn run<V>(self, read: impl Fn(blocking::Response) -> Result<V, Error>, let_go: impl Fn(V) -> V) -> Result<V, Error>
    where
        K: Accept<V>,
    {
        let Self { builder, retry, mut rules } = self;
        let guards = rules.guards();
        let (client, built) = builder.build_split();
        let fate = Fate::default();
        let mut built = match built {
            Ok(built) => built,
            Err(error) => return Err(unbuilt_blocking(retry, guards, error)),
        };
        let (policy, rules, counted) =
            rules.of(*retry.plan.policy().borrow(), built.method(), built.headers(), built.url().as_str());
        let mut hops = if policy.idempotent { Hops::Unknown } else { Hops::of(counted, built.url(), &client) };
        let mut driver = Driver::new(prepare(retry, guards, policy, &fate));
        let mut memory = driver.start_blocking();
        // A body that can't be cloned goes with the first attempt.
        let mut stream = if built.try_clone().is_none() { built.body_mut().take() } else { None };
        fate.spent.store(stream.is_some(), Relaxed);
        loop {
            hops.begin();
            let mut attempt = |limit| {
                let mut request = again!(blocking::Request, &built);
                if let Some(stream) = stream.take() {
                    *request.body_mut() = Some(stream);
                }
                shorten(request.timeout_mut(), limit);
                let response = client.execute(request)?;
                match rules.verdict(response.status(), response.headers()) {
                    None => read(response).map(Answer::Read),
                    Some(verdict) => Ok(Answer::Refused(response, verdict)),
                }
            };
            let outcome = match driver.admit_blocking() {
                Ok(()) => driver.scoped(&memory, &mut attempt),
                Err(rejected) => Ok(Answer::Refused(refusal(rejected, built.url()).into(), rejected.verdict())),
            };
            if let Err(error) = &outcome {
                fate.sent(hops.sent(error));
            }
            let finish = |outcome: Result<Answer<V, blocking::Response>, Error>| match outcome? {
                Answer::Read(value) => Ok(value),
                Answer::Refused(response, _) => read(response),
            };
            let (wait, outcome) = match driver.settle_blocking(&mut memory, outcome) {
                Step::Done(outcome) => return finish(outcome),
                Step::Wait(wait, outcome) => (wait, outcome),
            };
            // To read on could take for ever, a byte at a time. The client drains what has come with the head.
            let outcome = outcome.map(|answer| match answer {
                Answer::Read(value) => Answer::Read(let_go(value)),
                Answer::Refused(response, verdict) => Answer::Refused(unread(response), verdict),
            });
            let last = driver.may_end(policy.within).then_some(outcome);
            driver.wait_blocking(wait);
            if let Some(outcome) = last.filter(|_| driver.is_late_blocking(&mut memory)) {
                return finish(outcome);
            }
        }
    }
}

/// A client whose requests are sent again while their policy allows: an existing client of reqwest's, async or blocking,
/// with its settings, headers, proxies and pool, and a policy for each URL prefix.
///
/// Cloning it is cheap. Its requests give the same results as the client's own.
///
/// A [`budget`](RetryClient::budget), a [`breaker`](RetryClient::breaker) and a [`throttle`](RetryClient::throttle) stand
/// beside all of its requests. A request that is not let through is answered with a status 503 of this crate's making:
/// it has the breaker's pause as its `Retry-After`, and says in its body that nothing was sent.
///
/// ```no_run
/// use persevere::{Policy, http::{HttpPolicy, RetryClient}};
///
/// # async fn f(client: reqwest::Client) -> Result<(), reqwest::Error> {
/// let client = RetryClient::new(client, Policy::new())
///     .mount("https://slow.example.org/", HttpPolicy::new(Policy::new().total(8)).also_retry(404));
/// let page = client.get("https://slow.example.org/new").text().await?;
/// let order = client.post("https://example.org/orders").header("idempotency-key", "8e03978e").body("one").send().await?;
/// # let _ = (page, order); Ok(()) }
/// ```
#[derive(Clone)]
pub struct RetryClient<C> {
    client: C,
    session: Session,
}

guarded!(RetryClient<C>);

/// The rules alone: a client's own `Debug` shows its headers.
impl<C> fmt::Debug for RetryClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryClient").field("policy", &self.session.mounts).finish_non_exhaustive()
    }
}

impl<C> RetryClient<C> {
    /// Gives an existing client its retries.
    ///
    /// If reqwest may follow redirects, or send a request again by itself over HTTP/2, a request that is not idempotent and
    /// has a body is not sent again after a connect fault; see [`RetryRequest`]. [`build`](RetryClient::build) has no such
    /// limit.
    pub fn new(client: C, policy: impl Into<HttpPolicy>) -> Self {
        Self::with(client, policy.into(), false)
    }

    /// Builds the client, too, so that what reqwest does by itself is known: it counts the redirects, and turns reqwest's
    /// own retries over HTTP/2 off. A connect fault that came before any redirect is then retried for any method.
    ///
    /// `redirects` replaces a redirect policy that the builder has, and `reqwest::retry::never()` its retry policy. Its
    /// other settings stay.
    ///
    /// # Errors
    ///
    /// reqwest's own.
    ///
    /// ```no_run
    /// use persevere::{Policy, http::RetryClient};
    /// use reqwest::redirect;
    ///
    /// let client = RetryClient::build(reqwest::Client::builder(), redirect::Policy::default(), Policy::new());
    /// let blocking = RetryClient::build(reqwest::blocking::Client::builder(), redirect::Policy::none(), Policy::new());
    /// # let _ = (client, blocking);
    /// ```
    pub fn build<B>(builder: B, redirects: redirect::Policy, policy: impl Into<HttpPolicy>) -> Result<Self, Error>
    where
        B: ClientBuilder<Client = C>,
    {
        Ok(Self::with(builder.counting(counting(redirects))?, policy.into(), true))
    }

    fn with(client: C, policy: HttpPolicy, counted: bool) -> Self {
        Self { client, session: Session::new(policy, counted) }
    }
}

impl<C> RetryClient<C> {
    /// Sets the policy of all requests whose URL starts with this, in whatever letter case; of several prefixes that fit
    /// the longest decides.
    ///
    /// The URL is compared as it is sent: no default port, a `/` after the host.
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
                self.redirect(redirects).retry(reqwest::retry::never()).build()
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
                RetryRequest {
                    builder: self.client.request(method, url),
                    retry: Retry::new(self.session.mounts.default_policy()),
                    rules: Rules { session: Some(self.session.clone()), ..Rules::default() },
                }
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
