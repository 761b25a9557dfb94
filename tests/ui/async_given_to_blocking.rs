use persevere::{Policy, retry};
use std::io;

async fn ask() -> io::Result<u32> {
    Ok(1)
}

fn main() {
    let _ = retry(Policy::new(), ask);
}
