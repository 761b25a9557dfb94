//! A door for ureq.

use core::borrow::Borrow;
use core::fmt;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;
use std::io::{self, Read};
use std::string::{String, ToString as _};
use std::vec::Vec;

use ::http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use ::http::{HeaderName, HeaderValue, Method, Request, Response, request};
use ::ureq::{Agent, AsSendBody, Body, Error, SendBody};

use super::door::{Answer, Fate, Sent, prepare, unbuilt_blocking};
use super::session::{Rules, Session, guarded};
use crate::drive::before::BeforeBlocking;
use crate::drive::judge::{Accept, Classify};
use crate::drive::plan::Plan;
use crate::drive::retry::{IntoRetry, Prepared, Retry};
use crate::drive::signal::BlockingSignal;
use crate::drive::{Driver, Step};
use crate::http::download::{self, DownloadReader, Known, blocking_course};
use crate::http::{HttpPolicy, Statuses};
use crate::observe::Observe;
use crate::observe::word::NoneAwaited;
use crate::policy::Policy;
use crate::time::BlockingTimer;

/// A ureq agent whose requests are sent again while their policy allows, with a policy for each URL prefix.
///
/// A [`budget`](RetryAgent::budget), a [`breaker`](RetryAgent::breaker) and a [`throttle`](RetryAgent::throttle) stand
/// beside all of its requests; one that is not let through ends with an `Error::Io` that holds the
/// [`Rejected`](crate::Rejected).
///
/// It takes an existing agent with its settings and pool. Cloning it is cheap. Its results are the agent's own: where
/// the agent makes an error of a status (`http_status_as_error`), so does this, when retries have run out.
///
/// ```no_run
/// use persevere::{Policy, http::{HttpPolicy, RetryAgent}};
///
/// let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), Policy::new())
///     .mount("https://slow.example.org/", HttpPolicy::new(Policy::new().total(8)).also_retry(404));
/// let page = agent.get("https://slow.example.org/new").text()?;
/// let order = agent.post("https://example.org/orders").header("idempotency-key", "8e03978e").body("one").call()?;
/// # let _ = (page, order); Ok::<(), ureq::Error>(())
/// ```
#[derive(Clone)]
pub struct RetryAgent {
    agent: Agent,
    session: Session,
}

guarded!(RetryAgent);

impl RetryAgent {
    /// Gives an agent its retries.
    pub fn new(agent: Agent, policy: impl Into<HttpPolicy>) -> Self {
        Self { agent, session: Session::new(policy.into(), false) }
    }
}

impl RetryAgent {
    /// Sets the policy of all requests whose URL starts with this, in whatever letter case; of several prefixes that fit
    /// the longest decides.
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
/// as soon as its head is there, reading the body is the caller's. A policy's [`when_ok`](Retry::when_ok) is asked about
/// what the request gives: a response, or the body that was read.
///
/// A response that is not the last one is dropped unread: its page may never come whole, and no request waits for it,
/// whatever timeouts the agent has. ureq closes a connection with an unread page, so the next attempt opens a new one.
/// A response without a page keeps its connection.
///
/// What may be sent twice is decided by the method and the `Idempotency-Key`, see [`HttpPolicy::for_request`]. A body is
/// read when the request's head has been sent: as long as it was not, nothing was executed, and the request is sent again
/// whatever its method and the error. Without a body nothing tells: when a connection fails, a redirect may have led
/// there, and the first server has executed the request. Then one that is not idempotent is sent again only if the agent
/// follows no redirects (`max_redirects(0)`).
///
/// An attempt timeout takes the place of the agent's `timeout_global` in each attempt, even if it is longer. It is
/// clipped to what is left of the deadline. A [`deadline`](Policy::deadline) does the same with what is left of it. The agent's other timeouts hold beside it.
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
    pub fn retry_only(mut self, statuses: Statuses) -> Self {
        self.rules.statuses = Some(statuses);
        self
    }

    /// Says whether this request may be sent again after it may have been executed, whatever its method.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.rules.idempotent = Some(idempotent);
        self
    }

    /// Runs this request by another policy, or one with a report, hooks or a timer. Of the session the statuses,
    /// the idempotency and the guards stay.
    pub fn policy<P: IntoRetry>(self, policy: P) -> AgentRequest<Prepared<P>> {
        let Self { agent, builder, body, rules, .. } = self;
        AgentRequest { agent, builder, body, retry: policy.into_retry(), rules: rules.own_policy() }
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

/// Drops the page unread and returns the response without it. ureq cannot read what has come without waiting for the
/// rest, which may never come. The connection closes here, before the wait.
fn unread(mut response: Response<Body>) -> Response<Body> {
    for length in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        response.headers_mut().remove(length);
    }
    response.map(|_| Body::builder().data(Vec::new()))
}

