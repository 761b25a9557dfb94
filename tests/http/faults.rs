//! Every fault, made for real, for both clients, a GET and a POST: is it retried?

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Once};
use std::time::Duration;

use persevere::http::{RetryAgent, RetryClient, error_for_status};
use persevere::{Policy, Report, Retryable as _, StopReason, Verdict};
use reqwest::redirect;

use crate::message::{Coding, Framing, Message};
use crate::server::{Certified, Peer, Server, certificate, full, quiet, respond, serve_tls};

/// For which methods a fault is retried, as the table in the documentation says it.
const ANY: &str = "any method";
const IDEMPOTENT: &str = "idempotent";
const NEVER: &str = "no";

/// What the requests meet.
enum Site {
    Url(&'static str),
    Refused,
    /// A port that takes no more connections.
    Full,
    /// `https://`, by way of this proxy.
    Proxy(fn(&mut Peer)),
    RefusedProxy,
    /// As `Server`, on a connection that has served one request.
    Second(fn(&mut Peer)),
    Server(fn(&mut Peer)),
    /// As `Server`, but asked by `https://`.
    Secure(fn(&mut Peer)),
    /// A certificate for this host, expired or not, and whether its root is trusted.
    Certificate {
        host: &'static str,
        expired: bool,
        trusted: bool,
    },
    /// A server that speaks TLS, asked by `http://`.
    TlsAskedPlainly,
}

use Site::{Certificate, Full, Proxy, Refused, RefusedProxy, Second, Secure, Server as Serving, TlsAskedPlainly, Url};

/// The fault, how it is made, and for which methods reqwest and ureq retry it.
type Case = (&'static str, Site, &'static str, &'static str);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("connection refused", Refused, ANY, ANY),
    ("no such host", Url("http://no-such-host.invalid/"), ANY, ANY),
    ("connect timeout", Full, ANY, ANY),
    ("network unreachable", Url("http://127.255.255.255/"), ANY, IDEMPOTENT), // A broadcast address: nothing routes to it.
    ("proxy refuses the connection", RefusedProxy, IDEMPOTENT, ANY),
    ("proxy answers 502 to CONNECT", Proxy(|peer| reply(peer, &respond(502, "", "sorry"))), ANY, ANY),
    ("proxy answers 403 to CONNECT", Proxy(|peer| reply(peer, &respond(403, "", "no"))), ANY, NEVER),
    ("proxy answers 407 to CONNECT", Proxy(|peer| reply(peer, &respond(407, "", "who?"))), NEVER, NEVER),
    ("proxy closes without a reply to CONNECT", Proxy(|peer| drop(peer.request())), ANY, ANY),
    ("pooled connection closed at the next request", Second(|peer| drop(peer.request())), IDEMPOTENT, IDEMPOTENT),
    ("pooled connection reset at the next request", Second(Peer::request_but_reset), IDEMPOTENT, IDEMPOTENT),
    ("reset after the connection is accepted", Serving(Peer::reset), IDEMPOTENT, IDEMPOTENT),
    ("reset after the request", Serving(Peer::request_but_reset), IDEMPOTENT, IDEMPOTENT),
    ("closed after the request, without a reply", Serving(|peer| drop(peer.request())), IDEMPOTENT, IDEMPOTENT),
    ("closed in the headers", Serving(|peer| reply(peer, "HTTP/1.1 200 OK\r\nContent-Le")), IDEMPOTENT, IDEMPOTENT),
    ("closed in the body", Serving(|peer| reply(peer, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1234")), IDEMPOTENT, IDEMPOTENT),
    ("closed in a chunk", Serving(|peer| reply(peer, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{\"a")), IDEMPOTENT, IDEMPOTENT),
    ("closed in a gzip body", Serving(|peer| cut(peer, Framing::Length)), IDEMPOTENT, IDEMPOTENT),
    ("closed in a chunk of a gzip body", Serving(|peer| cut(peer, Framing::Chunked)), IDEMPOTENT, IDEMPOTENT),
    ("gzip body closed without a length", Serving(|peer| cut(peer, Framing::Close)), IDEMPOTENT, IDEMPOTENT),
    ("malformed gzip body", Serving(|peer| reply(peer, &respond(200, "content-encoding: gzip\r\n", "[1,2,3,4,5,6,7,8,9]"))), NEVER, NEVER),
    ("malformed chunk size", Serving(|peer| reply(peer, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")), IDEMPOTENT, IDEMPOTENT),
    ("malformed status line", Serving(|peer| reply(peer, "HTP/1.1 2x OK\r\n\r\n")), IDEMPOTENT, IDEMPOTENT),
    ("too many headers", Serving(|peer| reply(peer, &format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(500)))), NEVER, NEVER),
    ("headers without end", Serving(|peer| { reply(peer, "HTTP/1.1 200 OK\r\n"); while peer.stream.write_all(&[b'a'; 9000]).is_ok() {} }), NEVER, NEVER),
    ("no reply within the timeout", Serving(|peer| { peer.request(); peer.stall(); }), IDEMPOTENT, IDEMPOTENT),
    ("body stalls past the timeout", Serving(|peer| { reply(peer, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1234"); peer.stall(); }), IDEMPOTENT, IDEMPOTENT),
    ("TLS handshake cut", Secure(Peer::request_but_reset), ANY, IDEMPOTENT),
    ("TLS asked of a plain port", Secure(|peer| { peer.send(respond(400, "", "what?")); peer.stall(); }), NEVER, NEVER),
    ("plain HTTP asked of a TLS port", TlsAskedPlainly, IDEMPOTENT, IDEMPOTENT),
    ("certificate of an unknown issuer", Certificate { host: "127.0.0.1", expired: false, trusted: false }, NEVER, NEVER),
    ("certificate expired", Certificate { host: "127.0.0.1", expired: true, trusted: true }, NEVER, NEVER),
    ("certificate of another host", Certificate { host: "example.org", expired: false, trusted: true }, NEVER, NEVER),
    ("redirect loop", Serving(|peer| reply_on(peer, 303, "location: /again\r\n")), NEVER, NEVER),
    ("malformed URL", Url("http://"), NEVER, NEVER),
    ("unsupported scheme", Url("gopher://127.0.0.1/"), NEVER, NEVER),
    ("malformed JSON", Serving(|peer| reply(peer, &respond(200, "", "{\"a\": "))), NEVER, NEVER),
    ("status 408", Serving(|peer| reply_on(peer, 408, "")), IDEMPOTENT, IDEMPOTENT),
    ("status 425", Serving(|peer| reply_on(peer, 425, "")), IDEMPOTENT, IDEMPOTENT),
    ("status 429", Serving(|peer| reply_on(peer, 429, "")), IDEMPOTENT, IDEMPOTENT),
    ("status 500", Serving(|peer| reply_on(peer, 500, "")), IDEMPOTENT, IDEMPOTENT),
    ("status 502", Serving(|peer| reply_on(peer, 502, "")), IDEMPOTENT, IDEMPOTENT),
    ("status 503", Serving(|peer| reply_on(peer, 503, "")), IDEMPOTENT, IDEMPOTENT),
    ("status 504", Serving(|peer| reply_on(peer, 504, "")), IDEMPOTENT, IDEMPOTENT),
    ("status 501, 505, any other 4xx", Serving(|peer| { let status = [501, 505, 400, 401, 403, 404, 409, 413][peer.requests() % 8]; reply_on(peer, status, ""); }), NEVER, NEVER),
];

/// Answers one request.
fn reply(peer: &mut Peer, response: &str) {
    if peer.request().is_some() {
        peer.send(response);
    }
}

/// Answers one request with half of a gzip body.
fn cut(peer: &mut Peer, framing: Framing) {
    if peer.request().is_some() {
        let message = Message::new(200, framing, Coding::Gzip, "[1,2,3,4,5,6,7,8,9]");
        peer.send(message.cut(message.body.len() / 2));
    }
}

/// Answers every request with this status.
fn reply_on(peer: &mut Peer, status: u16, headers: &str) {
    while peer.request().is_some() {
        peer.send(respond(status, headers, "sorry"));
    }
}

/// How long the clients wait for a reply: long enough for a busy machine, and short where they wait in vain.
fn patience(case: &str) -> Duration {
    if case.contains("timeout") { Duration::from_millis(150) } else { Duration::from_secs(20) }
}

/// A site that stands.
pub(crate) struct Built {
    pub(crate) server: Option<Server>,
    pub(crate) url: String,
    root: Option<Vec<u8>>,
    proxy: Option<String>,
    patience: Duration,
    connect: Duration,
    /// Whether a connection is opened, and used, before the request.
    warm: bool,
}

fn build(site: &Site, case: &str) -> Built {
    install_provider();
    let patience = patience(case);
    // Either the connection's own timeout ends a connection that stalls, or the total one.
    let (patience, connect) = match case {
        "connect timeout" => (Duration::from_secs(20), patience),
        _ => (patience, Duration::from_secs(20)),
    };
    let built = |url| Built { server: None, url, root: None, proxy: None, patience, connect, warm: false };
    let serve = |server: Server| Built { url: server.url(), server: Some(server), ..built(String::new()) };
    let secure = |server: Server, root| Built { url: server.url().replace("http:", "https:"), root, ..serve(server) };
    match site {
        Url(url) => built((*url).to_owned()),
        Refused => built(refused()),
        Full => built(full()),
        Proxy(proxy) => {
            let built = serve(Server::new(*proxy));
            let (proxy, _) = built.url.split_once("/path").unwrap();
            Built { proxy: Some(proxy.to_owned()), url: "https://127.0.0.1/".to_owned(), ..built }
        }
        RefusedProxy => Built { proxy: Some(refused()), ..built("https://127.0.0.1/".to_owned()) },
        Second(second) => {
            let second = *second;
            let server = Server::new(move |peer| {
                reply(peer, &respond(200, "", "[1]"));
                second(peer);
            });
            Built { warm: true, ..serve(server) }
        }
        Serving(answer) => serve(Server::new(*answer)),
        Secure(answer) => secure(Server::new(*answer), None),
        Certificate { host, expired, trusted } => {
            let Certified { root, config } = certificate(host, *expired);
            secure(Server::new(move |peer| serve_tls(peer, &config)), trusted.then_some(root))
        }
        TlsAskedPlainly => {
            let Certified { config, .. } = certificate("127.0.0.1", false);
            serve(Server::new(move |peer| serve_tls(peer, &config)))
        }
    }
}

/// A port where nobody listens, held lest another test's server gets it.
pub(crate) fn refused() -> String {
    let (socket, address) = quiet(|address| {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(address)?;
        Ok(socket)
    });
    Box::leak(Box::new(socket));
    format!("http://{address}/")
}

pub(crate) fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| rustls::crypto::ring::default_provider().install_default().unwrap());
}

/// Three attempts, at once.
fn policy(idempotent: bool) -> Policy {
    Policy::new().total(2).backoff(Duration::ZERO).max_hint(Duration::ZERO).idempotent(idempotent)
}

type Outcome = Result<serde_json::Value, Box<dyn std::error::Error + Send + Sync>>;

/// Gives a builder of reqwest's, async or blocking, what the site asks for.
macro_rules! builder {
    ($client:ty, $site:expr) => {{
        let site = $site;
        let roots = site.root.iter().map(|root| reqwest::Certificate::from_der(root).unwrap());
        let builder = <$client>::builder().no_proxy().tls_certs_only(roots);
        let builder = builder.timeout(site.patience).connect_timeout(site.connect);
        match &site.proxy {
            Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy).unwrap()),
            None => builder,
        }
    }};
}

fn agent(site: &Built) -> ureq::Agent {
    let roots: Vec<_> = site.root.iter().map(|root| ureq::tls::Certificate::from_der(root).to_owned()).collect();
    let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::Specific(Arc::new(roots))).build();
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(site.patience))
        .timeout_connect(Some(site.connect))
        .tls_config(tls)
        .proxy(site.proxy.as_ref().map(|proxy| ureq::Proxy::new(proxy).unwrap()));
    config.build().into()
}

fn by_reqwest(site: &Built, post: bool) -> Outcome {
    let client = builder!(reqwest::blocking::Client, site).build()?;
    if site.warm {
        client.get(&site.url).send()?.bytes()?;
    }
    let request = if post { client.post(&site.url).body("order") } else { client.get(&site.url) };
    Ok(error_for_status(request.send()?)?.json()?)
}

fn by_ureq(site: &Built, post: bool) -> Outcome {
    let agent = agent(site);
    if site.warm {
        agent.get(&site.url).call()?.body_mut().read_to_vec()?;
    }
    let response = if post { agent.post(&site.url).send("order") } else { agent.get(&site.url).call() };
    Ok(error_for_status(response?)?.body_mut().read_json()?)
}

/// How many attempts the fault leads to, for a GET or a POST, and the verdict on the last one.
fn attempts(case: &'static Case, client: fn(&Built, bool) -> Outcome, post: bool) -> (usize, String, Option<Verdict>) {
    let site = build(&case.1, case.0);
    let (mut attempts, mut story, mut verdict) = (0, String::new(), None);
    let outcome = policy(!post).run(|| {
        attempts += 1;
        client(&site, post)
    });
    if let Err(error) = outcome {
        verdict = Some(error.verdict());
        story = format!("{error:?}");
    }
    // What the server counted can't be less than what was sent, nor more than the attempts; a loop asks more often.
    if let Some(server) = &site.server {
        let warm = usize::from(site.warm) * attempts;
        assert!(server.requests() <= attempts + warm || story.contains("edirect"), "{}: {story}", case.0);
        assert!(server.posts() <= if post { attempts } else { 0 }, "{}: {story}", case.0);
        assert!(server.connections() >= 1);
    }
    (attempts, story, verdict)
}

/// Through the doors, with their defaults: the method alone says what may be repeated.
type Door = fn(&Built, bool, &mut Report);

fn through_reqwest(site: &Built, post: bool, report: &mut Report) {
    let session = RetryClient::build(builder!(reqwest::Client, site), redirect::Policy::default(), policy(true));
    let Ok(session) = session else { return };
    let request = if post { session.post(&site.url).body("order") } else { session.get(&site.url) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _ = runtime.block_on(async {
        if site.warm {
            session.get(&site.url).bytes().await.unwrap();
        }
        request.policy(policy(true).report(report)).read_json::<serde_json::Value>().await
    });
}

fn through_blocking(site: &Built, post: bool, report: &mut Report) {
    let session = builder!(reqwest::blocking::Client, site);
    let session = RetryClient::build(session, redirect::Policy::default(), policy(true)).unwrap();
    if site.warm {
        session.get(&site.url).bytes().unwrap();
    }
    let request = if post { session.post(&site.url).body("order") } else { session.get(&site.url) };
    let _ = request.policy(policy(true).report(report)).read_json::<serde_json::Value>();
}

fn through_ureq(site: &Built, post: bool, report: &mut Report) {
    let agent = RetryAgent::new(agent(site), policy(true));
    if site.warm {
        agent.get(&site.url).bytes().unwrap();
    }
    let request = if post { agent.post(&site.url).body("order") } else { agent.get(&site.url) };
    let _ = request.policy(policy(true).report(report)).json::<serde_json::Value>();
}

/// A GET is retried as the table says; a POST is retried where the table says it, and where the door knows that nothing
/// was sent. Whatever the fault, no server ever gets a POST twice.
fn check_door(door: Door, column: impl Fn(&'static Case) -> &'static str) {
    let runs: Vec<_> = CASES
        .iter()
        .map(|case| {
            let expected = column(case);
            std::thread::spawn(move || {
                let [get, post] = [false, true].map(|post| {
                    let (site, mut report) = (build(&case.1, case.0), Report::new());
                    door(&site, post, &mut report);
                    let posts = site.server.as_ref().map_or(0, Server::posts);
                    assert!(posts <= usize::from(post), "{}: {posts} POSTs, {report}", case.0);
                    if site.warm {
                        // The request that warmed the connection, the one that lost it, and the one on a new connection.
                        let (requests, reason) =
                            if post { (2, StopReason::NotIdempotent) } else { (3, StopReason::Succeeded) };
                        let requested = site.server.as_ref().map(Server::requests);
                        assert_eq!((requested, report.stop_reason()), (Some(requests), Some(reason)), "{report}");
                    }
                    report.attempts()
                });
                let right = match expected {
                    // A new connection serves one request.
                    IDEMPOTENT if matches!(case.1, Second(_)) => (get, post) == (2, 1),
                    ANY => (get, post) == (3, 3),
                    IDEMPOTENT => get == 3 && [1, 3].contains(&post),
                    _ => (get, post) == (1, 1),
                };
                assert!(right, "{}: {get} and {post}, not {expected}", case.0);
            })
        })
        .collect();
    let wrong = runs.into_iter().map(std::thread::JoinHandle::join).filter(Result::is_err).count();
    assert_eq!(wrong, 0);
}

#[test]
fn through_the_door_for_reqwest_no_fault_executes_a_post_twice() {
    check_door(through_reqwest, |case| case.2);
}

#[test]
fn through_the_door_for_blocking_reqwest_no_fault_executes_a_post_twice() {
    check_door(through_blocking, |case| case.2);
}

#[test]
fn through_the_door_for_ureq_no_fault_executes_a_post_twice() {
    check_door(through_ureq, |case| case.3);
}

/// A server that makes the fault on its first two connections, and then answers.
fn passes(fault: fn(&mut Peer), case: &str) -> Built {
    let connections = AtomicUsize::new(0);
    let server = Server::new(move |peer| match connections.fetch_add(1, SeqCst) {
        0 | 1 => fault(peer),
        _ => reply(peer, &respond(200, "", "[1]")),
    });
    Built { url: server.url(), server: Some(server), ..build(&Url(""), case) }
}

#[test]
fn a_get_survives_each_fault_that_passes() {
    let doors: [(&str, Door); 3] =
        [("reqwest", through_reqwest), ("blocking", through_blocking), ("ureq", through_ureq)];
    let mut survived = 0;
    for (name, site, by_reqwest, _) in CASES {
        // A status is answered on one connection; it is tested elsewhere.
        let Serving(fault) = site else { continue };
        if *by_reqwest == NEVER || name.starts_with("status") {
            continue;
        }
        for (door, through) in doors {
            let (site, mut report) = (passes(*fault, name), Report::new());
            through(&site, false, &mut report);
            assert_eq!(report.stop_reason(), Some(StopReason::Succeeded), "{name}, {door}: {report}");
            assert_eq!(report.attempts(), 3, "{name}, {door}: {report}");
            survived += 1;
        }
    }
    assert_eq!(survived, 3 * 13);
}

/// Runs a client through all cases, several at a time since some wait for a timeout.
fn check(client: fn(&Built, bool) -> Outcome, column: impl Fn(&'static Case) -> &'static str) {
    let runs: Vec<_> = CASES
        .iter()
        .map(|case| {
            let expected = column(case);
            std::thread::spawn(move || {
                let (get, get_story, verdict) = attempts(case, client, false);
                let (post, post_story, _) = attempts(case, client, true);
                let found = match (get, post) {
                    (3, 3) => ANY,
                    (3, 1) => IDEMPOTENT,
                    (1, 1) => NEVER,
                    _ => "neither",
                };
                let detail =
                    format!("{}: {found}, not {expected}\n  {verdict:?}\n  {get_story}\n  {post_story}\n", case.0);
                (found == expected, detail)
            })
        })
        .collect();
    let wrong: String = runs.into_iter().map(|run| run.join().unwrap()).filter(|run| !run.0).map(|run| run.1).collect();
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn reqwest_faults_are_judged_as_documented() {
    check(by_reqwest, |case| case.2);
}

#[test]
fn ureq_faults_are_judged_as_documented() {
    check(by_ureq, |case| case.3);
}

/// Without a timeout of its own a connection that stalls looks like a server that is silent. ureq tells them apart, most
/// of the time.
#[test]
fn a_connection_that_stalls_under_a_total_timeout_counts_as_maybe_sent() {
    static CASE: Case = ("stalls until the total timeout", Full, IDEMPOTENT, "");
    assert_eq!([false, true].map(|post| attempts(&CASE, by_reqwest, post).0), [3, 1]);
    assert_eq!(attempts(&CASE, by_ureq, false).0, 3);
}

#[test]
fn the_documentation_has_the_same_table() {
    let page = include_str!("../../src/http/mod.rs");
    let documented: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("//! | ")).collect();
    let rows: Vec<String> = CASES.iter().map(|case| format!("{} | {} | {} |", case.0, case.2, case.3)).collect();
    for row in &rows {
        assert!(documented.contains(&row.as_str()), "missing: | {row}");
    }
    let in_table = documented
        .iter()
        .filter(|row| [ANY, IDEMPOTENT, NEVER].iter().any(|word| row.ends_with(&format!("| {word} |"))));
    assert_eq!(in_table.count(), rows.len());
}
