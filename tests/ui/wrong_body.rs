use persevere::retry;
use std::io;

#[retry]
fn blocking() -> io::Result<u32> {
    Ok("one")
}

#[derive(persevere::Retryable)]
#[retry(permanent)]
struct Malformed;

#[retry]
async fn waiting(text: &str) -> Result<u32, Malformed> {
    let number: u32 = text.parse()?;
    Ok(number)
}

#[retry]
fn not_async() -> io::Result<u32> {
    std::future::ready(Ok(1)).await
}

#[retry(before_retry = { 1 + 1 })]
fn hook() -> io::Result<u32> {
    Ok("".len() as u32)
}

#[retry(before_retry = |event| async move { drop(event) })]
async fn hook_with_a_future() -> io::Result<u32> {
    Ok(1)
}

fn main() {
    let _ = (blocking(), waiting(""), not_async(), hook(), hook_with_a_future());
}
