//! Drawings: of runs, of policies, for terminals and as pictures; and the one line for logs.

use std::io;
use std::time::Duration;

use persevere::testing::{Script, VirtualTimer};
use persevere::{Backoff, Event, Jitter, Policy, Report, report::Timeline};
use proptest::prelude::*;

use crate::support::{Door, Failed, any_backoff, any_time, any_verdict, millis, secs, through};

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

/// A run of this script in virtual time.
fn run(policy: Policy, script: Script<u32, io::Error>) -> Report {
    let (timer, mut report) = (VirtualTimer::new(), Report::new());
    let script = script.timer(&timer);
    let _ = policy.when(|_: &io::Error| true).timer(&timer).report(&mut report).run(|| script.call());
    report
}

const PLAIN: Policy = Policy::new().jitter(Jitter::None);

#[test]
fn a_run_is_drawn_to_scale() {
    let script = Script::new()
        .stall(secs(1))
        .fail(1, reset)
        .stall(secs(2))
        .fail(1, || io::Error::other("a long tale of what went wrong, longer than there is room for"))
        .stall(millis(1200))
        .fail(1, reset)
        .stall(millis(600))
        .succeed(7);
    let report = run(PLAIN, script);
    let drawn = "\
succeeded after 4 attempts in 6.6 s, 1.8 s of it waiting
n  0 s               6.6 s  fault        took     wait  message
1  ███                      other         1 s      0 s  connection reset
2     ███████░░░            other         2 s   600 ms  a long tale of what wen…
3               ████░░░░    other       1.2 s    1.2 s  connection reset
4                       ██  ok         600 ms";
    assert_eq!(report.timeline().to_string(), drawn);
}

#[test]
fn ten_cells_hold_ten_equal_parts() {
    // 5 s of attempts, 5 s of waits, bars that begin where the ones before end.
    let script = Script::new().stall(secs(3)).fail(1, reset).stall(secs(2)).succeed(1);
    let timer = VirtualTimer::new();
    let (mut report, script) = (Report::new(), script.timer(&timer));
    let _ = PLAIN.waits([secs(5)]).timer(&timer).report(&mut report).run(|| script.call());
    let drawn = report.timeline().width(60).to_string();
    let bars: Vec<String> = drawn.lines().skip(2).map(|line| line.chars().skip(3).take(13).collect()).collect();
    assert_eq!(bars, ["████░░░░░░   ", "          ███"]);
}

#[test]
fn an_attempt_that_is_too_short_for_the_scale_is_still_seen() {
    let report = run(PLAIN.backoff(secs(60)), Script::new().fail(4, reset));
    let drawn = report.timeline().to_string();
    assert_eq!(drawn.matches('▏').count(), 4, "{drawn}");
}

#[test]
fn nothing_that_ran_draws_nothing() {
    assert_eq!(Report::new().timeline().to_string(), "no attempt was made");
    let report = run(PLAIN, Script::new().succeed(1));
    let drawn = report.timeline().to_string();
    assert!(drawn.starts_with("succeeded after 1 attempt in 0 s, 0 s of it waiting\n"), "{drawn}");
    assert_eq!(drawn.lines().count(), 3);
}

#[test]
fn what_was_left_out_is_one_row() {
    let report = run(PLAIN.total(19).max_wait(secs(2)), Script::new().stall(millis(10)).fail(20, reset));
    let drawn = report.timeline().to_string();
    let numbers: Vec<_> = drawn.lines().skip(2).map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4", "…", "17", "18", "19", "20"]);
    assert!(drawn.lines().nth(6).unwrap().ends_with("12 more failures"), "{drawn}");
}

