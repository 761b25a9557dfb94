//! What the server asks for: hostile input, read in linear time, without a panic, saturating.

use core::cell::OnceCell;
use core::time::Duration;
use std::time::SystemTime;

use ::http::HeaderMap;
use ::http::header::{DATE, RETRY_AFTER};

use super::date::{date, is_weekday};
use crate::time::wall;

/// Reads from a response's headers how long the server asks to wait; `None` if it does not, or not legibly.
///
/// The first of these that can be read decides:
///
/// 1. `retry-after-ms`, then `x-ms-retry-after-ms`: milliseconds.
/// 2. `Retry-After`: seconds, or a date in any of HTTP's three forms or as mail writes it, with any zone.
/// 3. `RateLimit` (`"default";r=0;t=30`, or `remaining=0, reset=30`), then `RateLimit-Reset`, `X-RateLimit-Reset` and
///    `X-Rate-Limit-Reset`: seconds from now, or seconds or milliseconds since 1970. They count only if the quota is
///    used up: not if the header itself says that something is left, or a `-Remaining` one says anything but 0.
///
/// A number may have a fraction. A date is read against the response's own `Date` header if it has one, so that a wrong
/// local clock does no harm, and a date in the past asks for zero. A year of two digits is at most 50 years ahead of that
/// time (RFC 9110, 5.6.7). Space around a value is skipped. Of several values the longest wait counts, because it
/// satisfies all. What can't be read (a sign, an exponent, text) is ignored, and what is absurdly large saturates: the
/// policy's [`max_hint`](crate::Policy::max_hint) ends such a run.
///
/// A header that is longer than 256 bytes or has more than 8 items, in all its lines together, is ignored. So the work
/// is bounded, whatever the server sends.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use persevere::http::retry_after;
/// use std::time::Duration;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("retry-after", HeaderValue::from_static("120"));
/// assert_eq!(retry_after(&headers), Some(Duration::from_secs(120)));
///
/// headers.insert("retry-after", HeaderValue::from_static("Fri, 31 Dec 1999 23:59:59 GMT"));
/// headers.insert("date", HeaderValue::from_static("Fri, 31 Dec 1999 23:59:50 GMT"));
/// assert_eq!(retry_after(&headers), Some(Duration::from_secs(9)));
///
/// headers.insert("retry-after", HeaderValue::from_static("-5"));
/// assert_eq!(retry_after(&headers), None);
/// ```
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    read(headers, wall)
}

/// As [`retry_after`], with the time given that counts where the response has no `Date`.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use persevere::http::retry_after_at;
/// use std::time::{Duration, SystemTime};
///
/// let mut headers = HeaderMap::new();
/// headers.insert("retry-after", HeaderValue::from_static("Thu, 01 Jan 1970 00:01:30 GMT"));
/// let now = SystemTime::UNIX_EPOCH + Duration::from_secs(60);
/// assert_eq!(retry_after_at(&headers, now), Some(Duration::from_secs(30)));
/// ```
pub fn retry_after_at(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    read(headers, || Some(now))
}

const MILLISECONDS: [&str; 2] = ["retry-after-ms", "x-ms-retry-after-ms"];

const RESETS: [&str; 3] = ["ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset"];
const REMAINING: [&str; 3] = ["ratelimit-remaining", "x-ratelimit-remaining", "x-rate-limit-remaining"];

fn read(headers: &HeaderMap, now: impl Fn() -> Option<SystemTime>) -> Option<Duration> {
    // Found once, however many dates there are to read against it.
    let moment = OnceCell::new();
    let now = || {
        let of_server = || values(headers, DATE.as_str()).find_map(|text| date(text, &now));
        *moment.get_or_init(|| of_server().or_else(&now))
    };
    let milliseconds = |name| longest(headers, name, |text| number(text, 6));
    let mut found = MILLISECONDS.into_iter().find_map(milliseconds);
    found = found.or_else(|| {
        longest(headers, RETRY_AFTER.as_str(), |text| number(text, 9).or_else(|| Some(until(date(text, now)?, now()?))))
    });
    found = found.or_else(|| values(headers, "ratelimit").filter_map(rate_limit).max());
    found.or_else(|| {
        let mut left = REMAINING.into_iter().flat_map(|name| values(headers, name)).peekable();
        // `0`, `0;w=60` or `0, 0`.
        let is_zero = |item: &str| number(item.split(';').next()?.trim(), 9).filter(Duration::is_zero);
        let is_left = left.peek().is_some() && !left.any(|text| text.split(',').find_map(is_zero).is_some());
        if is_left || values(headers, "ratelimit").any(says_left) {
            return None;
        }
        RESETS.into_iter().find_map(|name| longest(headers, name, |text| reset(text, now)))
    })
}

