//! What the simulations of `examples/storm` come to: every figure that the documentation names.

#![allow(dead_code)] // The example's modules serve its tables as well.

#[path = "../examples/storm/brownout.rs"]
mod brownout;
#[path = "../examples/storm/chain.rs"]
mod chain;
#[path = "../examples/storm/contention.rs"]
mod contention;
#[path = "../examples/storm/pictures.rs"]
mod pictures;
#[path = "../examples/storm/plot.rs"]
mod plot;
#[path = "../examples/storm/random.rs"]
mod random;

use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use persevere::Policy;

use crate::brownout::{
    BOTH, BREAKER, BUDGET, BUDGET_AND_THROTTLE, EXPONENTIAL, FIXED, JITTER, NO_RETRY, QUOTA, Setting, Story, THROTTLE,
    Way,
};
use crate::chain::Guard;

const SEEDS: std::ops::RangeInclusive<u64> = 1..=5;

/// Lives through it with several seeds; all of them must pass.
#[track_caller]
fn each(setting: Setting, way: Way, holds: impl Fn(&Story) -> bool) {
    for seed in SEEDS {
        let story = brownout::run(setting, &way, seed);
        let (amplification, recovery, success) = (story.amplification(), story.recovery(), story.success());
        assert!(holds(&story), "{}, seed {seed}: {amplification:.3}, {recovery:?}, {success:.3}", way.name);
    }
}

fn within(value: f64, least: f64, most: f64) -> bool {
    least <= value && value <= most
}

#[test]
fn under_contention_full_jitter_needs_43_per_cent_of_the_calls() {
    for seed in 1..=3 {
        let calls = contention::KINDS.map(|(name, jitter, published)| {
            let calls = contention::mean(100, jitter, 60, seed).calls;
            assert!((calls / published - 1.0).abs() < 0.10, "{name}: {calls}, published {published}");
            calls
        });
        let [exponential, equal, decorrelated, full] = calls;
        assert!(full < equal && equal < decorrelated && decorrelated < exponential, "{calls:?}");
        assert!(within(full / exponential, 0.42, 0.44), "{}", full / exponential);
        assert!(within(decorrelated / full, 1.2, 1.3) && equal / full < 1.05, "{calls:?}");
    }
}

#[test]
fn under_contention_jitter_takes_less_time_too() {
    let seconds = contention::KINDS.map(|(_, jitter, _)| contention::mean(100, jitter, 40, 1).seconds);
    let [exponential, equal, decorrelated, full] = seconds;
    assert!(decorrelated < full && full < equal, "{seconds:?}");
    assert!(exponential > 60.0 && equal < 7.0, "{seconds:?}");
}

#[test]
fn retries_alone_amplify_a_brown_out_and_never_let_it_end() {
    for way in [FIXED, EXPONENTIAL, JITTER] {
        each(Setting::new(), way, |story| {
            within(story.amplification(), 3.7, 4.0) && story.recovery().is_none() && story.success() < 0.20
        });
    }
    each(Setting::new(), JITTER, |story| within(story.amplification(), 3.8, 3.9));
}

/// With waits of a tenth of a second, fewer of the retries fall after the brown-out, and are not counted in it.
#[test]
fn shorter_waits_amplify_more() {
    let shorter = Way { policy: Policy::new().backoff(Duration::from_millis(100)), ..JITTER };
    each(Setting::new(), shorter, |story| within(story.amplification(), 3.85, 4.0) && story.recovery().is_none());
}

#[test]
fn without_retries_it_takes_six_seconds_to_recover() {
    each(Setting::new(), NO_RETRY, |story| {
        story.amplification() == 1.0 && matches!(story.recovery(), Some(5..=7)) && within(story.success(), 0.84, 0.86)
    });
}

#[test]
fn a_budget_keeps_retries_from_making_an_outage_longer() {
    for load in [400.0, 475.0] {
        let setting = Setting::new().load(load);
        for seed in SEEDS {
            let [without, with] = [NO_RETRY, BUDGET].map(|way| brownout::run(setting, &way, seed));
            let [plain, guarded] = [&without, &with].map(|story| story.recovery().expect("it recovers"));
            // At 95 % load the queue that is left drains by chance, in a quarter of a minute or a whole one.
            let later = if load == 400.0 { 3 } else { 20 };
            assert!(guarded <= plain + later, "{guarded} s, without retries {plain} s, at {load}/s");
            assert!(with.amplification() <= 1.07, "{}", with.amplification());
            // It does not raise the success of an outage.
            let points = (with.success() - without.success()).abs();
            assert!(points < if load == 400.0 { 0.015 } else { 0.08 }, "{points} at {load}/s");
        }
    }
}

#[test]
fn at_a_low_failure_rate_a_budget_lets_retries_do_their_work() {
    for (_, guard) in chain::GUARDS {
        let outcome = chain::run(guard, 0.01, 1);
        assert!(outcome.success > 0.9999 && within(outcome.calls, 1.005, 1.015), "{guard:?}: {outcome:?}");
    }
}

#[test]
fn budget_and_breaker_take_load_off() {
    for load in [400.0, 475.0] {
        let setting = Setting::new().load(load);
        each(setting, BREAKER, |story| {
            within(story.amplification(), 0.45, 0.6) && story.recovery().is_some_and(|seconds| seconds <= 5)
        });
        each(setting, BOTH, |story| {
            within(story.amplification(), 0.35, 0.45) && story.recovery().is_some_and(|seconds| seconds <= 7)
        });
        each(setting, BOTH, |story| within(story.success(), 0.85, 0.88));
    }
}

