//! Writes `BENCHMARKS.md` from what a run has left: criterion's estimates, the footprint, the costs of building, and
//! the instruction counts if there are any. `benches/run` calls it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

/// A figure of a table.
#[derive(Clone, Debug)]
struct Cell {
    value: f64,
    text: String,
    /// Where the true figure lies, as far as the run can tell; the figure itself where nothing is drawn.
    low: f64,
    high: f64,
}

impl Cell {
    fn exact(value: f64, text: String) -> Self {
        Self { value, text, low: value, high: value }
    }

    fn count(value: f64) -> Self {
        Self::exact(value, thousands(value))
    }

    /// A difference from the row that all others are measured from.
    fn over(value: f64, base: f64) -> Self {
        Self::count(value - base)
    }
}

/// The cells of one column, by row.
#[derive(Clone, Debug, Default)]
struct Column {
    title: String,
    cells: Vec<(String, Cell)>,
}

impl Column {
    fn get(&self, row: &str) -> Option<&Cell> {
        self.cells.iter().find(|(name, _)| name == row).map(|(_, cell)| cell)
    }
}

/// Which side a row is on.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Ours,
    Peer,
    /// Written by hand, or no retry at all: a measure of what is there to save.
    Yardstick,
}

fn side(row: &str) -> Side {
    if row.contains("persevere") {
        Side::Ours
    } else if row.contains("hand-written") || row.contains("alone") || row == "no dependency" {
        Side::Yardstick
    } else {
        Side::Peer
    }
}

