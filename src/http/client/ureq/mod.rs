//! The entry point for ureq.

use core::fmt;
use std::string::String;
use std::sync::Arc;
use std::vec::Vec;

use ::http::{Method, Request, Uri};
use ::ureq::{Agent, Error};

use super::attempt::{Prepared, RequestAttempt};
use super::session::{Rules, Session, guarded};
use crate::drive::retry::Retry;
use crate::http::HttpPolicy;

mod checked;
mod download;
mod page;
mod query;
mod request;
mod send;

pub use self::checked::CheckedAgentRequest;
pub(in crate::http) use self::page::hinted;
pub use self::request::AgentRequest;
pub(in crate::http) use self::request::Making;
use self::request::Payload;
pub(in crate::http) use self::send::send;

/// Changes the head of a request before an attempt.
type Prepare = Arc<dyn Fn(&mut Request<()>, RequestAttempt) -> Result<(), Error> + Send + Sync>;

fn erased<V, F>(prepare: F) -> Prepare
where
    F: Fn(&mut Request<()>, RequestAttempt) -> V + Send + Sync + 'static,
    V: Prepared<(), Error>,
{
    Arc::new(move |request, attempt| prepare(request, attempt).result())
}

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
/// use persevere::{http::{HttpPolicy, RetryAgent}, Policy};
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
    prepare: Vec<Prepare>,
}

guarded!(RetryAgent);

impl RetryAgent {
    /// Gives an agent its retries.
    pub fn new(agent: Agent, policy: impl Into<HttpPolicy>) -> Self {
        Self { agent, session: Session::new(policy.into(), false), prepare: Vec::new() }
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

    /// Returns the agent inside, whose own requests have no retries.
    pub const fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Calls this before each attempt of all requests, to give each attempt its own token, signature or number.
    ///
    /// Several are called in their order, and those of one request after those of the session; see
    /// [`AgentRequest::prepare`].
    #[must_use]
    pub fn prepare<V, F>(mut self, prepare: F) -> Self
    where
        F: Fn(&mut Request<()>, RequestAttempt) -> V + Send + Sync + 'static,
        V: Prepared<(), Error>,
    {
        self.prepare.push(erased(prepare));
        self
    }

    /// Starts a GET request.
    pub fn get<T>(&self, uri: T) -> AgentRequest
    where
        Uri: TryFrom<T>,
        <Uri as TryFrom<T>>::Error: Into<::http::Error>,
    {
        self.request(Method::GET, uri)
    }

    /// Starts a HEAD request.
    pub fn head<T>(&self, uri: T) -> AgentRequest
    where
        Uri: TryFrom<T>,
        <Uri as TryFrom<T>>::Error: Into<::http::Error>,
    {
        self.request(Method::HEAD, uri)
    }

    /// Starts a POST request.
    pub fn post<T>(&self, uri: T) -> AgentRequest
    where
        Uri: TryFrom<T>,
        <Uri as TryFrom<T>>::Error: Into<::http::Error>,
    {
        self.request(Method::POST, uri)
    }

    /// Starts a PUT request.
    pub fn put<T>(&self, uri: T) -> AgentRequest
    where
        Uri: TryFrom<T>,
        <Uri as TryFrom<T>>::Error: Into<::http::Error>,
    {
        self.request(Method::PUT, uri)
    }

    /// Starts a PATCH request.
    pub fn patch<T>(&self, uri: T) -> AgentRequest
    where
        Uri: TryFrom<T>,
        <Uri as TryFrom<T>>::Error: Into<::http::Error>,
    {
        self.request(Method::PATCH, uri)
    }

    /// Starts a DELETE request.
    pub fn delete<T>(&self, uri: T) -> AgentRequest
    where
        Uri: TryFrom<T>,
        <Uri as TryFrom<T>>::Error: Into<::http::Error>,
    {
        self.request(Method::DELETE, uri)
    }

    /// Starts an OPTIONS request.
    pub fn options<T>(&self, uri: T) -> AgentRequest
    where
        Uri: TryFrom<T>,
        <Uri as TryFrom<T>>::Error: Into<::http::Error>,
    {
        self.request(Method::OPTIONS, uri)
    }

    /// Starts a TRACE request.
    pub fn trace<T>(&self, uri: T) -> AgentRequest
    where
        Uri: TryFrom<T>,
        <Uri as TryFrom<T>>::Error: Into<::http::Error>,
    {
        self.request(Method::TRACE, uri)
    }

    /// Starts a request.
    pub fn request<T>(&self, method: Method, uri: T) -> AgentRequest
    where
        Uri: TryFrom<T>,
        <Uri as TryFrom<T>>::Error: Into<::http::Error>,
    {
        AgentRequest {
            agent: self.agent.clone(),
            builder: Request::builder().method(method).uri(uri),
            query: String::new(),
            invalid: None,
            making: Making { body: Payload::Bytes(Vec::new()), prepare: self.prepare.clone(), reconfigured: false },
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
