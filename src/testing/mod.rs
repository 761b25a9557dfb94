//! Tools for tests of code that retries: virtual time, operations by script, waits that take no time.
//!
//! | you test | take |
//! |---|---|
//! | code that names its timer, or a policy | [`VirtualTimer`]: time passes by sleeping, and the waits are listed |
//! | async code on tokio | tokio's own paused clock (`start_paused = true`), which the default timer obeys |
//! | code that names no timer and that you can't change | [`skip_waits`] or [`cap_waits`]: its waits take no time, or little |
//! | what a run does with failures | [`Script`]: fails as often as you say, stalls, then succeeds |
//! | jittered waits | [`seed`](crate::Policy::seed): same seed, same waits |
//!
//! A unit test of a function that retries, as it is, without a second of waiting:
//!
//! ```
//! use persevere::{testing::{self, Script}, Policy, retry};
//! use std::io;
//!
//! // The code under test: nothing in it knows of tests.
//! fn fetch(mut get: impl FnMut() -> io::Result<String>) -> io::Result<String> {
//!     retry(Policy::default(), &mut get)
//! }
//!
//! let waits = testing::skip_waits();
//! let server = Script::new().fail(2, || io::Error::from(io::ErrorKind::ConnectionReset)).succeed("page".to_owned());
//! assert_eq!(fetch(|| server.call())?, "page");
//! assert_eq!(server.calls(), 3);
//! assert_eq!(waits.due().len(), 1); // the first retry came at once anyway
//! # Ok::<(), io::Error>(())
//! ```

mod instant;
mod script;
mod timer;

pub(crate) use self::instant::shortened;
pub use self::instant::{ShortWaits, ShortWaitsEverywhere, cap_waits, cap_waits_everywhere, skip_waits};
pub use self::script::Script;
pub use self::timer::{VirtualSleep, VirtualTimer};
