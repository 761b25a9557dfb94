//! What other crates say only in a text. Each sentence stands here, with the version that it was read in and the test
//! that fails when it changes. Where a text is not recognised, the verdict is the careful one.
//!
//! One more stands in `http/client/hops.rs`, because nothing imports this folder.

use core::fmt::{self, Write as _};

/// The standard library 1.85 to 1.95, on every platform: a name could not be looked up. Its kind has no name.
///
/// Held by `a_name_that_can_t_be_looked_up_is_a_connect_fault_that_reached_nobody`.
pub(super) const LOOKUP: &str = "failed to lookup address";

/// hyper-util 0.1.21: its client or its connector (which tonic and reqwest use, too) was still connecting.
///
/// Held by `what_fails_while_connecting_is_a_connect_fault_in_a_box`.
pub(super) const CONNECTING: [&str; 2] = ["client error (Connect)", "tcp connect error"];

/// hyper-util 0.1.21: a request waited for a connection that others wait for, too, and that one failed.
///
/// Held by `requests_that_wait_for_a_shared_connection_are_connect_faults`.
pub(super) const SHARED_CONNECTION: [&str; 2] = ["request was canceled", "checked out connection was closed"];

/// hyper 1.12: the task of the connection was dropped, as when its runtime ends.
///
/// Held by `a_connection_whose_task_is_gone_is_a_lost_connection`.
#[cfg(feature = "hyper")]
pub(super) const DISPATCH_GONE: &str = "dispatch task is gone";

/// hyper 1.12: the other side did not upgrade the connection. That is said after its answer.
///
/// Held by `a_request_that_was_canceled_was_not_sent`.
#[cfg(feature = "hyper")]
pub(super) const NO_UPGRADE: &str = "upgrade expected but not completed";

/// hyper 1.12: what the other side sent is too large.
///
/// Held by `reqwest_faults_are_judged_as_documented`.
#[cfg(feature = "hyper")]
pub(super) const TOO_LARGE: &str = "message head is too large";

/// hyper-util 0.1.21: an HTTP proxy answered CONNECT with any status but 200 and 407, or closed the connection.
///
/// Held by `reqwest_faults_are_judged_as_documented`.
#[cfg(any(feature = "async-nats-0_51", feature = "hyper-util-0_1", feature = "reqwest", feature = "tonic-0_14"))]
pub(super) const TUNNEL: [&str; 2] = ["tunnel error: unsuccessful", "tunnel error: unexpected end of file"];

/// hyper-util 0.1.21: the connection to a SOCKS proxy failed, or the proxy could not connect for a reason that may pass.
/// The error has no `source()`.
///
/// Held by `what_a_socks_proxy_refuses_is_a_connect_fault_that_reached_nobody`.
#[cfg(any(feature = "async-nats-0_51", feature = "hyper-util-0_1", feature = "reqwest", feature = "tonic-0_14"))]
pub(super) const SOCKS: [&str; 8] = [
    "SOCKS error: failed to create underlying connection",
    "SOCKS error: io error during SOCKS handshake",
    "SOCKS error: general server failure",
    "SOCKS error: network unreachable",
    "SOCKS error: host unreachable",
    "SOCKS error: connection refused",
    "SOCKS error: ttl expired",
    "SOCKS error: server failed to execute command",
];

/// hyper 1.12: the body of the answer broke.
///
/// Held by `a_stream_that_is_reset_is_decided_by_the_reason`.
#[cfg(feature = "hyper")]
pub(super) const BODY: &str = "error reading a body from connection";

/// tonic 0.14.9: its timeout is over, in the client or in the server.
///
/// Held by `a_timeout_is_one_whoever_counted`.
#[cfg(feature = "tonic-0_14")]
pub(super) const TIMEOUT_EXPIRED: &str = "Timeout expired";

/// tonic 0.14.9: an answer ended without its status.
///
/// Held by `a_plain_answer_of_a_proxy_is_decided_by_its_status`.
#[cfg(feature = "tonic-0_14")]
pub(super) const NO_TRAILERS: &str = "protocol error: missing grpc-status trailer";

/// tonic-prost-build 0.14.9, in each generated client: a layer was not ready. The error of the layer follows.
///
/// Held by `a_layer_that_refuses_a_call_did_not_send_it`.
#[cfg(feature = "tonic-0_14")]
pub(super) const NOT_READY: &str = "Service was not ready: ";

/// rustls 0.23: the certificate of the other side is not accepted. The reason follows.
///
/// Held by `a_certificate_that_is_not_trusted_is_permanent`.
#[cfg(feature = "tokio-tungstenite-0_30")]
pub(super) const BAD_CERTIFICATE: &str = "invalid peer certificate: ";

/// async-nats 0.51: the inbox of a request is gone, because the connection was.
///
/// Held by `every_kind_can_be_made_of_ours_and_is_found_again`.
#[cfg(feature = "async-nats-0_51")]
pub(super) const INBOX_LOST: &str = "broken pipe";

/// async-nats 0.51: the server closed the connection before it said anything.
///
/// Held by `a_connection_that_was_not_made_is_never_reached`.
#[cfg(feature = "async-nats-0_51")]
pub(super) const NO_GREETING: &str = "expected INFO, got nothing";

/// nats-server 2.9, in the error that it sends to a client that connects, after `nats: `.
///
/// Held by `a_connection_that_was_not_made_is_never_reached`.
#[cfg(feature = "async-nats-0_51")]
pub(super) const TOO_MANY_CLIENTS: &str = "maximum connections exceeded";

