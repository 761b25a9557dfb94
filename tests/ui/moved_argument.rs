use persevere::retry;
use std::io;

fn send(text: String) -> io::Result<()> {
    std::fs::write("x", text)
}

#[retry]
fn blocking(text: String) -> io::Result<()> {
    send(text)
}

#[retry]
async fn waiting(text: String) -> io::Result<()> {
    send(text)
}

fn main() {
    let _ = (blocking(String::new()), waiting(String::new()));
}
