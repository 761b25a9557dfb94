//! Line charts: panels with axes, and a legend for all of them.

use std::fmt::Write as _;

use svg::node::element::{Group, Line, Path, Rectangle, Style, Text, Title};
use svg::{Document, Node};

/// Okabe and Ito's colours on a ground of their own, light or dark as the reader's scheme is; each line has a dash of
/// its own, too.
const STYLE: &str = "\
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#1f2328}\
.ground{fill:#fff;stroke:#d0d7de}.faint{fill:#59636e}.bold{font-weight:bold}.grid{stroke:#d8dee4}\
.band{fill:#f3e3d3}.line{fill:none;stroke-width:2;stroke-linejoin:round}\
.l0{stroke:#6e7781}.l1{stroke:#d55e00;stroke-dasharray:9 3}.l2{stroke:#0072b2}\
.l3{stroke:#cc79a7;stroke-dasharray:3 3}.l4{stroke:#009e73;stroke-dasharray:12 3 3 3}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117;stroke:#30363d}.faint{fill:#9198a1}\
.grid{stroke:#30363d}.band{fill:#33261a}.l2{stroke:#56b4e9}.l0{stroke:#9198a1}}";

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 20.0;
/// How wide a character is, at most.
const CHARACTER: f64 = 7.3;
/// Left of a panel, for its numbers, and below it, for those and the axis' name.
const LEFT: f64 = 62.0;
const BELOW: f64 = 50.0;
const ABOVE: f64 = 30.0;

#[derive(Clone, Copy)]
pub(crate) enum Scale {
    Linear,
    Logarithmic,
}

#[derive(Clone)]
pub(crate) struct Axis {
    /// With its unit.
    pub(crate) name: &'static str,
    pub(crate) scale: Scale,
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) marks: Vec<f64>,
}

impl Axis {
    /// From 0, say, in steps.
    pub(crate) fn linear(name: &'static str, from: f64, to: f64, step: f64) -> Self {
        let count = ((to - from) / step).round() as u32;
        let marks = (0..=count).map(|n| from + step * f64::from(n)).collect();
        Self { name, scale: Scale::Linear, from, to, marks }
    }

    pub(crate) fn logarithmic(name: &'static str, from: f64, to: f64, marks: &[f64]) -> Self {
        Self { name, scale: Scale::Logarithmic, from, to, marks: marks.to_vec() }
    }

    /// From 0 at the axis' beginning to 1 at its end.
    fn place(&self, value: f64) -> f64 {
        let value = value.clamp(self.from, self.to);
        match self.scale {
            Scale::Linear => (value - self.from) / (self.to - self.from),
            Scale::Logarithmic => (value / self.from).ln() / (self.to / self.from).ln(),
        }
    }
}

pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// A stretch of the x axis that is shaded, and what it is.
    pub(crate) band: Option<(f64, f64, &'static str)>,
    /// Points, for each name of the legend in turn.
    pub(crate) lines: Vec<Vec<(f64, f64)>>,
    pub(crate) dots: bool,
}

/// A number as a person writes it: 10 000, 0.25.
fn number(value: f64) -> String {
    if value.fract() != 0.0 {
        return value.to_string();
    }
    let digits = value.abs().to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len() > 4 && (digits.len() - index) % 3 == 0 {
            grouped.push('\u{a0}');
        }
        grouped.push(digit);
    }
    if value < 0.0 { format!("-{grouped}") } else { grouped }
}

fn text(x: f64, y: f64, class: &str, anchor: &str, content: &str) -> Text {
    Text::new(content).set("x", tenth(x)).set("y", tenth(y)).set("class", class).set("text-anchor", anchor)
}

fn tenth(place: f64) -> f64 {
    (place * 10.0).round() / 10.0
}

fn rule(x1: f64, y1: f64, x2: f64, y2: f64, class: &str) -> Line {
    let line = Line::new().set("x1", tenth(x1)).set("y1", tenth(y1)).set("x2", tenth(x2)).set("y2", tenth(y2));
    line.set("class", class)
}

