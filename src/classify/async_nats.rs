use std::error::Error as StdError;
use std::string::ToString as _;

use async_nats::error::Error;
use async_nats::jetstream::{consumer, context, kv, stream};
use async_nats::{ConnectErrorKind, client, jetstream};

use super::boxed::{found, walk};
use super::{connect, texts};
use crate::tables;
use crate::verdict::{Fault, Reached, Rejected, Retryable, TimedOut, Verdict};

const LATE: Verdict = Verdict::transient().with_fault(Fault::Timeout);
const BROKEN: Verdict = Verdict::transient().with_fault(Fault::Read);
const PERMANENT: Verdict = Verdict::permanent();
const NO_CONNECT: Verdict = PERMANENT.with_fault(Fault::Connect).with_reached(Reached::No);
/// The server answered that nobody takes what was sent.
const NOBODY: Verdict = Verdict::transient().with_fault(Fault::Status).with_reached(Reached::No);

/// Returns the verdict on what stands below, for kinds that say nothing; permanent if that is not known.
fn below(source: Option<&(dyn StdError + 'static)>) -> Verdict {
    source.map(walk).filter(|verdict| !verdict.is_unclassified()).unwrap_or(PERMANENT)
}

/// Returns the verdict on a connection that was never made, and so not on anything that was sent.
fn connecting(source: Option<&(dyn StdError + 'static)>) -> Verdict {
    match source {
        Some(source) if source.to_string().contains(texts::TOO_MANY_CLIENTS) => {
            Verdict::transient().with_fault(Fault::Throttle).with_reached(Reached::No)
        }
        Some(source) if source.to_string() == texts::NO_GREETING => Verdict::transient().connecting(),
        Some(source) => connect::verdict(source),
        None => NO_CONNECT,
    }
}

/// Returns the verdict on a request that failed otherwise.
fn request(source: Option<&(dyn StdError + 'static)>) -> Verdict {
    match source {
        Some(source) if source.to_string() == texts::INBOX_LOST => BROKEN,
        source => below(source),
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ty [$below:ident, $timed_out:ident, $rejected:ident] {
        $($variant:pat => $verdict:expr,)*
    })*) => {
        $(
            $(#[$doc])*
            impl Retryable for Error<$kind> {
                fn verdict(&self) -> Verdict {
                    #[allow(dead_code)] // Some kinds say nothing.
                    type Kind = $kind;
                    // It can be made of any kind that there is.
                    if let Some(rejected) = self.source().and_then(found::<Rejected>) {
                        return rejected.verdict();
                    }
                    #[allow(unreachable_patterns)]
                    match self.kind() {
                        $($variant => $verdict,)*
                        _ => $below(self.source()),
                    }
                }
            }

            /// The source of the error is the [`TimedOut`].
            impl From<TimedOut> for Error<$kind> {
                fn from(timed_out: TimedOut) -> Self {
                    Self::with_source(<$kind>::$timed_out, timed_out)
                }
            }

            /// The source of the error is the [`Rejected`].
            impl From<Rejected> for Error<$kind> {
                fn from(rejected: Rejected) -> Self {
                    Self::with_source(<$kind>::$rejected, rejected)
                }
            }
        )*

        pub(super) fn verdict(error: &(dyn StdError + 'static)) -> Option<Verdict> {
            let answered = found::<jetstream::Error>(error).map(Retryable::verdict);
            None$(.or_else(|| found::<Error<$kind>>(error).map(Retryable::verdict)))*.or(answered)
        }
    };
}

kinds! {
    /// Decides by the kind: nothing was sent, because the connection was not made.
    ///
    /// | kind | verdict |
    /// |---|---|
    /// | `Dns`, `TimedOut` | transient, connect, never reached |
    /// | `Io`, `Tls`: refused, or closed before the handshake was done | transient, connect, never reached |
    /// | `Io`: the server has too many connections | transient, throttle, never reached |
    /// | `Io`, `Tls`: a certificate, or no NATS server | permanent, connect |
    /// | `AuthorizationViolation`, `Authentication`, `ServerParse`, `MaxReconnects` | permanent, connect |
    ConnectErrorKind [connecting, TimedOut, Io] {
        Kind::Dns | Kind::TimedOut => Verdict::transient().connecting(),
        Kind::AuthorizationViolation | Kind::Authentication | Kind::ServerParse => NO_CONNECT,
    }

    /// Decides by the kind, and else by the error below.
    ///
    /// A request that timed out may have been executed. If the client was disconnected, it *will* be sent after the
    /// reconnect, so each attempt leaves a copy behind.
    ///
    /// | kind | verdict |
    /// |---|---|
    /// | `NoResponders` | transient, status, never reached |
    /// | `TimedOut` | transient, timeout |
    /// | `Other`: the connection was lost while waiting | transient, read |
    /// | `InvalidSubject`, `MaxPayloadExceeded`, any other `Other` | permanent |
    client::RequestErrorKind [request, TimedOut, Other] {
        Kind::TimedOut => LATE,
        Kind::NoResponders => NOBODY,
        Kind::InvalidSubject | Kind::MaxPayloadExceeded => PERMANENT,
    }

    /// Permanent, unless the error below is known. `Send` means that the client has given up for good.
    client::PublishErrorKind [below, Send, Send] {}

    /// Permanent, unless the error below is known. `Other` means that the client has given up for good.
    client::SubscribeErrorKind [below, Other, Other] {}

    /// `FlushError` is transient, read. `SendError` means that the client has given up for good: permanent.
    client::FlushErrorKind [below, SendError, SendError] {
        Kind::FlushError => BROKEN,
    }

    /// Decides by the kind, and else by the server's answer below ([`tables::jetstream`](crate::tables::jetstream)).
    ///
    /// A message whose acknowledgement did not come in time may be stored, and *will* be stored after a reconnect if the
    /// client was disconnected. With a message id (`Nats-Msg-Id`) the stream keeps one of its copies.
    ///
    /// | kind | verdict |
    /// |---|---|
    /// | `StreamNotFound`: no stream has the subject, or JetStream is not ready | transient, status, never reached |
    /// | `TimedOut` | transient, timeout |
    /// | `BrokenPipe` | transient, read |
    /// | `MaxAckPending`: too many acknowledgements are awaited | transient, throttle, never reached |
    /// | `WrongLastMessageId`, `WrongLastSequence`, `MaxPayloadExceeded` | permanent |
    context::PublishErrorKind [below, TimedOut, Other] {
        Kind::StreamNotFound => NOBODY,
        Kind::TimedOut => LATE,
        Kind::BrokenPipe => BROKEN,
        Kind::MaxAckPending => Verdict::transient().with_fault(Fault::Throttle).with_reached(Reached::No),
        Kind::WrongLastMessageId | Kind::WrongLastSequence | Kind::MaxPayloadExceeded => PERMANENT,
    }

    /// `TimedOut` is transient. `NoResponders` means that JetStream is off: permanent.
    context::RequestErrorKind [below, TimedOut, Other] {
        Kind::TimedOut => LATE,
        Kind::NoResponders | Kind::InvalidSubject => PERMANENT,
    }

    /// `TimedOut` is transient, and what the server answered is decided by its code.
    context::ConsumerInfoErrorKind [below, TimedOut, Request] {
        Kind::TimedOut => LATE,
        Kind::Offline => NOBODY,
        Kind::JetStream(error) => error.verdict(),
    }

    /// `TimedOut` is transient, and what the server answered is decided by its code.
    context::CreateStreamErrorKind [below, TimedOut, Response] {
        Kind::TimedOut => LATE,
        Kind::JetStream(error) => error.verdict(),
    }

    /// What the server answered is decided by its code, and else the error below decides.
    context::GetStreamErrorKind [below, Request, Request] {
        Kind::JetStream(error) => error.verdict(),
    }

    /// What the server answered is decided by its code, and else the error below decides.
    context::GetStreamByNameErrorKind [below, Request, Request] {
        Kind::JetStream(error) => error.verdict(),
    }

    /// `TimedOut` is transient, and what the server answered is decided by its code.
    context::AccountErrorKind [below, TimedOut, Other] {
        Kind::TimedOut => LATE,
        Kind::JetStream(error) => error.verdict(),
    }

    /// The error below decides.
    context::KeyValueErrorKind [below, GetBucket, GetBucket] {}

    /// `TimedOut` is transient, and else the error below decides.
    context::CreateKeyValueErrorKind [below, TimedOut, JetStream] {
        Kind::TimedOut => LATE,
    }

    /// `TimedOut` is transient, and else the error below decides.
    context::UpdateKeyValueErrorKind [below, TimedOut, JetStream] {
        Kind::TimedOut => LATE,
    }

    /// `TimedOut` is transient, and else the error below decides.
    stream::DirectGetErrorKind [below, TimedOut, Other] {
        Kind::TimedOut => LATE,
    }

    /// `TimedOut` is transient, and what the server answered is decided by its code.
    stream::DeleteMessageErrorKind [below, TimedOut, Request] {
        Kind::TimedOut => LATE,
        Kind::JetStream(error) => error.verdict(),
    }

    /// `TimedOut` is transient, and what the server answered is decided by its code.
    stream::PurgeErrorKind [below, TimedOut, Request] {
        Kind::TimedOut => LATE,
        Kind::JetStream(error) => error.verdict(),
    }

    /// What the server answered is decided by its code, and else the error below decides.
    stream::LastRawMessageErrorKind [below, Other, Other] {
        Kind::JetStream(error) => error.verdict(),
    }

    /// `TimedOut` is transient, and what the server answered is decided by its code.
    stream::ConsumerErrorKind [below, TimedOut, Other] {
        Kind::TimedOut => LATE,
        Kind::JetStream(error) => error.verdict(),
    }

    /// `TimedOut` is transient, and what the server answered is decided by its code.
    stream::ConsumerCreateStrictErrorKind [below, TimedOut, Other] {
        Kind::TimedOut => LATE,
        Kind::JetStream(error) => error.verdict(),
    }

    /// `TimedOut` is transient, and what the server answered is decided by its code.
    stream::ConsumerUpdateErrorKind [below, TimedOut, Other] {
        Kind::TimedOut => LATE,
        Kind::JetStream(error) => error.verdict(),
    }

    /// `TimedOut` is transient, and else the error below decides.
    consumer::StreamErrorKind [below, TimedOut, Other] {
        Kind::TimedOut => LATE,
    }

    /// A missing heartbeat and a stream without a leader are transient. A consumer that was deleted is permanent: it has
    /// to be made again.
    consumer::pull::MessagesErrorKind [below, Other, Other] {
        Kind::MissingHeartbeat => BROKEN,
        Kind::NoResponders => NOBODY,
    }

    /// A missing heartbeat and a stream without a leader are transient. A consumer that was deleted is permanent.
    consumer::pull::OrderedErrorKind [below, Other, Other] {
        Kind::MissingHeartbeat => BROKEN,
        Kind::NoResponders => NOBODY,
    }

    /// The error below decides.
    consumer::pull::BatchErrorKind [below, Pull, Pull] {}

    /// A missing heartbeat is transient. A consumer that was deleted is permanent: it has to be made again.
    consumer::push::MessagesErrorKind [below, Other, Other] {
        Kind::MissingHeartbeat => BROKEN,
    }

    /// A missing heartbeat is transient. A consumer that was deleted is permanent.
    consumer::push::OrderedErrorKind [below, Other, Other] {
        Kind::MissingHeartbeat => BROKEN,
    }

    /// `TimedOut` is transient, and what the server answered is decided by its code.
    kv::StatusErrorKind [below, TimedOut, TimedOut] {
        Kind::TimedOut => LATE,
        Kind::JetStream(error) => error.verdict(),
    }

    /// The error below decides. `AlreadyExists` is permanent.
    kv::CreateErrorKind [below, Other, Other] {}

    /// The error below decides.
    kv::PutErrorKind [below, Publish, Publish] {}

    /// `TimedOut` is transient, and else the error below decides.
    kv::EntryErrorKind [below, TimedOut, Other] {
        Kind::TimedOut => LATE,
    }

    /// `TimedOut` is transient, and else the error below decides. `WrongLastRevision` is permanent.
    kv::UpdateErrorKind [below, TimedOut, Other] {
        Kind::TimedOut => LATE,
    }

    /// `TimedOut` is transient, and else the error below decides.
    kv::WatchErrorKind [below, TimedOut, Other] {
        Kind::TimedOut => LATE,
    }

    /// The error below decides.
    kv::WatcherErrorKind [below, Other, Other] {}
}

/// Decides by the code that the server sent, with [`tables::jetstream`](crate::tables::jetstream).
impl Retryable for jetstream::Error {
    fn verdict(&self) -> Verdict {
        tables::jetstream(self.code())
    }
}
