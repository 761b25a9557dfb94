use core::fmt;
#[cfg(feature = "tokio")]
use core::future::Future;
use std::string::String;
use std::vec::Vec;

use ::http::Method;
use ::reqwest::{Error, IntoUrl, blocking, redirect};

use super::super::hops::counting;
use super::super::session::{Rules, Session, guarded};
use super::prepare::Anew;
use super::{Client, ClientBuilder, RequestBuilder, RetryRequest};
use crate::drive::retry::Retry;
use crate::http::HttpPolicy;

/// A client whose requests are sent again while their policy allows: an existing client of reqwest's, async or blocking,
/// with its settings, headers, proxies and pool, and a policy for each URL prefix.
///
/// Cloning it is cheap. Its requests have the methods of reqwest's own, and give the same results. So code that uses a
/// `reqwest::Client` compiles with a `RetryClient` once the type's name and the constructor are changed, and code that
/// uses a blocking one with a `RetryClient<reqwest::blocking::Client>`.
///
/// A [`budget`](RetryClient::budget), a [`breaker`](RetryClient::breaker) and a [`throttle`](RetryClient::throttle) stand
/// beside all of its requests. A request that is not let through is answered with a status 503 of this crate's making:
/// it has the breaker's pause as its `Retry-After`, and says in its body that nothing was sent.
///
/// ```no_run
/// use persevere::{http::{HttpPolicy, RetryClient}, Policy};
///
/// # async fn f(client: reqwest::Client) -> Result<(), reqwest::Error> {
/// let client = RetryClient::new(client, Policy::new())
///     .mount("https://slow.example.org/", HttpPolicy::new(Policy::new().total(8)).also_retry(404));
/// let page = client.get("https://slow.example.org/new").text().await?;
/// let order = client.post("https://example.org/orders").header("idempotency-key", "8e03978e").body("one").send().await?;
/// # let _ = (page, order); Ok(()) }
/// ```
pub struct RetryClient<C: Client = reqwest::Client> {
    pub(super) client: C,
    pub(super) session: Session,
    pub(super) prepare: Vec<<C::Builder as RequestBuilder>::Prepare>,
}

guarded!(RetryClient<C: Client>);

impl<C: Client + Clone> Clone for RetryClient<C> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), session: self.session.clone(), prepare: self.prepare.clone() }
    }
}

/// The rules alone: a client's own `Debug` shows its headers.
impl<C: Client> fmt::Debug for RetryClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryClient").field("policy", &self.session.mounts).finish_non_exhaustive()
    }
}

impl<C: Client> RetryClient<C> {
    /// Gives an existing client its retries.
    ///
    /// If reqwest may follow redirects, or send a request again by itself over HTTP/2, a request that is not idempotent and
    /// has a body is not sent again after a connect fault; see [`RetryRequest`]. [`build`](RetryClient::build) has no such
    /// limit.
    pub fn new(client: C, policy: impl Into<HttpPolicy>) -> Self {
        Self::with(client, policy.into(), false)
    }

    /// Builds the client, too, so that what reqwest does by itself is known: it counts the redirects, and turns reqwest's
    /// own retries over HTTP/2 off. A connect fault that came before any redirect is then retried for any method.
    ///
    /// `redirects` replaces a redirect policy that the builder has, and `reqwest::retry::never()` its retry policy. Its
    /// other settings stay.
    ///
    /// # Errors
    ///
    /// reqwest's own.
    ///
    /// ```no_run
    /// use persevere::{http::RetryClient, Policy};
    /// use reqwest::redirect;
    ///
    /// let client = RetryClient::build(reqwest::Client::builder(), redirect::Policy::default(), Policy::new());
    /// let blocking = RetryClient::build(reqwest::blocking::Client::builder(), redirect::Policy::none(), Policy::new());
    /// # let _ = (client, blocking);
    /// ```
    pub fn build<B>(builder: B, redirects: redirect::Policy, policy: impl Into<HttpPolicy>) -> Result<Self, Error>
    where
        B: ClientBuilder<Client = C>,
    {
        Ok(Self::with(builder.counting(counting(redirects))?, policy.into(), true))
    }

    fn with(client: C, policy: HttpPolicy, counted: bool) -> Self {
        Self { client, session: Session::new(policy, counted), prepare: Vec::new() }
    }
}

impl<C: Client> RetryClient<C> {
    /// Sets the policy of all requests whose URL starts with this, in whatever letter case; of several prefixes that fit
    /// the longest decides.
    ///
    /// The URL is compared as it is sent: no default port, a `/` after the host.
    #[must_use]
    pub fn mount(mut self, prefix: impl Into<String>, policy: impl Into<HttpPolicy>) -> Self {
        self.session.mounts.mount(prefix.into(), policy.into());
        self
    }

    /// Returns the client inside, whose own requests have no retries.
    pub const fn client(&self) -> &C {
        &self.client
    }
}

macro_rules! session {
    ($client:ty, $builder:ty) => {
        impl RetryClient<$client> {
            /// Starts a GET request.
            pub fn get<U: IntoUrl>(&self, url: U) -> RetryRequest<$builder> {
                self.request(Method::GET, url)
            }

            /// Starts a HEAD request.
            pub fn head<U: IntoUrl>(&self, url: U) -> RetryRequest<$builder> {
                self.request(Method::HEAD, url)
            }

            /// Starts a POST request.
            pub fn post<U: IntoUrl>(&self, url: U) -> RetryRequest<$builder> {
                self.request(Method::POST, url)
            }

            /// Starts a PUT request.
            pub fn put<U: IntoUrl>(&self, url: U) -> RetryRequest<$builder> {
                self.request(Method::PUT, url)
            }

            /// Starts a PATCH request.
            pub fn patch<U: IntoUrl>(&self, url: U) -> RetryRequest<$builder> {
                self.request(Method::PATCH, url)
            }

            /// Starts a DELETE request.
            pub fn delete<U: IntoUrl>(&self, url: U) -> RetryRequest<$builder> {
                self.request(Method::DELETE, url)
            }

            /// Starts a request.
            pub fn request<U: IntoUrl>(&self, method: Method, url: U) -> RetryRequest<$builder> {
                RetryRequest {
                    builder: self.client.request(method, url),
                    retry: Retry::new(self.session.mounts.default_policy()),
                    rules: Rules { session: Some(self.session.clone()), ..Rules::default() },
                    anew: Anew { prepare: self.prepare.clone(), ..Anew::default() },
                }
            }
        }
    };
}

session!(reqwest::Client, reqwest::RequestBuilder);
session!(blocking::Client, blocking::RequestBuilder);

/// Without the feature `tokio` there is no default timer for it to wait with.
#[cfg(feature = "tokio")]
impl RetryClient<reqwest::Client> {
    /// Sends a request that is built already; see [`RetryRequest::send`].
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the attempt or the wait. A request that was sent may have been executed.
    pub fn execute(&self, request: reqwest::Request) -> impl Future<Output = Result<reqwest::Response, Error>> + use<> {
        RetryRequest::<reqwest::RequestBuilder>::from_parts(self.clone(), request).send()
    }
}

impl RetryClient<blocking::Client> {
    /// Sends a request that is built already; see [`RetryRequest::send`].
    ///
    /// # Errors
    ///
    /// reqwest's own, of the last attempt.
    pub fn execute(&self, request: blocking::Request) -> Result<blocking::Response, Error> {
        RetryRequest::<blocking::RequestBuilder>::from_parts(self.clone(), request).send()
    }
}
