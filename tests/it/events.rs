//! What runs tell `tracing` and `metrics`.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::io;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use persevere::testing::{Script, VirtualTimer};
use persevere::{Fault, Hints, Jitter, Policy, Verdict};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::support::{Door, Failed, permanent, secs, texts_with_secrets, through, transient};

type Fields = BTreeMap<&'static str, String>;

/// Writes down all that it is told.
#[derive(Clone, Default)]
struct Log {
    calls: Arc<AtomicU64>,
    lines: Arc<Mutex<Vec<Told>>>,
    /// Lets nothing through that is below this.
    least: Option<Level>,
}

#[derive(Clone, Debug, PartialEq)]
enum Told {
    Span(Fields),
    Recorded(Fields),
    Event(Level, Option<u64>, Fields),
    Closed,
}

struct Visitor(Fields);

impl Visit for Visitor {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

fn fields(record: impl FnOnce(&mut Visitor)) -> Fields {
    let mut visitor = Visitor(Fields::new());
    record(&mut visitor);
    visitor.0
}

impl Log {
    fn push(&self, told: Told) {
        self.lines.lock().unwrap().push(told);
    }

    /// What is told of ours while this runs.
    fn of<R>(run: impl FnOnce() -> R) -> (R, Vec<Told>) {
        let log = Self::default();
        let value = tracing::subscriber::with_default(log.clone(), run);
        let lines = log.lines.lock().unwrap().clone();
        (value, lines)
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "persevere" && self.least.is_none_or(|least| *metadata.level() <= least)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        assert_eq!((span.metadata().name(), *span.metadata().level()), ("retry", Level::INFO));
        self.push(Told::Span(fields(|visitor| span.record(visitor))));
        Id::from_non_zero_u64(NonZeroU64::new(self.calls.fetch_add(1, Relaxed) + 1).unwrap())
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        self.push(Told::Recorded(fields(|visitor| values.record(visitor))));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let parent = event.parent().map(Id::into_u64);
        self.push(Told::Event(*event.metadata().level(), parent, fields(|visitor| event.record(visitor))));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}

