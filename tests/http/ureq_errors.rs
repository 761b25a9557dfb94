//! What each of ureq's errors means: made by hand, provoked by a server, and wrapped in the errors of others.

use std::io::{self, ErrorKind, Read as _};
use std::sync::Arc;
use std::time::Duration;

use persevere::http::RetryAgent;
use persevere::testing::VirtualTimer;
use persevere::{Fault, Reached, Report, Retryable, StopReason, Verdict};
use ureq::{Error, Timeout};
use ureq_proto::Error as Protocol;

use crate::doors::POLICY;
use crate::message::{CODINGS, Coding, FRAMINGS, Framing, Message, coded};
use crate::server::{Peer, Server};

/// What is asked of a verdict here.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Means {
    /// Passing: what failed, and whether the request can have reached the server.
    Passing(Fault, Reached),
    Lasting,
}

use Means::{Lasting, Passing};

const UNREACHED: Means = Passing(Fault::Connect, Reached::No);
const BROKEN: Means = Passing(Fault::Read, Reached::Maybe);
const TIMEOUT: Means = Passing(Fault::Timeout, Reached::Maybe);
const STATUS: Means = Passing(Fault::Status, Reached::Maybe);
const THROTTLE: Means = Passing(Fault::Throttle, Reached::Maybe);
const UNSURE: Means = Passing(Fault::Connect, Reached::Maybe);

fn means(verdict: Verdict) -> Means {
    if verdict.is_transient() { Passing(verdict.fault(), verdict.reached()) } else { Lasting }
}

fn io_error(kind: ErrorKind) -> Error {
    Error::Io(kind.into())
}

type Make = fn() -> Error;

