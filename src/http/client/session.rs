use core::fmt;
use std::string::String;
use std::sync::Arc;
use std::vec::Vec;

use ::http::{HeaderMap, Method};

use crate::guard::Guards;
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
}

#[derive(Clone)]
pub(super) struct Session {
    pub(super) mounts: Mounts,
    pub(super) counted: bool,
    /// Whether the request has a policy of its own.
    pub(super) own_policy: bool,
    pub(super) guards: Guards,
}

impl Session {
    pub(super) fn new(policy: HttpPolicy, counted: bool) -> Self {
        Self { mounts: Mounts::new(policy), counted, own_policy: false, guards: Guards::default() }
    }
}

/// Gives a session its guards.
macro_rules! guarded {
    ($session:ident $(<$client:ident: $bound:ident>)?) => {
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

    /// Takes the session's guards. A request without a session has none.
    pub(super) fn guards(&mut self) -> Guards {
        self.session.as_mut().map_or_else(Guards::default, |session| core::mem::take(&mut session.guards))
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
