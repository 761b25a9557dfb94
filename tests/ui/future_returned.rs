use persevere::retry;
use std::io;
use std::pin::Pin;

#[retry]
fn opaque() -> impl Future<Output = io::Result<u32>> {
    async { Ok(1) }
}

#[retry]
fn boxed(number: u32) -> Pin<Box<dyn Future<Output = io::Result<u32>> + Send>> {
    let doubled = number * 2;
    Box::pin(async move { Ok(doubled) })
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;

#[retry]
fn named() -> BoxFuture<io::Result<u32>> {
    Box::pin(async { Ok(1) })
}

fn main() {
    drop((opaque(), boxed(1), named()));
}
