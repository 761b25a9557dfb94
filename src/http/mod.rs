//! Requests: what may be sent again, for which answers, and how long the server asks to wait.
//!
//! This much needs no client, only the types of the `http` crate: build your own door from it for any client.
//!
//! ```
//! use http::{HeaderMap, Method, Response};
//! use persevere::http::HttpPolicy;
//!
//! # fn send(method: &Method) -> std::io::Result<Response<&'static str>> { Ok(Response::new("made")) }
//! let (method, headers, policy) = (Method::POST, HeaderMap::new(), HttpPolicy::default());
//! let response = policy
//!     .for_request(&method, &headers) // a POST is not repeated once it may have been executed
//!     .when_ok(|response: &Response<_>| policy.verdict(response.status(), response.headers()).unwrap_or(false.into()))
//!     .run(|| send(&method));
//! assert_eq!(response.unwrap().into_body(), "made");
//! ```

mod error;
mod method;
mod policy;
mod retry_after;
mod status;

pub use self::error::{Response, StatusError, error_for_status};
pub use self::method::is_idempotent;
pub use self::policy::HttpPolicy;
pub use self::retry_after::{retry_after, retry_after_at};
pub use self::status::Statuses;
