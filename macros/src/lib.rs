//! The attribute `#[retry]` and the derive `Retryable` of the crate `persevere`, which re-exports both. Use them from
//! there: what they write names that crate alone.
//!
//! Each macro reads its item into a struct of its own, checks that, and writes from it: `args` and `item` hold every
//! rejection of the attribute, `derive` those of the derive. Items are read as tokens (`tokens`), without a parser
//! of Rust's grammar such as syn: a body passes through as it was written, and the crate builds in a third of the time.

#![forbid(unsafe_code)]

use proc_macro::TokenStream;

mod args;
mod derive;
mod error;
mod expand;
mod item;
#[cfg(test)]
mod soup;
mod tokens;

/// Retries a function: its body is an attempt, made again while the policy allows.
///
/// The function keeps its signature, its docs and its error type. It may be blocking or `async`, free or a method,
/// generic, `unsafe`, in a trait, or under `#[async_trait]`; it has to return a `Result`. `?` and `return` in the body
/// end the attempt. The body borrows its arguments, `&mut` included, and the whole is `Send` where the body is.
///
/// ```
/// use persevere::retry;
/// use std::io;
///
/// #[retry(total = 3, backoff = 0.3, attempt_timeout = 5, within = 30)]
/// async fn fetch(client: &Client, path: &str) -> io::Result<String> {
///     client.get(path).await?.text().await
/// }
/// # struct Client(std::sync::atomic::AtomicU32);
/// # impl Client {
/// #     async fn get(&self, _: &str) -> io::Result<Client> {
/// #         if self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2 { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(Client(0.into())) }
/// #     }
/// #     async fn text(&self) -> io::Result<String> { Ok("page".to_owned()) }
/// # }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// let client = Client(0.into()); // fails twice
/// assert_eq!(fetch(&client, "/").await.unwrap(), "page");
/// # });
/// ```
///
/// # Before you use it
///
/// A body that is executed again may do its work twice. Set `idempotent = false` where only what provably never
/// reached the other side may be repeated.
///
/// **One effect per attempt.** `idempotent = false` looks at the call that failed, not at what the body did before it. A
/// body that charges a card and is then refused by a second server charges again. Give each effect a `#[retry]` of
/// its own:
///
/// ```text
/// #[retry(total = 3, idempotent = false)]
/// fn charge(bank: &Bank, order: &Order) -> Result<(), Error> { bank.charge(order) }
///
/// #[retry(total = 3, idempotent = false)]
/// fn notify(shop: &Shop, order: &Order) -> Result<(), Error> { shop.notify(order) }
///
/// charge(&bank, &order)?;
/// notify(&shop, &order)?;
/// ```
///
/// Retries within retries multiply: put them on one layer.
///
/// # Keys
///
/// They are the builder's methods, by the same names and with the same meaning. Numbers are seconds where a duration
/// is due. Any expression of the type will do in place of a literal; it may name the arguments, and is evaluated once,
/// at the call. Without keys the policy is the default one.
///
/// | key | takes |
/// |---|---|
/// | `total`; `connect`, `read`, `status`, `redirect`, `other` | how many retries; the limits of each fault's own |
/// | `forever` | nothing: retries without limit |
/// | `backoff`, `max_wait`, `within`, `max_hint`, `reset_after`, `failing_for` | seconds, or a `Duration` |
/// | `backoff_for` | by fault, seconds or a `Backoff`: `backoff_for(connect = 0, throttle = 10)` |
/// | `factor` | a number that is 1 or more |
/// | `jitter` | `none`, `full`, `equal`, `decorrelated`, or a `Jitter` |
/// | `hints` | `give_up`, `clamp`, `ignore`, or a `Hints` |
/// | `immediate_first` | a `bool` |
/// | `idempotent` | a `bool`; with `false`, **one effect per attempt**: it looks only at the call that failed |
/// | `policy` | the policy to start from; anything that `retry` takes if no key above changes it |
/// | `attempt_timeout` | seconds, or a `Duration`; in an `async fn`, with an error that is `From<TimedOut>`, or with `on_timeout` |
/// | `deadline` | seconds, or a `Duration`: the time by which the run ends, as `attempt_timeout` |
/// | `name` | a text; the function's name unless set |
/// | `any_of(Busy, StoreError)` | one to eight error types of yours that a boxed error may hold |
/// | `on_give_up` | a closure that is called with the reason |
/// | `when`, `when_ok`, `on_retry` | a closure or a function, typed from the return type: <code>when = \|e\| e.is_busy()</code> |
/// | `on_timeout`, `on_rejected` | the same, for an error that is not `From<TimedOut>` or `From<Rejected>`: <code>on_timeout = \|timed_out\| Error::Slow(timed_out)</code> |
/// | `before_retry` | a block, or <code>\|event\| ..</code>: leads each attempt after the first, may await, use `?`, and borrow what the body borrows. Any other expression goes to the builder |
/// | `trace_errors` | nothing, or `= true`; it needs the feature `tracing` |
/// | `timer`, `seed`, `waits`, `report` | what the builder's method takes; `report` a `&mut Report` |
/// | `budget`, `breaker`, `throttle` | a shared one: `budget = &BUDGET`. With the last two the error has to be `From<Rejected>`, or made by `on_rejected` |
/// | `nested` | `retry`, `give_up`, or a `Nested` |
/// | `attempt` | a name for the `Attempt`, which the body then knows |
/// | `clone(a, b)` | arguments of which each attempt gets a clone of its own |
/// | `crate` | the path of the crate, where it goes by another name |
///
/// # Errors
///
/// An unknown key, a key set twice, a value that can't be meant, and a function that can't be retried (`const`, without
/// a body, without a `Result`, a future returned by a function that is not `async`) do not compile, and the message
/// stands at the word. Literals that contradict each other do not compile either: `backoff = 10, max_wait = 1`. They are not
/// compared if an expression could resolve the contradiction: `backoff = 180, max = LONGEST`.
///
/// Three messages are the compiler's own:
///
/// - *cannot move out of …, a captured variable in an `FnMut` closure*, in an `async fn` *use of moved value … in
///   previous iteration of loop*: the body moves an argument. Borrow it, or have each attempt get its own with
///   `clone(argument)`.
/// - *captured variable cannot escape `FnMut` closure body*, in an `async fn` *… in different iterations of loop*: the
///   result borrows from a `&mut` argument. That can't be retried; return what is owned, or put the retry into the
///   function, round what fails.
/// - *`E` does not say which of its values are worth another attempt*: derive `Retryable` for the error, or write
///   `when = ..`.
///
/// # What is generated
///
/// The function as it was, with its body in a closure that is called for each attempt: no other item, no clone that is
/// not asked for, nothing on the heap. Literals become a `const`, which is checked while compiling.
///
/// ```text
/// fn read(path: &Path) -> io::Result<String> {
///     let __persevere_of = __private::of::<io::Result<String>>();
///     __persevere_of.block(
///         __private::drive({ const __POLICY: Policy = Policy::new().total(3).checked(); &__POLICY }),
///         |__persevere_run, __persevere_memory| { std::fs::read_to_string(path) },
///     )
/// }
/// ```
///
/// In an `async fn` a loop stands in the function, and the attempt is an `async` block in it that is awaited at once: so
/// it may borrow `&mut`, and the whole is still `Send`. Under `#[async_trait]`, which has to stand on the `impl` or the
/// trait, the loop is within the future that it boxes. `#[tracing::instrument]` may stand above `#[retry]` or below it:
/// its span is around the whole run, not around each attempt.
///
/// What the expression of a policy, a guard or a timer borrows lives until the run is over, as in a call of
/// `retry_async`. So does a lock that it takes. In an
/// `async fn` the locks of the other keys are released before the run begins.
///
/// # Cancel safety
///
/// Dropping the future of an `async fn` drops the attempt or the timer, at any point.
#[proc_macro_attribute]
pub fn retry(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = proc_macro2::TokenStream::from(item);
    let expanded = item::Item::parse(item.clone()).and_then(|parsed| {
        let args = args::Args::parse(arguments.into(), &parsed)?;
        Ok(expand::function(&parsed, &args))
    });
    // The item follows the error, so that nobody is told in addition that the function does not exist.
    expanded.unwrap_or_else(|error| [error.to_compile_error(), item].into_iter().collect()).into()
}

