//! What a report keeps, and how it reads.

use std::fmt;
use std::io;
use std::mem::size_of;
use std::time::Duration;

use futures::executor::block_on;
use persevere::testing::VirtualTimer;
use persevere::{
    Fault, Jitter, Policy, Report, Retryable, StopReason, Verdict, report::Failure, retry_async, time::Timer,
};

use crate::support::{Door, Failed, millis, secs, texts_with_secrets, through, transient};

/// Waits 0, 0.6 s, 1.2 s, exactly.
const PLAIN: Policy = Policy::new().jitter(Jitter::None);

/// Fails without end, each time with the number of the attempt.
fn numbered() -> impl FnMut() -> Result<(), Failed> {
    let mut calls = 0;
    move || {
        calls += 1;
        Err(Failed::new(calls, Verdict::transient()))
    }
}

/// A report of one attempt that failed with this text.
fn told(text: &'static str) -> String {
    let mut report = Report::new();
    let outcome: io::Result<()> = PLAIN.report(&mut report).run(|| Err(io::Error::new(io::ErrorKind::NotFound, text)));
    assert!(outcome.is_err());
    let display = report.to_string();
    assert!(!display.contains(['\n', '\r']), "{display}");
    report.failures().next().unwrap().message().to_owned()
}

#[test]
fn a_million_failures_leave_the_first_four_and_the_last_four() {
    let mut report = Report::new();
    let waits = std::iter::repeat_n(Duration::ZERO, 999_999);
    let timer = VirtualTimer::new();
    let _ = PLAIN.waits(waits).timer(&timer).report(&mut report).run(numbered());
    assert_eq!((report.attempts(), report.omitted()), (1_000_000, 999_992));
    let kept: Vec<_> = report.failures().map(|failure| (failure.attempt(), failure.message().to_owned())).collect();
    let expected = [1, 2, 3, 4, 999_997, 999_998, 999_999, 1_000_000];
    assert_eq!(kept, expected.map(|number| (number, format!("failure {number}"))));
}

#[test]
fn every_number_of_failures_is_told_in_order() {
    for failures in 1..30 {
        let mut report = Report::new();
        let timer = VirtualTimer::new();
        let _ = PLAIN.total(failures - 1).timer(&timer).report(&mut report).run(numbered());
        let kept: Vec<_> = report.failures().map(Failure::attempt).collect();
        let expected: Vec<_> = (1..=failures).filter(|&number| number <= 4 || number + 4 > failures).collect();
        assert_eq!(kept, expected);
        assert_eq!(report.omitted() as usize, failures as usize - kept.len());
    }
}

#[test]
fn a_report_is_of_one_size_and_on_the_stack() {
    assert!(size_of::<Report>() <= 1600, "{}", size_of::<Report>());
}

#[test]
fn times_are_those_of_the_runs_timer() {
    let timer = VirtualTimer::new();
    timer.advance(secs(1_000));
    let mut report = Report::new();
    let mut took = [2, 0, 5].into_iter();
    let run = PLAIN.total(2).timer(&timer).report(&mut report);
    let outcome = block_on(run.run_async(|| {
        let (timer, took) = (&timer, secs(took.next().unwrap()));
        async move {
            Timer::sleep(timer, took).await;
            Err::<(), _>(transient())
        }
    }));
    assert!(outcome.is_err());
    assert_eq!((report.elapsed(), report.waited()), (millis(7600), millis(600)));
    let failures: Vec<_> = report.failures().map(|failure| (failure.took(), failure.wait())).collect();
    let expected = [(secs(2), Some(Duration::ZERO)), (Duration::ZERO, Some(millis(600))), (secs(5), None)];
    assert_eq!(failures, expected);
}

#[test]
fn the_last_attempts_time_counts_though_it_succeeded() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let mut report = Report::new();
        let mut calls = 0;
        let outcome = through!(door, PLAIN.timer(&timer).report(&mut report), || {
            calls += 1;
            timer.advance(secs(calls));
            if calls < 3 { Err(transient()) } else { Ok(()) }
        });
        assert!(outcome.is_ok());
        assert_eq!((report.elapsed(), report.waited()), (millis(6600), millis(600)), "{door:?}");
        assert_eq!(report.stop_reason(), Some(StopReason::Succeeded), "{door:?}");
    }
}

#[test]
fn a_failure_tells_its_fault_and_its_hint() {
    let mut report = Report::new();
    let timer = VirtualTimer::new();
    let busy = |_: &Failed| Verdict::transient().with_fault(Fault::Throttle).with_hint(secs(9));
    let _ = PLAIN.total(1).timer(&timer).when(busy).report(&mut report).run(numbered());
    let failure = report.failures().next().unwrap();
    assert_eq!((failure.fault(), failure.hint(), failure.wait()), (Fault::Throttle, Some(secs(9)), Some(secs(9))));
    assert_eq!(failure.to_string(), "attempt 1 (throttle, 0 s) failure 1");
}

#[test]
fn a_report_reads_as_one_line() {
    let timer = VirtualTimer::new();
    let mut report = Report::new();
    let _ = PLAIN.timer(&timer).report(&mut report).run(numbered());
    let line = "retries exhausted after 4 attempts in 1.8 s, 1.8 s of it waiting; \
                last failure: attempt 4 (other, 0 s) failure 4";
    assert_eq!(report.to_string(), line);

    let _ = PLAIN.timer(&timer).report(&mut report).run(|| Ok::<_, Failed>(()));
    assert_eq!(report.to_string(), "succeeded after 1 attempt in 0 s, 0 s of it waiting");
    assert_eq!(Report::new().to_string(), "not finished after 0 attempts in 0 s, 0 s of it waiting");
}

