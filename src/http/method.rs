use ::http::{HeaderMap, Method};

/// Tells whether a request may be sent again after it may have been executed.
///
/// GET, HEAD, PUT, DELETE, OPTIONS and TRACE may; any other method may if the request has an `Idempotency-Key` that is
/// not empty, since that asks the server to execute it once.
///
/// ```
/// use http::{HeaderMap, HeaderValue, Method};
/// use persevere::http::is_idempotent;
///
/// let mut headers = HeaderMap::new();
/// assert!(is_idempotent(&Method::PUT, &headers));
/// assert!(!is_idempotent(&Method::POST, &headers));
/// headers.insert("idempotency-key", HeaderValue::from_static("8e03978e-40d5-43dd-bc93-6894a57f9324"));
/// assert!(is_idempotent(&Method::POST, &headers));
/// ```
pub fn is_idempotent(method: &Method, headers: &HeaderMap) -> bool {
    const IDEMPOTENT: [Method; 6] =
        [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE];
    IDEMPOTENT.contains(method)
        || headers.get("idempotency-key").is_some_and(|key| !key.as_bytes().trim_ascii().is_empty())
}
