//! Requests that are made anew for each attempt.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use std::boxed::Box;
use std::sync::Arc;
use std::vec::Vec;

use ::reqwest::{Error, Request, blocking};

use super::super::attempt::{Prepared, RequestAttempt};
use super::{RequestBuilder, RetryClient, RetryRequest};

type Sync<Q> = Arc<dyn Fn(&mut Q, RequestAttempt) -> Result<(), Error> + Send + core::marker::Sync>;
type Boxed = Pin<Box<dyn Future<Output = Result<Request, Error>> + Send>>;
type Async = Arc<dyn Fn(Request, RequestAttempt) -> Boxed + Send + core::marker::Sync>;

/// Changes a request of an async client before an attempt.
#[derive(Clone)]
pub enum AsyncPrepare {
    #[doc(hidden)]
    Sync(Sync<Request>),
    #[doc(hidden)]
    Async(Async),
}

/// Changes a request of a blocking client before an attempt.
#[derive(Clone)]
pub struct BlockingPrepare(Sync<blocking::Request>);

impl fmt::Debug for AsyncPrepare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AsyncPrepare")
    }
}

impl fmt::Debug for BlockingPrepare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlockingPrepare")
    }
}

/// What is done anew for each attempt.
pub(crate) struct Anew<B: RequestBuilder> {
    pub(super) prepare: Vec<B::Prepare>,
    #[allow(clippy::type_complexity)] // A closure from builder to builder.
    pub(super) body: Option<Box<dyn FnMut(B) -> B + Send + core::marker::Sync>>,
}

impl<B: RequestBuilder> Default for Anew<B> {
    fn default() -> Self {
        Self { prepare: Vec::new(), body: None }
    }
}

impl<B: RequestBuilder> Anew<B> {
    /// Returns whether an attempt is to be made of the request as it was built.
    pub(in crate::http) fn is_empty(&self) -> bool {
        self.prepare.is_empty() && self.body.is_none()
    }

    pub(in crate::http) const fn makes_body(&self) -> bool {
        self.body.is_some()
    }
}

impl Anew<reqwest::RequestBuilder> {
    /// Makes the request of an attempt. The future holds nothing that is borrowed.
    pub(in crate::http) fn make(&mut self, client: &reqwest::Client, request: Request, of: RequestAttempt) -> Boxed {
        let request = match &mut self.body {
            Some(body) => body(reqwest::RequestBuilder::from_parts(client.clone(), request)).build(),
            None => Ok(request),
        };
        let preparing = self.prepare.clone();
        Box::pin(async move {
            let mut request = request?;
            for prepare in preparing {
                match prepare {
                    AsyncPrepare::Sync(prepare) => prepare(&mut request, of)?,
                    AsyncPrepare::Async(prepare) => request = prepare(request, of).await?,
                }
            }
            Ok(request)
        })
    }
}

impl Anew<blocking::RequestBuilder> {
    /// Makes the request of an attempt.
    pub(in crate::http) fn make(
        &mut self,
        client: &blocking::Client,
        mut request: blocking::Request,
        of: RequestAttempt,
    ) -> Result<blocking::Request, Error> {
        if let Some(body) = &mut self.body {
            request = body(blocking::RequestBuilder::from_parts(client.clone(), request)).build()?;
        }
        for BlockingPrepare(prepare) in &self.prepare {
            prepare(&mut request, of)?;
        }
        Ok(request)
    }
}

