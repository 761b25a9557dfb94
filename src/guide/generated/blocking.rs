#[retry(total = 5, backoff = 0.3, jitter = full, when = |error| error.is_busy(), attempt = attempt, clone(name))]
fn get(server: &Server, mut name: String) -> Result<impl Page, Error> {
    name.push('!');
    server.get(name, attempt.remaining())
}
// ---
fn get(server: &Server, mut name: String) -> Result<impl Page, Error> {
    let __persevere_of = ::persevere::__private::of::<Result<_, Error>>();
    __persevere_of.block(
        ::persevere::__private::drive(
            ::persevere::__private::named(
                {
                    const __POLICY: ::persevere::__private::Policy = ::persevere::__private::Policy::new()
                        .total(5)
                        .backoff(::persevere::__private::Duration::from_nanos(300000000u64))
                        .jitter(::persevere::__private::Jitter::Full)
                        .valid();
                    &__POLICY
                },
                {
                    struct __PersevereName;
                    impl ::persevere::__private::FunctionName for __PersevereName {
                        const NAME: ::persevere::__private::Text = "get";
                    }
                    __PersevereName
                }
            )
            .when(__persevere_of.when(|error| error.is_busy()))
        ),
        |__persevere_run, __persevere_memory| {
            let mut name = ::persevere::__private::clone_mut(&mut name);
            let attempt = __persevere_run.attempt_blocking(__persevere_memory);
            name.push('!');
            server.get(name, attempt.remaining())
        }
    )
}
