//! Headers that say how long to wait, made up at random.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue};
use persevere::http::{retry_after, retry_after_at};
use proptest::prelude::*;

proptest! {
    #[test]
    fn no_value_panics(values in proptest::collection::vec((0..9_usize, proptest::collection::vec(0x20..=0xff_u8, 0..80)), 0..6)) {
        const NAMES: [&str; 9] = ["retry-after", "retry-after-ms", "x-ms-retry-after-ms", "date", "ratelimit",
            "ratelimit-reset", "x-ratelimit-reset", "x-ratelimit-remaining", "x-rate-limit-reset"];
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.append(NAMES[name], value);
            }
        }
        let _ = retry_after_at(&headers, SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn whole_seconds_are_exact(seconds in 0..18_000_000_000_u64) {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from(seconds));
        prop_assert_eq!(retry_after(&headers), Some(Duration::from_secs(seconds)));
    }

    #[test]
    fn every_date_is_read_back(seconds in 0..250_000_000_000_u64) {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", HeaderValue::from_str(&httpdate::fmt_http_date(moment)).unwrap());
        let hint = retry_after_at(&headers, SystemTime::UNIX_EPOCH);
        prop_assert_eq!(hint, Some(Duration::from_secs(seconds)));
    }
}

const NAMES: [&str; 11] = [
    "retry-after",
    "retry-after-ms",
    "x-ms-retry-after-ms",
    "date",
    "ratelimit",
    "ratelimit-reset",
    "ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-remaining",
    "x-rate-limit-reset",
    "x-rate-limit-remaining",
];

/// What a header may be made of: pieces that mean something, and any bytes.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        ",",
        ", ",
        ";",
        "=",
        " ",
        ":",
        "-",
        ".",
        "0",
        "7",
        "60",
        "99999999999999999999",
        "Sun",
        "Sunday",
        "Nov",
        "GMT",
        "+0100",
        "08:49:60",
        "06-Nov-45",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "r=0",
        "t=30",
        "remaining=0",
        "reset=30",
        "29 Feb 2023 23:59:60",
    ]);
    prop_oneof![known.prop_map(|text| text.as_bytes().to_vec()), prop::collection::vec(0x20..=0xff_u8, 0..12),]
}

/// One thing that a server may ask for: how it is written, and how long after the time of the response that is.
fn asked() -> impl Strategy<Value = (String, Duration)> {
    let date = (0_u64..4_000, 0..6_usize).prop_map(|(ahead, form)| {
        let moment = RESPONSE + ahead;
        (written(moment, form), Duration::from_secs(ahead))
    });
    prop_oneof![
        (0_u64..10_000_000_000).prop_map(|seconds| (seconds.to_string(), Duration::from_secs(seconds))),
        (0_u64..1_000_000, 0_u32..1000).prop_map(|(seconds, thousandths)| {
            (format!("{seconds}.{thousandths:03}"), Duration::new(seconds, thousandths * 1_000_000))
        }),
        date,
    ]
}

/// Fri, 03 Nov 1995 00:00:00 GMT: no date that is asked for here leaves the year.
const RESPONSE: u64 = 815_356_800;

/// A moment in each form. The second 0 of a minute is written as the leap second before it.
fn written(moment: u64, form: usize) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text =
        httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(moment - u64::from(moment % 60 == 0)));
    let text = if moment % 60 == 0 { text.replace(":59 GMT", ":60 GMT") } else { text };
    let words: Vec<&str> = text.split(' ').collect();
    let [weekday, day, month, year, time, _] = words[..] else { panic!("{text}") };
    assert!(MONTHS.contains(&month));
    let short = &weekday[..3];
    match form {
        0 => text,
        1 => format!("Friday, {day}-{month}-{} {time} GMT", &year[2..]),
        2 => format!("{short} {month} {:>2} {time} {year}", day.trim_start_matches('0')),
        3 => format!("{weekday} {day} {month} {year} {time} +0000"),
        4 => format!("{day} {month} {} {time} Z", &year[2..]),
        _ => format!("{weekday} {day}-{month}-{year} {time}"),
    }
}

