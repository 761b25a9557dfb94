//! WebSockets: tokio-tungstenite's errors and close frames.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use persevere::{Rejected, Retryable as _, TimedOut, Verdict, tables};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, accept_async, connect_async};

use crate::proxy::{Fate, Proxy, reset};
use crate::support::{BROKEN, CONNECT, LATE, PERMANENT, THROTTLE, UNSENT, check, nobody};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(address: SocketAddr) -> Result<Socket, Error> {
    connect_async(format!("ws://{address}/")).await.map(|(socket, _)| socket)
}

/// Answers the handshake with these bytes, and then closes or resets.
async fn answering(answer: &'static str, resets: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            if resets {
                reset(stream);
            }
        }
    });
    address
}

/// Makes each connection a WebSocket, and gives it away.
async fn accepting<F: Future<Output = ()> + Send>(
    then: impl Fn(WebSocketStream<TcpStream>) -> F + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            then(accept_async(stream).await.unwrap()).await;
        }
    });
    address
}

#[tokio::test]
async fn a_connection_that_was_not_made_is_never_reached() {
    check("refused", connect(nobody().await).await.unwrap_err(), CONNECT);
    check("no such host", connect_async("ws://no-such-host.invalid:1/").await.unwrap_err(), CONNECT);
    check("closed in the handshake", connect(answering("", false).await).await.unwrap_err(), UNSENT);
    check("half a status line", connect(answering("HTTP/1.", false).await).await.unwrap_err(), UNSENT);
    check("wrong key", connect(answering("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: x\r\n\r\n", false).await).await.unwrap_err(), PERMANENT);
    check("garbage", connect(answering("garbage\r\n\r\n", false).await).await.unwrap_err(), PERMANENT);
    let reset = connect(answering("", true).await).await.unwrap_err();
    assert_eq!(reset.verdict().connecting(), CONNECT, "the caller knows the phase");
    check("reset in the handshake", reset, BROKEN);
}

