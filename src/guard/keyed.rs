//! A guard for each key, such as a host, and for no more keys than a capacity.

use core::borrow::Borrow;
use core::fmt;
use core::hash::Hash;
use core::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe};
use core::time::Duration;
use std::borrow::ToOwned;
use std::boxed::Box;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::vec::Vec;

use crate::guard::breaker::{Breaker, BreakerChange};
use crate::guard::budget::Budget;
use crate::guard::gate::Gate;
use crate::guard::throttle::AdaptiveThrottle;
use crate::time::{BlockingTimer as _, ThreadTimer};

/// A [`Budget`] for each key; see [`Keyed`].
pub type Budgets<K> = Keyed<K, Budget>;
/// A [`Breaker`] for each key; see [`Keyed`].
pub type Breakers<K> = Keyed<K, Breaker>;
/// An [`AdaptiveThrottle`] for each key; see [`Keyed`].
pub type Throttles<K> = Keyed<K, AdaptiveThrottle>;
/// A [`Gate`] for each key; see [`Keyed`].
pub type Gates<K> = Keyed<K, Gate>;

/// Keeps a guard for each key, such as a host, and for no more keys than its capacity.
///
/// Keys may come from outside, so memory does not grow with them. When it is full and a new key comes, a key gives way whose
/// guard is held by nobody and may be forgotten. It looks at 64 keys for one, going round.
///
/// | guard | may be forgotten | a newcomer where none of them may go |
/// |---|---|---|
/// | [`Budget`] | if it is full: it can't be told from a new one | shares **one overflow budget** with all others in its case |
/// | [`Breaker`] | unless it is open, or waits for its probe | gets one that is not kept |
/// | [`AdaptiveThrottle`] | always | gets one that is not kept |
/// | [`Gate`] | if it is open | gets one that is not kept |
///
/// So whoever makes up keys gets at most `capacity` sizes of a budget's tokens, and then the overflow's. A healthy host is
/// never refused because of what others did.
///
/// ```
/// use persevere::Fault;
/// use persevere::guard::{Budget, Budgets};
///
/// let budgets: Budgets<String> = Budgets::new(1000, Budget::new);
/// let here = budgets.get("a.example");
/// assert!(here.withdraw(Fault::Connect));
/// assert_eq!(budgets.get("a.example").tokens(), 9.0);
/// assert_eq!(budgets.get("b.example").tokens(), 10.0);
/// ```
///
/// ```
/// use persevere::guard::{Breaker, BreakerState, Breakers};
/// use std::time::Duration;
///
/// let breakers: Breakers<String> = Breakers::new(1000, || Breaker::new().min_outcomes(1));
/// let now = Duration::from_secs(1);
/// breakers.get("a.example").admit(now)?.failed(now);
/// assert_eq!(breakers.get("a.example").state_at(now), BreakerState::Open);
/// assert_eq!(breakers.get("b.example").state_at(now), BreakerState::Closed);
/// # Ok::<(), persevere::Rejected>(())
/// ```
pub struct Keyed<K, G> {
    kept: RwLock<Kept<K, G>>,
    overflow: Option<Arc<G>>,
    capacity: usize,
    make: fn() -> G,
    /// Finishes a guard that was made for a key.
    finish: Option<Finish<K, G>>,
}

type Finish<K, G> = Box<dyn Fn(&K, G) -> G + Send + Sync + UnwindSafe + RefUnwindSafe>;

struct Kept<K, G> {
    places: HashMap<K, usize>,
    guards: Vec<(K, Arc<G>)>,
    /// Where the search for one that may go begins.
    hand: usize,
}

/// How many keys a newcomer looks at: a made-up key must cost little time, too.
const LOOKS: usize = 64;

/// A guard that can be kept by key. Sealed.
pub trait Forgettable: sealed::Sealed + Sized {
    /// Whether newcomers that find no place share one.
    #[doc(hidden)]
    const SHARED: bool;

    /// Returns whether nothing is lost with it.
    #[doc(hidden)]
    fn may_go(&self, now: Duration) -> bool;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! forgettable {
    ($($guard:ty, $shared:literal, |$this:ident, $now:ident| $may_go:expr;)*) => {$(
        impl sealed::Sealed for $guard {}
        impl Forgettable for $guard {
            const SHARED: bool = $shared;

            fn may_go(&self, $now: Duration) -> bool {
                let $this = self;
                $may_go
            }
        }
    )*};
}

forgettable! {
    Budget, true, |budget, _now| budget.is_full();
    Breaker, false, |breaker, now| breaker.may_be_forgotten(now);
    AdaptiveThrottle, false, |_throttle, _now| true;
    Gate, false, |gate, now| gate.closed_for(now).is_none();
}

impl<K, G: Forgettable> Keyed<K, G> {
    /// Creates an empty map of at most so many guards, each made by `make` when its key is first seen.
    ///
    /// With a capacity of zero all keys share one budget, and have no other guard that is kept.
    pub fn new(capacity: usize, make: fn() -> G) -> Self {
        let kept = Kept { places: HashMap::new(), guards: Vec::new(), hand: 0 };
        let overflow = G::SHARED.then(|| Arc::new(make()));
        Self { kept: RwLock::new(kept), overflow, capacity, make, finish: None }
    }
}

impl<K, G> Keyed<K, G> {
    /// Returns how many keys have a guard of their own now.
    pub fn len(&self) -> usize {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).guards.len()
    }

