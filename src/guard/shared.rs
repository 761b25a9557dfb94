//! A guard that many runs share, whoever owns it.

use core::fmt;
use core::ops::Deref;
#[cfg(feature = "std")]
use std::sync::Arc;

/// A guard that many runs share: a `static`, or one behind an `Arc`.
///
/// What takes a guard takes `impl Into<Shared<..>>`, so that a `&'static Budget` and an `Arc<Budget>` both do. The type
/// can be written into a struct field.
///
/// ```
/// use persevere::guard::Budget;
/// use persevere::guard::Shared;
/// use std::sync::Arc;
///
/// static EVERYWHERE: Budget = Budget::new();
///
/// struct App {
///     budget: Shared<Budget>,
/// }
///
/// let one = App { budget: Shared::from(&EVERYWHERE) };
/// let other = App { budget: Shared::from(Arc::new(Budget::new())) };
/// assert_eq!(one.budget.tokens(), other.budget.tokens());
/// ```
pub enum Shared<T: 'static> {
    /// A `static`.
    Static(&'static T),
    /// One that is counted.
    #[cfg(feature = "std")]
    Arc(Arc<T>),
}

impl<T> Deref for Shared<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match self {
            Self::Static(guard) => guard,
            #[cfg(feature = "std")]
            Self::Arc(guard) => guard,
        }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Static(guard) => Self::Static(guard),
            #[cfg(feature = "std")]
            Self::Arc(guard) => Self::Arc(Arc::clone(guard)),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> From<&'static T> for Shared<T> {
    fn from(guard: &'static T) -> Self {
        Self::Static(guard)
    }
}

#[cfg(feature = "std")]
impl<T> From<Arc<T>> for Shared<T> {
    fn from(guard: Arc<T>) -> Self {
        Self::Arc(guard)
    }
}

/// Takes an owned guard, which nobody else shares yet.
#[cfg(feature = "std")]
impl<T> From<T> for Shared<T> {
    fn from(guard: T) -> Self {
        Self::Arc(Arc::new(guard))
    }
}
