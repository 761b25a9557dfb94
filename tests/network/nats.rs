//! NATS: what async-nats' errors mean, against real servers that are started and killed here.

#[path = "proxy.rs"]
mod proxy;
#[path = "support.rs"]
mod support;

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::jetstream::{self, consumer, stream};
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, RequestErrorKind};
use futures::StreamExt as _;
use persevere::{Fault, Reached, Rejected, Retryable as _, TimedOut, Verdict};
use tokio::net::TcpListener;

use crate::proxy::{Fate, Proxy, reset};
use crate::support::{BROKEN, CONNECT, LATE, NO_CONNECT, PERMANENT, STATUS, THROTTLE, check, nobody};

const SOON: Duration = Duration::from_millis(100);
const NOBODY: Verdict = STATUS.with_reached(Reached::No);
const REFUSED: Verdict = THROTTLE.with_reached(Reached::No);

/// A server of one's own, killed at the end.
struct Server {
    child: Child,
    address: SocketAddr,
    arguments: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Server {
    async fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Free a moment ago: nobody else takes it so soon.
        let address = nobody().await;
        let file = folder.path().join("config");
        std::fs::write(&file, config).unwrap();
        let arguments = ["-a", "127.0.0.1", "-p", &address.port().to_string(), "-sd", folder.path().to_str().unwrap()];
        let arguments =
            arguments.iter().map(ToString::to_string).chain(["-c".to_owned(), file.to_string_lossy().into()]);
        let arguments: Vec<_> = arguments.collect();
        let server = Self { child: spawn(&arguments), address, arguments, _folder: folder };
        server.listens().await;
        server
    }

