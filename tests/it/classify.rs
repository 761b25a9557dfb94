//! What the errors of others mean.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use persevere::{Fault, Reached, Retryable, TimedOut, Verdict};

use crate::support::secs;

const TRANSIENT: Verdict = Verdict::transient();
const PERMANENT: Verdict = Verdict::permanent();
const UNKNOWN: Verdict = Verdict::unclassified();
const REFUSED: Verdict = TRANSIENT.with_fault(Fault::Connect).with_reached(Reached::No);
const DOWN: Verdict = TRANSIENT.with_fault(Fault::Connect);
const BROKEN: Verdict = TRANSIENT.with_fault(Fault::Read);
const LATE: Verdict = TRANSIENT.with_fault(Fault::Timeout);

/// Every kind that the oldest supported standard library names.
const KINDS: [(ErrorKind, Verdict); 38] = [
    (ErrorKind::AddrInUse, TRANSIENT),
    (ErrorKind::AddrNotAvailable, DOWN),
    (ErrorKind::AlreadyExists, PERMANENT),
    (ErrorKind::ArgumentListTooLong, PERMANENT),
    (ErrorKind::BrokenPipe, BROKEN),
    (ErrorKind::ConnectionAborted, BROKEN),
    (ErrorKind::ConnectionRefused, REFUSED),
    (ErrorKind::ConnectionReset, BROKEN),
    (ErrorKind::CrossesDevices, PERMANENT),
    (ErrorKind::Deadlock, TRANSIENT),
    (ErrorKind::DirectoryNotEmpty, PERMANENT),
    (ErrorKind::ExecutableFileBusy, TRANSIENT),
    (ErrorKind::FileTooLarge, PERMANENT),
    (ErrorKind::HostUnreachable, DOWN),
    (ErrorKind::Interrupted, TRANSIENT),
    (ErrorKind::InvalidData, PERMANENT),
    (ErrorKind::InvalidInput, PERMANENT),
    (ErrorKind::IsADirectory, PERMANENT),
    (ErrorKind::NetworkDown, DOWN),
    (ErrorKind::NetworkUnreachable, DOWN),
    (ErrorKind::NotADirectory, PERMANENT),
    (ErrorKind::NotConnected, BROKEN),
    (ErrorKind::NotFound, PERMANENT),
    (ErrorKind::NotSeekable, PERMANENT),
    (ErrorKind::Other, PERMANENT),
    (ErrorKind::OutOfMemory, PERMANENT),
    (ErrorKind::PermissionDenied, PERMANENT),
    (ErrorKind::QuotaExceeded, PERMANENT),
    (ErrorKind::ReadOnlyFilesystem, PERMANENT),
    (ErrorKind::ResourceBusy, TRANSIENT),
    (ErrorKind::StaleNetworkFileHandle, TRANSIENT),
    (ErrorKind::StorageFull, PERMANENT),
    (ErrorKind::TimedOut, LATE),
    (ErrorKind::TooManyLinks, PERMANENT),
    (ErrorKind::UnexpectedEof, BROKEN),
    (ErrorKind::Unsupported, PERMANENT),
    (ErrorKind::WouldBlock, LATE),
    (ErrorKind::WriteZero, PERMANENT),
];

#[test]
fn every_io_error_kind_is_decided() {
    for (kind, verdict) in KINDS {
        assert_eq!(io::Error::from(kind).verdict(), verdict, "{kind:?}");
        let told = if kind == ErrorKind::Other { UNKNOWN } else { verdict };
        assert_eq!(io::Error::new(kind, "with a text").verdict(), told, "{kind:?}");
    }
}

/// The system's own errors, whatever kinds this platform makes of them.
#[test]
#[cfg(unix)]
fn what_the_system_says_is_decided_by_its_kind() {
    let mut known = 0;
    for code in 1..200 {
        let error = io::Error::from_raw_os_error(code);
        match KINDS.iter().find(|(kind, _)| *kind == error.kind()) {
            Some((_, verdict)) => {
                known += 1;
                assert_eq!(error.verdict(), *verdict, "{error}");
            }
            // Not decided on purpose: no other attempt.
            None => assert_eq!(error.verdict(), PERMANENT, "{error}"),
        }
    }
    assert!(known > 30, "{known}");
}

