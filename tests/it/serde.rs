//! Policies in files.

use std::time::Duration;

use persevere::{Backoff, Fault, Hints, Jitter, Policy, StreakPolicy, Timed};
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::value::{Error as ValueError, MapDeserializer};

use crate::support::{any_jitter, any_time, millis, secs};

#[track_caller]
fn read(text: &str) -> Policy {
    serde_json::from_str(text).unwrap()
}

#[track_caller]
fn refused(text: &str) -> String {
    serde_json::from_str::<Policy>(text).unwrap_err().to_string()
}

#[test]
fn durations_are_written_for_people() {
    let policy = read(r#"{ "backoff": "250ms", "max": "2 min", "within": "1h 30m", "hint_max": 45, "total": 9 }"#);
    let same = Policy::new().backoff(millis(250)).max_wait(secs(120)).within(secs(5400)).max_hint(secs(45)).total(9);
    assert_eq!(policy, same);
    assert_eq!(read(r#"{ "backoff": 0.3 }"#), Policy::new());
    let text = serde_json::to_string(&same).unwrap();
    assert!(text.contains(r#""backoff":"250ms""#) && text.contains(r#""within":"1h 30m""#), "{text}");
}

#[test]
fn what_is_left_out_has_its_default() {
    assert_eq!(read("{}"), Policy::default());
}

#[test]
fn every_setting_has_a_field() {
    let policy = read(
        r#"{ "total": "forever", "growth": "linear", "factor": 1.5, "jitter": { "additive": "10ms" },
             "immediate_first": false, "hints": "clamp", "connect": 1, "read": 2, "status": 3, "redirect": 4,
             "other": 5, "idempotent": false }"#,
    );
    let same = Policy::from_backoff(Backoff::linear(millis(300)).factor(1.5).jitter(Jitter::Additive(millis(10))))
        .forever()
        .hints(Hints::Clamp)
        .connect(1)
        .read(2)
        .status(3)
        .redirect(4)
        .other(5)
        .idempotent(false);
    assert_eq!(policy, same);
}

/// A list of waits has no jitter unless it is set, so a file that sets it is another policy than one that does not.
#[test]
fn jitter_that_is_not_set_stays_so() {
    assert!(!serde_json::to_string(&Policy::new()).unwrap().contains("jitter"));
    let set = Policy::new().jitter(Jitter::Full);
    assert_ne!(set, Policy::new());
    assert_eq!(read(r#"{ "jitter": "full" }"#), set);
    for policy in [Policy::new(), set] {
        assert_eq!(read(&serde_json::to_string(&policy).unwrap()), policy);
    }
}

#[test]
fn an_unknown_field_is_refused_by_name() {
    let error = refused(r#"{ "totl": 5 }"#);
    assert!(error.contains("totl") && error.contains("total"), "{error}");
}

#[test]
fn negative_times_are_refused() {
    for text in ["-1", "-0.5", r#""-1s""#] {
        let error = refused(&format!(r#"{{ "backoff": {text} }}"#));
        assert!(error.contains("duration"), "{error}");
    }
    refused(r#"{ "total": -1 }"#);
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for field in ["factor", "backoff", "max", "within", "hint_max"] {
            let map = MapDeserializer::<_, ValueError>::new([(field, number)].into_iter());
            assert!(Policy::deserialize(map).is_err(), "{field} = {number}");
        }
    }
    let map = MapDeserializer::<_, ValueError>::new([("factor", 1.5)].into_iter());
    assert_eq!(Policy::deserialize(map), Ok(Policy::new().factor(1.5)));
}

#[test]
fn contradictions_are_refused_with_their_sentence() {
    for (text, sentence) in [
        (r#"{ "factor": 0.5 }"#, "factor is 0.5: it must be 1 or more"),
        (r#"{ "backoff": "3s", "max": "2s" }"#, "backoff is 3 s: it must be at most max_wait"),
        (r#"{ "within": "0s" }"#, "within is 0 s: it must be longer than zero"),
        (r#"{ "total": "forever", "backoff": 0 }"#, "with forever and no deadline it must be longer than zero"),
    ] {
        let error = refused(text);
        assert!(error.contains(sentence), "{error}");
    }
}

#[test]
fn words_that_are_not_among_the_choices_are_refused_with_the_choices() {
    for (text, choice) in [
        (r#"{ "jitter": "some" }"#, "decorrelated"),
        (r#"{ "growth": "cubic" }"#, "fibonacci"),
        (r#"{ "hints": "obey" }"#, "give_up"),
        (r#"{ "total": "endless" }"#, "forever"),
        (r#"{ "backoff": "3 fortnights" }"#, "300ms"),
    ] {
        let error = refused(text);
        assert!(error.contains(choice), "{error}");
    }
}

proptest! {
    #[test]
    fn a_policy_survives_the_round_trip(
        base in any_time(),
        max in any_time(),
        within in any_time(),
        hint_max in any_time(),
        jitter in any_jitter(),
        factor in 1.0..1e6,
        (total, growth, immediate, hints, idempotent) in
            (any::<u32>(), 0..4, any::<bool>(), 0_usize..3, any::<bool>()),
        limits in any::<[u16; 5]>(),
    ) {
        let backoff = match growth {
            0 => Backoff::new(base),
            1 => Backoff::constant(base),
            2 => Backoff::linear(base),
            _ => Backoff::fibonacci(base),
        };
        let policy = Policy::from_backoff(backoff.factor(factor).max_wait(max).jitter(jitter).immediate_first(immediate))
            .total(total)
            .within(within)
            .max_hint(hint_max)
            .hints([Hints::GiveUp, Hints::Clamp, Hints::Ignore][hints])
            .connect(limits[0])
            .read(limits[1])
            .status(limits[2])
            .redirect(limits[3])
            .other(limits[4])
            .idempotent(idempotent);
        prop_assume!(policy.check().is_ok());
        let text = serde_json::to_string(&policy).unwrap();
        let back = serde_json::from_str::<Policy>(&text);
        prop_assert_eq!(back.map_err(|error| error.to_string()), Ok(policy), "{}", text);
    }
}

#[test]
fn a_policy_without_end_survives_the_round_trip() {
    let policy = Policy::new().forever().max_wait(Duration::MAX).max_hint(Duration::MAX);
    let text = serde_json::to_string(&policy).unwrap();
    assert!(text.contains(r#""total":"forever""#), "{text}");
    assert_eq!(read(&text), policy);
}

#[test]
fn what_cannot_be_read_back_is_not_written_and_a_wrong_total_is_named() {
    let error = serde_json::to_string(&Policy::new().factor(f64::INFINITY)).unwrap_err().to_string();
    assert_eq!(error, "factor is inf: what can't be read back is not written");
    for wrong in ["-1", "5000000000", "1.5", "\"3\""] {
        let error = serde_json::from_str::<Policy>(&format!("{{ \"total\": {wrong} }}")).unwrap_err().to_string();
        assert!(error.contains("total must be a number of retries"), "{error}");
    }
}

#[test]
fn a_policy_for_work_that_lasts_survives_the_round_trip() {
    let slow = Backoff::linear(Duration::from_secs(10)).factor(1.0).jitter(Jitter::Additive(Duration::from_secs(1)));
    let policy = Policy::new()
        .total(9)
        .reset_after(Duration::from_secs(60))
        .failing_for(Duration::from_secs(600))
        .backoff_for(Fault::Throttle, slow)
        .backoff_for(Fault::Connect, Backoff::constant(Duration::ZERO).max_wait(Duration::from_secs(9)));
    let text = serde_json::to_string(&policy).unwrap();
    assert!(
        text.contains(r#""reset_after":"1m","failing_for":"10m","backoff_for":{"connect":{"growth":"constant""#),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<StreakPolicy>(&text).unwrap(), policy);
    let timed = policy.attempt_timeout(Duration::from_secs(5)).deadline(Duration::from_secs(50));
    let text = serde_json::to_string(&timed).unwrap();
    assert!(text.contains(r#""within":"50s""#) && text.contains(r#""attempt_timeout":"5s""#), "{text}");
    assert_eq!(serde_json::from_str::<Timed<StreakPolicy>>(&text).unwrap(), timed);
    let timed = Policy::new().deadline(Duration::from_secs(2));
    assert_eq!(serde_json::from_str::<Timed<Policy>>(r#"{ "deadline": 2, "within": "1 min" }"#).unwrap(), timed);
    assert_eq!(serde_json::from_str::<Timed<Policy>>(&serde_json::to_string(&timed).unwrap()).unwrap(), timed);
    // All of them read a plain policy.
    assert_eq!(serde_json::from_str::<StreakPolicy>(r#"{ "total": 9 }"#).unwrap(), Policy::new().total(9).into());
}

#[test]
fn a_setting_of_another_kind_of_policy_is_refused_with_that_kind() {
    for (text, expected) in [
        (r#"{ "reset_after": 1 }"#, "reset_after is not a setting of a `Policy`: read a `StreakPolicy`"),
        (r#"{ "failing_for": 1 }"#, "failing_for is not a setting of a `Policy`: read a `StreakPolicy`"),
        (r#"{ "backoff_for": { "read": {} } }"#, "backoff_for is not a setting of a `Policy`: read a `StreakPolicy`"),
        (r#"{ "attempt_timeout": 1 }"#, "attempt_timeout is not a setting of a `Policy`: read a `Timed<Policy>`"),
        (r#"{ "deadline": 1 }"#, "deadline is not a setting of a `Policy`: read a `Timed<Policy>`"),
    ] {
        let error = refused(text);
        assert!(error.contains(expected), "{error}");
    }
    let error = |text| serde_json::from_str::<StreakPolicy>(text).unwrap_err().to_string();
    assert!(error(r#"{ "reset_after": 0 }"#).contains("reset_after is 0 s"));
    assert!(error(r#"{ "backoff_for": { "read": { "factor": 0.5 } } }"#).contains("factor is 0.5"));
    assert!(error(r#"{ "backoff_for": { "reed": {} } }"#).contains("unknown variant `reed`"));
    let error =
        serde_json::to_string(&Policy::new().backoff_for(Fault::Read, Backoff::new(Duration::ZERO).factor(f64::NAN)));
    assert!(error.unwrap_err().to_string().contains("factor is NaN"));
}
