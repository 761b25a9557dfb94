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
