use persevere::Retryable;

#[derive(Retryable)]
enum Unknown {
    #[retry(temporary)]
    Busy,
}

#[derive(Retryable)]
enum Two {
    #[retry(transient, permanent)]
    Busy,
}

#[derive(Retryable)]
enum TwoInTwo {
    #[retry(connect)]
    #[retry(read)]
    Busy,
}

#[derive(Retryable)]
enum Contradicts {
    #[retry(permanent, after = wait)]
    Busy { wait: std::time::Duration },
    #[retry(permanent, reached = no)]
    Refused,
}

#[derive(Retryable)]
enum Reached {
    #[retry(transient, reached = yes)]
    Busy,
}

#[derive(Retryable)]
enum Index {
    #[retry(throttle, after = 1)]
    SlowDown(std::time::Duration),
}

#[derive(Retryable)]
enum Bare {
    #[retry]
    Busy,
}

fn main() {}
