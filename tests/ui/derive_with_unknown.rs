use persevere::Retryable;

struct Foreign;

#[derive(Retryable)]
enum Failed {
    #[retry(with = of_nobody)]
    Unknown(Foreign),
}

fn main() {}
