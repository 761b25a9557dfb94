//! The blocking send loop.

use core::borrow::Borrow;
use core::mem;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;
use std::string::String;

use ::reqwest::Error;
use ::reqwest::blocking::{Request, RequestBuilder, Response};
use hyper::body::Bytes;

use super::super::attempt::RequestAttempt;
use super::super::door::{Answer, Fate, Sent, prepare, unbuilt_blocking};
use super::super::hops::Hops;
use super::super::template::{again, shorten, without_body};
use super::page::hinted_blocking;
use super::{CheckedRequest, RetryRequest, host, refusal};
use crate::drive::before::BeforeBlocking;
use crate::drive::judge::{Accept, Classify};
use crate::drive::plan::Plan;
use crate::drive::retry::Retry;
use crate::drive::signal::BlockingSignal;
use crate::drive::{Driver, Step};
use crate::observe::Observe;
use crate::observe::word::NoneAwaited;
use crate::time::BlockingTimer;
use crate::verdict::{Rejected, Retryable as _};

impl<P, C, K, O, B, T> RetryRequest<RequestBuilder, Retry<P, C, K, O, B, T>>
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
    /// reqwest's own, of the last attempt. A status is no error unless
    /// [`error_for_status`](RetryRequest::error_for_status) comes before.
    pub fn send(self) -> Result<Response, Error>
    where
        K: Accept<Response>,
    {
        self.run(None, Ok, unread)
    }

    /// Sends the request and reads the body as text, both in the attempt.
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt. The text of an error page is no error unless
    /// [`error_for_status`](RetryRequest::error_for_status) comes before. The page of a status that is retried is read only
    /// if retries have run out.
    pub fn text(self) -> Result<String, Error>
    where
        K: Accept<String>,
    {
        self.run(None, Response::text, core::convert::identity)
    }

    /// Sends the request and reads the body, both in the attempt.
    ///
    /// # Errors
    ///
    /// reqwest's own, as of [`text`](Self::text).
    pub fn bytes(self) -> Result<Bytes, Error>
    where
        K: Accept<Bytes>,
    {
        self.run(None, Response::bytes, core::convert::identity)
    }

    /// Sends the request and reads the body as JSON whatever the status, both in the attempt.
    ///
    /// An error page is seldom the JSON of a `V`. To get the status as the error, call
    /// [`error_for_status`](RetryRequest::error_for_status) and then `json`.
    ///
    /// # Errors
    ///
    /// reqwest's own, as of [`text`](Self::text), and one if a body that came whole is not the JSON of a `V`, which is not
    /// retried.
    pub fn read_json<V: serde_core::de::DeserializeOwned>(self) -> Result<V, Error>
    where
        K: Accept<V>,
    {
        self.run(None, Response::json, core::convert::identity)
    }

    fn run<V>(
        self,
        kept: Option<&mut Option<Response>>,
        read: impl Fn(Response) -> Result<V, Error>,
        let_go: impl Fn(V) -> V,
    ) -> Result<V, Error>
    where
        K: Accept<V>,
    {
        let Self { builder, retry, mut rules, mut anew } = self;
        let (client, built) = builder.build_split();
        let guards = rules.guards(|| built.as_ref().map_or_else(|_| String::new(), |built| host(built.url())));
        let (checked, hint) = (rules.checked, rules.hint());
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
        if anew.makes_body() {
            built.body_mut().take();
        }
        // A body that can't be cloned goes with the first attempt.
        let mut stream = if built.try_clone().is_none() { built.body_mut().take() } else { None };
        let streams = stream.is_some();
        let mut last_status = None;
        loop {
            if !driver.passes_gate(&memory) && driver.is_late_blocking(&mut memory) {
                let rejected = Rejected::held(0);
                let ended = Answer::Refused(refusal(rejected, built.url()).into(), rejected.verdict());
                return finish(Ok(ended), checked, kept, read);
            }
            hops.begin();
            let (number, begun) = (memory.attempt(), AtomicBool::new(false));
            let mut attempt = |limit| {
                let mut request = again!(Request, &built);
                if !anew.is_empty() {
                    request = anew.make(&client, request, RequestAttempt { number, remaining: limit, last_status })?;
                }
                if streams && request.body().is_none() {
                    *request.body_mut() = stream.take();
                    fate.spent.store(true, Relaxed);
                }
                begun.store(true, Relaxed);
                shorten(request.timeout_mut(), limit);
                let response = client.execute(request)?;
                match rules.refused(response.status(), response.headers(), checked) {
                    None => read(response).map(Answer::Read),
                    Some(verdict) => {
                        let (response, verdict) = match hint.as_ref().filter(|_| verdict.is_transient()) {
                            None => (response, verdict),
                            Some(hint) => hinted_blocking(response, verdict, hint),
                        };
                        Ok(Answer::Refused(response, verdict))
                    }
                }
            };
            let outcome = match driver.admit_blocking() {
                Ok(()) => driver.scoped(&memory, &mut attempt),
                Err(rejected) => Ok(Answer::Refused(refusal(rejected, built.url()).into(), rejected.verdict())),
            };
            let outcome = outcome.map(|answer| answer.if_unauthorized(hops.is_direct()));
            last_status = outcome.as_ref().ok().and_then(Answer::status);
            if let Err(error) = &outcome {
                fate.sent(if begun.load(Relaxed) { hops.sent(error) } else { Sent::Nothing });
            }
            let (wait, outcome) = match driver.settle_blocking(&mut memory, outcome) {
                Step::Done(outcome) => return finish(outcome, checked, kept, read),
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
                return finish(outcome, checked, kept, read);
            }
        }
    }
}

