//! The atomics of the guards; in the models, those that try every order of events.

#[cfg(not(persevere_loom))]
pub(crate) use core::sync::atomic::AtomicU64;
pub(crate) use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
#[cfg(persevere_loom)]
pub(crate) use loom::sync::atomic::AtomicU64;

/// A `const fn` but in the models, whose atomics can't be made in a `const`.
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),*) -> $out:ty $body:block) => {
        #[cfg(not(persevere_loom))]
        $(#[$meta])* $vis const fn $name($($arg: $type),*) -> $out $body
        #[cfg(persevere_loom)]
        $(#[$meta])* $vis fn $name($($arg: $type),*) -> $out $body
    };
}
pub(crate) use const_fn;
