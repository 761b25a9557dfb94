//! Whether a download may go on where it broke: heads and facts in, a decision out. No client, no clock.
//!
//! The rules are those of RFC 9110. Two pieces belong together only if a strong validator says that they are of one
//! version of the content (15.3.7.3). In doubt what is held is thrown away, and the content is asked for anew.

use ::http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, HeaderName,
    LAST_MODIFIED, TRANSFER_ENCODING,
};
use ::http::{HeaderMap, HeaderValue, StatusCode, Version};
use core::time::Duration;

use crate::http::date::date;
use crate::time::wall;

/// What is known of the version of the content that is being downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// What an `If-Range` header may say, byte for byte as it came; `None` if no part can be asked for.
    pub(crate) if_range: Option<HeaderValue>,
    pub(crate) total: Option<u64>,
    pub(crate) etag: Option<HeaderValue>,
    pub(crate) last_modified: Option<HeaderValue>,
    pub(crate) encoding: Option<HeaderValue>,
}

impl Facts {
    /// Reads them in the head of a response with the whole content.
    ///
    /// A client that decodes a body by itself removes its `Content-Length`, because that counts encoded bytes. Positions
    /// in what such a client gives mean nothing to the server. So without a length nothing is continued.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let one = |name| only(headers, &name).cloned();
        let total = only(headers, &CONTENT_LENGTH).and_then(number_of);
        let (etag, last_modified) = (one(ETAG), one(LAST_MODIFIED));
        let refuses = headers.get_all(ACCEPT_RANGES).iter().any(|units| units.as_bytes().eq_ignore_ascii_case(b"none"));
        let validator = if headers.contains_key(ETAG) {
            // A date may not stand in for a weak tag (13.1.5).
            etag.clone().filter(is_strong)
        } else {
            last_modified.clone().filter(|modified| is_settled(modified, only(headers, &DATE)))
        };
        let if_range = validator.filter(|_| total.is_some() && !refuses);
        Self { if_range, total, etag, last_modified, encoding: one(CONTENT_ENCODING) }
    }

    /// Whether a header of a later answer says the same as the first answer did. One that is left out says nothing: a
    /// server that has compared an `If-Range` should leave such headers out (15.3.7).
    fn agree(&self, headers: &HeaderMap) -> bool {
        let same = |name: HeaderName, before: &Option<HeaderValue>| {
            headers.get_all(name).iter().all(|now| before.as_ref() == Some(now))
        };
        same(ETAG, &self.etag) && same(LAST_MODIFIED, &self.last_modified) && same(CONTENT_ENCODING, &self.encoding)
    }
}

/// Whether a body that is cut differs from one that ends. Without a length and without chunks the end of the connection
/// is the end of the body (RFC 9112, 6.3). HTTP/2 and later mark the end.
pub(crate) fn has_visible_end(version: Version, headers: &HeaderMap) -> bool {
    version >= Version::HTTP_2 || headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING)
}

/// What the next request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of it, without a `Range`.
    Whole,
    /// What comes from this position on, with `If-Range`.
    From(u64),
}

/// What follows from the head of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The body is the whole content of this version; what was held is thrown away.
    Begin(Facts),
    /// The body goes on where what is held ends, up to this position.
    Continue { until: u64 },
    /// What is held is the whole content.
    Complete,
    /// Throw away what is held, and ask for the whole content.
    AskAnew,
    /// A part was sent that nobody asked for. Give up.
    Unasked,
    /// The status decides whether to wait and ask for the same again, or to give up and leave what is held.
    Status,
}

/// Decides what the head of a response means for a download that asked for this.
pub(crate) fn decide(facts: Option<&Facts>, asked: Asked, status: StatusCode, headers: &HeaderMap) -> Decision {
    match (status, asked, facts) {
        (StatusCode::OK, ..) => Decision::Begin(Facts::of(headers)),
        (StatusCode::PARTIAL_CONTENT, Asked::From(have), Some(facts)) => part(facts, have, headers),
        (StatusCode::PARTIAL_CONTENT, ..) => Decision::Unasked,
        (StatusCode::RANGE_NOT_SATISFIABLE, Asked::From(have), Some(facts)) => {
            let end = only(headers, &CONTENT_RANGE).and_then(unsatisfied);
            // The whole had come, but not the word that it was the end (15.5.17).
            let whole = end == Some(have) && facts.total.is_none_or(|total| total == have);
            if whole { Decision::Complete } else { Decision::AskAnew }
        }
        (StatusCode::PRECONDITION_FAILED, Asked::From(_), _) => Decision::AskAnew,
        _ => Decision::Status,
    }
}

