use persevere::{Policy, Retryable, retry, retry_async};
use std::io;

struct Opaque;

#[retry(clone(one))]
fn no_clone(one: Opaque) -> io::Result<u32> {
    drop(one);
    Ok(1)
}

#[retry]
fn no_value(list: &mut Vec<u32>) -> io::Result<u32> {
    list.push(1);
}

#[retry]
async fn no_value_async() -> io::Result<u32> {
    std::future::ready(()).await;
}

async fn ask() -> io::Result<u32> {
    Ok(1)
}

async fn not_awaited() -> io::Result<u32> {
    retry_async!(Policy::new(), ask())
}

#[derive(Retryable)]
enum Forwarded {
    #[retry(forward)]
    Bare(Opaque),
    #[retry(forward)]
    Named { inner: Opaque },
}

fn main() {
    drop((no_clone(Opaque), no_value(&mut Vec::new()), no_value_async(), not_awaited()));
}
