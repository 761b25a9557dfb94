//! What is reported, and what it may cost.

use std::fmt::Write as _;

use crate::callgrind::{self, Costs};
use crate::cases::{all, future_sizes};

/// A case against what it is to be compared with, and its ceilings: with all features compiled in, and with the default
/// ones. A ceiling is what was reached plus a fifth, rounded up.
struct Row(&'static str, What, &'static str, &'static str, [u32; 2]);

#[derive(Clone, Copy, PartialEq)]
enum What {
    /// A first try that succeeds.
    First,
    /// Each failure and retry.
    Retry,
    /// Each poll that is pending, or each step.
    Poll,
}

use What::{First, Poll, Retry};

const ROWS: &[Row] = &[
    Row("blocking, a loop by hand", First, "sync_hand", "sync_bare", [11, 11]),
    Row("blocking, `retry!`", First, "sync_macro", "sync_bare", [6, 6]),
    Row("blocking, `#[retry]`", First, "sync_attribute", "sync_bare", [6, 6]),
    Row("blocking, `retry`", First, "sync_function", "sync_bare", [8, 8]),
    Row("blocking, `retry` by reference", First, "sync_function_ref", "sync_bare", [8, 8]),
    Row("blocking, `.when(..)`", First, "sync_when", "sync_bare", [8, 8]),
    Row("blocking, `.budget(..)`", First, "sync_budget", "sync_bare", [11, 11]),
    Row("blocking, a deadline, over a look at the clock", First, "sync_deadline", "clock_once", [14, 14]),
    Row("async, a loop by hand", First, "async_hand", "async_bare", [35, 35]),
    Row("async, `retry_async!`", First, "async_macro", "async_bare", [86, 59]),
    Row("async, `retry_async!` by reference", First, "async_macro_ref", "async_bare", [78, 50]),
    Row("async, `#[retry]`", First, "async_attribute", "async_bare", [80, 51]),
    Row("async, `retry_async`", First, "async_function", "async_bare_cell", [84, 60]),
    Row("async, `retry_async` by reference", First, "async_function_ref", "async_bare_cell", [77, 53]),
    Row("async, an attempt timeout", First, "async_timed", "async_bare", [160, 149]),
    Row("async, a nesting scope", First, "async_nested", "async_bare", [195, 176]),
    Row("async in place, a loop by hand", First, "plain_hand", "plain_bare", [30, 30]),
    Row("async in place, `retry_async!`", First, "plain_macro", "plain_bare", [87, 46]),
    Row("async in place, `retry_async!` by reference", First, "plain_macro_ref", "plain_bare", [78, 39]),
    Row("async in place, `#[retry]`", First, "plain_attribute", "plain_bare", [80, 40]),
    Row("async in place, `retry_async`", First, "plain_function", "plain_bare_cell", [98, 58]),
    Row("async in place, `retry_async` by reference", First, "plain_function_ref", "plain_bare_cell", [90, 52]),
    Row("a loop by hand", Poll, "poll_hand", "poll_bare", [14, 14]),
    Row("`retry_async!` by reference", Poll, "poll_macro", "poll_bare", [28, 24]),
    Row("`#[retry]`", Poll, "poll_attribute", "poll_bare", [28, 24]),
    Row("in place, a loop by hand", Poll, "plain_poll_hand", "plain_poll_bare", [3, 3]),
    Row("in place, `retry_async!` by reference", Poll, "plain_poll_macro", "plain_poll_bare", [17, 18]),
    Row("in place, `#[retry]`", Poll, "plain_poll_attribute", "plain_poll_bare", [17, 18]),
    Row("blocking, `retry`", Retry, "sync_retries_function", "sync_retries_bare", [238, 104]),
    Row("blocking, `retry!`", Retry, "sync_retries_macro", "sync_retries_bare", [237, 101]),
    // With all features it looks up the counters that have its name.
    Row("blocking, `#[retry]`", Retry, "sync_retries_attribute", "sync_retries_bare", [342, 102]),
    // A third of this asks the system for the draw, which keeps two processes apart.
    Row("blocking, full jitter", Retry, "sync_retries_jitter", "sync_retries_bare", [326, 184]),
    Row("async, `retry_async!`", Retry, "async_retries_macro", "async_retries_bare", [245, 110]),
    Row("async, `#[retry]`", Retry, "async_retries_attribute", "async_retries_bare", [350, 110]),
    Row("no wait, in a task of tokio's, over a yield", Retry, "yield_retries_macro", "yield_retries_bare", [282, 134]),
    Row("`Backoff::next`", Poll, "next_plain", "sync_bare", [38, 38]),
    Row("`Backoff::next`, full jitter", Poll, "next_jittered", "sync_bare", [120, 120]),
];

/// A case of the peers' beside this crate's own. No ceiling: what others cost is not for this gate to hold.
struct PeerRow(&'static str, &'static str);

const PEERS: [PeerRow; 17] = [
    PeerRow("a loop by hand", "blocking_hand"),
    PeerRow("persevere `retry`", "blocking_function"),
    PeerRow("persevere `retry!`", "blocking_macro"),
    PeerRow("backon", "blocking_backon"),
    PeerRow("backoff", "blocking_backoff"),
    PeerRow("retry", "blocking_retry"),
    PeerRow("exponential-backoff", "blocking_exponential"),
    PeerRow("a loop by hand", "async_hand"),
    PeerRow("persevere `retry_async`", "async_function"),
    PeerRow("persevere `retry_async!`", "async_macro"),
    PeerRow("backon", "async_backon"),
    PeerRow("backoff", "async_backoff"),
    PeerRow("tokio-retry2", "async_tokio_retry2"),
    PeerRow("tryhard", "async_tryhard"),
    PeerRow("again", "async_again"),
    PeerRow("exponential-backoff", "async_exponential"),
    PeerRow("tower", "async_tower"),
];

/// Measures and prints all rows; says whether each is below its ceiling.
pub fn report() -> Result<bool, String> {
    let measured = Measured::new()?;
    let of = usize::from(!cfg!(feature = "all"));
    let mut table = String::from("what\tof\tinstructions\tceiling\n");
    let mut below = true;
    let mut row = |what: &str, of: &str, count: f64, ceiling: u32| {
        let passed = if count > f64::from(ceiling) { " PASSED" } else { "" };
        below &= passed.is_empty();
        let _ = writeln!(table, "{what}\t{of}\t{count:.1}\t{ceiling}{passed}");
    };
    for Row(name, what, case, bare, ceilings) in ROWS {
        let what = *what;
        let title = match what {
            First => "first try",
            Retry => "a retry",
            Poll => "a poll or step",
        };
        row(name, title, measured.of(what, case) - measured.of(what, bare), ceilings[of]);
    }
    let over = |case, bare| measured.of(First, case) - measured.of(First, bare);
    let copied = over("large_macro", "large_bare") - over("small_macro", "small_bare");
    row("an operation of 16 KiB, over one of 64 bytes", "first try", copied, 8);
    for (door, bytes) in future_sizes() {
        let own = match door {
            _ if door.ends_with("by reference") => 48,
            // Its policy is a `const`; an argument of an async function that is borrowed over an await is held twice.
            "`#[retry]`" => 56,
            _ => 104,
        };
        // A block in place holds what it borrows once more; a run's span is a word, once it has one.
        let ceiling = own + if of == 0 { 8 } else { 0 };
        row(&format!("future over an operation of 1 KiB, {door}"), "bytes", bytes as f64, ceiling);
    }
    // The peers cost the same whatever this crate is built with.
    if !cfg!(feature = "all") {
        for PeerRow(name, case) in PEERS {
            let kind = case.split('_').next().unwrap_or_default();
            let (case, bare) = (format!("peer_{case}"), format!("peer_{kind}_bare"));
            let first = measured.of(First, &case) - measured.of(First, &bare);
            let _ = writeln!(table, "{kind}, {name}\tfirst try\t{first:.1}\t");
            if kind == "blocking" {
                // These cases fail half as often.
                let retry = 2.0 * (measured.of(Retry, &case) - measured.of(Retry, &bare));
                let _ = writeln!(table, "{kind}, {name}\ta retry\t{retry:.1}\t");
            }
        }
    }
    print!("{table}");
    Ok(below)
}

/// The cases without failures and polls, and what each failure and each poll adds.
struct Measured {
    first: Costs,
    retries: [Costs; 2],
    polls: [Costs; 2],
}

impl Measured {
    fn new() -> Result<Self, String> {
        let measured = Self {
            first: callgrind::costs(0, 0)?,
            retries: [callgrind::costs(2, 0)?, callgrind::costs(6, 0)?],
            polls: [callgrind::costs(0, 1)?, callgrind::costs(0, 11)?],
        };
        debug_assert!(all().all(|(case, _)| measured.first.contains_key(case)));
        Ok(measured)
    }

    fn of(&self, what: What, case: &str) -> f64 {
        match what {
            First => self.first[case],
            Retry => (self.retries[1][case] - self.retries[0][case]) / 4.0,
            Poll => (self.polls[1][case] - self.polls[0][case]) / 10.0,
        }
    }
}
