//! What a policy does for a download: limits in a row, pace, guards, report, timeouts.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use persevere::http::{Download, DownloadError, DownloadReader, HttpPolicy, RetryAgent, RetryClient, RetryExt as _};
use persevere::testing::VirtualTimer;
use persevere::{
    Event, Fault, Jitter, Policy, Report, StopReason,
    guard::{Breaker, Budget},
    time::Stop,
};

use super::origin::{ASK, Ask, Asked, CLIENTS, Origin, Reply, part, reply, version};
use crate::faults::install_provider;

const LENGTH: usize = 10_000;
const TAG: &str = "etag: \"v1\"\r\n";

/// A server that gives so many bytes, and then breaks.
fn piecewise(piece: usize) -> Origin {
    Origin::new(move |_, asked| pieces(asked, piece))
}

fn pieces(asked: &Asked, piece: usize) -> Reply {
    match asked.from() {
        None => reply(200, TAG, &version(1, LENGTH), piece),
        Some(from) => part(TAG, &version(1, LENGTH), from, LENGTH, piece),
    }
}

fn session(policy: impl Into<HttpPolicy>) -> RetryClient<reqwest::Client> {
    install_provider();
    RetryClient::new(reqwest::Client::builder().no_proxy().build().unwrap(), policy)
}

async fn read(mut download: Download<'_>) -> Result<Vec<u8>, DownloadError> {
    let mut body = Vec::new();
    while let Some(chunk) = download.chunk().await? {
        body.extend(chunk);
    }
    Ok(body)
}

/// Not `Copy`, and with a type that can be written down.
struct Job {
    download: Download<'static>,
}

#[tokio::test]
async fn a_download_can_be_kept_in_a_field_and_sent_to_a_task() {
    let origin = piecewise(4_000);
    let mut job = Job { download: session(Policy::new().backoff(Duration::ZERO)).get(origin.url()).download() };
    let task = tokio::spawn(async move {
        let first = job.download.chunk().await.unwrap().unwrap();
        (first.len(), read(job.download).await)
    });
    let (first, rest) = task.await.unwrap();
    assert!(rest.unwrap() == version(1, LENGTH)[first..]);
}

#[tokio::test]
async fn a_download_is_a_stream_that_ends_once() {
    let origin = piecewise(4_000);
    let mut download = session(Policy::new().backoff(Duration::ZERO)).get(origin.url()).download();
    let mut body = Vec::new();
    while let Some(chunk) = download.next().await {
        body.extend(chunk.unwrap());
    }
    assert!(body == version(1, LENGTH));
    assert!(futures::stream::FusedStream::is_terminated(&download));
    assert!(download.next().await.is_none());
}

#[tokio::test]
async fn a_request_of_a_plain_client_is_downloaded_by_its_policy() {
    install_provider();
    let origin = piecewise(4_000);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let download = client.get(origin.url()).retry(Policy::new().backoff(Duration::ZERO)).download();
    assert!(read(download).await.unwrap() == version(1, LENGTH));
}

#[tokio::test]
async fn a_stop_ends_the_wait_of_a_download_with_the_last_error() {
    let origin =
        Origin::new(|_, asked| if asked.range.is_none() { pieces(asked, 100) } else { reply(503, "", b"", 0) });
    let (stop, mut report) = (Stop::new(), Report::new());
    let policy = Policy::new().backoff(Duration::from_secs(3600)).jitter(Jitter::None).stopped_by(&stop);
    let mut download = session(Policy::new()).get(origin.url()).policy(policy.report(&mut report)).download();
    assert_eq!(download.chunk().await.unwrap().unwrap().len(), 100);
    let (ended, ()) = tokio::join!(download.chunk(), async {
        while origin.asked().len() < 2 {
            tokio::task::yield_now().await;
        }
        stop.stop();
    });
    assert_eq!(ended.unwrap_err().status().unwrap(), 503);
    drop(download);
    assert_eq!(report.stop_reason(), Some(StopReason::Stopped));
}

#[tokio::test]
async fn a_chunk_that_is_dropped_while_it_waits_is_not_lost() {
    let origin = piecewise(4_000);
    let mut download =
        session(Policy::new().backoff(Duration::from_millis(10)).jitter(Jitter::None)).get(origin.url()).download();
    let mut body = Vec::new();
    let mut dropped = 0;
    loop {
        match tokio::time::timeout(Duration::from_micros(100), download.chunk()).await {
            Err(_) => {
                dropped += 1;
                assert_eq!(download.position(), body.len() as u64);
                assert_eq!(download.total(), (!body.is_empty()).then_some(LENGTH as u64));
                assert_eq!(download.headers().is_some(), !body.is_empty());
            }
            Ok(Ok(Some(chunk))) => body.extend(chunk),
            Ok(Ok(None)) => break,
            Ok(Err(error)) => panic!("{error}"),
        }
    }
    assert!(body == version(1, LENGTH));
    assert!(dropped > 0);
    assert_eq!(origin.asked().len(), 3);
}

