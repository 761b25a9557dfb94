//! An event as a line of a log.

use core::fmt::{self, Write as _};

use super::line::{Redacted, Text};
use crate::observe::event::Event;
use crate::time::nanos::{self, Brief};
use crate::verdict::Named;

/// One line for a log: `attempt 2 failed (read: connection reset), next in 0.6 s`.
///
/// The error's text is made safe as a report's is: at most 96 bytes, control characters escaped, credentials and query of
/// any URL left out. An event of `before_retry` has no error, and leaves the text out.
impl<E: fmt::Display> fmt::Display for Event<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = self.verdict();
        write!(f, "attempt {} failed ({}", self.attempt(), Named(verdict.fault(), verdict.status()))?;
        if let Some(error) = self.error() {
            let mut text = Redacted::new(Text::<96>::new());
            // An error that can't be written leaves what it wrote so far.
            let _ = write!(text, "{error}");
            write!(f, ": {}", text.finish().as_str())?;
        }
        write!(f, "), next in {}", Brief(nanos::from(self.wait())))
    }
}
