//! Server-sent events over reqwest, through a parser: a feed that goes on where it broke, by `Last-Event-ID`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eventsource_stream::{Event, EventStreamError, Eventsource as _};
use futures::{Stream, StreamExt as _};
use persevere::http::{StatusError, error_for_status};
use persevere::{Fault, Policy, Report, Retryable, StopReason, TimedOut, stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::proxy::reset;

/// What a feed can fail with.
#[derive(Debug, thiserror::Error, Retryable)]
enum FeedError {
    #[error(transparent)]
    #[retry(forward)]
    Http(#[from] reqwest::Error),
    #[error(transparent)]
    #[retry(forward)]
    Status(#[from] StatusError),
    #[error("the server has no more events")]
    #[retry(permanent)]
    Gone,
    #[error("an event can't be read")]
    #[retry(permanent)]
    Garbled,
    #[error("the feed ended")]
    #[retry(read)]
    Ended,
    #[error("nothing came")]
    #[retry(timed_out)]
    Silent(TimedOut),
}

impl From<EventStreamError<reqwest::Error>> for FeedError {
    fn from(error: EventStreamError<reqwest::Error>) -> Self {
        match error {
            EventStreamError::Transport(error) => error.into(),
            _ => Self::Garbled,
        }
    }
}

/// How a connection ends, after three events.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// In the middle of the fourth event, with its chunk.
    Cut,
    Reset,
    Clean,
    Silence,
    /// Before any event, with this status.
    Status(&'static str),
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Option<u64>>>>);

/// A server with so many events. Its connections end in these ways, one after the other, and then over again.
async fn serve(events: u64, ends: &'static [End]) -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let told = seen.clone();
    tokio::spawn(async move {
        let mut ends = ends.iter().cycle();
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(feed(connection, events, *ends.next().unwrap(), told.clone()));
        }
    });
    (address, seen)
}

async fn feed(mut connection: TcpStream, events: u64, end: End, seen: Seen) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let last = head.split("last-event-id: ").nth(1).map(|rest| rest.split("\r\n").next().unwrap().parse().unwrap());
    seen.0.lock().unwrap().push(last);
    if let End::Status(status) = end {
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return connection.write_all(answer.as_bytes()).await;
    }
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    connection.write_all(head.as_bytes()).await?;
    let first = last.unwrap_or(0) + 1;
    for id in (first..=events).take(3) {
        // A comment keeps the connection alive, and is no event.
        let event = format!(": alive\n\nid: {id}\ndata: event {id}\n\n");
        connection.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await?;
    }
    match end {
        End::Cut => connection.write_all(b"40\r\nid: 99\ndata: half an ev").await,
        // What was written is to arrive first.
        End::Reset => {
            tokio::time::sleep(Duration::from_millis(20)).await;
            reset(connection);
            Ok(())
        }
        End::Silence => std::future::pending().await,
        _ => connection.write_all(b"0\r\n\r\n").await,
    }
}

/// The whole of a client: this is what a program writes.
fn events(policy: Policy, address: SocketAddr) -> impl Stream<Item = Result<Event, FeedError>> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let open = move |last: Option<String>| {
        let mut request = client.get(format!("http://{address}/events"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        async move {
            let response = error_for_status(request.send().await?)?;
            if response.status() == 204 {
                return Err(FeedError::Gone);
            }
            Ok(response.bytes_stream().eventsource().map(|event| Ok(event?)))
        }
    };
    let id = |event: &Event| Some(event.id.clone()).filter(|id| !id.is_empty());
    stream::resume(policy, open, id).unending(|| FeedError::Ended).stall(Duration::from_millis(150))
}

const QUICK: Policy = stream::POLICY.backoff(Duration::from_millis(10)).max_wait(Duration::from_millis(20));

/// The numbers of the events until the feed ends, and its last error.
async fn all(feed: impl Stream<Item = Result<Event, FeedError>>) -> (Vec<u64>, Option<FeedError>) {
    let (mut ids, mut error) = (Vec::new(), None);
    let mut feed = std::pin::pin!(feed);
    while let Some(event) = feed.next().await {
        match event {
            Ok(event) => {
                assert_eq!(event.data, format!("event {}", event.id));
                ids.push(event.id.parse().unwrap());
            }
            Err(broken) => error = Some(broken),
        }
    }
    (ids, error)
}

#[tokio::test]
async fn each_event_comes_once_and_in_order_however_the_connections_end() {
    const EVENTS: u64 = 20;
    let ends: [&[End]; 6] = [
        &[End::Cut],
        &[End::Reset],
        &[End::Clean],
        &[End::Silence],
        &[End::Cut, End::Status("503 Service Unavailable")],
        &[End::Cut, End::Reset, End::Clean, End::Silence, End::Status("502 Bad Gateway")],
    ];
    for ends in ends {
        let (address, seen) = serve(EVENTS, ends).await;
        let feed = events(QUICK, address).take(EVENTS as usize);
        let (ids, error) = all(feed).await;
        assert!(error.is_none(), "{ends:?}: {error:?}");
        assert_eq!(ids, (1..=EVENTS).collect::<Vec<_>>(), "{ends:?}");
        let seen = seen.0.lock().unwrap();
        assert_eq!(seen[0], None);
        assert!(seen.iter().skip(1).all(|last| last.is_none_or(|last| last % 3 == 0)), "{ends:?} {seen:?}");
    }
}

#[tokio::test]
async fn a_server_without_events_is_given_up_and_one_that_says_so_at_once() {
    let (address, seen) = serve(0, &[End::Clean]).await;
    let (ids, error) = all(events(QUICK.total(3), address)).await;
    assert!(ids.is_empty() && matches!(error, Some(FeedError::Ended)), "{error:?}");
    assert_eq!(seen.0.lock().unwrap().len(), 4);

    let (address, seen) = serve(20, &[End::Cut, End::Status("204 No Content")]).await;
    let (ids, error) = all(events(QUICK, address)).await;
    assert!(matches!(error, Some(FeedError::Gone)), "{error:?}");
    assert_eq!((ids, seen.0.lock().unwrap().len()), (vec![1, 2, 3], 2));
}

#[tokio::test]
async fn the_wait_that_the_server_asks_for_is_kept() {
    const END: [End; 2] = [End::Cut, End::Status("503 Service Unavailable\r\nretry-after: 1")];
    let (address, seen) = serve(6, &END).await;
    let feed = events(QUICK.max_hint(Duration::from_millis(500)), address);
    let (ids, error) = all(feed).await;
    // It is longer than what is allowed here.
    assert!(matches!(error, Some(FeedError::Status(_))), "{error:?}");
    assert_eq!((ids, seen.0.lock().unwrap().len()), (vec![1, 2, 3], 2));
}

#[tokio::test]
async fn a_report_has_each_outage() {
    let (address, _) = serve(6, &[End::Cut, End::Silence]).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut report = Report::new();
    let started = Instant::now();
    {
        let open = |last: Option<String>| {
            let request = client.get(format!("http://{address}/")).header("last-event-id", last.unwrap_or("0".into()));
            async move { Ok(request.send().await?.bytes_stream().eventsource().map(|event| Ok::<_, FeedError>(event?))) }
        };
        let policy = QUICK.total(1).name("events").report(&mut report);
        let feed = stream::resume(policy, open, |event: &Event| Some(event.id.clone()));
        let (ids, error) = all(feed.stall(Duration::from_millis(100))).await;
        assert_eq!(ids, [1, 2, 3, 4, 5, 6]);
        assert!(error.is_some(), "the server has no more");
    }
    assert!(started.elapsed() < Duration::from_secs(2));
    let faults: Vec<_> = report.failures().map(|failure| failure.fault()).collect();
    assert_eq!(faults[..2], [Fault::Read, Fault::Timeout], "{report}");
    assert_eq!(report.stop_reason(), Some(StopReason::Exhausted));
    assert!(report.to_string().starts_with("events: "));
}
