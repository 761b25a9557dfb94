//! A run, drawn from its report.

use core::fmt;

use super::{Cut, Ink, LEAST_WIDTH, Row, Short, Style, cell, digits, styled, wrapped};
use crate::report::line::Text;
use crate::report::{Failure, Report};
use crate::run::StopReason;
use crate::time::nanos;

impl Report {
    /// Draws the run for a terminal: one row an attempt, bars to scale.
    ///
    /// ```
    /// use persevere::{Jitter, Policy, Report};
    /// use std::{io, time::Duration};
    ///
    /// # #[cfg(feature = "testing")] {
    /// use persevere::testing::{Script, VirtualTimer};
    ///
    /// let timer = VirtualTimer::new();
    /// let server = Script::new()
    ///     .timer(&timer)
    ///     .stall(Duration::from_millis(300))
    ///     .fail(1, || io::Error::from(io::ErrorKind::ConnectionReset))
    ///     .fail(1, || io::Error::from(io::ErrorKind::ConnectionRefused))
    ///     .stall(Duration::from_millis(300))
    ///     .succeed("page");
    /// let mut report = Report::new();
    /// let page = Policy::new().jitter(Jitter::None).timer(&timer).report(&mut report).run(|| server.call());
    /// assert_eq!(page.unwrap(), "page");
    /// assert_eq!(format!("\n{}", report.timeline().width(72)), "
    /// succeeded after 3 attempts in 1.2 s, 600 ms of it waiting
    /// n  0 s           1.2 s  fault        took     wait  message
    /// 1  █████                read       300 ms      0 s  connection reset
    /// 2       ▏░░░░░░░░       connect       0 s   600 ms  connection refused
    /// 3                █████  ok         300 ms");
    /// # }
    /// ```
    pub const fn timeline(&self) -> Timeline<'_> {
        Timeline::new(self)
    }
}

/// A drawing of a run for a terminal: what [`Report::timeline`] returns.
///
/// One row an attempt: its number, a bar to scale (`█` the attempt, `░` the wait after it, `▏` an attempt too short for
/// the scale), its HTTP status or else its fault, how long it took, the wait, and the error's text as
/// [`Failure::message`] has it: on one line, control characters escaped. Failures that the report left out are one row.
/// No line is longer than [`width`](Timeline::width), and nothing is read from the environment.
#[derive(Clone, Copy, Debug)]
#[must_use = "a timeline is for showing: print it"]
pub struct Timeline<'a> {
    pub(super) report: &'a Report,
    style: Style,
}

styled!(Timeline<'a>);

/// One row's place in time, in nanoseconds from the run's start.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) next: u64,
}

impl Span {
    pub(super) fn of(failure: &Failure) -> Self {
        let began = nanos::from(failure.began());
        let ended = began.saturating_add(nanos::from(failure.took()));
        Self { began, ended, next: ended.saturating_add(failure.wait().map_or(0, nanos::from)) }
    }
}

/// What a row shows.
#[derive(Clone, Copy)]
pub(super) enum Entry<'a> {
    Failed(&'a Failure),
    Omitted(u32),
    Succeeded(u32),
}

impl<'a> Timeline<'a> {
    pub(crate) const fn new(report: &'a Report) -> Self {
        Self { report, style: Style::PLAIN }
    }

    /// The rows in order, each with its place.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Entry<'a>, Span)> + use<'a> {
        let report = self.report;
        let omitted = report.omitted();
        // The failures before the gap, the gap, those after it.
        let before = if omitted > 0 { Report::KEPT } else { usize::MAX };
        let first = report.failures().take(before);
        let rest = report.failures().skip(before);
        let gap = (omitted > 0).then(|| {
            let began = first.clone().last().map_or(0, |failure| Span::of(failure).next);
            let next = rest.clone().next().map_or(began, |failure| Span::of(failure).began);
            (Entry::Omitted(omitted), Span { began, ended: began, next })
        });
        let success = (report.stop_reason() == Some(StopReason::Succeeded)).then(|| {
            let began = report.failures().last().map_or(0, |failure| Span::of(failure).next);
            let ended = began.max(nanos::from(report.elapsed()));
            (Entry::Succeeded(report.attempts()), Span { began, ended, next: ended })
        });
        let row = |failure: &'a Failure| (Entry::Failed(failure), Span::of(failure));
        first.map(row).chain(gap).chain(rest.map(row)).chain(success)
    }

    /// The end of the scale.
    pub(super) fn whole(&self) -> u64 {
        self.rows().map(|(_, span)| span.next).fold(nanos::from(self.report.elapsed()), u64::max)
    }

    pub(super) fn headline(&self) -> impl fmt::Display {
        Headline(self.report)
    }
}