/// Returns what a run ends with. The page of a status that was not retried is read here.
fn finish<V>(
    outcome: Result<Answer<V, Response>, Error>,
    checked: bool,
    kept: Option<&mut Option<Response>>,
    read: impl Fn(Response) -> Result<V, Error>,
) -> Result<V, Error> {
    match outcome? {
        Answer::Read(value) => Ok(value),
        Answer::Refused(response, _) => match response.error_for_status_ref() {
            Err(error) if checked => {
                if let Some(kept) = kept {
                    *kept = Some(response);
                }
                Err(error)
            }
            _ => read(response),
        },
    }
}

/// Lets a body go unread, and returns the response without it.
fn unread(mut response: Response) -> Response {
    let headers = mem::take(response.headers_mut());
    without_body(response.status(), response.version(), response.url().clone(), headers).into()
}

impl<P, C, K, O, B, T> CheckedRequest<'_, RequestBuilder, Retry<P, C, K, O, B, T>>
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
    /// reqwest's own, of the last attempt, or the error of a status from 400 to 599.
    pub fn send(self) -> Result<Response, Error>
    where
        K: Accept<Response>,
    {
        self.request.run(self.kept, Ok, unread)
    }

    /// Sends the request and reads the body as text, both in the attempt.
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt, or the error of a status from 400 to 599.
    pub fn text(self) -> Result<String, Error>
    where
        K: Accept<String>,
    {
        self.request.run(self.kept, Response::text, core::convert::identity)
    }

    /// Sends the request and reads the body, both in the attempt.
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt, or the error of a status from 400 to 599.
    pub fn bytes(self) -> Result<Bytes, Error>
    where
        K: Accept<Bytes>,
    {
        self.request.run(self.kept, Response::bytes, core::convert::identity)
    }

    /// Sends the request and reads the body as JSON, both in the attempt.
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt, or the error of a status from 400 to 599. A body that came whole and is not the
    /// JSON of a `V` is an error that is not retried.
    pub fn json<V: serde_core::de::DeserializeOwned>(self) -> Result<V, Error>
    where
        K: Accept<V>,
    {
        self.request.run(self.kept, Response::json, core::convert::identity)
    }
}
