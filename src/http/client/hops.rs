//! What reqwest does by itself before an attempt fails: it follows redirects, and over HTTP/2 it sends a request again. A
//! connection that fails after either proves nothing of the first request.

use core::error::Error as _;
use core::fmt;
use std::collections::BTreeMap;
use std::string::{String, ToString as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ::http::Uri;
use ::reqwest::{Error, Url, redirect};

use super::door::Sent;
use super::template::Watch;

/// What is known of the redirects that a client follows.
pub(super) enum Hops {
    /// It follows none. It may send a request again by itself, unless its body is watched.
    None,
    /// It sends nothing again by itself.
    Counted(Counter),
    Unknown,
}

/// How a client of reqwest 0.13 that follows no redirects shows that. There is no other way to ask a client. If the text
/// changes, the answer is the safe one.
///
/// Held by `a_refused_post_is_sent_again_where_no_redirect_can_have_led_there`.
const NO_REDIRECTS: &str = r#"redirect_policy: "Policy(None)""#;

impl Hops {
    pub(super) fn of(counted: bool, url: &Url, client: &dyn fmt::Debug) -> Self {
        if counted {
            Self::Counted(Counter::new(url))
        } else if std::format!("{client:?}").contains(NO_REDIRECTS) {
            Self::None
        } else {
            Self::Unknown
        }
    }

    /// Begins an attempt.
    pub(super) fn begin(&mut self) {
        if let Self::Counted(counter) = self {
            counter.before = counter.now();
        }
    }

    /// Which bodies to watch, to see whether any of the request was sent. A body that is watched can't be cloned: the
    /// client can neither send it again by itself nor follow a redirect with it, unless it is empty.
    pub(super) const fn watch(&self) -> Watch {
        match self {
            Self::None => Watch::Any,
            Self::Counted(_) | Self::Unknown => Watch::Empty,
        }
    }

    /// Whether no redirect was followed in the attempt, and nothing sent again.
    pub(super) fn is_direct(&self) -> bool {
        match self {
            Self::None => true,
            Self::Counted(counter) => counter.now() == counter.before,
            Self::Unknown => false,
        }
    }

    /// How much was sent in an attempt that ended with this error.
    pub(super) fn sent(&self, error: &Error) -> Sent {
        match self {
            Self::Unknown => Sent::Perhaps,
            Self::Counted(counter) if counter.now() != counter.before => Sent::Perhaps,
            Self::None | Self::Counted(_) if error.is_connect() || is_canceled(error) => Sent::Nothing,
            Self::None | Self::Counted(_) => Sent::AsJudged,
        }
    }
}

/// Whether the connection gave the request back before any of it was sent. (No request is upgraded here.)
fn is_canceled(error: &Error) -> bool {
    let causes = core::iter::successors(error.source(), |&cause| cause.source());
    causes.filter_map(|cause| cause.downcast_ref::<hyper::Error>()).any(hyper::Error::is_canceled)
}

/// The redirects so far of requests to one URL. Those of another request to it count, too: too many are harmless.
pub(super) struct Counter {
    url: String,
    before: u64,
}

struct Count {
    requests: usize,
    redirects: u64,
}

/// One for each URL that a request is under way to. reqwest's own policy is told the URL, and nothing else of a request.
static COUNTS: Mutex<BTreeMap<String, Count>> = Mutex::new(BTreeMap::new());

fn counts() -> MutexGuard<'static, BTreeMap<String, Count>> {
    COUNTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The URL as the client writes it: without the fragment, which is not sent.
fn key(url: &Url) -> String {
    url.as_str().parse().map_or_else(|_| String::new(), |uri: Uri| uri.to_string())
}

impl Counter {
    fn new(url: &Url) -> Self {
        let url = key(url);
        counts().entry(url.clone()).or_insert(Count { requests: 0, redirects: 0 }).requests += 1;
        Self { url, before: 0 }
    }

    fn now(&self) -> u64 {
        counts().get(&self.url).map_or(0, |count| count.redirects)
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        let mut counts = counts();
        if let Some(count) = counts.get_mut(&self.url) {
            count.requests -= 1;
            if count.requests == 0 {
                counts.remove(&self.url);
            }
        }
    }
}

/// Wraps a redirect policy so that what it follows is counted.
pub(super) fn counting(redirects: redirect::Policy) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        if let Some(first) = attempt.previous().first() {
            if let Some(count) = counts().get_mut(&key(first)) {
                count.redirects += 1;
            }
        }
        redirects.redirect(attempt)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt as _, SeedableRng as _};

    #[test]
    fn what_is_under_way_is_forgotten_at_its_end() {
        let url = Url::parse("http://hops.invalid/a?b#c").unwrap();
        let (one, other) = (Counter::new(&url), Counter::new(&url));
        assert_eq!(counts().get(&key(&url)).map(|count| count.requests), Some(2));
        drop(one);
        assert_eq!(other.now(), 0);
        drop(other);
        assert!(!counts().contains_key(&key(&url)));
    }

    /// The redirect policy is told the URL that was parsed again from what was sent.
    #[test]
    fn a_url_is_found_again() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut found = 0;
        for _ in 0..2_000 {
            let mut text = |signs: &str, most: usize| -> String {
                let signs: Vec<char> = signs.chars().collect();
                (0..random.random_range(..=most)).map(|_| signs[random.random_range(..signs.len())]).collect()
            };
            let user = text("abz:%", 6);
            let host = text("abcxyzABCXYZ0189äé.-", 11);
            let rest = text(" !\"#$%&'()*+,-./0189:;<=>?@AZ[\\]^_`az{|}~äé€", 40);
            let user = if user.len() % 2 == 0 { String::new() } else { user + "@" };
            let Ok(url) = Url::parse(&std::format!("http://{user}{host}/{rest}")) else { continue };
            let Ok(uri) = url.as_str().parse::<Uri>() else { continue };
            let told = Url::parse(&uri.to_string()).unwrap();
            assert_eq!(key(&told), key(&url), "{url}");
            found += 1;
        }
        assert!(found > 200, "{found} of them are URLs");
    }
}
