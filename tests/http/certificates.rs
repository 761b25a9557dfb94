//! A server that demands a client's certificate. Under TLS 1.3 it says so after the client's side of the handshake is
//! done, when the request may wait, may be on its way, or may have been sent.

use std::sync::Arc;
use std::time::Duration;

use persevere::http::{RetryClient, RetryExt as _};
use persevere::{Report, Retryable as _, StopReason};
use reqwest::redirect;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};

use crate::doors::{POLICY, blocking_builder, builder};
use crate::faults::install_provider;
use crate::server::{Peer, Server, certificate};

/// How the server comes to its refusal.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// At once, and it closes the connection.
    AtOnce,
    /// When the request is there, too.
    Late,
    /// At once, and it leaves the connection open.
    Open,
}

fn demanding(manner: Manner, http2: bool) -> (Server, Vec<u8>) {
    install_provider();
    let certified = certificate("127.0.0.1", false);
    let mut roots = RootCertStore::empty();
    roots.add(certified.root.clone().into()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let mut config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(certified.config.cert_resolver.clone());
    if http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    let config = Arc::new(config);
    let server = Server::new(move |peer: &mut Peer| {
        let mut connection = ServerConnection::new(config.clone()).unwrap();
        // The client's hello, and the answer with the demand.
        while connection.is_handshaking() && !connection.wants_write() {
            if !connection.read_tls(&mut peer.stream).is_ok_and(|read| read > 0)
                || connection.process_new_packets().is_err()
            {
                return;
            }
        }
        while connection.wants_write() {
            connection.write_tls(&mut peer.stream).unwrap();
        }
        if matches!(manner, Manner::Late) {
            std::thread::sleep(Duration::from_millis(15));
        }
        let refused = loop {
            match connection.read_tls(&mut peer.stream) {
                Ok(read) if read > 0 => {}
                _ => break false,
            }
            if connection.process_new_packets().is_err() {
                break true;
            }
        };
        assert!(refused || !connection.is_handshaking());
        while connection.wants_write() && connection.write_tls(&mut peer.stream).is_ok() {}
        if matches!(manner, Manner::Open) {
            peer.stall();
        }
    });
    (server, certified.root)
}

fn secure(server: &Server) -> String {
    server.url().replace("http:", "https:")
}

const MANNERS: [Manner; 3] = [Manner::AtOnce, Manner::Late, Manner::Open];

/// Over HTTP/2 the connection's own error is lost sometimes: "connection closed", "broken pipe". That proves nothing.
#[tokio::test]
async fn a_certificate_that_is_demanded_is_permanent_whenever_it_is_noticed() {
    for manner in MANNERS {
        for http2 in [false, true] {
            let (server, root) = demanding(manner, http2);
            for _ in 0..10 {
                let client =
                    builder().tls_certs_only([reqwest::Certificate::from_der(&root).unwrap()]).build().unwrap();
                for request in [client.get(secure(&server)), client.post(secure(&server)).body("order")] {
                    let error = request.send().await.unwrap_err();
                    let shown = format!("{manner:?} {error:?}");
                    let is_told = shown.contains("CertificateRequired");
                    assert!(is_told || http2, "{shown}");
                    assert_eq!(error.verdict().is_transient(), !is_told, "{shown}");
                    let boxed: tower::BoxError = error.into();
                    assert_eq!(boxed.verdict().is_transient(), !is_told, "{shown}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_demanded_ends_the_run_of_every_entry_point() {
    for manner in MANNERS {
        let (server, root) = demanding(manner, false);
        let root = || [reqwest::Certificate::from_der(&root).unwrap()];
        let session =
            RetryClient::build(builder().tls_certs_only(root()), redirect::Policy::default(), POLICY).unwrap();
        let client = builder().tls_certs_only(root()).build().unwrap();
        for post in [false, true] {
            let mut report = Report::new();
            let request = if post { session.post(secure(&server)).body("order") } else { session.get(secure(&server)) };
            assert!(request.policy(POLICY.report(&mut report)).send().await.is_err());
            assert_eq!((report.attempts(), report.stop_reason()), (1, Some(StopReason::Permanent)), "{report}");
            let request = if post { client.post(secure(&server)).body("order") } else { client.get(secure(&server)) };
            assert!(request.retry(POLICY.report(&mut report)).send().await.is_err());
            assert_eq!((report.attempts(), report.stop_reason()), (1, Some(StopReason::Permanent)), "{report}");
        }
    }
}

#[test]
fn a_certificate_that_is_demanded_ends_a_blocking_run() {
    for manner in MANNERS {
        let (server, root) = demanding(manner, false);
        let builder = blocking_builder().tls_certs_only([reqwest::Certificate::from_der(&root).unwrap()]);
        let session = RetryClient::build(builder, redirect::Policy::default(), POLICY).unwrap();
        for post in [false, true] {
            let mut report = Report::new();
            let request = if post { session.post(secure(&server)).body("order") } else { session.get(secure(&server)) };
            assert!(request.policy(POLICY.report(&mut report)).send().is_err());
            assert_eq!((report.attempts(), report.stop_reason()), (1, Some(StopReason::Permanent)), "{report}");
        }
    }
}
