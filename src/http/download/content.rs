//! What is held of the content, and what an answer adds to it. No client, no clock.

use ::http::header::{ACCEPT_ENCODING, IF_RANGE, RANGE};
use ::http::{HeaderMap, HeaderValue, StatusCode, Version};

use super::error::Cause;
use super::rules::{Asked, Decision, Facts, decide, has_visible_end};
use crate::http::HttpPolicy;
use crate::verdict::{Fault, Verdict};

/// New bytes after which the waits begin anew, unless set.
pub(crate) const EARNED: u64 = 64 * 1024;

#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) facts: Option<Facts>,
    /// The head of the answer that brought this version's first byte.
    pub(crate) headers: Option<HeaderMap>,
    /// How many bytes of this version were given on.
    pub(crate) have: u64,
    /// The furthest position of any version, and what it was when the attempt began.
    furthest: u64,
    began: u64,
    /// The same when the last request was sent. An attempt may send several.
    sent: u64,
    /// Where the body that is being read must end.
    until: Option<u64>,
    asked: Asked,
    /// Whether an answer was of no use, so that the content is asked for whole until it comes.
    anew: bool,
    /// Whether the request may ask for a part.
    parts: bool,
    #[cfg_attr(not(feature = "files"), allow(dead_code))]
    pub(crate) key: u64,
    pub(crate) settings: Settings,
    /// Whether no attempt can help.
    pub(crate) hopeless: bool,
}

/// What the caller said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) restarts: Option<u32>,
    pub(crate) earned: u64,
    pub(crate) invisible_end: bool,
}

/// What to do with an answer.
#[derive(Debug)]
pub(crate) enum Then {
    /// Read the body.
    Read,
    /// All of it had come before.
    Whole,
    /// Ask for the whole content, at once.
    AskAgain,
    /// Give up, or wait: this is the outcome.
    Fail(Verdict, Cause),
}

/// What the end of a body means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Whole,
    /// The server gave all that it announced, which is not all that there is.
    Rest,
    /// The body ended before it should.
    Cut,
}

impl Content {
    pub(crate) const fn new(parts: bool, key: u64) -> Self {
        Self {
            facts: None,
            headers: None,
            have: 0,
            furthest: 0,
            began: 0,
            sent: 0,
            until: None,
            asked: Asked::Whole,
            anew: false,
            parts,
            key,
            settings: Settings { restarts: None, earned: EARNED, invisible_end: false },
            hopeless: false,
        }
    }

    pub(crate) fn total(&self) -> Option<u64> {
        self.facts.as_ref().and_then(|facts| facts.total)
    }

    /// Goes on where an earlier process stood.
    #[cfg(feature = "files")]
    pub(crate) fn resume(&mut self, facts: Facts, have: u64) {
        self.facts = Some(facts);
        (self.have, self.furthest, self.began) = (have, have, have);
    }

    /// Whether all of it is held, so that there is nothing to ask for.
    #[cfg(feature = "files")]
    pub(crate) fn is_whole(&self) -> bool {
        self.have > 0 && self.total() == Some(self.have)
    }

    /// Begins an attempt.
    pub(crate) const fn begin(&mut self) {
        self.began = self.furthest;
    }

    /// What the next request asks for.
    fn next(&self) -> (Asked, Option<&HeaderValue>) {
        let validator = self.facts.as_ref().and_then(|facts| facts.if_range.as_ref());
        match validator {
            Some(validator) if self.have > 0 && self.parts && !self.anew => (Asked::From(self.have), Some(validator)),
            _ => (Asked::Whole, None),
        }
    }

    /// Whether another attempt can help: what is held can be continued, or thrown away.
    pub(crate) fn can_go_on(&self) -> bool {
        !self.hopeless && (self.have == 0 || self.settings.restarts.unwrap_or(0) > 0 || self.next().0 != Asked::Whole)
    }

    /// Writes into a request what it asks for.
    pub(crate) fn ask(&mut self, headers: &mut HeaderMap) {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let (asked, validator) = self.next();
        if let (Asked::From(from), Some(validator)) = (asked, validator) {
            // Digits and a dash are always a value.
            if let Ok(range) = HeaderValue::try_from(std::format!("bytes={from}-")) {
                headers.insert(RANGE, range);
                headers.insert(IF_RANGE, validator.clone());
            }
        }
        self.asked = asked;
        self.sent = self.furthest;
    }

    /// Takes the head of an answer.
    pub(crate) fn head(
        &mut self,
        rules: &HttpPolicy,
        status: StatusCode,
        version: Version,
        headers: &HeaderMap,
    ) -> Then {
        const GIVE_UP: Verdict = Verdict::permanent();
        match decide(self.facts.as_ref(), self.asked, status, headers) {
            Decision::Begin(_) if !self.settings.invisible_end && !has_visible_end(version, headers) => {
                Then::Fail(GIVE_UP, Cause::InvisibleEnd)
            }
            Decision::Begin(facts) => {
                if !self.discard() {
                    return Then::Fail(GIVE_UP, Cause::Changed);
                }
                self.anew = false;
                self.until = facts.total;
                self.facts = Some(facts);
                self.headers = Some(headers.clone());
                Then::Read
            }
            Decision::Continue { until } => {
                self.until = Some(until);
                Then::Read
            }
            Decision::Complete => Then::Whole,
            Decision::AskAnew if self.settings.restarts.unwrap_or(0) == 0 => Then::Fail(GIVE_UP, Cause::Changed),
            Decision::AskAnew => {
                self.anew = true;
                Then::AskAgain
            }
            Decision::Unasked => Then::Fail(GIVE_UP, Cause::Unasked),
            Decision::Status => {
                let verdict = rules.verdict(status, headers).unwrap_or(GIVE_UP.with_fault(Fault::Status));
                Then::Fail(verdict.with_status(status.as_u16()), Cause::Status(status))
            }
        }
    }

    /// Throws away what is held, if that is allowed.
    fn discard(&mut self) -> bool {
        if self.have > 0 {
            let left = self.settings.restarts.unwrap_or(0).checked_sub(1);
            if left.is_none() {
                return false;
            }
            self.settings.restarts = left;
            self.have = 0;
        }
        true
    }

    /// Takes so many bytes of the body.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Cause> {
        let have = self.have.saturating_add(bytes as u64);
        if self.until.is_some_and(|until| have > until) {
            return Err(Cause::TooLong);
        }
        self.have = have;
        self.furthest = self.furthest.max(have);
        Ok(())
    }

    /// Takes the end of the body.
    pub(crate) fn end(&self) -> Ended {
        match self.until {
            Some(until) if self.have < until => Ended::Cut,
            Some(until) if self.total().is_some_and(|total| until < total) => Ended::Rest,
            _ => Ended::Whole,
        }
    }

    /// Whether the last request brought so much that the rest may be asked for without a pause.
    pub(crate) const fn may_ask_on(&self) -> bool {
        self.furthest - self.sent >= self.settings.earned
    }

    /// Adds to the verdict on a failure what is known of the content.
    pub(crate) fn judge(&self, mut verdict: Verdict) -> Verdict {
        if self.furthest > self.began {
            let earned = self.furthest - self.began >= self.settings.earned;
            verdict = if earned { verdict.earned() } else { verdict.progressed() };
        }
        verdict.transient &= self.can_go_on();
        verdict
    }
}

/// The verdict on a body that ended before it should, without an error.
pub(crate) const CUT: Verdict = Verdict::transient().with_fault(Fault::Read);
