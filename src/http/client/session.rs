use core::fmt;
use std::string::String;
use std::sync::Arc;
use std::vec::Vec;

use ::http::{HeaderMap, Method};

use super::hint::HintFrom;
use crate::guard::{ByHost, Guards};
use crate::http::{HttpPolicy, Statuses};
use crate::policy::Policy;

/// Policies by URL prefix: the longest prefix that fits decides.
#[derive(Clone)]
pub(super) struct Mounts {
    default: HttpPolicy,
    by_prefix: Arc<Vec<(String, HttpPolicy)>>,
}

impl Mounts {
    pub(super) fn new(default: HttpPolicy) -> Self {
        Self { default, by_prefix: Arc::default() }
    }

    pub(super) fn mount(&mut self, prefix: String, policy: HttpPolicy) {
        Arc::make_mut(&mut self.by_prefix).push((prefix, policy));
    }

    /// A plain policy for the builder to stand on; the request's own is found when its URL is known.
    pub(super) const fn default_policy(&self) -> Policy {
        self.default.policy()
    }

    pub(super) fn policy(&self, url: &str) -> HttpPolicy {
        let begins = |prefix: &str| url.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        let fitting = self.by_prefix.iter().filter(|(prefix, _)| begins(prefix));
        fitting.max_by_key(|(prefix, _)| prefix.len()).map_or(self.default, |&(_, policy)| policy)
    }
}

/// Without the prefixes: they are URLs.
impl fmt::Debug for Mounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mounts").field("default", &self.default).finish_non_exhaustive()
    }
}

/// What the request and its session say beside the plain policy.
#[derive(Clone, Default)]
pub(super) struct Rules {
    pub(super) session: Option<Session>,
    pub(super) statuses: Option<Statuses>,
    pub(super) idempotent: Option<bool>,
    /// Whether a status from 400 to 599 is an error.
    pub(super) checked: bool,
    pub(super) hint: Option<HintFrom>,
}

#[derive(Clone)]
pub(super) struct Session {
    pub(super) mounts: Mounts,
    pub(super) counted: bool,
    /// Whether the request has a policy of its own.
    pub(super) own_policy: bool,
    pub(super) guards: Guards,
    pub(super) by_host: ByHost,
    pub(super) hint: Option<HintFrom>,
}

impl Session {
    pub(super) fn new(policy: HttpPolicy, counted: bool) -> Self {
        Self {
            mounts: Mounts::new(policy),
            counted,
            own_policy: false,
            guards: Guards::default(),
            by_host: ByHost::default(),
            hint: None,
        }
    }
}