/// A time with three significant digits, its spread, and a unit that suits them.
fn time(nanos: f64, spread: f64) -> String {
    let (one, unit) = match nanos {
        _ if nanos < 1e3 => (1.0, "ns"),
        _ if nanos < 1e6 => (1e3, "µs"),
        _ if nanos < 1e9 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    let (value, spread) = (nanos / one, spread / one);
    let digits = match value {
        _ if value >= 100.0 => 0,
        _ if value >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$} ± {spread:.digits$} {unit}")
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

/// A group of criterion's, in nanoseconds an element.
fn timed(group: &str, title: &str) -> Option<Column> {
    let mut cells = Vec::new();
    for row in fs::read_dir(Path::new("target/criterion").join(group)).ok()? {
        let path = row.ok()?.path().join("new");
        let read = |name| -> Option<Value> { serde_json::from_str(&fs::read_to_string(path.join(name)).ok()?).ok() };
        let (Some(of), Some(estimates)) = (read("benchmark.json"), read("estimates.json")) else { continue };
        let elements = of["throughput"]["Elements"].as_f64().unwrap_or(1.0);
        let median = &estimates["median"];
        let value = median["point_estimate"].as_f64()? / elements;
        let spread = estimates["median_abs_dev"]["point_estimate"].as_f64()? / elements;
        let interval = &median["confidence_interval"];
        let text = time(value, spread);
        let (low, high) = (interval["lower_bound"].as_f64()? / elements, interval["upper_bound"].as_f64()? / elements);
        cells.push((of["function_id"].as_str()?.to_owned(), Cell { value, text, low, high }));
    }
    (!cells.is_empty()).then(|| Column { title: title.to_owned(), cells })
}

/// Lines parted by tabs, of one kind.
fn lines(file: &str, kind: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.len() >= 3 && line[0] == kind)
        .collect()
}

const FOOTPRINT: &str = "target/results/footprint.tsv";
const COSTS: &str = "target/results/compile-cost.tsv";

/// The figures of one case of the footprint.
fn footprint(kind: &str, case: &str, title: &str) -> Option<Column> {
    let cells: Vec<_> = lines(FOOTPRINT, kind)
        .into_iter()
        .filter(|line| line[1] == case)
        .filter_map(|line| Some((line[2].clone(), Cell::count(line.get(3)?.parse().ok()?))))
        .collect();
    (!cells.is_empty()).then(|| Column { title: title.to_owned(), cells })
}

/// Future sizes over what the operation itself takes.
fn overhead(case: &str) -> Option<Column> {
    let sizes = footprint("size", case, &format!("{case} operation"))?;
    let base = sizes.get("the operation alone")?.value;
    let cells = sizes.cells.iter().filter(|(row, _)| row != "the operation alone");
    let cells = cells.map(|(row, cell)| (row.clone(), Cell::over(cell.value, base))).collect();
    Some(Column { cells, ..sizes })
}

/// The page, and the places where a peer is ahead.
#[derive(Default)]
struct Page {
    text: String,
    ahead: Vec<String>,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn section(&mut self, title: &str) {
        let _ = write!(self.text, "\n## {title}\n\n");
    }

    fn paragraph(&mut self, text: &str) {
        let _ = write!(self.text, "{}\n\n", wrapped(text));
    }

    /// A table, sorted by its first column, and a sentence about who is ahead.
    fn table(&mut self, what: &str, columns: &[Option<Column>]) {
        let columns: Vec<_> = columns.iter().flatten().collect();
        let Some(first) = columns.first() else {
            self.paragraph("Not measured in this run.");
            return;
        };
        let mut rows: Vec<_> = first.cells.clone();
        for column in &columns {
            for (row, cell) in &column.cells {
                if !rows.iter().any(|(known, _)| known == row) {
                    rows.push((row.clone(), Cell { value: f64::INFINITY, ..cell.clone() }));
                }
            }
        }
        rows.sort_by(|(a, left), (b, right)| left.value.total_cmp(&right.value).then_with(|| a.cmp(b)));
        self.line(&format!("| | {} |", columns.iter().map(|c| c.title.as_str()).collect::<Vec<_>>().join(" | ")));
        self.line(&format!("|---|{}", "---:|".repeat(columns.len())));
        for (row, _) in &rows {
            let name = if side(row) == Side::Ours { format!("**{row}**") } else { row.clone() };
            let cells = columns.iter().map(|c| c.get(row).map_or("", |cell| cell.text.as_str()));
            self.line(&format!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | ")));
        }
        self.line("");
        let told: Vec<_> = columns.iter().map(|column| (column, ahead(column))).collect();
        for (column, ahead) in &told {
            if let Some(ahead) = ahead {
                let place = if told.len() > 1 { format!("{what}, {}", plain(&column.title)) } else { what.to_owned() };
                self.ahead.push(format!("{place}: {ahead}."));
            }
        }
    }
}

/// A column's title without its unit.
fn plain(title: &str) -> &str {
    title.split(" (").next().unwrap_or(title)
}

/// Who is ahead of persevere in a column.
fn ahead(column: &Column) -> Option<String> {
    let of = |wanted| column.cells.iter().filter(move |(row, _)| side(row) == wanted);
    let mut phrases = Vec::new();
    let mut peers: Vec<_> = of(Side::Peer).collect();
    peers.sort_by(|(_, a), (_, b)| a.value.total_cmp(&b.value));
    for (peer, cell) in peers {
        let behind: Vec<_> = of(Side::Ours).filter(|(_, ours)| cell.high < ours.low).collect();
        if behind.is_empty() {
            continue;
        }
        let all = behind.len() == of(Side::Ours).count();
        let names = behind.iter().map(|(row, _)| row.trim_start_matches("persevere ")).collect::<Vec<_>>().join(", ");
        let text = if all { peer.clone() } else { format!("{peer} (of {names} only)") };
        phrases.push(text);
    }
    (!phrases.is_empty()).then(|| phrases.join(", "))
}

/// Lines of at most 120 characters.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("never empty");
        if !line.is_empty() && line.chars().count() + word.chars().count() + 1 > 120 {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

fn output(command: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(command).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The machine, the tools and the peers' versions.
fn surroundings(page: &mut Page) {
    page.section("Machine and versions");
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let system = output("uname", &["-s"]).unwrap_or_else(|| env::consts::OS.to_owned());
    let release = output("uname", &["-r"]).unwrap_or_default();
    // What stands behind the number is the name of a build.
    let release = release.split('-').next().unwrap_or_default();
    let rustc = output("rustc", &["-V"]).unwrap_or_else(|| "unknown".to_owned());
    let date = output("date", &["-u", "+%Y-%m-%d"]).unwrap_or_else(|| "unknown".to_owned());
    let versions = versions();
    let peers = versions.iter().map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>().join(", ");
    let load = env::var("LOAD").ok();
    let list = [
        ("date", date),
        ("processor", format!("{}, {cores} logical cores", model.unwrap_or("unknown"))),
        ("load before the run", format!("{} (mean of one minute)", load.as_deref().unwrap_or("unknown"))),
        ("system", format!("{system} {release} {}", env::consts::ARCH)),
        ("compiler", rustc),
        ("profile", "release, without LTO, default codegen units; the library with its default features".to_owned()),
        ("crates", peers),
    ];
    page.line("| | |");
    page.line("|---|---|");
    for (name, value) in list {
        page.line(&format!("| {name} | {value} |"));
    }
    // A single busy process is a load of 1.
    if load.and_then(|load| load.parse().ok()).is_some_and(|load: f64| load > 0.5) {
        page.line("");
        page.paragraph("**The machine was busy with other work: the times below are too long, and spread widely.**");
    }
}

/// The versions of what is compared, from the lock file.
fn versions() -> BTreeMap<String, String> {
    const COMPARED: [&str; 12] = [
        "again",
        "backoff",
        "backon",
        "criterion",
        "exponential-backoff",
        "persevere",
        "retry",
        "tokio",
        "tokio-retry2",
        "tower",
        "tryhard",
        "fastrand",
    ];
    let lock = fs::read_to_string("Cargo.lock").unwrap_or_default();
    let field = |entry: &str, name: &str| {
        let line = entry.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")))?;
        Some(line.trim_matches('"').to_owned())
    };
    lock.split("[[package]]")
        .filter_map(|entry| Some((field(entry, "name")?, field(entry, "version")?)))
        .filter(|(name, _)| COMPARED.contains(&name.as_str()))
        .collect()
}

fn instructions(page: &mut Page) {
    let Ok(text) = fs::read_to_string("instructions/results.txt") else { return };
    page.section("Instructions");
    page.paragraph(
        "Counted by callgrind over the bare call, so the same build gives the same figures on a loaded machine. The \
         harness and its ceilings are in `benches/instructions`; the gate fails where a ceiling is passed. The first \
         rows are those with every feature compiled in and nobody listening, the second those with the default ones, \
         with the peers beside them. An async row is polled as a runtime does, by a call of `poll`; one in place by a \
         plain loop that the compiler sees at once with the future.",
    );
    page.paragraph(
        "What the async rows cost beyond the loop by hand: an attempt in place is a block of its own, so that `?` \
         and `return` end the attempt and not the function, and that block's state is read and written at each poll; \
         and one word says whether the run remembers anything yet. The loop by hand pays \
         most of it, too: a sleep's poll and drop stand in the same function, and the registers that they need are saved \
         at every poll. A policy by value is copied into the future, one by \
         reference is not. With `tracing` a run may own a span, so that its future has something to drop: that is looked \
         for where the run ends, and again where the future does. A retry costs classifying, limits, growth, cap, hint \
         and deadline; what `metrics` and `tracing` add is mostly asking for the recorder, even where there is none. A \
         retry without a wait gives the executor one turn; the turn itself, some hundreds in a task of tokio's, is not \
         counted here, but the second poll is. A future of `retry_async` includes what its closure captures, here a \
         word; an in-place block captures as much.",
    );
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    let width = text.lines().map(|line| line.split('\t').count()).max().unwrap_or(1);
    let cells = |line: &str| {
        let mut cells: Vec<_> = line.trim_start_matches("# ").split('\t').map(str::to_owned).collect();
        cells.resize(width, String::new());
        format!("| {} |", cells.join(" | "))
    };
    // A first line that begins with `row` or `#` names the columns.
    let heading = lines.next_if(|line| line.starts_with('#') || line.starts_with("row\t"));
    page.line(&cells(heading.unwrap_or("\tpersevere")));
    page.line(&format!("|---|{}", "---:|".repeat(width - 1)));
    for line in lines {
        page.line(&cells(line));
    }
}

/// What to compare in the cost of building: each of ours with the peers that do about as much.
const LIKE_WITH_LIKE: [(&str, &[&str]); 3] = [
    ("persevere, no default features", &["backon, blocking alone", "retry, without `rand`"]),
    ("persevere, `std` and `macros` alone", &["thiserror"]),
    ("persevere, default features", &["backon, default features", "retry, default features"]),
];

fn building(page: &mut Page) {
    page.section("Building");
    page.paragraph(
        "CPU seconds, user and system, of a clean build of an empty crate with this one dependency, in the debug \
         profile, which is what gets built most; one job at a time, cargo's own work included, everything downloaded \
         before. The median, then the lowest and the highest. Crates are those that get compiled, proc macros \
         included.",
    );
    let builds = lines(COSTS, "build");
    if builds.is_empty() {
        page.paragraph("Not measured in this run.");
        return;
    }
    let parsing = |case: &str| case.starts_with("with syn") || case.starts_with("proc-macro2");
    page.line("| | CPU seconds | lowest to highest | crates |");
    page.line("|---|---:|---:|---:|");
    for line in builds.iter().filter(|line| !parsing(&line[1]) && line.len() >= 6) {
        let name = if side(&line[1]) == Side::Ours { format!("**{}**", line[1]) } else { line[1].clone() };
        page.line(&format!("| {name} | {} | {} to {} | {} |", line[2], line[3], line[4], line[5]));
    }
    page.line("");
    for (ours, peers) in LIKE_WITH_LIKE {
        let of = |case: &str, field: usize| -> Option<f64> {
            builds.iter().find(|line| line[1] == case).and_then(|line| line.get(field)?.parse().ok())
        };
        let (Some(median), Some(lowest)) = (of(ours, 2), of(ours, 3)) else { continue };
        let cheaper = peers.iter().filter_map(|peer| Some((peer, of(peer, 2)?, of(peer, 4)?)));
        let cheaper: Vec<_> = cheaper
            .filter(|(_, _, highest)| *highest < lowest)
            .map(|(peer, seconds, _)| format!("{peer} ({seconds:.2} s)"))
            .collect();
        if !cheaper.is_empty() {
            page.ahead.push(format!("building {ours} ({median:.2} s): {}.", cheaper.join("; ")));
        }
    }
    let seconds = |case: &str| -> Option<f64> {
        builds.iter().find(|line| line[1] == case).and_then(|line| line[2].parse().ok())
    };
    let figure = |case: &str| seconds(case).map_or_else(|| "?".to_owned(), |seconds| format!("{seconds:.2}"));
    let versions = lines(COSTS, "version").into_iter().map(|line| format!("{} {}", line[1], line[2]));
    page.paragraph(&format!("Versions: {}.", versions.collect::<Vec<_>>().join(", ")));
    let parsers = format!(
        "The attribute's parser: an empty crate with `proc-macro2` and `quote` takes {} CPU seconds, with syn's \
         `parsing`, `printing` and `proc-macro` {}, with syn's default features {}, with `full` {}.",
        figure("proc-macro2 and quote"),
        figure("with syn, `parsing`, `printing`, `proc-macro`"),
        figure("with syn, default features"),
        figure("with syn, default features and `full`"),
    );
    let macros = fs::read_to_string("../macros/Cargo.toml").unwrap_or_default();
    let choice = if macros.contains("\nsyn = ") {
        "The macros read keys and items as tokens, and leave bodies and expressions to the compiler. They keep syn \
         with the fewest features for two things: errors that span the user's tokens, and the values of literals. Its \
         grammar of Rust, which is most of what `full` costs, has no use here."
    } else {
        "The macros do without syn. They read keys and items as tokens, and leave bodies and expressions to the \
         compiler; what was left for syn to do, errors that span the user's tokens and the values of literals, takes \
         one short file."
    };
    page.paragraph(&format!("{parsers} {choice}"));
}

fn text_size(page: &mut Page) {
    page.section("Size of the program");
    page.paragraph(
        "Bytes of the section `.text` of a release build with a single retry in it, over the same program with a \
         hand-written loop. The blocking one reads a file, the async one connects with tokio. The loop retries three \
         kinds of I/O errors; persevere classifies all of them, and looks through the chain of causes.",
    );
    let texts = lines(COSTS, "text");
    for kind in ["blocking", "async"] {
        let of = texts.iter().filter_map(|line| Some((line[1].strip_prefix(kind)?.strip_prefix(", ")?, &line[2])));
        let sizes: Vec<(&str, f64)> = of.filter_map(|(case, bytes)| Some((case, bytes.parse().ok()?))).collect();
        let base = sizes.iter().find(|(case, _)| *case == "hand-written loop").map_or(0.0, |(_, bytes)| *bytes);
        for (title, jitter) in [("without jitter", false), ("with jitter", true)] {
            let cells = sizes.iter().filter(|(case, _)| *case != "hand-written loop");
            let cells: Vec<_> = cells
                .filter(|(case, _)| case.ends_with(", jitter") == jitter)
                .map(|(case, bytes)| (case.trim_end_matches(", jitter").to_owned(), Cell::over(*bytes, base)))
                .collect();
            if !cells.is_empty() {
                let column = Column { title: format!("{kind}, {title} (bytes over the loop)"), cells };
                page.table(&format!("size of the program, {kind}, {title}"), &[Some(column)]);
            }
        }
    }
}

fn times(page: &mut Page) {
    page.section("Success at the first try");
    page.paragraph("A blocking operation that succeeds at once.");
    page.table("first try, blocking", &[timed("first-try-blocking", "time")]);
    page.paragraph(
        "An async operation that is ready at its first poll, polled in a plain loop without a runtime. Its future \
         takes 64 B or 16 KiB, of which it writes little: what the larger one costs more is copying.",
    );
    page.table(
        "first try, async",
        &[timed("first-try-async-64", "64 B operation"), timed("first-try-async-16k", "16 KiB operation")],
    );

    page.section("Three failures, then success, without waits");
    page.paragraph("A blocking operation; four calls a run.");
    page.table("three retries, blocking", &[timed("retries-blocking", "time a run")]);
    page.paragraph(
        "An async operation of 64 B on a current-thread runtime of tokio; four calls a run. With the runtime's clock \
         paused a timer that is set to zero ends at once, and the figure is the work alone. With the system's clock, \
         as in production, tokio rounds a timer up to its next millisecond. persevere takes no timer for a wait of \
         zero, but yields once to the runtime; the hand-written loop skips a wait of zero and does not yield. again \
         has a timer thread of its own, which knows no paused clock. backon takes any function as its sleeper: it has \
         a second row, with one that is ready at once.",
    );
    page.table(
        "three retries, async",
        &[timed("retries-async-real", "system's clock"), timed("retries-async-paused", "clock paused")],
    );

    page.section("The waits alone");
    page.paragraph(
        "One step of each crate's iterator, as the mean of the first 16 from a fresh start: 100 ms that double up to a \
         cap of 10 s. retry has no cap; tryhard applies its own outside the iterator; tower's yields timers and \
         again's is private, so they have no row. Jitter is each crate's own: full in persevere, retry and the \
         hand-written one, 0 to 100 % on top in backon, ± 50 % in backoff and tokio-retry2, ± 30 % in \
         exponential-backoff, none in tryhard.",
    );
    let (waits, jittered) = (timed("waits-plain", "time a wait"), timed("waits-jitter", "time a wait, with jitter"));
    page.table("waits, without jitter", &[waits]);
    page.table("waits, with jitter", &[jittered]);

    page.section("100 000 operations at the same time");
    page.paragraph(
        "Each is a task of its own on tokio's multi-thread runtime with 2 workers, fails three times, and waits 10, 20 \
         and 40 ms. Wall time is from the first spawn to the last task's end, so it is never less than 70 ms; CPU time \
         is that of all threads. Heap is what one waiting task holds, tokio's own part included; the allocator's \
         rounding is not.",
    );
    if env::var_os("QUICK").is_some() {
        page.paragraph("In this quick run it is 1 000 operations.");
    }
    page.table(
        "100 000 operations",
        &[
            timed("concurrent-wall", "wall time"),
            timed("concurrent-cpu", "CPU time"),
            footprint("task", "64 B", "heap a task (bytes)"),
        ],
    );

    let budgets = [
        timed("budget-calm-1", "calm, 1 thread"),
        timed("budget-calm-2", "calm, 2 threads"),
        timed("budget-storm-1", "storm, 1 thread"),
        timed("budget-storm-2", "storm, 2 threads"),
    ];
    if budgets.iter().any(Option::is_some) {
        page.section("Budgets under contention");
        page.paragraph(
            "One budget shared by 1 or 2 threads that do nothing else; the time that one operation's use of it takes \
             its thread. Calm: each operation succeeds and deposits, on a bucket that is full. Storm: each fails and \
             asks for a retry, one in ten deposits, and nearly all are refused.",
        );
        page.table("budget", &budgets);
    }

    let hints = [timed("hints", "time")];
    if hints.iter().any(Option::is_some) {
        page.section("What a server asks for");
        page.paragraph(
            "The time that `http::retry_after_at` takes for a response's headers. The server chooses them, so the work \
             is bounded: of each header at most 256 bytes and 8 items are read. No row is to take more than 20 µs.",
        );
        page.table("hint", &hints);
    }
}

fn room(page: &mut Page) {
    page.section("Size of futures");
    page.paragraph(
        "Bytes of the future with retries over the future of the operation alone, for operations of three sizes; 16 of \
         them are what the operation's closure captures. During a wait tokio's timer takes the operation's place. It is \
         larger than 64 B, so the first column includes that difference, but for again, whose own timer is small, and \
         for backoff, which keeps room for both.",
    );
    page.table("size of futures", &[overhead("64 B"), overhead("1 KiB"), overhead("16 KiB")]);

    page.section("Heap allocations");
    page.paragraph("Allocations in one run, after a first one that is not counted; tokio's timers included.");
    for kind in ["blocking", "async"] {
        let column = |case| footprint("heap", &format!("{kind}, {case}"), &format!("{kind}, {case}"));
        let columns = [column("first try"), column("three retries")];
        if columns.iter().flatten().flat_map(|column| &column.cells).all(|(_, cell)| cell.value == 0.0) {
            let rows = columns[0].iter().flat_map(|column| &column.cells).map(|(row, _)| row.as_str());
            let rows = rows.collect::<Vec<_>>().join(", ");
            page.paragraph(&format!("None in any {kind} row, first try or three retries: {rows}."));
        } else {
            page.table(&format!("heap allocations, {kind}"), &columns);
        }
    }
}

fn main() {
    env::set_current_dir(env!("CARGO_MANIFEST_DIR")).expect("the crate's own folder");
    let mut page = Page::default();
    times(&mut page);
    instructions(&mut page);
    room(&mut page);
    building(&mut page);
    text_size(&mut page);
    let (body, peers_ahead) = (std::mem::take(&mut page.text), std::mem::take(&mut page.ahead));

    page.line("# Benchmarks\n");
    page.paragraph(
        "persevere beside other retry crates and a loop written by hand. This page is written by `benches/run`, which \
         builds and measures all that is in its tables in one go.",
    );
    if env::var_os("QUICK").is_some() {
        page.paragraph("**A quick run: it shows that the benches work. Its times say little.**");
    }
    page.paragraph(
        "Every row runs the same operation under the same rules, in its own crate's words: at most 3 retries, waits \
         that double from a base up to a cap, no jitter unless it says so, and failures retried only if they are \
         transient. The hand-written loop is the shortest that keeps to them. Before anything is measured, each row is \
         checked to make the right number of calls and to come to the right outcome. backoff has no limit on retries, \
         which no case here reaches.",
    );
    page.paragraph(
        "Times are the median and, behind the ±, the median absolute deviation of the samples. These tables are \
         sorted by their first column. Rows of persevere are in bold: `retry` and `retry_async` are functions, `retry!` and \
         `retry_async!` macros, `#[retry]` the attribute. Wall-clock figures of a few nanoseconds depend on how the \
         compiler lays out a loop; they compare rows of one table, not machines, and they say little of \
         instructions, of which a processor runs several at once.",
    );
    surroundings(&mut page);
    page.section("Where a peer is ahead");
    page.paragraph(
        "Every column in which a peer's figure is better than one of persevere's: for times, if the 95 % confidence \
         intervals of the two medians do not touch; for builds, if its highest figure is below our lowest.",
    );
    if peers_ahead.is_empty() {
        page.paragraph("None in this run.");
    }
    for place in &peers_ahead {
        page.line(&wrapped(&format!("- {place}")).replace('\n', "\n  "));
    }
    page.text.push_str(&body);

    let text = format!("{}\n", page.text.trim_end());
    let mut tidy = String::new();
    // One empty line is enough.
    for line in text.lines() {
        if !(line.is_empty() && tidy.ends_with("\n\n")) {
            tidy.push_str(line);
            tidy.push('\n');
        }
    }
    fs::write("../BENCHMARKS.md", tidy).expect("BENCHMARKS.md can be written");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(rows: &[(&str, f64, f64)]) -> Column {
        let cell = |(row, low, high): &(&str, f64, f64)| {
            let cell = Cell { value: f64::midpoint(*low, *high), text: String::new(), low: *low, high: *high };
            ((*row).to_owned(), cell)
        };
        Column { title: "time".to_owned(), cells: rows.iter().map(cell).collect() }
    }

    #[test]
    fn a_peer_that_is_ahead_is_named() {
        let ours = [("persevere `retry`", 10.0, 11.0), ("persevere `retry!`", 20.0, 21.0)];
        let with = |peer| ahead(&column(&[ours[0], ours[1], peer, ("hand-written loop", 1.0, 1.0)]));
        assert_eq!(with(("backon", 8.0, 9.0)).as_deref(), Some("backon"));
        assert_eq!(with(("backon", 12.0, 13.0)).as_deref(), Some("backon (of `retry!` only)"));
        assert_eq!(with(("backon", 30.0, 31.0)), None);
        assert_eq!(with(("backon", 20.5, 30.0)), None, "the intervals touch");
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(time(1.234, 0.011), "1.23 ± 0.01 ns");
        assert_eq!(time(74_600_000.0, 310_000.0), "74.6 ± 0.3 ms");
        assert_eq!(time(437.0, 12.3), "437 ± 12 ns");
        assert_eq!([0.0, 64.0, 16_400.0, -1_234_567.0].map(thousands), ["0", "64", "16 400", "-1 234 567"]);
    }
}