struct Headline<'a>(&'a Report);

impl fmt::Display for Headline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        match report.stop_reason() {
            None if report.attempts() == 0 => return f.write_str("no attempt was made"),
            None => f.write_str("not finished")?,
            Some(reason) => write!(f, "{reason}")?,
        }
        let (elapsed, waited) = (Short(nanos::from(report.elapsed())), Short(nanos::from(report.waited())));
        let attempts = report.attempts();
        write!(f, " after {attempts} attempt{} in {elapsed}, {waited} of it waiting", plural(attempts))
    }
}

/// A failure's text, after what the server asked for.
pub(super) struct Message<'a>(pub(super) &'a Failure);

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.message();
        if let Some(hint) = self.0.hint() {
            write!(f, "asked for {}{}", Short(nanos::from(hint)), if text.is_empty() { "" } else { ", " })?;
        }
        f.write_str(text)
    }
}

pub(super) const fn plural(count: u32) -> &'static str {
    if count == 1 { "" } else { "s" }
}

impl fmt::Display for Timeline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// What stands between and in the columns beside number, bar and message.
        const FIXED: usize = 2 + 2 + 8 + 9 + 9 + 2;
        let style = self.style;
        let number = digits(self.report.attempts());
        let room = usize::from(style.width.max(LEAST_WIDTH)) - FIXED - number;
        let bar = (room / 2).clamp(12, 60);
        let message = Some(room.saturating_sub(bar)).filter(|&room| room >= 8);
        let whole = self.whole();

        let mut rows = self.rows().peekable();
        if rows.peek().is_none() {
            return write!(f, "{}", self.headline());
        }
        wrapped(f, style.width, self.headline())?;
        let mut row = Row::new(f, style);
        row.right(number, Ink::Plain, "n")?;
        row.space(2);
        row.scale(bar, Short(whole))?;
        row.space(2);
        row.left(8, Ink::Plain, "fault")?;
        row.right(9, Ink::Plain, "took")?;
        row.right(9, Ink::Plain, "wait")?;
        row.space(2);
        if message.is_some() {
            row.text(Ink::Plain, "message")?;
        }
        for (entry, span) in rows {
            row.end()?;
            row = Row::new(f, style);
            let ink = match entry {
                Entry::Omitted(count) => {
                    row.right(number, Ink::Plain, "…")?;
                    // A timer that ends early has the next attempt begin before the wait is over.
                    let from = cell(span.began, whole, bar);
                    let to = cell(span.next, whole, bar).max(from);
                    row.space(2 + from);
                    row.bar(Ink::Faint, '┄', to - from)?;
                    row.space(bar - to + 2);
                    row.text(Ink::Plain, format_args!("{count} more failure{}", plural(count)))?;
                    continue;
                }
                Entry::Failed(failure) => {
                    row.right(number, Ink::Plain, failure.attempt())?;
                    Ink::Failed
                }
                Entry::Succeeded(attempt) => {
                    row.right(number, Ink::Plain, attempt)?;
                    Ink::Succeeded
                }
            };
            row.space(2);
            bars(&mut row, ink, span, whole, bar)?;
            row.space(2);
            let took = Short(span.ended - span.began);
            let Entry::Failed(failure) = entry else {
                row.left(8, ink, "ok")?;
                row.right(9, Ink::Plain, took)?;
                continue;
            };
            row.left(8, ink, failure.name())?;
            row.right(9, Ink::Plain, took)?;
            match failure.wait() {
                Some(wait) => row.right(9, Ink::Plain, Short(nanos::from(wait)))?,
                None => row.space(9),
            }
            row.space(2);
            if let Some(room) = message {
                let text = Text::<96>::of(Message(failure));
                let text = text.as_str().trim_end();
                if !text.is_empty() {
                    row.text(Ink::Plain, Cut(text, room))?;
                }
            }
        }
        Ok(())
    }
}

/// Writes the attempt and the wait after it, `cells` columns in all.
fn bars(row: &mut Row<'_, '_>, ink: Ink, span: Span, whole: u64, cells: usize) -> fmt::Result {
    let began = cell(span.began, whole, cells);
    let ended = cell(span.ended, whole, cells).max(began);
    let next = cell(span.next, whole, cells).max(ended);
    let tick = began == ended;
    // What is too short for the scale still takes a cell.
    let began = if tick { began.min(cells - 1) } else { began };
    let ended = ended.max(began + 1);
    let next = next.max(ended);
    row.space(began);
    row.bar(ink, if tick { '▏' } else { '█' }, ended - began)?;
    row.bar(Ink::Faint, '░', next - ended)?;
    row.space(cells - next);
    Ok(())
}
