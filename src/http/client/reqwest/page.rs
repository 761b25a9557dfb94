//! Reads the page of a status that is retried, for who finds the server's wait in it.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::boxed::Box;
use std::io::Read as _;
use std::vec::Vec;

use ::reqwest::{Body, Response, ResponseBuilderExt as _, Url, blocking};
use hyper::body::{Body as _, Bytes, Frame};

use super::super::hint::{HintFrom, LONGEST, MOST};
use crate::time::{BlockingTimer as _, ThreadTimer};
use crate::verdict::Verdict;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The beginning of a body that was read, and what comes behind it.
struct Read {
    first: Bytes,
    failure: Option<Failure>,
    rest: Option<Body>,
}

impl hyper::body::Body for Read {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(core::mem::take(&mut self.first)))));
        }
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Some(Err(failure)));
        }
        match &mut self.rest {
            Some(rest) => Pin::new(rest).poll_frame(context).map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            None => Poll::Ready(None),
        }
    }
}

/// Takes the head for the closure, and makes a response of it again.
fn parts(head: &::http::response::Parts, url: Url, body: Body) -> ::http::Response<Body> {
    let mut response = ::http::Response::builder().url(url).body(body).unwrap_or_default();
    *response.status_mut() = head.status;
    *response.version_mut() = head.version;
    response.headers_mut().clone_from(&head.headers);
    response.extensions_mut().extend(head.extensions.clone());
    response
}

/// Asks the closure, and returns the response with its whole page.
pub(in crate::http) async fn hinted(response: Response, verdict: Verdict, hint: &HintFrom) -> (Response, Verdict) {
    let url = response.url().clone();
    let (head, mut body) = ::http::Response::<Body>::from(response).into_parts();
    let (mut first, mut failure, mut ended) = (Vec::new(), None, false);
    // What takes longer is asked about as far as it came.
    let _ = tokio::time::timeout(LONGEST, async {
        while first.len() < MOST && !ended {
            match poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
                Some(Ok(frame)) => first.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
                Some(Err(error)) => {
                    failure = Some(Failure::from(error));
                    ended = true;
                }
                None => ended = true,
            }
        }
    })
    .await;
    let (asked, first, verdict) = asked(&head, first, verdict, hint);
    let rest = (!ended).then_some(body);
    (parts(&asked, url, Body::wrap(Read { first, failure, rest })).into(), verdict)
}

/// Asks the closure, and returns the response with its page, as far as it is not longer than what is read.
pub(in crate::http) fn hinted_blocking(
    mut response: blocking::Response,
    verdict: Verdict,
    hint: &HintFrom,
) -> (blocking::Response, Verdict) {
    let began = ThreadTimer.now();
    let (mut first, mut failure) = (Vec::new(), None);
    let length = response.content_length();
    if length.is_some_and(|length| length > MOST as u64) {
        // It would be lost.
        let head = head_of(&response);
        let (.., verdict) = asked(&head, Vec::new(), verdict, hint);
        return (response, verdict);
    }
    let mut buffer = [0; 4096];
    loop {
        if first.len() >= MOST || ThreadTimer.now().saturating_sub(began) >= LONGEST {
            failure = Some("the page was too long or too slow to be kept".into());
            break;
        }
        match response.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => first.extend_from_slice(&buffer[..read]),
            Err(error) => {
                failure = Some(Failure::from(error));
                break;
            }
        }
    }
    let (head, first, verdict) = asked(&head_of(&response), first, verdict, hint);
    let url = response.url().clone();
    (parts(&head, url, Body::wrap(Read { first, failure, rest: None })).into(), verdict)
}

fn head_of(response: &blocking::Response) -> ::http::response::Parts {
    let mut head = ::http::Response::new(());
    *head.status_mut() = response.status();
    *head.version_mut() = response.version();
    head.headers_mut().clone_from(response.headers());
    head.extensions_mut().extend(response.extensions().clone());
    head.into_parts().0
}

fn asked(
    head: &::http::response::Parts,
    mut first: Vec<u8>,
    verdict: Verdict,
    hint: &HintFrom,
) -> (::http::response::Parts, Bytes, Verdict) {
    let behind = first.split_off(first.len().min(MOST));
    let (page, verdict) = hint.ask(::http::Response::from_parts(head.clone(), first), verdict);
    let (head, mut first) = page.into_parts();
    first.extend_from_slice(&behind);
    (head, first.into(), verdict)
}
