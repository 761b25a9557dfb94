//! Writes one request again for each attempt, and knows what became of its body.

use core::future::{Future as _, poll_fn};
use core::mem;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;
use std::boxed::Box;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use ::http::{HeaderMap, StatusCode, Version};
use ::reqwest::{Body, Request, Response, ResponseBuilderExt as _, Url};
use hyper::body::{Bytes, Frame, SizeHint};

use crate::time::Yield;

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

/// Which bodies are watched beside those that can't be cloned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    None,
    Empty,
    Any,
}

impl Watch {
    fn holds(self, request: &Request) -> bool {
        match self {
            Self::None => false,
            Self::Empty => request.body().is_none_or(|body| body.as_bytes().is_some_and(<[u8]>::is_empty)),
            Self::Any => true,
        }
    }
}

/// Makes one attempt after another of the same request.
pub(super) struct Template {
    request: Request,
    /// Which bodies to watch that are made anew for each attempt.
    anew: Option<Watch>,
    pub(super) body: Option<Arc<Watched>>,
}

impl Template {
    /// A body that can't be cloned is watched anyway: it can be sent only once. With `anew` the request has none yet.
    pub(super) fn new(mut request: Request, watch: Watch, anew: bool) -> Self {
        if anew {
            request.body_mut().take();
            return Self { request, anew: Some(watch), body: None };
        }
        let once = request.try_clone().is_none();
        let body = (once || watch.holds(&request)).then(|| {
            let inner = if once { request.body_mut().take() } else { None };
            Watched::new(once, inner.unwrap_or_default())
        });
        Self { request, anew: None, body }
    }

    pub(super) fn url(&self) -> &Url {
        self.request.url()
    }

    /// Writes the request again, without a body that can be sent only once.
    pub(super) fn request(&self) -> Request {
        again!(Request, &self.request)
    }

    /// Makes an attempt of a request that was written again, and perhaps changed.
    pub(super) fn attempt(&mut self, mut request: Request, limit: Option<Duration>) -> Request {
        if let Some(watch) = self.anew {
            let is_stream = request.body().is_some_and(|body| body.as_bytes().is_none());
            let watched = watch != Watch::None && is_stream || watch.holds(&request);
            self.body = watched.then(|| Watched::new(false, Body::default()));
        }
        if let Some(body) = &self.body {
            let attempt = body.next(request.body_mut().take());
            *request.body_mut() = Some(Body::wrap(Shared { body: body.clone(), attempt }));
        }
        shorten(request.timeout_mut(), limit);
        request
    }

    pub(super) fn is_spent(&self) -> bool {
        self.body.as_ref().is_some_and(|body| {
            let watch = body.lock();
            body.once && watch.read && !watch.anew
        })
    }

    /// Whether the client has asked nothing of the body. Then it gets no answer from here on, however late it asks: the
    /// connection's task may still have the request.
    pub(super) fn is_untouched(&self) -> bool {
        self.body.as_ref().is_some_and(|body| {
            let mut watch = body.lock();
            if !watch.asked {
                watch.attempt += 1;
            }
            !watch.asked
        })
    }
}

pub(in crate::http) fn shorten(timeout: &mut Option<Duration>, limit: Option<Duration>) {
    if let Some(limit) = limit {
        *timeout = Some(timeout.map_or(limit, |timeout| timeout.min(limit)));
    }
}

pub(super) struct Watched {
    /// Whether it can be sent only once.
    once: bool,
    state: Mutex<State>,
}

struct State {
    inner: Body,
    /// Which attempt it is lent to.
    attempt: u64,
    /// Whether the client asked for its length, its end or its bytes: it does before it sends a request's head.
    asked: bool,
    read: bool,
    /// Whether the attempt brought a body of its own.
    anew: bool,
}

impl Watched {
    fn new(once: bool, inner: Body) -> Arc<Self> {
        let state = State { inner, attempt: 0, asked: false, read: false, anew: false };
        Arc::new(Self { once, state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends it to another attempt, which begins with this body if there is one.
    fn next(&self, again: Option<Body>) -> u64 {
        let mut watch = self.lock();
        watch.anew = again.is_some();
        if let Some(again) = again {
            watch.inner = again;
        }
        watch.attempt += 1;
        watch.attempt
    }

    /// Whatever the client asks of the body from here on, it asks in order to send it.
    pub(super) fn begin(&self) {
        self.lock().asked = false;
    }
}

/// A body that is still there after an attempt that did not read it.
struct Shared {
    body: Arc<Watched>,
    attempt: u64,
}

impl Shared {
    /// `None` for an attempt that is over.
    fn ask<T>(&self, question: impl FnOnce(&mut State) -> T) -> Option<T> {
        let mut watch = self.body.lock();
        if watch.attempt != self.attempt {
            return None;
        }
        watch.asked = true;
        Some(question(&mut watch))
    }
}

impl hyper::body::Body for Shared {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = self.ask(|watch| {
            watch.read = true;
            Pin::new(&mut watch.inner).poll_frame(context)
        });
        match polled {
            Some(polled) => polled.map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            None => Poll::Ready(Some(Err("the attempt is over".into()))),
        }
    }

    // Of an attempt that is over: a body that is not empty and then fails, so that no request is sent whole.
    fn is_end_stream(&self) -> bool {
        self.ask(|watch| watch.inner.is_end_stream()).unwrap_or(false)
    }

    fn size_hint(&self) -> SizeHint {
        self.ask(|watch| watch.inner.size_hint()).unwrap_or_default()
    }
}

/// No more than this is read of a response that is not wanted; a connection that has more left is not used again.
const DRAINED: usize = 64 * 1024;

/// Reads what has come of a body, so that its connection can be used again, and returns the response without it. Never
/// waits for a server that is slow.
pub(in crate::http) async fn drain(mut response: Response) -> Response {
    let headers = mem::take(response.headers_mut());
    let bare = without_body(response.status(), response.version(), response.url().clone(), headers);
    let mut turns = 16;
    let mut read = 0;
    while read < DRAINED && turns > 0 {
        let mut chunk = pin!(response.chunk());
        match poll_fn(|context| Poll::Ready(chunk.as_mut().poll(context))).await {
            Poll::Ready(Ok(Some(chunk))) => read += chunk.len(),
            Poll::Ready(_) => break,
            Poll::Pending => {
                turns -= 1;
                Yield::default().await;
            }
        }
    }
    bare.into()
}

/// Returns a response that has this head and an empty body.
pub(super) fn without_body(
    status: StatusCode,
    version: Version,
    url: Url,
    headers: HeaderMap,
) -> ::http::Response<&'static str> {
    let mut response =
        ::http::Response::builder().status(status).version(version).url(url).body("").unwrap_or_default();
    *response.headers_mut() = headers;
    for length in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        response.headers_mut().remove(length);
    }
    response
}

pub(in crate::http) use again;