#[test]
fn a_run_that_goes_on_or_was_dropped_is_drawn_so_far() {
    let (timer, mut report) = (VirtualTimer::new(), Report::new());
    let script = Script::<(), _>::new().timer(&timer).stall(secs(1)).fail(2, reset);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        // The script is over at the third attempt, and panics.
        PLAIN.timer(&timer).report(&mut report).run(|| script.call())
    }));
    assert!(outcome.is_err());
    let drawn = report.timeline().to_string();
    assert!(drawn.starts_with("not finished after 3 attempts"), "{drawn}");
    assert_eq!(drawn.lines().count(), 4);
}

#[test]
fn a_hint_is_told() {
    let silent = Policy::new().total(0).when(|()| persevere::Verdict::transient().with_hint(secs(1)));
    let mut report = Report::new();
    let _ = silent.report_with(&mut report, |(), _: &mut std::fmt::Formatter<'_>| Ok(())).run(|| Err::<(), _>(()));
    assert!(report.timeline().to_string().ends_with("  asked for 1 s"));
    let (timer, mut report) = (VirtualTimer::new(), Report::new());
    let error = Failed::new(1, persevere::Verdict::transient().with_hint(secs(10)));
    let _ = PLAIN.total(1).timer(&timer).report(&mut report).run(|| Err::<(), _>(error));
    let drawn = report.timeline().width(100).to_string();
    assert!(drawn.lines().nth(2).unwrap().ends_with("10 s  asked for 10 s, failure 1"), "{drawn}");
}

#[test]
fn colour_adds_escapes_and_nothing_else() {
    let report = run(PLAIN, Script::new().stall(secs(1)).fail(2, reset).succeed(1));
    let (plain, coloured) = (report.timeline().to_string(), report.timeline().color(true).to_string());
    assert!(!plain.contains('\u{1b}') && coloured.contains('\u{1b}'));
    assert_eq!(stripped(&coloured), plain);
    let forecast = Policy::new().forecast();
    assert_eq!(stripped(&forecast.color(true).to_string()), forecast.to_string());
}

/// Without ANSI colours.
fn stripped(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once('m').unwrap().1)
}

#[test]
fn a_captured_output_is_no_terminal() {
    use std::io::IsTerminal as _;

    // Under the test harness standard output is a pipe, or a terminal whose width is its own.
    let report = run(PLAIN, Script::new().fail(1, reset).succeed(1));
    if !io::stdout().is_terminal() {
        assert_eq!(report.timeline().width(99).for_terminal().to_string(), report.timeline().width(99).to_string());
    }
}

/// An error that wants to be a second row, to erase the first and to turn it round.
const FORGED: &str = "oops\r\n2  ███  succeeded\u{1b}[2K\u{202e}\u{2028}\u{0}\u{85}\u{7f}\u{9b}31m";

#[test]
fn the_text_of_an_error_cannot_forge_a_row_or_a_line() {
    for door in Door::ALL {
        let (timer, mut report) = (VirtualTimer::new(), Report::new());
        let policy = PLAIN.total(1).when(|_: &io::Error| true).timer(&timer).report(&mut report);
        through!(door, policy, || Err::<(), _>(io::Error::other(FORGED))).unwrap_err();
        let clean = |text: &str| text.chars().all(|c| !c.is_control() && !matches!(c, '\u{202e}' | '\u{2028}'));
        let line = report.to_string();
        assert!(line.contains("oops\\u{d}\\u{a}2") && clean(&line), "{line}");
        let drawn = report.timeline().width(200).to_string();
        assert!(drawn.lines().count() == 4 && drawn.lines().all(clean), "{drawn}");
        let failure = report.failures().next().unwrap();
        assert!(clean(&failure.to_string()) && clean(failure.message()), "{failure}");
    }
}

#[test]
fn an_event_s_line_has_no_text_to_forge_it() {
    let hook = |event: Event<'_, io::Error>| {
        let line = event.to_string();
        assert!(line.starts_with("attempt 1 failed (other: oops") && line.ends_with("), next in 0 s"), "{line}");
        assert!(!line.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{202e}')), "{line}");
    };
    let policy = PLAIN.total(1).when(|_: &io::Error| true).on_retry(hook);
    let _ = policy.run(|| Err::<(), _>(io::Error::other(FORGED)));
}

