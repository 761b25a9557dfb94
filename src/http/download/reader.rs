//! Downloads over blocking clients.

use core::fmt;
use core::mem;
use core::time::Duration;
use std::boxed::Box;
use std::io::{self, Read};

use super::content::{CUT, Content, Ended};
use super::course::{BlockingCourse, End, Known, Next, Outcome, finished};
use super::error::{Cause, DownloadError};
#[cfg(feature = "files")]
use super::part::{BUFFER, Part};
use super::{Progress, settings};
use crate::verdict::{Retryable as _, Verdict};

/// The body of a download over a blocking client: it goes on where it broke, as long as the policy allows.
///
/// `download` on a request of blocking reqwest or of ureq makes one. It does nothing until it is read. It is `Send`, and
/// has a type that can be written into a field.
///
/// An attempt is a request and the reading of its body. After a failure the next one asks for what is missing, with the
/// first answer's strong validator: an `ETag`, or a `Last-Modified` that is old enough. If the server has another version
/// by then, or shows no validator, what came before is of no use: the download ends with an error, or begins anew if
/// [`restarts`](DownloadReader::restarts) allows that. The bytes that come out are always those of one version.
///
/// A failure after a new furthest position is the first of a new streak. So `total(3)` gives up after four failures in a
/// row that brought nothing, however often the body broke before.
///
/// The request always goes to its first URL, whatever redirects came before, and asks for content that is not compressed.
/// A body that the client decompressed is never continued, so use a client without decompression.
///
/// Give the client a timeout for each read: without one a server that goes silent is never noticed. In blocking reqwest
/// that is `timeout`, which is 30 s unless set. In ureq it is `timeout_per_read`. An attempt timeout and a deadline cut the
/// body of ureq, too, and then the download goes on where it was cut. In blocking reqwest they limit each read.
///
/// ```no_run
/// use persevere::{http::RetryClient, Policy};
/// use std::{fs::File, io};
///
/// let client = RetryClient::new(reqwest::blocking::Client::new(), Policy::new().total(5));
/// let mut body = client.get("https://example.org/film").download();
/// io::copy(&mut body, &mut File::create("film")?)?;
/// # Ok::<(), io::Error>(())
/// ```
///
/// # Errors
///
/// Reading gives an [`io::Error`] around a [`DownloadError`]. After it each read is an error.
#[must_use = "a download does nothing until it is read"]
pub struct DownloadReader<'a> {
    content: Content,
    progress: Option<Progress<'a>>,
    source: Box<dyn Source + 'a>,
    /// Whether it was asked for a byte.
    begun: bool,
    /// Whether all came, once it is over.
    ended: Option<bool>,
}

/// A client and its run.
trait Source: Send {
    /// Reads on; 0 bytes at the end.
    fn read(&mut self, content: &mut Content, buffer: &mut [u8]) -> Result<usize, DownloadError>;
}

/// A body as it comes.
pub(crate) type Body = Box<dyn Read + Send>;

/// What sends a request for what is missing, within this time.
pub(crate) type Ask<'a, E> = Box<dyn FnMut(&mut Content, Option<Duration>) -> Result<Body, Outcome<E>> + Send + 'a>;

pub(crate) struct Fetching<'a, E> {
    pub(crate) course: Box<dyn BlockingCourse<E> + 'a>,
    pub(crate) ask: Ask<'a, E>,
    /// Returns what the client means by an error of its body.
    pub(crate) broken: fn(io::Error) -> Outcome<E>,
}

struct Fetch<'a, E> {
    fetching: Fetching<'a, E>,
    body: Option<Body>,
    limit: Option<Duration>,
}

impl<'a> DownloadReader<'a> {
    settings!();

