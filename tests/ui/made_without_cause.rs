//! A key that makes an error which nobody asks for.

use std::io;

use persevere::retry;

/// Nothing cuts an attempt.
#[retry(total = 3, on_timeout = |_| io::Error::from(io::ErrorKind::TimedOut))]
async fn not_cut() -> io::Result<()> {
    Ok(())
}

/// Nobody refuses an attempt.
#[retry(total = 3, on_rejected = |_| io::Error::from(io::ErrorKind::ResourceBusy))]
fn not_refused() -> io::Result<()> {
    Ok(())
}

/// Blocking code can't be cut.
#[retry(on_timeout = |_| io::Error::from(io::ErrorKind::TimedOut), policy = persevere::Policy::new())]
fn blocking() -> io::Result<()> {
    Ok(())
}

/// The closure makes another type.
#[retry(deadline = 2, on_timeout = |_| "late")]
async fn other_type() -> io::Result<()> {
    Ok(())
}

fn main() {}