/// Every variant that the features of this package leave, and every cause within it.
#[rustfmt::skip]
const MADE: &[(&str, Make, Means)] = &[
    ("status 408", || Error::StatusCode(408), STATUS),
    ("status 425", || Error::StatusCode(425), STATUS),
    ("status 429", || Error::StatusCode(429), THROTTLE),
    ("status 500", || Error::StatusCode(500), STATUS),
    ("status 502", || Error::StatusCode(502), STATUS),
    ("status 503", || Error::StatusCode(503), THROTTLE),
    ("status 504", || Error::StatusCode(504), STATUS),
    ("status 501", || Error::StatusCode(501), Lasting),
    ("status 404", || Error::StatusCode(404), Lasting),
    ("status 0", || Error::StatusCode(0), Lasting),
    ("status 65535", || Error::StatusCode(u16::MAX), Lasting),
    ("header's name", || http::HeaderName::try_from("a b").map_err(http::Error::from).unwrap_err().into(), Lasting),
    ("header's value", || http::HeaderValue::try_from("\n").map_err(http::Error::from).unwrap_err().into(), Lasting),
    ("bad URI", || Error::BadUri("gzip decompression failed: nothing".into()), Lasting),
    ("protocol, header", || Error::Protocol(Protocol::BadHeader("chunk ".into())), Lasting),
    ("protocol, version", || Error::Protocol(Protocol::UnsupportedVersion), Lasting),
    ("protocol, method", || Error::Protocol(Protocol::MethodVersionMismatch(http::Method::TRACE, http::Version::HTTP_10)), Lasting),
    ("protocol, hosts", || Error::Protocol(Protocol::TooManyHostHeaders), Lasting),
    ("protocol, lengths", || Error::Protocol(Protocol::TooManyContentLengthHeaders), BROKEN),
    ("protocol, host", || Error::Protocol(Protocol::BadHostHeader), Lasting),
    ("protocol, authorization", || Error::Protocol(Protocol::BadAuthorizationHeader), Lasting),
    ("protocol, length", || Error::Protocol(Protocol::BadContentLengthHeader), BROKEN),
    ("protocol, body's headers", || Error::Protocol(Protocol::ConflictingBodyHeaders), Lasting),
    ("protocol, output", || Error::Protocol(Protocol::OutputOverflow), Lasting),
    ("protocol, chunk's length, ASCII", || Error::Protocol(Protocol::ChunkLenNotAscii), BROKEN),
    ("protocol, chunk's length, number", || Error::Protocol(Protocol::ChunkLenNotANumber), BROKEN),
    ("protocol, chunk's end", || Error::Protocol(Protocol::ChunkExpectedCrLf), BROKEN),
    ("protocol, body after end", || Error::Protocol(Protocol::BodyContentAfterFinish), Lasting),
    ("protocol, body too large", || Error::Protocol(Protocol::BodyLargerThanContentLength), Lasting),
    ("protocol, no body allowed", || Error::Protocol(Protocol::BodyNotAllowed), Lasting),
    ("protocol, parse", || Error::Protocol(Protocol::HttpParseFail("invalid HTTP version".into())), BROKEN),
    ("protocol, too many headers", || Error::Protocol(Protocol::HttpParseTooManyHeaders), Lasting),
    ("protocol, no location", || Error::Protocol(Protocol::NoLocationHeader), Lasting),
    ("protocol, bad location", || Error::Protocol(Protocol::BadLocationHeader("chunk ".into())), Lasting),
    ("protocol, headers with 100", || Error::Protocol(Protocol::HeadersWith100), BROKEN),
    ("protocol, chunked", || Error::Protocol(Protocol::BodyIsChunked), Lasting),
    ("protocol, 100 refused", || Error::Protocol(Protocol::BadReject100Status(http::StatusCode::OK)), Lasting),
    ("I/O, refused", || io_error(ErrorKind::ConnectionRefused), UNREACHED),
    ("I/O, host", || io_error(ErrorKind::HostUnreachable), UNSURE),
    ("I/O, network", || io_error(ErrorKind::NetworkUnreachable), UNSURE),
    ("I/O, network down", || io_error(ErrorKind::NetworkDown), UNSURE),
    ("I/O, reset", || io_error(ErrorKind::ConnectionReset), BROKEN),
    ("I/O, aborted", || io_error(ErrorKind::ConnectionAborted), BROKEN),
    ("I/O, pipe", || io_error(ErrorKind::BrokenPipe), BROKEN),
    ("I/O, not connected", || io_error(ErrorKind::NotConnected), BROKEN),
    ("I/O, end", || io_error(ErrorKind::UnexpectedEof), BROKEN),
    ("I/O, time", || io_error(ErrorKind::TimedOut), TIMEOUT),
    ("I/O, would block", || io_error(ErrorKind::WouldBlock), TIMEOUT),
    ("I/O, data", || io_error(ErrorKind::InvalidData), Lasting),
    ("I/O, permission", || io_error(ErrorKind::PermissionDenied), Lasting),
    ("I/O, text", || Error::Io(io::Error::other("connection refused by the moon")), Lasting),
    ("I/O, TLS", || Error::Io(io::Error::new(ErrorKind::InvalidData, rustls::Error::DecryptError)), Lasting),
    ("I/O, SOCKS: general", || Error::Io(io::Error::other("general SOCKS server failure")), UNSURE),
    ("I/O, SOCKS: ruleset", || Error::Io(io::Error::other("connection not allowed by ruleset")), Lasting),
    ("timeout, read", || Error::Timeout(Timeout::PerRead), TIMEOUT),
    ("timeout, write", || Error::Timeout(Timeout::PerWrite), TIMEOUT),
    ("timeout, global", || Error::Timeout(Timeout::Global), TIMEOUT),
    ("timeout, call", || Error::Timeout(Timeout::PerCall), TIMEOUT),
    ("timeout, resolve", || Error::Timeout(Timeout::Resolve), UNREACHED),
    ("timeout, connect", || Error::Timeout(Timeout::Connect), UNREACHED),
    ("timeout, send request", || Error::Timeout(Timeout::SendRequest), TIMEOUT),
    ("timeout, 100", || Error::Timeout(Timeout::Await100), TIMEOUT),
    ("timeout, send body", || Error::Timeout(Timeout::SendBody), TIMEOUT),
    ("timeout, response", || Error::Timeout(Timeout::RecvResponse), TIMEOUT),
    ("timeout, body", || Error::Timeout(Timeout::RecvBody), TIMEOUT),
    ("no such host", || Error::HostNotFound, UNREACHED),
    ("redirect failed", || Error::RedirectFailed, Lasting),
    ("proxy's URL", || Error::InvalidProxyUrl, Lasting),
    ("connection failed", || Error::ConnectionFailed, UNREACHED),
    ("body too long", || Error::BodyExceedsLimit(1), Lasting),
    ("too many redirects", || Error::TooManyRedirects, Lasting),
    ("TLS", || Error::Tls("gzip"), Lasting),
    ("PEM", || ureq::tls::Certificate::from_pem(b"-----BEGIN CERTIFICATE-----\n?").unwrap_err(), Lasting),
    ("rustls", || Error::Rustls(rustls::Error::EncryptError), Lasting),
    ("rustls, certificate", || Error::Rustls(rustls::CertificateError::Expired.into()), Lasting),
    ("HTTPS only", || Error::RequireHttpsOnly("http://gzip/".into()), Lasting),
    ("head too large", || Error::LargeResponseHeader(2, 1), Lasting),
    ("gzip, cut", || Error::Decompress("gzip", ErrorKind::UnexpectedEof.into()), BROKEN),
    ("gzip, reset", || Error::Decompress("gzip", ErrorKind::ConnectionReset.into()), BROKEN),
    ("gzip, unreachable", || Error::Decompress("gzip", ErrorKind::HostUnreachable.into()), BROKEN),
    ("gzip, refused", || Error::Decompress("gzip", ErrorKind::ConnectionRefused.into()), BROKEN),
    ("gzip, malformed", || Error::Decompress("gzip", io::Error::new(ErrorKind::InvalidInput, "invalid gzip header")), Lasting),
    ("brotli, cut", || Error::Decompress("brotli", ErrorKind::UnexpectedEof.into()), BROKEN),
    ("brotli, malformed", || Error::Decompress("brotli", io::Error::new(ErrorKind::InvalidData, "Invalid Data")), BROKEN),
    ("another coding", || Error::Decompress("zstd", ErrorKind::UnexpectedEof.into()), Lasting),
    ("JSON, malformed", || json("[1"), Lasting),
    ("JSON, of another type", || json("1"), Lasting),
    ("JSON, cut", || json_of(ErrorKind::UnexpectedEof.into()), BROKEN),
    ("JSON, reset", || json_of(ErrorKind::ConnectionReset.into()), BROKEN),
    ("JSON, unreachable", || json_of(ErrorKind::HostUnreachable.into()), BROKEN),
    ("JSON, refused", || json_of(ErrorKind::ConnectionRefused.into()), BROKEN),
    ("JSON, late", || json_of(ErrorKind::TimedOut.into()), TIMEOUT),
    ("JSON, timeout", || json_of(io::Error::other(Error::Timeout(Timeout::RecvBody))), TIMEOUT),
    ("JSON, too long", || json_of(io::Error::other(Error::BodyExceedsLimit(1))), Lasting),
    ("JSON, chunk", || json_of(io::Error::other(Error::Protocol(Protocol::ChunkExpectedCrLf))), BROKEN),
    ("JSON, stalled", || json_of(io::Error::other(Error::BodyStalled)), BROKEN),
    ("JSON, permission", || json_of(ErrorKind::PermissionDenied.into()), Lasting),
    ("CONNECT, 502", || Error::ConnectProxyFailed("proxy server responded 502/502".into()), UNREACHED),
    ("CONNECT, 403", || Error::ConnectProxyFailed("proxy server responded 403/403".into()), Lasting),
    ("CONNECT, 407", || Error::ConnectProxyFailed("proxy server responded 407/407".into()), Lasting),
    ("CONNECT, closed", || Error::ConnectProxyFailed("proxy server did not respond".into()), UNREACHED),
    ("TLS required", || Error::TlsRequired, Lasting),
    ("other, a text", || Error::Other("out of order".into()), Lasting),
    ("other, I/O", || Error::Other(io::Error::from(ErrorKind::ConnectionReset).into()), BROKEN),
    ("other, ureq's", || Error::Other(Error::HostNotFound.into()), UNREACHED),
    ("other, ureq's in I/O", || Error::Other(io::Error::other(Error::HostNotFound).into()), UNREACHED),
    ("other, TLS", || Error::Other(rustls::Error::DecryptError.into()), Lasting),
    ("stalled", || Error::BodyStalled, BROKEN),
];

