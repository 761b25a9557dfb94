//! Why a download ended before it was whole.

use core::error::Error;
use core::fmt;
use std::boxed::Box;
use std::io;

use ::http::StatusCode;

use crate::verdict::Rejected;

/// Means that a download ended before it was whole.
///
/// The [`source`](Error::source) is the client's own error, if the client made one: a `reqwest::Error` or a
/// `ureq::Error`. [`client_error`](DownloadError::client_error) returns it by its type.
///
/// It holds no URL and no header of its own.
#[derive(Debug)]
pub struct DownloadError(pub(crate) Cause);

#[derive(Debug)]
pub(crate) enum Cause {
    Client(Box<dyn Error + Send + Sync>),
    Status(StatusCode),
    Rejected(Rejected),
    Changed,
    Unasked,
    TooLong,
    Cut,
    InvisibleEnd,
    /// It ended with another error before.
    Over,
    #[cfg(feature = "files")]
    File(io::Error),
    #[cfg(feature = "files")]
    Locked,
    /// Some of it was read already.
    #[cfg(feature = "files")]
    Begun,
}

#[cfg(feature = "files")]
impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl DownloadError {
    pub(crate) fn client<E: Error + Send + Sync + 'static>(error: E) -> Self {
        Self(Cause::Client(Box::new(error)))
    }

    /// Returns the client's own error, if that is of this type.
    ///
    /// ```
    /// # fn f(error: persevere::http::DownloadError) {
    /// if let Some(error) = error.client_error::<reqwest::Error>() {
    ///     println!("timed out: {}", error.is_timeout());
    /// }
    /// # }
    /// ```
    pub fn client_error<E: Error + 'static>(&self) -> Option<&E> {
        self.source()?.downcast_ref()
    }

    /// Returns the status of the answer that ended the download, if a status did.
    pub const fn status(&self) -> Option<StatusCode> {
        match self.0 {
            Cause::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Returns the word of the guard that did not let the last attempt through.
    pub const fn rejected(&self) -> Option<&Rejected> {
        match &self.0 {
            Cause::Rejected(rejected) => Some(rejected),
            _ => None,
        }
    }

    /// Returns whether another download, in this process or in another one, writes to the same file.
    #[cfg(feature = "files")]
    pub const fn is_locked(&self) -> bool {
        matches!(self.0, Cause::Locked)
    }

    /// Returns the error of the file system, if the file could not be written.
    #[cfg(feature = "files")]
    pub const fn file_error(&self) -> Option<&io::Error> {
        match &self.0 {
            Cause::File(error) => Some(error),
            _ => None,
        }
    }

    /// Returns whether what was held could not be continued, because the content changed or the server did not show that
    /// it is still the same, and no restart was left.
    pub const fn is_changed(&self) -> bool {
        matches!(self.0, Cause::Changed)
    }
}

impl fmt::Display for DownloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Client(_) => f.write_str("the download broke"),
            Cause::Status(status) => write!(f, "HTTP status {status}"),
            Cause::Rejected(rejected) => rejected.fmt(f),
            Cause::Changed => f.write_str("the content changed while it was downloaded, and no restart is left"),
            Cause::Unasked => f.write_str("the server sent a part of the content when all of it was asked for"),
            Cause::TooLong => f.write_str("the server sent more bytes than it announced"),
            Cause::Cut => f.write_str("the body ended before all announced bytes had come"),
            #[cfg(feature = "files")]
            Cause::File(_) => f.write_str("the file of the download can't be written"),
            #[cfg(feature = "files")]
            Cause::Locked => f.write_str("another download writes to this file"),
            #[cfg(feature = "files")]
            Cause::Begun => f.write_str("some of the download was read before it was written to a file"),
            Cause::Over => f.write_str("the download ended with an error before"),
            Cause::InvisibleEnd => f.write_str(
                "the response has neither a length nor chunks, so that its end can't be told from a broken connection; \
                 a client that decompresses removes the length",
            ),
        }
    }
}

impl Error for DownloadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Cause::Client(error) => Some(&**error),
            #[cfg(feature = "files")]
            Cause::File(error) => Some(error),
            _ => None,
        }
    }
}

impl From<DownloadError> for io::Error {
    fn from(error: DownloadError) -> Self {
        Self::other(error)
    }
}