/// The time of the response: by a clock, or by its own header.
fn hint_at_response(headers: &mut HeaderMap, by_header: bool) -> Option<Duration> {
    let response = SystemTime::UNIX_EPOCH + Duration::from_secs(RESPONSE);
    if by_header {
        headers.insert("date", HeaderValue::from_static("Fri, 03 Nov 1995 00:00:00 GMT"));
        return retry_after_at(headers, response + Duration::from_secs(1_000_000));
    }
    retry_after_at(headers, response)
}

proptest! {
    #[test]
    fn whatever_stands_in_the_headers_they_are_read_to_an_end(
        lines in prop::collection::vec((0..NAMES.len(), prop::collection::vec(piece(), 0..40)), 0..40),
        seconds in any::<u32>(),
    ) {
        let mut headers = HeaderMap::new();
        for (name, pieces) in lines {
            if let Ok(value) = HeaderValue::from_bytes(&pieces.concat()) {
                headers.append(NAMES[name], value);
            }
        }
        let _ = retry_after_at(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.into()));
        let _ = retry_after_at(&headers, SystemTime::UNIX_EPOCH);
        let _ = retry_after(&headers);
    }

    /// In one line or in several: the longest that was asked for, never later, and never sooner.
    #[test]
    fn the_longest_of_what_is_asked_is_the_hint_to_the_nanosecond(
        lines in prop::collection::vec(prop::collection::vec(asked(), 1..4), 1..4),
        by_header in any::<bool>(),
    ) {
        let mut headers = HeaderMap::new();
        let (mut length, mut count, mut longest) = (0, 0, Duration::ZERO);
        for line in &lines {
            let texts: Vec<&str> = line.iter().map(|(text, _)| text.as_str()).collect();
            let text = texts.join(", ");
            length += text.len();
            count += line.len();
            longest = longest.max(line.iter().map(|&(_, wait)| wait).max().unwrap());
            headers.append("retry-after", HeaderValue::from_str(&text).unwrap());
        }
        let hint = hint_at_response(&mut headers, by_header);
        let is_short = length <= 256 && count <= 8;
        prop_assert_eq!(hint, is_short.then_some(longest), "{:?}", lines);
    }

    /// Whatever stands beside it, what can be read is never taken for more than it says.
    #[test]
    fn no_hint_is_later_than_the_latest_that_was_asked(
        (text, wait) in asked(),
        junk in prop::collection::vec(prop::sample::select(vec![
            "soon", "-9", "+9", "9e9", "1.", ".5", "", " ", "Sun", "Sunday", "06 Nov", "99:99:99", "Fri, 32 Nov 1999 00:00:00 GMT",
            "\u{663}", "0x9", "1 2", "9s", "9;q=1", "Nov  6 08:49:61 1999", "Sun, Sun",
        ]), 0..5),
        place in 0..6_usize,
    ) {
        let mut items = junk;
        items.insert(place.min(items.len()), &text);
        let value = items.join(",");
        prop_assume!(value.len() <= 256);
        let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) else { return Ok(()) };
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", value);
        let hint = hint_at_response(&mut headers, false);
        // A value that is no text as a whole is not read, nor a date behind a weekday of another.
        prop_assert!(hint.is_none_or(|hint| hint == wait), "{items:?}: {hint:?}");
    }
}

