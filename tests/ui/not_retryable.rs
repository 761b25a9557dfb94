use persevere::retry;

#[derive(Debug)]
struct MyError;

#[retry]
fn blocking() -> Result<u32, MyError> {
    Err(MyError)
}

#[retry]
async fn waiting() -> Result<u32, MyError> {
    Err(MyError)
}

fn main() {
    let _ = (blocking(), waiting());
}
