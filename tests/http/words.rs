//! Requests in reqwest's own words, and code that was written for its clients.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use persevere::http::{RetryAgent, RetryClient, RetryExt as _, RetryRequest};
use persevere::{Policy, Report, StopReason};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Version, blocking};
use serde_json::{Value, json};

use crate::doors::{BUSY, OK, POLICY, answers, blocking as blocking_client, client};
use crate::server::{Server, respond};

/// Answers 503 first, then 200 with JSON, and keeps the requests.
fn busy_once() -> (Server, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let kept = seen.clone();
    let server = Server::new(move |peer| {
        while let Some(request) = peer.request() {
            kept.lock().unwrap().push(request);
            peer.send(if peer.requests() == 1 { respond(503, "", "busy") } else { respond(200, "", r#"{"id":7}"#) });
        }
    });
    (server, seen)
}

/// Written for `reqwest::Client`; only the type's name and the constructor are changed.
mod a_function {
    use super::*;

    pub(super) async fn create(client: &RetryClient, url: &str, token: Option<&str>) -> reqwest::Result<Value> {
        let mut request = client.put(url).json(&json!({ "name": "a" })).timeout(Duration::from_secs(5));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await?.error_for_status()?;
        response.json().await
    }
}

/// The same: a struct that keeps the client and builds requests in steps.
mod a_service {
    use super::*;

    #[derive(Clone)]
    pub(super) struct Api {
        client: RetryClient,
        base: reqwest::Url,
        headers: HeaderMap,
    }

    impl Api {
        pub(super) fn new(base: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
            let mut headers = HeaderMap::new();
            headers.insert("x-api-key", HeaderValue::from_static("key"));
            Ok(Self { client: RetryClient::new(client(), POLICY), base: reqwest::Url::parse(base)?, headers })
        }

        fn request(&self, method: Method, path: &str) -> RetryRequest {
            self.client.request(method, self.base.join(path).unwrap()).headers(self.headers.clone())
        }

        pub(super) async fn search(&self, word: &str) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
            let found = self
                .request(Method::GET, "search")
                .query(&[("q", word), ("page", "2")])
                .basic_auth("user", Some("password"))
                .version(Version::HTTP_11)
                .send()
                .await?;
            match found.status() {
                StatusCode::OK => Ok(found.json::<Value>().await?),
                status => Err(format!("{status}: {}", found.text().await?).into()),
            }
        }

        pub(super) async fn upload(&self, text: &'static str) -> reqwest::Result<String> {
            let form = reqwest::multipart::Form::new().text("name", "a.txt").text("content", text);
            self.request(Method::POST, "upload").multipart(form).send().await?.error_for_status()?.text().await
        }

        pub(super) async fn raw(&self) -> reqwest::Result<StatusCode> {
            let request = self.request(Method::GET, "raw").build()?;
            Ok(self.client.execute(request).await?.status())
        }
    }
}

/// The same, blocking, with a form.
mod a_script {
    use super::*;

    pub(super) fn login(
        client: &RetryClient<blocking::Client>,
        url: &str,
    ) -> Result<HashMap<String, u32>, Box<dyn std::error::Error>> {
        let mut form = HashMap::new();
        form.insert("user", "me");
        let response = client.put(url).form(&form).header("accept", "application/json").send()?;
        if !response.status().is_success() {
            return Err(response.text()?.into());
        }
        Ok(response.json()?)
    }
}

fn goes_anywhere<F: Future + Send + 'static>(future: F) -> F {
    future
}

#[tokio::test]
async fn code_for_reqwests_client_compiles_with_a_retry_client() {
    let (server, seen) = busy_once();
    let session = RetryClient::new(client(), POLICY);
    let url = server.url();
    let created = tokio::spawn(async move { a_function::create(&session, &url, Some("token")).await });
    assert_eq!(created.await.unwrap().unwrap(), json!({ "id": 7 }));
    for request in seen.lock().unwrap().iter() {
        assert!(request.contains("authorization: bearer token") && request.contains("application/json"), "{request}");
        assert!(request.ends_with(r#"{"name":"a"}"#), "{request}");
    }
    assert_eq!(server.requests(), 2);

    let (server, seen) = busy_once();
    let api = a_service::Api::new(&server.url()).unwrap();
    assert_eq!(goes_anywhere(async move { api.search("räd").await }).await.unwrap(), json!({ "id": 7 }));
    for request in seen.lock().unwrap().iter() {
        assert!(request.starts_with("get /search?q=r%c3%a4d&page=2 http/1.1"), "{request}");
        assert!(request.contains("x-api-key: key") && request.contains("authorization: basic"), "{request}");
    }
    assert_eq!(server.requests(), 2);

    // A POST: sent once, whatever the answer.
    let (server, seen) = busy_once();
    let api = a_service::Api::new(&server.url()).unwrap();
    assert_eq!(api.upload("some text").await.unwrap_err().status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    assert!(seen.lock().unwrap()[0].contains("content-type: multipart/form-data; boundary="));
    assert_eq!(server.posts(), 1);

    let (server, _) = busy_once();
    let api = a_service::Api::new(&server.url()).unwrap();
    assert_eq!((api.raw().await.unwrap(), server.requests()), (StatusCode::OK, 2));
}

#[test]
fn code_for_the_blocking_client_compiles_with_a_retry_client() {
    let (server, seen) = busy_once();
    let session = RetryClient::new(blocking_client(), POLICY);
    assert_eq!(a_script::login(&session, &server.url()).unwrap()["id"], 7);
    assert!(seen.lock().unwrap().iter().all(|request| request.ends_with("user=me")));
    assert_eq!(server.requests(), 2);
}

/// Each method of reqwest's builders, on each of the session's.
#[tokio::test]
async fn every_method_of_reqwests_builders_changes_what_is_sent() {
    macro_rules! all {
        ($request:expr) => {
            $request
                .header("x-one", "1")
                .headers(HeaderMap::from_iter([(reqwest::header::ACCEPT, HeaderValue::from_static("text/plain"))]))
                .basic_auth("user", None::<&str>)
                .query(&[("a", "b c")])
                .timeout(Duration::from_secs(5))
                .version(Version::HTTP_11)
                .with(|builder| builder.header("x-two", "2"))
        };
    }
    fn check(seen: &Mutex<Vec<String>>, body: &str, kind: &str) {
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 2);
        for request in seen.iter() {
            assert!(request.starts_with("put /path?token=hunter2&a=b+c http/1.1"), "{request}");
            for header in ["x-one: 1", "x-two: 2", "accept: text/plain", "authorization: basic dxnlcjo=", kind] {
                assert!(request.contains(header), "{header} in {request}");
            }
            assert!(request.contains(body), "{request}");
        }
    }
    type Set<B> = (fn(RetryRequest<B>) -> RetryRequest<B>, &'static str, &'static str);
    let asynchronous: [Set<reqwest::RequestBuilder>; 3] = [
        (|request| request.body("text"), "\r\n\r\ntext", "content-length: 4"),
        (|request| request.json(&[1, 2]), "\r\n\r\n[1,2]", "content-type: application/json"),
        (|request| request.form(&[("k", "v")]), "\r\n\r\nk=v", "content-type: application/x-www-form-urlencoded"),
    ];
    for (set, body, kind) in asynchronous {
        let (server, seen) = busy_once();
        let session = RetryClient::new(client(), POLICY);
        let request = set(all!(session.put(server.url())));
        assert_eq!(request.try_clone().unwrap().build().unwrap().method(), Method::PUT);
        assert_eq!(request.send().await.unwrap().status(), 200);
        check(&seen, body, kind);

        let (server, seen) = busy_once();
        let built = set(all!(session.put(server.url()))).build_split().1.unwrap();
        let request = RetryRequest::<reqwest::RequestBuilder>::from_parts(session.clone(), built);
        assert_eq!(request.send().await.unwrap().status(), 200);
        check(&seen, body, kind);
        let _: &reqwest::Client = session.client();
    }
    let blocking: [Set<blocking::RequestBuilder>; 3] = [
        (|request| request.body("text"), "\r\n\r\ntext", "content-length: 4"),
        (|request| request.json(&[1, 2]), "\r\n\r\n[1,2]", "content-type: application/json"),
        (|request| request.form(&[("k", "v")]), "\r\n\r\nk=v", "content-type: application/x-www-form-urlencoded"),
    ];
    tokio::task::spawn_blocking(move || {
        for (set, body, kind) in blocking {
            let (server, seen) = busy_once();
            let session = RetryClient::new(blocking_client(), POLICY);
            let request = set(all!(session.put(server.url())));
            assert_eq!(request.try_clone().unwrap().send().unwrap().status(), 200);
            check(&seen, body, kind);

            let (server, seen) = busy_once();
            let built = set(all!(session.put(server.url()))).build().unwrap();
            assert_eq!(session.execute(built).unwrap().status(), 200);
            check(&seen, body, kind);
            let _: &blocking::Client = session.client();
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_report_of_one_request_keeps_the_sessions_policy() {
    let server = answers(&[BUSY, BUSY, OK]);
    let session = RetryClient::new(client(), POLICY.total(1));
    let mut report = Report::new();
    let response = session.get(server.url()).name("load page").report(&mut report).send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!((report.attempts(), report.stop_reason()), (2, Some(StopReason::Exhausted)));
    assert!(report.to_string().starts_with("load page: "), "{report}");

    // The policy of a mount, too.
    let server = answers(&[BUSY, BUSY, BUSY, BUSY, BUSY, OK]);
    let session = session.mount(server.url(), POLICY.total(5));
    let mut report = Report::new();
    assert_eq!(session.get(server.url()).report(&mut report).text().await.unwrap(), "page");
    assert_eq!((report.attempts(), report.stop_reason()), (6, Some(StopReason::Succeeded)));

    let server = answers(&[BUSY, BUSY, OK]);
    tokio::task::spawn_blocking(move || {
        let session = RetryClient::new(blocking_client(), Policy::new().total(1).backoff(Duration::ZERO));
        let mut report = Report::new();
        assert_eq!(session.get(server.url()).report(&mut report).send().unwrap().status(), 503);
        assert_eq!(report.attempts(), 2);
        // A request of reqwest's own has its report with its policy.
        let mut report = Report::new();
        let page = blocking_client().get(server.url()).retry(POLICY).report(&mut report).text();
        assert_eq!((page.unwrap().as_str(), report.attempts()), ("page", 1));
    })
    .await
    .unwrap();
}

/// Written for `ureq::Agent`; only the type's name and the constructor are changed.
fn save(agent: &RetryAgent, url: &str) -> Result<Value, ureq::Error> {
    let mut response = agent
        .put(url)
        .header("x-one", "1")
        .query("q", "räd & b+c")
        .query_pairs([("page", "2")])
        .content_type("application/json; charset=utf-8")
        .version(Version::HTTP_11)
        .send_json(json!({ "name": "a" }))?;
    response.body_mut().read_json()
}

#[test]
fn code_for_ureqs_agent_compiles_with_a_retry_agent() {
    let (server, seen) = busy_once();
    let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), POLICY);
    assert_eq!(save(&agent, &server.url()).unwrap(), json!({ "id": 7 }));
    let ours = seen.lock().unwrap().clone();
    assert_eq!(ours.len(), 2);

    // As ureq itself writes it, the order of the headers aside.
    let (server, seen) = busy_once();
    let plain =
        agent.agent().put(server.url()).header("x-one", "1").query("q", "räd & b+c").query_pairs([("page", "2")]);
    let _ = plain.send_json(json!({ "name": "a" }));
    let sorted = |request: &String| {
        let mut lines: Vec<_> = request.lines().filter(|line| !line.starts_with("host")).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    for request in &ours {
        assert_eq!(sorted(request), sorted(&seen.lock().unwrap()[0]));
    }
}

#[test]
fn every_body_of_ureqs_builder_is_sent_as_ureq_sends_it() {
    let text = "räd & b+c=(!)*~'\"/?";
    let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), POLICY);
    let last = |sent: &dyn Fn(&str)| {
        let (server, seen) = busy_once();
        // The first answer is a 503, which a plain agent makes an error of.
        sent(&server.url());
        let seen = seen.lock().unwrap();
        let body = |request: &String| request.split_once("\r\n\r\n").unwrap().1.to_owned();
        let kind = |request: &String| request.lines().find(|line| line.starts_with("content-type")).map(str::to_owned);
        (body(&seen[0]), kind(&seen[0]), seen.len())
    };
    let pairs = [("a", text), (text, "b")];
    let (body, kind, requests) = last(&|url| drop(agent.put(url).send_form(pairs).unwrap()));
    let plain = last(&|url| drop(agent.agent().put(url).send_form(pairs)));
    assert_eq!(((body, kind), requests), ((plain.0, plain.1), 2));
    let (body, kind, requests) = last(&|url| drop(agent.put(url).send(text).unwrap()));
    let plain = last(&|url| drop(agent.agent().put(url).send(text)));
    assert_eq!(body, plain.0);
    assert_eq!((kind, requests), (None, 2));
    let (body, _, requests) = last(&|url| drop(agent.put(url).send_empty().unwrap()));
    assert_eq!((body.as_str(), requests), ("", 2));

    // An agent's settings for one request.
    let server = Server::new(|peer| {
        while peer.request().is_some() {
            std::thread::sleep(Duration::from_millis(100));
            peer.send(OK.unwrap());
        }
    });
    let mut report = Report::new();
    let request =
        agent.put(&server.url()).timeout(Duration::from_millis(10)).policy(POLICY.total(1)).report(&mut report);
    assert!(matches!(request.send("a"), Err(ureq::Error::Timeout(ureq::Timeout::Global))));
    assert_eq!(report.attempts(), 2);
    let request =
        agent.put(&server.url()).config(|config| config.timeout_recv_response(Some(Duration::from_millis(10))));
    assert!(matches!(
        request.policy(POLICY.total(0)).send("a"),
        Err(ureq::Error::Timeout(ureq::Timeout::RecvResponse))
    ));
    assert!(agent.get("http://[").config(|config| config.timeout_global(None)).query("a", "b").call().is_err());
    assert!(agent.get("/path").query("a", "b").call().is_err());
}
