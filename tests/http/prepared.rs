//! Requests that are made anew for each attempt: tokens, signatures, numbers, bodies.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream;
use persevere::http::{HttpPolicy, RequestAttempt, RetryAgent, RetryClient, RetryExt as _};
use persevere::testing::VirtualTimer;
use persevere::{Fault, Report, StopReason};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Body, blocking::Body as BlockingBody, redirect};

use crate::doors::{BUSY, OK, POLICY, answers, blocking, blocking_builder, builder, client};
use crate::faults::refused;
use crate::server::{Server, respond};

/// Lets in whoever has the new token, and keeps what was asked.
fn guarded() -> (Server, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let kept = seen.clone();
    let server = Server::new(move |peer| {
        while let Some(request) = peer.request() {
            let new = request.contains("authorization: new");
            kept.lock().unwrap().push(request);
            peer.send(if new { respond(200, "", "in") } else { respond(401, "", "out") });
        }
    });
    (server, seen)
}

fn token(attempt: RequestAttempt) -> HeaderValue {
    HeaderValue::from_static(if attempt.last_status() == Some(401) { "new" } else { "old" })
}

/// Each request's value of this header.
fn values(seen: &Mutex<Vec<String>>, name: &str) -> Vec<String> {
    let value = |request: &String| {
        let line = request.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or("-").to_owned()
    };
    seen.lock().unwrap().iter().map(value).collect()
}

fn policy() -> HttpPolicy {
    HttpPolicy::new(POLICY).also_retry(401)
}

#[tokio::test]
async fn a_token_is_made_anew_after_a_401() {
    let (server, seen) = guarded();
    let session = RetryClient::new(client(), policy()).prepare(|request, attempt| {
        request.headers_mut().insert(AUTHORIZATION, token(attempt));
        request.headers_mut().insert("x-attempt", attempt.number().into());
    });
    let page = session.get(server.url()).text().await.unwrap();
    assert_eq!((page.as_str(), server.requests()), ("in", 2));
    assert_eq!(values(&seen, "authorization"), ["old", "new"]);
    assert_eq!(values(&seen, "x-attempt"), ["1", "2"]);

    let (server, seen) = guarded();
    let session = RetryClient::new(client(), policy()).prepare_async(|mut request, attempt| async move {
        tokio::task::yield_now().await;
        request.headers_mut().insert(AUTHORIZATION, token(attempt));
        request
    });
    // A second one, of the request alone, sees what the first one did.
    let request = session.get(server.url()).prepare(|request, _| {
        let signed = request.headers()[AUTHORIZATION].clone();
        request.headers_mut().insert("x-signature", signed);
    });
    let page = tokio::spawn(request.text()).await.unwrap();
    assert_eq!((page.unwrap().as_str(), server.requests()), ("in", 2));
    assert_eq!(values(&seen, "x-signature"), ["old", "new"]);
}

#[test]
fn a_token_is_made_anew_by_the_blocking_clients_too() {
    let (server, seen) = guarded();
    let session = RetryClient::new(blocking(), policy()).prepare(|request, attempt| {
        request.headers_mut().insert(AUTHORIZATION, token(attempt));
    });
    assert_eq!(session.get(server.url()).text().unwrap(), "in");
    assert_eq!(values(&seen, "authorization"), ["old", "new"]);

    let (server, seen) = guarded();
    let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), policy()).prepare(|request, attempt| {
        request.headers_mut().insert("authorization", token(attempt));
        Ok(())
    });
    let page = agent.get(&server.url()).prepare(|request, attempt| {
        request.headers_mut().insert("x-attempt", attempt.number().into());
    });
    assert_eq!(page.text().unwrap(), "in");
    assert_eq!(values(&seen, "authorization"), ["old", "new"]);
    assert_eq!(values(&seen, "x-attempt"), ["1", "2"]);
}

