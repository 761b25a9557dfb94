//! The request of a download.

use core::borrow::Borrow;
use std::string::{String, ToString as _};

use ::ureq::Error;

use super::AgentRequest;
use super::send::{built, host};
use crate::drive::before::BeforeBlocking;
use crate::drive::judge::Classify;
use crate::drive::plan::Plan;
use crate::drive::retry::Retry;
use crate::drive::signal::BlockingSignal;
use crate::http::download::{self, DownloadReader, Known, blocking_course};
use crate::observe::Observe;
use crate::observe::word::NoneAwaited;
use crate::time::BlockingTimer;

impl<P, C, K, O, B, T> AgentRequest<Retry<P, C, K, O, B, T>>
where
    P: Plan<Signal: BlockingSignal>,
    C: Classify<Error>,
    O: Observe<Error, Word: NoneAwaited>,
    B: BeforeBlocking,
    T: BlockingTimer,
{
    /// Downloads the body, which goes on where it broke.
    ///
    /// Nothing is sent before the body is read. A policy's [`when_ok`](Retry::when_ok) is not asked.
    ///
    /// # Errors
    ///
    /// Reading it gives a [`DownloadError`](crate::http::DownloadError). A status that is not retried is one, too,
    /// whatever the agent makes of it.
    pub fn download<'a>(self) -> DownloadReader<'a>
    where
        P: Send + 'a,
        C: Send + 'a,
        O: Send + 'a,
        B: Send + 'a,
        T: Send + 'a,
    {
        let Self { agent, builder, query, invalid, making, retry, mut rules } = self;
        let built = built(builder, invalid, &query);
        let guards = rules.guards(|| built.as_ref().map_or_else(|_| String::new(), |built| host(built.uri())));
        let hint = rules.hint();
        let plan = *retry.plan.policy().borrow();
        let known = built.as_ref().map_or_else(
            |_| Known::unbuilt(plan),
            |request| {
                let url = request.uri().to_string();
                let asked = (request.method(), &*url, request.headers());
                Known::of(rules.of(plan, asked.0, asked.2, asked.1), false, asked)
            },
        );
        let course = blocking_course(retry, guards, known);
        DownloadReader::new(download::ureq(agent, built, (making, hint), course, known.rules), known)
    }
}
