//! The send loop.

use core::borrow::Borrow;
use core::convert::identity;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;
use std::boxed::Box;
use std::io::{self, Read};
use std::string::{String, ToString as _};
use std::vec::Vec;

use ::http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use ::http::uri::PathAndQuery;
use ::http::{HeaderValue, Method, Request, Response, Uri, request};
use ::ureq::{Agent, AsSendBody, Body, Error, SendBody};

use super::super::attempt::RequestAttempt;
use super::super::door::{Answer, Fate, Sent, prepare, unbuilt_blocking};
use super::page::hinted;
use super::request::{Making, Payload};
use super::{AgentRequest, CheckedAgentRequest};
use crate::drive::before::BeforeBlocking;
use crate::drive::judge::{Accept, Classify};
use crate::drive::plan::Plan;
use crate::drive::retry::Retry;
use crate::drive::signal::BlockingSignal;
use crate::drive::{Driver, Step};
use crate::http::Statuses;
use crate::observe::Observe;
use crate::observe::word::NoneAwaited;
use crate::time::BlockingTimer;
use crate::verdict::Rejected;

/// A body that knows whether any of it was read.
struct Watched<'a> {
    body: Box<dyn Read + 'a>,
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

/// Drops what was not wanted.
fn dropped<V>(answer: Answer<V, Response<Body>>, let_go: impl Fn(V) -> V) -> Answer<V, Response<Body>> {
    match answer {
        Answer::Read(value) => Answer::Read(let_go(value)),
        Answer::Refused(response, verdict) => Answer::Refused(unread(response), verdict),
    }
}

/// Reads it whole first: of a body that breaks off, JSON alone would say that it is malformed.
fn read_json<V: serde_core::de::DeserializeOwned>(mut response: Response<Body>) -> Result<V, Error> {
    Body::builder().data(response.body_mut().read_to_vec()?).read_json()
}

/// The key of the guards by host.
pub(super) fn host(uri: &Uri) -> String {
    let known = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    std::format!("{host}:{}", uri.port_u16().unwrap_or(known))
}

/// Builds the head, with this added to the query of the URL.
pub(super) fn built(builder: request::Builder, invalid: Option<Error>, query: &str) -> Result<Request<()>, Error> {
    if let Some(error) = invalid {
        return Err(error);
    }
    let mut request = builder.body(())?;
    if query.is_empty() {
        return Ok(request);
    }
    let mut parts = request.uri().clone().into_parts();
    let mut path = request.uri().path().to_string();
    path.push('?');
    match request.uri().query().filter(|query| !query.is_empty()) {
        Some(before) => {
            path.push_str(before);
            path.push_str(query);
        }
        None => path.push_str(&query[1..]),
    }
    parts.path_and_query = Some(path.parse::<PathAndQuery>().map_err(::http::Error::from)?);
    *request.uri_mut() = Uri::from_parts(parts).map_err(::http::Error::from)?;
    Ok(request)
}

