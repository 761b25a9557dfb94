//! The entry points for reqwest, async and blocking.

use ::http::StatusCode;
use ::http::header::RETRY_AFTER;
use ::reqwest::{Error, ResponseBuilderExt as _, Url, redirect};
use std::string::{String, ToString as _};

use crate::verdict::Rejected;

mod asynchronous;
mod blocking;
mod checked;
mod client;
mod download;
mod page;
mod prepare;
mod request;

pub use self::checked::CheckedRequest;
pub use self::client::RetryClient;
pub(in crate::http) use self::page::{hinted, hinted_blocking};
pub(crate) use self::prepare::Anew;
use self::prepare::{AsyncPrepare, BlockingPrepare};
pub use self::request::{RetryExt, RetryRequest};

/// reqwest's clients, async and blocking. Sealed.
pub trait Client: sealed::Sealed + Sized {
    /// The builder of its requests.
    type Builder: RequestBuilder<Client = Self>;
}

/// reqwest's request builders, async and blocking. Sealed.
pub trait RequestBuilder: sealed::Sealed + Sized {
    /// The client that sends the requests.
    type Client: Client<Builder = Self>;
    /// The request that is built.
    type Request;
    /// The response to it.
    type Response;
    #[doc(hidden)]
    type Prepare: Clone + Send + Sync;
}

/// reqwest's client builders, async and blocking. Sealed.
pub trait ClientBuilder: sealed::Sealed {
    /// The client that is built.
    type Client: Client;

    #[doc(hidden)]
    fn counting(self, redirects: redirect::Policy) -> Result<Self::Client, Error>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! kinds {
    ($($client:ty, $make:ty, $builder:ty, $request:ty, $response:ty, $prepare:ty;)*) => {$(
        impl sealed::Sealed for $client {}
        impl Client for $client {
            type Builder = $builder;
        }

        impl sealed::Sealed for $builder {}
        impl RequestBuilder for $builder {
            type Client = $client;
            type Request = $request;
            type Response = $response;
            type Prepare = $prepare;
        }

        impl sealed::Sealed for $make {}
        impl ClientBuilder for $make {
            type Client = $client;

            fn counting(self, redirects: redirect::Policy) -> Result<$client, Error> {
                self.redirect(redirects).retry(reqwest::retry::never()).build()
            }
        }
    )*};
}

kinds! {
    reqwest::Client, reqwest::ClientBuilder, reqwest::RequestBuilder, reqwest::Request, reqwest::Response, AsyncPrepare;
    reqwest::blocking::Client, reqwest::blocking::ClientBuilder, reqwest::blocking::RequestBuilder, reqwest::blocking::Request, reqwest::blocking::Response,
        BlockingPrepare;
}

/// The answer in place of an attempt that no guard permitted. An error of reqwest's can't be made. A gateway in front of
/// the server would answer the same.
fn refusal(rejected: Rejected, url: &Url) -> ::http::Response<String> {
    let mut response = ::http::Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).url(url.clone());
    if let Some(wait) = rejected.retry_in() {
        // Whole seconds, rounded up: not before the breaker lets a probe through.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response = response.header(RETRY_AFTER, seconds);
    }
    response.body(rejected.to_string()).unwrap_or_default()
}

/// The key of the guards by host: a URL's host is in lower case already.
fn host(url: &Url) -> String {
    std::format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}
