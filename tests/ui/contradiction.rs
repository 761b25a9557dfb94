use persevere::retry;
use std::io;

#[retry(backoff = 10, max_wait = 1)]
fn backoff_above_max() -> io::Result<u32> {
    Ok(1)
}

#[retry(total = 5, factor = 0.5)]
fn shrinking() -> io::Result<u32> {
    Ok(1)
}

#[retry(within = 0)]
fn no_time() -> io::Result<u32> {
    Ok(1)
}

#[retry(forever, backoff = 0)]
fn spinning() -> io::Result<u32> {
    Ok(1)
}

#[retry(attempt_timeout = 0)]
async fn cut_at_once() -> io::Result<u32> {
    Ok(1)
}

fn main() {
    let _ = (backoff_above_max(), shrinking(), no_time(), spinning(), cut_at_once());
}
