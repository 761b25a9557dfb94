use super::{unknown, unsent};
use crate::verdict::{Fault, Verdict};

/// Returns what the code of a NATS JetStream error means (`code`, and not `err_code`).
///
/// A published message whose acknowledgement is lost may be stored. With a message id (`Nats-Msg-Id`) it may be
/// published again.
///
/// | code | what happened | verdict | reason |
/// |---|---|---|---|
/// | `503` | stream full, or JetStream not available | status, never reached | refused |
/// | `408` | no answer in time | timeout, maybe reached | nothing is known of what was done |
/// | `429` | too many requests | throttle, maybe reached | the server receives too many requests |
/// | `500` | server error | status, maybe reached | nothing is known of what was done |
/// | `400`, `401`, `403`, `404`, `409` | a mistake of the client, not found, other settings | permanent | would fail again |
/// | all else | | permanent | |
///
/// ```
/// use persevere::tables;
///
/// assert!(tables::jetstream(503).is_transient());
/// assert!(!tables::jetstream(404).is_transient());
/// ```
pub const fn jetstream(code: usize) -> Verdict {
    match code {
        503 => unsent(Fault::Status),
        408 => unknown(Fault::Timeout),
        429 => unknown(Fault::Throttle),
        500 => unknown(Fault::Status),
        _ => Verdict::permanent(),
    }
}
