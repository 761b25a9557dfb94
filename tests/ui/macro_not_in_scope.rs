use persevere::{Policy, retry};
use std::io;

fn imported_as_the_attribute() -> io::Result<u32> {
    retry!(Policy::new(), Ok(1))
}

fn by_its_path() -> io::Result<u32> {
    persevere::retry!(Policy::new(), Ok(1))
}

fn with_the_prelude() -> io::Result<u32> {
    use persevere::prelude::*;
    retry!(Policy::new(), Ok(1))
}

#[retry]
fn attribute() -> io::Result<u32> {
    Ok(1)
}

fn main() {
    let _ = (imported_as_the_attribute(), by_its_path(), with_the_prelude(), attribute());
}
