use super::{starts_with, unsent};
use crate::verdict::{Fault, Verdict};

/// Returns what an error reply of redis means: the whole reply, or its first word.
///
/// A command that redis refuses took no effect. This does not hold for `EVAL` and functions: a script may write first and
/// reply any word afterwards. It does not hold for a pipeline either, whose other commands were done.
///
/// | reply | what happened | verdict | reason |
/// |---|---|---|---|
/// | `LOADING` | starts up | connect, never reached | refused |
/// | `READONLY` | a replica | status, never reached | helps if the next attempt finds the primary |
/// | `MASTERDOWN` | a replica without its primary | status, never reached | refused |
/// | `CLUSTERDOWN`, `TRYAGAIN` | the cluster is being changed | status, never reached | refused |
/// | `BUSY` | a script is running | status, never reached | refused |
/// | `NOREPLICAS`, `MISCONF` | writes are switched off for now | status, never reached | refused |
/// | `UNBLOCKED` | a blocking command was ended by another client | status, never reached | nothing was taken |
/// | `OOM` | out of memory | throttle, never reached | refused |
/// | `ERR max number of clients reached` | too many clients | throttle, never reached | refused at the connect |
/// | `MOVED`, `ASK` | another node has the key | redirect, never reached | refused |
/// | `NOAUTH`, `NOPERM`, `WRONGTYPE`, `NOSCRIPT`, `CROSSSLOT`, `EXECABORT`, `ERR` | a mistake of the client | permanent | would fail again |
/// | all else | | permanent | |
///
/// ```
/// use persevere::{Fault, tables};
///
/// let loading = tables::redis("LOADING Redis is loading the dataset in memory");
/// assert_eq!(loading.fault(), Fault::Connect);
/// assert_eq!(tables::redis("LOADING"), loading);
/// assert!(!tables::redis("WRONGTYPE").is_transient());
/// ```
pub const fn redis(reply: &str) -> Verdict {
    match first_word(reply.as_bytes()) {
        b"LOADING" => unsent(Fault::Connect),
        b"READONLY" | b"MASTERDOWN" | b"CLUSTERDOWN" | b"TRYAGAIN" | b"BUSY" | b"NOREPLICAS" | b"MISCONF"
        | b"UNBLOCKED" => unsent(Fault::Status),
        b"OOM" => unsent(Fault::Throttle),
        b"ERR" if starts_with(reply, "ERR max number of clients") => unsent(Fault::Throttle),
        b"MOVED" | b"ASK" => unsent(Fault::Redirect),
        _ => Verdict::permanent(),
    }
}

const fn first_word(reply: &[u8]) -> &[u8] {
    let mut end = 0;
    while end < reply.len() && reply[end] != b' ' {
        end += 1;
    }
    reply.split_at(end).0
}