fn headers_of(lines: &[(&'static str, String)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// For every header that gives a wait: how an item of it that asks for 7 is written, and the hint.
const ASKS: [(&str, &str, Duration); 7] = [
    ("retry-after", "7", Duration::from_secs(7)),
    ("retry-after-ms", "7", Duration::from_millis(7)),
    ("x-ms-retry-after-ms", "7", Duration::from_millis(7)),
    ("ratelimit", "\"a\";r=0;t=7", Duration::from_secs(7)),
    ("ratelimit-reset", "7", Duration::from_secs(7)),
    ("x-ratelimit-reset", "7", Duration::from_secs(7)),
    ("x-rate-limit-reset", "7", Duration::from_secs(7)),
];

#[test]
fn a_header_with_more_than_8_items_is_ignored_in_one_line_and_in_many() {
    for (name, item, wait) in ASKS {
        for (count, expected) in [(1, Some(wait)), (8, Some(wait)), (9, None), (1000, None)] {
            let one = headers_of(&[(name, vec![item; count.min(9)].join(","))]);
            assert_eq!(retry_after(&one), expected, "{name}, {count} in one line");
            let many = headers_of(&vec![(name, item.to_owned()); count]);
            assert_eq!(retry_after(&many), expected, "{name}, {count} lines");
            // Empty ones are items, too, and so are lines that are no text.
            let mut empty = headers_of(&vec![(name, String::new()); count - 1]);
            empty.append(name, HeaderValue::from_str(item).unwrap());
            assert_eq!(retry_after(&empty), expected, "{name}, {count} lines, most of them empty");
            let mut opaque = HeaderMap::new();
            for _ in 1..count {
                opaque.append(name, HeaderValue::from_bytes(b"\xff").unwrap());
            }
            opaque.append(name, HeaderValue::from_str(item).unwrap());
            assert_eq!(retry_after(&opaque), expected, "{name}, {count} lines, most of them no text");
        }
    }
}

#[test]
fn a_header_of_more_than_256_bytes_is_ignored_in_one_line_and_in_many() {
    for (name, item, wait) in ASKS {
        for (length, expected) in [(256, Some(wait)), (257, None), (4096, None), (400_000, None)] {
            let padded = format!("{}{item}", " ".repeat(length - item.len()));
            let one = headers_of(&[(name, padded.clone())]);
            assert_eq!(retry_after(&one), expected, "{name}, {length} bytes in one line");
            let (first, second) = padded.split_at(length / 2);
            let two = headers_of(&[(name, first.to_owned()), (name, second.to_owned())]);
            assert_eq!(retry_after(&two), expected, "{name}, {length} bytes in two lines");
        }
    }
}

#[test]
fn another_header_that_is_too_long_says_nothing() {
    let long = "1".repeat(257);
    // It neither says that something is left, nor what time it is.
    for name in ["x-ratelimit-remaining", "ratelimit-remaining", "x-rate-limit-remaining"] {
        let headers = headers_of(&[("x-ratelimit-reset", "7".into()), (name, long.clone())]);
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)), "{name}");
    }
    let date = "Fri, 03 Nov 1995 00:00:00 GMT";
    let headers = headers_of(&[("date", format!("{}{date}", " ".repeat(256))), ("retry-after", date.into())]);
    assert_eq!(retry_after_at(&headers, SystemTime::UNIX_EPOCH), Some(Duration::from_secs(RESPONSE)));
    // One that is too long does not hide the next.
    let headers = headers_of(&[("retry-after-ms", long), ("retry-after", "7".into())]);
    assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
}

/// A weekday and its date are one item: eight dates are read.
#[test]
fn eight_dates_are_read_and_nine_are_not() {
    let date = |second: u64| written(RESPONSE + second, 0);
    for (count, expected) in [(8, Some(Duration::from_secs(8))), (9, None)] {
        let lines: Vec<_> = (1..=count).map(|second| ("retry-after", date(second))).collect();
        let mut headers = headers_of(&lines);
        // Nine are above 256 bytes, too.
        assert_eq!(hint_at_response(&mut headers, true), expected, "{count}");
    }
    let eight =
        (1..=8).map(|second| written(RESPONSE + second, 1).replace("Friday", "Fri")).collect::<Vec<_>>().join(",");
    assert_eq!(hint_at_response(&mut headers_of(&[("retry-after", eight)]), true), Some(Duration::from_secs(8)));
}
