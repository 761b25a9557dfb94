//! Downloads over reqwest.

use core::fmt;
use core::future::poll_fn;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::boxed::Box;
use std::io::{self, Read};
#[cfg(feature = "files")]
use std::{borrow::ToOwned as _, vec::Vec};

use ::reqwest::{Body, Client, Error, Request, blocking};
use hyper::body::{Body as _, Bytes};

use super::content::{CUT, Content, Ended, Then};
use super::course::{BlockingCourse, End, Known, Next, Outcome, finished, unbuilt};
use super::error::{Cause, DownloadError};
#[cfg(feature = "files")]
use super::part::{BUFFER, Part};
use super::reader::Fetching;
#[cfg(feature = "files")]
use super::rules::Facts;
use super::waiting::{Boxed, Course};
use super::{Progress, settings};
use crate::http::HttpPolicy;
use crate::http::RequestAttempt;
use crate::http::client::{Anew, HintFrom, again, drain, hinted, hinted_blocking, shorten};
use crate::verdict::{Retryable as _, Verdict};

/// The body of a download: it goes on where it broke, as long as the policy allows.
///
/// [`RetryRequest::download`](crate::http::RetryRequest::download) makes one. It does nothing until it is read, by
/// [`chunk`](Download::chunk) or, with the feature `stream`, as a stream of chunks. It is `Send`, and has a type that can
/// be written into a field.
///
/// An attempt is a request and the reading of its body. After a failure the next one asks for what is missing, with the
/// first answer's strong validator: an `ETag`, or a `Last-Modified` that is old enough. If the server has another version
/// by then, or shows no validator, what came before is of no use: the download ends with an error, or begins anew if
/// [`restarts`](Download::restarts) allows that. The bytes that come out are always those of one version.
///
/// A failure after a new furthest position is the first of a new streak. So `total(3)` gives up after four failures in a
/// row that brought nothing, however often the body broke before.
///
/// The request always goes to its first URL, whatever redirects came before, and asks for content that is not compressed.
/// A body that the client decompressed is never continued, so build the client without decompression.
///
/// Give the client a `read_timeout`: without one a server that goes silent is never noticed. An attempt timeout and a
/// deadline cut the body, too. After the former the download goes on where it was cut.
///
/// ```no_run
/// use persevere::{http::{DownloadError, RetryClient}, Policy};
/// use std::time::Duration;
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let client = reqwest::Client::builder().read_timeout(Duration::from_secs(20)).build()?;
/// let client = RetryClient::new(client, Policy::new().total(5));
/// let mut body = client.get("https://example.org/film").download();
/// while let Some(chunk) = body.chunk().await? {
///     println!("{} of {:?}", body.position(), body.total());
///     # let _ = chunk;
/// }
/// # Ok(()) }
/// ```
#[must_use = "a download does nothing until it is read"]
pub struct Download<'a> {
    content: Content,
    progress: Option<Progress<'a>>,
    stage: Stage<'a>,
}

enum Stage<'a> {
    Begin(Fetch<'a>),
    Connecting(Boxed<'a, (Fetch<'a>, Content, Connected)>),
    Reading(Fetch<'a>, Body),
    Done,
}

/// What an attempt to read on came to.
type Connected = Result<Option<Body>, DownloadError>;

/// What asks for the content.
pub(crate) struct Fetch<'a> {
    pub(crate) client: Client,
    /// The error if it could not be built.
    pub(crate) request: Result<Request, Option<Error>>,
    pub(crate) course: Box<dyn Course<Error> + 'a>,
    pub(crate) rules: HttpPolicy,
    pub(crate) limit: Option<Duration>,
    pub(crate) anew: Anew<reqwest::RequestBuilder>,
    pub(crate) attempt: RequestAttempt,
    pub(crate) hint: Option<HintFrom>,
}

impl<'a> Download<'a> {
    settings!();

    pub(crate) fn new(fetch: Fetch<'a>, known: Known) -> Self {
        Self { content: Content::new(known.parts, known.key), progress: None, stage: Stage::Begin(fetch) }
    }

