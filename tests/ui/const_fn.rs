use persevere::retry;

#[retry]
const fn one() -> Result<u32, std::io::Error> {
    Ok(1)
}

const ONE: Result<u32, std::io::Error> = one();

fn main() {
    let _ = ONE;
}