/// A 206: it goes on only if it begins where what is held ends, and nothing it says speaks of another version.
fn part(facts: &Facts, have: u64, headers: &HeaderMap) -> Decision {
    let multipart = headers.get(CONTENT_TYPE).is_some_and(|kind| begins_with(kind, b"multipart/byteranges"));
    let Some((first, last, total)) = only(headers, &CONTENT_RANGE).and_then(range).filter(|_| !multipart) else {
        return Decision::AskAnew;
    };
    let same_total = total.zip(facts.total).is_none_or(|(now, before)| now == before);
    let inside = total.or(facts.total).is_none_or(|total| last < total);
    let length = only(headers, &CONTENT_LENGTH).and_then(number_of);
    let same_length = length.is_none_or(|length| length == last - first + 1);
    if first == have && same_total && inside && same_length && facts.agree(headers) {
        Decision::Continue { until: last + 1 }
    } else {
        Decision::AskAnew
    }
}

/// The header's value, if it stands there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn begins_with(value: &HeaderValue, start: &[u8]) -> bool {
    value.as_bytes().get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

/// Digits and nothing else: no sign, which `parse` would take. Below `u64::MAX`, so that a position can follow.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&number| digits && number < u64::MAX)
}

fn number_of(value: &HeaderValue) -> Option<u64> {
    number(value.to_str().ok()?)
}

/// A strong entity tag (8.8.3): quoted, and not marked as weak.
fn is_strong(tag: &HeaderValue) -> bool {
    let bytes = tag.as_bytes();
    bytes.len() >= 2 && bytes.starts_with(b"\"") && bytes.ends_with(b"\"") && !bytes[1..bytes.len() - 1].contains(&b'"')
}

/// Whether a `Last-Modified` is a strong validator: at least a second before the same answer's own `Date` (8.8.2.2).
fn is_settled(modified: &HeaderValue, answered: Option<&HeaderValue>) -> bool {
    let moment = |value: &HeaderValue| date(value.to_str().ok()?, wall);
    let Some((modified, answered)) = moment(modified).zip(answered.and_then(moment)) else { return false };
    answered.duration_since(modified).is_ok_and(|age| age >= Duration::from_secs(1))
}

/// `bytes first-last/total`, or `*` for a total that the server does not know.
fn range(value: &HeaderValue) -> Option<(u64, u64, Option<u64>)> {
    let (range, total) = unit(value)?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let total = if total == "*" { None } else { Some(number(total)?) };
    (first <= last).then_some((first, last, total))
}

/// `bytes */total`.
fn unsatisfied(value: &HeaderValue) -> Option<u64> {
    number(unit(value)?.strip_prefix("*/")?)
}

