use core::fmt;
use core::time::Duration;
use std::boxed::Box;
use std::io::{self, Read};
use std::string::String;
use std::vec::Vec;

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderName, HeaderValue, Request, Version, request};
use ::ureq::config::ConfigBuilder;
use ::ureq::typestate::HttpCrateScope;
use ::ureq::{Agent, Error};

use super::super::attempt::{Prepared as PreparedRequest, RequestAttempt};
use super::super::hint::HintFrom;
use super::super::session::Rules;
use super::query::{encoded, form};
use super::{Prepare, erased};
use crate::drive::plan::Named;
use crate::drive::retry::{IntoRetry, Prepared, Retry};
use crate::http::Statuses;
use crate::policy::Policy;
use crate::report::{ByDisplay, Report, Reporting};

/// A request of a [`RetryAgent`](super::RetryAgent).
///
/// An attempt ends when the body is read, so a body that breaks is fetched again; after `call`, which gives the response
/// as soon as its head is there, reading the body is the caller's. A policy's [`when_ok`](Retry::when_ok) is asked about
/// what the request gives: a response, or the body that was read.
///
/// A response that is not the last one is dropped unread: its page may never come whole, and no request waits for it,
/// whatever timeouts the agent has. ureq closes a connection with an unread page, so the next attempt opens a new one.
/// A response without a page keeps its connection.
///
/// The method and the `Idempotency-Key` decide what may be sent twice; see
/// [`HttpPolicy::for_request`](crate::http::HttpPolicy::for_request). ureq reads a body after it has sent the request's head.
/// If the body was not read, nothing was executed, and the request is sent again with any method. A request without a body
/// gives no such sign. If its connection fails, a redirect may have led there, and the first server may have executed the
/// request. Such a request that is not idempotent is sent again only if the agent follows no redirects
/// (`max_redirects(0)`).
///
/// An attempt timeout takes the place of the agent's `timeout_global` in each attempt, even if it is longer. It is
/// clipped to what is left of the deadline. A [`deadline`](Policy::deadline) does the same with what is left of it. The agent's other timeouts hold beside it.
#[must_use = "a request does nothing until it is sent"]
pub struct AgentRequest<R = Retry<Policy>> {
    pub(super) agent: Agent,
    pub(super) builder: request::Builder,
    /// What is to be added to the query of the URL, encoded.
    pub(super) query: String,
    /// Why the body could not be made.
    pub(super) invalid: Option<Error>,
    pub(super) making: Making,
    pub(super) retry: R,
    pub(super) rules: Rules,
}

/// What an attempt is made of, beside the head.
pub(in crate::http) struct Making {
    pub(super) body: Payload,
    pub(super) prepare: Vec<Prepare>,
    /// Whether the agent's settings were changed for the request: it may follow redirects, then.
    pub(super) reconfigured: bool,
}

impl Making {
    /// Returns the length of the body, if it is known.
    pub(super) fn length(&self) -> Option<usize> {
        match &self.body {
            Payload::Bytes(body) => Some(body.len()),
            Payload::Anew(_) => None,
        }
    }

    /// Changes the head for an attempt.
    pub(in crate::http) fn prepare(&self, request: &mut Request<()>, of: RequestAttempt) -> Result<(), Error> {
        self.prepare.iter().try_for_each(|prepare| prepare(request, of))
    }
}

/// The body of a request.
pub(super) enum Payload {
    Bytes(Vec<u8>),
    /// Made anew for each attempt.
    Anew(Box<dyn FnMut() -> io::Result<Box<dyn Read>> + Send + Sync>),
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

    /// Sets the `Content-Type`.
    pub fn content_type<V>(self, content_type: V) -> Self
    where
        HeaderValue: TryFrom<V>,
        <HeaderValue as TryFrom<V>>::Error: Into<::http::Error>,
    {
        self.header(CONTENT_TYPE, content_type)
    }

