use persevere::retry;
use std::io;

#[derive(Clone)]
struct Client;

impl Client {
    #[retry(clone(self))]
    fn send(self, text: String) -> io::Result<usize> {
        Ok(text.len())
    }
}

#[retry(clone(name))]
fn misspelt(text: String) -> io::Result<usize> {
    Client.send(text)
}

#[retry(clone(text.clone()))]
fn send(text: String) -> io::Result<usize> {
    Client.send(text)
}

fn main() {
    let _ = (send(String::new()), misspelt(String::new()));
}