    /// Returns whether no key has a guard of its own.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Clone + Send + Sync + 'static> Keyed<K, Breaker> {
    /// Calls this when the breaker of a key changes its state, with the key.
    ///
    /// It is called by whoever changes it, in the middle of a run, so it should be quick. A panic in it passes through.
    ///
    /// ```
    /// use persevere::guard::{Breaker, BreakerChange, BreakerState, Breakers};
    /// use std::sync::{Arc, Mutex};
    /// use std::time::Duration;
    ///
    /// let log = Arc::new(Mutex::new(Vec::new()));
    /// let seen = log.clone();
    /// let breakers: Breakers<String> = Breakers::new(1000, || Breaker::new().min_outcomes(1))
    ///     .on_change(move |host: &String, change: BreakerChange| seen.lock().unwrap().push((host.clone(), change.to())));
    /// breakers.get("a.example").admit(Duration::ZERO)?.failed(Duration::ZERO);
    /// assert_eq!(*log.lock().unwrap(), [("a.example".to_owned(), BreakerState::Open)]);
    /// # Ok::<(), persevere::Rejected>(())
    /// ```
    #[must_use]
    pub fn on_change<F>(mut self, hook: F) -> Self
    where
        F: Fn(&K, BreakerChange) + Send + Sync + 'static,
    {
        let hook = AssertUnwindSafe(Arc::new(hook));
        self.finish = Some(Box::new(move |key, breaker| {
            let told = AssertUnwindSafe((key.clone(), Arc::clone(&*hook)));
            breaker.on_change_shared(Arc::new(move |change| {
                let (key, hook) = &*told;
                hook(key, change);
            }))
        }));
        self
    }
}

impl<K: Hash + Eq + Clone, G: Forgettable> Keyed<K, G> {
    /// Returns the guard of this key, a new one if it has none.
    ///
    /// Takes a lock for the length of a look-up. Keep what it returns for the length of a run: a key in use stays. What may
    /// be forgotten is judged by the clock of the default timers.
    pub fn get<Q>(&self, key: &Q) -> Arc<G>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(&place) = kept.places.get(key) {
            return Arc::clone(&kept.guards[place].1);
        }
        drop(kept);
        self.insert(key.to_owned())
    }

    #[cold]
    fn insert(&self, key: K) -> Arc<G> {
        // Foreign code, all: it runs while nothing is half done.
        let (copy, made) = (key.clone(), (self.make)());
        let guard = Arc::new(match &self.finish {
            Some(finish) => finish(&key, made),
            None => made,
        });
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        let kept = &mut *kept;
        if let Some(&place) = kept.places.get(&key) {
            return Arc::clone(&kept.guards[place].1);
        }
        if kept.guards.len() < self.capacity {
            kept.places.insert(key, kept.guards.len());
            kept.guards.push((copy, Arc::clone(&guard)));
            return guard;
        }
        let Some(place) = kept.idle() else { return self.overflow.clone().unwrap_or(guard) };
        let Kept { places, guards, .. } = kept;
        places.remove(&guards[place].0);
        places.insert(key, place);
        guards[place] = (copy, Arc::clone(&guard));
        guard
    }
}

impl<K, G: Forgettable> Kept<K, G> {
    /// The next one that may go.
    fn idle(&mut self) -> Option<usize> {
        let (count, now) = (self.guards.len(), ThreadTimer.now());
        for _ in 0..count.min(LOOKS) {
            let place = self.hand % count;
            self.hand = place + 1;
            let guard = &self.guards[place].1;
            // Nobody can take hold of it meanwhile: that takes the lock.
            if Arc::strong_count(guard) == 1 && guard.may_go(now) {
                return Some(place);
            }
        }
        None
    }
}

impl<K, G: fmt::Debug> fmt::Debug for Keyed<K, G> {
    /// Prints no key: they may be private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("len", &self.len())
            .field("capacity", &self.capacity)
            .field("overflow", &self.overflow)
            .finish_non_exhaustive()
    }
}
