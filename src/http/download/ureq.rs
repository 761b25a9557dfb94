//! Downloads over ureq.

use core::sync::atomic::AtomicBool;
use std::boxed::Box;
use std::io::Read;

use ::http::Request;
use ::ureq::{Agent, Error};

use super::content::{Content, Then};
use super::course::{BlockingCourse, End, unbuilt};
use super::reader::Fetching;
use crate::http::HttpPolicy;
use crate::http::RequestAttempt;
use crate::http::client::{HintFrom, Making, hinted_by_ureq, send};

/// Asks with an agent.
pub(crate) fn ureq<'a>(
    agent: Agent,
    built: Result<Request<()>, Error>,
    (mut making, hint): (Making, Option<HintFrom>),
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
            let mut request = template.clone();
            let of = attempt.within(limit);
            attempt = of.next();
            making.prepare(&mut request, of).map_err(Err)?;
            content.ask(request.headers_mut());
            let (begun, touched) = (AtomicBool::new(false), AtomicBool::new(false));
            let response = send(&agent, request, &mut making, &begun, &touched, limit).map_err(Err)?;
            attempt = attempt.answered(response.status());
            match content.head(&rules, response.status(), response.version(), response.headers()) {
                Then::Read => return Ok(Box::new(response.into_body().into_reader()) as Box<dyn Read + Send>),
                Then::Whole => return Err(Ok(End::Whole)),
                Then::AskAgain => {}
                Then::Fail(mut verdict, cause) => {
                    let hint = hint.as_ref().filter(|_| verdict.is_transient());
                    verdict = hinted_by_ureq(response, verdict, hint).1;
                    return Err(Ok(End::Failed(verdict, cause)));
                }
            }
        }
    };
    Fetching { course, ask: Box::new(ask), broken: |error| Err(error.into()) }
}
