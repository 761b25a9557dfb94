//! Downloads that go on where they broke.
//!
//! `rules` decides, `content` remembers, `course` is the run, and one file for each kind of client drives them.

use std::boxed::Box;

mod content;
mod course;
mod error;
#[cfg(feature = "files")]
mod part;
mod reader;
#[cfg(feature = "reqwest")]
mod reqwest;
mod rules;
#[cfg(feature = "ureq")]
mod ureq;
#[cfg(feature = "reqwest")]
mod waiting;

pub(crate) use self::course::{Known, blocking_course};
pub use self::error::DownloadError;
pub use self::reader::DownloadReader;

#[cfg(feature = "reqwest")]
pub use self::reqwest::Download;
#[cfg(feature = "reqwest")]
pub(crate) use self::reqwest::{Fetch, blocking};
#[cfg(feature = "ureq")]
pub(crate) use self::ureq::ureq;
#[cfg(feature = "reqwest")]
pub(crate) use self::waiting::{SendHook, course};

/// What is told of the position and the total.
type Progress<'a> = Box<dyn FnMut(u64, Option<u64>) + Send + 'a>;

/// The setters that all downloads have.
macro_rules! settings {
    () => {
        /// Sets how often what is held may be thrown away, if the content changed or the server does not show that it is
        /// still the same. Unless set it is 0 for a body that is read, and 1 for a file.
        ///
        /// With none left the download ends with an error that [`is_changed`](DownloadError::is_changed). After a restart
        /// [`position`](Self::position) counts from 0 again: whoever reads the body throws away what came before. What
        /// goes to a pipe or into a checksum can't be taken back, so leave it at 0 there.
        pub fn restarts(mut self, restarts: u32) -> Self {
            self.content.settings.restarts = Some(restarts);
            self
        }

        /// Sets how many new bytes an attempt must bring for the waits to begin anew; 64 KiB unless set.
        ///
        /// Any new byte begins a new streak, so that the limits count anew. Only this many make the waits short again:
        /// else a server that closes after each byte would be asked without a pause.
        pub fn earned_by(mut self, bytes: u64) -> Self {
            self.content.settings.earned = bytes;
            self
        }

        /// Takes the end of the connection for the end of a body that has neither a length nor chunks.
        ///
        /// Unless this is set such a response is an error, because a body that was cut looks the same as a whole one.
        pub fn trust_connection_end(mut self) -> Self {
            self.content.settings.invisible_end = true;
            self
        }

        /// Calls this after each piece of the body, with the position and, if the server said it, the total.
        ///
        /// After a restart the position is less than before.
        pub fn on_progress(mut self, hook: impl FnMut(u64, Option<u64>) + Send + 'a) -> Self {
            self.progress = Some(Box::new(hook));
            self
        }

        /// Returns how many bytes of the content have come: where the next piece begins.
        pub const fn position(&self) -> u64 {
            self.content.have
        }

        /// Returns the length of the whole content, if the server said it. It is known with the first piece.
        pub fn total(&self) -> Option<u64> {
            self.content.total()
        }

        /// Returns the headers of the response that brought the first byte of this content, once that has come.
        pub const fn headers(&self) -> Option<&::http::HeaderMap> {
            self.content.headers.as_ref()
        }
    };
}
use settings;
