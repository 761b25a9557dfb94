use persevere::retry;

#[retry(total = 3)]
struct Client {
    url: String,
}

struct Server;

#[retry]
impl Server {
    fn call(&self) -> Result<(), std::io::Error> {
        Ok(())
    }
}

fn main() {
    let client = Client { url: String::new() };
    let _ = (client.url, Server.call());
}
