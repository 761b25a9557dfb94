use persevere::{Retryable, Verdict};

struct Foreign;

fn of_foreign(_: &Foreign) -> Verdict {
    Verdict::transient()
}

fn is_busy(_: &Foreign) -> bool {
    true
}

#[derive(Retryable)]
enum Values {
    #[retry(with)]
    Missing(Foreign),
}

#[derive(Retryable)]
enum Literal {
    #[retry(with = "of_foreign")]
    Text(Foreign),
}

#[derive(Retryable)]
enum Closure {
    #[retry(with = |_| Verdict::transient())]
    Closure(Foreign),
}

#[derive(Retryable)]
enum Called {
    #[retry(with = of_foreign())]
    Called(Foreign),
}

#[derive(Retryable)]
enum Places {
    #[retry(with = of_foreign)]
    Unit,
    #[retry(with = of_foreign)]
    Two(Foreign, Foreign),
    Both(#[retry(with = of_foreign)] Foreign, #[retry(forward)] std::io::Error),
    #[retry(forward)]
    Beside(#[retry(with = of_foreign)] Foreign),
}

#[derive(Retryable)]
enum Twice {
    #[retry(with = of_foreign, transient)]
    Twice(Foreign),
}

#[derive(Retryable)]
enum Functions {
    #[retry(with = is_busy)]
    Returns(Foreign),
    #[retry(with = of_foreign)]
    Takes(u32),
}

fn main() {}
