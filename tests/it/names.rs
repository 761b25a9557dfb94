//! Names of runs, in reports, in events and in metrics.

use std::io;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use persevere::testing::VirtualTimer;
use persevere::{Policy, Report, retry};

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
