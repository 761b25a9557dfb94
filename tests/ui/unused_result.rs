#![deny(warnings)]

use persevere::retry;
use std::io;

#[retry]
fn blocking() -> io::Result<u32> {
    let unused = 1;
    Ok(1)
}

#[retry]
async fn waiting() -> io::Result<u32> {
    Ok::<u32, io::Error>(2);
    Ok(1)
}

fn main() {
    blocking();
    waiting();
}