/// The most that is read of one header, all its lines together. Nobody who means to be understood writes more.
const LONGEST: usize = 256;
const MOST_ITEMS: usize = 8;

/// The header's lines, as text without space around it; none of a header that is too long, so that the server has no say
/// in how much work it is to read.
fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name);
    let (mut length, mut count) = (0, 0);
    let is_short = lines.iter().all(|line| {
        length += line.len();
        // A line that is no text is an item, too, and so is an empty one.
        count +=
            if length > LONGEST { 0 } else { line.to_str().map_or(1, |text| items(text).take(MOST_ITEMS + 1).count()) };
        length <= LONGEST && count <= MOST_ITEMS
    });
    let lines = is_short.then(|| lines.into_iter());
    lines.into_iter().flatten().filter_map(|value| value.to_str().ok()).map(str::trim)
}

/// What stands between commas. A weekday and the date after its comma are one item.
fn items(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    core::iter::from_fn(move || {
        let text = rest?;
        let end = match text.split_once(',') {
            None => text.len(),
            Some((weekday, date)) if is_weekday(weekday) => weekday.len() + 1 + date.find(',').unwrap_or(date.len()),
            Some((item, _)) => item.len(),
        };
        rest = text.get(end + 1..);
        text.get(..end).map(str::trim)
    })
}

/// The longest wait of all the header's items.
fn longest(headers: &HeaderMap, name: &str, read: impl Fn(&str) -> Option<Duration>) -> Option<Duration> {
    values(headers, name).flat_map(items).filter_map(read).max()
}

/// A decimal number of units of 10^`exponent` nanoseconds, saturating. No sign, no exponent, no digit but ASCII's.
fn number(text: &str, exponent: u32) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let add = |sum: u64, byte: u8| sum.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
    let whole = whole.bytes().fold(0, add).saturating_mul(10_u64.pow(exponent));
    // What is finer than a nanosecond is cut.
    let fraction = fraction.bytes().chain(core::iter::repeat(b'0')).take(exponent as usize).fold(0, add);
    Some(Duration::from_nanos(whole.saturating_add(fraction)))
}

fn until(moment: SystemTime, now: SystemTime) -> Duration {
    moment.duration_since(now).unwrap_or(Duration::ZERO)
}

/// A reset: small numbers are seconds from now, larger ones seconds since 1970, still larger ones milliseconds.
fn reset(text: &str, now: impl Fn() -> Option<SystemTime>) -> Option<Duration> {
    const YEAR_2001: u64 = 1_000_000_000;
    let since_1970 = match u64::try_from(number(text, 0)?.as_nanos()).unwrap_or(u64::MAX) {
        seconds @ YEAR_2001..100_000_000_000 => Duration::from_secs(seconds),
        milliseconds @ 100_000_000_000..100_000_000_000_000 => Duration::from_millis(milliseconds),
        // Absurd numbers saturate, as seconds.
        _ => return number(text, 9),
    };
    Some(until(SystemTime::UNIX_EPOCH.checked_add(since_1970)?, now()?))
}

/// Whether it says that something is left of any quota.
fn says_left(rate_limit: &str) -> bool {
    rate_limit
        .split([',', ';'])
        .filter_map(|part| part.trim().split_once('='))
        .any(|(name, left)| matches!(name, "r" | "remaining") && number(left, 9).is_some_and(|left| !left.is_zero()))
}