#[test]
fn a_quota_lets_more_through_than_a_ratio() {
    each(Setting::new(), QUOTA, |story| {
        within(story.amplification(), 1.3, 1.45) && story.recovery().is_some_and(|seconds| seconds <= 8)
    });
}

#[test]
fn a_throttle_takes_longer_to_recover_than_no_retry_at_all() {
    each(Setting::new(), THROTTLE, |story| {
        within(story.amplification(), 1.2, 1.4) && matches!(story.recovery(), Some(14..=22))
    });
    each(Setting::new(), BUDGET_AND_THROTTLE, |story| {
        story.amplification() < 0.55 && matches!(story.recovery(), Some(14..=22)) && within(story.success(), 0.80, 0.84)
    });
}

/// What a burst can cost is the size times the number of clients, whatever the ratio.
#[test]
fn a_budget_is_worth_what_its_client_s_own_traffic_is() {
    let short = Setting { before: 10, after: 20, ..Setting::new() };
    let often = brownout::run(short.scaled(1000), &BUDGET, 1);
    assert!(within(often.amplification(), 1.05, 1.07), "{}", often.amplification());
    assert!(often.recovery().is_some_and(|seconds| seconds <= 7));
    for (clients, least, most) in [(50, 1.05, 1.07), (200, 1.2, 1.3), (1000, 2.1, 2.4), (10_000, 3.7, 4.0)] {
        let setting = Setting::new().spread(clients);
        each(setting, BUDGET, |story| within(story.amplification(), least, most));
        let bound = 1.0 + 0.1 + clients as f64 * 10.0 / (setting.load * setting.during as f64);
        each(setting, BUDGET, |story| story.amplification() <= bound);
    }
    each(Setting::new().spread(10_000), BOTH, |story| story.amplification() > 3.6 && story.recovery().is_none());
}

/// "Never" takes a queue in which an answer is too late: with a shorter one, or more patience, it ends by itself.
#[test]
fn where_the_queue_is_shorter_than_the_timeout_retries_recover() {
    let soon = |story: &Story| story.recovery().is_some_and(|seconds| seconds <= 4);
    each(Setting { queue: 400, ..Setting::new() }, JITTER, soon);
    each(Setting { timeout: Duration::from_secs(3), ..Setting::new() }, JITTER, soon);
}

#[test]
fn a_server_that_is_told_what_time_is_left_keeps_its_capacity() {
    let told = Setting { drops: true, ..Setting::new() };
    each(told, JITTER, |story| {
        within(story.goodput().0, 80.0, 100.0)
            && within(story.amplification(), 3.0, 3.6)
            && story.recovery().is_some_and(|seconds| seconds <= 2)
            && story.success() > 0.9
    });
    each(Setting::new(), JITTER, |story| within(story.goodput().0, 6.0, 8.0));
}

#[test]
fn three_layers_of_four_attempts_make_64_calls_or_4_or_about_one() {
    for seed in SEEDS {
        let calls = |guard| chain::run(guard, 1.0, seed).calls;
        assert_eq!((calls(Guard::Nothing), calls(Guard::Mark)), (64.0, 4.0));
        assert!(within(calls(Guard::Budget), 1.0, 1.005), "{}", calls(Guard::Budget));
        for percent in 0..=100 {
            let outcome = chain::run(Guard::Budget, f64::from(percent) / 100.0, seed);
            // A tenth a layer, at most, and what the buckets held at the start.
            assert!(outcome.calls <= 1.1_f64.powi(3) + 0.01, "{percent} % failing: {outcome:?}");
        }
    }
}

/// Where the store fails by chance, what they hold back would have helped.
#[test]
fn guards_cost_success_where_half_of_the_calls_fail() {
    for seed in SEEDS {
        let [all, marked, budget] = chain::GUARDS.map(|(_, guard)| chain::run(guard, 0.5, seed));
        assert!(all.success > 0.999 && within(all.calls, 1.9, 2.1), "{all:?}");
        assert!(within(marked.success, 0.93, 0.95), "{marked:?}");
        assert!(within(budget.success, 0.57, 0.60), "{budget:?}");
    }
}

#[test]
fn the_same_seed_is_the_same_story() {
    let story = |seed| format!("{:?}", brownout::run(Setting::new(), &BOTH, seed).seconds);
    assert_eq!(story(1), story(1));
    assert_ne!(story(1), story(2));
}

#[track_caller]
fn up_to_date(chosen: impl Fn(&str) -> bool) {
    for (name, draw) in pictures::ALL.into_iter().filter(|(name, _)| chosen(name)) {
        let (path, picture) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name), draw());
        if env::var_os("PERSEVERE_BLESS").is_some() {
            fs::write(&path, &picture).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(kept.lines().eq(picture.lines()), "docs/{name} is stale: run the example `storm`, and look at it");
    }
}

const LARGE: &str = "storm-clients.svg";

#[test]
fn the_pictures_are_up_to_date() {
    up_to_date(|name| name != LARGE);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "ten thousand busy clients: a minute without optimisation")]
fn the_picture_of_many_clients_is_up_to_date() {
    up_to_date(|name| name == LARGE);
}