#[tokio::test]
async fn an_answer_to_the_handshake_is_decided_by_its_status() {
    let throttled = THROTTLE.with_reached(persevere::Reached::No);
    let unsent = crate::support::STATUS.with_reached(persevere::Reached::No);
    for (answer, expected) in [
        ("503 Service Unavailable\r\nretry-after: 7", throttled.with_hint(Duration::from_secs(7)).with_status(503)),
        ("429 Too Many Requests\r\nretry-after: 7", throttled.with_hint(Duration::from_secs(7)).with_status(429)),
        ("429 Too Many Requests", throttled.with_status(429)),
        ("500 Internal Server Error", unsent.with_status(500)),
        ("502 Bad Gateway", unsent.with_status(502)),
        ("401 Unauthorized", PERMANENT),
        ("403 Forbidden", PERMANENT),
        ("404 Not Found", PERMANENT),
        ("301 Moved Permanently\r\nlocation: /", PERMANENT),
        ("200 OK", PERMANENT),
    ] {
        let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n").leak();
        let error = connect(self::answering(answer, false).await).await.unwrap_err();
        let (verdict, shown) = (error.verdict(), format!("{error:?}"));
        if expected.is_transient() {
            check("handshake", error, expected);
        } else {
            assert!(!verdict.is_transient(), "{shown}");
            check("handshake", error, verdict);
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_is_permanent() {
    let authority = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(authority.signing_key.serialize_der()).unwrap();
    let server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![authority.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(acceptor.accept(stream));
        }
    });
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let connector = Connector::Rustls(Arc::new(client));
    let tls = |address: SocketAddr| {
        let url = format!("wss://localhost:{}/", address.port());
        let connector = connector.clone();
        async move {
            let stream = TcpStream::connect(address).await.unwrap();
            tokio_tungstenite::client_async_tls_with_config(url, stream, None, Some(connector)).await.unwrap_err()
        }
    };
    check("unknown issuer", tls(address).await, PERMANENT.with_fault(persevere::Fault::Connect));
    let cut = tls(answering("", false).await).await;
    assert_eq!(cut.verdict().connecting(), CONNECT);
    check("cut in the handshake of TLS", cut, BROKEN);
    check("ws to a TLS server", connect(address).await.unwrap_err(), PERMANENT);
}

/// A server that holds the connection and says nothing.
async fn silent() -> SocketAddr {
    accepting(|socket| async {
        tokio::spawn(async move {
            let _socket = socket;
            std::future::pending::<()>().await
        });
    })
    .await
}

#[tokio::test]
async fn a_connection_that_broke_may_have_carried_what_was_sent() {
    let server = silent().await;
    for (fate, fault) in [(Fate::Close, "closed"), (Fate::Reset, "reset")] {
        let proxy = Proxy::to(server).await;
        let mut socket = connect(proxy.address).await.unwrap();
        socket.send(Message::text("hello")).await.unwrap();
        proxy.now(fate);
        check(fault, socket.next().await.unwrap().unwrap_err(), BROKEN);
        assert!(socket.next().await.is_none());
        let late = loop {
            if let Err(error) = socket.send(Message::text("late")).await {
                break error;
            }
        };
        let expected = if matches!(late, Error::AlreadyClosed) { UNSENT } else { BROKEN };
        check("sent after that", late, expected);
    }
}

#[tokio::test]
async fn a_close_frame_is_no_error_and_its_code_decides() {
    for (code, expected) in [
        (1000, BROKEN),
        (1001, BROKEN),
        (1011, BROKEN),
        (1012, BROKEN),
        (1013, THROTTLE),
        (1008, PERMANENT),
        (1009, PERMANENT),
        (4000, PERMANENT),
    ] {
        let server = accepting(move |mut socket| async move {
            let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
            let _ = socket.close(Some(frame)).await;
            while socket.next().await.is_some() {}
        })
        .await;
        let mut socket = connect(server).await.unwrap();
        let Some(Ok(Message::Close(Some(frame)))) = socket.next().await else { panic!("no close frame") };
        assert_eq!(tables::websocket_close(frame.code.into()), expected, "{code}");
        // Before the stream has ended, and after.
        check("sent after the close", socket.send(Message::text("late")).await.unwrap_err(), UNSENT);
        assert!(socket.next().await.is_none());
        check("sent after the end", socket.send(Message::text("late")).await.unwrap_err(), UNSENT);
    }
}

#[tokio::test]
async fn what_breaks_the_protocol_is_permanent() {
    for frame in [&[0x83, 0][..], &[0x81, 1, 0xff], &[0xc1, 0]] {
        let server = accepting(move |mut socket| async move {
            let _ = socket.get_mut().write_all(frame).await;
            tokio::spawn(async move {
                let _socket = socket;
                std::future::pending::<()>().await
            });
        })
        .await;
        let mut socket = connect(server).await.unwrap();
        check("bad frame", socket.next().await.unwrap().unwrap_err(), PERMANENT);
    }
    let server = accepting(|mut socket| async move {
        let _ = socket.send(Message::text("x".repeat(200))).await;
    })
    .await;
    let config = WebSocketConfig::default().max_message_size(Some(100));
    let url = format!("ws://{server}/");
    let (mut socket, _) = tokio_tungstenite::connect_async_with_config(url, Some(config), false).await.unwrap();
    check("too large", socket.next().await.unwrap().unwrap_err(), PERMANENT);

    let config = WebSocketConfig::default().write_buffer_size(0).max_write_buffer_size(100);
    let url = format!("ws://{}/", silent().await);
    let (mut socket, _) = tokio_tungstenite::connect_async_with_config(url, Some(config), false).await.unwrap();
    let error = socket.send(Message::text("x".repeat(200))).await.unwrap_err();
    check("write buffer full", error, THROTTLE.with_reached(persevere::Reached::No));
}

#[tokio::test]
async fn an_error_made_of_ours_is_found_again() {
    check("TimedOut", Error::from(TimedOut::new(Duration::from_secs(1))), LATE);
    let breaker = persevere::guard::Breaker::new().min_outcomes(1);
    let now = Duration::from_secs(100);
    breaker.admit(now).unwrap().failed(now);
    let rejected: Rejected = breaker.admit(now + Duration::from_secs(2)).unwrap_err();
    let expected: Verdict = THROTTLE.with_reached(persevere::Reached::No).with_hint(Duration::from_secs(3));
    check("Rejected", Error::from(rejected), expected);
}

/// What a feed over a WebSocket can fail with.
#[derive(Debug, thiserror::Error, persevere::Retryable)]
enum FeedError {
    #[error(transparent)]
    #[retry(forward)]
    Socket(#[from] Error),
    /// A close frame is an item, so the feed makes it an error by its code.
    #[error("closed with code {0}")]
    #[retry(with = closed)]
    Closed(u16),
    #[error("nothing came")]
    #[retry(timed_out)]
    Silent(TimedOut),
}

fn closed(code: &u16) -> Verdict {
    tables::websocket_close(*code)
}

/// Sends three numbers behind the one in the path, and then ends in one way after the other.
async fn numbers() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for round in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                if round % 5 == 4 {
                    let _ = stream.read(&mut [0; 4096]).await;
                    return stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
                }
                let mut from = 0_u32;
                #[allow(clippy::result_large_err)] // The callback's own type.
                let callback = |request: &tokio_tungstenite::tungstenite::handshake::server::Request, response| {
                    from = request.uri().path()[1..].parse().unwrap();
                    Ok(response)
                };
                let mut socket = tokio_tungstenite::accept_hdr_async(stream, callback).await.unwrap();
                for number in from + 1..from + 4 {
                    let _ = socket.send(Message::text(number.to_string())).await;
                }
                match round % 5 {
                    0 => drop(socket),
                    1 => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        reset(socket.into_inner());
                    }
                    2 => {
                        let frame = CloseFrame { code: CloseCode::Restart, reason: "".into() };
                        let _ = socket.close(Some(frame)).await;
                        while socket.next().await.is_some() {}
                    }
                    _ => std::future::pending().await,
                }
                Ok(())
            });
        }
    });
    address
}

#[tokio::test]
async fn a_feed_goes_on_behind_its_last_message_however_the_sockets_end() {
    let address = numbers().await;
    let open = |last: Option<u32>| async move {
        let url = format!("ws://{address}/{}", last.unwrap_or(0));
        let (socket, _) = connect_async(url).await?;
        Ok(socket.map(|message| match message? {
            Message::Close(frame) => Err(FeedError::Closed(frame.map_or(1005, |frame| frame.code.into()))),
            message => Ok(message.into_text()?.parse::<u32>().unwrap()),
        }))
    };
    let policy = persevere::stream::POLICY.backoff(Duration::from_millis(10)).max_wait(Duration::from_millis(20));
    let feed = persevere::stream::resume(policy, open, |number: &u32| Some(*number));
    let feed = feed.stall(Duration::from_millis(150)).unending(|| FeedError::Closed(1006));
    let read: Vec<_> = feed.take(40).map(Result::unwrap).collect().await;
    assert_eq!(read, (1..=40).collect::<Vec<_>>());
}
