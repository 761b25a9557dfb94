use persevere::{Policy, retry_async};
use std::io;

struct Conn;

impl Conn {
    async fn query(&mut self) -> io::Result<u32> {
        Ok(1)
    }
}

fn main() {
    let mut conn = Conn;
    drop(retry_async(Policy::new(), || conn.query()));
}
