use persevere::{Policy, retry};
use std::future::{Future, ready};
use std::io;
use std::pin::Pin;

async fn ask() -> io::Result<u32> {
    Ok(1)
}

fn function() {
    let _ = retry(Policy::new(), ask);
}

fn method() {
    let _ = Policy::new().when(|_: &io::Error| true).run(ask);
}

fn closure() {
    let _ = retry(Policy::new(), || ask());
}

fn in_place() {
    let _ = persevere::prelude::retry!(Policy::new(), ask());
}

type Reply<T> = Pin<Box<dyn Future<Output = io::Result<T>>>>;

#[retry]
fn attribute() -> Reply<u32> {
    Box::pin(ready(Ok(1)))
}

fn main() {
    function();
    method();
    closure();
    in_place();
    drop(attribute());
}
