//! The in-place macros, for `use persevere::prelude::*`.
//!
//! They are here since the crate's root has a function and an attribute named `retry` already.

#[doc(inline)]
pub use crate::__retry as retry;
#[doc(inline)]
pub use crate::retry_async;
