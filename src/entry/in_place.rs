//! The in-place macros: the operation stands in the caller's own function, and borrows freely.

/// Runs a blocking expression in place, and again while the policy allows.
///
/// The expression is the body of a closure that borrows whatever it names, `&mut` included; `?` and `return` in it end
/// the attempt. The policy is whatever
/// [`retry`](crate::retry()) takes.
///
/// | form | |
/// |---|---|
/// | `retry!(policy, expr)` | the operation |
/// | `retry!(policy, \|attempt\| expr)` | told its [`Attempt`](crate::Attempt) |
/// | `retry!(policy, -> Result<T, E> { .. })` | with the type written, for a body with `?` |
/// | `retry!(policy, before_retry = { .. }, expr)` | with a hook in place, run after each wait as part of the attempt |
///
/// # Errors and panics
///
/// As [`retry`](crate::retry()).
///
/// # Its name
///
/// The name `retry` is also the attribute's. With `use persevere::retry; use persevere::prelude::*;` the function, the
/// attribute and this macro all work by name (Rust 1.95); on older compilers, 1.85 for one, write
/// `persevere::prelude::retry!`.
///
/// ```
/// use persevere::Policy;
/// use std::io;
///
/// let mut log = Vec::new();
/// let value = persevere::prelude::retry!(Policy::new(), {
///     log.push("asked"); // borrowed mutably, in place
///     if log.len() < 2 { Err(io::Error::from(io::ErrorKind::TimedOut)) } else { Ok(7) }
/// });
/// assert_eq!(value.unwrap(), 7);
/// assert_eq!(log.len(), 2);
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __retry {
    (@loop $policy:tt $before:tt ($($attempt:pat_param)?), -> $result:ty $operation:block $(,)?) => {
        $crate::__retry!(@emit $policy $before ($($attempt)?) (-> $result) $operation)
    };
    (@loop $policy:tt $before:tt ($($attempt:pat_param)?), $operation:expr $(,)?) => {
        $crate::__retry!(@emit $policy $before ($($attempt)?) () { ($operation) })
    };
    (@emit ($policy:expr) ($($before:block)?) ($($attempt:pat_param)?) ($(-> $result:ty)?) $operation:block) => {
        // A pattern meets statics and constants of the same name, macro or not: these names can't be the user's.
        $crate::__private::drive($policy).block(|__persevere_run, __persevere_memory| $(-> $result)? {
            $(if __persevere_memory.is_retry() $before)?
            $(let $attempt = __persevere_run.attempt_blocking(__persevere_memory);)?
            $operation
        })
    };
    ($policy:expr, before_retry = $before:block, |$attempt:pat_param| $($operation:tt)+) => {
        $crate::__retry!(@loop ($policy) ($before) ($attempt), $($operation)+)
    };
    ($policy:expr, before_retry = $before:block, $($operation:tt)+) => {
        $crate::__retry!(@loop ($policy) ($before) (), $($operation)+)
    };
    ($policy:expr, before_retry = $($wrong:tt)*) => {
        ::core::compile_error!("`before_retry` takes a block here, with the operation behind it: `before_retry = { .. }, ..`")
    };
    ($policy:expr, |$attempt:pat_param| $($operation:tt)+) => {
        $crate::__retry!(@loop ($policy) () ($attempt), $($operation)+)
    };
    ($policy:expr, $($operation:tt)+) => {
        $crate::__retry!(@loop ($policy) () (), $($operation)+)
    };
}

