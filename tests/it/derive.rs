//! `#[derive(Retryable)]`.

use std::io;
use std::time::Duration;

use persevere::{Fault, Reached, Retryable, Verdict};

#[derive(Debug, thiserror::Error, Retryable)]
enum StoreError {
    #[error("busy")]
    #[retry(transient)]
    Busy,
    #[error("slow down")]
    #[retry(throttle, after = wait)]
    SlowDown { wait: Duration },
    #[error("refused")]
    #[retry(connect, reached = no)]
    Refused,
    #[error("no such key: {0}")]
    #[retry(permanent)]
    NoSuchKey(String),
    #[error(transparent)]
    #[retry(forward)]
    Io(#[from] io::Error),
    #[error("in {place}")]
    Nested {
        place: &'static str,
        #[retry(forward)]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

#[test]
fn beside_thiserror() {
    assert_eq!(StoreError::Busy.verdict(), Verdict::transient());
    let wait = Duration::from_secs(3);
    assert_eq!(
        StoreError::SlowDown { wait }.verdict(),
        Verdict::transient().with_fault(Fault::Throttle).with_hint(wait)
    );
    assert_eq!(
        StoreError::Refused.verdict(),
        Verdict::transient().with_fault(Fault::Connect).with_reached(Reached::No)
    );
    assert_eq!(StoreError::NoSuchKey("x".to_owned()).verdict(), Verdict::permanent());
    let io = || io::Error::from(io::ErrorKind::ConnectionReset);
    assert_eq!(StoreError::from(io()).verdict(), io().verdict());
    let nested = StoreError::Nested { place: "here", source: Box::new(io()) };
    assert!(nested.verdict().is_transient());
}

#[derive(Retryable)]
enum Faults {
    #[retry(connect)]
    Connect,
    #[retry(timeout)]
    Timeout,
    #[retry(read)]
    Read,
    #[retry(status)]
    Status = 1 << 4,
    #[retry(throttle)]
    Throttle,
    #[retry(redirect)]
    Redirect,
    #[retry(other, reached = maybe)]
    Other,
}

#[test]
fn every_fault() {
    let faults = [
        (Faults::Connect, Fault::Connect),
        (Faults::Timeout, Fault::Timeout),
        (Faults::Read, Fault::Read),
        (Faults::Status, Fault::Status),
        (Faults::Throttle, Fault::Throttle),
        (Faults::Redirect, Fault::Redirect),
        (Faults::Other, Fault::Other),
    ];
    for (error, fault) in faults {
        assert_eq!(error.verdict(), Verdict::transient().with_fault(fault));
    }
}

struct Headers {
    retry_after: Option<u64>,
}

impl Headers {
    fn wait(&self) -> Option<Duration> {
        self.retry_after.map(Duration::from_secs)
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[derive(Retryable)]
enum Hinted {
    #[retry(throttle, after = 1)]
    Tuple(#[allow(dead_code)] u16, Option<Duration>),
    #[retry(throttle, after = headers.wait())]
    Expression { headers: Headers },
    #[retry(transient, after = SECOND)]
    Constant,
    #[retry(transient, after = if *deep { Some(r#type.saturating_mul(2)) } else { None })]
    Fields {
        deep: bool,
        r#type: Duration,
        #[allow(dead_code)]
        unused: u8,
    },
}

#[test]
fn hints() {
    let hint = |error: Hinted| error.verdict().hint();
    assert_eq!(hint(Hinted::Tuple(1, None)), None);
    assert_eq!(hint(Hinted::Tuple(1, Some(SECOND))), Some(SECOND));
    assert_eq!(hint(Hinted::Expression { headers: Headers { retry_after: Some(7) } }), Some(SECOND * 7));
    assert_eq!(hint(Hinted::Constant), Some(SECOND));
    assert_eq!(hint(Hinted::Fields { deep: true, r#type: SECOND, unused: 0 }), Some(SECOND * 2));
    assert_eq!(hint(Hinted::Fields { deep: false, r#type: SECOND, unused: 0 }), None);
}

#[derive(Retryable)]
#[retry(transient, reached = no)]
enum ByDefault {
    One,
    #[retry(permanent)]
    Two,
    #[retry(reached = maybe)]
    Three,
    #[retry(read)]
    Four(#[allow(dead_code)] u8),
}

#[test]
fn a_decision_on_the_enum_holds_for_the_variants_that_have_none() {
    assert_eq!(ByDefault::One.verdict(), Verdict::transient().with_reached(Reached::No));
    assert_eq!(ByDefault::Two.verdict(), Verdict::permanent());
    assert_eq!(ByDefault::Three.verdict(), Verdict::transient());
    assert_eq!(ByDefault::Four(0).verdict(), Verdict::transient().with_fault(Fault::Read));
}

mod again {
    pub(super) use persevere as other;
}

#[derive(Retryable)]
#[retry(crate = again::other, forward)]
struct Wrapper<'a, E: 'a + ?Sized = io::Error, const N: usize = 1>(&'a E)
where
    E: std::fmt::Debug;

#[derive(Retryable)]
struct Many<A, B>
where
    A: Clone,
{
    #[allow(dead_code)]
    context: B,
    #[retry(forward)]
    cause: Local<A>,
}

impl<A: Retryable> Retryable for Local<A> {
    fn verdict(&self) -> Verdict {
        self.0.verdict()
    }
}

struct Local<A>(A);

#[derive(Retryable)]
enum Generic<A, B: Default> {
    #[retry(forward)]
    One(Local<A>),
    #[retry(permanent)]
    #[allow(dead_code)]
    Two(B),
}

impl Retryable for Refused {
    fn verdict(&self) -> Verdict {
        Verdict::transient().with_fault(Fault::Connect)
    }
}

#[derive(Clone, Debug)]
struct Refused;

#[test]
fn generics() {
    assert_eq!(Wrapper::<_, 3>(&Refused).verdict().fault(), Fault::Connect);
    assert_eq!(Generic::<_, NotRetryable>::One(Local(Refused)).verdict().fault(), Fault::Connect);
    assert_eq!(Many { context: NotRetryable, cause: Local(Refused) }.verdict().fault(), Fault::Connect);
    assert_eq!(Generic::<Refused, _>::Two(NotRetryable).verdict(), Verdict::permanent());
}

#[derive(Default)]
struct NotRetryable;

#[derive(Retryable)]
#[retry(permanent)]
struct Unit;

#[derive(Retryable)]
#[retry(status, after = wait)]
struct Named {
    wait: Duration,
}

#[derive(Retryable)]
enum Never {}

#[test]
fn structs() {
    assert_eq!(Unit.verdict(), Verdict::permanent());
    assert_eq!(Named { wait: SECOND }.verdict(), Verdict::transient().with_fault(Fault::Status).with_hint(SECOND));
    assert!(None::<Never>.as_ref().map(Retryable::verdict).is_none());
}

#[derive(Debug, Retryable)]
enum Chain<T> {
    #[retry(forward)]
    End(T),
    #[retry(forward)]
    Link(Box<Chain<T>>),
}

#[test]
fn a_generic_type_may_hold_itself() {
    let chain = Chain::Link(Box::new(Chain::Link(Box::new(Chain::End(io::Error::from(io::ErrorKind::TimedOut))))));
    assert_eq!(chain.verdict(), io::Error::from(io::ErrorKind::TimedOut).verdict());
}

macro_rules! written_by_a_macro {
    ($name:ident, $(#[$decision:meta])* $variant:ident($ty:ty), $index:literal, $inner:ty) => {
        #[derive(Debug, Retryable)]
        enum $name {
            $(#[$decision])*
            $variant($ty),
            #[retry(throttle, after = $index)]
            Slow($inner),
        }
    };
}
written_by_a_macro!(
    Written,
    #[retry(permanent)]
    #[allow(dead_code)]
    Gone(u8),
    0,
    Duration
);

#[test]
fn what_another_macro_wrote() {
    let wait = Duration::from_secs(3);
    assert_eq!(Written::Gone(1).verdict(), Verdict::permanent());
    assert_eq!(Written::Slow(wait).verdict(), Verdict::transient().with_fault(Fault::Throttle).with_hint(wait));
}

/// An error of another crate: it can be neither `Retryable` nor made from ours.
mod driver {
    #[derive(Debug)]
    pub(super) struct Error(pub(super) u32);

    #[derive(Debug)]
    pub(super) struct Pool<E>(pub(super) E);
}

fn of_driver(error: &driver::Error) -> Verdict {
    match error.0 {
        0 => Verdict::permanent(),
        code => Verdict::transient().with_fault(Fault::Read).with_hint(Duration::from_secs(code.into())),
    }
}

struct Table;

impl Table {
    const fn pool<E>(_: &driver::Pool<E>) -> Verdict {
        Verdict::transient().with_fault(Fault::Connect)
    }
}

#[allow(dead_code)]
#[derive(Debug, Retryable)]
#[retry(with = of_driver)]
enum Foreign<E> {
    Inherited(driver::Error),
    #[retry(with = self::of_driver)]
    Tuple(driver::Error),
    #[retry(with = of_driver, reached = no)]
    Named {
        source: driver::Error,
    },
    Marked {
        #[allow(dead_code)]
        place: &'static str,
        #[retry(with = of_driver)]
        source: driver::Error,
    },
    #[retry(with = Table::pool::<E>)]
    Pool(driver::Pool<E>),
    #[retry(with = of_driver)]
    Boxed(Box<driver::Error>),
    #[retry(forward)]
    Own(io::Error),
    #[retry(permanent)]
    Never(driver::Error),
}

#[derive(Debug, Retryable)]
#[retry(with = of_driver)]
struct Wrapped(driver::Error);

#[test]
fn a_foreign_field_is_judged_by_the_function_that_with_names() {
    let one = || driver::Error(1);
    let expected = of_driver(&one());
    assert_eq!(expected.hint(), Some(Duration::from_secs(1)));
    let place = "here";
    for error in [
        Foreign::<u8>::Inherited(one()),
        Foreign::Tuple(one()),
        Foreign::Marked { place, source: one() },
        Foreign::Boxed(one().into()),
    ] {
        assert_eq!(error.verdict(), expected, "{error:?}");
    }
    assert_eq!(Foreign::<u8>::Named { source: one() }.verdict(), expected.with_reached(Reached::No));
    assert_eq!(Foreign::Pool(driver::Pool("x")).verdict(), Verdict::transient().with_fault(Fault::Connect));
    let io = || io::Error::from(io::ErrorKind::ConnectionReset);
    assert_eq!(Foreign::<u8>::Own(io()).verdict(), io().verdict());
    assert_eq!(Foreign::<u8>::Never(one()).verdict(), Verdict::permanent());
    assert_eq!((Wrapped(one()).verdict(), Wrapped(driver::Error(0)).verdict()), (expected, Verdict::permanent()));
}

mod made {
    use super::*;
    use persevere::{Policy, Rejected, TimedOut, guard::Breaker, retry, retry_async};

    /// The refusal of a breaker that opens again after a while.
    fn rejected() -> Rejected {
        let breaker = Breaker::new().min_outcomes(1).open_for(Duration::from_secs(5));
        breaker.admit(Duration::ZERO).unwrap().failed(Duration::ZERO);
        breaker.admit(Duration::ZERO).unwrap_err()
    }

    fn timed_out() -> TimedOut {
        TimedOut::new(Duration::from_secs(7))
    }

    #[derive(Debug, Retryable)]
    enum Units {
        #[retry(timed_out)]
        TooLong,
        #[retry(rejected)]
        HeldBack,
        #[retry(permanent)]
        Other,
    }

    #[allow(dead_code)]
    #[derive(Debug, Retryable)]
    enum Fields<'a, E: ?Sized + std::error::Error>
    where
        E: Send,
    {
        #[retry(timed_out, reached = no)]
        TooLong(TimedOut),
        #[retry(rejected)]
        HeldBack { why: Rejected },
        #[retry(forward)]
        Other(&'a io::Error),
        #[retry(permanent)]
        Never(Box<E>),
    }

    /// What the type parameter has to be made from is a bound.
    #[allow(dead_code)]
    #[derive(Debug, Retryable)]
    enum Generic<E, const N: usize> {
        #[retry(timed_out)]
        TooLong(E),
        #[retry(rejected)]
        HeldBack(Box<Rejected>),
        #[retry(transient)]
        Other([u8; N]),
    }

    #[derive(Debug, thiserror::Error, Retryable)]
    enum BesideFrom {
        #[error(transparent)]
        #[retry(timed_out)]
        TooLong(#[from] TimedOut),
        #[error(transparent)]
        #[retry(rejected)]
        HeldBack {
            #[from]
            why: Rejected,
        },
    }

    #[derive(Debug, Retryable)]
    #[retry(timed_out)]
    struct Unit;

    #[derive(Debug, Retryable)]
    #[retry(rejected)]
    struct Tuple(Rejected);

    type Both = Fields<'static, dyn std::error::Error + Send>;

    #[test]
    fn a_variant_is_made_from_our_errors_and_says_what_they_say() {
        let timeout = Verdict::transient().with_fault(Fault::Timeout);
        let throttle = Verdict::transient().with_fault(Fault::Throttle);
        let refused = rejected().verdict();
        assert_eq!(refused, throttle.with_reached(Reached::No).with_hint(Duration::from_secs(5)));
        assert_eq!(timed_out().verdict(), timeout);

        assert!(matches!(Units::from(timed_out()), Units::TooLong));
        assert!(matches!(Units::from(rejected()), Units::HeldBack));
        // Whether the run had made an attempt is not known here.
        assert_eq!(
            [Units::TooLong, Units::HeldBack, Units::Other].map(|error| error.verdict()),
            [timeout, throttle, Verdict::permanent()]
        );

        let cut = Both::from(timed_out());
        assert!(matches!(cut, Fields::TooLong(limit) if limit == timed_out()));
        assert_eq!(cut.verdict(), timeout.with_reached(Reached::No));
        assert_eq!(Both::from(rejected()).verdict(), refused);

        let cut = Generic::<io::Error, 3>::from(timed_out());
        assert!(matches!(&cut, Generic::TooLong(error) if error.kind() == io::ErrorKind::TimedOut));
        assert_eq!(cut.verdict(), timeout);
        assert_eq!(Generic::<io::Error, 3>::from(rejected()).verdict(), refused);

        assert_eq!(BesideFrom::from(timed_out()).verdict(), timeout);
        assert_eq!(BesideFrom::from(rejected()).verdict(), refused);
        assert_eq!(Unit::from(timed_out()).verdict(), timeout);
        assert_eq!(Tuple::from(rejected()).verdict(), refused);
    }

    #[test]
    fn a_run_can_cut_and_refuse_with_the_derived_error() {
        let breaker = Breaker::new().min_outcomes(1).open_for(Duration::from_secs(1_000_000_000));
        breaker.admit(Duration::ZERO).unwrap().failed(Duration::ZERO);
        let policy = || Policy::new().total(0).breaker(&breaker);
        assert!(matches!(retry(policy(), || Ok::<(), _>(())), Err(Units::HeldBack)));
        let cut = retry_async(Policy::new().total(0).attempt_timeout(Duration::from_secs(1)), || {
            std::future::pending::<Result<(), Units>>()
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        assert!(matches!(runtime.block_on(cut), Err(Units::TooLong)));
    }
}
