use persevere::retry;

#[retry(total = 3)]
fn text() -> String {
    String::new()
}

#[retry(total = 3)]
async fn number() -> Option<u32> {
    Some(1)
}

type Page = String;

#[retry]
fn page() -> Page {
    Page::new()
}

#[retry]
async fn page_async() -> Page {
    Page::new()
}

#[retry]
fn nothing() {}

fn main() {
    let _ = (text(), number(), page(), page_async());
    nothing();
}
