use persevere::Retryable;

#[derive(Retryable)]
enum Nothing {
    #[retry(forward)]
    Unit,
    #[retry(forward)]
    Two(std::io::Error, std::io::Error),
    Both(#[retry(forward)] std::io::Error, #[retry(forward)] std::io::Error),
    #[retry(transient)]
    Beside(#[retry(forward)] std::io::Error),
}

#[derive(Retryable)]
enum OnField {
    #[retry(transient)]
    Busy(#[retry(permanent)] u32),
}

struct Opaque;

#[derive(Retryable)]
#[retry(forward)]
struct NotRetryable(Opaque);

fn main() {}
