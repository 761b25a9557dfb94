use core::fmt;

use ::http::{HeaderMap, Method, StatusCode};

use super::{Statuses, is_idempotent, retry_after};
use crate::policy::Policy;
use crate::verdict::Verdict;

/// A [`Policy`] for requests: with the statuses that are retried, and what may be sent twice.
///
/// A plain `Policy` becomes one with the defaults: [`Statuses::TRANSIENT`], and idempotency by the request's method and
/// its `Idempotency-Key`. The policy's own [`idempotent`](Policy::idempotent) can only narrow that: with `false` no
/// request is repeated that may have been executed. [`idempotent`](HttpPolicy::idempotent) here overrides both.
///
/// ```
/// use persevere::{http::{HttpPolicy, Statuses}, Policy};
///
/// const EVENTUAL: HttpPolicy = HttpPolicy::new(Policy::new().total(5)).also_retry(404);
/// assert!(EVENTUAL.statuses().contains(404));
/// assert_eq!(HttpPolicy::default().statuses(), Statuses::TRANSIENT);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct HttpPolicy {
    policy: Policy,
    statuses: Statuses,
    idempotent: Option<bool>,
}

impl HttpPolicy {
    /// Makes a policy for requests with the default statuses.
    pub const fn new(policy: Policy) -> Self {
        Self { policy, statuses: Statuses::TRANSIENT, idempotent: None }
    }

    /// Retries this status, too: 404 where what was written shows up late, 409 where a lock is held for a moment.
    pub const fn also_retry(mut self, status: u16) -> Self {
        self.statuses = self.statuses.with(status);
        self
    }

    /// Does not retry this status.
    pub const fn never_retry(mut self, status: u16) -> Self {
        self.statuses = self.statuses.without(status);
        self
    }

    /// Retries these statuses and no other: urllib3's `status_forcelist`.
    pub const fn retry_only(mut self, statuses: Statuses) -> Self {
        self.statuses = statuses;
        self
    }

    /// Says whether requests may be repeated after they may have been executed, whatever their method.
    ///
    /// With `true` a POST is repeated, too: say so only where executing it twice does no harm.
    pub const fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = Some(idempotent);
        self
    }

    /// The same with another plain policy.
    #[cfg(any(feature = "reqwest", feature = "tower", feature = "ureq"))]
    pub(crate) const fn with_policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Tells the plain policy.
    pub const fn policy(&self) -> Policy {
        self.policy
    }

    /// Tells the statuses that are retried.
    pub const fn statuses(&self) -> Statuses {
        self.statuses
    }

    /// Makes the plain policy for one request: the decision core's, with [`Policy::idempotent`] as this request has it.
    ///
    /// ```
    /// use http::{HeaderMap, Method};
    /// use persevere::{http::HttpPolicy, Policy};
    ///
    /// let policy = HttpPolicy::default();
    /// assert_eq!(policy.for_request(&Method::GET, &HeaderMap::new()), Policy::new());
    /// assert_eq!(policy.for_request(&Method::POST, &HeaderMap::new()), Policy::new().idempotent(false));
    /// ```
    pub fn for_request(&self, method: &Method, headers: &HeaderMap) -> Policy {
        let by_method = || self.policy.idempotent && is_idempotent(method, headers);
        self.policy.idempotent(self.idempotent.unwrap_or_else(by_method))
    }

    /// Classifies a response: by its status, with the wait that it asks for; `None` if it is accepted.
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue, StatusCode};
    /// use persevere::http::HttpPolicy;
    /// use std::time::Duration;
    ///
    /// let policy = HttpPolicy::default();
    /// let mut headers = HeaderMap::new();
    /// assert_eq!(policy.verdict(StatusCode::NOT_FOUND, &headers), None);
    ///
    /// headers.insert("retry-after", HeaderValue::from_static("2"));
    /// let busy = policy.verdict(StatusCode::SERVICE_UNAVAILABLE, &headers).unwrap();
    /// assert_eq!(busy.hint(), Some(Duration::from_secs(2)));
    /// ```
    pub fn verdict(&self, status: StatusCode, headers: &HeaderMap) -> Option<Verdict> {
        let verdict = self.statuses.verdict(status.as_u16());
        // An answer that is kept is not searched for hints.
        verdict.is_transient().then(|| retry_after(headers).map_or(verdict, |hint| verdict.with_hint(hint)))
    }
}

#[cfg(any(feature = "reqwest", feature = "ureq"))]
impl HttpPolicy {
    /// Classifies a response that is not what the request gives: its status is retried, or it is an error and `checked`.
    pub(crate) fn refused(&self, status: StatusCode, headers: &HeaderMap, checked: bool) -> Option<Verdict> {
        let is_error = || checked && (status.is_client_error() || status.is_server_error());
        self.verdict(status, headers).or_else(|| is_error().then(|| Statuses::NONE.verdict(status.as_u16())))
    }
}

impl Default for HttpPolicy {
    fn default() -> Self {
        Self::new(Policy::new())
    }
}

impl From<Policy> for HttpPolicy {
    fn from(policy: Policy) -> Self {
        Self::new(policy)
    }
}

impl From<&Policy> for HttpPolicy {
    fn from(policy: &Policy) -> Self {
        Self::new(*policy)
    }
}

impl From<&HttpPolicy> for HttpPolicy {
    fn from(policy: &HttpPolicy) -> Self {
        *policy
    }
}

/// The policy's sentence, and the statuses.
impl fmt::Display for HttpPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, retries statuses {:?}", self.policy, self.statuses)
    }
}
