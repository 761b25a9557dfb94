use persevere::Retryable;

#[derive(Retryable)]
#[retry(transient)]
union Bits {
    one: u32,
    two: f32,
}

fn main() {
    let _ = Bits { one: 1 };
}
