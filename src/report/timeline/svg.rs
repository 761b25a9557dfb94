//! The drawings as pictures.
//!
//! The `svg` crate escapes what goes in and writes attributes in a fixed order, so that a picture is the same each
//! time. Text is in a monospaced font, whose width is known well enough to keep labels apart.

use std::format;
use std::string::{String, ToString as _};

use svg::node::element::{Line, Rectangle, Style, Text, Title};
use svg::{Document, Node};

use super::forecast::Forecast;
use super::run::{Entry, Message, Timeline, plural};
use super::{Cut, Short, digits};
use crate::time::nanos;

/// Okabe and Ito's colours on a ground of their own, light or dark as the reader's scheme is.
const STYLE: &str = "\
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1f2328}\
.ground{fill:#fff;stroke:#d0d7de}.faint{fill:#59636e}.bold{font-weight:bold}.grid{stroke:#d8dee4}.mark{stroke:#1f2328}\
.failed{fill:#d55e00}.ok{fill:#0072b2}.wait{fill:#8c959f}.sure{fill:#e69f00}.band{fill:#56b4e9}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117;stroke:#30363d}.faint{fill:#9198a1}\
.grid{stroke:#30363d}.mark{stroke:#e6edf3}.ok{fill:#56b4e9}.wait{fill:#59636e}.band{fill:#0072b2}}";

const WIDTH: f64 = 960.0;
/// The height of a row, and how much of it a bar takes.
const ROW: f64 = 24.0;
const BAR: f64 = 14.0;
const MARGIN: f64 = 20.0;
/// Where the bars end: of a run, and of a policy, which has less to say beside them.
const RUN: f64 = 520.0;
const POLICY: f64 = 680.0;
/// From column to column right of the bars.
const COLUMN: f64 = 70.0;
/// How wide a character is, at most.
const CHARACTER: f64 = 7.3;

impl Timeline<'_> {
    /// Draws the run as an SVG picture: the same rows and bars, to scale, with an axis in a unit that fits.
    ///
    /// It brings a ground of its own, light or dark as the reader's colour scheme is, and colours that colour-blind
    /// people tell apart. Width and colour as set for a terminal play no part. The error's text is escaped.
    ///
    /// ```
    /// use persevere::{Policy, Report};
    ///
    /// let mut report = Report::new();
    /// let _ = Policy::new().total(0).report(&mut report).run(|| Err::<(), _>(std::io::Error::other("a < b")));
    /// let picture = report.timeline().to_svg();
    /// assert!(picture.starts_with("<svg") && picture.contains("a &lt; b"));
    /// ```
    pub fn to_svg(&self) -> String {
        let rows = self.rows().count();
        let headline = self.headline().to_string();
        let mut canvas = Canvas::new(&headline, 72.0, rows);
        if rows == 0 {
            return canvas.finish();
        }
        let number_at = MARGIN + CHARACTER * digits(self.report.attempts()).max(2) as f64;
        let scale = Scale::new(self.whole(), number_at + CHARACTER * 9.0 + 16.0, RUN);
        let (heads, took_at) = (canvas.top - 16.0, RUN + COLUMN);
        let (wait_at, text_at) = (took_at + COLUMN, took_at + COLUMN + 16.0);
        canvas.legend(scale.from, &[("failed", "failed attempt"), ("ok", "success"), ("wait", "wait")]);
        canvas.axis(&scale, rows, "time since the start");
        canvas.left(MARGIN, heads, "faint", "attempt");
        canvas.right(took_at, heads, "faint", "took");
        canvas.right(wait_at, heads, "faint", "wait");
        canvas.left(text_at, heads, "faint", "message");
        for (index, (entry, span)) in self.rows().enumerate() {
            let top = canvas.top + ROW * index as f64;
            let base = top + 16.0;
            let (class, attempt, name) = match entry {
                Entry::Omitted(count) => {
                    let (from, to) = (scale.x(span.began), scale.x(span.next));
                    canvas.rectangle(from, top + 11.0, (to - from).max(1.5), 2.0, "wait");
                    canvas.right(number_at, base, "", "…");
                    canvas.left(text_at, base, "faint", &format!("{count} more failure{}", plural(count)));
                    continue;
                }
                Entry::Failed(failure) => ("failed", failure.attempt(), failure.name().to_string()),
                Entry::Succeeded(attempt) => ("ok", attempt, "ok".to_string()),
            };
            // An attempt is a bar, a wait a band: they differ by more than colour.
            let [began, ended, next] = [span.began, span.ended, span.next].map(|time| scale.x(time));
            if next > ended {
                canvas.rectangle(ended, top + 9.0, next - ended, 6.0, "wait");
            }
            canvas.rectangle(began, top + 5.0, (ended - began).max(1.5), BAR, class);
            canvas.right(number_at, base, "", &attempt.to_string());
            canvas.left(number_at + CHARACTER, base, "", &name);
            canvas.right(took_at, base, "", &Short(span.ended - span.began).to_string());
            if let Entry::Failed(failure) = entry {
                if let Some(wait) = failure.wait() {
                    canvas.right(wait_at, base, "", &Short(nanos::from(wait)).to_string());
                }
                let text = Message(failure).to_string();
                let room = ((WIDTH - MARGIN - text_at) / CHARACTER) as usize;
                canvas.left(text_at, base, "", &Cut(&text, room).to_string());
            }
        }
        canvas.finish()
    }
}