/// Also in a box, and as what another error is about.
#[test]
fn only_a_refused_connection_proves_that_nothing_was_reached() {
    for (kind, _) in KINDS {
        let proof = if kind == ErrorKind::ConnectionRefused { Reached::No } else { Reached::Maybe };
        let verdicts = [
            io::Error::from(kind).verdict(),
            io::Error::other(io::Error::from(kind)).verdict(),
            Boxed::from(io::Error::from(kind)).verdict(),
            Boxed::from(Around(Some(io::Error::from(kind)))).verdict(),
        ];
        for verdict in verdicts {
            assert_eq!((verdict.reached(), verdict.hint()), (proof, None), "{kind:?}");
        }
    }
}

/// An error of a type that the crate does not know, around another.
#[derive(Debug)]
struct Around<E>(Option<E>);

impl<E> fmt::Display for Around<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("something went wrong")
    }
}

impl<E: Error + 'static> Error for Around<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_ref().map(|inner| inner as _)
    }
}

type Boxed = Box<dyn Error + Send + Sync>;

fn reset() -> io::Error {
    ErrorKind::ConnectionReset.into()
}

fn unknown() -> Around<io::Error> {
    Around(None)
}

#[test]
fn an_io_error_of_kind_other_is_what_the_error_in_it_is() {
    assert_eq!(io::Error::other(reset()).verdict(), BROKEN);
    assert_eq!(io::Error::other(io::Error::other(reset())).verdict(), BROKEN);
    assert_eq!(io::Error::other(Around(Some(reset()))).verdict(), BROKEN);
    assert_eq!(io::Error::other(TimedOut::new(secs(5))).verdict(), LATE);
    assert_eq!(io::Error::other(unknown()).verdict(), UNKNOWN);
    assert_eq!(io::Error::other("only a text").verdict(), UNKNOWN);
    assert_eq!(io::Error::new(ErrorKind::NotFound, reset()).verdict(), PERMANENT, "its own kind is first");
}

#[test]
fn a_timeout_of_tokios_is_a_timeout_in_a_box_too() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let never = async { tokio::time::timeout(secs(1), std::future::pending::<()>()).await };
    let elapsed = runtime.block_on(never).unwrap_err();
    assert_eq!(elapsed.verdict(), LATE);
    assert_eq!((Box::new(elapsed) as Box<dyn Error + Send + Sync>).verdict(), LATE);
}

#[test]
fn an_attempt_timeout_is_a_timeout_in_whatever_error() {
    let timed_out = TimedOut::new(secs(5));
    assert_eq!(timed_out.verdict(), LATE);
    assert_eq!(io::Error::from(timed_out).verdict(), LATE);
    assert_eq!(Boxed::from(timed_out).verdict(), LATE);
    assert_eq!((timed_out.limit(), timed_out.to_string().as_str()), (secs(5), "attempt timed out after 5 s"));
}

#[test]
fn pointers_are_what_they_point_to() {
    let error = reset();
    assert_eq!(<&io::Error as Retryable>::verdict(&&error), BROKEN);
    assert_eq!(Box::new(reset()).verdict(), BROKEN);
    assert_eq!(Arc::new(reset()).verdict(), BROKEN);
    assert_eq!(Box::new(Arc::new(Box::new(reset()))).verdict(), BROKEN);
    let object: Box<dyn Retryable> = Box::new(reset());
    assert_eq!(object.verdict(), BROKEN);
}

#[test]
fn infallible_is_an_error_type_too() {
    assert_eq!(persevere::Policy::new().run(|| Ok::<_, Infallible>(1)), Ok(1));
}

#[test]
fn the_first_known_error_of_a_chain_decides() {
    let chains: [(Boxed, Verdict); 6] = [
        (Box::new(reset()), BROKEN),
        (Box::new(Around(Some(reset()))), BROKEN),
        (Box::new(Around(Some(Around(Some(Around(Some(reset()))))))), BROKEN),
        (Box::new(Around(Some(io::Error::new(ErrorKind::NotFound, reset())))), PERMANENT),
        (Box::new(Around(Some(TimedOut::new(secs(1))))), LATE),
        (Box::new(unknown()), UNKNOWN),
    ];
    for (error, verdict) in chains {
        assert_eq!(error.verdict(), verdict, "{error:?}");
        let shared: Arc<dyn Error + Send + Sync> = error.into();
        assert_eq!(shared.verdict(), verdict);
    }
    let plain: Box<dyn Error> = Box::new(Around(Some(reset())));
    assert_eq!(plain.verdict(), BROKEN);
    let sent: Box<dyn Error + Send> = Box::new(Around(Some(reset())));
    assert_eq!(sent.verdict(), BROKEN);
}