    /// Adds a pair to the query of the URL, percent-encoded.
    pub fn query<K: AsRef<str>, V: AsRef<str>>(self, key: K, value: V) -> Self {
        let (key, value) = (encoded(key.as_ref(), "%20"), encoded(value.as_ref(), "%20"));
        self.query_raw(key, value)
    }

    /// Adds a pair to the query of the URL as it stands.
    pub fn query_raw<K: AsRef<str>, V: AsRef<str>>(mut self, key: K, value: V) -> Self {
        self.query.push('&');
        self.query.push_str(key.as_ref());
        self.query.push('=');
        self.query.push_str(value.as_ref());
        self
    }

    /// Adds pairs to the query of the URL, percent-encoded.
    pub fn query_pairs<I, K, V>(self, pairs: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        pairs.into_iter().fold(self, |request, (key, value)| request.query(key, value))
    }

    /// Adds pairs to the query of the URL as they stand.
    pub fn query_pairs_raw<I, K, V>(self, pairs: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        pairs.into_iter().fold(self, |request, (key, value)| request.query_raw(key, value))
    }

    /// Sets the version of HTTP.
    pub fn version(self, version: Version) -> Self {
        self.with(|builder| builder.version(version))
    }

    /// Changes the request with the methods of `http`'s builder, which stands inside ureq's, too.
    pub fn with(mut self, change: impl FnOnce(request::Builder) -> request::Builder) -> Self {
        self.builder = change(self.builder);
        self
    }

    /// Changes the agent's settings for this request: its timeouts, its redirects, its proxy.
    ///
    /// A request that is changed so counts as one that may follow redirects: see above for what that means for one that is
    /// not idempotent. Whether a status is an error is the agent's setting, or [`error_for_status`](AgentRequest::error_for_status).
    ///
    /// ```no_run
    /// use persevere::{http::RetryAgent, Policy};
    /// use std::time::Duration;
    ///
    /// let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), Policy::new());
    /// let request = agent.get("https://example.org/");
    /// let page = request.config(|config| config.timeout_connect(Some(Duration::from_secs(1)))).text()?;
    /// # let _ = page; Ok::<(), ureq::Error>(())
    /// ```
    pub fn config(
        mut self,
        change: impl FnOnce(ConfigBuilder<HttpCrateScope<()>>) -> ConfigBuilder<HttpCrateScope<()>>,
    ) -> Self {
        self.making.reconfigured = true;
        self.configured(change)
    }

    fn configured(
        mut self,
        change: impl FnOnce(ConfigBuilder<HttpCrateScope<()>>) -> ConfigBuilder<HttpCrateScope<()>>,
    ) -> Self {
        if let Some(extensions) = self.builder.extensions_mut() {
            let mut carrier = Request::new(());
            core::mem::swap(carrier.extensions_mut(), extensions);
            let mut carrier = change(self.agent.configure_request(carrier)).build();
            core::mem::swap(carrier.extensions_mut(), extensions);
        }
        self
    }

