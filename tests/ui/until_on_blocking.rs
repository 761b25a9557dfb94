//! A future can't stop a blocking run, and an awaited hook needs an async one.

use persevere::{Event, Policy, retry};
use std::io;

fn main() {
    let read = || std::fs::read_to_string("name");
    let _ = retry(Policy::new().until(std::future::pending::<()>()), read);
    let _ = retry(Policy::new().on_retry_async(|_: Event<'_, io::Error>| async {}), read);
}