impl Forecast {
    /// Draws the policy's waits as an SVG picture: for each retry the band that its wait may lie in, and its mean.
    ///
    /// Ground and colours are as in [`Timeline::to_svg`].
    ///
    /// ```
    /// let picture = persevere::Policy::new().forecast().to_svg();
    /// assert!(picture.contains("900 ms in the mean, 1.8 s at worst"));
    /// ```
    pub fn to_svg(&self) -> String {
        let (first, last) = self.shown();
        let gap = self.gap().is_some();
        let rows = first.clone().count() + usize::from(gap) + usize::from(last.is_some());
        let mut canvas = Canvas::new(&self.policy.to_string(), 92.0, rows);
        canvas.left(MARGIN, 46.0, "faint", &self.sum().to_string());
        if rows == 0 {
            return canvas.finish();
        }
        let whole = first.clone().chain(last).map(|band| band.most).max().unwrap_or(0);
        let number_at = MARGIN + CHARACTER * last.map_or(0, |band| digits(band.retry)).max(5) as f64;
        let scale = Scale::new(whole, number_at + 20.0, POLICY);
        let heads = canvas.top - 16.0;
        canvas.legend(scale.from, &[("sure", "certain"), ("band", "jitter"), ("mark", "mean")]);
        canvas.axis(&scale, rows, "wait");
        canvas.left(MARGIN, heads, "faint", "retry");
        let columns = [1.0, 2.0, 3.0].map(|column| POLICY + COLUMN * column);
        for (x, name) in columns.into_iter().zip(["least", "mean", "most"]) {
            canvas.right(x, heads, "faint", name);
        }
        let gap_at = gap.then(|| first.clone().count());
        for (index, band) in first.chain(last).enumerate() {
            let row = index + usize::from(last.is_some() && gap_at == Some(index));
            let top = canvas.top + ROW * row as f64;
            canvas.right(number_at, top + 16.0, "", &band.retry.to_string());
            let [sure, mean, most] = [band.least, band.mean, band.most].map(|time| scale.x(time));
            canvas.rectangle(scale.from, top + 5.0, (sure - scale.from).max(1.5), BAR, "sure");
            if band.most > band.least {
                canvas.rectangle(sure, top + 5.0, most - sure, BAR, "band");
                canvas.line(mean, top + 2.0, mean, top + 22.0, "mark");
            }
            for (x, time) in columns.into_iter().zip([band.least, band.mean, band.most]) {
                canvas.right(x, top + 16.0, "", &Short(time).to_string());
            }
        }
        if let (Some(row), Some(text)) = (gap_at, self.gap()) {
            let base = canvas.top + ROW * row as f64 + 16.0;
            canvas.right(number_at, base, "", "…");
            canvas.right(columns[2], base, "faint", &text.to_string());
        }
        canvas.finish()
    }
}

/// From times to places, with marks at round numbers of one unit.
struct Scale {
    /// The end of the axis, in nanoseconds.
    whole: u64,
    unit: u64,
    name: &'static str,
    /// From mark to mark, in nanoseconds.
    step: u64,
    /// Where it begins and ends in the picture.
    from: f64,
    to: f64,
}

impl Scale {
    fn new(whole: u64, from: f64, to: f64) -> Self {
        const UNITS: [(u64, &str); 7] = [
            (86_400_000_000_000, "days"),
            (3_600_000_000_000, "hours"),
            (60_000_000_000, "minutes"),
            (1_000_000_000, "seconds"),
            (1_000_000, "milliseconds"),
            (1_000, "microseconds"),
            (1, "nanoseconds"),
        ];
        let whole = whole.max(1);
        // The largest unit of which there are a few: 120 s are better read than 2 minutes.
        let (unit, name) = UNITS.into_iter().find(|&(unit, _)| whole / unit >= 5).unwrap_or((1, "nanoseconds"));
        let mut step = unit;
        let round = [2, 5, 10];
        let mut factors = (0..).flat_map(|power| round.map(move |factor| 10_u64.saturating_pow(power) * factor));
        while whole / step > 8 {
            let Some(factor) = factors.next() else { break };
            step = unit.saturating_mul(factor);
        }
        Self { whole, unit, name, step, from, to }
    }