#[test]
fn a_million_attempts_keep_their_first_and_last_failures_in_constant_memory() {
    fn assert_copies<T: Copy>(_: &T) {}

    let (timer, mut report, mut attempts) = (VirtualTimer::new(), Report::new(), 0_u32);
    // All of a report is in its own size: a failure is `Copy`, so it can't point to a heap.
    let before = size_of_val(&report);
    let outcome = PLAIN.total(999_999).backoff(Duration::ZERO).timer(&timer).report(&mut report).run(|| {
        attempts += 1;
        timer.advance(millis(1));
        Err::<(), _>(io::Error::new(io::ErrorKind::TimedOut, format!("failure {attempts}")))
    });
    assert!(outcome.is_err());
    assert_copies(report.failures().next().unwrap());
    assert_eq!(size_of_val(&report), before);
    assert!(before < 2048, "{before} bytes");
    let kept: Vec<_> = report.failures().map(persevere::report::Failure::message).collect();
    assert_eq!(kept[..4], ["failure 1", "failure 2", "failure 3", "failure 4"]);
    assert_eq!(kept[4..], ["failure 999997", "failure 999998", "failure 999999", "failure 1000000"]);
    assert_eq!((report.attempts(), report.omitted(), report.elapsed()), (1_000_000, 999_992, secs(1000)));
    let drawn = report.timeline().to_string();
    assert!(drawn.contains("999992 more failures"), "{drawn}");
    assert!(drawn.lines().all(|line| line.chars().count() <= 80), "{drawn}");
}

#[test]
fn each_failure_began_where_the_wait_before_it_ended() {
    let script = Script::new().stall(secs(1)).fail(1, reset).stall(secs(2)).fail(2, reset).succeed(1);
    let report = run(PLAIN, script);
    let began: Vec<_> = report.failures().map(|failure| failure.began().as_millis()).collect();
    assert_eq!(began, [0, 1000, 3600]);
}

// Policies, before they run.

#[test]
fn a_forecast_s_waits_are_those_of_its_preview() {
    for jitter in [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::Additive(secs(1))] {
        for policy in [Policy::new().total(7).jitter(jitter), Policy::new().immediate_first(false).jitter(jitter)] {
            let forecast = policy.forecast();
            let most: Duration = policy.preview().sum();
            assert_eq!(forecast.worst_case(), Some(most), "{policy}");
            assert!(forecast.expected().unwrap() <= most, "{policy}");
        }
    }
}

#[test]
fn the_expected_total_is_the_mean_of_many_runs() {
    let kinds = [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::Additive(millis(500))];
    for jitter in kinds {
        let policy = Policy::new().total(5).jitter(jitter);
        let runs = 2_000;
        let total: Duration = (0..runs)
            .map(|seed| {
                let timer = VirtualTimer::new();
                let _ = policy.seed(seed).timer(&timer).run(|| Err::<(), _>(reset()));
                timer.elapsed()
            })
            .sum();
        let (mean, expected) = (total.as_secs_f64() / runs as f64, policy.forecast().expected().unwrap().as_secs_f64());
        assert!((mean / expected - 1.0).abs() < 0.05, "{jitter:?}: {mean} s, expected {expected} s");
    }
}

#[test]
fn endless_and_empty_policies_are_drawn_too() {
    let forever = Policy::new().forever().forecast();
    assert_eq!((forever.expected(), forever.worst_case()), (None, None));
    let drawn = forever.to_string();
    assert!(drawn.ends_with("…  without limit\nwaits without limit"), "{drawn}");
    let bounded = Policy::new().forever().within(secs(60)).forecast();
    assert_eq!(bounded.worst_case(), Some(secs(60)));
    assert!(bounded.to_string().ends_with("waits 60 s at worst"));
    assert_eq!(Policy::new().total(0).forecast().to_string(), "1 attempt, no retry\nno wait");
    let none = Policy::new().backoff(Duration::ZERO).forecast().to_string();
    assert!(none.ends_with("waits 0 s in the mean, 0 s at worst"), "{none}");
}

