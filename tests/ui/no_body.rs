use persevere::retry;
use std::io;

trait Store {
    #[retry]
    fn get(&self) -> io::Result<u32>;
}

impl Store for u32 {
    fn get(&self) -> io::Result<u32> {
        Ok(*self)
    }
}

fn main() {
    let _ = 1.get();
}
