#[retry(total = 5, backoff = 0.3, jitter = full, when = |error| error.is_busy(), attempt = attempt, clone(name))]
fn get(server: &Server, mut name: String) -> Result<impl Page, Error> {
    name.push('!');
    server.get(name, attempt.left())
}
// ---
fn get(server: &Server, mut name: String) -> Result<impl Page, Error> {
    let of = ::persevere::__private::of::<Result<_, Error>>();
    of.block(
        ::persevere::__private::drive(
            ::persevere::__private::IntoRetry::into_retry({
                const __POLICY: ::persevere::__private::Policy = ::persevere::__private::Policy::new()
                    .total(5)
                    .backoff(::persevere::__private::Duration::from_nanos(300000000u64))
                    .jitter(::persevere::__private::Jitter::Full)
                    .checked();
                &__POLICY
            })
            .when(of.when(|error| error.is_busy()))
        ),
        |run, memory| {
            let mut name = ::persevere::__private::clone_mut(&mut name);
            let attempt = run.attempt_blocking(memory);
            name.push('!');
            server.get(name, attempt.left())
        }
    )
}
