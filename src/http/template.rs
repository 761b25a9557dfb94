//! Writes one request again for each attempt, and knows what became of its body.

use core::future::{Future as _, poll_fn};
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};

use ::reqwest::{Body, Error, Request, Response, Url};
use hyper::body::{Bytes, Frame, SizeHint};

use super::door::DRAINED;
use crate::timer::Yield;

/// Writes a request again whose body, if it has one, can be cloned.
macro_rules! again {
    ($request:ty, $from:expr) => {{
        let from = $from;
        from.try_clone().unwrap_or_else(|| {
            let mut request = <$request>::new(from.method().clone(), from.url().clone());
            request.headers_mut().clone_from(from.headers());
            *request.version_mut() = from.version();
            *request.timeout_mut() = from.timeout().copied();
            request
        })
    }};
}

/// Makes one attempt after another of the same request.
pub(super) struct Template {
    request: Request,
    pub(super) body: Option<Arc<Watched>>,
}

impl Template {
    /// A body that can't be cloned is watched, to see whether any of it was read. With `watch` so is one that is empty.
    pub(super) fn new(mut request: Request, watch: bool) -> Self {
        let mut body = None;
        let once = request.try_clone().is_none();
        let empty = || request.body().is_none_or(|body| body.as_bytes().is_some_and(<[u8]>::is_empty));
        if once || watch && empty() {
            let inner = Mutex::new(request.body_mut().take().unwrap_or_default());
            body = Some(Arc::new(Watched { inner, once, asked: AtomicBool::new(false), read: AtomicBool::new(false) }));
        }
        Self { request, body }
    }

    pub(super) fn url(&self) -> &Url {
        self.request.url()
    }

    pub(super) fn request(&self, limit: Option<Duration>) -> Request {
        let mut request = again!(Request, &self.request);
        if let Some(body) = &self.body {
            *request.body_mut() = Some(Body::wrap(Shared(body.clone())));
        }
        shorten(request.timeout_mut(), limit);
        request
    }

    pub(super) fn is_spent(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.once && body.read.load(Relaxed))
    }

    pub(super) fn is_untouched(&self) -> bool {
        self.body.as_ref().is_some_and(|body| !body.asked.load(Relaxed))
    }
}

pub(super) fn shorten(timeout: &mut Option<Duration>, limit: Option<Duration>) {
    if let Some(limit) = limit {
        *timeout = Some(timeout.map_or(limit, |timeout| timeout.min(limit)));
    }
}

pub(super) struct Watched {
    inner: Mutex<Body>,
    /// Whether it can be sent only once.
    once: bool,
    /// Whether the client asked for its length, its end or its bytes: it does before it sends a request's head.
    asked: AtomicBool,
    read: AtomicBool,
}

impl Watched {
    /// Whatever the client asks of the body from here on, it asks in order to send it.
    pub(super) fn begin(&self) {
        self.asked.store(false, Relaxed);
    }
}

/// A body that is still there after an attempt that did not read it.
struct Shared(Arc<Watched>);

impl Shared {
    fn ask<T>(&self, question: impl FnOnce(&mut Body) -> T) -> T {
        self.0.asked.store(true, Relaxed);
        question(&mut self.0.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl hyper::body::Body for Shared {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0.read.store(true, Relaxed);
        self.ask(|body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.ask(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.ask(|body| body.size_hint())
    }
}

/// Reads what has come of a body, so that its connection can be used again. Never waits for a server that is slow.
pub(super) async fn drain(mut response: Response) {
    let mut turns = 16;
    let mut read = 0;
    while read < DRAINED && turns > 0 {
        let mut chunk = pin!(response.chunk());
        match poll_fn(|context| Poll::Ready(chunk.as_mut().poll(context))).await {
            Poll::Ready(Ok(Some(chunk))) => read += chunk.len(),
            Poll::Ready(_) => return,
            Poll::Pending => {
                turns -= 1;
                Yield::default().await;
            }
        }
    }
}

pub(super) use again;