/// What stands behind the unit `bytes`.
fn unit(value: &HeaderValue) -> Option<&str> {
    let (unit, rest) = value.to_str().ok()?.split_once(' ')?;
    unit.eq_ignore_ascii_case("bytes").then(|| rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: (&str, &str) = ("etag", "\"v1\"");
    const MODIFIED: (&str, &str) = ("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT");
    const LENGTH: (&str, &str) = ("content-length", "100");

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn if_range(list: &[(&'static str, &'static str)]) -> Option<HeaderValue> {
        Facts::of(&headers(list)).if_range
    }

    #[test]
    fn a_part_is_asked_for_only_with_a_strong_validator() {
        let tag = Some(HeaderValue::from_static("\"v1\""));
        assert_eq!(if_range(&[TAG, LENGTH]), tag);
        assert_eq!(if_range(&[TAG, MODIFIED, LENGTH]), tag);
        for weak in ["W/\"v1\"", "v1", "\"v1", "\"", "\"v\"1\""] {
            assert_eq!(if_range(&[("etag", weak), LENGTH]), None, "{weak}");
            let later = ("date", "Wed, 21 Oct 2015 07:29:00 GMT");
            assert_eq!(if_range(&[("etag", weak), MODIFIED, later, LENGTH]), None, "{weak} beside a date");
        }
        assert_eq!(if_range(&[TAG, ("etag", "\"v2\""), LENGTH]), None, "two tags");
        assert_eq!(if_range(&[LENGTH]), None);
        assert_eq!(if_range(&[TAG, LENGTH, ("accept-ranges", "None")]), None);
        assert_eq!(if_range(&[TAG, LENGTH, ("accept-ranges", "bytes")]), tag);
        assert_eq!(if_range(&[TAG]), None, "a client that decodes has removed the length");
        assert_eq!(if_range(&[TAG, ("content-length", "+5")]), None);
    }

    #[test]
    fn a_date_is_strong_a_second_before_the_answers_own() {
        let dated = |date| if_range(&[MODIFIED, ("date", date), LENGTH]).is_some();
        assert!(dated("Wed, 21 Oct 2015 07:28:01 GMT"));
        assert!(!dated("Wed, 21 Oct 2015 07:28:00 GMT"));
        assert!(!dated("Wed, 21 Oct 2015 07:27:00 GMT"));
        assert!(!dated("yesterday"));
        assert_eq!(if_range(&[MODIFIED, LENGTH]), None, "an answer without a date");
    }

    /// The decision for a download of 100 bytes that holds 40.
    fn after(status: u16, list: &[(&'static str, &'static str)]) -> Decision {
        let facts = Facts::of(&headers(&[TAG, MODIFIED, LENGTH]));
        decide(Some(&facts), Asked::From(40), StatusCode::from_u16(status).unwrap(), &headers(list))
    }

    #[test]
    fn a_part_goes_on_only_where_what_is_held_ends() {
        let range = |value| after(206, &[("content-range", value)]);
        assert_eq!(range("bytes 40-99/100"), Decision::Continue { until: 100 });
        assert_eq!(range("BYTES 40-99/*"), Decision::Continue { until: 100 });
        assert_eq!(range("bytes 40-59/100"), Decision::Continue { until: 60 });
        for wrong in [
            "bytes 41-99/100",
            "bytes 39-99/100",
            "bytes 0-99/100",
            "bytes 40-99/101",
            "bytes 40-100/100",
            "bytes 40-100/*",
            "bytes 99-40/100",
            "bytes +40-99/100",
            "bytes 40-99",
            "bytes=40-99/100",
            "items 40-99/100",
            "bytes 40-99/",
            "bytes */100",
            "bytes -99/100",
            "bytes 40-18446744073709551615/*",
            "",
            "40-99/100",
        ] {
            assert_eq!(range(wrong), Decision::AskAnew, "{wrong}");
        }
        assert_eq!(after(206, &[]), Decision::AskAnew);
        let twice = [("content-range", "bytes 40-99/100"), ("content-range", "bytes 40-99/100")];
        assert_eq!(after(206, &twice), Decision::AskAnew);
    }

    #[test]
    fn a_part_that_speaks_of_another_version_is_not_taken() {
        let with = |name, value| after(206, &[("content-range", "bytes 40-99/100"), (name, value)]);
        let goes_on = Decision::Continue { until: 100 };
        assert_eq!(with("etag", "\"v1\""), goes_on);
        assert_eq!(with(MODIFIED.0, MODIFIED.1), goes_on);
        assert_eq!(with("content-length", "60"), goes_on);
        assert_eq!(with("etag", "\"v2\""), Decision::AskAnew);
        assert_eq!(with("etag", "W/\"v1\""), Decision::AskAnew);
        assert_eq!(with("last-modified", "Wed, 21 Oct 2015 07:28:01 GMT"), Decision::AskAnew);
        assert_eq!(with("content-encoding", "gzip"), Decision::AskAnew);
        assert_eq!(with("content-type", "Multipart/byteranges; boundary=x"), Decision::AskAnew);
        assert_eq!(with("content-length", "61"), Decision::AskAnew);
        assert_eq!(with("content-type", "text/plain"), goes_on);
    }

    #[test]
    fn other_answers_begin_end_or_are_judged_by_their_status() {
        assert!(matches!(after(200, &[("etag", "\"v2\"")]), Decision::Begin(_)));
        assert_eq!(after(416, &[("content-range", "bytes */40")]), Decision::AskAnew, "the total was 100");
        assert_eq!(after(412, &[]), Decision::AskAnew);
        for status in [204, 301, 304, 400, 401, 403, 404, 408, 410, 425, 429, 451, 500, 501, 502, 503, 504] {
            assert_eq!(after(status, &[]), Decision::Status, "{status}");
        }
        let fresh = |status| decide(None, Asked::Whole, StatusCode::from_u16(status).unwrap(), &HeaderMap::new());
        assert_eq!(fresh(206), Decision::Unasked);
        assert_eq!(fresh(416), Decision::Status);
        assert_eq!(fresh(412), Decision::Status);
    }

    #[test]
    fn only_a_length_chunks_or_http_2_show_where_a_body_ends() {
        let shows = |version, list: &[_]| has_visible_end(version, &headers(list));
        assert!(!shows(Version::HTTP_11, &[TAG]));
        assert!(!shows(Version::HTTP_10, &[]));
        assert!(shows(Version::HTTP_11, &[LENGTH]));
        assert!(shows(Version::HTTP_11, &[("transfer-encoding", "chunked")]));
        assert!(shows(Version::HTTP_2, &[]));
        assert!(shows(Version::HTTP_3, &[]));
    }

    #[test]
    fn what_is_held_is_whole_if_the_server_has_no_more() {
        let mut facts = Facts::of(&headers(&[TAG, LENGTH]));
        let past = |facts: &Facts, end| {
            decide(
                Some(facts),
                Asked::From(100),
                StatusCode::RANGE_NOT_SATISFIABLE,
                &headers(&[("content-range", end)]),
            )
        };
        assert_eq!(past(&facts, "bytes */100"), Decision::Complete);
        assert_eq!(past(&facts, "bytes */101"), Decision::AskAnew);
        assert_eq!(past(&facts, "bytes 0-1/100"), Decision::AskAnew);
        facts.total = None;
        assert_eq!(past(&facts, "bytes */100"), Decision::Complete);
    }
}
