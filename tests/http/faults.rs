//! Every fault, made for real, for both clients, a GET and a POST: is it retried?

use std::sync::{Arc, Once};
use std::time::Duration;

use persevere::http::error_for_status;
use persevere::{Policy, Retryable as _, Verdict};
use tokio::net::TcpSocket;

use crate::server::{Certified, Peer, Server, certificate, respond, serve_tls};

/// For which methods a fault is retried, as the table in the documentation says it.
const ANY: &str = "any method";
const IDEMPOTENT: &str = "idempotent";
const NEVER: &str = "no";

/// What the requests meet.
enum Site {
    Url(&'static str),
    Refused,
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

use Site::{Certificate, Refused, Secure, Server as Serving, TlsAskedPlainly, Url};

/// The fault, how it is made, and for which methods reqwest and ureq retry it.
type Case = (&'static str, Site, &'static str, &'static str);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("connection refused", Refused, ANY, ANY),
    ("no such host", Url("http://no-such-host.invalid/"), ANY, ANY),
    ("reset after the connection is accepted", Serving(Peer::reset), IDEMPOTENT, IDEMPOTENT),
    ("reset after the request", Serving(Peer::request_but_reset), IDEMPOTENT, IDEMPOTENT),
    ("closed after the request, without a reply", Serving(|peer| drop(peer.request())), IDEMPOTENT, IDEMPOTENT),
    ("closed in the headers", Serving(|peer| reply(peer, "HTTP/1.1 200 OK\r\nContent-Le")), IDEMPOTENT, IDEMPOTENT),
    ("closed in the body", Serving(|peer| reply(peer, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1234")), IDEMPOTENT, IDEMPOTENT),
    ("closed in a chunk", Serving(|peer| reply(peer, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{\"a")), IDEMPOTENT, IDEMPOTENT),
    ("malformed chunk size", Serving(|peer| reply(peer, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")), IDEMPOTENT, IDEMPOTENT),
    ("malformed status line", Serving(|peer| reply(peer, "HTP/1.1 2x OK\r\n\r\n")), IDEMPOTENT, IDEMPOTENT),
    ("too many headers", Serving(|peer| reply(peer, &format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(500)))), NEVER, NEVER),
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
    patience: Duration,
}

fn build(site: &Site, patience: Duration) -> Built {
    install_provider();
    let secure = |server: Server, root| {
        let url = server.url().replace("http:", "https:");
        Built { server: Some(server), url, root, patience }
    };
    match site {
        Url(url) => Built { server: None, url: (*url).to_owned(), root: None, patience },
        Refused => Built { server: None, url: refused(), root: None, patience },
        Serving(serve) => {
            let server = Server::new(*serve);
            Built { url: server.url(), server: Some(server), root: None, patience }
        }
        Secure(serve) => secure(Server::new(*serve), None),
        Certificate { host, expired, trusted } => {
            let Certified { root, config } = certificate(host, *expired);
            secure(Server::new(move |peer| serve_tls(peer, &config)), trusted.then_some(root))
        }
        TlsAskedPlainly => {
            let Certified { config, .. } = certificate("127.0.0.1", false);
            let server = Server::new(move |peer| serve_tls(peer, &config));
            Built { url: server.url(), server: Some(server), root: None, patience }
        }
    }
}

/// A port where nobody listens: a connection's own end of it, held open lest another test's server gets the port.
pub(crate) fn refused() -> String {
    // Bound, but without a listener: neither another socket nor a client's own end can get this port.
    let bound = TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/", bound.local_addr().unwrap());
    std::mem::forget(bound);
    url
}

pub(crate) fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| rustls::crypto::ring::default_provider().install_default().unwrap());
}

/// Three attempts, at once.
fn policy(idempotent: bool) -> Policy {
    Policy::new().total(2).backoff(Duration::ZERO).hint_max(Duration::ZERO).idempotent(idempotent)
}

type Outcome = Result<serde_json::Value, Box<dyn std::error::Error + Send + Sync>>;

fn by_reqwest(site: &Built, post: bool) -> Outcome {
    let mut client = reqwest::blocking::Client::builder().timeout(site.patience).no_proxy();
    let roots: Vec<_> = site.root.iter().map(|root| reqwest::Certificate::from_der(root).unwrap()).collect();
    client = client.tls_certs_only(roots);
    let client = client.build()?;
    let request = if post { client.post(&site.url).body("order") } else { client.get(&site.url) };
    Ok(error_for_status(request.send()?)?.json()?)
}

fn by_ureq(site: &Built, post: bool) -> Outcome {
    let roots: Vec<_> = site.root.iter().map(|root| ureq::tls::Certificate::from_der(root).to_owned()).collect();
    let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::Specific(Arc::new(roots))).build();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(site.patience))
        .tls_config(tls)
        .proxy(None)
        .build()
        .into();
    let response = if post { agent.post(&site.url).send("order") } else { agent.get(&site.url).call() };
    Ok(error_for_status(response?)?.body_mut().read_json()?)
}

/// How many attempts the fault leads to, for a GET or a POST, and the verdict on the last one.
fn attempts(case: &'static Case, client: fn(&Built, bool) -> Outcome, post: bool) -> (usize, String, Option<Verdict>) {
    let site = build(&case.1, patience(case.0));
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
        assert!(server.requests() <= attempts || story.contains("edirect"), "{}: {story}", case.0);
        assert!(server.connections() >= 1);
    }
    (attempts, story, verdict)
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
