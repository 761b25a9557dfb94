use persevere::retry;

#[retry(retries = 3)]
fn one() -> Result<u32, std::io::Error> {
    Ok(1)
}

#[retry(3)]
fn two() -> Result<u32, std::io::Error> {
    one()
}

#[retry(total: 3)]
fn three() -> Result<u32, std::io::Error> {
    two()
}

fn main() {
    let _ = three();
}

#[retry(total = 3, shape = 1)]
fn four() -> Result<u32, std::io::Error> {
    three()
}