    async fn listens(&self) {
        while tokio::net::TcpStream::connect(self.address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn again(&mut self) {
        self.child = spawn(&self.arguments);
        self.listens().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(arguments: &[String]) -> Child {
    let mut command = Command::new("nats-server");
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("nats-server is installed")
}

/// What is to time out has `SOON`.
fn options() -> ConnectOptions {
    let patient = Duration::from_secs(10);
    ConnectOptions::new().connection_timeout(patient).request_timeout(Some(patient))
}

async fn connect(address: SocketAddr) -> Result<Client, ConnectError> {
    options().connect(address.to_string()).await
}

/// Greets each client with these bytes, and closes, resets or is silent.
async fn greeting(greeting: &'static str, end: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, greeting.as_bytes()).await;
            match end {
                "reset" => reset(stream),
                "silence" => kept.push(stream),
                _ => {}
            }
        }
    });
    address
}

#[tokio::test]
async fn a_connection_that_was_not_made_is_never_reached() {
    check("refused", connect(nobody().await).await.unwrap_err(), CONNECT);
    check("no such host", options().connect("no-such-host.invalid:1").await.unwrap_err(), CONNECT);
    let (silent, address) = (options().connection_timeout(SOON), greeting("", "silence").await);
    check("silent", silent.connect(address.to_string()).await.unwrap_err(), CONNECT);
    check("closed", connect(greeting("", "close").await).await.unwrap_err(), CONNECT);
    check("reset", connect(greeting("", "reset").await).await.unwrap_err(), CONNECT);
    check(
        "no NATS",
        connect(greeting("HTTP/1.1 400 Bad Request\r\n\r\n", "close").await).await.unwrap_err(),
        NO_CONNECT,
    );
    check("no address", options().connect("no address").await.unwrap_err(), NO_CONNECT);

    let plain = Server::start("").await;
    let tls = options().require_tls(true).connect(plain.address.to_string()).await.unwrap_err();
    check("TLS of a plain server", tls, NO_CONNECT);
    let guarded = Server::start("authorization { user: a, password: b }").await;
    let refused = connect(guarded.address).await.unwrap_err();
    assert_eq!(refused.kind(), ConnectErrorKind::AuthorizationViolation);
    check("no credentials", refused, NO_CONNECT);
    let wrong = options().user_and_password("a".to_owned(), "c".to_owned());
    check("wrong password", wrong.connect(guarded.address.to_string()).await.unwrap_err(), NO_CONNECT);
    let full = Server::start("max_connections: 1").await;
    let _client = connect(full.address).await.unwrap();
    check("maximum connections", connect(full.address).await.unwrap_err(), REFUSED);
}

#[tokio::test]
async fn a_request_is_decided_by_its_kind() {
    let server = Server::start("max_payload: 1000").await;
    let proxy = Proxy::to(server.address).await;
    let client = connect(proxy.address).await.unwrap();
    let request = async |subject: &'static str, payload: Vec<u8>| client.request(subject, payload.into()).await;
    let hasty = || client.send_request("silent", async_nats::Request::new().timeout(Some(SOON)));
    let nobody = request("nobody", vec![]).await.unwrap_err();
    assert_eq!(nobody.kind(), RequestErrorKind::NoResponders);
    check("no responders", nobody, NOBODY);
    let other = connect(server.address).await.unwrap();
    let mut responder = other.subscribe("silent").await.unwrap();
    // The server takes its time to know of the subscription.
    let error = loop {
        let error = hasty().await.unwrap_err();
        if error.kind() != RequestErrorKind::NoResponders {
            break error;
        }
    };
    check("silent responder", error, LATE);
    assert!(responder.next().await.is_some());
    check("bad subject", request("a b", vec![]).await.unwrap_err(), PERMANENT);
    check("too large", request("silent", vec![0; 2000]).await.unwrap_err(), PERMANENT);
    check("too large, published", client.publish("silent", vec![0; 2000].into()).await.unwrap_err(), PERMANENT);
    proxy.now(Fate::Reset);
    check("disconnected", hasty().await.unwrap_err(), LATE);
}

#[tokio::test]
async fn a_client_that_gave_up_stays_dead() {
    let mut server = Server::start("").await;
    let client = options().max_reconnects(1).connect(server.address.to_string()).await.unwrap();
    server.kill();
    let error = loop {
        match client.publish("any", "x".into()).await {
            Ok(()) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(error) => break error,
        }
    };
    check("publish", error, PERMANENT);
    check("request", client.request("any", "x".into()).await.unwrap_err(), PERMANENT);
    check("subscribe", client.subscribe("any").await.unwrap_err(), PERMANENT);
}

async fn stream(context: &jetstream::Context, config: stream::Config) -> stream::Stream {
    context
        .create_stream(stream::Config { name: "s".to_owned(), subjects: vec!["s.>".to_owned()], ..config })
        .await
        .unwrap()
}

#[tokio::test]
async fn a_publish_to_a_stream_is_decided_by_the_acknowledgement() {
    let server = Server::start("jetstream: enabled").await;
    let proxy = Proxy::to(server.address).await;
    let context = jetstream::new(connect(proxy.address).await.unwrap());
    let publish = async |subject: &'static str| context.publish(subject, "x".into()).await.unwrap().await;
    check("no stream", publish("s.a").await.unwrap_err(), NOBODY);
    let full = stream::Config { max_messages: 1, discard: stream::DiscardPolicy::New, ..Default::default() };
    stream(&context, full).await;
    publish("s.a").await.unwrap();
    check("stream full", publish("s.a").await.unwrap_err(), NOBODY);

    let message = jetstream::message::PublishMessage::build().payload("x".into()).expected_last_sequence(7);
    let wrong = context.send_publish("s.a", message).await.unwrap().await.unwrap_err();
    check("wrong last sequence", wrong, PERMANENT);

    let missing = context.get_stream("missing").await.map(drop).unwrap_err();
    check("stream missing", missing, PERMANENT);

    // The acknowledgement is lost, and the message stored.
    context.get_stream("s").await.unwrap().purge().await.unwrap();
    proxy.now(Fate::StallAnswers);
    let mut hasty = context.clone();
    hasty.set_timeout(SOON);
    check("acknowledgement lost", hasty.publish("s.a", "x".into()).await.unwrap().await.unwrap_err(), LATE);
    let other = jetstream::new(connect(server.address).await.unwrap());
    let mut stream = other.get_stream("s").await.unwrap();
    assert_eq!(stream.info().await.unwrap().state.messages, 1);
}

#[tokio::test]
async fn a_server_without_jetstream_is_told_by_the_call() {
    let server = Server::start("").await;
    let context = jetstream::new(connect(server.address).await.unwrap());
    check("publish", context.publish("s.a", "x".into()).await.unwrap().await.unwrap_err(), NOBODY);
    check("get_stream", context.get_stream("s").await.map(drop).unwrap_err(), PERMANENT);
    check("create_stream", context.create_stream("s").await.map(drop).unwrap_err(), PERMANENT);
    check("query_account", context.query_account().await.map(drop).unwrap_err(), PERMANENT);
}

#[tokio::test]
async fn a_killed_server_times_out_and_comes_back() {
    let mut server = Server::start("jetstream: enabled").await;
    let mut context = jetstream::new(connect(server.address).await.unwrap());
    stream(&context, stream::Config::default()).await;
    server.kill();
    context.set_timeout(SOON);
    check("server killed", context.publish("s.a", "x".into()).await.unwrap().await.unwrap_err(), LATE);
    check("get_stream, server killed", context.get_stream("s").await.map(drop).unwrap_err(), LATE);
    server.again().await;
    let policy =
        persevere::Policy::new().total(100).backoff(Duration::from_millis(10)).max_wait(Duration::from_millis(50));
    let publish = || async { context.publish("s.a", "x".into()).await?.await };
    persevere::retry_async(policy, publish).await.unwrap();
}

#[tokio::test]
async fn a_consumer_that_was_deleted_has_to_be_made_again() {
    let server = Server::start("jetstream: enabled").await;
    let context = jetstream::new(connect(server.address).await.unwrap());
    let stream = stream(&context, stream::Config::default()).await;
    let config = consumer::pull::Config { durable_name: Some("c".to_owned()), ..Default::default() };
    let consumer = stream.create_consumer(config).await.unwrap();
    let mut messages = consumer.stream().messages().await.unwrap();
    let deleted = tokio::spawn(async move { messages.next().await.unwrap().unwrap_err() });
    tokio::time::sleep(Duration::from_millis(50)).await;
    stream.delete_consumer("c").await.unwrap();
    check("consumer deleted", deleted.await.unwrap(), PERMANENT);
}

#[test]
fn every_kind_can_be_made_of_ours_and_is_found_again() {
    let timed_out = TimedOut::new(Duration::from_secs(1));
    let breaker = persevere::guard::Breaker::new().min_outcomes(1);
    let now = Duration::from_secs(100);
    breaker.admit(now).unwrap().failed(now);
    let rejected: Rejected = breaker.admit(now + Duration::from_secs(2)).unwrap_err();
    let refused = REFUSED.with_hint(Duration::from_secs(3));

    macro_rules! each {
        ($($error:ty),* $(,)?) => {$(
            check("TimedOut", <$error>::from(timed_out), LATE);
            check("Rejected", <$error>::from(rejected), refused);
        )*};
    }
    each!(
        async_nats::RequestError,
        async_nats::PublishError,
        async_nats::SubscribeError,
        async_nats::client::FlushError,
        jetstream::context::PublishError,
        jetstream::context::RequestError,
        jetstream::context::CreateStreamError,
        jetstream::context::GetStreamError,
        jetstream::context::AccountError,
        jetstream::stream::ConsumerError,
        jetstream::stream::PurgeError,
        jetstream::consumer::StreamError,
        jetstream::consumer::pull::MessagesError,
        jetstream::consumer::push::MessagesError,
        jetstream::kv::EntryError,
        jetstream::kv::PutError,
        jetstream::kv::UpdateError,
        jetstream::kv::StatusError,
    );
    // The kind says that nothing was sent.
    check("TimedOut", ConnectError::from(timed_out), CONNECT);
    check("Rejected", ConnectError::from(rejected), refused);
    // What is known of the server's answers.
    let broken = async_nats::RequestError::with_source(RequestErrorKind::Other, "broken pipe");
    check("inbox lost", broken, BROKEN);
    let throttle = Verdict::transient().with_fault(Fault::Throttle).with_reached(Reached::No);
    assert_eq!(
        jetstream::context::PublishError::new(jetstream::context::PublishErrorKind::MaxAckPending).verdict(),
        throttle
    );
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A consumer that is in memory dies with its server, so it is made again behind the last message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_goes_on_behind_its_last_message_through_kills_of_the_server() {
    const MESSAGES: usize = 150;
    let mut server = Server::start("jetstream: enabled").await;
    let mut context = jetstream::new(connect(server.address).await.unwrap());
    stream(&context, stream::Config::default()).await;
    context.set_timeout(2 * SOON);

    let open = |last: Option<u64>| {
        let context = context.clone();
        async move {
            let deliver_policy = match last {
                Some(last) => consumer::DeliverPolicy::ByStartSequence { start_sequence: last + 1 },
                None => consumer::DeliverPolicy::All,
            };
            let ack_policy = consumer::AckPolicy::None;
            let config = consumer::pull::Config { deliver_policy, ack_policy, ..Default::default() };
            let consumer = context.get_stream("s").await?.create_consumer(config).await?;
            let messages = consumer.stream().heartbeat(SOON).expires(10 * SOON).messages().await?;
            Ok::<_, Failure>(messages.map(|message| Ok(message?)))
        }
    };
    // What is deleted is made again by `open`.
    let breaks = |error: &Failure| {
        let gone = error.downcast_ref::<consumer::pull::MessagesError>();
        if gone.is_some() { Verdict::transient().with_fault(Fault::Read) } else { error.verdict() }
    };
    let sequence = |message: &jetstream::Message| message.info().ok().map(|info| info.stream_sequence);
    let policy = persevere::stream::POLICY.backoff(SOON).max_wait(2 * SOON).attempt_timeout(10 * SOON).when(breaks);
    let feed = persevere::stream::resume(policy, open, sequence).stall(10 * SOON).take(MESSAGES);

    let publishing = async {
        for number in 0..MESSAGES {
            let publish = || async {
                let message = jetstream::message::PublishMessage::build().payload(number.to_string().into());
                context.send_publish("s.a", message.message_id(number.to_string())).await?.await
            };
            let policy = persevere::Policy::new().forever().backoff(SOON / 10).max_wait(SOON);
            persevere::retry_async(policy, publish).await.unwrap();
            tokio::time::sleep(SOON / 20).await;
        }
    };
    let killing = async {
        for _ in 0..2 {
            tokio::time::sleep(2 * SOON).await;
            server.kill();
            tokio::time::sleep(2 * SOON).await;
            server.again().await;
        }
    };
    let reading = feed.map(|message| String::from_utf8(message.unwrap().payload.to_vec()).unwrap()).collect::<Vec<_>>();
    let all = async { tokio::join!(reading, publishing, killing) };
    let (read, (), ()) = tokio::time::timeout(Duration::from_secs(60), all).await.expect("it goes on");
    assert_eq!(read, (0..MESSAGES).map(|number| number.to_string()).collect::<Vec<_>>());
}
