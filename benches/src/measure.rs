//! What the benches and the footprint share.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// A runtime on this thread whose clock only moves when nothing else is left to do: a wait costs its work alone.
///
/// # Panics
///
/// If the runtime can't be made.
#[must_use]
pub fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

/// A runtime on this thread with the system's clock.
///
/// # Panics
///
/// If the runtime can't be made.
#[must_use]
pub fn real() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// A runtime with two worker threads.
///
/// # Panics
///
/// If the runtime can't be made.
#[must_use]
pub fn two_workers() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime")
}

/// Polls a future until it ends, without any runtime.
#[inline]
pub fn poll<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

/// The time that all threads of this process have spent on a CPU.
#[must_use]
pub fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