    /// Returns the next piece of the body, or `None` after the last one.
    ///
    /// # Errors
    ///
    /// [`DownloadError`]: the last failure when the policy gave up, or why what came before could not be continued. After
    /// it there are no more pieces.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. The next call goes on with the request or the wait that was under way.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, DownloadError> {
        poll_fn(|context| self.poll_chunk(context)).await.transpose()
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
    /// # Cancel safety
    ///
    /// If the future is dropped, what is held stays for a later call or process. Up to 256 KiB of it may be lost.
    /// The file may stay locked for a moment, until what is being written is on the disk.
    ///
    /// ```no_run
    /// use persevere::{http::{DownloadError, RetryClient}, Policy};
    ///
    /// # async fn f() -> Result<(), DownloadError> {
    /// let client = RetryClient::new(reqwest::Client::new(), Policy::new().total(5));
    /// let download = client.get("https://example.org/film").download();
    /// let length = download.on_progress(|position, total| println!("{position} of {total:?}")).to_file("film").await?;
    /// # let _ = length; Ok(()) }
    /// ```
    #[cfg(feature = "files")]
    pub async fn to_file(mut self, path: impl AsRef<std::path::Path> + Send) -> Result<u64, DownloadError> {
        if !matches!(self.stage, Stage::Begin(_)) {
            return Err(DownloadError(Cause::Begun));
        }
        self.content.settings.restarts.get_or_insert(1);
        let (path, key) = (path.as_ref().to_owned(), self.content.key);
        let (part, facts) = apart(move || Part::open(path, key)).await?;
        if let Some(facts) = facts {
            self.content.resume(facts, part.have);
        }
        let mut pending = Pending::new(part, key);
        if !self.content.is_whole() {
            loop {
                let chunk = match self.chunk().await {
                    Ok(chunk) => chunk,
                    Err(error) => {
                        let held = pending.flush().await?;
                        apart(move || {
                            drop(held);
                            Ok(())
                        })
                        .await?;
                        return Err(error);
                    }
                };
                let ended = chunk.is_none();
                pending.add(chunk.unwrap_or_default(), &self.content);
                if ended {
                    break;
                }
                if pending.bytes >= BUFFER {
                    pending = pending.flush().await?;
                }
            }
            pending = pending.flush().await?;
        }
        let Pending { part, .. } = pending;
        apart(move || Ok((part.have, part.finish()?).0)).await
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, DownloadError>>> {
        loop {
            match &mut self.stage {
                Stage::Begin(_) => self.connect(None, true),
                Stage::Connecting(connecting) => {
                    let (fetch, held, body) = ready!(connecting.as_mut().poll(context));
                    self.content = held;
                    match body {
                        Ok(Some(body)) => self.stage = Stage::Reading(fetch, body),
                        Ok(None) => self.stage = Stage::Done,
                        Err(error) => {
                            self.stage = Stage::Done;
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                }
                Stage::Reading(_, body) => match ready!(Pin::new(body).poll_frame(context)) {
                    Some(Ok(frame)) => {
                        let Ok(bytes) = frame.into_data() else { continue };
                        if bytes.is_empty() {
                            continue;
                        }
                        match self.content.take(bytes.len()) {
                            Ok(()) => {
                                let (have, total) = (self.content.have, self.content.total());
                                if let Some(hook) = &mut self.progress {
                                    hook(have, total);
                                }
                                return Poll::Ready(Some(Ok(bytes)));
                            }
                            Err(cause) => self.connect(Some(Ok(End::Failed(Verdict::permanent(), cause))), true),
                        }
                    }
                    Some(Err(error)) => self.connect(Some(Err(error)), true),
                    None => match self.content.end() {
                        Ended::Whole => {
                            if let Stage::Reading(mut fetch, _) = mem::replace(&mut self.stage, Stage::Done) {
                                fetch.course.settle(Ok(End::Whole), &self.content);
                            }
                        }
                        Ended::Rest if self.content.may_ask_on() => self.connect(None, false),
                        Ended::Rest | Ended::Cut => self.connect(Some(Ok(End::Failed(CUT, Cause::Cut))), true),
                    },
                },
                Stage::Done => return Poll::Ready(None),
            }
        }
    }

    /// Goes on after this outcome of the last attempt, in a new attempt or in the same.
    fn connect(&mut self, last: Option<Outcome<Error>>, new: bool) {
        if let Stage::Begin(fetch) | Stage::Reading(fetch, _) = mem::replace(&mut self.stage, Stage::Done) {
            self.stage = Stage::Connecting(Box::pin(connect(fetch, self.content.clone(), last, new)));
        }
    }
}

/// Waits and asks until there is a body to read. `None` if there is nothing more to read.
async fn connect(
    mut fetch: Fetch<'_>,
    mut content: Content,
    mut last: Option<Outcome<Error>>,
    mut new: bool,
) -> (Fetch<'_>, Content, Connected) {
    loop {
        if let Some(outcome) = last.take() {
            match fetch.course.settle(outcome, &content) {
                Next::Done(ended) => return (fetch, content, ended.map(|()| None)),
                Next::Wait(wait, outcome) => {
                    if fetch.course.rest(wait).await {
                        return (fetch, content, finished(outcome).map(|()| None));
                    }
                }
            }
        }
        if mem::replace(&mut new, true) {
            content.begin();
            match fetch.course.begin().await {
                Ok(limit) => fetch.limit = limit,
                Err(rejected) => {
                    last = Some(Ok(End::Failed(rejected.verdict(), Cause::Rejected(rejected))));
                    continue;
                }
            }
        }
        match ask(&mut fetch, &mut content).await {
            Ok(body) => return (fetch, content, Ok(Some(body))),
            Err(outcome) => last = Some(outcome),
        }
    }
}

/// Asks for what is missing, and for the whole at once if the answer to that is of no use.
async fn ask(fetch: &mut Fetch<'_>, content: &mut Content) -> Result<Body, Outcome<Error>> {
    let template = match &mut fetch.request {
        Ok(template) => template,
        Err(error) => return Err(unbuilt(error, content)),
    };
    loop {
        let mut request = again!(Request, &*template);
        if let Some(body) = template.body_mut().take_if(|body| body.as_bytes().is_none()) {
            *request.body_mut() = Some(body);
        }
        if !fetch.anew.is_empty() {
            let of = fetch.attempt.within(fetch.limit);
            fetch.attempt = of.next();
            request = fetch.anew.make(&fetch.client, request, of).await.map_err(Err)?;
        }
        shorten(request.timeout_mut(), fetch.limit);
        content.ask(request.headers_mut());
        let response = fetch.client.execute(request).await.map_err(Err)?;
        fetch.attempt = fetch.attempt.answered(response.status());
        match content.head(&fetch.rules, response.status(), response.version(), response.headers()) {
            Then::Read => return Ok(::http::Response::from(response).into_body()),
            Then::Whole => return Err(Ok(End::Whole)),
            Then::AskAgain => drop(drain(response).await),
            Then::Fail(mut verdict, cause) => {
                let mut response = response;
                if let Some(hint) = fetch.hint.as_ref().filter(|_| verdict.is_transient()) {
                    (response, verdict) = hinted(response, verdict, hint).await;
                }
                drop(drain(response).await);
                return Err(Ok(End::Failed(verdict, cause)));
            }
        }
    }
}

/// What is yet to be written into a file.
#[cfg(feature = "files")]
struct Pending {
    part: Part,
    key: u64,
    /// Set where what is in the file is of another version.
    anew: Option<Facts>,
    chunks: Vec<Bytes>,
    bytes: usize,
}

#[cfg(feature = "files")]
impl Pending {
    const fn new(part: Part, key: u64) -> Self {
        Self { part, key, anew: None, chunks: Vec::new(), bytes: 0 }
    }

    fn add(&mut self, chunk: Bytes, content: &Content) {
        if content.have == chunk.len() as u64 {
            self.anew.clone_from(&content.facts);
            self.chunks.clear();
            self.bytes = 0;
        }
        self.bytes += chunk.len();
        self.chunks.push(chunk);
    }

    async fn flush(mut self) -> Result<Self, DownloadError> {
        apart(move || {
            if let Some(facts) = self.anew.take() {
                self.part.begin(self.key, &facts)?;
            }
            for chunk in self.chunks.drain(..) {
                self.part.write(&chunk)?;
            }
            self.bytes = 0;
            Ok(self)
        })
        .await
    }
}

/// Runs what waits for the disk on a thread of its own.
#[cfg(feature = "files")]
async fn apart<V: Send + 'static>(
    work: impl FnOnce() -> Result<V, Cause> + Send + 'static,
) -> Result<V, DownloadError> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(Cause::File(error.into()))).map_err(DownloadError)
}

