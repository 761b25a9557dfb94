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
//!
//! # Which faults are retried
//!
//! With the features `reqwest` (async and blocking) and `ureq` their errors are [`Retryable`](crate::Retryable). *Any
//! method* means that nothing of the request was sent, so that it may be sent again whatever it does. *Idempotent* means
//! that it may have been executed: it is sent again only if the policy is [`idempotent`](crate::Policy::idempotent),
//! which [`HttpPolicy::for_request`] sets from the method and its headers. What can't be told apart counts as maybe
//! executed. Each line is tested against the real fault, with rustls. With native-tls a handshake that is cut is not
//! recognised, and counts as permanent.
//!
//! | fault | reqwest | ureq |
//! |---|---|---|
//! | connection refused | any method | any method |
//! | no such host | any method | any method |
//! | connect timeout | any method | any method |
//! | network unreachable | any method | idempotent |
//! | proxy refuses the connection | idempotent | any method |
//! | proxy answers 502 to CONNECT | any method | any method |
//! | proxy answers 403 to CONNECT | any method | no |
//! | proxy answers 407 to CONNECT | no | no |
//! | proxy closes without a reply to CONNECT | any method | any method |
//! | pooled connection closed at the next request | idempotent | idempotent |
//! | pooled connection reset at the next request | idempotent | idempotent |
//! | reset after the connection is accepted | idempotent | idempotent |
//! | reset after the request | idempotent | idempotent |
//! | closed after the request, without a reply | idempotent | idempotent |
//! | closed in the headers | idempotent | idempotent |
//! | closed in the body | idempotent | idempotent |
//! | closed in a chunk | idempotent | idempotent |
//! | closed in a gzip body | idempotent | idempotent |
//! | closed in a chunk of a gzip body | idempotent | idempotent |
//! | gzip body closed without a length | idempotent | idempotent |
//! | malformed gzip body | no | no |
//! | malformed chunk size | idempotent | idempotent |
//! | malformed status line | idempotent | idempotent |
//! | too many headers | no | no |
//! | headers without end | no | no |
//! | no reply within the timeout | idempotent | idempotent |
//! | body stalls past the timeout | idempotent | idempotent |
//! | TLS handshake cut | any method | idempotent |
//! | TLS asked of a plain port | no | no |
//! | plain HTTP asked of a TLS port | idempotent | idempotent |
//! | certificate of an unknown issuer | no | no |
//! | certificate expired | no | no |
//! | certificate of another host | no | no |
//! | redirect loop | no | no |
//! | malformed URL | no | no |
//! | unsupported scheme | no | no |
//! | malformed JSON | no | no |
//! | status 408 | idempotent | idempotent |
//! | status 425 | idempotent | idempotent |
//! | status 429 | idempotent | idempotent |
//! | status 500 | idempotent | idempotent |
//! | status 502 | idempotent | idempotent |
//! | status 503 | idempotent | idempotent |
//! | status 504 | idempotent | idempotent |
//! | status 501, 505, any other 4xx | no | no |
//!
//! The table is that of the plain errors. The entry points know more: `RetryExt`, `RetryClient` and `RetryAgent` send a request
//! again with any method if they know that nothing of it was sent, and if in doubt they send what is not idempotent
//! once. Things to know:
//!
//! - **Redirects.** A plain error does not say that a redirect was followed before the connection failed: the first
//!   server has then executed the request. Some of reqwest's errors show it, by an address that is not the URL's. ureq's
//!   never do. So where a policy says `idempotent(false)` and no entry point of this module is used, let the client follow
//!   no redirects. The pages of `RetryRequest` and `AgentRequest` say what these know.
//! - **reqwest's own retries.** Over HTTP/2 reqwest sends a request again by itself, twice and at once, after a `GOAWAY` or a
//!   `REFUSED_STREAM`, with any method. If the last of them is refused, the error says "connection refused", and
//!   nothing of the first, which may have been executed. `RetryClient::build` turns these retries off. For other clients
//!   say `retry(reqwest::retry::never())` where a policy says `idempotent(false)`. `RetryExt` and `RetryClient::new` are
//!   safe without it: of what is not idempotent they watch the body, or send it once.
//! - Over HTTP/2 (feature `reqwest-http2`) a `REFUSED_STREAM` from the server before the response says that the request
//!   was not processed: any method. Without that feature it counts as maybe executed. A `GOAWAY` always does, because hyper
//!   also gives its error to a request that it has just queued, and then sends it.
//! - A request that the connection gave back unsent is sent again for any method by `RetryExt` and `RetryClient`, if they
//!   know that no redirect came before. A plain `reqwest::Error` counts it as maybe executed.
//! - A SOCKS proxy that can't be reached or can't connect: any method. A plain `ureq::Error` counts one that can't connect
//!   as maybe executed. One that does not accept the credentials, does not allow the connection or does not know the
//!   command: no.
//! - A server that demands a client certificate under TLS 1.3 says so after the handshake: no, whenever it is noticed. Over
//!   HTTP/2 the error does not always say it, and then looks like a lost connection.
//! - With only a total timeout, a stalled connect looks like a silent server. Give the client a connect timeout, too.
//! - A proxy that answers CONNECT with any error but 407 may do so for a moment only; reqwest does not tell its status.
//! - An attempt takes as long as the client lets it: set its timeouts. `.text()`, `.bytes()` and their like read a body into
//!   memory whole, as the clients' own do: ureq at most 10 MB, reqwest without a limit. Download
//!   what may be large, see [`guide::downloads`](crate::guide::downloads).
//! - No request waits for the page of a status that is retried. reqwest reads what has already come, at most 64 KB, so
//!   that the connection can serve the next attempt. ureq reads none of it, and the next attempt opens a new connection
//!   unless the page is empty.
//!
//! A client's own `error_for_status` drops the headers. [`error_for_status`] keeps `Retry-After`, so that `#[retry]`
//! obeys it, too.
//!
//! # Changing what is retried
//!
//! | to | say |
//! |---|---|
//! | retry another status, or leave one alone | [`HttpPolicy::also_retry`], [`HttpPolicy::never_retry`], `.statuses(..)` on a request |
//! | repeat a POST | an `Idempotency-Key` header; or `.idempotent(true)` on the request or the [`HttpPolicy`], where executing it twice does no harm |
//! | repeat nothing that may have been executed | `.idempotent(false)` |
//! | judge errors otherwise | [`when`](crate::Retry::when), on the policy that the request gets |
//! | ask again for what was accepted, until a job is done | [`when_ok`](crate::Retry::when_ok), on that policy: it is told what the request gives, a response or a body |
//! | limit one kind of fault | [`connect`](crate::Policy::connect), [`read`](crate::Policy::read), [`status`](crate::Policy::status) |
//! | see what happened | [`report`](crate::Retry::report): its [`StopReason`](crate::StopReason), and the status and time of each attempt |
//!
//! # Coming from the requests recipe
//!
//! The recipe is `Retry(total=3, backoff_factor=0.3, status_forcelist=(500, 502, 504))` of urllib3 on a session.
//!
//! | urllib3 | here |
//! |---|---|
//! | `total` | [`total`](crate::Policy::total): the same number of retries |
//! | `connect`, `read`, `status`, `other` | the setters of these names in [`Policy`](crate::Policy), beside `total`; the lower one wins |
//! | `redirect` | the client's own redirect policy: following one costs no retry, and running out of them is permanent |
//! | `allowed_methods` | by the method and the `Idempotency-Key`; [`HttpPolicy::allowed_methods`] sets a list, and [`HttpPolicy::idempotent`] with `true` allows any |
//! | all of its rules at once | [`HttpPolicy::urllib3`] |
//! | `status_forcelist` | [`HttpPolicy::retry_only`]; [`Statuses::TRANSIENT`] unless set, which has 429 and 503 |
//! | `backoff_factor` | [`backoff`](crate::Policy::backoff): 0.3 s waits 0, 0.6, 1.2 s, too, but with full jitter unless `.jitter(Jitter::None)`; 429 and 503 never wait 0 |
//! | `backoff_max` | [`max_wait`](crate::Policy::max_wait), 120 s as well |
//! | `backoff_jitter` | [`Jitter::Additive`](crate::Jitter::Additive) |
//! | `raise_on_status` | as the client does: reqwest gives the last response, ureq an error unless `http_status_as_error(false)`; `.error_for_status()` on the request makes an error of any |
//! | `respect_retry_after_header` | [`hints`](crate::Policy::hints): obeyed for every status that is retried, unless `Hints::Ignore` |
//! | `retry_after_max` | [`max_hint`](crate::Policy::max_hint): 120 s in place of 6 h; a longer one ends the run at once, unless `Hints::Clamp` |
//! | `history` | [`Report`](crate::Report), on success and on failure |
//! | `session.mount(prefix, ..)` | `mount` of `RetryClient` and `RetryAgent`, as a prefix of the URL |
//! | `timeout=` of each request | the client's own, for each attempt; [`attempt_timeout`](crate::Policy::attempt_timeout) takes the place of the client's total timeout, even if it is longer |
//! | no deadline | [`within`](crate::Policy::within) |
//!
//! A body that breaks while it is read is fetched again if the request reads it (`.text()`, `.bytes()` and their like). What
//! the recipe repeats and this does not: a POST after a TLS fault, unless the handshake was cut, and any request after a
//! certificate error.

#[cfg(any(feature = "reqwest", feature = "ureq"))]
mod client;
mod date;
#[cfg(any(feature = "reqwest", feature = "ureq"))]
mod download;
mod error;
mod method;
mod policy;
mod retry_after;
mod status;

#[cfg(feature = "ureq")]
pub use self::client::{AgentRequest, CheckedAgentRequest, RetryAgent};
#[cfg(feature = "reqwest")]
pub use self::client::{CheckedRequest, Client, ClientBuilder, RequestBuilder, RetryClient, RetryExt, RetryRequest};
#[cfg(any(feature = "reqwest", feature = "ureq"))]
pub use self::client::{Prepared, RequestAttempt};
#[cfg(feature = "reqwest")]
pub use self::download::Download;
#[cfg(any(feature = "reqwest", feature = "ureq"))]
pub use self::download::{DownloadError, DownloadReader};
pub use self::error::{Response, StatusError, error_for_status};
pub use self::method::is_idempotent;
pub use self::policy::HttpPolicy;
pub use self::retry_after::{retry_after, retry_after_at};
pub use self::status::Statuses;