fn json(text: &str) -> Error {
    ureq::Body::builder().data(text).read_json::<Vec<u8>>().unwrap_err()
}

/// JSON whose source fails with this.
fn json_of(error: io::Error) -> Error {
    struct Fails(Option<io::Error>);
    impl io::Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.0.take().map_or(Ok(0), Err)
        }
    }
    let mut body = ureq::Body::builder().reader(Fails(Some(error)));
    body.read_json::<Vec<u8>>().unwrap_err()
}

#[test]
fn every_variant_of_ureqs_error_has_its_verdict() {
    let wrong: Vec<_> = MADE
        .iter()
        .map(|&(name, make, expected)| (name, means(make().verdict()), expected))
        .filter(|(_, found, expected)| found != expected)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Whatever an error of ureq's stands in says the same as the error itself.
#[test]
fn an_error_of_ureqs_means_the_same_in_an_io_error_a_box_and_another_of_ureqs() {
    for &(name, make, expected) in MADE {
        let boxed: Box<dyn std::error::Error + Send + Sync> = make().into();
        let shared: Arc<dyn std::error::Error + Send + Sync> = Arc::new(make());
        let found = [
            make().into_io().verdict(),
            io::Error::other(make()).verdict(),
            boxed.verdict(),
            shared.verdict(),
            Error::Other(boxed).verdict(),
            Error::from(io::Error::other(make())).verdict(),
            Error::Io(io::Error::other(make())).verdict(),
        ];
        // An I/O error comes out of `into_io` as it went in, and then nothing says that a SOCKS proxy's text is one.
        let from = usize::from(name.starts_with("I/O, SOCKS"));
        for (number, verdict) in found.into_iter().enumerate().skip(from) {
            assert_eq!(means(verdict), expected, "{name}, {number}");
        }
    }
}

/// JSON, so that each entry point can read it.
const PAGE: &str = "[1,2,3,4,5,6,7,8,9]";

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().proxy(None).timeout_global(Some(Duration::from_secs(20))).build().into()
}

