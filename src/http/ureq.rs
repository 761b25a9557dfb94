//! A door for ureq.

use core::borrow::Borrow;
use core::convert::Infallible;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use core::time::Duration;
use std::io::{self, Read};
use std::string::{String, ToString as _};
use std::vec::Vec;

use ::http::header::CONTENT_LENGTH;
use ::http::{HeaderName, HeaderValue, Method, Request, Response, request};
use ::ureq::{Agent, AsSendBody, Body, Error, SendBody};

use super::door::{Answer, DRAINED, Fate, prepare};
use super::session::{Mounts, Rules, Session};
use super::{HttpPolicy, Statuses};
use crate::before::BeforeBlocking;
use crate::classify::{AnyOk, Classify};
use crate::driver::{Driver, Step};
use crate::observe::Observe;
use crate::plan::Plan;
use crate::policy::Policy;
use crate::retry::{IntoRetry, Prepared, Retry};
use crate::timer::BlockingTimer;

/// A ureq agent whose requests are sent again while their policy allows, with a policy for each URL prefix.
///
/// It takes an existing agent with its settings and pool. Cloning it is cheap. Its results are the agent's own: where
/// the agent makes an error of a status (`http_status_as_error`), so does this, when retries have run out.
///
/// ```no_run
/// use persevere::{Policy, http::{HttpPolicy, RetryAgent}};
///
/// let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), Policy::new())
///     .mount("https://slow.example.org/", HttpPolicy::new(Policy::new().total(8)).retry_status(404));
/// let page = agent.get("https://slow.example.org/new").text()?;
/// let order = agent.post("https://example.org/orders").header("idempotency-key", "8e03978e").body("one").call()?;
/// # let _ = (page, order); Ok::<(), ureq::Error>(())
/// ```
#[derive(Clone)]
pub struct RetryAgent {
    agent: Agent,
    session: Session,
}

impl RetryAgent {
    /// Gives an agent its retries.
    pub fn new(agent: Agent, policy: impl Into<HttpPolicy>) -> Self {
        let session = Session { mounts: Mounts::new(policy.into()), counted: false, own_policy: false };
        Self { agent, session }
    }

    /// Sets the policy of all requests whose URL starts with this; of several prefixes that fit the longest decides.
    #[must_use]
    pub fn mount(mut self, prefix: impl Into<String>, policy: impl Into<HttpPolicy>) -> Self {
        self.session.mounts.mount(prefix.into(), policy.into());
        self
    }

    /// Starts a GET request.
    pub fn get(&self, url: &str) -> AgentRequest<Retry<Policy>> {
        self.request(Method::GET, url)
    }

    /// Starts a HEAD request.
    pub fn head(&self, url: &str) -> AgentRequest<Retry<Policy>> {
        self.request(Method::HEAD, url)
    }

    /// Starts a POST request.
    pub fn post(&self, url: &str) -> AgentRequest<Retry<Policy>> {
        self.request(Method::POST, url)
    }

    /// Starts a PUT request.
    pub fn put(&self, url: &str) -> AgentRequest<Retry<Policy>> {
        self.request(Method::PUT, url)
    }

    /// Starts a PATCH request.
    pub fn patch(&self, url: &str) -> AgentRequest<Retry<Policy>> {
        self.request(Method::PATCH, url)
    }

    /// Starts a DELETE request.
    pub fn delete(&self, url: &str) -> AgentRequest<Retry<Policy>> {
        self.request(Method::DELETE, url)
    }

    /// Starts a request.
    pub fn request(&self, method: Method, url: &str) -> AgentRequest<Retry<Policy>> {
        AgentRequest {
            agent: self.agent.clone(),
            builder: Request::builder().method(method).uri(url),
            body: Vec::new(),
            retry: Retry::new(self.session.mounts.default_policy()),
            rules: Rules { session: Some(self.session.clone()), ..Rules::default() },
        }
    }
}

/// The rules alone: URLs and headers may hold secrets.
impl fmt::Debug for RetryAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryAgent").field("policy", &self.session.mounts).finish_non_exhaustive()
    }
}

/// A request of a [`RetryAgent`].
///
/// An attempt ends when the body is read, so a body that breaks is fetched again; after `call`, which gives the response
/// as soon as its head is there, reading the body is the caller's.
///
/// What may be sent twice is decided by the method and the `Idempotency-Key`, see [`HttpPolicy::for_request`]. When a
/// connection fails, ureq does not tell whether a redirect led there. So a request that is not idempotent is sent again
/// after a connect fault only if its body shows that nothing was sent, or if the agent follows no redirects
/// (`max_redirects(0)`).
///
/// An attempt timeout becomes ureq's global timeout of that attempt, clipped to what is left of the deadline.
#[must_use = "a request does nothing until it is sent"]
pub struct AgentRequest<R> {
    agent: Agent,
    builder: request::Builder,
    body: Vec<u8>,
    retry: R,
    rules: Rules,
}

impl<R> fmt::Debug for AgentRequest<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentRequest").finish_non_exhaustive()
    }
}

