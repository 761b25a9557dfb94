//! What a breaker says of its changes.

use core::fmt;
#[cfg(feature = "std")]
use core::panic::{RefUnwindSafe, UnwindSafe};
#[cfg(feature = "std")]
use std::sync::Arc;

use crate::guard::breaker::BreakerState;

/// A change of a breaker's state, for a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BreakerChange {
    pub(super) from: BreakerState,
    pub(super) to: BreakerState,
}

impl BreakerChange {
    /// Returns the state before.
    pub const fn from(&self) -> BreakerState {
        self.from
    }

    /// Returns the state now.
    pub const fn to(&self) -> BreakerState {
        self.to
    }
}

/// One line for a log: `closed to open`.
impl fmt::Display for BreakerChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |state| match state {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half-open",
        };
        write!(f, "{} to {}", word(self.from), word(self.to))
    }
}

/// A hook that keeps something. A breaker is safe to unwind through, whatever the hook is.
#[cfg(feature = "std")]
pub(super) type SharedHook = dyn Fn(BreakerChange) + Send + Sync + UnwindSafe + RefUnwindSafe;

/// Who is told of changes.
#[derive(Clone)]
pub(super) enum Hook {
    None,
    Plain(fn(BreakerChange)),
    #[cfg(feature = "std")]
    Shared(Arc<SharedHook>),
}

impl Hook {
    #[cold]
    pub(super) fn tell(&self, change: BreakerChange) {
        #[cfg(feature = "metrics")]
        count(change.to);
        match self {
            Self::None => {}
            Self::Plain(hook) => hook(change),
            #[cfg(feature = "std")]
            Self::Shared(hook) => hook(change),
        }
    }
}

/// Counts a change for the `metrics` crate's recorder.
#[cfg(feature = "metrics")]
fn count(to: BreakerState) {
    use ::metrics::{Key, Label, Level, Metadata, with_recorder};

    const METADATA: Metadata<'static> = Metadata::new("persevere", Level::INFO, Some("persevere"));
    const NAME: &str = "persevere.breaker.changes";
    static LABELS: [[Label; 1]; 3] = [
        [Label::from_static_parts("breaker.state", "closed")],
        [Label::from_static_parts("breaker.state", "open")],
        [Label::from_static_parts("breaker.state", "half_open")],
    ];
    static KEYS: [Key; 3] = [
        Key::from_static_parts(NAME, &LABELS[0]),
        Key::from_static_parts(NAME, &LABELS[1]),
        Key::from_static_parts(NAME, &LABELS[2]),
    ];
    let key = match to {
        BreakerState::Closed => &KEYS[0],
        BreakerState::Open => &KEYS[1],
        BreakerState::HalfOpen => &KEYS[2],
    };
    with_recorder(|recorder| recorder.register_counter(key, &METADATA).increment(1));
}