impl Panel {
    /// Draws it with its plot's upper left corner at the origin.
    fn draw(&self, width: f64, height: f64) -> Group {
        let mut group = Group::new().add(text(0.0, -12.0, "bold", "start", &self.title));
        let x = |value: f64| width * self.x.place(value);
        let y = |value: f64| height * (1.0 - self.y.place(value));
        if let Some((from, to, name)) = self.band {
            let band = Rectangle::new().set("x", tenth(x(from))).set("y", 0).set("width", tenth(x(to) - x(from)));
            group.append(band.set("height", height).set("class", "band"));
            group.append(text(f64::midpoint(x(from), x(to)), 14.0, "faint", "middle", name));
        }
        for &mark in &self.x.marks {
            group.append(rule(x(mark), 0.0, x(mark), height + 4.0, "grid"));
            group.append(text(x(mark), height + 18.0, "faint", "middle", &number(mark)));
        }
        for &mark in &self.y.marks {
            group.append(rule(-4.0, y(mark), width, y(mark), "grid"));
            group.append(text(-8.0, y(mark) + 4.0, "faint", "end", &number(mark)));
        }
        group.append(text(width / 2.0, height + 38.0, "faint", "middle", self.x.name));
        for (index, points) in self.lines.iter().enumerate() {
            let mut path = String::new();
            for (point, &(at, value)) in points.iter().enumerate() {
                let letter = if point == 0 { 'M' } else { 'L' };
                write!(path, "{letter}{:.1} {:.1}", x(at), y(value)).expect("a string takes it");
            }
            group.append(Path::new().set("d", path).set("class", format!("line l{index}")));
            for &(at, value) in points.iter().filter(|_| self.dots) {
                let (left, top) = (tenth(x(at) - 2.5), tenth(y(value) - 2.5));
                let dot = Rectangle::new().set("x", left).set("y", top).set("width", 5).set("height", 5);
                group.append(dot.set("class", format!("line l{index}")).set("style", "stroke-dasharray:none"));
            }
        }
        group
    }
}

/// Draws panels under a title and a legend, so many beside one another.
pub(crate) fn picture(title: &str, names: &[&str], panels: &[Panel], columns: usize, tall: f64) -> String {
    let top = 76.0;
    let rows = panels.len().div_ceil(columns);
    let (cell, row) = ((WIDTH - MARGIN) / columns as f64, ABOVE + tall + BELOW);
    let height = top + row * rows as f64 + 4.0;
    let mut document = Document::new()
        .set("viewBox", (0, 0, WIDTH, height))
        .set("width", WIDTH)
        .set("height", height)
        .set("role", "img")
        .add(Title::new(title))
        .add(Style::new(STYLE))
        .add(
            Rectangle::new()
                .set("x", 0.5)
                .set("y", 0.5)
                .set("width", WIDTH - 1.0)
                .set("height", height - 1.0)
                .set("rx", 6)
                .set("class", "ground"),
        )
        .add(text(MARGIN, 27.0, "bold", "start", title));
    let mut x = MARGIN;
    for (index, name) in names.iter().enumerate() {
        document.append(rule(x, 48.0, x + 30.0, 48.0, &format!("line l{index}")));
        document.append(text(x + 37.0, 52.0, "", "start", name));
        x += 37.0 + CHARACTER * name.chars().count() as f64 + 22.0;
    }
    for (index, panel) in panels.iter().enumerate() {
        let (column, line) = ((index % columns) as f64, (index / columns) as f64);
        let (x, y) = (LEFT + cell * column, top + ABOVE + row * line);
        let group =
            panel.draw(cell - LEFT - 8.0, tall).set("transform", format!("translate({} {})", tenth(x), tenth(y)));
        document.append(group);
    }
    document.to_string() + "\n"
}
