use core::fmt;

use super::{RequestBuilder, RetryRequest};

/// A request whose answer is an error if its status is from 400 to 599.
///
/// [`RetryRequest::error_for_status`] makes it.
#[must_use = "a request does nothing until it is sent"]
pub struct CheckedRequest<'a, B: RequestBuilder, R> {
    pub(super) request: RetryRequest<B, R>,
    pub(super) kept: Option<&'a mut Option<B::Response>>,
}

impl<B: RequestBuilder, R> RetryRequest<B, R> {
    /// Makes an error of a status from 400 to 599, as the `error_for_status` of reqwest's responses does.
    ///
    /// A status that is not retried ends the run with that error, and so does one that is retried if retries run out. The
    /// report has the status in either case, and a failed run its [`StopReason`](crate::StopReason). To read the page of
    /// the error, use [`keep_response`](CheckedRequest::keep_response).
    ///
    /// ```no_run
    /// use persevere::{http::RetryClient, Report};
    ///
    /// # async fn f(client: RetryClient) -> Result<(), reqwest::Error> {
    /// let numbers: Vec<u32> = client.get("https://example.org/numbers").error_for_status().json().await?;
    ///
    /// let (mut report, mut refused) = (Report::new(), None);
    /// let request = client.get("https://example.org/missing").report(&mut report);
    /// let missing = request.error_for_status().keep_response(&mut refused).json::<Vec<u32>>().await;
    /// assert_eq!(missing.unwrap_err().status().unwrap(), 404);
    /// assert_eq!(report.failures().last().unwrap().status(), Some(404));
    /// println!("{}", refused.unwrap().text().await?);
    /// # let _ = numbers; Ok(()) }
    /// ```
    pub fn error_for_status(mut self) -> CheckedRequest<'static, B, R> {
        self.rules.checked = true;
        CheckedRequest { request: self, kept: None }
    }
}

impl<B: RequestBuilder, R> CheckedRequest<'_, B, R> {
    /// Keeps the response whose status became the error, with its body, which is not read yet.
    ///
    /// After any other end of the run there is nothing new in `place`. If the deadline passed during a wait, the body is
    /// empty.
    pub fn keep_response(self, place: &mut Option<B::Response>) -> CheckedRequest<'_, B, R> {
        CheckedRequest { request: self.request, kept: Some(place) }
    }
}

/// Without the request: its URL and headers may hold secrets.
impl<B: RequestBuilder, R> fmt::Debug for CheckedRequest<'_, B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedRequest").finish_non_exhaustive()
    }
}
