use core::fmt;
use std::string::String;
use std::sync::Arc;
use std::vec::Vec;

use ::http::{HeaderMap, Method};

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
#[derive(Default)]
pub(super) struct Rules {
    pub(super) session: Option<Session>,
    pub(super) statuses: Option<Statuses>,
    pub(super) idempotent: Option<bool>,
}

#[derive(Clone)]
pub(super) struct Session {
    pub(super) mounts: Mounts,
    pub(super) counted: bool,
    /// Whether the request has a policy of its own.
    pub(super) own_policy: bool,
}

impl Rules {
    /// Says that the request has a policy of its own.
    pub(super) fn own_policy(mut self) -> Self {
        if let Some(session) = &mut self.session {
            session.own_policy = true;
        }
        self
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
            rules = rules.only_statuses(statuses);
        }
        if let Some(idempotent) = self.idempotent {
            rules = rules.idempotent(idempotent);
        }
        let counted = self.session.as_ref().is_some_and(|session| session.counted);
        (rules.for_request(method, headers), rules, counted)
    }
}
