//! An error is asked in every shape in which a program passes it on.

#![allow(dead_code)] // Not every test uses all of it.

use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;

use persevere::{Fault, Reached, Retryable, Verdict};

pub const PERMANENT: Verdict = Verdict::permanent();
pub const BROKEN: Verdict = Verdict::transient().with_fault(Fault::Read);
pub const UNSENT: Verdict = BROKEN.with_reached(Reached::No);
pub const LATE: Verdict = Verdict::transient().with_fault(Fault::Timeout);
pub const CONNECT: Verdict = Verdict::transient().with_fault(Fault::Connect).with_reached(Reached::No);
pub const STATUS: Verdict = Verdict::transient().with_fault(Fault::Status);
pub const THROTTLE: Verdict = Verdict::transient().with_fault(Fault::Throttle);
pub const NO_CONNECT: Verdict = Verdict::permanent().with_fault(Fault::Connect).with_reached(Reached::No);

/// An error of the program's own that has the client's as its source.
#[derive(Debug, thiserror::Error)]
#[error("the program's own")]
struct Own<E: Error + 'static>(#[source] E);

/// Checks the verdict on the plain error, in boxes, in reports with and without contexts, and below an own error.
#[track_caller]
pub fn check<E: Error + Retryable + Send + Sync + 'static>(fault: &str, error: E, expected: Verdict) {
    let shown = format!("{fault}: {error:?}");
    #[track_caller]
    fn same(shape: &str, shown: &str, verdict: Verdict, expected: Verdict) {
        assert_eq!(verdict, expected, "{shape} of {shown}");
    }
    let check = |shape, verdict| same(shape, &shown, verdict, expected);

    check("plain", error.verdict());
    check("borrowed", (&error as &dyn Error).verdict());
    let error: E =
        take("box", Box::<dyn Error>::from(error), &check, |error| error.downcast::<E>().map(|error| *error));
    let boxed = Box::new(error) as Box<dyn Error + Send>;
    let error: E = take("Send box", boxed, &check, |error| error.downcast::<E>().map(|error| *error));
    let boxed = Box::<dyn Error + Send + Sync>::from(error);
    let error: E = take("Send + Sync box", boxed, &check, |error| error.downcast::<E>().map(|error| *error));
    let error: E = take("anyhow", anyhow::Error::new(error), &check, anyhow::Error::downcast);
    let report = anyhow::Error::new(error).context("a context").context("another");
    let error: E = take("anyhow with contexts", report, &check, anyhow::Error::downcast);
    let error: E = take("eyre", eyre::Report::new(error), &check, eyre::Report::downcast);
    let report = eyre::Report::new(error).wrap_err("a context").wrap_err("another");
    let error: E = take("eyre with contexts", report, &check, eyre::Report::downcast);

    let boxed = Box::<dyn Error + Send + Sync>::from(error);
    let report = eyre::eyre!(boxed).wrap_err("a context");
    check("eyre of a box", report.verdict());
    let Ok(boxed) = report.downcast::<Box<dyn Error + Send + Sync>>() else { panic!("{shown}") };
    let report = anyhow::anyhow!(boxed).context("a context");
    check("anyhow of a box", report.verdict());
    let Ok(boxed) = report.downcast::<Box<dyn Error + Send + Sync>>() else { panic!("{shown}") };
    let Ok(error) = boxed.downcast::<E>() else { panic!("{shown}") };

    let own = Own(*error);
    check("source", (&own as &dyn Error).verdict());
    let own = Own(Box::new(own.0));
    check("boxed source", (&own as &dyn Error).verdict());
    let own = Own(Arc::new(*own.0));
    check("shared source", (&own as &dyn Error).verdict());
    let shared: Arc<dyn Error + Send + Sync> = own.0;
    check("shared", (&Own(shared) as &dyn Error).verdict());
}

/// The address of a listener that is gone.
pub async fn nobody() -> std::net::SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A listener that takes no more connections, so that a connect hears nothing. It must be kept.
pub fn full() -> (std::net::SocketAddr, Vec<socket2::Socket>) {
    let socket = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let listener = socket();
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut kept = vec![listener];
    for _ in 0..4 {
        let client = socket();
        client.set_nonblocking(true).unwrap();
        let _ = client.connect(&address);
        kept.push(client);
    }
    (address.as_socket().unwrap(), kept)
}

/// Checks this shape of the error, and takes the error out again.
#[track_caller]
fn take<S: Retryable, E, R: Debug>(
    shape: &'static str,
    error: S,
    check: &impl Fn(&'static str, Verdict),
    out: impl FnOnce(S) -> Result<E, R>,
) -> E {
    check(shape, error.verdict());
    out(error).unwrap()
}
