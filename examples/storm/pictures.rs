//! What the simulations are drawn as.

use crate::brownout::{self, BOTH, BREAKER, BUDGET, JITTER, NO_RETRY, Setting, Way};
use crate::plot::{Axis, Panel, picture};
use crate::{chain, contention};

/// A picture's file name, and what draws it.
type Picture = (&'static str, fn() -> String);

pub(crate) const ALL: [Picture; 4] = [
    ("storm-contention.svg", of_contention),
    ("storm-brownout.svg", of_brownout),
    ("storm-clients.svg", of_clients),
    ("storm-chain.svg", of_chain),
];

const RUNS: u32 = 40;

pub(crate) fn of_contention() -> String {
    let means = contention::KINDS.map(|(_, jitter, _)| {
        contention::CLIENTS.map(|clients| (clients as f64, contention::mean(clients, jitter, RUNS, 1)))
    });
    let x = Axis::linear("clients", 0.0, 100.0, 20.0);
    let panel = |title: &str, y: Axis, value: fn(&contention::Outcome) -> f64| Panel {
        title: title.into(),
        x: x.clone(),
        y,
        band: None,
        lines: means.iter().map(|line| line.iter().map(|(clients, mean)| (*clients, value(mean))).collect()).collect(),
        dots: true,
    };
    let calls = panel("calls until all are through", Axis::linear("", 0.0, 2000.0, 500.0), |mean| mean.calls);
    let marks = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];
    let time = Axis::logarithmic("", 0.1, 100.0, &marks);
    let time = panel("seconds until all are through (logarithmic)", time, |mean| mean.seconds);
    let names = contention::KINDS.map(|(name, ..)| name);
    picture("Clients that contend for one row: fewer calls by jitter", &names, &[calls, time], 2, 260.0)
}

/// Those that the pictures compare.
const SHOWN: [Way; 5] = [NO_RETRY, JITTER, BUDGET, BREAKER, BOTH];

fn names() -> [&'static str; 5] {
    SHOWN.map(|way| way.name)
}

pub(crate) fn of_brownout() -> String {
    const FROM: i32 = -10;
    const TO: i32 = 60;
    let setting = Setting::new();
    let stories = SHOWN.map(|way| brownout::run(setting, &way, 1));
    let seconds = || FROM..TO;
    let panel = |title: &str, top: f64, value: fn(&brownout::Second) -> u32| Panel {
        title: title.into(),
        x: Axis::linear("time since the brown-out began (seconds)", FROM.into(), TO.into(), 10.0),
        y: Axis::linear("", 0.0, top, top / 4.0),
        band: Some((0.0, setting.during as f64, "a fifth of the capacity")),
        lines: stories
            .iter()
            .map(|story| {
                let of = |at: i32| f64::from(value(&story.seconds[setting.before.wrapping_add_signed(at as isize)]));
                seconds().map(|at| (f64::from(at) + 0.5, of(at))).collect()
            })
            .collect(),
        dots: false,
    };
    let load = panel("load: attempts a second that reach the server", 2400.0, |second| second.attempts);
    let goodput = panel("goodput: answers a second that somebody still waits for", 600.0, |second| second.answers);
    picture("A brown-out of 20 s: 50 clients, 400 calls/s, capacity 500/s", &names(), &[load, goodput], 1, 210.0)
}

pub(crate) fn of_clients() -> String {
    let short = Setting { before: 10, after: 0, ..Setting::new() };
    let panel = |title: &str, counts: &[usize], setting: &dyn Fn(usize) -> Setting| Panel {
        title: title.into(),
        x: Axis::logarithmic("clients (logarithmic)", 50.0, 10_000.0, &[50.0, 200.0, 1000.0, 10_000.0]),
        y: Axis::linear("", 0.0, 4.0, 1.0),
        band: None,
        lines: SHOWN
            .iter()
            .map(|way| {
                let story = |&clients: &usize| brownout::run(setting(clients), way, 1);
                counts.iter().map(|count| (*count as f64, story(count).amplification())).collect()
            })
            .collect(),
        dots: true,
    };
    let counts = [50, 100, 200, 500, 1000, 2000, 5000, 10_000];
    let often = panel("each calls 8 times a second", &[50, 200, 1000, 10_000], &|clients| short.scaled(clients));
    let seldom = panel("all together make 400 calls/s", &counts, &|clients| short.spread(clients));
    let title = "Attempts for each call in the brown-out: what a client's own guard is worth";
    picture(title, &names(), &[often, seldom], 2, 230.0)
}

pub(crate) fn of_chain() -> String {
    let shares: Vec<_> = (0..=40).map(|n| f64::from(n) / 40.0).collect();
    let panel = |title: &str, y: Axis, value: fn(&chain::Outcome) -> f64| Panel {
        title: title.into(),
        x: Axis::linear("share of the store's calls that fail (%)", 0.0, 100.0, 20.0),
        y,
        band: None,
        lines: chain::GUARDS
            .iter()
            .map(|&(_, guard)| shares.iter().map(|&s| (100.0 * s, value(&chain::run(guard, s, 1)))).collect())
            .collect(),
        dots: false,
    };
    let marks = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
    let calls = Axis::logarithmic("", 1.0, 64.0, &marks);
    let calls = panel("calls to the store for each request (logarithmic)", calls, |outcome| outcome.calls);
    let success = Axis::linear("", 0.0, 100.0, 25.0);
    let success = panel("requests that succeed (%)", success, |outcome| 100.0 * outcome.success);
    let names = chain::GUARDS.map(|(name, _)| name);
    picture("A chain three deep, 4 attempts in each layer", &names, &[calls, success], 2, 230.0)
}
