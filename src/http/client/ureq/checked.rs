use core::fmt;

use ::http::Response;
use ::ureq::Body;

use super::AgentRequest;

/// A request whose answer is an error if its status is from 400 to 599.
///
/// [`AgentRequest::error_for_status`] makes it.
#[must_use = "a request does nothing until it is sent"]
pub struct CheckedAgentRequest<'a, R> {
    pub(super) request: AgentRequest<R>,
    pub(super) kept: Option<&'a mut Option<Response<Body>>>,
}

impl<R> AgentRequest<R> {
    /// Makes an error of a status from 400 to 599, whatever the agent's `http_status_as_error` says.
    ///
    /// A status that is not retried ends the run with `Error::StatusCode`, and so does one that is retried if retries run
    /// out. The report has the status in either case. To read the page of the error, use
    /// [`keep_response`](CheckedAgentRequest::keep_response).
    ///
    /// ```no_run
    /// use persevere::{http::RetryAgent, Policy};
    ///
    /// let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), Policy::new());
    /// let mut refused = None;
    /// let missing = agent.get("https://example.org/missing").error_for_status().keep_response(&mut refused).text();
    /// assert!(matches!(missing, Err(ureq::Error::StatusCode(404))));
    /// println!("{}", refused.unwrap().body_mut().read_to_string()?);
    /// # Ok::<(), ureq::Error>(())
    /// ```
    pub fn error_for_status(mut self) -> CheckedAgentRequest<'static, R> {
        self.rules.checked = true;
        CheckedAgentRequest { request: self, kept: None }
    }
}

impl<R> CheckedAgentRequest<'_, R> {
    /// Keeps the response whose status became the error, with its body, which is not read yet.
    ///
    /// After any other end of the run there is nothing new in `place`. If the deadline passed during a wait, the body is
    /// empty.
    pub fn keep_response(self, place: &mut Option<Response<Body>>) -> CheckedAgentRequest<'_, R> {
        CheckedAgentRequest { request: self.request, kept: Some(place) }
    }
}

/// Without the request: its URL and headers may hold secrets.
impl<R> fmt::Debug for CheckedAgentRequest<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedAgentRequest").finish_non_exhaustive()
    }
}
