//! What a server sends as a hint is hostile input: `cargo +nightly fuzz run retry_after`.
//!
//! Each line of the input is a header: its first byte chooses the name, the rest is the value.

#![no_main]

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use persevere::http::{HttpPolicy, retry_after_at};

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

fuzz_target!(|input: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in input.split(|&byte| byte == b'\n') {
        let Some((&name, value)) = line.split_first() else { continue };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(NAMES[usize::from(name) % NAMES.len()], value);
        }
    }
    let _ = retry_after_at(&headers, SystemTime::UNIX_EPOCH);
    let _ = HttpPolicy::default().verdict(http::StatusCode::SERVICE_UNAVAILABLE, &headers);
});
