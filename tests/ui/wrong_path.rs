use persevere::{Retryable, prelude, retry, retry_async};
use std::io;

#[retry(crate = "persevere")]
fn quoted() -> io::Result<u32> {
    Ok(1)
}

#[derive(Retryable)]
#[retry(crate = "persevere", transient)]
struct Quoted;

fn hook_in_place() -> io::Result<u32> {
    prelude::retry!(persevere::Policy::new(), before_retry = |_| {}, Ok(1))
}

async fn hook_in_place_async() -> io::Result<u32> {
    retry_async!(persevere::Policy::new(), before_retry = reconnect().await, Ok(1))
}

#[retry(before_retry = |event|)]
fn hook_without_a_body() -> io::Result<u32> {
    Ok(1)
}

#[retry]
fn into_one() -> impl Into<io::Result<u32>> {
    Ok(1)
}

fn main() {}
