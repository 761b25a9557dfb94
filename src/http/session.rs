use core::fmt;
use std::string::String;
use std::sync::Arc;
use std::vec::Vec;

use super::HttpPolicy;
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
        self.default.plain()
    }

    pub(super) fn policy(&self, url: &str) -> HttpPolicy {
        let fitting = self.by_prefix.iter().filter(|(prefix, _)| url.starts_with(prefix.as_str()));
        fitting.max_by_key(|(prefix, _)| prefix.len()).map_or(self.default, |&(_, policy)| policy)
    }
}

/// Without the prefixes: they are URLs.
impl fmt::Debug for Mounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mounts").field("default", &self.default).finish_non_exhaustive()
    }
}
