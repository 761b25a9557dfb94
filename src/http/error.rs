use core::fmt;
use core::time::Duration;

use ::http::{HeaderMap, StatusCode};

use super::{Statuses, retry_after};
use crate::verdict::{Retryable, Verdict};

/// Means that the server answered with an error status, and remembers the wait that it asked for.
///
/// Clients' own `error_for_status` drops the headers, and `Retry-After` with them. [`error_for_status`] makes one of
/// these, so that `#[retry]` and the other plain doors obey the server.
///
/// It holds no URL, no header and no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusError {
    status: StatusCode,
    hint: Option<Duration>,
}

impl StatusError {
    /// Makes the error of a response; `None` if its status is not 4xx or 5xx.
    ///
    /// ```
    /// use http::{HeaderMap, StatusCode};
    /// use persevere::http::StatusError;
    ///
    /// assert_eq!(StatusError::of(StatusCode::OK, &HeaderMap::new()), None);
    /// let error = StatusError::of(StatusCode::BAD_GATEWAY, &HeaderMap::new()).unwrap();
    /// assert_eq!(error.to_string(), "HTTP status 502 Bad Gateway");
    /// ```
    pub fn of(status: StatusCode, headers: &HeaderMap) -> Option<Self> {
        let failed = status.is_client_error() || status.is_server_error();
        failed.then(|| Self { status, hint: retry_after(headers) })
    }

    /// Tells the status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Tells the wait that the server asked for.
    pub const fn retry_after(&self) -> Option<Duration> {
        self.hint
    }
}

/// By [`Statuses::TRANSIENT`], with the server's hint. For other statuses decide with [`when`](crate::Retry::when).
impl Retryable for StatusError {
    fn verdict(&self) -> Verdict {
        let verdict = Statuses::TRANSIENT.verdict(self.status.as_u16());
        self.hint.filter(|_| verdict.is_transient()).map_or(verdict, |hint| verdict.with_hint(hint))
    }
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP status {}", self.status)
    }
}

impl core::error::Error for StatusError {}

/// A response, of any client whose response tells its status and headers.
pub trait Response {
    /// Tells the status.
    fn status(&self) -> StatusCode;
    /// Tells the headers.
    fn headers(&self) -> &HeaderMap;
}

impl<B> Response for ::http::Response<B> {
    fn status(&self) -> StatusCode {
        self.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }
}

#[cfg(feature = "reqwest")]
macro_rules! clients {
    ($($response:ty),*) => {$(
        impl Response for $response {
            fn status(&self) -> StatusCode {
                self.status()
            }

            fn headers(&self) -> &HeaderMap {
                self.headers()
            }
        }
    )*};
}

#[cfg(feature = "reqwest")]
clients!(::reqwest::Response, ::reqwest::blocking::Response);

/// Turns a response with status 4xx or 5xx into an error that keeps the status and `Retry-After`.
///
/// # Errors
///
/// [`StatusError`], which is [`Retryable`](crate::Retryable): in a function whose error is a `Box<dyn Error>`, or has
/// a variant for it, `#[retry]` waits as long as the server asked.
///
/// ```
/// use http::Response;
/// use persevere::{http::error_for_status, testing::VirtualTimer, Policy};
/// use std::time::Duration;
///
/// let timer = VirtualTimer::new();
/// let mut answers = 0;
/// let page = Policy::new().timer(&timer).seed(1).run(|| {
///     answers += 1;
///     let response = if answers == 1 {
///         Response::builder().status(503).header("retry-after", "5").body("busy").unwrap()
///     } else {
///         Response::new("page")
///     };
///     error_for_status(response)
/// });
/// assert_eq!(page.unwrap().into_body(), "page");
/// assert!(timer.elapsed() >= Duration::from_secs(5));
/// ```
pub fn error_for_status<R: Response>(response: R) -> Result<R, StatusError> {
    StatusError::of(response.status(), response.headers()).map_or(Ok(response), Err)
}
