use core::time::Duration;

use super::unknown;
use crate::verdict::{Fault, Verdict};

/// Returns what a gRPC status code means that the *server* sent.
///
/// Ask for a code only if the status has no source. A client makes statuses of its own for connections that broke, and
/// the codes of those mean something else: tonic reports a reset as `UNKNOWN` and its own timeout as `CANCELLED`.
///
/// | code | name | verdict | reason |
/// |---|---|---|---|
/// | `14` | `UNAVAILABLE` | status, maybe reached | gRPC recommends to try again; nothing proves that the call was not done |
/// | `10` | `ABORTED` | status, maybe reached | repeat the whole read-modify-write |
/// | `8` | `RESOURCE_EXHAUSTED` | throttle, maybe reached | the server receives too many requests |
/// | `4` | `DEADLINE_EXCEEDED` | timeout, maybe reached | the call may be done after all |
/// | `0` | `OK` | permanent | no failure |
/// | `1` | `CANCELLED` | permanent | somebody wanted it to end |
/// | `2` | `UNKNOWN` | permanent | what an application reports for its own errors |
/// | `13`, `15` | `INTERNAL`, `DATA_LOSS` | permanent | something is broken |
/// | `3`, `5`, `6`, `7`, `9`, `11`, `12`, `16` | a mistake of the client | permanent | would fail again |
/// | all else | | permanent | |
///
/// ```
/// use persevere::{Fault, tables};
///
/// assert_eq!(tables::grpc(8).fault(), Fault::Throttle);
/// assert!(!tables::grpc(2).is_transient());
/// ```
pub const fn grpc(code: i32) -> Verdict {
    match code {
        14 | 10 => unknown(Fault::Status),
        8 => unknown(Fault::Throttle),
        4 => unknown(Fault::Timeout),
        _ => Verdict::permanent(),
    }
}

/// Adds the value of the `grpc-retry-pushback-ms` header to a verdict.
///
/// A number of milliseconds is the hint. A negative number, or a text that is no number, means that the server wants no
/// other attempt: the verdict becomes permanent.
///
/// ```
/// use persevere::tables;
/// use std::time::Duration;
///
/// let unavailable = tables::grpc(14);
/// assert_eq!(tables::grpc_pushback(unavailable, "700").hint(), Some(Duration::from_millis(700)));
/// assert!(!tables::grpc_pushback(unavailable, "-1").is_transient());
/// ```
pub fn grpc_pushback(verdict: Verdict, value: &str) -> Verdict {
    match value.parse::<u32>() {
        Ok(millis) if verdict.is_transient() => verdict.with_hint(Duration::from_millis(millis.into())),
        Ok(_) => verdict,
        Err(_) => Verdict::permanent(),
    }
}

/// Returns the wait that a `google.rpc.RetryInfo` in a status' details asks for.
///
/// `details` is the decoded `grpc-status-details-bin` header: a serialized `google.rpc.Status` (`Status::details()` of
/// tonic). The first `RetryInfo` counts. The result is `None` if there is none, if its wait is negative or out of
/// protobuf's range, or if the bytes up to it are not a valid message. Details of more than 64 KiB are ignored.
///
/// ```
/// use persevere::tables;
/// use std::time::Duration;
///
/// let details = b"\x1a\x30\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x02";
/// assert_eq!(tables::grpc_retry_info(details), Some(Duration::from_secs(2)));
/// assert_eq!(tables::grpc_retry_info(b"no protobuf"), None);
/// ```
pub fn grpc_retry_info(details: &[u8]) -> Option<Duration> {
    const LARGEST: usize = 64 * 1024;
    if details.len() > LARGEST {
        return None;
    }
    for field in Fields(details) {
        let (3, Value::Bytes(any)) = field? else { continue };
        if last_bytes(any, 1)?.ends_with(b"/google.rpc.RetryInfo") {
            return duration(last_bytes(last_bytes(any, 2)?, 1)?);
        }
    }
    None
}

/// Reads a `google.protobuf.Duration` that is neither negative nor out of range.
fn duration(message: &[u8]) -> Option<Duration> {
    /// Protobuf's own limit: 10 000 years.
    const LONGEST: u64 = 315_576_000_000;
    let (mut seconds, mut nanos) = (0, 0);
    for field in Fields(message) {
        match field? {
            (1, Value::Number(number)) => seconds = number,
            (2, Value::Number(number)) => nanos = number,
            _ => {}
        }
    }
    // A negative number is a huge one here.
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    (seconds <= LONGEST).then(|| Duration::new(seconds, nanos))
}

/// The last value of a field of bytes, empty if the message does not have it; `None` if the message cannot be read.
fn last_bytes(message: &[u8], wanted: u64) -> Option<&[u8]> {
    let mut found: &[u8] = &[];
    for field in Fields(message) {
        match field? {
            (number, Value::Bytes(bytes)) if number == wanted => found = bytes,
            _ => {}
        }
    }
    Some(found)
}

/// The value of a protobuf field, as the wire shows it.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

/// Iterates over the fields of a protobuf message. It yields `None` once for what it cannot read, and then ends.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Value<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let key = self.number()?;
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Other)?,
            // Groups are no longer in use, and there is no type 6 or 7.
            _ => return None,
        };
        Some((key >> 3, value))
    }

    /// Reads a number of at most ten bytes, seven bits in each.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for position in 0..10 {
            let byte = *self.take(1)?.first()?;
            number |= u64::from(byte & 0x7f) << (7 * position);
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}