/// The methods of a client and of its requests.
macro_rules! prepare {
    ($client:ty, $builder:ty, $request:ty, $body:ty, $form:ty, $made:expr) => {
        impl RetryClient<$client> {
            /// Calls this before each attempt of all requests, to give each its own token, signature or number.
            ///
            /// Several are called in their order, and those of one request after those of the session; see
            /// [`RetryRequest::prepare`].
            #[must_use]
            pub fn prepare<V, F>(mut self, prepare: F) -> Self
            where
                F: Fn(&mut $request, RequestAttempt) -> V + Send + core::marker::Sync + 'static,
                V: Prepared<(), Error>,
            {
                self.prepare
                    .push($made(Arc::new(move |request: &mut $request, attempt| prepare(request, attempt).result())));
                self
            }
        }

        impl<R> RetryRequest<$builder, R> {
            /// Calls this before each attempt, to give each its own token, signature or number.
            ///
            /// It gets the request as it was built, not what was made of it for the attempt before. A body that is a stream
            /// is not in it. It may return `()`, or a `Result`. An error is the attempt's. Nothing was sent then, so
            /// the request may be sent again with any method. Several are called in their order. A panic in it passes
            /// through.
            ///
            /// ```no_run
            /// use persevere::{http::{HttpPolicy, RetryClient}, Policy};
            /// use reqwest::header::{AUTHORIZATION, HeaderValue};
            ///
            /// # fn token(new: bool) -> HeaderValue { HeaderValue::from_static("") }
            /// # async fn f() {
            /// let policy = HttpPolicy::new(Policy::new()).also_retry(401);
            /// let client = RetryClient::new(reqwest::Client::new(), policy).prepare(|request, attempt| {
            ///     request.headers_mut().insert(AUTHORIZATION, token(attempt.last_status() == Some(401)));
            /// });
            /// # let _ = client; }
            /// ```
            pub fn prepare<V, F>(mut self, prepare: F) -> Self
            where
                F: Fn(&mut $request, RequestAttempt) -> V + Send + core::marker::Sync + 'static,
                V: Prepared<(), Error>,
            {
                let prepare =
                    $made(Arc::new(move |request: &mut $request, attempt| prepare(request, attempt).result()));
                self.anew.prepare.push(prepare);
                self
            }

            /// Makes the body anew for each attempt, so that a stream or a file can be sent again.
            ///
            /// ```no_run
            /// use persevere::{http::RetryClient, Policy};
            ///
            /// # async fn f(client: RetryClient) -> Result<(), reqwest::Error> {
            /// let response = client.put("https://example.org/backup").body_with(|| "made anew").send().await?;
            /// # let _ = response; Ok(()) }
            /// ```
            pub fn body_with<F, W>(mut self, mut make: F) -> Self
            where
                F: FnMut() -> W + Send + core::marker::Sync + 'static,
                W: Into<$body>,
            {
                self.anew.body = Some(Box::new(move |builder| builder.body(make())));
                self
            }

            /// Makes the form of several parts anew for each attempt, so that it can be sent again.
            #[cfg(feature = "reqwest-multipart")]
            pub fn multipart_with<F>(mut self, mut make: F) -> Self
            where
                F: FnMut() -> $form + Send + core::marker::Sync + 'static,
            {
                self.anew.body = Some(Box::new(move |builder| builder.multipart(make())));
                self
            }
        }
    };
}

prepare!(
    reqwest::Client,
    reqwest::RequestBuilder,
    Request,
    reqwest::Body,
    reqwest::multipart::Form,
    AsyncPrepare::Sync
);
prepare!(
    blocking::Client,
    blocking::RequestBuilder,
    blocking::Request,
    blocking::Body,
    blocking::multipart::Form,
    BlockingPrepare
);

fn erased<F, W>(prepare: F) -> AsyncPrepare
where
    F: Fn(Request, RequestAttempt) -> W + Send + core::marker::Sync + 'static,
    W: Future<Output: Prepared<Request, Error>> + Send + 'static,
{
    AsyncPrepare::Async(Arc::new(move |request, attempt| {
        let prepared = prepare(request, attempt);
        Box::pin(async move { prepared.await.result() })
    }))
}

impl RetryClient<reqwest::Client> {
    /// Calls this before each attempt of all requests, and awaits it; see
    /// [`RetryRequest::prepare_async`](RetryRequest::prepare_async).
    #[must_use]
    pub fn prepare_async<F, W>(mut self, prepare: F) -> Self
    where
        F: Fn(Request, RequestAttempt) -> W + Send + core::marker::Sync + 'static,
        W: Future<Output: Prepared<Request, Error>> + Send + 'static,
    {
        self.prepare.push(erased(prepare));
        self
    }
}

impl<R> RetryRequest<reqwest::RequestBuilder, R> {
    /// Calls this before each attempt, and awaits it; see [`prepare`](RetryRequest::prepare).
    ///
    /// The closure gets the request by value, because a future that borrows it could not be spawned. It returns the
    /// request, or a `Result`. A deadline or an attempt timeout that cuts attempts cuts this, too.
    ///
    /// ```no_run
    /// use persevere::http::RetryClient;
    /// use reqwest::header::{AUTHORIZATION, HeaderValue};
    ///
    /// # async fn token() -> Result<HeaderValue, reqwest::Error> { Ok(HeaderValue::from_static("")) }
    /// # async fn f(client: RetryClient) -> Result<(), reqwest::Error> {
    /// let request = client.get("https://example.org/").prepare_async(|mut request, _| async move {
    ///     request.headers_mut().insert(AUTHORIZATION, token().await?);
    ///     Ok(request)
    /// });
    /// # request.send().await?; Ok(()) }
    /// ```
    pub fn prepare_async<F, W>(mut self, prepare: F) -> Self
    where
        F: Fn(Request, RequestAttempt) -> W + Send + core::marker::Sync + 'static,
        W: Future<Output: Prepared<Request, Error>> + Send + 'static,
    {
        self.anew.prepare.push(erased(prepare));
        self
    }
}
