use persevere::retry;
use std::io;

#[retry(total = "3", backoff = "300ms", factor = true, jitter = 0.5, hints = "clamp", idempotent = 1, within)]
fn literals() -> io::Result<u32> {
    Ok(1)
}

#[retry(total = text.len(), backoff = 300ms)]
fn suffix(text: &str) -> io::Result<usize> {
    Ok(text.len())
}

#[retry(total = text.len(), backoff = seconds, jitter = ful)]
fn expressions(text: &str, seconds: f64) -> io::Result<usize> {
    Ok(text.len())
}

#[retry(when = |error| error.kind())]
fn not_a_verdict() -> io::Result<u32> {
    Ok(1)
}

#[retry(attempt = 3, forever = 2, clone = text, before_retry = || {}, total)]
fn special(text: &str) -> io::Result<usize> {
    Ok(text.len())
}

fn main() {
    let _ = (literals(), suffix(""), expressions("", 0.0), not_a_verdict(), special(""));
}
