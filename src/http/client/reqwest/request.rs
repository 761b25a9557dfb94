use core::fmt::{self, Display};
use core::time::Duration;
use std::vec::Vec;

use ::http::{HeaderMap, HeaderName, HeaderValue, Version};
use ::reqwest::{Error, blocking};

use super::super::hint::HintFrom;
use super::super::session::Rules;
use super::prepare::Anew;
use super::{RequestBuilder, RetryClient};
use crate::drive::plan::Named;
use crate::drive::retry::{IntoRetry, Prepared, Retry};
use crate::http::Statuses;
use crate::policy::Policy;
use crate::report::{ByDisplay, Report, Reporting};

/// Gives a request of reqwest's its retries.
///
/// It takes what [`retry`](crate::retry()) takes: a [`Policy`], or a prepared [`Retry`] with a report, hooks or a timer.
/// What an [`HttpPolicy`](crate::http::HttpPolicy) has beside it is set with [`retry_only`](RetryRequest::retry_only) and
/// [`idempotent`](RetryRequest::idempotent).
///
/// ```no_run
/// use persevere::{http::RetryExt as _, Policy, Report};
///
/// # async fn f(client: reqwest::Client) -> Result<(), reqwest::Error> {
/// let page = client.get("https://example.org/").retry(Policy::new()).text().await?;
///
/// let mut report = Report::new();
/// let response = client.post("https://example.org/orders").body("one").retry(Policy::new().report(&mut report)).send();
/// println!("{}: {report}", response.await?.status());
/// # let _ = page; Ok(()) }
/// ```
pub trait RetryExt: RequestBuilder {
    /// Runs the request by this policy.
    fn retry<R: IntoRetry>(self, policy: R) -> RetryRequest<Self, Prepared<R>> {
        RetryRequest { builder: self, retry: policy.into_retry(), rules: Rules::default(), anew: Anew::default() }
    }
}

impl<B: RequestBuilder> RetryExt for B {}

/// A request that is sent again while its policy allows.
///
/// `B` is reqwest's own builder, async or blocking. All methods of that builder are here, too. An attempt ends when the
/// body is read, so a body that breaks is fetched again. After `send`, which returns the response as soon as its head is
/// there, reading the body is the caller's.
///
/// If retries run out on a status, the last response comes back as `Ok`, as reqwest itself gives it. If the deadline
/// passed during a wait, the last error or response comes back, the response without its body. A policy's
/// [`when_ok`](Retry::when_ok) is asked about what the request gives: a response, or the body that was read.
///
/// What may be sent twice is decided by the method and the `Idempotency-Key`, see
/// [`HttpPolicy::for_request`](crate::http::HttpPolicy::for_request). A body
/// that is a stream is sent once. After a failure before any of it was read the request is tried again, else the run
/// ends with [`StopReason::BodyNotReplayable`](crate::StopReason::BodyNotReplayable). A blocking client reads such a body
/// before it connects, so there it is always sent once. [`body_with`](Self::body_with) makes it anew for each attempt.
///
/// A 401 says that the request was not applied (RFC 9110, 15.5.2). If the policy retries it, a request that is not
/// idempotent is sent again, too, under the conditions below. [`prepare`](Self::prepare) gives it a new token.
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
pub struct RetryRequest<B: RequestBuilder = reqwest::RequestBuilder, R = Retry<Policy>> {
    pub(super) builder: B,
    pub(super) retry: R,
    pub(super) rules: Rules,
    pub(super) anew: Anew<B>,
}

impl<B: RequestBuilder, R> RetryRequest<B, R> {
    /// Retries these statuses, in place of [`Statuses::TRANSIENT`] or the session's.
    pub fn retry_only(mut self, statuses: Statuses) -> Self {
        self.rules.statuses = Some(statuses);
        self
    }

    /// Sets whether this request may be sent again after it may have been executed. Its method then does not matter.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.rules.idempotent = Some(idempotent);
        self
    }

    /// Finds the wait that the server asks for in its answer; see
    /// [`RetryClient::hint_from`](crate::http::RetryClient::hint_from).
    pub fn hint_from<F>(mut self, hint: F) -> Self
    where
        F: Fn(&::http::Response<Vec<u8>>) -> Option<Duration> + Send + Sync + 'static,
    {
        self.rules.hint = Some(HintFrom::new(hint));
        self
    }

    /// Runs this request by another policy, or one with hooks or a timer.
    ///
    /// The statuses, the idempotency and the guards of a session stay. To add a report alone, use
    /// [`report`](RetryRequest::report): it keeps the session's policy.
    pub fn policy<P: IntoRetry>(self, policy: P) -> RetryRequest<B, Prepared<P>> {
        let Self { builder, rules, anew, .. } = self;
        RetryRequest { builder, retry: policy.into_retry(), rules: rules.own_policy(), anew }
    }

    /// Changes the request with the methods of reqwest's own builder.
    ///
    /// All of them are here, too. This is for a function that takes reqwest's builder.
    pub fn with(mut self, change: impl FnOnce(B) -> B) -> Self {
        self.builder = change(self.builder);
        self
    }
}

impl<B: RequestBuilder, P, C, K, O, H, T> RetryRequest<B, Retry<P, C, K, O, H, T>> {
    /// Writes what happens to this request into the report, and keeps its policy; see [`Retry::report`].
    ///
    /// ```no_run
    /// use persevere::{http::RetryClient, Report};
    ///
    /// # async fn f(client: RetryClient) -> Result<(), reqwest::Error> {
    /// let mut report = Report::new();
    /// let page = client.get("https://example.org/").report(&mut report).text().await;
    /// println!("{report}");
    /// # let _ = page; Ok(()) }
    /// ```
    #[allow(clippy::type_complexity)] // One parameter for each thing that a run may carry.
    pub fn report(self, report: &mut Report) -> RetryRequest<B, Retry<P, C, K, (O, Reporting<'_, ByDisplay>), H, T>> {
        let Self { builder, retry, rules, anew } = self;
        RetryRequest { builder, retry: retry.report(report), rules, anew }
    }