/// Asks with a blocking client.
pub(crate) fn blocking<'a>(
    client: blocking::Client,
    built: Result<blocking::Request, Error>,
    (mut anew, hint): (Anew<blocking::RequestBuilder>, Option<HintFrom>),
    course: Box<dyn BlockingCourse<Error> + 'a>,
    rules: HttpPolicy,
) -> Fetching<'a, Error> {
    let mut template = built.map_err(Some);
    let mut attempt = RequestAttempt::FIRST;
    let ask = move |content: &mut Content, limit| {
        let template = match &mut template {
            Ok(template) => template,
            Err(error) => return Err(unbuilt(error, content)),
        };
        loop {
            let mut request = again!(blocking::Request, &*template);
            if let Some(body) = template.body_mut().take_if(|body| body.as_bytes().is_none()) {
                *request.body_mut() = Some(body);
            }
            if !anew.is_empty() {
                let of = attempt.within(limit);
                attempt = of.next();
                request = anew.make(&client, request, of).map_err(Err)?;
            }
            shorten(request.timeout_mut(), limit);
            content.ask(request.headers_mut());
            let response = client.execute(request).map_err(Err)?;
            attempt = attempt.answered(response.status());
            match content.head(&rules, response.status(), response.version(), response.headers()) {
                Then::Read => return Ok(Box::new(response) as Box<dyn Read + Send>),
                Then::Whole => return Err(Ok(End::Whole)),
                Then::AskAgain => {}
                Then::Fail(mut verdict, cause) => {
                    if let Some(hint) = hint.as_ref().filter(|_| verdict.is_transient()) {
                        verdict = hinted_blocking(response, verdict, hint).1;
                    }
                    return Err(Ok(End::Failed(verdict, cause)));
                }
            }
        }
    };
    Fetching { course, ask: Box::new(ask), broken }
}

/// Returns the client's own error, which it wraps for a reader.
fn broken(error: io::Error) -> Outcome<Error> {
    error.downcast::<Error>().map_or_else(|error| Ok(End::Failed(error.verdict(), Cause::Client(Box::new(error)))), Err)
}

#[cfg(feature = "stream")]
impl futures_core::Stream for Download<'_> {
    type Item = Result<Bytes, DownloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_chunk(context)
    }
}

#[cfg(feature = "stream")]
impl futures_core::FusedStream for Download<'_> {
    fn is_terminated(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }
}

/// Without the request: its URL and headers may hold secrets.
impl fmt::Debug for Download<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("position", &self.position())
            .field("total", &self.total())
            .finish_non_exhaustive()
    }
}
