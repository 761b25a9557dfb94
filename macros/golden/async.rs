#[retry(total = retries, attempt_timeout = 5, before_retry = |event| conn.reconnect(event.attempt()).await?)]
pub async fn query(conn: &mut Conn, sql: &str, retries: u32) -> Result<Rows, Error> {
    conn.query(sql).await
}
// ---
pub async fn query(conn: &mut Conn, sql: &str, retries: u32) -> Result<Rows, Error> {
    let of = ::persevere::__private::of::<Result<Rows, Error>>();
    let mut run = ::persevere::__private::drive(
        ::persevere::__private::IntoRetry::into_retry({
            const __POLICY: ::persevere::__private::Policy = ::persevere::__private::Policy::new().checked();
            __POLICY
        }.total(retries))
            .attempt_timeout(::persevere::__private::Duration::from_nanos(5000000000u64))
            .keep_event()
    );
    let mut memory = run.start();
    loop {
        let last = run.event();
        let outcome = 'attempt: {
            if let ::persevere::__private::Option::Some(refused) = run.refuse() {
                break 'attempt ::persevere::__private::Result::Err(refused);
            }
            run.guard_future(&memory, async {
                if let ::persevere::__private::Option::Some(never) = ::persevere::__private::never::<Result<Rows, Error>>() {
                    return never;
                }
                if let ::persevere::__private::Option::Some(event) = last {
                    let event = event;
                    conn.reconnect(event.attempt()).await?
                }
                conn.query(sql).await
            })
            .await
        };
        let wait = match run.settle(&mut memory, outcome) {
            ::persevere::__private::Step::Done(outcome) => break outcome,
            ::persevere::__private::Step::Wait(wait, _) => wait,
        };
        ::persevere::__private::rest(::persevere::__private::pin!(run.sleep(wait))).await;
        if let ::persevere::__private::Option::Some(late) = run.late(&mut memory) {
            break ::persevere::__private::Result::Err(late);
        }
    }
}
