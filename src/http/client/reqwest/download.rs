//! The request of a download.

use core::borrow::Borrow;

use ::http::Method;
use ::reqwest::Error;

use super::RetryRequest;
use crate::drive::judge::Classify;
use crate::drive::plan::Plan;
use crate::drive::retry::Retry;
use crate::http::HttpPolicy;
use crate::http::download::{Download, Fetch, Known, SendHook, course};
use crate::observe::Observe;
use crate::time::Timer;

impl<P, C, K, O, B, T> RetryRequest<reqwest::RequestBuilder, Retry<P, C, K, O, B, T>>
where
    P: Plan,
    C: Classify<Error>,
    O: Observe<Error>,
    T: Timer,
{
    /// Downloads the body, which goes on where it broke.
    ///
    /// Nothing is sent before the body is read. A policy's [`when_ok`](Retry::when_ok) is not asked.
    ///
    /// # Errors
    ///
    /// Reading it gives a [`DownloadError`](crate::http::DownloadError). A status that is not retried is one, too.
    pub fn download<'a>(self) -> Download<'a>
    where
        P: Plan<Signal: Send> + Send + 'a,
        C: Send + 'a,
        O: Observe<Error, Word: Send> + Send + 'a,
        B: SendHook + Send + 'a,
        T: Timer<Sleep: Send> + Send + 'a,
    {
        let Self { builder, retry, mut rules } = self;
        let guards = rules.guards();
        let (client, built) = builder.build_split();
        let mut known = Known { policy: *retry.plan.policy().borrow(), once: false };
        let mut http = HttpPolicy::new(known.policy);
        let mut parts = false;
        if let Ok(request) = &built {
            (known.policy, http, _) =
                rules.of(known.policy, request.method(), request.headers(), request.url().as_str());
            known.once = request.try_clone().is_none();
            parts = !known.once && request.method() == Method::GET;
        }
        let course = course(retry, guards, known);
        Download::new(Fetch { client, request: built.map_err(Some), course, rules: http, limit: None }, parts)
    }
}