#[tokio::test]
async fn only_enough_bytes_make_the_waits_short_again() {
    let waited = async |earned: Option<u64>| {
        let (origin, timer) = (piecewise(1_000), VirtualTimer::new());
        let policy = Policy::new().total(1).backoff(Duration::from_secs(1)).jitter(Jitter::None).timer(&timer);
        let mut download = session(Policy::new()).get(origin.url()).policy(policy).download();
        if let Some(earned) = earned {
            download = download.earned_by(earned);
        }
        assert!(read(download).await.unwrap() == version(1, LENGTH));
        assert_eq!(origin.asked().len(), 10);
        timer.elapsed()
    };
    // 0, 2, 4, .. s, up to the longest wait of 120 s; and 0 each time.
    assert!(waited(None).await > Duration::from_secs(360));
    assert_eq!(waited(Some(1_000)).await, Duration::ZERO);
}

#[test]
fn small_parts_are_not_asked_for_without_a_pause_after_a_large_one() {
    const LARGE: usize = 100 * 1024;
    let content = Arc::new(version(1, LARGE + 10 * 10));
    for (piece, pauses) in [(10, true), (LARGE, false)] {
        let served = content.clone();
        // Each part ends well, before the end of the content.
        let origin = Origin::new(move |_, asked| match asked.from() {
            None => reply(200, TAG, &served, 1),
            Some(1) => part(TAG, &served, 1, LARGE, LARGE),
            Some(from) => part(TAG, &served, from, served.len().min(from + piece), LARGE),
        });
        for client in CLIENTS {
            let got = client.download(&origin.url(), Ask { restarts: 0, ..ASK });
            assert!(got.ended.is_ok() && got.body == **content, "{client:?}");
            assert_eq!(got.waited > Duration::from_secs(2), pauses, "{client:?}: {:?}", got.waited);
        }
    }
}

#[tokio::test]
async fn the_limits_count_failures_in_a_row() {
    // Two failures, progress, two failures, ..
    let origin = Origin::new(|number, asked| match number % 3 {
        0 => pieces(asked, 1_000),
        _ => reply(503, "", b"", 0),
    });
    let timer = VirtualTimer::new();
    let mut report = Report::new();
    let policy = Policy::new().total(3).timer(&timer).report(&mut report).name("film");
    let body = read(session(Policy::new()).get(origin.url()).policy(policy).download()).await;
    assert!(body.unwrap() == version(1, LENGTH));
    assert_eq!(report.stop_reason(), Some(StopReason::Succeeded));
    assert_eq!(report.name(), Some("film"));

    let origin = Origin::new(|number, asked| if number == 0 { pieces(asked, 1_000) } else { reply(503, "", b"", 0) });
    let policy = Policy::new().total(3).timer(&timer).report(&mut report);
    let error = read(session(Policy::new()).get(origin.url()).policy(policy).download()).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 503);
    assert_eq!(report.stop_reason(), Some(StopReason::Exhausted));
    assert_eq!(origin.asked().len(), 4);
    assert_eq!(report.failures().last().map(persevere::report::Failure::fault), Some(Fault::Throttle));
}

#[tokio::test]
async fn a_sessions_rules_and_mounts_hold_for_a_download() {
    let origin = Origin::new(|number, asked| if number == 0 { reply(404, "", b"", 0) } else { pieces(asked, LENGTH) });
    let base = origin.url();
    let late = HttpPolicy::new(Policy::new().total(1).backoff(Duration::ZERO)).also_retry(404);
    let session = session(Policy::new().total(0)).mount(&base[..base.len() - 5], late);
    assert!(read(session.get(&base).download()).await.unwrap() == version(1, LENGTH));
    assert_eq!(origin.asked().len(), 2);
}

