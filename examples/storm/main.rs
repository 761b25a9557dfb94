//! Simulates what retries do to servers, in virtual time, and draws it: clients that contend for one row, a server in
//! a brown-out, a chain of services whose store is down. Policies, waits, budgets, breakers and throttles are the
//! crate's own; only the servers, the network and the clock are made up.
//!
//! ```text
//! cargo run --release --example storm --features svg -- docs
//! ```

mod brownout;
mod chain;
mod contention;
mod pictures;
mod plot;
mod random;

use std::path::PathBuf;
use std::{env, fs, io, thread};

use crate::brownout::{BOTH, BREAKER, BUDGET, JITTER, NO_RETRY, Setting, Story, WAYS, Way};

fn range(values: impl Iterator<Item = f64> + Clone, digits: usize) -> String {
    let (least, most) = (values.clone().fold(f64::MAX, f64::min), values.fold(f64::MIN, f64::max));
    let [least, most] = [least, most].map(|value| format!("{value:.digits$}"));
    if least == most { least } else { format!("{least} to {most}") }
}

fn recovery(stories: &[Story]) -> String {
    if stories.iter().all(|story| story.recovery().is_none()) {
        return format!("not in {} s", stories[0].setting.after);
    }
    range(stories.iter().map(|story| story.recovery().map_or(f64::INFINITY, |seconds| seconds as f64)), 0) + " s"
}

fn contention() {
    println!("\nContention: 100 clients write one row, in the mean of 100 runs\n");
    println!("{:<22}{:>8}{:>16}{:>10}{:>12}", "", "calls", "article's", "", "seconds");
    for (name, jitter, published) in contention::KINDS {
        let mean = contention::mean(100, jitter, 100, 1);
        let off = (mean.calls / published - 1.0) * 100.0;
        println!("{name:<22}{:>8.0}{published:>16.0}{off:>+9.1}%{:>12.1}", mean.calls, mean.seconds);
    }
}

/// A table row a way, each of a few seeds.
fn brownout(heading: &str, setting: Setting, ways: &[(Way, &str)], seeds: u64) {
    println!("\n{heading}\n");
    println!(
        "{:<28}{:>18}{:>16}{:>18}{:>18}{:>14}{:>14}   claimed",
        "", "attempts/s then", "for each call", "answers/s then", "answers/s after", "recovered", "success"
    );
    // Each is a world of its own, so the order in which they are lived through plays no part.
    let stories: Vec<Vec<Story>> = thread::scope(|scope| {
        let threads: Vec<_> = ways
            .iter()
            .map(|(way, _)| scope.spawn(move || (1..=seeds).map(|seed| brownout::run(setting, way, seed)).collect()))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a simulation panicked")).collect()
    });
    for ((way, claimed), stories) in ways.iter().zip(&stories) {
        println!(
            "{:<28}{:>18}{:>16}{:>18}{:>18}{:>14}{:>14}   {claimed}",
            way.name,
            range(stories.iter().map(|story| story.load().0), 0),
            range(stories.iter().map(Story::amplification), 2),
            range(stories.iter().map(|story| story.goodput().0), 0),
            range(stories.iter().map(|story| story.goodput().1), 0),
            recovery(stories),
            range(stories.iter().map(|story| story.success() * 100.0), 0) + " %",
        );
    }
}

fn chain() {
    println!("\nA chain three deep, 4 attempts in each layer: calls to the store for each request, and success\n");
    print!("{:<20}", "calls that fail");
    for (name, _) in chain::GUARDS {
        print!("{name:>22}");
    }
    println!();
    for failing in [0.0, 0.01, 0.1, 0.3, 0.5, 0.9, 1.0] {
        print!("{:<20}", format!("{:.0} %", failing * 100.0));
        for (_, guard) in chain::GUARDS {
            let outcome = chain::run(guard, failing, 1);
            print!("{:>22}", format!("{:.3}, {:.1} %", outcome.calls, outcome.success * 100.0));
        }
        println!();
    }
    println!("{:<20}{:>22}{:>22}{:>22}", "claimed at 100 %", "64", "4", "at most 1.1");
}

fn main() -> io::Result<()> {
    contention();
    let claims = [
        "1",
        "about 3.9, never",
        "about 3.9, never",
        "about 3.9, never",
        "at most 1.15",
        "1.4",
        "",
        "less than 0.5",
        "",
        "",
    ];
    let all: Vec<_> = WAYS.into_iter().zip(claims).collect();
    let short = Setting { before: 10, after: 20, ..Setting::new() };
    let few = [NO_RETRY, JITTER, BUDGET, BREAKER, BOTH].map(|way| (way, ""));
    brownout(
        "Brown-out: 50 clients, 400 calls/s, of which the server can do 500, and 100 for 20 s",
        Setting::new(),
        &all,
        3,
    );
    brownout("The same at 95 % load: 475 calls/s", Setting::new().load(475.0), &WAYS.map(|way| (way, "")), 3);
    let told = Setting { drops: true, ..Setting::new() };
    brownout("50 clients, and a server that does no work on what would come too late", told, &few, 3);
    brownout("1 000 clients that call as often each, and a server 20 times as large", short.scaled(1_000), &few, 3);
    brownout("10 000 clients that call as often each, and a server 200 times as large", short.scaled(10_000), &few, 1);
    brownout("1 000 clients that make the 400 calls/s together", Setting::new().spread(1_000), &few, 3);
    brownout("10 000 clients that make the 400 calls/s together", Setting::new().spread(10_000), &few, 3);
    chain();

    let directory = env::args_os().nth(1).map_or_else(|| "docs".into(), PathBuf::from);
    fs::create_dir_all(&directory)?;
    for (name, draw) in pictures::ALL {
        fs::write(directory.join(name), draw())?;
    }
    println!("\nThe pictures are in {}.", directory.display());
    Ok(())
}