impl<P, C, K, O, B, T> AgentRequest<Retry<P, C, K, O, B, T>>
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
    /// ureq's own, of the last attempt.
    pub fn call(self) -> Result<Response<Body>, Error>
    where
        K: Accept<Response<Body>>,
    {
        self.run(Ok, unread)
    }

    /// Sends the request and reads the body as text, both in the attempt.
    ///
    /// # Errors
    ///
    /// ureq's own, of the last attempt; also if the text is longer than ureq reads. The page of a status that is retried
    /// is read only if retries have run out. An agent that makes errors of statuses gives no page at all.
    pub fn text(self) -> Result<String, Error>
    where
        K: Accept<String>,
    {
        self.run(|mut response| response.body_mut().read_to_string(), |value| value)
    }

    /// Sends the request and reads the body, both in the attempt.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text).
    pub fn bytes(self) -> Result<Vec<u8>, Error>
    where
        K: Accept<Vec<u8>>,
    {
        self.run(|mut response| response.body_mut().read_to_vec(), |value| value)
    }

    /// Sends the request and reads the body as JSON, both in the attempt.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text); and an error of ureq's if a body that came whole is not the JSON of a `V`, which is not
    /// retried.
    pub fn json<V: serde_core::de::DeserializeOwned>(self) -> Result<V, Error>
    where
        K: Accept<V>,
    {
        // Read whole first: of a body that breaks off, JSON alone would say that it is malformed.
        self.run(|mut response| Body::builder().data(response.body_mut().read_to_vec()?).read_json(), |value| value)
    }

    /// Downloads the body, which goes on where it broke.
    ///
    /// Nothing is sent before the body is read. A policy's [`when_ok`](Retry::when_ok) is not asked.
    ///
    /// # Errors
    ///
    /// Reading it gives a [`DownloadError`](crate::http::DownloadError). A status that is not retried is one, too,
    /// whatever the agent makes of it.
    pub fn download<'a>(self) -> DownloadReader<'a>
    where
        P: Send + 'a,
        C: Send + 'a,
        O: Send + 'a,
        B: Send + 'a,
        T: Send + 'a,
    {
        let Self { agent, builder, body, retry, mut rules } = self;
        let guards = rules.guards();
        let built = builder.body(()).map_err(Error::from);
        let plan = *retry.plan.policy().borrow();
        let known = built.as_ref().map_or_else(
            |_| Known::unbuilt(plan),
            |request| {
                let url = request.uri().to_string();
                let asked = (request.method(), &*url, request.headers());
                Known::of(rules.of(plan, asked.0, asked.2, asked.1), false, asked)
            },
        );
        let course = blocking_course(retry, guards, known);
        DownloadReader::new(download::ureq(agent, built, body, course, known.rules), known)
    }

    fn run<V>(self, read: impl Fn(Response<Body>) -> Result<V, Error>, let_go: impl Fn(V) -> V) -> Result<V, Error>
    where
        K: Accept<V>,
    {
        let Self { agent, builder, body, retry, mut rules } = self;
        let guards = rules.guards();
        let fate = Fate::default();
        let mut built = match builder.body(()) {
            Ok(built) => built,
            Err(error) => return Err(unbuilt_blocking(retry, guards, Error::from(error))),
        };
        let url = built.uri().to_string();
        let (policy, rules, _) = rules.of(*retry.plan.policy().borrow(), built.method(), built.headers(), &url);
        let needs_length = !body.is_empty() || matches!(*built.method(), Method::POST | Method::PUT | Method::PATCH);
        let has_length = [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| built.headers().contains_key(name));
        if needs_length && !has_length {
            built.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        // A server that is asked whether to go on may answer, and redirect, before it gets the body.
        let telling = !body.is_empty() && !built.headers().contains_key(EXPECT);
        let config = agent.config();
        let (status_as_error, redirects) = (config.http_status_as_error(), config.max_redirects() > 0);
        let failed = |response: &Response<Body>| {
            let status = response.status();
            (status_as_error && (status.is_client_error() || status.is_server_error())).then_some(status.as_u16())
        };
        let mut driver = Driver::new(prepare(retry, guards, policy, &fate));
        let mut memory = driver.start_blocking();
        loop {
            let touched = AtomicBool::new(false);
            let attempt = |limit| {
                let response = send(&agent, &built, &body, &touched, limit)?;
                match (rules.verdict(response.status(), response.headers()), failed(&response)) {
                    (Some(verdict), _) => Ok(Answer::Refused(response, verdict)),
                    (None, None) => read(response).map(Answer::Read),
                    (None, Some(status)) => Err(Error::StatusCode(status)),
                }
            };
            let outcome = match driver.admit_blocking() {
                Ok(()) => driver.scoped(&memory, attempt),
                Err(rejected) => Err(Error::Io(rejected.into())),
            };
            if let Err(error) = &outcome {
                fate.sent(match redirects {
                    _ if telling && !touched.load(Relaxed) => Sent::Nothing,
                    true => Sent::Perhaps,
                    false => Sent::AsJudged,
                });
                // A status that the rules accept is not retried because errors of its kind are.
                let kept = |status| Statuses::TRANSIENT.contains(status) && !rules.statuses().contains(status);
                fate.hopeless.store(matches!(error, Error::StatusCode(status) if kept(*status)), Relaxed);
            }
            // Nothing of the last response was read, so its body is still the caller's, unless the run overslept.
            let finish = |outcome: Result<Answer<V, Response<Body>>, Error>| match outcome? {
                Answer::Read(value) => Ok(value),
                Answer::Refused(response, _) => {
                    failed(&response).map_or_else(|| read(response), |status| Err(Error::StatusCode(status)))
                }
            };
            let (wait, outcome) = match driver.settle_blocking(&mut memory, outcome) {
                Step::Done(outcome) => return finish(outcome),
                Step::Wait(wait, outcome) => (wait, outcome),
            };
            let outcome = outcome.map(|answer| match answer {
                Answer::Read(value) => Answer::Read(let_go(value)),
                Answer::Refused(response, verdict) => Answer::Refused(unread(response), verdict),
            });
            // Only a run with a deadline, or one that can be stopped, can still return it.
            let last = driver.may_end(policy.within).then_some(outcome);
            driver.wait_blocking(wait);
            if let Some(outcome) = last.filter(|_| driver.is_late_blocking(&mut memory)) {
                return finish(outcome);
            }
        }
    }
}

/// Makes one attempt; statuses are not errors yet, since an error has no headers.
pub(in crate::http) fn send(
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
    let limit = limit.or(agent.config().timeouts().global);
    agent.run(agent.configure_request(request).http_status_as_error(false).timeout_global(limit).build())
}
