use super::unknown;
use crate::verdict::{Fault, Verdict};

/// Returns what the code of a WebSocket close frame means for whoever wants the connection to go on.
///
/// A close frame is no error in most clients: the stream yields it as a message and then ends.
///
/// | code | name | verdict | reason |
/// |---|---|---|---|
/// | `1000`, `1001`, `1005` | closed, going away, no code | read, maybe reached | connect again |
/// | `1006` | connection lost | read, maybe reached | no close frame came |
/// | `1011`, `1012`, `1014` | server error, restart, bad gateway | read, maybe reached | connect again |
/// | `1013` | try again later | throttle, maybe reached | the server receives too many requests |
/// | `1002`, `1003`, `1007`, `1008`, `1009`, `1010`, `1015` | protocol, type or policy violated, too large, TLS | permanent | would fail again |
/// | `3000`, `4000`, `4999` | 3000 to 4999 are the program's own | permanent | only the program knows what they mean |
/// | all else | | permanent | |
///
/// ```
/// use persevere::{Fault, tables};
///
/// assert_eq!(tables::websocket_close(1013).fault(), Fault::Throttle);
/// assert!(!tables::websocket_close(1008).is_transient());
/// ```
pub const fn websocket_close(code: u16) -> Verdict {
    match code {
        1000 | 1001 | 1005 | 1006 | 1011 | 1012 | 1014 => unknown(Fault::Read),
        1013 => unknown(Fault::Throttle),
        _ => Verdict::permanent(),
    }
}