#[test]
fn a_users_own_type_is_not_found_in_a_chain_and_when_helps() {
    let boxed: Boxed = Box::new(unknown());
    assert!(!boxed.verdict().is_transient());
    let mut calls = 0;
    let outcome = persevere::Policy::new()
        .waits([std::time::Duration::ZERO; 2])
        .when(|error: &Boxed| error.downcast_ref::<Around<io::Error>>().is_some())
        .run(|| {
            calls += 1;
            Err::<(), Boxed>(Box::new(unknown()))
        });
    assert!(outcome.is_err());
    assert_eq!(calls, 3);
}

/// Its own source.
#[derive(Debug)]
struct Cycle;

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("round and round")
    }
}

impl Error for Cycle {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self)
    }
}

#[test]
fn a_chain_that_leads_back_to_itself_does_not_hang() {
    let boxed: Boxed = Box::new(Cycle);
    assert_eq!(boxed.verdict(), UNKNOWN);
    assert_eq!(io::Error::other(Cycle).verdict(), UNKNOWN);
}

/// Its source is an `io::Error` that holds another of these.
#[derive(Clone, Debug)]
struct Shared(Arc<std::sync::OnceLock<io::Error>>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("round and round")
    }
}

impl Error for Shared {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.get().map(|error| error as _)
    }
}

#[test]
fn a_cycle_through_io_errors_does_not_overflow_the_stack() {
    let cycle = Shared(Arc::default());
    cycle.0.set(io::Error::other(cycle.clone())).unwrap();
    assert_eq!(io::Error::other(cycle).verdict(), UNKNOWN);
}

#[test]
fn io_errors_within_io_errors_do_not_overflow_the_stack() {
    let deep = (0..100_000).fold(reset(), |inner, _| io::Error::other(inner));
    assert_eq!(deep.verdict(), UNKNOWN);
    // Dropping it would recurse as deep, in the standard library.
    std::mem::forget(deep);
}

#[test]
fn an_either_is_the_side_that_it_holds() {
    use either::Either;
    let [left, right]: [Either<io::Error, Box<io::Error>>; 2] =
        [Either::Left(reset()), Either::Right(Box::new(ErrorKind::NotFound.into()))];
    assert_eq!((left.verdict(), right.verdict()), (BROKEN, PERMANENT));
}

#[test]
fn an_anyhow_error_is_the_first_known_error_of_its_chain() {
    use anyhow::Context;
    let plain = anyhow::Error::from(reset());
    assert_eq!(plain.verdict(), BROKEN);
    let told = Err::<(), _>(reset()).context("asking").context("starting").unwrap_err();
    assert_eq!(told.verdict(), BROKEN);
    assert_eq!(anyhow::Error::from(TimedOut::new(secs(1))).context("asking").verdict(), LATE);
    assert_eq!(anyhow::anyhow!("only a text").verdict(), UNKNOWN);
}

#[test]
fn a_verdict_is_built_and_asked() {
    let verdict = Verdict::from(true).with_fault(Fault::Status).with_reached(Reached::No).with_hint(secs(3));
    assert!(verdict.is_transient());
    assert_eq!((verdict.fault(), verdict.reached(), verdict.hint()), (Fault::Status, Reached::No, Some(secs(3))));
    assert_eq!(Verdict::from(false), PERMANENT);
    assert_eq!((TRANSIENT.fault(), TRANSIENT.reached(), TRANSIENT.hint()), (Fault::Other, Reached::Maybe, None));
    let longest = TRANSIENT.with_hint(std::time::Duration::MAX).hint().unwrap();
    assert!(longest > secs(500 * 365 * 24 * 3600), "a hint without end is still a hint: {longest:?}");
}

#[test]
fn faults_have_names() {
    let names = crate::support::FAULTS.map(|fault| fault.to_string());
    assert_eq!(names, ["connect", "timeout", "read", "status", "throttle", "redirect", "other"]);
    assert_eq!(format!("[{:>8}]", Fault::Read), "[    read]");
}

#[test]
fn a_name_that_can_t_be_looked_up_is_a_connect_fault_that_reached_nobody() {
    use std::net::ToSocketAddrs as _;
    let error = "no-such-host.invalid:1".to_socket_addrs().unwrap_err();
    let verdict = error.verdict();
    assert!(verdict.is_transient(), "{error:?}");
    assert_eq!((verdict.fault(), verdict.reached()), (Fault::Connect, Reached::No));
}
