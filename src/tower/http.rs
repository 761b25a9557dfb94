//! Requests and responses of HTTP, by the types of the `http` crate and by reqwest's own.

use ::http::{HeaderMap, Method, Request, Response, StatusCode};

use super::rules::{Judge, Rules};
use crate::http::HttpPolicy;
use crate::policy::Policy;
use crate::verdict::Verdict;

/// The head of a request.
#[doc(hidden)]
pub trait RequestHead {
    const REDIRECTS: bool = false;

    fn method(&self) -> &Method;
    fn headers(&self) -> &HeaderMap;
}

/// The head of a response.
#[doc(hidden)]
pub trait ResponseHead {
    fn status(&self) -> StatusCode;
    fn headers(&self) -> &HeaderMap;
}

impl<B> RequestHead for Request<B> {
    fn method(&self) -> &Method {
        self.method()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }
}

impl<B> ResponseHead for Response<B> {
    fn status(&self) -> StatusCode {
        self.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }
}

#[cfg(feature = "reqwest")]
impl RequestHead for reqwest::Request {
    /// The client follows them inside, and its error does not tell.
    const REDIRECTS: bool = true;

    fn method(&self) -> &Method {
        self.method()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }
}

#[cfg(feature = "reqwest")]
impl ResponseHead for reqwest::Response {
    fn status(&self) -> StatusCode {
        self.status()
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }
}

/// The rules of an [`HttpPolicy`], without its plain policy.
#[derive(Clone, Copy, Debug)]
pub struct HttpRules(pub(super) HttpPolicy);

impl<Req: RequestHead> Rules<Req> for HttpRules {
    const REDIRECTS: bool = Req::REDIRECTS;

    fn policy(&self, plain: Policy, request: &Req) -> Policy {
        self.0.with_policy(plain).for_request(request.method(), request.headers())
    }
}

impl<Res: ResponseHead> Judge<Res> for HttpRules {
    fn verdict(&self, response: &Res) -> Option<Verdict> {
        self.0.verdict(response.status(), response.headers())
    }
}
