use persevere::Retryable;

#[derive(Retryable)]
enum Type {
    #[retry(throttle, after = seconds)]
    Number { seconds: u64 },
}

fn main() {}
