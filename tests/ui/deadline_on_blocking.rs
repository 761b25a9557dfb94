use persevere::{Policy, retry};
use std::io;
use std::time::Duration;

#[retry(deadline = 2)]
fn blocking() -> io::Result<()> {
    Ok(())
}

fn main() {
    let _ = retry(Policy::new().deadline(Duration::from_secs(2)), || Ok::<_, io::Error>(()));
}