impl<P, C, K, O, B, T> AgentRequest<Retry<P, C, K, O, B, T>>
where
    P: Plan<Signal: BlockingSignal>,
    C: Classify<Error>,
    O: Observe<Error, Word: NoneAwaited>,
    B: BeforeBlocking,
    T: BlockingTimer,
{
    /// Sends the request, and returns the response when its head is there. Reading the body is not retried.
    ///
    /// # Errors
    ///
    /// ureq's own, of the last attempt. A status is one, too, if the agent makes errors of statuses.
    pub fn call(self) -> Result<Response<Body>, Error>
    where
        K: Accept<Response<Body>>,
    {
        self.run(None, Ok, unread)
    }

    /// Sends the request and reads the body as text, both in the attempt.
    ///
    /// # Errors
    ///
    /// ureq's own, of the last attempt. A status is one, too, if the agent makes errors of statuses. The text may be as long as ureq reads.
    pub fn text(self) -> Result<String, Error>
    where
        K: Accept<String>,
    {
        self.run(None, |mut response| response.body_mut().read_to_string(), identity)
    }

    /// Sends the request and reads the body, both in the attempt.
    ///
    /// # Errors
    ///
    /// ureq's own, of the last attempt. A status is one, too, if the agent makes errors of statuses.
    pub fn bytes(self) -> Result<Vec<u8>, Error>
    where
        K: Accept<Vec<u8>>,
    {
        self.run(None, |mut response| response.body_mut().read_to_vec(), identity)
    }

    /// Sends the request and reads the body as JSON, both in the attempt.
    ///
    /// # Errors
    ///
    /// ureq's own, of the last attempt. A status is one, too, if the agent makes errors of statuses. A body that came whole and is not the JSON of a `V` is an error that is not
    /// retried.
    pub fn json<V: serde_core::de::DeserializeOwned>(self) -> Result<V, Error>
    where
        K: Accept<V>,
    {
        self.run(None, read_json, identity)
    }

    /// Sets the body and sends the request, as ureq's own method does; see [`call`](Self::call).
    ///
    /// # Errors
    ///
    /// ureq's own, of the last attempt.
    pub fn send(self, body: impl Into<Vec<u8>>) -> Result<Response<Body>, Error>
    where
        K: Accept<Response<Body>>,
    {
        self.body(body).call()
    }

    /// Sets the body and sends the request, as ureq's own method does; see [`call`](Self::call).
    ///
    /// # Errors
    ///
    /// ureq's own, of the last attempt.
    pub fn send_empty(self) -> Result<Response<Body>, Error>
    where
        K: Accept<Response<Body>>,
    {
        self.body(Vec::new()).call()
    }

    /// Sets the body and sends the request, as ureq's own method does; see [`call`](Self::call).
    ///
    /// # Errors
    ///
    /// ureq's own, of the last attempt.
    pub fn send_json(self, data: impl serde_core::Serialize) -> Result<Response<Body>, Error>
    where
        K: Accept<Response<Body>>,
    {
        self.body_json(&data).call()
    }

    /// Sets the body and sends the request, as ureq's own method does; see [`call`](Self::call).
    ///
    /// # Errors
    ///
    /// ureq's own, of the last attempt.
    pub fn send_form<I, U, V>(self, pairs: I) -> Result<Response<Body>, Error>
    where
        I: IntoIterator<Item = (U, V)>,
        U: AsRef<str>,
        V: AsRef<str>,
        K: Accept<Response<Body>>,
    {
        self.body_form(pairs).call()
    }

    fn run<V>(
        self,
        mut kept: Option<&mut Option<Response<Body>>>,
        read: impl Fn(Response<Body>) -> Result<V, Error>,
        let_go: impl Fn(V) -> V,
    ) -> Result<V, Error>
    where
        K: Accept<V>,
    {
        let Self { agent, builder, query, invalid, mut making, retry, mut rules } = self;
        let (checked, hint) = (rules.checked, rules.hint());
        let fate = Fate::default();
        let built = built(builder, invalid, &query);
        let guards = rules.guards(|| built.as_ref().map_or_else(|_| String::new(), |built| host(built.uri())));
        let mut built = match built {
            Ok(built) => built,
            Err(error) => return Err(unbuilt_blocking(retry, guards, error)),
        };
        let url = built.uri().to_string();
        let (policy, rules, _) = rules.of(*retry.plan.policy().borrow(), built.method(), built.headers(), &url);
        let length = making.length();
        let needs_length = length != Some(0) || matches!(*built.method(), Method::POST | Method::PUT | Method::PATCH);
        let has_length = [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| built.headers().contains_key(name));
        if let Some(length) = length.filter(|_| needs_length && !has_length) {
            built.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        // A server that is asked whether to go on may answer, and redirect, before it gets the body.
        let telling = length != Some(0) && !built.headers().contains_key(EXPECT);
        let config = agent.config();
        let status_as_error = checked || config.http_status_as_error();
        let redirects = making.reconfigured || config.max_redirects() > 0;
        let failed = |response: &Response<Body>| {
            let status = response.status();
            (status_as_error && (status.is_client_error() || status.is_server_error())).then_some(status.as_u16())
        };
        let mut driver = Driver::new(prepare(retry, guards, policy, &fate));
        let mut memory = driver.start_blocking();
        let mut last_status = None;
        loop {
            if !driver.passes_gate(&memory) && driver.is_late_blocking(&mut memory) {
                return Err(Error::Io(Rejected::held(0).into()));
            }
            let (begun, touched) = (AtomicBool::new(false), AtomicBool::new(false));
            let number = memory.attempt();
            // Of a status that is an error and not retried.
            let mut page = None;
            let attempt = |limit| {
                let mut request = built.clone();
                making.prepare(&mut request, RequestAttempt { number, remaining: limit, last_status })?;
                let response = send(&agent, request, &mut making, &begun, &touched, limit)?;
                match rules.refused(response.status(), response.headers(), false) {
                    Some(verdict) => {
                        let (response, verdict) = hinted(response, verdict, hint.as_ref());
                        Ok(Answer::Refused(response, verdict))
                    }
                    None => match failed(&response) {
                        None => read(response).map(Answer::Read),
                        Some(status) => {
                            page = Some(response);
                            Err(Error::StatusCode(status))
                        }
                    },
                }
            };
            let outcome = match driver.admit_blocking() {
                Ok(()) => driver.scoped(&memory, attempt),
                Err(rejected) => Err(Error::Io(rejected.into())),
            };
            let outcome = outcome.map(|answer| answer.if_unauthorized(!redirects));
            if let Err(error) = &outcome {
                fate.sent(match redirects {
                    _ if !begun.load(Relaxed) || telling && !touched.load(Relaxed) => Sent::Nothing,
                    true => Sent::Perhaps,
                    false => Sent::AsJudged,
                });
                // A status that the rules accept is not retried because errors of its kind are.
                let kept = |status| Statuses::TRANSIENT.contains(status) && !rules.statuses().contains(status);
                fate.hopeless.store(matches!(error, Error::StatusCode(status) if kept(*status)), Relaxed);
            }
            last_status = match &outcome {
                Ok(answer) => answer.status(),
                Err(Error::StatusCode(status)) => Some(*status),
                _ => None,
            };
            // Nothing of the last response was read, so its body is still the caller's, unless the run overslept.
            let mut finish = |outcome: Result<Answer<V, Response<Body>>, Error>| {
                let outcome = outcome.and_then(|answer| match answer {
                    Answer::Read(value) => Ok(value),
                    Answer::Refused(response, _) => match failed(&response) {
                        None => read(response),
                        Some(status) => {
                            page = Some(response);
                            Err(Error::StatusCode(status))
                        }
                    },
                });
                if let (Err(Error::StatusCode(_)), Some(kept)) = (&outcome, kept.as_mut()) {
                    **kept = page.take();
                }
                outcome
            };
            let (wait, outcome) = match driver.settle_blocking(&mut memory, outcome) {
                Step::Done(outcome) => return finish(outcome),
                Step::Wait(wait, outcome) => (wait, outcome),
            };
            let outcome = outcome.map(|answer| dropped(answer, &let_go));
            // Only a run with a deadline, or one that can be stopped, can still return it.
            let last = driver.may_end(policy.within).then_some(outcome);
            driver.wait_blocking(wait);
            if let Some(outcome) = last.filter(|_| driver.is_late_blocking(&mut memory)) {
                return finish(outcome);
            }
        }
    }
}

impl<P, C, K, O, B, T> CheckedAgentRequest<'_, Retry<P, C, K, O, B, T>>
where
    P: Plan<Signal: BlockingSignal>,
    C: Classify<Error>,
    O: Observe<Error, Word: NoneAwaited>,
    B: BeforeBlocking,
    T: BlockingTimer,
{
    /// Sends the request, and returns the response when its head is there. Reading the body is not retried.
    ///
    /// # Errors
    ///
    /// ureq's own, of the last attempt, or the error of a status from 400 to 599.
    pub fn call(self) -> Result<Response<Body>, Error>
    where
        K: Accept<Response<Body>>,
    {
        self.request.run(self.kept, Ok, unread)
    }

    /// Sends the request and reads the body as text, both in the attempt.
    ///
    /// # Errors
    ///
    /// ureq's own, of the last attempt, or the error of a status from 400 to 599. The text may be as long as ureq reads.
    pub fn text(self) -> Result<String, Error>
    where
        K: Accept<String>,
    {
        self.request.run(self.kept, |mut response| response.body_mut().read_to_string(), identity)
    }

    /// Sends the request and reads the body, both in the attempt.
    ///
    /// # Errors
    ///
    /// ureq's own, of the last attempt, or the error of a status from 400 to 599.
    pub fn bytes(self) -> Result<Vec<u8>, Error>
    where
        K: Accept<Vec<u8>>,
    {
        self.request.run(self.kept, |mut response| response.body_mut().read_to_vec(), identity)
    }

    /// Sends the request and reads the body as JSON, both in the attempt.
    ///
    /// # Errors
    ///
    /// ureq's own, of the last attempt, or the error of a status from 400 to 599. A body that came whole and is not the JSON of a `V` is an error that is not
    /// retried.
    pub fn json<V: serde_core::de::DeserializeOwned>(self) -> Result<V, Error>
    where
        K: Accept<V>,
    {
        self.request.run(self.kept, read_json, identity)
    }
}

/// Makes one attempt; statuses are not errors yet, since an error has no headers.
pub(in crate::http) fn send(
    agent: &Agent,
    request: Request<()>,
    making: &mut Making,
    begun: &AtomicBool,
    touched: &AtomicBool,
    limit: Option<Duration>,
) -> Result<Response<Body>, Error> {
    let body: Box<dyn Read + '_> = match &mut making.body {
        Payload::Bytes(body) if body.is_empty() => {
            begun.store(true, Relaxed);
            return run(agent, request, limit);
        }
        Payload::Bytes(body) => Box::new(&body[..]),
        Payload::Anew(make) => make()?,
    };
    begun.store(true, Relaxed);
    let mut watched = Watched { body, read: touched };
    run(agent, request.map(|()| SendBody::from_reader(&mut watched)), limit)
}

fn run(agent: &Agent, request: Request<impl AsSendBody>, limit: Option<Duration>) -> Result<Response<Body>, Error> {
    let mut config = agent.configure_request(request).http_status_as_error(false);
    if limit.is_some() {
        config = config.timeout_global(limit);
    }
    agent.run(config.build())
}