/// Runs an async expression in place, and again while the policy allows.
///
/// The expression is evaluated anew for each attempt, in an `async` block that is awaited at once: it borrows
/// whatever it names, `&mut conn` included, and the whole is still `Send` where the operation is. `?` and `return` in
/// it end the attempt. The policy is whatever [`retry_async`](crate::retry_async()) takes. What its expression borrows
/// lives until the run is over, and so does a lock that it takes. Use it where `.await` is allowed.
///
/// | form | |
/// |---|---|
/// | `retry_async!(policy, expr.await)` | the operation |
/// | `retry_async!(policy, \|attempt\| expr)` | told its [`Attempt`](crate::Attempt) |
/// | `retry_async!(policy, -> Result<T, E> { .. })` | with the type written, for a body with `?` |
/// | `retry_async!(policy, before_retry = { .. }, expr)` | with a hook in place, run after each wait as part of the attempt |
///
/// # Errors and panics
///
/// As [`retry_async`](crate::retry_async()).
///
/// # Cancel safety
///
/// As [`retry_async`](crate::retry_async()): dropping the future around it drops the attempt or the timer.
///
/// ```
/// use persevere::{Policy, retry_async};
/// use std::io;
///
/// struct Conn(u32);
/// impl Conn {
///     async fn query(&mut self) -> io::Result<u32> {
///         self.0 += 1;
///         if self.0 < 3 { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(self.0) }
///     }
///     async fn reconnect(&mut self) {}
/// }
///
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// let conn = &mut Conn(0);
/// let row = retry_async!(Policy::new(), before_retry = { conn.reconnect().await }, conn.query().await);
/// assert_eq!(row.unwrap(), 3);
///
/// let twice = retry_async!(Policy::new(), -> io::Result<u32> {
///     let one = conn.query().await?;
///     Ok(one + conn.query().await?)
/// });
/// assert_eq!(twice.unwrap(), 9);
/// # });
/// ```
#[macro_export]
macro_rules! retry_async {
    (@loop $policy:tt $before:tt ($($attempt:pat_param)?), -> $result:ty $operation:block $(,)?) => {
        $crate::retry_async!(@emit $policy $before ($($attempt)?) ($result) $operation)
    };
    (@loop $policy:tt $before:tt ($($attempt:pat_param)?), $operation:expr $(,)?) => {
        $crate::retry_async!(@emit $policy $before ($($attempt)?) ($crate::__private::Result<_, _>) { ($operation) })
    };
    // Statements that are there if the attempt is named.
    (@with ($attempt:pat_param) { $($statement:tt)* }) => { $($statement)* };
    // A transaction's phase says in its failure whether it took effect.
    (@emit ($policy:expr) ($($before:block)?) ($($attempt:pat_param)?) ($result:ty) $operation:block $(, $phase:ident)?) => {
        // A `match` keeps what the policy borrows until the run is over, as a function's call does.
        match $crate::__private::drive($policy) {
            mut __persevere_run => {
                let mut __persevere_memory = __persevere_run.start();
                loop {
                    let __persevere_again = __persevere_memory.is_retry();
                    let __persevere_outcome: $result = 'attempt: {
                        if let $crate::__private::Option::Some(__persevere_refused) = __persevere_run.refuse() {
                            break 'attempt $crate::__private::Result::Err(__persevere_refused);
                        }
                        let __persevere_ended = {
                            $($crate::retry_async!(@with ($attempt) {
                                let (__persevere_teller, __persevere_run) = __persevere_run.told(&__persevere_memory);
                            });)?
                            let __persevere_attempt = async {
                                // Never taken: it gives the block its type.
                                if let $crate::__private::Option::Some(__persevere_never) =
                                    $crate::__private::Option::None::<$result>
                                {
                                    return __persevere_never;
                                }
                                $(if __persevere_again $before)?
                                $(let $attempt = __persevere_teller.attempt();)?
                                $operation
                            };
                            __persevere_run.guard_future(&__persevere_memory, __persevere_attempt).await
                        };
                        __persevere_run.outcome(__persevere_ended)
                    };
                    $(let __persevere_outcome = $phase.place(&mut __persevere_run, __persevere_outcome);)?
                    let (__persevere_wait, __persevere_kept) =
                        match __persevere_run.settle(&mut __persevere_memory, __persevere_outcome) {
                            $crate::__private::Step::Done(__persevere_outcome) => break __persevere_outcome,
                            $crate::__private::Step::Wait(__persevere_wait, __persevere_outcome) => {
                                (__persevere_wait, __persevere_run.keep(__persevere_outcome))
                            }
                        };
                    $crate::__private::rest(
                        $crate::__private::pin!(__persevere_run.sleep(__persevere_wait)),
                        __persevere_run.word(),
                        __persevere_run.signal(),
                    )
                    .await;
                    if let $crate::__private::Option::Some(__persevere_outcome) =
                        __persevere_run.stopped(&mut __persevere_memory, __persevere_kept)
                    {
                        break __persevere_outcome;
                    }
                    if let $crate::__private::Option::Some(__persevere_late) = __persevere_run.late(&mut __persevere_memory) {
                        let __persevere_outcome = $crate::__private::Result::Err(__persevere_late);
                        $(let __persevere_outcome = $phase.place(&mut __persevere_run, __persevere_outcome);)?
                        break __persevere_outcome;
                    }
                }
            }
        }
    };
    ($policy:expr, before_retry = $before:block, |$attempt:pat_param| $($operation:tt)+) => {
        $crate::retry_async!(@loop ($policy) ($before) ($attempt), $($operation)+)
    };
    ($policy:expr, before_retry = $before:block, $($operation:tt)+) => {
        $crate::retry_async!(@loop ($policy) ($before) (), $($operation)+)
    };
    ($policy:expr, before_retry = $($wrong:tt)*) => {
        ::core::compile_error!("`before_retry` takes a block here, with the operation behind it: `before_retry = { .. }, ..`")
    };
    ($policy:expr, |$attempt:pat_param| $($operation:tt)+) => {
        $crate::retry_async!(@loop ($policy) () ($attempt), $($operation)+)
    };
    ($policy:expr, $($operation:tt)+) => {
        $crate::retry_async!(@loop ($policy) () (), $($operation)+)
    };
}
