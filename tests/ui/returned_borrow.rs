use persevere::retry;
use std::io;

struct Buffer {
    bytes: Vec<u8>,
}

impl Buffer {
    #[retry]
    fn fill(&mut self) -> io::Result<&[u8]> {
        self.bytes.push(0);
        Ok(&self.bytes)
    }

    #[retry]
    async fn fill_async(&mut self) -> io::Result<&mut Vec<u8>> {
        self.bytes.push(0);
        Ok(&mut self.bytes)
    }
}

fn main() {
    let mut buffer = Buffer { bytes: Vec::new() };
    let _ = buffer.fill().map(<[u8]>::len);
    drop(buffer.fill_async());
}
