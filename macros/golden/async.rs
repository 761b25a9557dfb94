#[retry(total = retries, attempt_timeout = 5, before_retry = |event| conn.reconnect(event.attempt()).await?)]
pub async fn query(conn: &mut Conn, sql: &str, retries: u32) -> Result<Rows, Error> {
    conn.query(sql).await
}
// ---
pub async fn query(conn: &mut Conn, sql: &str, retries: u32) -> Result<Rows, Error> {
    let __persevere_of = ::persevere::__private::of::<Result<Rows, Error>>();
    match ::persevere::__private::drive(
        ::persevere::__private::named(
            {
                const __POLICY: ::persevere::__private::Policy = ::persevere::__private::Policy::new().valid();
                __POLICY
            }.total(retries),
            {
                struct __PersevereName;
                impl ::persevere::__private::FunctionName for __PersevereName {
                    const NAME: ::persevere::__private::Text = "query";
                }
                __PersevereName
            }
        )
            .attempt_timeout(::persevere::__private::Duration::from_nanos(5000000000u64))
            .keep_event()
    ) {
        mut __persevere_run => {
            let mut __persevere_memory = __persevere_run.start();
            loop {
                let __persevere_last = __persevere_run.event();
                let __persevere_outcome = 'attempt: {
                    if let ::persevere::__private::Option::Some(__persevere_refused) = __persevere_run.refuse() {
                        break 'attempt { ::persevere::__private::Result::Err(__persevere_refused) };
                    }
                    let __persevere_ended = __persevere_run.guard_future(&__persevere_memory, async {
                        if let ::persevere::__private::Option::Some(__persevere_never) = ::persevere::__private::never::<Result<Rows, Error>>() {
                            return __persevere_never;
                        }
                        if let ::persevere::__private::Option::Some(__persevere_event) = __persevere_last {
                            let event = __persevere_event;
                            conn.reconnect(event.attempt()).await?
                        }
                        conn.query(sql).await
                    })
                    .await;
                    __persevere_run.outcome(__persevere_ended)
                };
                let (__persevere_wait, __persevere_kept) =
                    match __persevere_run.settle(&mut __persevere_memory, __persevere_outcome) {
                        ::persevere::__private::Step::Done(__persevere_outcome) => break __persevere_outcome,
                        ::persevere::__private::Step::Wait(__persevere_wait, __persevere_outcome) => {
                            (__persevere_wait, __persevere_run.keep(__persevere_outcome))
                        }
                    };
                ::persevere::__private::rest(
                    ::persevere::__private::pin!(__persevere_run.sleep(__persevere_wait)),
                    __persevere_run.word(),
                    __persevere_run.signal(),
                )
                .await;
                if let ::persevere::__private::Option::Some(__persevere_outcome) =
                    __persevere_run.over(&mut __persevere_memory, __persevere_kept)
                {
                    break __persevere_outcome;
                }
            }
        }
    }
}