    fn x(&self, time: u64) -> f64 {
        self.from + (self.to - self.from) * (time.min(self.whole) as f64 / self.whole as f64)
    }
}

/// A picture in the making.
struct Canvas {
    document: Document,
    /// Where the rows begin.
    top: f64,
}

impl Canvas {
    fn new(title: &str, top: f64, rows: usize) -> Self {
        let height = if rows == 0 { 60.0 } else { top + ROW * rows as f64 + 58.0 };
        let document = Document::new()
            .set("viewBox", (0, 0, WIDTH as u32, height as u32))
            .set("width", WIDTH as u32)
            .set("height", height as u32)
            .set("role", "img")
            .add(Title::new(legal(title)))
            .add(Style::new(STYLE));
        let mut canvas = Self { document, top };
        canvas.add(
            Rectangle::new()
                .set("x", 0.5)
                .set("y", 0.5)
                .set("width", WIDTH - 1.0)
                .set("height", height - 1.0)
                .set("rx", 6)
                .set("class", "ground"),
        );
        let room = ((WIDTH - 2.0 * MARGIN) / CHARACTER) as usize;
        canvas.left(MARGIN, 27.0, "bold", &Cut(title, room).to_string());
        canvas
    }

    fn add(&mut self, node: impl Into<std::boxed::Box<dyn Node>>) {
        self.document.append(node.into());
    }

    fn text(&mut self, x: f64, y: f64, class: &str, anchor: &str, text: &str) {
        let mut node = Text::new(legal(text)).set("x", number(x)).set("y", number(y));
        if !class.is_empty() {
            node = node.set("class", class);
        }
        if anchor != "start" {
            node = node.set("text-anchor", anchor);
        }
        self.add(node);
    }

    fn left(&mut self, x: f64, y: f64, class: &str, text: &str) {
        self.text(x, y, class, "start", text);
    }

    fn right(&mut self, x: f64, y: f64, class: &str, text: &str) {
        self.text(x, y, class, "end", text);
    }

    fn rectangle(&mut self, x: f64, y: f64, width: f64, height: f64, class: &str) {
        let node = Rectangle::new().set("x", number(x)).set("y", number(y));
        self.add(node.set("width", number(width)).set("height", number(height)).set("class", class));
    }

    fn line(&mut self, x1: f64, y1: f64, x2: f64, y2: f64, class: &str) {
        let node = Line::new().set("x1", number(x1)).set("y1", number(y1));
        let node = node.set("x2", number(x2)).set("y2", number(y2)).set("class", class);
        self.add(if class == "mark" { node.set("stroke-width", 2) } else { node });
    }

    /// Says over the bars what their colours mean.
    fn legend(&mut self, from: f64, entries: &[(&str, &str)]) {
        let mut x = from;
        for &(class, name) in entries {
            if class == "mark" {
                self.line(x + 5.0, self.top - 27.0, x + 5.0, self.top - 13.0, class);
            } else {
                self.rectangle(x, self.top - 25.0, 10.0, 10.0, class);
            }
            self.left(x + 16.0, self.top - 16.0, "faint", name);
            x += 16.0 + CHARACTER * name.chars().count() as f64 + 18.0;
        }
    }

    /// Draws marks, their numbers and the axis' name with its unit. It comes first, so that bars lie over the lines.
    fn axis(&mut self, scale: &Scale, rows: usize, name: &str) {
        let bottom = self.top + ROW * rows as f64 + 4.0;
        let mut mark = 0;
        loop {
            let x = scale.x(mark);
            self.line(x, self.top, x, bottom, "grid");
            self.text(x, bottom + 16.0, "faint", "middle", &(mark / scale.unit).to_string());
            match mark.checked_add(scale.step) {
                Some(next) if next <= scale.whole => mark = next,
                _ => break,
            }
        }
        let name = format!("{name} ({})", scale.name);
        self.text(f64::midpoint(scale.from, scale.to), bottom + 36.0, "faint", "middle", &name);
    }

    fn finish(self) -> String {
        let mut picture = self.document.to_string();
        picture.push('\n');
        picture
    }
}

/// A place to a tenth of a pixel.
fn number(place: f64) -> String {
    let number = format!("{place:.1}");
    number.strip_suffix(".0").map_or(number.clone(), Into::into)
}

/// Leaves out what XML has no place for, escaped or not.
fn legal(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { '\u{fffd}' } else { c }).collect()
}
