use persevere::Retryable;

#[derive(Retryable)]
enum StoreError {
    #[retry(transient)]
    Busy,
    NoSuchKey,
    #[retry(reached = no)]
    Refused,
}

#[derive(Retryable)]
struct Failure {
    code: u32,
}

fn main() {
    let _ = (StoreError::Busy, StoreError::NoSuchKey, StoreError::Refused, Failure { code: 1 }.code);
}