    fn try_close(&self, _: Id) -> bool {
        self.push(Told::Closed);
        true
    }
}

fn told<const N: usize>(pairs: [(&'static str, &str); N]) -> Fields {
    pairs.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

#[test]
fn a_first_try_success_tells_nothing() {
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let ((), lines) = Log::of(|| {
            ::metrics::with_local_recorder(&recorder, || {
                through!(door, Policy::new().timer(&timer), || Ok::<_, io::Error>(1)).unwrap();
                through!(door, Policy::new().trace_errors().timer(&timer), || Ok::<_, io::Error>(1)).unwrap();
            });
        });
        assert_eq!(lines, [], "{door:?}");
    }
    assert_eq!(snapshots.snapshot().into_vec().len(), 0);
}

#[test]
fn automatic_events_add_no_look_at_the_clock() {
    let timer = VirtualTimer::new();
    let (_, lines) = Log::of(|| Policy::new().timer(&timer).run(|| Err::<(), _>(reset())));
    assert_eq!(timer.reads(), 0);
    let Told::Event(_, _, end) = &lines[lines.len() - 2] else { panic!("{lines:?}") };
    assert!(!end.contains_key("retry.elapsed"));
}

#[test]
fn a_run_that_recovers_tells_each_failure_and_its_end() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let server = Script::new().timer(&timer).stall(secs(1)).fail(2, reset).succeed(());
        let policy = Policy::new().jitter(Jitter::None).trace_errors().timer(&timer);
        let ((), lines) = Log::of(|| through!(door, policy, || server.call()).unwrap());
        let failure = |attempt, wait| {
            told([
                ("message", "attempt failed"),
                ("retry.attempt", attempt),
                ("error.type", "read"),
                ("retry.wait", wait),
                ("exception.message", "connection reset"),
            ])
        };
        let end = told([
            ("message", "succeeded after retries"),
            ("retry.attempts", "3"),
            ("retry.elapsed", "1.6"),
            ("retry.stop_reason", "succeeded"),
        ]);
        let expected = [
            Told::Span(Fields::new()),
            Told::Event(Level::INFO, Some(1), failure("1", "0.0")),
            Told::Event(Level::INFO, Some(1), failure("2", "0.6")),
            Told::Recorded(told([("retry.attempts", "3")])),
            Told::Recorded(told([("retry.stop_reason", "succeeded")])),
            Told::Event(Level::INFO, Some(1), end),
            Told::Closed,
        ];
        assert_eq!(lines, expected, "{door:?}");
    }
}

#[test]
fn a_run_that_gives_up_warns_and_names_the_last_fault() {
    let slow_down = Verdict::transient().with_fault(Fault::Throttle).with_hint(secs(7)).with_status(429);
    let timer = VirtualTimer::new();
    let policy = Policy::new().total(1).jitter(Jitter::None).within(secs(60)).timer(&timer);
    let (_, lines) = Log::of(|| policy.run(|| Err::<(), _>(Failed::new(1, slow_down))));
    let expected = [
        Told::Span(Fields::new()),
        Told::Event(
            Level::INFO,
            Some(1),
            told([
                ("message", "attempt failed"),
                ("retry.attempt", "1"),
                ("error.type", "throttle"),
                ("http.response.status_code", "429"),
                ("retry.wait", "7.0"),
                ("retry.hint", "7.0"),
            ]),
        ),
        Told::Event(
            Level::INFO,
            Some(1),
            told([
                ("message", "attempt failed"),
                ("retry.attempt", "2"),
                ("error.type", "throttle"),
                ("http.response.status_code", "429"),
                ("retry.hint", "7.0"),
            ]),
        ),
        Told::Recorded(told([("retry.attempts", "2")])),
        Told::Recorded(told([("retry.stop_reason", "exhausted")])),
        Told::Recorded(told([("error.type", "throttle")])),
        Told::Event(
            Level::WARN,
            Some(1),
            told([
                ("message", "gave up"),
                ("retry.attempts", "2"),
                ("retry.elapsed", "7.0"), // known without being asked for, since there is a deadline
                ("retry.stop_reason", "exhausted"),
            ]),
        ),
        Told::Closed,
    ];
    assert_eq!(lines, expected);
}

/// `warn` is what a filter lets through in production. Then there is no span of the run's to be the event's parent, so
/// that is the caller's.
#[test]
fn giving_up_is_told_where_only_warnings_are() {
    let log = Log { least: Some(Level::WARN), ..Log::default() };
    let policy = Policy::new().total(1).backoff(Duration::ZERO);
    let outcome = tracing::subscriber::with_default(log.clone(), || policy.run(|| Err::<(), _>(transient())));
    assert!(outcome.is_err());
    let expected = told([("message", "gave up"), ("retry.attempts", "2"), ("retry.stop_reason", "exhausted")]);
    assert_eq!(*log.lines.lock().unwrap(), [Told::Event(Level::WARN, None, expected)]);
}

/// The end's level and stop reason.
fn end(policy: Policy, error: Failed) -> (Level, String) {
    let timer = VirtualTimer::new();
    let (_, lines) = Log::of(|| policy.timer(&timer).run(|| Err::<(), _>(error)));
    let Some(Told::Event(level, _, fields)) = lines.iter().rev().nth(1) else { panic!("{lines:?}") };
    (*level, fields["retry.stop_reason"].clone())
}

#[test]
fn every_stop_reason_has_its_word_and_level() {
    let policy = Policy::new().jitter(Jitter::None);
    let hinted = Failed::new(1, Verdict::transient().with_hint(secs(3600)));
    let refused = Failed::new(1, Verdict::transient().with_fault(Fault::Connect));
    let ends = [
        end(policy, permanent()),
        end(policy, transient()),
        end(policy.connect(1), refused),
        end(policy.idempotent(false), transient()),
        end(policy, hinted),
        end(policy.within(secs(1)).hints(Hints::Clamp), hinted),
    ];
    let words = ["permanent", "exhausted", "limit_reached", "not_idempotent", "hint_too_long", "deadline_exceeded"];
    assert_eq!(ends.each_ref().map(|(_, word)| word.as_str()), words);
    assert_eq!(ends.map(|(level, _)| level == Level::WARN), [false, true, true, true, true, true]);
}

#[test]
fn a_value_that_is_not_accepted_is_told_without_text() {
    let policy = Policy::new().total(1).when_ok(|value: &u32| *value == 0).trace_errors();
    let (_, lines) = Log::of(|| policy.run(|| Ok::<_, io::Error>(0)));
    let Told::Event(_, _, fields) = &lines[1] else { panic!("{lines:?}") };
    assert!(!fields.contains_key("exception.message"));
}

#[test]
fn a_run_that_is_dropped_closes_its_span_without_an_end() {
    let timer = VirtualTimer::new();
    let (polled, lines) = Log::of(|| {
        let server = Script::<(), _>::new().fail(9, reset);
        let policy = Policy::new().immediate_first(false).timer(&timer);
        let run = std::pin::pin!(persevere::retry_async(policy, || server.call_async()));
        run.poll(&mut Context::from_waker(Waker::noop()))
    });
    assert!(polled.is_pending());
    assert!(matches!(&lines[..], [Told::Span(_), Told::Event(..), Told::Closed]), "{lines:?}");
}

/// An error that wants to be a second line of the log, to erase the first and to turn it round.
const FORGED: &str = "oops\r\n2026-01-01 ERROR root: all is lost\u{1b}[2K\u{202e}\u{2028}\u{0}\u{85}\u{7f}";

#[test]
fn the_text_of_an_error_cannot_forge_a_line() {
    for door in Door::ALL {
        let timer = VirtualTimer::new();
        let policy = Policy::new().total(1).trace_errors().timer(&timer);
        let (_, lines) = Log::of(|| through!(door, policy, || Err::<(), _>(io::Error::other(FORGED))));
        let mut log = String::new();
        for line in &lines {
            writeln!(log, "{line:?}").unwrap();
        }
        let Told::Event(_, _, fields) = &lines[1] else { panic!("{lines:?}") };
        let text = &fields["exception.message"];
        assert!(text.starts_with("oops\\u{d}\\u{a}2026-01-01 ERROR"), "{text}");
        assert!(text.chars().all(|c| !c.is_control() && c != '\u{202e}' && c != '\u{2028}'), "{text}");
        assert_eq!(log.lines().count(), lines.len());
    }
}

#[test]
fn the_text_tells_no_secret_of_a_url_and_may_be_replaced() {
    let error = || io::Error::other("GET https://me:secret@host/a?token=1 failed");
    let (_, lines) = Log::of(|| Policy::new().total(0).trace_errors().run(|| Err::<(), _>(error())));
    let Told::Event(_, _, fields) = &lines[1] else { panic!("{lines:?}") };
    assert_eq!(fields["exception.message"], "GET https://***@host/a?… failed");

    let quiet = Policy::new()
        .total(0)
        .trace_errors_with(|error: &io::Error, f: &mut std::fmt::Formatter<'_>| write!(f, "{:?}", error.kind()));
    let (_, lines) = Log::of(|| quiet.run(|| Err::<(), _>(error())));
    let Told::Event(_, _, fields) = &lines[1] else { panic!("{lines:?}") };
    assert_eq!(fields["exception.message"], "Other");
}

#[test]
fn no_event_shows_a_secret_of_a_url() {
    // Each text through one entry point, and each entry point with a hundred texts.
    for (text, door) in texts_with_secrets().iter().zip(Door::ALL.into_iter().cycle()) {
        let policy = Policy::new().total(0).trace_errors();
        let (_, lines) = Log::of(|| through!(door, policy, || Err::<(), _>(io::Error::other(text.as_str()))));
        let shown = format!("{lines:?}");
        assert!(!shown.contains("SEC") && shown.contains("GET "), "{text:?}, {door:?}: {shown}");
    }
}

#[test]
fn events_need_no_display_and_no_debug_of_the_error() {
    struct Mute;
    let (_, lines) = Log::of(|| Policy::new().when(|_: &Mute| false).run(|| Err::<(), _>(Mute)));
    assert_eq!(lines.len(), 7);
}

#[test]
fn the_attribute_takes_a_policy_with_events() {
    #[persevere::retry(policy = Policy::new().total(1).trace_errors())]
    fn fails() -> io::Result<()> {
        Err(reset())
    }
    let (_, lines) = Log::of(fails);
    let Told::Event(_, _, fields) = &lines[1] else { panic!("{lines:?}") };
    assert_eq!(fields["exception.message"], "connection reset");
}

#[test]
fn the_attribute_has_a_key_for_events() {
    #[persevere::retry(total = 1, backoff = 0, trace_errors)]
    fn fails() -> io::Result<()> {
        Err(reset())
    }
    let (_, lines) = Log::of(fails);
    let Told::Event(_, _, fields) = &lines[1] else { panic!("{lines:?}") };
    assert_eq!(fields["exception.message"], "connection reset");
}

/// All that is counted while this runs: name, labels, value.
fn counted(run: impl FnOnce()) -> Vec<(String, String)> {
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    ::metrics::with_local_recorder(&recorder, run);
    let metrics = snapshots.snapshot().into_vec().into_iter().map(|(key, _, _, value)| {
        let mut name = key.key().name().to_owned();
        for label in key.key().labels() {
            write!(name, " {}={}", label.key(), label.value()).unwrap();
        }
        let value = match value {
            DebugValue::Counter(count) => count.to_string(),
            DebugValue::Gauge(level) => level.to_string(),
            DebugValue::Histogram(values) => format!("{:?}", values.iter().map(|value| **value).collect::<Vec<_>>()),
        };
        (name, value)
    });
    let mut metrics: Vec<_> = metrics.collect();
    metrics.sort();
    metrics
}

#[test]
fn runs_are_counted_by_fault_and_stop_reason() {
    let counted = counted(|| {
        for door in Door::ALL {
            let timer = VirtualTimer::new();
            let policy = Policy::new().jitter(Jitter::None).timer(&timer);
            let server = Script::new().fail(1, reset).fail(1, || io::ErrorKind::ConnectionRefused.into()).succeed(());
            through!(door, policy, || server.call()).unwrap();
            through!(door, policy, || Err::<(), _>(reset())).unwrap_err();
            through!(door, policy, || Err::<(), _>(permanent())).unwrap_err();
            through!(door, policy, || Ok::<_, io::Error>(())).unwrap();
        }
    });
    let attempts = format!("{:?}", [3.0, 4.0, 1.0].repeat(10));
    let expected = [
        ("persevere.attempts", attempts.as_str()),
        ("persevere.failures error.type=connect", "10"),
        ("persevere.failures error.type=other", "10"),
        ("persevere.failures error.type=read", "50"),
        ("persevere.gave_up retry.stop_reason=exhausted", "10"),
        ("persevere.gave_up retry.stop_reason=permanent", "10"),
        ("persevere.recovered", "10"),
        ("persevere.retries error.type=connect", "10"),
        ("persevere.retries error.type=read", "40"),
    ];
    assert_eq!(counted, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn the_changes_of_a_breaker_are_counted_by_the_new_state() {
    let counted = counted(|| {
        let breaker = persevere::guard::Breaker::new().min_outcomes(2).open_for(std::time::Duration::from_secs(5));
        let mut now = std::time::Duration::ZERO;
        for _ in 0..3 {
            (0..2).for_each(|_| breaker.admit(now).unwrap().failed(now));
            now += std::time::Duration::from_secs(5);
            breaker.admit(now).unwrap().succeeded(now);
        }
        breaker.admit(now).unwrap().succeeded(now);
    });
    let states = ["closed", "half_open", "open"];
    let expected = states.map(|state| (format!("persevere.breaker.changes breaker.state={state}"), "3".to_owned()));
    assert_eq!(counted, expected);
}

#[test]
fn no_text_of_an_error_becomes_a_label() {
    let counted = counted(|| {
        for number in 0..100 {
            let timer = VirtualTimer::new();
            let _ = Policy::new()
                .trace_errors()
                .timer(&timer)
                .run(|| Err::<(), _>(io::Error::new(io::ErrorKind::TimedOut, format!("number {number}"))));
        }
    });
    assert_eq!(counted.len(), 4);
}

/// What a run with this name tells about an error that no rule knows: the levels and the types that are named.
fn unclassified(name: &'static str, error: fn() -> Box<dyn std::error::Error + Send + Sync>) -> Vec<Fields> {
    let (_, lines) = Log::of(|| Policy::new().name(name).run(|| Err::<(), _>(error())));
    let warning = |line| match line {
        Told::Event(Level::WARN, _, fields) => Some(fields),
        _ => None,
    };
    lines.into_iter().filter_map(warning).collect()
}

#[test]
fn an_error_that_no_rule_knows_is_warned_of_once_for_each_name_and_type() {
    let text = || "no".into();
    let warned = unclassified("load", text);
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert_eq!(warned[0]["retry.name"], "load");
    assert_eq!(warned[0]["exception.type"], std::any::type_name::<Box<dyn std::error::Error + Send + Sync>>());
    assert!(warned[0]["message"].contains("`any_of`"));
    assert_eq!(unclassified("load", text), []);
    assert_eq!(unclassified("store", text).len(), 1);
    // The same name with another type, through every entry point, observed and not.
    for (index, door) in Door::ALL.into_iter().enumerate() {
        let name: &'static str = format!("door {index}").leak();
        let fails = || Err::<(), _>(io::Error::other("no"));
        for (round, expected) in [1, 0, 0].into_iter().enumerate() {
            let policy = Policy::new().name(name);
            let (_, lines) = Log::of(|| match round {
                0 => through!(door, policy, fails).unwrap_err(),
                _ => through!(door, policy.trace_errors(), fails).unwrap_err(),
            });
            let warnings = lines.iter().filter(|line| matches!(line, Told::Event(Level::WARN, ..))).count();
            assert_eq!(warnings, expected, "{door:?} {lines:?}");
        }
    }
    // What nobody heard is said again.
    let deaf = Log { least: Some(Level::ERROR), ..Log::default() };
    let _ = tracing::subscriber::with_default(deaf, || {
        Policy::new().name("deaf").run(|| Err::<(), _>(io::Error::other("no")))
    });
    let run =
        || Policy::new().name("deaf").any_of::<io::Error>().run(|| Err::<(), Box<dyn std::error::Error>>("no".into()));
    let (_, lines) = Log::of(run);
    let Some(Told::Event(_, _, fields)) = lines.iter().find(|line| matches!(line, Told::Event(Level::WARN, ..))) else {
        panic!("{lines:?}")
    };
    assert_eq!(fields["retry.own_types"], "std::io::error::Error");
}