/// What a body comes to by each of ureq's own ways to read it; `None` where it could be read.
fn read(agent: &ureq::Agent, url: &str) -> [(&'static str, Option<Means>); 4] {
    fn judged<V, E: Retryable>(outcome: Result<V, E>) -> Option<Means> {
        outcome.err().map(|error| means(error.verdict()))
    }
    let get = || agent.get(url).call().map(ureq::http::Response::into_body);
    let mut bytes = Vec::new();
    [
        ("bytes", judged(get().and_then(|mut body| body.read_to_vec()))),
        ("text", judged(get().and_then(|mut body| body.read_to_string()))),
        ("JSON", judged(get().and_then(|mut body| body.read_json::<serde_json::Value>()))),
        // An I/O error, as a caller has it who reads in pieces.
        (
            "reader",
            match get() {
                Ok(body) => judged(body.into_reader().read_to_end(&mut bytes)),
                Err(error) => judged(Err::<(), _>(error)),
            },
        ),
    ]
}

/// How many attempts each entry point makes of it, and of a POST.
fn attempts(url: &str) -> [u32; 4] {
    let session = RetryAgent::new(agent(), POLICY.total(2));
    let timer = VirtualTimer::new();
    let mut reports = [(); 4].map(|()| Report::new());
    let [text, bytes, json, post] = &mut reports;
    let policy = POLICY.total(2).timer(&timer);
    let _ = session.get(url).policy(policy.report(text)).text();
    let _ = session.get(url).policy(policy.report(bytes)).bytes();
    let _ = session.get(url).policy(policy.report(json)).json::<serde_json::Value>();
    let _ = session.post(url).body("order").policy(policy.report(post)).bytes();
    reports.map(|report| report.attempts())
}

/// Answers each connection with this, and closes it.
fn says(bytes: Vec<u8>) -> Server {
    Server::new(move |peer: &mut Peer| {
        if peer.request().is_some() {
            peer.send(&bytes);
        }
    })
}

#[test]
fn a_body_that_is_cut_is_passing_however_it_is_framed_and_compressed() {
    let mut cases = 0;
    for framing in FRAMINGS {
        for coding in CODINGS {
            if (framing, coding) == (Framing::Close, Coding::Plain) {
                // Nothing says how long it should have been.
                continue;
            }
            let message = Message::new(200, framing, coding, PAGE);
            let whole = message.body.len();
            for length in [0, 1, whole / 4, whole / 2] {
                let server = says(message.cut(length));
                let story = format!("{framing:?} {coding:?}, {length} of {whole} bytes");
                for (way, found) in read(&agent(), &server.url()) {
                    assert_eq!(found, Some(BROKEN), "{story}, {way}");
                }
                assert_eq!(attempts(&server.url()), [3, 3, 3, 1], "{story}");
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 8 * 4);
}

#[test]
fn a_body_that_comes_whole_the_third_time_is_given() {
    for framing in FRAMINGS {
        for coding in CODINGS {
            let message = Message::new(200, framing, coding, PAGE);
            let cut = if (framing, coding) == (Framing::Close, Coding::Plain) {
                "HTTP/1.1 200 OK\r\ncontent-le".into()
            } else {
                message.cut(message.body.len() / 2)
            };
            let server = Server::new(move |peer: &mut Peer| {
                if peer.request().is_some() {
                    peer.send(if peer.requests() % 3 == 0 { message.whole() } else { cut.clone() });
                }
            });
            let session = RetryAgent::new(agent(), POLICY);
            assert_eq!(session.get(&server.url()).text().unwrap(), PAGE, "{framing:?} {coding:?}");
            assert_eq!(session.get(&server.url()).bytes().unwrap(), PAGE.as_bytes(), "{framing:?} {coding:?}");
            assert_eq!(session.get(&server.url()).json::<Vec<u8>>().unwrap().len(), 9, "{framing:?} {coding:?}");
            assert_eq!(server.requests(), 9);
        }
    }
}

/// As malformed JSON is. Of brotli's decoder nothing tells it from a body that was cut.
#[test]
fn a_body_that_comes_whole_and_is_malformed_is_lasting() {
    let gzip = coded(Coding::Gzip, PAGE.as_bytes());
    let changed = |place: usize| {
        let mut bytes = gzip.clone();
        bytes[place] ^= 0xff;
        bytes
    };
    let bodies = [
        ("no gzip", PAGE.into()),
        ("a changed magic", changed(1)),
        ("a changed block", changed(10)),
        ("a changed checksum", changed(gzip.len() - 6)),
        ("a changed length", changed(gzip.len() - 2)),
    ];
    for framing in FRAMINGS {
        for (name, body) in &bodies {
            let server = says(Message::of(200, framing, Coding::Gzip, body.clone()).whole());
            for (way, found) in read(&agent(), &server.url()) {
                assert_eq!(found, Some(Lasting), "{framing:?}, {name}, {way}");
            }
            assert_eq!(attempts(&server.url()), [1; 4], "{framing:?}, {name}");
        }
        let server = says(Message::of(200, framing, Coding::Brotli, PAGE.into()).whole());
        for (way, found) in read(&agent(), &server.url()) {
            assert_eq!(found, Some(BROKEN), "{framing:?}, no brotli, {way}");
        }
        assert_eq!(attempts(&server.url()), [3, 3, 3, 1], "{framing:?}, no brotli");
    }
}

#[test]
fn a_body_above_ureqs_limit_is_lasting_however_it_is_read() {
    // 10 kB that become more than the 10 MB which ureq reads.
    let server = says(Message::new(200, Framing::Chunked, Coding::Gzip, &" ".repeat(11 << 20)).whole());
    for (way, found) in read(&agent(), &server.url()) {
        // Read in pieces it has no limit.
        assert_eq!(found, (way != "reader").then_some(Lasting), "{way}");
    }
    assert_eq!(attempts(&server.url()), [1; 4]);
}

#[test]
fn a_body_that_stalls_past_the_timeout_is_a_timeout_however_it_is_framed_and_compressed() {
    let runs: Vec<_> = FRAMINGS
        .into_iter()
        .flat_map(|framing| CODINGS.map(|coding| (framing, coding)))
        .map(|(framing, coding)| {
            std::thread::spawn(move || {
                let message = Message::new(200, framing, coding, PAGE);
                let cut = message.cut(message.body.len() / 2);
                let server = Server::new(move |peer: &mut Peer| {
                    if peer.request().is_some() {
                        peer.send(&cut);
                        peer.stall();
                    }
                });
                let config = ureq::Agent::config_builder().proxy(None);
                let agent = config.timeout_recv_body(Some(Duration::from_millis(30))).build().into();
                for (way, found) in read(&agent, &server.url()) {
                    assert_eq!(found, Some(TIMEOUT), "{framing:?} {coding:?}, {way}");
                }
            })
        })
        .collect();
    let failed = runs.into_iter().map(std::thread::JoinHandle::join).filter(Result::is_err).count();
    assert_eq!(failed, 0);
}

/// What can't be read at all, whole responses.
#[rustfmt::skip]
const GARBLED: &[(&str, Means)] = &[
    ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", BROKEN),
    ("HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\nab", BROKEN),
    ("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\na", BROKEN),
    ("HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\na", BROKEN),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", BROKEN),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n[bc", BROKEN),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\u{e9}\r\n", BROKEN),
    ("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", BROKEN),
    ("HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", BROKEN),
    ("HTTP/9.9 200 OK\r\n\r\n", BROKEN),
    ("HTTP/1.1 2x0 OK\r\n\r\n", BROKEN),
    ("HTTP/1.1 099 Low\r\n\r\n", BROKEN),
    ("HTTP/1.1 200 OK\r\na b: c\r\n\r\n", BROKEN),
    ("HTTP/1.1 100 Continue\r\na: b\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", BROKEN),
    ("SSH-2.0-OpenSSH\r\n", BROKEN),
    ("", BROKEN),
    ("HTTP/1.1 302 Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", Lasting),
    ("HTTP/1.1 302 Found\r\nconnection: close\r\nlocation: http://[\r\ncontent-length: 0\r\n\r\n", Lasting),
    ("HTTP/1.1 302 Found\r\nconnection: close\r\nlocation: gopher:x\r\ncontent-length: 0\r\n\r\n", Lasting),
];

#[test]
fn what_a_server_sends_that_cannot_be_read_is_passing_and_a_redirect_to_nowhere_is_not() {
    for &(response, expected) in GARBLED {
        let server = says(response.into());
        for (way, found) in read(&agent(), &server.url()) {
            assert_eq!(found, Some(expected), "{response:?}, {way}");
        }
        let passing = expected != Lasting;
        let found = attempts(&server.url());
        assert_eq!(found, if passing { [3, 3, 3, 1] } else { [1; 4] }, "{response:?}");
    }
}

/// A proxy that answers a connect command with this code.
fn socks(version: u8, code: u8) -> Server {
    Server::new(move |peer: &mut Peer| {
        let (mut greeting, mut request) = ([0; 3], [0; 10]);
        if version == 5 {
            if peer.stream.read_exact(&mut greeting).is_err() {
                return;
            }
            peer.send([5, 0]);
        }
        // SOCKS4 ends its request with an empty user id: one byte less than SOCKS5's.
        let request = &mut request[..if version == 5 { 10 } else { 9 }];
        if peer.stream.read_exact(request).is_ok() {
            peer.count();
            peer.send(if version == 5 { [5, code, 0, 1, 0, 0, 0, 0] } else { [0, code, 0, 0, 0, 0, 0, 0] });
        }
    })
}

/// A request whose body was not read is sent again whatever its method, for nothing of it was sent.
#[test]
fn what_a_socks_proxy_refuses_is_a_connect_fault() {
    let passing = [1, 3, 4, 5, 6].map(|code| (5, code)).into_iter().chain([(4, 91)]);
    let lasting = [2, 7, 8, 99].map(|code| (5, code)).into_iter().chain([(4, 92), (4, 93), (4, 99)]);
    let cases = passing.map(|case| (case, UNSURE)).chain(lasting.map(|case| (case, Lasting)));
    for ((version, code), expected) in cases {
        let proxy = socks(version, code);
        let address = proxy.url().replace("http", &format!("socks{version}")).replace("/path?token=hunter2", "");
        let config = ureq::Agent::config_builder().proxy(Some(ureq::Proxy::new(&address).unwrap()));
        let agent: ureq::Agent = config.timeout_global(Some(Duration::from_secs(20))).build().into();
        for (way, found) in read(&agent, "http://127.0.0.1:1/") {
            assert_eq!(found, Some(expected), "SOCKS{version}, {code}, {way}");
        }
        let mut report = Report::new();
        let session = RetryAgent::new(agent, POLICY);
        let post = session.post("http://127.0.0.1:1/").body("order").policy(POLICY.report(&mut report)).call();
        let (attempts, reason) =
            if expected == Lasting { (1, report.stop_reason()) } else { (4, Some(StopReason::Exhausted)) };
        assert!(post.is_err());
        assert_eq!((report.attempts(), report.stop_reason()), (attempts, reason), "SOCKS{version}, {code}");
    }
}
