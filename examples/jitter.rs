//! Draws how each kind of jitter spreads the waits of 40 000 clients, as an SVG picture.
//!
//! ```text
//! cargo run --example jitter --features svg -- jitter.svg
//! ```

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs, io};

use persevere::{Backoff, Jitter};
use svg::node::element::{Group, Line, Path, Rectangle, Style, Text, Title};
use svg::{Document, Node};

const CLIENTS: u64 = 40_000;
const RETRIES: usize = 4;
/// The picture's end, in seconds.
const END: usize = 6;
/// A twentieth of a second each.
const BINS: usize = END * 20;

/// 0.5 s, doubling, never more than 6 s: the waits before jitter are 0.5, 1, 2 and 4 s.
const BACKOFF: Backoff =
    Backoff::new(Duration::from_millis(500)).immediate_first(false).max_wait(Duration::from_secs(END as u64));

const KINDS: [(&str, &str, Jitter); 5] = [
    ("none", "exactly w: all come back at once", Jitter::None),
    ("full (the default)", "from 0 to w", Jitter::Full),
    ("equal", "from w/2 to w", Jitter::Equal),
    ("decorrelated", "from 0.5 s to 3 × the last wait", Jitter::Decorrelated),
    ("additive, 1 s", "from w to w + 1 s", Jitter::Additive(Duration::from_secs(1))),
];

/// Okabe and Ito's colours on a ground of their own, light or dark as the reader's scheme is.
const STYLE: &str = "\
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1f2328}\
.ground{fill:#fff;stroke:#d0d7de}.faint{fill:#59636e}.bold{font-weight:bold}.grid{stroke:#d8dee4}\
.mean{stroke:#d55e00;stroke-width:2}.waits{fill:#0072b2}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117;stroke:#30363d}.faint{fill:#9198a1}\
.grid{stroke:#30363d}.waits{fill:#56b4e9}}";

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 526.0;
/// A panel's own size: its scale, and a row for each retry.
const SCALE: f64 = 240.0;
const ROW: f64 = 36.0;

/// What the waits of one retry are over all clients: how many in each twentieth of a second, and their mean in seconds.
#[derive(Clone)]
struct Waits {
    bins: [u32; BINS + 1],
    mean: f64,
}

fn draw(jitter: Jitter) -> Vec<Waits> {
    let mut waits = vec![Waits { bins: [0; BINS + 1], mean: 0.0 }; RETRIES];
    for seed in 0..CLIENTS {
        for (retry, wait) in BACKOFF.jitter(jitter).seed(seed).take(RETRIES).enumerate() {
            waits[retry].bins[wait.as_millis() as usize / 50] += 1;
            waits[retry].mean += wait.as_secs_f64() / CLIENTS as f64;
        }
    }
    waits
}

fn text(x: f64, y: f64, class: &str, anchor: &str, content: &str) -> Text {
    Text::new(content).set("x", x).set("y", y).set("class", class).set("text-anchor", anchor)
}

/// One kind of jitter: a row a retry, each with its own height.
fn panel(name: &str, rule: &str, jitter: Jitter) -> Group {
    let bottom = 34.0 + ROW * RETRIES as f64;
    let mut group =
        Group::new().add(text(0.0, 0.0, "bold", "start", name)).add(text(0.0, 17.0, "faint", "start", rule));
    for second in 0..=END {
        let x = SCALE * second as f64 / END as f64;
        group.append(Line::new().set("x1", x).set("x2", x).set("y1", 30).set("y2", bottom + 4.0).set("class", "grid"));
        group.append(text(x, bottom + 18.0, "faint", "middle", &second.to_string()));
    }
    group.append(text(SCALE / 2.0, bottom + 36.0, "faint", "middle", "wait (seconds)"));
    for (retry, waits) in draw(jitter).into_iter().enumerate() {
        let base = 34.0 + ROW * (retry + 1) as f64;
        let most = f64::from(*waits.bins.iter().max().expect("there are bins"));
        let mut outline = String::new();
        // Where all wait the same, the mean would hide a bar of a bin's width.
        let alone = waits.bins.iter().filter(|count| **count > 0).count() == 1;
        for (bin, &count) in waits.bins.iter().enumerate().filter(|(_, count)| **count > 0) {
            // The last bin holds the waits that are exactly the cap.
            let x = SCALE * bin as f64 / BINS as f64;
            let width = if alone { 5.0 } else { SCALE / BINS as f64 };
            let height = (ROW - 8.0) * f64::from(count) / most;
            write!(outline, "M{x:.1} {base:.1}v-{height:.1}h{width:.1}v{height:.1}z").expect("a string takes it");
        }
        group.append(Path::new().set("d", outline).set("class", "waits"));
        let x = (SCALE * waits.mean / END as f64 * 10.0).round() / 10.0;
        let (top, end) = (base - ROW + 4.0, base + 3.0);
        group.append(Line::new().set("x1", x).set("x2", x).set("y1", top).set("y2", end).set("class", "mean"));
        group.append(text(-10.0, base - 4.0, "faint", "end", &(retry + 1).to_string()));
    }
    group.add(text(-10.0, 34.0, "faint", "end", "retry"))
}

/// All kinds, side by side.
pub(crate) fn picture() -> String {
    let mut document = Document::new()
        .set("viewBox", (0, 0, WIDTH, HEIGHT))
        .set("width", WIDTH)
        .set("height", HEIGHT)
        .set("role", "img")
        .add(Title::new("How each kind of jitter spreads the waits of 40 000 clients"))
        .add(Style::new(STYLE))
        .add(
            Rectangle::new()
                .set("x", 0.5)
                .set("y", 0.5)
                .set("width", WIDTH - 1.0)
                .set("height", HEIGHT - 1.0)
                .set("rx", 6)
                .set("class", "ground"),
        );
    let place = |index: usize| (62.0 + (index % 3) as f64 * 306.0, 34.0 + (index / 3) as f64 * 260.0);
    for (index, (name, rule, jitter)) in KINDS.into_iter().enumerate() {
        let (x, y) = place(index);
        document.append(panel(name, rule, jitter).set("transform", format!("translate({x} {y})")));
    }
    let (x, y) = place(KINDS.len());
    let words = [
        "w is the backoff's wait:",
        "0.5, 1, 2 and 4 s",
        "",
        "40 000 clients, each with a seed",
        "of its own; no wait is above the",
        "cap of 6 s, whatever the kind",
        "",
        "bars: clients per 0.05 s of wait,",
        "each row to a height of its own",
    ];
    for (line, words) in words.into_iter().enumerate() {
        document.append(text(x, y + 17.0 + 18.0 * line as f64, "faint", "start", words));
    }
    let y = y + 17.0 + 18.0 * words.len() as f64;
    let mark = Line::new().set("x1", x + 2.0).set("x2", x + 2.0).set("y1", y - 12.0).set("y2", y + 2.0);
    document.append(mark.set("class", "mean"));
    document.append(text(x + 12.0, y, "faint", "start", "the mean"));
    document.to_string() + "\n"
}

fn main() -> io::Result<()> {
    let path = env::args_os().nth(1).map_or_else(|| "jitter.svg".into(), PathBuf::from);
    fs::write(&path, picture())?;
    println!("The waits of {CLIENTS} clients are drawn in {}.", path.display());
    for (name, _, jitter) in KINDS {
        let means: Vec<_> = draw(jitter).iter().map(|waits| format!("{:.2} s", waits.mean)).collect();
        println!("{name:<20} means {}", means.join(", "));
    }
    Ok(())
}
