use core::fmt;

use ::http::{HeaderMap, Method, StatusCode};

use super::{Statuses, is_idempotent, retry_after};
use crate::policy::{Hints, Policy};
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
    /// Whether those in `HINTED` are retried if the server says when.
    hinted: bool,
    idempotent: Option<bool>,
    /// The only methods that may be repeated, in place of those that are idempotent.
    methods: Option<Methods>,
}

impl HttpPolicy {
    /// Makes a policy for requests with the default statuses.
    pub const fn new(policy: Policy) -> Self {
        Self { policy, statuses: Statuses::TRANSIENT, hinted: false, idempotent: None, methods: None }
    }

    /// Creates a policy with the rules of Python's urllib3, for those who need exactly what its `Retry` repeats.
    ///
    /// - No status is retried, unless [`retry_only`](HttpPolicy::retry_only) says so: urllib3's `status_forcelist` is empty.
    /// - 413, 429 and 503 are retried if they have a `Retry-After`. `Hints::Ignore` on the policy switches that off.
    /// - After a request may have been executed, only GET, HEAD, OPTIONS, PUT, DELETE and TRACE are repeated, whatever the
    ///   `Idempotency-Key`; see [`allowed_methods`](HttpPolicy::allowed_methods).
    ///
    /// How often and after which waits is the plain policy's. Other than in urllib3, a `Retry-After` that can't be read is
    /// none, and one of more than 120 s ends the run; see [`Policy::max_hint`].
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue, Method, StatusCode};
    /// use persevere::{Policy, http::{HttpPolicy, Statuses}};
    ///
    /// const RULES: HttpPolicy = HttpPolicy::urllib3(Policy::new()).retry_only(Statuses::of(&[500, 502, 504]));
    /// let (none, hinted) = (HeaderMap::new(), HeaderMap::from_iter([("retry-after".parse().unwrap(), HeaderValue::from(1))]));
    /// assert!(RULES.verdict(StatusCode::BAD_GATEWAY, &none).is_some());
    /// assert!(RULES.verdict(StatusCode::SERVICE_UNAVAILABLE, &none).is_none());
    /// assert!(RULES.verdict(StatusCode::SERVICE_UNAVAILABLE, &hinted).is_some());
    /// assert_eq!(RULES.for_request(&Method::PATCH, &none), Policy::new().idempotent(false));
    /// ```
    pub const fn urllib3(policy: Policy) -> Self {
        Self { statuses: Statuses::NONE, hinted: true, methods: Some(Methods::IDEMPOTENT), ..Self::new(policy) }
    }

    /// Sets the only methods that are repeated after a request may have been executed.
    ///
    /// An `Idempotency-Key` does not add to them. This is urllib3's `allowed_methods`. Methods outside of HTTP's standard can't be in the list.
    ///
    /// A request that was provably not sent is sent again with any method.
    /// [`idempotent`](HttpPolicy::idempotent) overrides it.
    ///
    /// ```
    /// use http::{HeaderMap, Method};
    /// use persevere::{Policy, http::HttpPolicy};
    ///
    /// let policy = HttpPolicy::default().allowed_methods(&[Method::GET, Method::POST]);
    /// assert_eq!(policy.for_request(&Method::POST, &HeaderMap::new()), Policy::new());
    /// assert_eq!(policy.for_request(&Method::PUT, &HeaderMap::new()), Policy::new().idempotent(false));
    /// ```
    pub fn allowed_methods(mut self, methods: &[Method]) -> Self {
        self.methods = Some(Methods(methods.iter().filter_map(Methods::bit).fold(0, |set, bit| set | bit)));
        self
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
        let allowed = || match self.methods {
            Some(Methods(set)) => Methods::bit(method).is_some_and(|bit| set & bit != 0),
            None => is_idempotent(method, headers),
        };
        let by_method = || self.policy.idempotent && allowed();
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
        if self.hinted && HINTED.contains(status.as_u16()) && !self.statuses.contains(status.as_u16()) {
            let heeded = !matches!(self.policy.hints, Hints::Ignore);
            let hint = retry_after(headers).filter(|_| heeded);
            return hint.map(|hint| HINTED.verdict(status.as_u16()).with_hint(hint));
        }
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

/// The statuses that urllib3 retries if the server says when.
const HINTED: Statuses = Statuses::of(&[413, 429, 503]);

/// A set of HTTP's standard methods.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Methods(u16);

impl Methods {
    /// GET, HEAD, OPTIONS, PUT, DELETE and TRACE.
    const IDEMPOTENT: Self = Self(0b11_1111);

    fn bit(method: &Method) -> Option<u16> {
        const ORDER: [Method; 9] = [
            Method::GET,
            Method::HEAD,
            Method::OPTIONS,
            Method::PUT,
            Method::DELETE,
            Method::TRACE,
            Method::POST,
            Method::PATCH,
            Method::CONNECT,
        ];
        ORDER.iter().position(|known| known == method).map(|place| 1 << place)
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
        write!(f, "{}, retries statuses {:?}", self.policy, self.statuses)?;
        if self.hinted {
            write!(f, ", and {HINTED:?} with a `Retry-After`")?;
        }
        Ok(())
    }
}