#[tokio::test]
async fn a_download_is_prepared_too() {
    let (server, seen) = guarded();
    let session = RetryClient::new(client(), policy()).prepare(|request, attempt| {
        request.headers_mut().insert(AUTHORIZATION, token(attempt));
    });
    let mut download = session.get(server.url()).download();
    assert_eq!(&download.chunk().await.unwrap().unwrap()[..], b"in");
    assert_eq!(values(&seen, "authorization"), ["old", "new"]);

    tokio::task::spawn_blocking(|| {
        let (server, seen) = guarded();
        let session = RetryClient::new(blocking(), policy()).prepare(|request, attempt| {
            request.headers_mut().insert(AUTHORIZATION, token(attempt));
        });
        let mut page = String::new();
        session.get(server.url()).download().read_to_string(&mut page).unwrap();
        assert_eq!((page.as_str(), values(&seen, "authorization")), ("in", vec!["old".to_owned(), "new".to_owned()]));

        let (server, seen) = guarded();
        let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), policy()).prepare(|request, attempt| {
            request.headers_mut().insert("authorization", token(attempt));
        });
        let mut page = String::new();
        agent.get(&server.url()).download().read_to_string(&mut page).unwrap();
        assert_eq!((page.as_str(), values(&seen, "authorization")), ("in", vec!["old".to_owned(), "new".to_owned()]));
    })
    .await
    .unwrap();
}

/// RFC 9110: with a 401 the request was not applied. But a redirect may have led to the server that says so.
#[tokio::test]
async fn a_post_is_sent_again_after_a_401_only_if_no_redirect_can_have_led_there() {
    let prepared = |session: RetryClient| {
        session.prepare(|request, attempt| {
            request.headers_mut().insert(AUTHORIZATION, token(attempt));
        })
    };
    let built = RetryClient::build(builder(), redirect::Policy::default(), policy()).unwrap();
    let bare = RetryClient::new(builder().redirect(redirect::Policy::none()).build().unwrap(), policy());
    for (session, posts) in [(built, 2), (bare, 2), (RetryClient::new(client(), policy()), 1)] {
        let (server, _) = guarded();
        let answer = prepared(session).post(server.url()).body("order").send().await.unwrap();
        assert_eq!((server.posts(), answer.status().is_success()), (posts, posts == 2));
    }
    // One that follows a redirect: the first server has executed the order.
    let (door, _) = guarded();
    let target = door.url();
    let first = Server::new(move |peer| {
        while peer.request().is_some() {
            peer.send(respond(303, &format!("location: {target}\r\n"), ""));
        }
    });
    let session = RetryClient::build(builder(), redirect::Policy::default(), policy()).unwrap();
    let mut report = Report::new();
    let answer = prepared(session).post(first.url()).body("order").report(&mut report).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), first.posts(), report.stop_reason()),
        (401, 1, Some(StopReason::NotIdempotent))
    );

    tokio::task::spawn_blocking(|| {
        for (redirects, posts) in [(0, 2), (10, 1)] {
            let (server, _) = guarded();
            let agent: ureq::Agent = ureq::Agent::config_builder().max_redirects(redirects).build().into();
            let session = RetryAgent::new(agent, policy()).prepare(|request, attempt| {
                request.headers_mut().insert("authorization", token(attempt));
            });
            let answer = session.post(&server.url()).body("order").call();
            assert_eq!((server.posts(), answer.is_ok()), (posts, posts == 2));
        }
        // One whose settings were changed may follow redirects.
        let (server, _) = guarded();
        let agent: ureq::Agent = ureq::Agent::config_builder().max_redirects(0).build().into();
        let request = RetryAgent::new(agent, policy()).post(&server.url()).config(|config| config.max_redirects(9));
        assert!(request.body("order").call().is_err());
        assert_eq!(server.posts(), 1);
        for (redirects, posts) in [(redirect::Policy::default(), 2), (redirect::Policy::none(), 2)] {
            let (server, _) = guarded();
            let session = RetryClient::build(blocking_builder(), redirects, policy()).unwrap();
            let session = session.prepare(|request, attempt| {
                request.headers_mut().insert(AUTHORIZATION, token(attempt));
            });
            assert_eq!(session.post(server.url()).body("order").send().unwrap().status(), 200);
            assert_eq!(server.posts(), posts);
        }
    })
    .await
    .unwrap();
}