    /// Sets the time that each attempt may take, the reading of its body included.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.configured(|config| config.timeout_global(Some(timeout)))
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.making.body = Payload::Bytes(body.into());
        self
    }

    /// Sets the body to this value as JSON, and the `Content-Type` unless there is one.
    pub fn body_json<V: serde_core::Serialize + ?Sized>(mut self, json: &V) -> Self {
        let made = ::ureq::SendBody::from_json(&json).and_then(|body| {
            let mut text = Vec::new();
            body.into_reader().read_to_end(&mut text)?;
            Ok(text)
        });
        match made {
            Ok(text) => self.body_of_type(text, "application/json; charset=utf-8"),
            Err(error) => {
                self.invalid = Some(error);
                self
            }
        }
    }

    /// Sets the body to these pairs as a form, and the `Content-Type` unless there is one.
    pub fn body_form<I, K, V>(self, pairs: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        self.body_of_type(form(pairs).into_bytes(), "application/x-www-form-urlencoded")
    }

    fn body_of_type(self, body: Vec<u8>, kind: &'static str) -> Self {
        let has_type = self.builder.headers_ref().is_some_and(|headers| headers.contains_key(CONTENT_TYPE));
        let request = self.body(body);
        if has_type { request } else { request.content_type(kind) }
    }

    /// Makes the body anew for each attempt: of a file, or of what produces it.
    ///
    /// It has no length, unless you set a `Content-Length`, and is then sent in chunks.
    ///
    /// ```no_run
    /// use persevere::{http::RetryAgent, Policy};
    /// use std::fs::File;
    ///
    /// let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), Policy::new());
    /// let kept = agent.put("https://example.org/backup").body_with(|| File::open("backup.tar")).call()?;
    /// # let _ = kept; Ok::<(), ureq::Error>(())
    /// ```
    pub fn body_with<F, W>(mut self, mut make: F) -> Self
    where
        F: FnMut() -> io::Result<W> + Send + Sync + 'static,
        W: Read + 'static,
    {
        self.making.body = Payload::Anew(Box::new(move || Ok(Box::new(make()?))));
        self
    }

    /// Calls this before each attempt, to give each its own token, signature or number.
    ///
    /// It gets the head of the request as it was built, not what was made of it for the attempt before. It may return
    /// `()`, or a `Result`. An error is the attempt's. Nothing was sent then, so the request may be sent again whatever
    /// its method. Several are called in their order.
    ///
    /// ```no_run
    /// use persevere::{http::{HttpPolicy, RetryAgent}, Policy};
    ///
    /// # fn token(new: bool) -> http::HeaderValue { http::HeaderValue::from_static("") }
    /// let policy = HttpPolicy::new(Policy::new()).also_retry(401);
    /// let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), policy).prepare(|request, attempt| {
    ///     let token = token(attempt.last_status() == Some(401));
    ///     request.headers_mut().insert("authorization", token);
    /// });
    /// # let _ = agent;
    /// ```
    pub fn prepare<V, F>(mut self, prepare: F) -> Self
    where
        F: Fn(&mut Request<()>, RequestAttempt) -> V + Send + Sync + 'static,
        V: PreparedRequest<(), Error>,
    {
        self.making.prepare.push(erased(prepare));
        self
    }

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
    /// [`RetryAgent::hint_from`](crate::http::RetryAgent::hint_from).
    pub fn hint_from<F>(mut self, hint: F) -> Self
    where
        F: Fn(&::http::Response<Vec<u8>>) -> Option<Duration> + Send + Sync + 'static,
    {
        self.rules.hint = Some(HintFrom::new(hint));
        self
    }

    /// Runs this request by another policy, or one with hooks or a timer.
    ///
    /// The statuses, the idempotency and the guards of the session stay. To add a report alone, use
    /// [`report`](AgentRequest::report): it keeps the session's policy.
    pub fn policy<P: IntoRetry>(self, policy: P) -> AgentRequest<Prepared<P>> {
        let mut request = self.replace(|_| policy.into_retry());
        request.rules = request.rules.own_policy();
        request
    }

    fn replace<S>(self, replace: impl FnOnce(R) -> S) -> AgentRequest<S> {
        let Self { agent, builder, query, invalid, making, retry, rules } = self;
        AgentRequest { agent, builder, query, invalid, making, retry: replace(retry), rules }
    }
}

impl<P, C, K, O, H, T> AgentRequest<Retry<P, C, K, O, H, T>> {
    /// Writes what happens to this request into the report, and keeps its policy; see [`Retry::report`].
    #[allow(clippy::type_complexity)] // One parameter for each thing that a run may carry.
    pub fn report(self, report: &mut Report) -> AgentRequest<Retry<P, C, K, (O, Reporting<'_, ByDisplay>), H, T>> {
        self.replace(|retry| retry.report(report))
    }

    /// Names the run of this request, and keeps its policy; see [`Retry::name`].
    #[allow(clippy::type_complexity)] // One parameter for each thing that a run may carry.
    pub fn name(self, name: &'static str) -> AgentRequest<Retry<Named<P>, C, K, O, H, T>> {
        self.replace(|retry| retry.name(name))
    }
}