/// Gives a session its guards.
macro_rules! guarded {
    ($session:ident $(<$client:ident: $bound:ident>)?) => {
        impl $(<$client: $bound>)? $session $(<$client>)? {
            /// Finds the wait that the server asks for in its answer: in a header of its own, or in the page.
            ///
            /// The statuses are judged as ever. For one that is retried the closure gets the head and the page. A wait that it
            /// returns takes the place of a `Retry-After`. At most 64 KB of the page are read, for at most about a second,
            /// and the closure is asked about what came. A later closure takes the place of an earlier one. A blocking client
            /// waits for each piece of the page as long as its own timeouts say.
            ///
            /// ```no_run
            /// use persevere::{http::RetryClient, Policy};
            /// use std::time::Duration;
            ///
            /// let client = RetryClient::new(reqwest::Client::new(), Policy::new()).hint_from(|answer| {
            ///     let seconds = std::str::from_utf8(answer.body()).ok()?.strip_prefix("wait ")?;
            ///     Some(Duration::from_secs(seconds.parse().ok()?))
            /// });
            /// # let _ = client;
            /// ```
            #[must_use]
            pub fn hint_from<F>(mut self, hint: F) -> Self
            where
                F: Fn(&::http::Response<std::vec::Vec<u8>>) -> Option<core::time::Duration> + Send + Sync + 'static,
            {
                self.session.hint = Some(crate::http::client::HintFrom::new(hint));
                self
            }
        }

        #[cfg(target_has_atomic = "64")]
        impl $(<$client: $bound>)? $session $(<$client>)? {
            /// Charges the retries of all requests to this budget; see [`Retry::budget`](crate::Retry::budget).
            ///
            /// It takes a `&'static Budget` or an `Arc<Budget>`. A later budget takes the place of this one.
            #[must_use]
            pub fn budget(mut self, budget: impl Into<crate::guard::Shared<crate::guard::Budget>>) -> Self {
                self.session.guards.set_budget(budget.into());
                self
            }

            /// Asks this breaker before each attempt of all requests; see [`Retry::breaker`](crate::Retry::breaker).
            ///
            /// It takes a `&'static Breaker` or an `Arc<Breaker>`. A later breaker takes the place of this one.
            #[must_use]
            pub fn breaker(mut self, breaker: impl Into<crate::guard::Shared<crate::guard::Breaker>>) -> Self {
                self.session.guards.set_breaker(breaker.into());
                self
            }

            /// Asks this throttle before the first attempt of each request; see
            /// [`Retry::throttle`](crate::Retry::throttle).
            ///
            /// It takes a `&'static AdaptiveThrottle` or an `Arc<AdaptiveThrottle>`. A later throttle takes the place of
            /// this one.
            #[must_use]
            pub fn throttle(
                mut self,
                throttle: impl Into<crate::guard::Shared<crate::guard::AdaptiveThrottle>>,
            ) -> Self {
                self.session.guards.set_throttle(throttle.into());
                self
            }

            /// Charges the retries to a budget for each host; see [`Keyed`](crate::guard::Keyed) and
            /// [`Budget`](crate::guard::Budget).
            ///
            /// So a host that is down does not close the session for the others. The key is `host:port` of the request's own
            /// URL, in lower case, wherever redirects lead. It takes the place of a guard of its kind for all hosts.
            ///
            /// ```no_run
            /// use persevere::guard::{Budget, Budgets};
            /// use persevere::{Policy, http::RetryClient};
            ///
            /// let client = RetryClient::new(reqwest::Client::new(), Policy::new()).budgets(Budgets::new(1000, Budget::new));
            /// # let _ = client;
            /// ```
            #[must_use]
            pub fn budgets(
                mut self,
                budgets: impl Into<crate::guard::Shared<crate::guard::Budgets<std::string::String>>>,
            ) -> Self {
                self.session.by_host.budgets = Some(budgets.into());
                self
            }

            /// Asks a breaker for each host before each attempt; see [`Keyed`](crate::guard::Keyed) and
            /// [`Breaker`](crate::guard::Breaker).
            ///
            /// So a host that is down does not close the session for the others. The key is `host:port` of the request's own
            /// URL, in lower case, wherever redirects lead. It takes the place of a guard of its kind for all hosts.
            ///
            /// ```no_run
            /// use persevere::guard::{Breaker, Breakers};
            /// use persevere::{Policy, http::RetryClient};
            ///
            /// let client = RetryClient::new(reqwest::Client::new(), Policy::new()).breakers(Breakers::new(1000, Breaker::new));
            /// # let _ = client;
            /// ```
            #[must_use]
            pub fn breakers(
                mut self,
                breakers: impl Into<crate::guard::Shared<crate::guard::Breakers<std::string::String>>>,
            ) -> Self {
                self.session.by_host.breakers = Some(breakers.into());
                self
            }

            /// Asks a throttle for each host before the first attempt of each request; see [`Keyed`](crate::guard::Keyed) and
            /// [`AdaptiveThrottle`](crate::guard::AdaptiveThrottle).
            ///
            /// So a host that is down does not close the session for the others. The key is `host:port` of the request's own
            /// URL, in lower case, wherever redirects lead. It takes the place of a guard of its kind for all hosts.
            ///
            /// ```no_run
            /// use persevere::guard::{AdaptiveThrottle, Throttles};
            /// use persevere::{Policy, http::RetryClient};
            ///
            /// let client = RetryClient::new(reqwest::Client::new(), Policy::new()).throttles(Throttles::new(1000, AdaptiveThrottle::new));
            /// # let _ = client;
            /// ```
            #[must_use]
            pub fn throttles(
                mut self,
                throttles: impl Into<crate::guard::Shared<crate::guard::Throttles<std::string::String>>>,
            ) -> Self {
                self.session.by_host.throttles = Some(throttles.into());
                self
            }

            /// Holds all requests to a host back for as long as it asked one of them to wait; see [`Keyed`](crate::guard::Keyed) and
            /// [`Gate`](crate::guard::Gate).
            ///
            /// So a host that is down does not close the session for the others. The key is `host:port` of the request's own
            /// URL, in lower case, wherever redirects lead.
            ///
            /// A request waits for the gate before its first attempt, too. One that would wait too long or past its deadline
            /// ends at once, with [`StopReason::HintTooLong`](crate::StopReason::HintTooLong) or
            /// [`DeadlineExceeded`](crate::StopReason::DeadlineExceeded), as one that a breaker refuses does.
            ///
            /// ```no_run
            /// use persevere::guard::{Gate, Gates};
            /// use persevere::{Policy, http::RetryClient};
            ///
            /// let client = RetryClient::new(reqwest::Client::new(), Policy::new()).gates(Gates::new(1000, Gate::new));
            /// # let _ = client;
            /// ```
            #[must_use]
            pub fn gates(
                mut self,
                gates: impl Into<crate::guard::Shared<crate::guard::Gates<std::string::String>>>,
            ) -> Self {
                self.session.by_host.gates = Some(gates.into());
                self
            }
        }
    };
}
pub(super) use guarded;

impl Rules {
    /// Says that the request has a policy of its own.
    pub(super) fn own_policy(mut self) -> Self {
        if let Some(session) = &mut self.session {
            session.own_policy = true;
        }
        self
    }

    /// Returns the closure that finds the server's wait in an answer: the request's own, or the session's.
    pub(super) fn hint(&self) -> Option<HintFrom> {
        self.hint.clone().or_else(|| self.session.as_ref()?.hint.clone())
    }

    /// Takes the session's guards, for a request to this host, written as `host:port`. One without a session has none.
    pub(super) fn guards(&mut self, host: impl FnOnce() -> String) -> Guards {
        let Some(session) = &mut self.session else { return Guards::default() };
        let mut guards = core::mem::take(&mut session.guards);
        #[cfg(target_has_atomic = "64")]
        session.by_host.find(&mut guards, host);
        guards
    }

    /// The rules for this request.
    pub(super) fn of(
        &self,
        plan: Policy,
        method: &Method,
        headers: &HeaderMap,
        url: &str,
    ) -> (Policy, HttpPolicy, bool) {
        let mut rules = match &self.session {
            None => HttpPolicy::new(plan),
            Some(session) if session.own_policy => session.mounts.policy(url).with_policy(plan),
            Some(session) => session.mounts.policy(url),
        };
        if let Some(statuses) = self.statuses {
            rules = rules.retry_only(statuses);
        }
        if let Some(idempotent) = self.idempotent {
            rules = rules.idempotent(idempotent);
        }
        let counted = self.session.as_ref().is_some_and(|session| session.counted);
        (rules.for_request(method, headers), rules, counted)
    }
}