#[test]
fn a_long_policy_shows_its_first_waits_and_its_last() {
    let drawn = Policy::new().total(5_000_000).forecast().to_string();
    let numbers: Vec<_> = drawn.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(numbers.ends_with(&["7", "8", "…", "5000000", "waits"]), "{drawn}");
    assert!(drawn.contains("4999991 more"), "{drawn}");
}

/// All lines keep to the width, whatever is drawn.
fn keeps(drawn: &str, width: usize) -> Result<(), TestCaseError> {
    for line in drawn.lines() {
        prop_assert!(line.chars().count() <= width, "{line:?} is longer than {width}");
        prop_assert!(!line.ends_with(' '), "{line:?} ends with a space");
    }
    prop_assert!(!drawn.ends_with('\n'));
    Ok(())
}

proptest! {
    #[test]
    fn no_line_of_a_timeline_is_longer_than_its_width(
        failures in proptest::collection::vec((any_time(), any_verdict(), ".{0,40}"), 0..20),
        width in 0_u16..200,
        total in 0_u32..30,
    ) {
        let (timer, mut report) = (VirtualTimer::new(), Report::new());
        let mut left = failures.iter();
        let _ = Policy::new()
            .total(total)
            .when(|error: &(persevere::Verdict, &str)| error.0)
            .timer(&timer)
            .report_with(&mut report, |error: &(persevere::Verdict, &str), f: &mut std::fmt::Formatter<'_>| f.write_str(error.1))
            .run(|| match left.next() {
                None => Ok(()),
                Some((took, verdict, text)) => {
                    timer.advance(*took);
                    Err((*verdict, text.as_str()))
                }
            });
        keeps(&report.timeline().width(width).to_string(), usize::from(width.max(60)))?;
    }

    #[test]
    fn no_line_of_a_forecast_is_longer_than_its_width(
        (backoff, max) in any_backoff(),
        total in prop_oneof![20 => 0..40_u32, 1 => any::<u32>()],
        within in any_time(),
        width in 0_u16..200,
    ) {
        let policy = Policy::from(backoff).max_wait(max).total(total).within(within);
        keeps(&policy.forecast().width(width).to_string(), usize::from(width.max(60)))?;
    }
}

#[test]
fn a_timeline_is_small_and_holds_nothing() {
    fn assert_copy<T: Copy + Send + Sync + std::fmt::Debug>() {}
    assert_copy::<Timeline<'_>>();
    assert_copy::<persevere::report::Forecast>();
}

/// A timer that ends early, such as one that counts the waits, has the next attempt begin before the wait is over.
#[test]
fn a_timeline_is_drawn_of_waits_that_were_cut_short() {
    struct Early(VirtualTimer, u32);

    impl persevere::time::BlockingTimer for Early {
        fn now(&self) -> Duration {
            persevere::time::BlockingTimer::now(&self.0)
        }
        fn sleep(&self, wait: Duration) {
            persevere::time::BlockingTimer::sleep(&self.0, wait / self.1);
        }
    }

    for (total, by) in [3, 8, 9, 20, 99].into_iter().flat_map(|total| [(total, 2), (total, 1000), (total, u32::MAX)]) {
        let mut report = Report::new();
        let policy = Policy::from_backoff(Backoff::constant(secs(1))).total(total);
        let policy = policy.timer(Early(VirtualTimer::new(), by));
        let outcome = policy.report(&mut report).run(|| Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut)));
        assert!(outcome.is_err());
        for width in [1, 20, 80, 200] {
            let drawn = report.timeline().width(width).to_string();
            assert!(drawn.len() < 10_000, "{total} {by} {width}: {} bytes", drawn.len());
        }
    }
}
