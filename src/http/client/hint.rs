use core::time::Duration;
use std::sync::Arc;
use std::vec::Vec;

use ::http::Response;

use crate::verdict::Verdict;

/// No more than this is read of a page.
pub(super) const MOST: usize = 64 * 1024;
/// No page is waited for longer than this.
pub(super) const LONGEST: Duration = Duration::from_secs(1);

/// Finds the server's wait in an answer.
#[derive(Clone)]
pub(crate) struct HintFrom(Arc<Hint>);

type Hint = dyn Fn(&Response<Vec<u8>>) -> Option<Duration> + Send + Sync;

impl HintFrom {
    pub(super) fn new(hint: impl Fn(&Response<Vec<u8>>) -> Option<Duration> + Send + Sync + 'static) -> Self {
        Self(Arc::new(hint))
    }

    /// Asks about the answer that was judged like this.
    pub(super) fn ask(&self, page: Response<Vec<u8>>, verdict: Verdict) -> (Response<Vec<u8>>, Verdict) {
        let hint = (self.0)(&page);
        (page, hint.map_or(verdict, |hint| verdict.with_hint(hint)))
    }
}