#[test]
fn each_reason_to_stop_is_in_the_report() {
    let verdict = Verdict::transient;
    for (policy, verdict, reason) in [
        (PLAIN, Verdict::permanent(), StopReason::Permanent),
        (PLAIN.idempotent(false), verdict(), StopReason::NotIdempotent),
        (PLAIN.total(0), verdict(), StopReason::Exhausted),
        (PLAIN.other(0), verdict(), StopReason::LimitReached(Fault::Other)),
        (PLAIN, verdict().with_hint(secs(999)), StopReason::HintTooLong { hint: secs(999) }),
        (PLAIN.within(secs(1)), verdict().with_hint(secs(2)), StopReason::DeadlineExceeded),
    ] {
        for door in Door::ALL {
            let timer = VirtualTimer::new();
            let mut report = Report::new();
            let failed = Failed::new(1, verdict);
            let _ = through!(door, policy.timer(&timer).report(&mut report), || Err::<(), _>(failed));
            assert_eq!((report.stop_reason(), report.attempts()), (Some(reason), 1), "{door:?}");
        }
    }
}

#[test]
fn control_characters_in_a_message_cannot_forge_a_line() {
    assert_eq!(told("no\r\nlevel=ERROR forged"), "no\\u{d}\\u{a}level=ERROR forged");
    assert_eq!(told("\u{1b}[31mred"), "\\u{1b}[31mred");
    assert_eq!(told("right to left: \u{202e}gpj.exe"), "right to left: \\u{202e}gpj.exe");
}

#[test]
fn no_credentials_or_queries_of_urls_are_kept() {
    assert_eq!(told("GET https://me:secret@host/path?token=abc failed"), "GET https://***@host/path?… failed");
    assert_eq!(told("postgres://root:p%2Fss@db/name#part"), "postgres://***@db/name#…");
}

#[test]
fn no_way_to_read_a_report_shows_a_secret_of_a_url() {
    // Each text through one entry point, and each entry point with a hundred texts.
    for (text, door) in texts_with_secrets().iter().zip(Door::ALL.into_iter().cycle()) {
        let mut report = Report::new();
        let run = PLAIN.total(0).report(&mut report);
        let _ = through!(door, run, || Err::<(), _>(io::Error::other(text.as_str())));
        let failure = report.failures().next().unwrap();
        let drawn = [report.timeline().width(200).to_string(), report.timeline().to_svg()];
        let shown = format!("{report} {report:?} {failure} {failure:?} {} {drawn:?}", failure.message());
        assert!(!shown.contains("SEC"), "{text:?}, {door:?}: {shown}");
        assert!(failure.message().starts_with("GET "), "{}", failure.message());
    }
}

#[test]
fn a_description_of_an_error_is_redacted_too() {
    for text in texts_with_secrets() {
        let mut report = Report::new();
        // A character at a time.
        let describe =
            |_: &Failed, f: &mut fmt::Formatter<'_>| text.chars().try_for_each(|c| fmt::Write::write_char(f, c));
        let _ = PLAIN.total(0).report_with(&mut report, describe).run(numbered());
        assert!(!report.to_string().contains("SEC"), "{text:?}: {report}");
    }
}

#[test]
fn a_long_message_is_cut_at_a_character() {
    let message = told("ü".repeat(500).leak());
    assert!(message.len() <= 96 && message.ends_with("ü…"), "{message}");
}

#[test]
fn report_with_describes_what_has_no_display() {
    struct Silent;
    impl Retryable for Silent {
        fn verdict(&self) -> Verdict {
            Verdict::transient()
        }
    }
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let mut report = Report::new();
        let describe = |_: &Silent, f: &mut fmt::Formatter<'_>| f.write_str("said\nnothing");
        let outcome: Result<(), _> =
            through!(door, PLAIN.timer(&timer).report_with(&mut report, describe), || Err(Silent));
        assert!(outcome.is_err());
        assert_eq!(report.failures().last().unwrap().message(), "said\\u{a}nothing", "{door:?}");
    }
}

#[test]
fn a_description_that_fails_leaves_what_it_wrote() {
    let mut report = Report::new();
    let fails = |_: &Failed, f: &mut fmt::Formatter<'_>| f.write_str("half of").and(Err(fmt::Error));
    let _ = PLAIN.total(0).report_with(&mut report, fails).run(numbered());
    assert_eq!(report.failures().next().unwrap().message(), "half of");
}

#[test]
fn one_run_may_write_two_reports() {
    let (mut one, mut other) = (Report::new(), Report::new());
    let timer = VirtualTimer::new();
    let describe = |_: &Failed, f: &mut fmt::Formatter<'_>| f.write_str("kept secret");
    let run = PLAIN.timer(&timer).report(&mut one).report_with(&mut other, describe);
    let _ = block_on(retry_async(run, || async { Err::<(), _>(transient()) }));
    assert_eq!((one.attempts(), other.attempts()), (4, 4));
    assert_eq!(one.failures().next().unwrap().message(), "failure 0");
    assert_eq!(other.failures().next().unwrap().message(), "kept secret");
}