#[tokio::test]
async fn a_breaker_and_a_budget_stand_beside_a_download() {
    let origin = Origin::new(|_, _| reply(503, "", b"", 0));
    let breaker = Arc::new(Breaker::new().min_outcomes(2));
    let quick = Policy::new().total(10).backoff(Duration::ZERO);
    let guarded = session(quick).breaker(breaker.clone());
    let error = read(guarded.get(origin.url()).download()).await.unwrap_err();
    assert!(error.rejected().is_some() || error.status().is_some(), "{error}");
    assert_eq!(origin.asked().len(), 2);
    let error = read(guarded.get(origin.url()).download()).await.unwrap_err();
    assert!(error.rejected().is_some(), "{error}");
    assert_eq!(origin.asked().len(), 2);

    let origin = piecewise(100);
    let budget = Arc::new(Budget::quota(2, 1, 1));
    let error = read(session(quick).budget(budget).get(origin.url()).download()).await.unwrap_err();
    assert!(error.client_error::<reqwest::Error>().is_some());
    assert_eq!(origin.asked().len(), 3);

    // What goes on after many new bytes is no load beside the first request's.
    let (origin, budget) = (piecewise(500), Arc::new(Budget::quota(2, 1, 1)));
    let download = session(quick).budget(budget).get(origin.url()).download().earned_by(500);
    assert!(read(download).await.unwrap() == version(1, LENGTH));
}

