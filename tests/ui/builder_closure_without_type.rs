use persevere::Policy;
use std::io;

fn main() {
    let read = || std::fs::read_to_string("x");
    let _: io::Result<String> = Policy::new().when(|error| error.kind() == io::ErrorKind::NotFound).run(read);
}