/// Implements `Retryable`: states for each variant of an error whether another attempt may help.
///
/// ```
/// use std::io;
/// use std::time::Duration;
///
/// use persevere::{Rejected, Retryable, TimedOut, Verdict};
///
/// #[derive(Debug, thiserror::Error, Retryable)]
/// enum StoreError {
///     #[error("busy")]
///     #[retry(transient)]
///     Busy,
///     #[error("slow down")]
///     #[retry(throttle, after = wait)]
///     SlowDown { wait: Duration },
///     #[error("refused")]
///     #[retry(connect, reached = no)]
///     Refused,
///     #[error("no such key")]
///     #[retry(permanent)]
///     NoSuchKey,
///     #[error(transparent)]
///     #[retry(forward)]
///     Io(#[from] io::Error),
///     #[error(transparent)]
///     #[retry(with = of_driver)]
///     Driver(#[from] driver::Error),
///     #[error("the store took too long")]
///     #[retry(timed_out)]
///     TimedOut,
///     #[error(transparent)]
///     #[retry(rejected)]
///     Rejected(Rejected),
/// }
///
/// /// The verdict for an error that is not ours.
/// fn of_driver(error: &driver::Error) -> Verdict {
///     if error.code == 40001 { Verdict::transient() } else { Verdict::permanent() }
/// }
/// # mod driver {
/// #     #[derive(Debug, thiserror::Error)]
/// #     #[error("code {code}")]
/// #     pub struct Error { pub code: u32 }
/// # }
///
/// let wait = Duration::from_secs(3);
/// assert_eq!(StoreError::SlowDown { wait }.verdict().hint(), Some(wait));
/// assert!(StoreError::from(driver::Error { code: 40001 }).verdict().is_transient());
/// assert!(!StoreError::NoSuchKey.verdict().is_transient());
/// // An attempt timeout makes this one.
/// assert!(matches!(StoreError::from(TimedOut::new(wait)), StoreError::TimedOut));
/// ```
///
/// Each variant has one decision, in `#[retry(..)]` above it. A decision on the enum, with what stands beside it, holds
/// for the variants that have none. On a struct it is the struct's.
///
/// | decision | |
/// |---|---|
/// | `transient` | may go away by trying again |
/// | `permanent` | will not |
/// | `connect`, `timeout`, `read`, `status`, `throttle`, `redirect`, `other` | transient, with this fault |
/// | `forward` | the verdict of the only field, or of the one that is marked `#[retry(forward)]` |
/// | `with = path` | the verdict that this function returns for the only field, or for the one that is marked so. It takes a reference to the field and returns a `Verdict` |
/// | `timed_out` | a transient timeout. The derive writes `From<TimedOut>`, which an attempt timeout needs |
/// | `rejected` | a transient throttle fault, or the field's own verdict. The derive writes `From<Rejected>`, which a breaker and a throttle need |
///
/// | beside it | |
/// |---|---|
/// | `reached = no`, `reached = maybe` | whether the operation may have taken effect; `maybe` unless set |
/// | `after = ..` | the wait that the server asked for: a field, by name or by number, or an expression in which the fields of a variant with names are references; a `Duration` or an `Option` of one |
/// | `crate = path` | on the type: the path of the crate, if it has another name |
///
/// A variant that is `timed_out` or `rejected` has no field, or one that `TimedOut` or `Rejected` turns into. If
/// `#[from]` stands on that field, the other derive writes the `From`, and this one does not. A `Rejected` that is kept in
/// a field keeps its hint, and whether the run had made an attempt before. Without a field the verdict says `maybe`.
///
/// ```
/// use persevere::{Policy, Retryable, TimedOut, retry_async};
/// use std::time::Duration;
///
/// #[derive(Debug, Retryable)]
/// enum Failed<E> {
///     #[retry(forward)]
///     Call(E),
///     #[retry(timed_out)]
///     TooLong { limit: TimedOut },
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// let policy = Policy::new().total(1).attempt_timeout(Duration::from_secs(2));
/// let outcome = retry_async(policy, std::future::pending::<Result<(), Failed<std::io::Error>>>).await;
/// assert!(matches!(outcome, Err(Failed::TooLong { limit }) if limit.limit() == Duration::from_secs(2)));
/// # });
/// ```
///
/// The attribute of the same name may be imported beside it, as long as `#[retry(..)]` stands below the
/// `#[derive(Retryable)]`. Above it, the compiler can't tell the two apart (E0659).
///
/// # Errors
///
/// These do not compile, and the message stands at the word: a variant without a decision or with two, an unknown word,
/// `after` or `reached` beside `permanent`, `forward` or `with` without a field to ask, `timed_out` or `rejected` on two
/// variants, on a whole enum, or on a variant with several fields.
///
/// # What is generated
///
/// `impl Retryable` with one `match`, and `impl From` for `timed_out` and `rejected`. If the type of a field that is
/// forwarded to is generic, it must be `Retryable`. No other bound is added to that implementation.
#[proc_macro_derive(Retryable, attributes(retry))]
pub fn derive_retryable(item: TokenStream) -> TokenStream {
    derive::retryable(item.into()).unwrap_or_else(|error| error.to_compile_error()).into()
}