/// `"default";r=0;t=30` of the newer draft, or `limit=10, remaining=0, reset=30` of the older one: the longest wait of
/// those policies whose quota is used up.
fn rate_limit(text: &str) -> Option<Duration> {
    // Items stand between commas in the newer form; in the older one all of the text is one item.
    let older = text.split([',', ';']).any(|part| part.trim().starts_with("reset="));
    let items = text.split(move |c| !older && c == ',');
    let wait = |item: &str| {
        let mut wait = None;
        for part in item.split([';', ',']) {
            match part.trim().split_once('=') {
                Some(("r" | "remaining", left)) if !number(left, 9).is_some_and(|left| left.is_zero()) => return None,
                Some(("t" | "reset", reset)) => wait = number(reset, 9),
                _ => {}
            }
        }
        wait
    };
    items.filter_map(wait).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::{HeaderName, HeaderValue};
    use std::format;
    use std::vec::Vec;

    const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn hint(headers: &[(&'static str, &str)]) -> Option<f64> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect::<Vec<_>>();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        retry_after_at(&map, date(NOW, || None).unwrap()).map(|hint| hint.as_secs_f64())
    }

    #[test]
    fn retry_after_is_read_in_every_form() {
        let cases = [
            ("120", Some(120.0)),
            ("  7\t", Some(7.0)),
            ("007", Some(7.0)),
            ("1.5", Some(1.5)),
            ("0", Some(0.0)),
            ("5, 10", Some(10.0)),
            ("5, soon", Some(5.0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60.0)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60.0)),
            ("Sun Nov  6 08:50:37 1994", Some(60.0)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0.0)),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("1.", None),
            (".5", None),
            ("soon", None),
            ("", None),
            ("1994-11-06T08:50:37Z", None),
            ("Sun, 99 Nov 1994 08:50:37 GMT", None),
        ];
        for (value, expected) in cases {
            assert_eq!(hint(&[("retry-after", value)]), expected, "{value:?}");
        }
        let absurd = "9".repeat(256);
        assert_eq!(hint(&[("retry-after", &absurd)]), Some(Duration::from_nanos(u64::MAX).as_secs_f64()));
    }

    #[test]
    fn several_values_ask_for_the_longest() {
        assert_eq!(hint(&[("retry-after", "3"), ("retry-after", "junk"), ("retry-after", "9")]), Some(9.0));
        let (near, far) = ("Sun, 06 Nov 1994 08:49:47 GMT", "Sun, 06 Nov 1994 08:50:07 GMT");
        for several in
            [format!("20, {near}"), format!("{near}, 20"), format!("{near}, {far}"), format!("{far}, {near}")]
        {
            let longest = if several.contains(far) { 30.0 } else { 20.0 };
            assert_eq!(hint(&[("retry-after", &several)]), Some(longest), "{several}");
        }
    }

    #[test]
    fn a_date_is_read_against_the_servers_own() {
        // The local clock, a day off, plays no part.
        let date = ("date", "Mon, 07 Nov 1994 08:49:37 GMT");
        assert_eq!(hint(&[date, ("retry-after", "Mon, 07 Nov 1994 08:49:47 GMT")]), Some(10.0));
        let unreadable = ("date", "yesterday");
        assert_eq!(hint(&[unreadable, ("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT")]), Some(10.0));
    }

    #[test]
    fn milliseconds_come_first() {
        let all = [("retry-after", "9"), ("x-ms-retry-after-ms", "20"), ("retry-after-ms", "1500")];
        assert_eq!(hint(&all), Some(1.5));
        assert_eq!(hint(&all[..2]), Some(0.02));
        assert_eq!(hint(&[("retry-after", "9"), ("retry-after-ms", "junk")]), Some(9.0));
    }

    #[test]
    fn a_reset_counts_when_nothing_is_left() {
        assert_eq!(hint(&[("ratelimit", r#""default";r=0;t=30"#)]), Some(30.0));
        assert_eq!(hint(&[("ratelimit", r#""default";r=1;t=30"#)]), None);
        assert_eq!(hint(&[("ratelimit", r#""second";r=5;t=1, "day";r=0;t=70"#)]), Some(70.0));
        assert_eq!(hint(&[("ratelimit", "limit=10, remaining=0, reset=30")]), Some(30.0));
        assert_eq!(hint(&[("ratelimit", "limit=10, remaining=3, reset=30")]), None);
        assert_eq!(hint(&[("ratelimit", r#""default";r=unlimited;t=30"#)]), None);
        assert_eq!(hint(&[("ratelimit", r#""default";r=5;t=30"#), ("x-ratelimit-reset", "40")]), None);
        assert_eq!(hint(&[("ratelimit", "limit=10"), ("x-ratelimit-reset", "40")]), Some(40.0));
        assert_eq!(hint(&[("ratelimit-reset", "40")]), Some(40.0));
        assert_eq!(hint(&[("x-ratelimit-reset", "40"), ("x-ratelimit-remaining", "2")]), None);
        for used_up in ["0", "0;w=60", "0, 0", "0.0", "5, 0"] {
            assert_eq!(
                hint(&[("x-rate-limit-reset", "40"), ("x-rate-limit-remaining", used_up)]),
                Some(40.0),
                "{used_up}"
            );
        }
        for left in ["2", "5, 5", "5;w=60", "unlimited", "", "-1"] {
            assert_eq!(hint(&[("x-ratelimit-reset", "40"), ("x-ratelimit-remaining", left)]), None, "{left}");
            assert_eq!(
                hint(&[("x-ratelimit-reset", "40"), ("ratelimit-remaining", left)]),
                None,
                "{left}, spelt otherwise"
            );
        }
        assert_eq!(hint(&[("retry-after", "1"), ("ratelimit-reset", "40")]), Some(1.0));
    }

    #[test]
    fn a_reset_may_be_a_moment() {
        let date = ("date", "Sun, 09 Sep 2001 01:46:40 GMT"); // 1 000 000 000
        assert_eq!(hint(&[date, ("x-ratelimit-reset", "1000000060")]), Some(60.0));
        assert_eq!(hint(&[date, ("x-ratelimit-reset", "1000000060500")]), Some(60.5));
        assert_eq!(hint(&[date, ("x-ratelimit-reset", "1000000000")]), Some(0.0));
    }
}
