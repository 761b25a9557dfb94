//! What other crates say only in a text. Each sentence stands here, with the version that it was read in and the test
//! that fails when it changes.

/// ureq 3.5.2 with ureq-proto 0.7.1 and flate2 1.1.11.
///
/// Held by `tests/http/ureq_errors.rs`, which provokes each.
#[cfg(feature = "ureq")]
pub(super) mod ureq {
    /// How a body that can't be decompressed is shown. Without ureq's features the variant can't be named.
    pub(crate) const GZIP: &str = "gzip decompression failed: ";
    pub(crate) const BROTLI: &str = "brotli decompression failed: ";

    /// What stands behind `GZIP` where the body came whole. Whatever else stands there is a body that was cut.
    pub(crate) const MALFORMED_GZIP: [&str; 3] =
        ["invalid gzip header", "corrupt deflate stream", "corrupt gzip stream"];

    /// How errors are shown that stand in a text alone, within an error of JSON.
    pub(crate) const PROTOCOL: &str = "protocol: ";
    pub(crate) const TIMEOUT: &str = "timeout: ";
    pub(crate) const TOO_LONG: &str = "the response body is larger than request limit: ";

    /// How protocol errors begin that come from what the server sent. All others are the request's own.
    pub(crate) const GARBLED: [&str; 5] = [
        "http parse fail: ",
        "chunk ",
        "content-length header not a number",
        "conflicting content-length headers",
        "received headers with 100-continue response",
    ];

    /// Protocol errors of a redirect that leads nowhere.
    pub(crate) const LOCATION: [&str; 2] = ["missing a location header", "location header is malformed: "];

    /// What a SOCKS proxy answers that may pass.
    pub(crate) const SOCKS: [&str; 6] = [
        "general SOCKS server failure",
        "network unreachable",
        "host unreachable",
        "connection refused",
        "TTL expired",
        "request rejected or failed",
    ];
}
