//! Names of runs, in reports, in events and in metrics.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex};

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use persevere::testing::VirtualTimer;
use persevere::{Event, Jitter, Policy, Report, SharedRetry, StopReason, guard::Breaker, report::GaveUp, retry};

use crate::support::{Door, secs, through};

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

#[test]
fn a_named_run_says_its_name_in_the_report_through_every_entry_point() {
    for door in Door::ALL {
        let mut report = Report::new();
        let timer = VirtualTimer::new();
        let run = Policy::new().total(1).name("load page").timer(timer).report(&mut report);
        let _: io::Result<()> = through!(door, run, || Err(reset()));
        assert_eq!(report.name(), Some("load page"), "{door:?}");
        assert!(report.to_string().starts_with("load page: retries exhausted after 2 attempts"), "{report}");
    }
    // A success at the first try has a name, too, and an unnamed run clears it.
    let mut report = Report::new();
    Policy::new().name("quick").report(&mut report).run(|| Ok::<_, io::Error>(())).unwrap();
    assert_eq!(report.name(), Some("quick"));
    Policy::new().report(&mut report).run(|| Ok::<_, io::Error>(())).unwrap();
    assert_eq!(report.name(), None);
}

#[test]
fn the_last_name_holds_wherever_it_stands_in_the_chain() {
    let mut report = Report::new();
    let run = Policy::new().name("first").seed(7).attempt_timeout(secs(5)).name("second").waits([secs(0)]);
    let run = run.when(|_: &io::Error| false).report(&mut report);
    futures::executor::block_on(run.run_async(|| async { Ok::<_, io::Error>(()) })).unwrap();
    assert_eq!(report.name(), Some("second"));
}

#[retry(total = 1, backoff = 0.0, report = report)]
fn charge_card(report: &mut Report) -> io::Result<()> {
    Err(reset())
}

#[retry(total = 1, backoff = 0.0, name = "pictures", report = report)]
async fn load_picture(report: &mut Report) -> io::Result<()> {
    Err(reset())
}

#[retry(policy = Policy::new().total(0).name("house rule"), report = report)]
fn under_a_named_policy(report: &mut Report) -> io::Result<()> {
    Err(reset())
}

#[retry(total = 0, report = report)]
fn r#match(report: &mut Report) -> io::Result<()> {
    Err(reset())
}

#[tokio::test]
async fn the_attribute_names_a_run_after_its_function_unless_it_has_a_name() {
    let mut report = Report::new();
    let _ = charge_card(&mut report);
    assert_eq!(report.name(), Some("charge_card"));
    let _ = load_picture(&mut report).await;
    assert_eq!(report.name(), Some("pictures"));
    let _ = under_a_named_policy(&mut report);
    assert_eq!(report.name(), Some("house rule"));
    let _ = r#match(&mut report);
    assert_eq!(report.name(), Some("match"));
}

#[test]
fn two_operations_have_two_counters() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let _ = charge_card(&mut Report::new());
        let _ = Policy::new().total(2).backoff(secs(0)).name("load_picture").run(|| Err::<(), _>(reset()));
        let _ = Policy::new().total(3).backoff(secs(0)).run(|| Err::<(), _>(reset()));
    });
    let mut counted = Vec::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let name = key.key().labels().find(|label| label.key() == "retry.name").map(|label| label.value().to_owned());
        if let ("persevere.retries", DebugValue::Counter(count)) = (key.key().name(), value) {
            counted.push((name, count));
        }
    }
    counted.sort();
    let [card, picture] = ["charge_card", "load_picture"].map(|name| Some(name.to_owned()));
    assert_eq!(counted, [(None, 3), (card, 1), (picture, 2)]);
}

#[test]
fn an_event_is_a_line_of_a_log_without_secrets() {
    let mut lines = Vec::new();
    let timer = VirtualTimer::new();
    let secret = || io::Error::new(io::ErrorKind::ConnectionReset, "GET http://me:hunter2@h/?key=hunter2\nforged");
    let run = Policy::new().total(1).jitter(Jitter::None).immediate_first(false).backoff(secs(2)).timer(timer);
    let _ = run.on_retry(|event: Event<'_, io::Error>| lines.push(event.to_string())).run(|| Err::<(), _>(secret()));
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.starts_with("attempt 1 failed (read: GET http://"), "{line}");
    assert!(line.ends_with("), next in 2 s"), "{line}");
    assert!(!line.contains("hunter2") && !line.contains('\n'), "{line}");
    // After the wait the error is gone, and the line leaves it out.
    let mut after = String::new();
    let run = Policy::new().total(1).backoff(secs(0)).before_retry(|event| after = event.to_string());
    let _ = run.run(|| Err::<(), _>(reset()));
    assert_eq!(after, "attempt 1 failed (read), next in 0 s");
}

#[test]
fn giving_up_is_told_once_with_its_reason_through_every_entry_point() {
    for door in Door::ALL {
        let told = RefCell::new(Vec::new());
        let tell = |gave_up: GaveUp| told.borrow_mut().push((gave_up.reason(), gave_up.attempts()));
        let timer = VirtualTimer::new();
        let policy = Policy::new().total(1).timer(timer);
        let _: io::Result<()> = through!(door, policy.clone().on_give_up(tell), || Err(reset()));
        let _: io::Result<()> = through!(door, policy.clone().on_give_up(tell), || Ok(()));
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        let _: io::Result<()> = through!(door, policy.clone().on_give_up(tell), || Err(missing()));
        let breaker = Breaker::new().min_outcomes(1);
        breaker.admit(secs(0)).unwrap().failed(secs(0));
        let refused = policy.clone().breaker(&breaker).on_give_up(tell);
        let _: io::Result<()> = through!(door, refused, || unreachable!("the breaker is open"));
        let expected = [(StopReason::Exhausted, 2), (StopReason::Permanent, 1), (StopReason::BreakerOpen, 0)];
        assert_eq!(*told.borrow(), expected, "{door:?}");
    }
    let mut line = String::new();
    let _ = Policy::new().total(0).on_give_up(|gave_up| line = gave_up.to_string()).run(|| Err::<(), _>(reset()));
    assert_eq!(line, "gave up after 1 attempt: retries exhausted");
}

#[test]
fn a_shared_retry_keeps_its_hooks_for_giving_up() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let [first, second] = [(); 2].map(|()| Arc::clone(&told));
    let shared: SharedRetry<io::Error> = Policy::new()
        .total(0)
        .on_give_up(move |_| first.lock().unwrap().push(1))
        .on_give_up(move |_| second.lock().unwrap().push(2))
        .shared();
    let _ = shared.clone().run(|| Err::<(), _>(reset()));
    let _ = shared.run(|| Err::<(), _>(reset()));
    assert_eq!(*told.lock().unwrap(), [1, 2, 1, 2]);
}

#[retry(total = 0, on_give_up = |gave_up| told.push(gave_up.reason()))]
fn under_the_attribute(told: &mut Vec<StopReason>) -> io::Result<()> {
    Err(reset())
}

#[test]
fn the_attribute_has_a_key_for_giving_up() {
    let mut told = Vec::new();
    let _ = under_the_attribute(&mut told);
    assert_eq!(told, [StopReason::Exhausted]);
}