#[tokio::test]
async fn hooks_are_called_and_a_retry_is_told() {
    let origin = piecewise(4_000);
    let (mut before, mut retries) = (0, 0);
    let policy = Policy::new().backoff(Duration::ZERO).on_retry(|_: Event<'_, reqwest::Error>| retries += 1);
    let policy = policy.before_retry(|_| {
        before += 1;
        async { tokio::task::yield_now().await }
    });
    let download = session(Policy::new()).get(origin.url()).policy(policy).download();
    assert!(read(download).await.unwrap() == version(1, LENGTH));
    assert_eq!((before, retries), (2, 2));
}

#[tokio::test]
async fn an_attempt_timeout_cuts_the_body_which_goes_on() {
    let origin = Origin::new(|_, asked| Reply { stalls: true, ..pieces(asked, 4_000) });
    let policy = Policy::new().total(50).backoff(Duration::ZERO).attempt_timeout(Duration::from_millis(120));
    let download = session(Policy::new()).get(origin.url()).policy(policy).download();
    assert!(read(download).await.unwrap() == version(1, LENGTH));
    assert!(origin.asked().len() >= 3);
}

#[tokio::test]
async fn a_deadline_ends_a_download_in_its_body() {
    let origin = Origin::new(|_, asked| Reply { stalls: true, ..pieces(asked, 4_000) });
    let mut report = Report::new();
    let policy = Policy::new().backoff(Duration::ZERO).deadline(Duration::from_millis(150)).report(&mut report);
    let mut download = session(Policy::new()).get(origin.url()).policy(policy).download();
    let mut read = 0;
    let error = loop {
        match download.chunk().await {
            Ok(chunk) => read += chunk.unwrap().len(),
            Err(error) => break error,
        }
    };
    assert!(error.client_error::<reqwest::Error>().unwrap().is_timeout());
    // A busy machine may not have come so far.
    assert!(read <= 4_000, "{read}");
    drop(download);
    assert_eq!(report.stop_reason(), Some(StopReason::DeadlineExceeded));
}

#[tokio::test]
async fn a_request_that_cannot_be_built_is_one_permanent_failure() {
    let mut report = Report::new();
    let policy = Policy::new().report(&mut report);
    let download = session(Policy::new()).get("http://").policy(policy).download();
    let error = read(download).await.unwrap_err();
    assert!(error.client_error::<reqwest::Error>().unwrap().is_builder());
    assert_eq!((report.attempts(), report.stop_reason()), (1, Some(StopReason::Permanent)));
}

#[tokio::test]
async fn a_body_that_can_be_sent_once_or_a_post_is_not_asked_for_again() {
    let ask = async |post: bool| {
        let origin = piecewise(4_000);
        let mut report = Report::new();
        let policy = Policy::new().backoff(Duration::ZERO).report(&mut report);
        let session = session(Policy::new());
        let request = if post {
            session.post(origin.url()).body("query")
        } else {
            let once = http_body_util::Full::new(hyper::body::Bytes::from("query"));
            session.get(origin.url()).body(reqwest::Body::wrap(once))
        };
        assert!(read(request.policy(policy).download().restarts(5)).await.is_err());
        assert_eq!(origin.asked().len(), 1);
        report.stop_reason()
    };
    assert_eq!(ask(true).await, Some(StopReason::NotIdempotent));
    assert_eq!(ask(false).await, Some(StopReason::BodyNotReplayable));
}

#[tokio::test]
async fn progress_is_told_with_the_position_and_the_total() {
    let origin = piecewise(4_000);
    let mut told = Vec::new();
    let download = session(Policy::new().backoff(Duration::ZERO)).get(origin.url()).download();
    assert!(download.headers().is_none());
    let download = download.on_progress(|position, total| told.push((position, total)));
    assert!(read(download).await.unwrap() == version(1, LENGTH));
    assert!(told.is_sorted() && told.len() >= 3, "{told:?}");
    assert!(told.iter().all(|&(_, total)| total == Some(LENGTH as u64)));
    assert_eq!(told.last().unwrap().0, LENGTH as u64);
}

/// With a blocking client.
struct BlockingJob {
    download: DownloadReader<'static>,
}

#[test]
fn a_blocking_download_can_be_kept_in_a_field_and_sent_to_a_thread() {
    install_provider();
    let origin = piecewise(4_000);
    let quick = Policy::new().backoff(Duration::ZERO);
    let reqwest = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
    for download in [
        RetryClient::new(reqwest, quick).get(origin.url()).download(),
        RetryAgent::new(agent, quick).get(&origin.url()).download(),
    ] {
        let mut job = BlockingJob { download };
        let mut body = Vec::new();
        let read = std::thread::spawn(move || job.download.read_to_end(&mut body).map(|_| body)).join().unwrap();
        assert!(read.unwrap() == version(1, LENGTH));
    }
}

#[test]
fn a_blocking_download_obeys_its_policy() {
    install_provider();
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
    let session = RetryAgent::new(agent, Policy::new()).breaker(Arc::new(Breaker::new().min_outcomes(2)));
    let origin = Origin::new(|_, _| reply(503, "retry-after: 3\r\n", b"", 0));
    let (timer, mut report, mut before, mut retries) = (VirtualTimer::new(), Report::new(), 0, 0);
    let policy = Policy::new().total(1).timer(&timer).report(&mut report).name("film");
    let policy = policy.before_retry(|_| before += 1).on_retry(|_: Event<'_, ureq::Error>| retries += 1);
    let mut download = session.get(&origin.url()).policy(policy).download();
    let error = download.read(&mut [0; 9]).unwrap_err().downcast::<DownloadError>().unwrap();
    assert_eq!(error.status().unwrap(), 503);
    assert!(download.read(&mut [0; 9]).unwrap_err().to_string().contains("before"));
    assert_eq!(download.read(&mut []).unwrap(), 0);
    drop(download);
    assert_eq!((report.stop_reason(), report.name()), (Some(StopReason::Exhausted), Some("film")));
    assert_eq!((before, retries, origin.asked().len()), (1, 1, 2));
    assert!(timer.elapsed() >= Duration::from_secs(3));
    let policy = Policy::new().timer(&timer);
    let error = session.get(&origin.url()).policy(policy).download().read(&mut [0; 9]).unwrap_err();
    assert!(error.downcast::<DownloadError>().unwrap().rejected().is_some());

    let mut report = Report::new();
    let policy = Policy::new().report(&mut report);
    let error = session.get("http://[").policy(policy).download().read(&mut [0; 9]).unwrap_err();
    assert!(error.downcast::<DownloadError>().unwrap().client_error::<ureq::Error>().is_some());
    assert_eq!((report.attempts(), report.stop_reason()), (1, Some(StopReason::Permanent)));
}

#[test]
fn an_attempt_timeout_cuts_a_blocking_body_which_goes_on() {
    install_provider();
    let origin = Origin::new(|_, asked| Reply { stalls: true, ..pieces(asked, 4_000) });
    let policy = Policy::new().total(50).backoff(Duration::ZERO).attempt_timeout(Duration::from_millis(60));
    let reqwest = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
    for mut download in [
        RetryClient::new(reqwest, Policy::new()).get(origin.url()).policy(policy).download(),
        RetryAgent::new(agent, Policy::new()).get(&origin.url()).policy(policy).download(),
    ] {
        let mut body = Vec::new();
        download.read_to_end(&mut body).unwrap();
        assert!(body == version(1, LENGTH));
    }
    assert!(origin.asked().len() >= 6);
}

/// As in `cargo run -p download`, which measures the time and the memory.
#[test]
fn a_large_body_that_is_cut_all_the_time_comes_whole_by_three_failures_in_a_row() {
    const PIECE: usize = 300 * 1024;
    let content = Arc::new(version(1, 6 * 1024 * 1024));
    let served = content.clone();
    let origin = Origin::new(move |_, asked| match asked.from() {
        None => reply(200, TAG, &served, PIECE),
        Some(from) => part(TAG, &served, from, served.len(), PIECE),
    });
    for client in CLIENTS {
        let got = client.download(&origin.url(), Ask { restarts: 0, ..ASK });
        assert!(got.ended.is_ok() && got.body == **content, "{client:?}");
        assert_eq!(got.waited, Duration::ZERO, "{client:?}: each cut came after enough bytes");
        assert_eq!(origin.take().len(), content.len().div_ceil(PIECE), "{client:?}");
    }
}