    pub(crate) fn new<E>(fetching: Fetching<'a, E>, known: Known) -> Self
    where
        E: core::error::Error + Send + Sync + 'static,
    {
        let source = Box::new(Fetch { fetching, body: None, limit: None });
        Self { content: Content::new(known.parts, known.key), progress: None, source, begun: false, ended: None }
    }

    /// Downloads into a file, and returns its length.
    ///
    /// The bytes go to a file beside it, with `.part` after its name. When they are whole it gets the name, in place of a
    /// file that has it. If the process ends before, a later one continues what is there: the facts that this needs are in
    /// a second file, `.part.facts`. If the content has changed by then, it begins anew.
    ///
    /// The facts are the validator, the length and how many bytes are known to be on the disk. They hold the URL as a hash,
    /// and a later process that asks for another URL, or for another `Accept` or `Accept-Language`, begins anew.
    ///
    /// [`restarts`](Self::restarts) is 1 unless set.
    ///
    /// # Errors
    ///
    /// As reading the body. What is held stays, for a later process. A file system's error ends the download, see
    /// [`file_error`](DownloadError::file_error). So does another download into the same file, in any process, see
    /// [`is_locked`](DownloadError::is_locked).
    ///
    /// ```no_run
    /// use persevere::{http::RetryAgent, Policy};
    ///
    /// let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), Policy::new().total(5));
    /// let length = agent.get("https://example.org/film").download().to_file("film")?;
    /// # let _ = length; Ok::<(), persevere::http::DownloadError>(())
    /// ```
    #[cfg(feature = "files")]
    pub fn to_file(mut self, path: impl AsRef<std::path::Path>) -> Result<u64, DownloadError> {
        if self.begun {
            return Err(DownloadError(Cause::Begun));
        }
        let key = self.content.key;
        self.content.settings.restarts.get_or_insert(1);
        let (mut part, facts) = Part::open(path.as_ref().into(), key).map_err(DownloadError)?;
        if let Some(facts) = facts {
            self.content.resume(facts, part.have);
        }
        if !self.content.is_whole() {
            let mut buffer = std::vec![0; BUFFER];
            loop {
                let read = self.next(&mut buffer)?;
                if self.content.have == read as u64 {
                    let facts = self.content.facts.as_ref();
                    facts.map_or(Ok(()), |facts| part.begin(key, facts)).map_err(Cause::File).map_err(DownloadError)?;
                }
                if read == 0 {
                    break;
                }
                part.write(&buffer[..read]).map_err(|error| DownloadError(Cause::File(error)))?;
            }
        }
        let length = part.have;
        part.finish().map_err(|error| DownloadError(Cause::File(error)))?;
        Ok(length)
    }

    pub(crate) fn next(&mut self, buffer: &mut [u8]) -> Result<usize, DownloadError> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.begun = true;
        match self.ended {
            Some(true) => return Ok(0),
            Some(false) => return Err(DownloadError(Cause::Over)),
            None => {}
        }
        let read = self.source.read(&mut self.content, buffer);
        match read {
            Ok(0) => self.ended = Some(true),
            Ok(_) => {
                let total = self.content.total();
                if let Some(hook) = &mut self.progress {
                    hook(self.content.have, total);
                }
            }
            Err(_) => self.ended = Some(false),
        }
        read
    }
}

impl Read for DownloadReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.next(buffer)?)
    }
}

impl<E> Source for Fetch<'_, E>
where
    E: core::error::Error + Send + Sync + 'static,
{
    fn read(&mut self, content: &mut Content, buffer: &mut [u8]) -> Result<usize, DownloadError> {
        let (mut last, mut new) = (None, true);
        loop {
            let Some(body) = &mut self.body else {
                match self.connect(content, last.take(), mem::replace(&mut new, true))? {
                    Some(body) => self.body = Some(body),
                    None => return Ok(0),
                }
                continue;
            };
            let outcome = match body.read(buffer) {
                Ok(0) => match content.end() {
                    Ended::Whole => Ok(End::Whole),
                    Ended::Rest if content.may_ask_on() => {
                        (self.body, new) = (None, false);
                        continue;
                    }
                    Ended::Rest | Ended::Cut => Ok(End::Failed(CUT, Cause::Cut)),
                },
                Ok(read) => match content.take(read) {
                    Ok(()) => return Ok(read),
                    Err(cause) => Ok(End::Failed(Verdict::permanent(), cause)),
                },
                Err(error) => (self.fetching.broken)(error),
            };
            // The connection is closed before the wait.
            self.body = None;
            last = Some(outcome);
        }
    }
}

impl<E> Fetch<'_, E>
where
    E: core::error::Error + Send + Sync + 'static,
{
    /// Waits and asks until there is a body to read. `None` if there is nothing more to read.
    fn connect(
        &mut self,
        content: &mut Content,
        mut last: Option<Outcome<E>>,
        mut new: bool,
    ) -> Result<Option<Body>, DownloadError> {
        let Self { fetching: Fetching { course, ask, .. }, limit, .. } = self;
        loop {
            if let Some(outcome) = last.take() {
                match course.settle(outcome, content) {
                    Next::Done(ended) => return ended.map(|()| None),
                    Next::Wait(wait, outcome) => {
                        if course.rest(wait) {
                            return finished(outcome).map(|()| None);
                        }
                    }
                }
            }
            if mem::replace(&mut new, true) {
                content.begin();
                match course.begin() {
                    Ok(left) => *limit = left,
                    Err(rejected) => {
                        last = Some(Ok(End::Failed(rejected.verdict(), Cause::Rejected(rejected))));
                        continue;
                    }
                }
            }
            match ask(content, *limit) {
                Ok(body) => return Ok(Some(body)),
                Err(outcome) => last = Some(outcome),
            }
        }
    }
}

/// Without the request: its URL and headers may hold secrets.
impl fmt::Debug for DownloadReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("DownloadReader");
        shown.field("position", &self.position()).field("total", &self.total()).finish_non_exhaustive()
    }
}
