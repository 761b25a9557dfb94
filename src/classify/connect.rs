//! What an error means that a client reports as a failure to connect.

use std::error::Error;

use super::boxed::{chain, known, shows};
use super::texts;
#[cfg(any(feature = "async-nats-0_51", feature = "hyper-util-0_1", feature = "tonic-0_14"))]
use crate::verdict::{Fault, Reached, Verdict};

/// Returns the verdict on a connection that was never made, so that nothing of the operation was sent.
///
/// `cause` is what stopped the connect. A timeout there is a fault of the connect, too.
#[cfg(any(feature = "async-nats-0_51", feature = "hyper-util-0_1", feature = "tonic-0_14"))]
pub(super) fn verdict(cause: &(dyn Error + 'static)) -> Verdict {
    let verdict = if passes(cause) { Verdict::transient() } else { Verdict::permanent() };
    verdict.with_fault(Fault::Connect).with_reached(Reached::No)
}

/// Whether what stopped a connect may go away. A certificate that is not valid will not be valid the next time.
pub(super) fn passes(cause: &(dyn Error + 'static)) -> bool {
    let by_text =
        |error| [&texts::TUNNEL[..], &texts::SOCKS, &texts::SHARED_CONNECTION].iter().any(|texts| shows(error, texts));
    chain(cause).find_map(known).is_some_and(|verdict| verdict.is_transient()) || chain(cause).any(by_text)
}
