//! Response headers that ask to wait: plain ones, and what a hostile server makes of them.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue};

/// Every header that a hint is looked for in.
const NAMES: [&str; 11] = [
    "retry-after-ms",
    "x-ms-retry-after-ms",
    "retry-after",
    "date",
    "ratelimit",
    "ratelimit-remaining",
    "x-ratelimit-remaining",
    "x-rate-limit-remaining",
    "ratelimit-reset",
    "x-ratelimit-reset",
    "x-rate-limit-reset",
];

/// The time at which the response came.
#[must_use]
pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// Headers, and what they are called in the table.
#[must_use]
pub fn rows() -> Vec<(&'static str, HeaderMap)> {
    // A zone that is wrong is found last, and a year of two digits takes longest.
    let date = "Mon,1-Jan-99 0:00:00 +0160";
    let dates = [date; 8].join(",");
    let everywhere = |line: &str, lines| of(&NAMES.map(|name| (name, line.to_owned(), lines)));
    let costliest = |name| match name {
        "retry-after" | "date" => dates.clone(),
        "ratelimit" => ";".repeat(256),
        _ => format!("{:>256}", ["0;"; 8].join(",")),
    };
    vec![
        ("none", HeaderMap::new()),
        ("a number", of(&[("retry-after", "120".into(), 1)])),
        ("a date", of(&[("retry-after", "Fri, 15 Jan 2027 08:02:00 GMT".into(), 1)])),
        ("8 dates that are wrong at their end", of(&[("retry-after", dates.clone(), 1), ("date", date.into(), 8)])),
        ("256 bytes in every header: dates", everywhere(&dates, 1)),
        ("256 bytes in every header: digits", everywhere(&"9".repeat(256), 1)),
        ("256 bytes in every header: semicolons", everywhere(&";".repeat(256), 1)),
        ("256 bytes in every header: spaces and `=`", everywhere(&" =".repeat(128), 1)),
        ("256 bytes in every header: the costliest for each", of(&NAMES.map(|name| (name, costliest(name), 1)))),
        ("8 lines in every header", everywhere(date, 8)),
        ("4 KiB in every header", everywhere(&"9".repeat(4 << 10), 1)),
        ("400 KiB in every header", everywhere(&"Mon,".repeat(100 << 10), 1)),
        ("2 000 lines in every header", everywhere("", 2_000)),
    ]
}

fn of(headers: &[(&'static str, String, usize)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value, lines) in headers {
        for _ in 0..*lines {
            map.append(*name, HeaderValue::from_str(value).expect("it is visible ASCII"));
        }
    }
    map
}