    /// Names the run of this request, and keeps its policy; see [`Retry::name`].
    #[allow(clippy::type_complexity)] // One parameter for each thing that a run may carry.
    pub fn name(self, name: &'static str) -> RetryRequest<B, Retry<Named<P>, C, K, O, H, T>> {
        let Self { builder, retry, rules, anew } = self;
        RetryRequest { builder, retry: retry.name(name), rules, anew }
    }
}

/// Without the request: its URL and headers may hold secrets.
impl<B: RequestBuilder, R> fmt::Debug for RetryRequest<B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryRequest").finish_non_exhaustive()
    }
}

/// The methods of reqwest's own builders.
macro_rules! builder {
    ($client:ty, $builder:ty, $request:ty, $body:ty, $form:ty) => {
        impl RetryRequest<$builder> {
            /// Creates a request of this session from one that is built already.
            pub fn from_parts(client: RetryClient<$client>, request: $request) -> Self {
                let builder = <$builder>::from_parts(client.client, request);
                RetryRequest {
                    builder,
                    retry: Retry::new(client.session.mounts.default_policy()),
                    rules: Rules { session: Some(client.session), ..Rules::default() },
                    anew: Anew { prepare: client.prepare, ..Anew::default() },
                }
            }
        }

        /// The methods of reqwest's own builder. What reqwest has behind a feature is here behind one, too.
        impl<R> RetryRequest<$builder, R> {
            /// Adds a header.
            pub fn header<K, V>(self, name: K, value: V) -> Self
            where
                HeaderName: TryFrom<K>,
                <HeaderName as TryFrom<K>>::Error: Into<::http::Error>,
                HeaderValue: TryFrom<V>,
                <HeaderValue as TryFrom<V>>::Error: Into<::http::Error>,
            {
                self.with(|builder| builder.header(name, value))
            }

            /// Sets these headers. Of a name that was set before, the new values take the place of the old ones.
            pub fn headers(self, headers: HeaderMap) -> Self {
                self.with(|builder| builder.headers(headers))
            }

            /// Adds the header of HTTP basic authentication.
            pub fn basic_auth<U: Display, W: Display>(self, username: U, password: Option<W>) -> Self {
                self.with(|builder| builder.basic_auth(username, password))
            }

            /// Adds the header of HTTP bearer authentication.
            pub fn bearer_auth<T: Display>(self, token: T) -> Self {
                self.with(|builder| builder.bearer_auth(token))
            }

            /// Sets the body.
            pub fn body<T: Into<$body>>(self, body: T) -> Self {
                self.with(|builder| builder.body(body))
            }

            /// Sets the body to this value as JSON, and its `Content-Type`.
            ///
            /// To read JSON, use [`error_for_status`](Self::error_for_status) and then `json`, or
            /// [`read_json`](Self::read_json).
            pub fn json<V: serde_core::Serialize + ?Sized>(self, json: &V) -> Self {
                self.with(|builder| builder.json(json))
            }

            /// Sets the body to this value as a form, and its `Content-Type`.
            #[cfg(feature = "reqwest-form")]
            pub fn form<V: serde_core::Serialize + ?Sized>(self, form: &V) -> Self {
                self.with(|builder| builder.form(form))
            }

            /// Adds the value to the query of the URL.
            #[cfg(feature = "reqwest-query")]
            pub fn query<V: serde_core::Serialize + ?Sized>(self, query: &V) -> Self {
                self.with(|builder| builder.query(query))
            }

            /// Sets the body to a form of several parts, and its `Content-Type`.
            #[cfg(feature = "reqwest-multipart")]
            pub fn multipart(self, form: $form) -> Self {
                self.with(|builder| builder.multipart(form))
            }

            /// Sets the time that each attempt may take, the reading of its body included.
            pub fn timeout(self, timeout: Duration) -> Self {
                self.with(|builder| builder.timeout(timeout))
            }

            /// Sets the version of HTTP.
            pub fn version(self, version: Version) -> Self {
                self.with(|builder| builder.version(version))
            }

            /// Builds the request, which then has no retries. [`RetryClient::execute`] gives it those of a session.
            ///
            /// # Errors
            ///
            /// reqwest's own, if anything that was set can't be part of a request.
            pub fn build(self) -> Result<$request, Error> {
                self.builder.build()
            }

            /// Builds the request, and returns its client, too.
            pub fn build_split(self) -> ($client, Result<$request, Error>) {
                self.builder.build_split()
            }

            /// Returns a copy of the request, or `None` if its body can't be copied or is made by a closure.
            pub fn try_clone(&self) -> Option<Self>
            where
                R: Clone,
            {
                let Self { builder, retry, rules, anew } = self;
                if anew.body.is_some() {
                    return None;
                }
                let anew = Anew { prepare: anew.prepare.clone(), body: None };
                Some(Self { builder: builder.try_clone()?, retry: retry.clone(), rules: rules.clone(), anew })
            }
        }
    };
}

builder!(reqwest::Client, reqwest::RequestBuilder, reqwest::Request, reqwest::Body, reqwest::multipart::Form);
builder!(blocking::Client, blocking::RequestBuilder, blocking::Request, blocking::Body, blocking::multipart::Form);
