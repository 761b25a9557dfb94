use persevere::retry;

#[retry(total = 3, backoff = 0.3, total = 4)]
fn one() -> Result<u32, std::io::Error> {
    Ok(1)
}

#[retry(total = 3, forever)]
fn two() -> Result<u32, std::io::Error> {
    one()
}

fn main() {
    let _ = two();
}