impl<R> AgentRequest<R> {
    /// Adds a header.
    pub fn header<K, V>(mut self, name: K, value: V) -> Self
    where
        HeaderName: TryFrom<K>,
        <HeaderName as TryFrom<K>>::Error: Into<::http::Error>,
        HeaderValue: TryFrom<V>,
        <HeaderValue as TryFrom<V>>::Error: Into<::http::Error>,
    {
        self.builder = self.builder.header(name, value);
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

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

    /// Runs this request by another policy, or one with a report, hooks or a timer. Of the session's policy the statuses
    /// and the idempotency stay.
    pub fn policy<P: IntoRetry>(self, policy: P) -> AgentRequest<Prepared<P>> {
        let Self { agent, builder, body, mut rules, .. } = self;
        if let Some(session) = &mut rules.session {
            session.own_policy = true;
        }
        AgentRequest { agent, builder, body, retry: policy.into_retry(), rules }
    }
}

/// A body that tells whether any of it was read.
struct Watched<'a> {
    body: &'a [u8],
    read: &'a AtomicBool,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read.store(true, Relaxed);
        self.body.read(buffer)
    }
}

/// Reads a body that is short and of known length, so that its connection can be used again.
fn drain(mut response: Response<Body>) {
    if response.body().content_length().is_some_and(|length| length <= DRAINED as u64) {
        // What can't be read costs a new connection.
        let _ = io::copy(&mut response.body_mut().as_reader(), &mut io::sink());
    }
}

impl<P, C, O, B, T> AgentRequest<Retry<P, C, AnyOk, O, B, T>>
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
    /// ureq's own, of the last attempt.
    pub fn call(self) -> Result<Response<Body>, Error> {
        self.run(|response, _| Ok(response), drain)
    }

    /// Sends the request and reads the body as text, both in the attempt.
    ///
    /// # Errors
    ///
    /// ureq's own, of the last attempt; also if the text is longer than ureq reads.
    pub fn text(self) -> Result<String, Error> {
        self.run(|mut response, _| response.body_mut().read_to_string(), drop)
    }

    /// Sends the request and reads the body, both in the attempt.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text).
    pub fn bytes(self) -> Result<Vec<u8>, Error> {
        self.run(|mut response, _| response.body_mut().read_to_vec(), drop)
    }

    /// Sends the request and reads the body as JSON, both in the attempt.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text); and an error of ureq's if a body that came whole is not the JSON of a `V`, which is not
    /// retried.
    pub fn json<V: serde_core::de::DeserializeOwned>(self) -> Result<V, Error> {
        let parse = |bytes: Vec<u8>| Body::builder().data(bytes).read_json();
        let page = self.run(
            |mut response, accepted| {
                let bytes = response.body_mut().read_to_vec()?;
                // The page of a status that is retried need not be JSON.
                if accepted { parse(bytes).map(Ok) } else { Ok(Err(bytes)) }
            },
            drop,
        );
        page?.or_else(parse)
    }

    fn run<V>(self, read: impl Fn(Response<Body>, bool) -> Result<V, Error>, discard: impl Fn(V)) -> Result<V, Error> {
        let Self { agent, builder, body, retry, rules } = self;
        let mut built = builder.body(())?;
        let url = built.uri().to_string();
        let (policy, rules, _) = rules.of(*retry.plan.policy().borrow(), built.method(), built.headers(), &url);
        if !body.is_empty() && !built.headers().contains_key(CONTENT_LENGTH) {
            built.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        let status_as_error = agent.config().http_status_as_error();
        let cuts = retry.plan.limit() != u64::MAX;
        let fate = Fate::default();
        let mut driver = Driver::new(prepare(retry, policy, &fate));
        let mut memory = driver.start_blocking();
        loop {
            let limit = if cuts { driver.attempt_blocking(&memory).left() } else { None };
            let touched = AtomicBool::new(false);
            let attempt = || {
                let response = send(&agent, &built, &body, &touched, limit)?;
                let (status, verdict) = (response.status(), rules.verdict(response.status(), response.headers()));
                let error = status.is_client_error() || status.is_server_error();
                let error = (status_as_error && error).then_some(status.as_u16());
                match (error, verdict) {
                    (Some(status), None) => {
                        drain(response);
                        Err(Error::StatusCode(status))
                    }
                    _ => Ok((read(response, verdict.is_none())?, verdict, error)),
                }
            };
            let wait = match attempt() {
                Ok((value, verdict, error)) => {
                    let wait = match driver.settle_blocking(&mut memory, Ok::<_, Error>(Answer((), verdict))) {
                        Step::Done(_) => return error.map_or(Ok(value), |status| Err(Error::StatusCode(status))),
                        Step::Again => Duration::ZERO,
                        Step::Wait(wait) => wait,
                    };
                    discard(value);
                    wait
                }
                Err(error) => {
                    let unsent = !body.is_empty() && !touched.load(Relaxed);
                    fate.redirected.store(agent.config().max_redirects() > 0 && !unsent, Relaxed);
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

/// Makes one attempt; statuses are not errors yet, since an error has no headers.
fn send(
    agent: &Agent,
    request: &Request<()>,
    body: &[u8],
    touched: &AtomicBool,
    limit: Option<Duration>,
) -> Result<Response<Body>, Error> {
    if body.is_empty() {
        return run(agent, request.clone(), limit);
    }
    let mut watched = Watched { body, read: touched };
    run(agent, request.clone().map(|()| SendBody::from_reader(&mut watched)), limit)
}

fn run(agent: &Agent, request: Request<impl AsSendBody>, limit: Option<Duration>) -> Result<Response<Body>, Error> {
    let global = agent.config().timeouts().global;
    let limit = limit.map(|limit| global.map_or(limit, |global| global.min(limit))).or(global);
    agent.run(agent.configure_request(request).http_status_as_error(false).timeout_global(limit).build())
}
