//! What the codes of servers mean, as functions without a dependency.
//!
//! Use them for a driver that the crate does not know: take the code out of the error and return the table's verdict.
//! The features for known clients (see [what is known](crate::Retryable#foreign-impls)) use the same tables.
//!
//! | function | takes |
//! |---|---|
//! | [`sqlstate`] | the SQLSTATE of PostgreSQL and of servers that speak its protocol |
//! | [`pgbouncer`] | the message of a PgBouncer error |
//! | [`mysql`] | the error number of MySQL or MariaDB |
//! | [`sqlite`] | SQLite's extended result code |
//! | [`redis`] | a redis error reply, or its first word |
//! | [`grpc`] | a gRPC status code; hints by [`grpc_retry_info`] and [`grpc_pushback`] |
//! | [`websocket_close`] | the code of a WebSocket close frame |
//! | [`amqp`] | an AMQP 0-9-1 reply code |
//! | [`jetstream`] | the code of a NATS JetStream error |
//!
//! A verdict speaks about one operation that was sent once. Two facts are known only to the caller:
//!
//! - While connecting, nothing was sent: add [`connecting`](crate::Verdict::connecting).
//! - Inside a transaction whose `COMMIT` was not sent, nothing took effect: add
//!   [`with_reached(Reached::No)`](crate::Verdict::with_reached).
//!
//! A code that no row names is permanent.
//!
//! ```
//! use persevere::{Retryable, Verdict, tables};
//!
//! /// The error of a database driver that the crate does not know.
//! struct DriverError {
//!     sqlstate: Option<String>,
//! }
//!
//! impl Retryable for DriverError {
//!     fn verdict(&self) -> Verdict {
//!         self.sqlstate.as_deref().map_or(Verdict::permanent(), tables::sqlstate)
//!     }
//! }
//!
//! let deadlock = DriverError { sqlstate: Some("40P01".to_owned()) };
//! assert!(deadlock.verdict().is_transient());
//! ```

mod amqp;
mod grpc;
mod jetstream;
mod mysql;
mod pgbouncer;
mod redis;
mod sqlite;
mod sqlstate;
mod websocket;

pub use self::amqp::amqp;
pub use self::grpc::{grpc, grpc_pushback, grpc_retry_info};
pub use self::jetstream::jetstream;
pub use self::mysql::mysql;
pub use self::pgbouncer::pgbouncer;
pub use self::redis::redis;
pub use self::sqlite::sqlite;
pub use self::sqlstate::sqlstate;
pub use self::websocket::websocket_close;

use crate::verdict::{Fault, Reached, Verdict};

/// A transient row that proves that the operation took no effect.
const fn unsent(fault: Fault) -> Verdict {
    Verdict::transient().with_fault(fault).with_reached(Reached::No)
}

/// A transient row that does not prove it.
const fn unknown(fault: Fault) -> Verdict {
    Verdict::transient().with_fault(fault)
}

/// Returns whether `text` begins with `prefix`, in a `const`.
const fn starts_with(text: &str, prefix: &str) -> bool {
    let (mut text, mut prefix) = (text.as_bytes(), prefix.as_bytes());
    while let [wanted, wanted_rest @ ..] = prefix {
        match text {
            [found, rest @ ..] if *found == *wanted => (text, prefix) = (rest, wanted_rest),
            _ => return false,
        }
    }
    true
}
