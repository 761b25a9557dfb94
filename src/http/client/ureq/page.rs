//! Reads the page of a status that is retried, for who finds the server's wait in it.

use std::io::{self, Cursor, Read};
use std::vec::Vec;

use ::http::Response;
use ::ureq::Body;

use super::super::hint::{HintFrom, LONGEST, MOST};
use crate::time::{BlockingTimer as _, ThreadTimer};
use crate::verdict::Verdict;

/// An error in the place of what would have come behind it.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Asks the closure, and returns the response with its whole page.
pub(in crate::http) fn hinted(
    response: Response<Body>,
    verdict: Verdict,
    hint: Option<&HintFrom>,
) -> (Response<Body>, Verdict) {
    let Some(hint) = hint else { return (response, verdict) };
    let began = ThreadTimer.now();
    let (head, body) = response.into_parts();
    let mime = body.mime_type().map(ToString::to_string);
    let charset = body.charset().map(ToString::to_string);
    let mut body = body.into_reader();
    let (mut first, mut broken) = (Vec::new(), None);
    let mut buffer = [0; 4096];
    while first.len() < MOST && ThreadTimer.now().saturating_sub(began) < LONGEST {
        match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => first.extend_from_slice(&buffer[..read]),
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    let (page, verdict) = hint.ask(Response::from_parts(head, first), verdict);
    let (head, first) = page.into_parts();
    let mut whole = Body::builder();
    if let Some(mime) = mime {
        whole = whole.mime_type(mime);
    }
    if let Some(charset) = charset {
        whole = whole.charset(charset);
    }
    let whole = whole.reader(Cursor::new(first).chain(Broken(broken)).chain(body));
    (Response::from_parts(head, whole), verdict)
}
