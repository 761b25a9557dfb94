use persevere::retry;

#[retry(total = -1, backoff = -0.3, within = -5)]
fn one() -> Result<u32, std::io::Error> {
    Ok(1)
}

fn main() {
    let _ = one();
}
