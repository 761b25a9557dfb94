//! The request of a download.

use core::borrow::Borrow;
use std::string::String;

use ::reqwest::{Error, blocking};

use super::super::attempt::RequestAttempt;
use super::{RetryRequest, host};
use crate::drive::before::BeforeBlocking;
use crate::drive::judge::Classify;
use crate::drive::plan::Plan;
use crate::drive::retry::Retry;
use crate::drive::signal::BlockingSignal;
use crate::http::download::{self, Download, DownloadReader, Fetch, Known, SendHook, blocking_course, course};
use crate::observe::Observe;
use crate::time::{BlockingTimer, Timer};

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
        let Self { builder, retry, mut rules, anew } = self;
        let (client, built) = builder.build_split();
        let guards = rules.guards(|| built.as_ref().map_or_else(|_| String::new(), |built| host(built.url())));
        let hint = rules.hint();
        let plan = *retry.plan.policy().borrow();
        let known = built.as_ref().map_or_else(
            |_| Known::unbuilt(plan),
            |request| {
                let asked = (request.method(), request.url().as_str(), request.headers());
                let once = !anew.makes_body() && request.try_clone().is_none();
                Known::of(rules.of(plan, asked.0, asked.2, asked.1), once, asked)
            },
        );
        let course = course(retry, guards, known);
        let fetch = Fetch {
            client,
            request: built.map_err(Some),
            course,
            rules: known.rules,
            anew,
            hint,
            limit: None,
            attempt: RequestAttempt::FIRST,
        };
        Download::new(fetch, known)
    }
}

impl<P, C, K, O, B, T> RetryRequest<blocking::RequestBuilder, Retry<P, C, K, O, B, T>>
where
    P: Plan<Signal: BlockingSignal>,
    C: Classify<Error>,
    O: Observe<Error>,
    B: BeforeBlocking,
    T: BlockingTimer,
{
    /// Downloads the body, which goes on where it broke.
    ///
    /// Nothing is sent before the body is read. A policy's [`when_ok`](Retry::when_ok) is not asked.
    ///
    /// # Errors
    ///
    /// Reading it gives a [`DownloadError`](crate::http::DownloadError). A status that is not retried is one, too.
    pub fn download<'a>(self) -> DownloadReader<'a>
    where
        P: Send + 'a,
        C: Send + 'a,
        O: Send + 'a,
        B: Send + 'a,
        T: Send + 'a,
    {
        let Self { builder, retry, mut rules, anew } = self;
        let (client, built) = builder.build_split();
        let guards = rules.guards(|| built.as_ref().map_or_else(|_| String::new(), |built| host(built.url())));
        let hint = rules.hint();
        let plan = *retry.plan.policy().borrow();
        let known = built.as_ref().map_or_else(
            |_| Known::unbuilt(plan),
            |request| {
                let asked = (request.method(), request.url().as_str(), request.headers());
                let once = !anew.makes_body() && request.try_clone().is_none();
                Known::of(rules.of(plan, asked.0, asked.2, asked.1), once, asked)
            },
        );
        let course = blocking_course(retry, guards, known);
        DownloadReader::new(download::blocking(client, built, (anew, hint), course, known.rules), known)
    }
}
