//! The entry points: each drives the one driver and decides nothing by itself.

mod blocking;
mod future;
mod in_place;
pub(crate) mod transaction;

pub use self::blocking::retry;
pub use self::future::retry_async;
