//! The async send loop.

use core::borrow::Borrow;
use core::convert::Infallible;
use core::future::{Future, Ready, ready};
use core::pin::pin;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;
use std::boxed::Box;
use std::string::String;

use ::reqwest::{Error, Response, Url};
use hyper::body::Bytes;

use super::super::attempt::RequestAttempt;
use super::super::door::{Answer, Fate, Sent, last, prepare};
use super::super::hops::Hops;
use super::super::template::{Template, Watch, drain};
use super::page::hinted;
use super::{CheckedRequest, RetryRequest, host, refusal};
use crate::drive::before::BeforeAsync;
use crate::drive::judge::{Accept, Classify};
use crate::drive::plan::Plan;
use crate::drive::rest::rest;
use crate::drive::retry::Retry;
use crate::drive::{Driver, Step};
use crate::observe::{Observe, Observer as _};
use crate::time::Timer;
use crate::verdict::{Rejected, Retryable as _};

impl<P, C, K, O, B, T> RetryRequest<reqwest::RequestBuilder, Retry<P, C, K, O, B, T>>
where
    P: Plan,
    C: Classify<Error>,
    O: Observe<Error>,
    B: BeforeAsync,
    T: Timer,
{
    /// Sends the request, and returns the response when its head is there. Reading the body is not retried.
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt. A status is no error unless
    /// [`error_for_status`](RetryRequest::error_for_status) comes before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the attempt or the wait. A request that was sent may have been executed.
    pub fn send(self) -> impl Future<Output = Result<Response, Error>>
    where
        K: Accept<Response>,
    {
        self.run(None, |response| ready(Ok(response)), drain)
    }

    /// Sends the request and reads the body as text, both in the attempt.
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt. The text of an error page is no error unless
    /// [`error_for_status`](RetryRequest::error_for_status) comes before. The page of a status that is retried is read only
    /// if retries have run out.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the attempt or the wait. A request that was sent may have been executed.
    pub fn text(self) -> impl Future<Output = Result<String, Error>>
    where
        K: Accept<String>,
    {
        self.run(None, Response::text, whole)
    }

    /// Sends the request and reads the body, both in the attempt.
    ///
    /// # Errors
    ///
    /// reqwest's own, as of [`text`](Self::text).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the attempt or the wait. A request that was sent may have been executed.
    pub fn bytes(self) -> impl Future<Output = Result<Bytes, Error>>
    where
        K: Accept<Bytes>,
    {
        self.run(None, Response::bytes, whole)
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
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the attempt or the wait. A request that was sent may have been executed.
    pub fn read_json<V: serde_core::de::DeserializeOwned>(self) -> impl Future<Output = Result<V, Error>>
    where
        K: Accept<V>,
    {
        self.run(None, Response::json, whole)
    }

    fn run<V, R, F, D, W>(
        self,
        kept: Option<&mut Option<Response>>,
        read: R,
        discard: D,
    ) -> impl Future<Output = Result<V, Error>>
    where
        K: Accept<V>,
        R: Fn(Response) -> F + Copy,
        F: Future<Output = Result<V, Error>>,
        D: Fn(V) -> W,
        W: Future<Output = V>,
    {
        async move {
            let Self { builder, retry, mut rules, mut anew } = self;
            let (client, built) = builder.build_split();
            let guards = rules.guards(|| built.as_ref().map_or_else(|_| String::new(), |built| host(built.url())));
            let (checked, hint) = (rules.checked, rules.hint());
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
            let watch = if policy.idempotent { Watch::None } else { hops.watch() };
            let mut template = Template::new(built, watch, anew.makes_body());
            let mut driver = Driver::new(prepare(retry, guards, policy, &fate));
            let mut memory = driver.start();
            let mut last_status = None;
            loop {
                if !driver.passes_gate_async(&memory).await && driver.is_late(&mut memory) {
                    return finish(Ok(refused(Rejected::held(0), template.url())), checked, kept, read).await;
                }
                hops.begin();
                let mut unsent = false;
                let outcome: Result<_, Error> = match driver.admit() {
                    Ok(()) => {
                        let mut limit = driver.lead(&memory).await;
                        let mut request = Ok(template.request());
                        if !anew.is_empty() {
                            let of = RequestAttempt { number: memory.attempt(), remaining: limit, last_status };
                            let making = anew.make(&client, template.request(), of);
                            let (made, left) = driver.within(limit, making).await;
                            // One that is cut is not sent: the limit is over.
                            unsent = made.is_none();
                            request = made.unwrap_or(request);
                            limit = left;
                        }
                        match request {
                            Err(error) => {
                                unsent = true;
                                Err(error)
                            }
                            Ok(request) => {
                                let request = template.attempt(request, limit);
                                // Nothing is borrowed, or the future could not be proved `Send` where it is spawned.
                                let (own, body, hint) = (client.clone(), template.body.clone(), hint.clone());
                                let attempt = move || async move {
                                    let sending = own.execute(request);
                                    if let Some(body) = body {
                                        body.begin();
                                    }
                                    if limit == Some(Duration::ZERO) {
                                        // The deadline is over, or the hook was cut. So is the request, by its own
                                        // timeout, and before it is polled.
                                        tokio::time::sleep(Duration::from_millis(1)).await;
                                    }
                                    let response = sending.await?;
                                    match rules.refused(response.status(), response.headers(), checked) {
                                        None => read(response).await.map(Answer::Read),
                                        Some(verdict) => match hint.filter(|_| verdict.is_transient()) {
                                            None => Ok(Answer::Refused(response, verdict)),
                                            Some(hint) => {
                                                let (response, verdict) =
                                                    Box::pin(hinted(response, verdict, &hint)).await;
                                                Ok(Answer::Refused(response, verdict))
                                            }
                                        },
                                    }
                                };
                                let ended = driver.guard(&memory, attempt).await;
                                driver.outcome(ended)
                            }
                        }
                    }
                    Err(rejected) => Ok(refused(rejected, template.url())),
                };
                let outcome = outcome.map(|answer| answer.if_unauthorized(hops.is_direct()));
                fate.spent.store(template.is_spent(), Relaxed);
                last_status = outcome.as_ref().ok().and_then(Answer::status);
                if let Err(error) = &outcome {
                    fate.sent(if unsent || template.is_untouched() { Sent::Nothing } else { hops.sent(error) });
                }
                let (wait, outcome) = match driver.settle(&mut memory, outcome) {
                    Step::Done(outcome) => return finish(outcome, checked, kept, read).await,
                    Step::Wait(wait, outcome) => (wait, outcome),
                };
                let outcome = let_go(outcome, &discard).await;
                // Only a run with a deadline, or one that can be stopped, can still return it.
                let last = driver.may_end(policy.within).then_some(outcome);
                rest(pin!(driver.sleep(wait)), driver.word(), driver.signal()).await;
                if let Some(outcome) = last.filter(|_| driver.is_late(&mut memory)) {
                    return finish(outcome, checked, kept, read).await;
                }
            }
        }
    }
}

/// Drains what was not wanted, so that its connection can be used again.
async fn let_go<V, W: Future<Output = V>>(
    outcome: Result<Answer<V, Response>, Error>,
    discard: impl Fn(V) -> W,
) -> Result<Answer<V, Response>, Error> {
    Ok(match outcome? {
        Answer::Read(value) => Answer::Read(discard(value).await),
        Answer::Refused(response, verdict) => Answer::Refused(drain(response).await, verdict),
    })
}

/// The answer in place of an attempt that no guard permitted.
fn refused<V>(rejected: Rejected, url: &Url) -> Answer<V, Response> {
    Answer::Refused(refusal(rejected, url).into(), rejected.verdict())
}

/// Returns what a run ends with. The page of a status that was not retried is read here.
async fn finish<V, F>(
    outcome: Result<Answer<V, Response>, Error>,
    checked: bool,
    kept: Option<&mut Option<Response>>,
    read: impl Fn(Response) -> F,
) -> Result<V, Error>
where
    F: Future<Output = Result<V, Error>>,
{
    match outcome? {
        Answer::Read(value) => Ok(value),
        Answer::Refused(response, _) => match response.error_for_status_ref() {
            Err(error) if checked => {
                if let Some(kept) = kept {
                    *kept = Some(response);
                }
                Err(error)
            }
            _ => read(response).await,
        },
    }
}

/// What was read whole leaves nothing to drain.
fn whole<V>(value: V) -> Ready<V> {
    ready(value)
}

impl<P, C, K, O, B, T> CheckedRequest<'_, reqwest::RequestBuilder, Retry<P, C, K, O, B, T>>
where
    P: Plan,
    C: Classify<Error>,
    O: Observe<Error>,
    B: BeforeAsync,
    T: Timer,
{
    /// Sends the request, and returns the response when its head is there. Reading the body is not retried.
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt, or the error of a status from 400 to 599.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the attempt or the wait. A request that was sent may have been executed.
    pub fn send(self) -> impl Future<Output = Result<Response, Error>>
    where
        K: Accept<Response>,
    {
        self.request.run(self.kept, |response| ready(Ok(response)), drain)
    }

    /// Sends the request and reads the body as text, both in the attempt.
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt, or the error of a status from 400 to 599.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the attempt or the wait. A request that was sent may have been executed.
    pub fn text(self) -> impl Future<Output = Result<String, Error>>
    where
        K: Accept<String>,
    {
        self.request.run(self.kept, Response::text, whole)
    }

    /// Sends the request and reads the body, both in the attempt.
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt, or the error of a status from 400 to 599.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the attempt or the wait. A request that was sent may have been executed.
    pub fn bytes(self) -> impl Future<Output = Result<Bytes, Error>>
    where
        K: Accept<Bytes>,
    {
        self.request.run(self.kept, Response::bytes, whole)
    }

    /// Sends the request and reads the body as JSON, both in the attempt.
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt, or the error of a status from 400 to 599. A body that came whole and is not the
    /// JSON of a `V` is an error that is not retried.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the attempt or the wait. A request that was sent may have been executed.
    pub fn json<V: serde_core::de::DeserializeOwned>(self) -> impl Future<Output = Result<V, Error>>
    where
        K: Accept<V>,
    {
        self.request.run(self.kept, Response::json, whole)
    }
}