/// hyper-util 0.1.21, in `Debug` alone: the address that could not be connected to follows, `127.0.0.1:80`.
///
/// Held by `a_plain_error_tells_a_redirect_to_another_port`.
#[cfg(feature = "reqwest")]
pub(super) const ADDRESS: &str = "ConnectError(";

/// tokio-postgres 0.7.18: its kinds `Connect`, `Io`, `Tls` and `Timeout`, which are private.
///
/// Held by `tests/servers/tests/postgres.rs`, which provokes the first three.
#[cfg(feature = "tokio-postgres-0_7")]
pub(super) mod tokio_postgres {
    pub(crate) const CONNECT: &str = "error connecting to server";
    pub(crate) const IO: &str = "error communicating with the server";
    pub(crate) const TLS: &str = "error performing TLS handshake";
    pub(crate) const TIMEOUT: &str = "timeout waiting for server";

    /// The codec's, in tokio-util 0.7: a message was cut in the middle.
    pub(crate) const CUT: &str = "bytes remaining on stream";
}

/// sqlx 0.8.6 and 0.9.0, in `Debug` alone: the type of a `DatabaseError`. It can't be named without the feature of its
/// driver, and a crate can't know which ones its user has.
///
/// Held by `tests/servers`, which provokes each.
#[cfg(any(feature = "sqlx-0_9", feature = "sqlx-0_8"))]
pub(super) mod sqlx {
    pub(crate) const POSTGRES: &str = "PgDatabaseError ";
    pub(crate) const MYSQL: &str = "MySqlDatabaseError ";
    pub(crate) const SQLITE: &str = "SqliteError ";

    /// How a `PgDatabaseError` ends that PostgreSQL itself did not send.
    pub(crate) const NO_ROUTINE: &str = "routine: None }";
}

/// redis 1.2 to 1.8: an answer was cut.
///
/// Held by `an_answer_that_is_cut_is_transient`.
#[cfg(feature = "redis")]
pub(super) const REDIS_CUT: &str = "Unexpected end of input";

/// ureq 3.5.2 with ureq-proto 0.7.1 and flate2 1.1.11.
///
/// Held by `tests/http/ureq_errors.rs`, which provokes each.
#[cfg(feature = "ureq")]
pub(super) mod ureq {
    /// How a body that can't be decompressed is shown. Without ureq's features the variant can't be named.
    pub(crate) const GZIP: &str = "gzip decompression failed: ";
    pub(crate) const BROTLI: &str = "brotli decompression failed: ";

    /// What stands behind `GZIP` where the body came whole. Whatever else stands there is a body that was cut.
    pub(crate) const MALFORMED_GZIP: [&str; 3] =
        ["invalid gzip header", "corrupt deflate stream", "corrupt gzip stream"];

    /// How errors are shown that stand in a text alone, within an error of JSON.
    pub(crate) const PROTOCOL: &str = "protocol: ";
    pub(crate) const TIMEOUT: &str = "timeout: ";
    pub(crate) const TOO_LONG: &str = "the response body is larger than request limit: ";

    /// How protocol errors begin that come from what the server sent. All others are the request's own.
    pub(crate) const GARBLED: [&str; 5] = [
        "http parse fail: ",
        "chunk ",
        "content-length header not a number",
        "conflicting content-length headers",
        "received headers with 100-continue response",
    ];

    /// Protocol errors of a redirect that leads nowhere.
    pub(crate) const LOCATION: [&str; 2] = ["missing a location header", "location header is malformed: "];

    /// What a SOCKS proxy answers that may pass.
    pub(crate) const SOCKS: [&str; 6] = [
        "general SOCKS server failure",
        "network unreachable",
        "host unreachable",
        "connection refused",
        "TTL expired",
        "request rejected or failed",
    ];
}

/// Returns whether something shows itself as exactly this text.
pub(super) fn is(shown: fmt::Arguments<'_>, text: &'static str) -> bool {
    let mut rest = Rest(text.as_bytes());
    rest.write_fmt(shown).is_ok() && rest.0.is_empty()
}

/// Returns whether something shows itself as a text that begins with this one.
pub(super) fn begins(shown: fmt::Arguments<'_>, text: &'static str) -> bool {
    let mut rest = Rest(text.as_bytes());
    // What comes after the text is an error to it.
    let _ = rest.write_fmt(shown);
    rest.0.is_empty()
}

/// What is left of the text that is expected. It takes no `String`, whose code would be in every program.
struct Rest(&'static [u8]);

impl fmt::Write for Rest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let shared = text.len().min(self.0.len());
        if self.0.get(..shared) != text.as_bytes().get(..shared) {
            self.0 = b"another text";
            return Err(fmt::Error);
        }
        self.0 = self.0.get(shared..).unwrap_or_default();
        if shared < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_in_whatever_pieces_it_is_written() {
        for (shown, exact, first) in [
            (format_args!("{}{}", "one", " two"), true, true),
            (format_args!("{} {}", "one", "two three"), false, true),
            (format_args!("{}{}", "one", " tw"), false, false),
            (format_args!("{}{}{}", "one", " Two", "one two"), false, false),
            (format_args!("{}", ""), false, false),
        ] {
            assert_eq!((is(shown, "one two"), begins(shown, "one two")), (exact, first), "{shown}");
        }
    }
}