/// The token's server is down: nothing of the request was sent, so a POST is tried again.
#[tokio::test]
async fn an_error_while_preparing_is_the_attempts_and_nothing_was_sent() {
    let server = answers(&[OK]);
    let nowhere = refused();
    let tried = Arc::new(AtomicUsize::new(0));
    let session = RetryClient::build(builder(), redirect::Policy::default(), POLICY).unwrap();
    let (count, tokens) = (tried.clone(), session.client().clone());
    let session = session.prepare_async(move |request, _| {
        let (count, tokens, nowhere) = (count.clone(), tokens.clone(), nowhere.clone());
        async move {
            if count.fetch_add(1, SeqCst) < 2 {
                tokens.get(nowhere).send().await?;
            }
            Ok(request)
        }
    });
    let (mut report, timer) = (Report::new(), VirtualTimer::new());
    let request = session.post(server.url()).body("order").policy(POLICY.timer(&timer).report(&mut report));
    assert_eq!(request.text().await.unwrap(), "page");
    assert_eq!((server.posts(), tried.load(SeqCst), report.attempts()), (1, 3, 3));
    assert!(report.failures().all(|failure| failure.fault() == Fault::Connect), "{report}");

    tokio::task::spawn_blocking(|| {
        // Whatever the error says of the other side, the request was not sent to it.
        let server = answers(&[OK]);
        let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), POLICY).prepare(|_, attempt| {
            let reset = io::Error::from(io::ErrorKind::ConnectionReset);
            if attempt.number() < 3 { Err(ureq::Error::Io(reset)) } else { Ok(()) }
        });
        assert_eq!(agent.post(&server.url()).text().unwrap(), "page");
        assert_eq!(server.posts(), 1);

        let (server, nowhere) = (answers(&[OK]), refused());
        let session = RetryClient::new(blocking(), POLICY).prepare(move |_, attempt| {
            if attempt.number() < 3 {
                blocking().get(&nowhere).send()?;
            }
            Ok(())
        });
        assert_eq!(session.post(server.url()).body("order").text().unwrap(), "page");
        assert_eq!(server.posts(), 1);
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_deadline_cuts_what_prepares_a_request() {
    let server = answers(&[OK]);
    let session = RetryClient::build(builder(), redirect::Policy::default(), POLICY).unwrap();
    let session = session.prepare_async(|request, attempt| async move {
        assert!(attempt.remaining().is_some());
        std::future::pending::<()>().await;
        request
    });
    let request = session.post(server.url()).body("order");
    let policy = POLICY.deadline(Duration::from_millis(60));
    let began = std::time::Instant::now();
    let error = request.policy(policy).send().await.unwrap_err();
    assert!(error.is_timeout() && began.elapsed() < Duration::from_secs(5), "{error:?}");
    assert_eq!(server.requests(), 0);
}

fn pieces() -> Body {
    Body::wrap_stream(stream::iter(["some ", "text"].map(Ok::<_, io::Error>)))
}

#[tokio::test]
async fn a_stream_or_a_form_that_is_made_anew_is_sent_again() {
    let form = || reqwest::multipart::Form::new().text("content", "some text");
    for kind in 0..3 {
        let server = answers(&[BUSY, None, OK]);
        let made = Arc::new(AtomicUsize::new(0));
        let count = made.clone();
        let timer = VirtualTimer::new();
        let session = RetryClient::new(client(), POLICY);
        let request = session.put(server.url()).policy(POLICY.timer(&timer));
        let request = match kind {
            0 => request.body_with(move || {
                count.fetch_add(1, SeqCst);
                "some text"
            }),
            1 => request.body_with(move || {
                count.fetch_add(1, SeqCst);
                pieces()
            }),
            _ => request.multipart_with(move || {
                count.fetch_add(1, SeqCst);
                form()
            }),
        };
        assert!(request.try_clone().is_none());
        assert_eq!(request.text().await.unwrap(), "page", "{kind}");
        assert_eq!((server.requests(), made.load(SeqCst)), (3, 3));
    }

    // A body that is given once is not, and the report says how it could be.
    let server = answers(&[BUSY, OK]);
    let mut report = Report::new();
    let request = client().put(server.url()).body(pieces()).retry(POLICY).report(&mut report);
    assert_eq!(request.send().await.unwrap().status(), 503);
    assert_eq!((server.requests(), report.stop_reason()), (1, Some(StopReason::BodyNotReplayable)));
    assert!(report.to_string().contains("body_with"), "{report}");

    // Nor does a closure take the place of the rules for a POST.
    let server = answers(&[BUSY, OK]);
    let request = client().post(server.url()).retry(POLICY).body_with(pieces);
    assert_eq!((request.send().await.unwrap().status().as_u16(), server.posts()), (503, 1));
    let nowhere = refused();
    let mut report = Report::new();
    let request = client().post(nowhere).retry(POLICY).report(&mut report).body_with(pieces);
    request.send().await.unwrap_err();
    assert_eq!((report.attempts(), report.stop_reason()), (4, Some(StopReason::Exhausted)), "nothing of it was read");
}

#[test]
fn a_body_that_is_made_anew_is_sent_again_by_the_blocking_clients_too() {
    fn text() -> impl Read + Send + 'static {
        io::Cursor::new("some text")
    }
    let form = || reqwest::blocking::multipart::Form::new().text("content", "some text");
    let timer = VirtualTimer::new();
    for kind in 0..2 {
        let server = answers(&[BUSY, None, OK]);
        let request = blocking().put(server.url()).retry(POLICY.timer(&timer));
        let request = match kind {
            0 => request.body_with(|| BlockingBody::new(text())),
            _ => request.multipart_with(form),
        };
        assert_eq!((request.text().unwrap().as_str(), server.requests()), ("page", 3));
    }

    let kept = Arc::<Mutex<Vec<String>>>::default();
    let seen = kept.clone();
    let server = Server::new(move |peer| {
        while let Some(request) = peer.request() {
            seen.lock().unwrap().push(request);
            peer.send(if peer.requests() == 1 { BUSY.unwrap() } else { OK.unwrap() });
        }
    });
    let agent = RetryAgent::new(ureq::Agent::new_with_defaults(), POLICY);
    let request = agent.put(&server.url()).header("content-length", "9").body_with(|| Ok(text()));
    assert_eq!(request.policy(POLICY.timer(&timer)).text().unwrap(), "page");
    assert!(kept.lock().unwrap().iter().all(|request| request.ends_with("some text")));
    assert_eq!(server.requests(), 2);

    // A file that is not there: nothing is sent, and nothing tried again.
    let mut report = Report::new();
    let request = agent.put(&server.url()).report(&mut report).body_with(|| std::fs::File::open("not there"));
    assert!(matches!(request.call(), Err(ureq::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound));
    assert_eq!((server.requests(), report.attempts()), (2, 1));
}

/// A closure that brings a body for each attempt stands in for `body_with`.
#[tokio::test]
async fn a_prepared_body_takes_the_place_of_a_stream() {
    let server = answers(&[BUSY, OK]);
    let timer = VirtualTimer::new();
    let request = client().put(server.url()).body(pieces()).retry(POLICY.timer(&timer)).prepare(|request, _| {
        *request.body_mut() = Some(pieces());
    });
    assert_eq!((request.text().await.unwrap().as_str(), server.requests()), ("page", 2));
}
