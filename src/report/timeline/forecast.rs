//! A policy, drawn before it runs.

use core::fmt;
use core::time::Duration;

use super::{Ink, LEAST_WIDTH, Row, Short, Style, cell, digits, styled, wrapped};
use crate::policy::{Policy, Preview, UNLIMITED};
use crate::time::nanos;

impl Policy {
    /// Draws the waits before they happen: their jitter bands, the worst case and the expected total.
    ///
    /// ```
    /// use persevere::Policy;
    ///
    /// assert_eq!(format!("\n{}", Policy::new().forecast().width(64)), "
    /// up to 4 attempts, waits 0 s, 0.6 s, 1.2 s with full jitter
    /// n  0 s                       1.2 s     least      mean      most
    /// 1  ▏                                     0 s       0 s       0 s
    /// 2  ░░░░░░░░┃░░░░░░░                      0 s    300 ms    600 ms
    /// 3  ░░░░░░░░░░░░░░░░┃░░░░░░░░░░░░░░       0 s    600 ms     1.2 s
    /// waits 900 ms in the mean, 1.8 s at worst");
    /// ```
    pub const fn forecast(&self) -> Forecast {
        Forecast::new(*self)
    }
}

/// A drawing of a policy's waits for a terminal: what [`Policy::forecast`] returns.
///
/// One row a retry: a bar to scale (`█` what is waited for certain, `░` what jitter may add, `┃` the mean, `▏` no wait),
/// and the least, mean and most that it waits. Below: the mean of all waits together, and the worst case. A policy of
/// more than ten retries is shown by its first eight and its last. Hints can lengthen a wait, and a throttle fault
/// makes an immediate first retry wait; neither is drawn.
#[derive(Clone, Copy, Debug)]
#[must_use = "a forecast is for showing: print it"]
pub struct Forecast {
    pub(super) policy: Policy,
    style: Style,
}

styled!(Forecast);

/// What one wait may be, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Band {
    pub(super) retry: u32,
    pub(super) least: u64,
    pub(super) mean: u64,
    pub(super) most: u64,
}

/// The bands in order.
#[derive(Clone)]
pub(super) struct Bands {
    policy: Policy,
    preview: Preview,
    retry: u32,
    /// The mean of the wait before, for decorrelated jitter.
    previous: u64,
}

impl Iterator for Bands {
    type Item = Band;

    fn next(&mut self) -> Option<Band> {
        let most = nanos::from(self.preview.next()?);
        self.retry = self.retry.saturating_add(1);
        let rule = &self.policy.rule;
        // Uniform in its range. With decorrelated jitter the range begins from the mean of the wait before: exact until the
        // cap bites, then a little high.
        let (least, reach) =
            if most == 0 { (0, 0) } else { rule.range(rule.grown(self.retry), rule.max, self.previous) };
        let mean = least + (reach - least) / 2;
        self.previous = mean;
        Some(Band { retry: self.retry, least, mean, most })
    }
}

/// How many rows a forecast has before the gap, and at most without one.
const SHOWN: u32 = 8;
const ALL: u32 = 10;

impl Forecast {
    pub(crate) const fn new(policy: Policy) -> Self {
        Self { policy, style: Style::PLAIN }
    }

    pub(super) fn bands(&self) -> Bands {
        Bands { policy: self.policy, preview: self.policy.preview(), retry: 0, previous: 0 }
    }

    /// The bands that are shown: all of them, or the first ones and, if there is one, the last.
    pub(super) fn shown(&self) -> (impl Iterator<Item = Band> + Clone + use<>, Option<Band>) {
        let total = self.policy.total;
        let gap = total > ALL;
        let first = self.bands().take(if gap { SHOWN } else { ALL } as usize);
        // Far out nothing changes any more: the last band need not be reached one by one.
        let last = (gap && total != UNLIMITED).then(|| self.bands().take(FAR.min(total as usize)).last());
        (first, last.flatten().map(|band| Band { retry: total, ..band }))
    }

    /// What stands for the retries that are not shown.
    pub(super) fn gap(&self) -> Option<impl fmt::Display + use<>> {
        struct Gap(u32);
        impl fmt::Display for Gap {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    UNLIMITED => f.write_str("without limit"),
                    total => write!(f, "{} more", total - SHOWN - 1),
                }
            }
        }
        (self.policy.total > ALL).then_some(Gap(self.policy.total))
    }

    pub(super) fn sum(&self) -> impl fmt::Display + use<> {
        Sum(*self)
    }

    /// Tells how long a run waits in the mean, if every attempt fails and the policy's deadline does not end it
    /// before; `None` if there is no limit.
    ///
    /// For decorrelated jitter it is exact until the cap bites, and a little high from there on.
    ///
    /// ```
    /// use persevere::Policy;
    /// use std::time::Duration;
    ///
    /// let forecast = Policy::new().forecast();
    /// assert_eq!(forecast.expected(), Some(Duration::from_millis(900))); // half of 0 + 0.6 + 1.2
    /// assert_eq!(forecast.worst_case(), Some(Duration::from_millis(1800)));
    /// ```
    pub fn expected(&self) -> Option<Duration> {
        let Policy { total, within, .. } = self.policy;
        if total == UNLIMITED {
            return self.worst_case();
        }
        let near = self
            .bands()
            .take(FAR)
            .fold((0, 0), |(sum, _): (u64, u64), band| (sum.saturating_add(band.mean), band.mean));
        let rest = u64::from(total).saturating_sub(FAR as u64);
        Some(nanos::duration(near.0.saturating_add(rest.saturating_mul(near.1)).min(within)))
    }

    /// Tells how long a run waits at most; as [`Preview::worst_case`].
    pub fn worst_case(&self) -> Option<Duration> {
        self.policy.preview().worst_case()
    }
}

/// How many waits are looked at one by one.
const FAR: usize = 10_000;

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (style, total) = (self.style, self.policy.total);
        wrapped(f, style.width, self.policy)?;
        if total == 0 {
            return write!(f, "{}", self.sum());
        }
        let (first, last) = self.shown();
        let number = if total == UNLIMITED { 1 } else { digits(total) };
        let bar = (usize::from(style.width.max(LEAST_WIDTH)) - number - 2 - 30).min(60);
        let whole = first.clone().chain(last).map(|band| band.most).max().unwrap_or(0);

        let mut row = Row::new(f, style);
        row.right(number, Ink::Plain, "n")?;
        row.space(2);
        row.scale(bar, Short(whole))?;
        for name in ["least", "mean", "most"] {
            row.right(10, Ink::Plain, name)?;
        }
        row.end()?;
        for band in first {
            band_row(f, style, band, number, bar, whole)?;
        }
        if let Some(gap) = self.gap() {
            let mut row = Row::new(f, style);
            row.right(number, Ink::Plain, "…")?;
            row.space(2);
            row.text(Ink::Plain, gap)?;
            row.end()?;
        }
        if let Some(band) = last {
            band_row(f, style, band, number, bar, whole)?;
        }
        write!(f, "{}", self.sum())
    }
}

/// What all waits come to.
struct Sum(Forecast);

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(forecast) = self;
        let worst = forecast.worst_case().map(|worst| Short(nanos::from(worst)));
        match (forecast.expected(), worst) {
            _ if forecast.policy.total == 0 => f.write_str("no wait"),
            (Some(expected), Some(worst)) if forecast.policy.total != UNLIMITED => {
                write!(f, "waits {} in the mean, {worst} at worst", Short(nanos::from(expected)))
            }
            (_, Some(worst)) => write!(f, "waits {worst} at worst"),
            _ => f.write_str("waits without limit"),
        }
    }
}

fn band_row(
    f: &mut fmt::Formatter<'_>,
    style: Style,
    band: Band,
    number: usize,
    bar: usize,
    whole: u64,
) -> fmt::Result {
    let mut row = Row::new(f, style);
    row.right(number, Ink::Plain, band.retry)?;
    row.space(2);
    let [least, mean, most] = [band.least, band.mean, band.most].map(|time| cell(time, whole, bar));
    if most == 0 {
        row.text(Ink::Failed, '▏')?;
        row.space(bar - 1);
    } else {
        row.bar(Ink::Failed, '█', least)?;
        if least == most {
            row.space(bar - most);
        } else {
            // The mean takes a cell of the band.
            let mean = mean.clamp(least, most - 1);
            row.bar(Ink::Faint, '░', mean - least)?;
            row.text(Ink::Plain, '┃')?;
            row.bar(Ink::Faint, '░', most - mean - 1)?;
            row.space(bar - most);
        }
    }
    for time in [band.least, band.mean, band.most] {
        row.right(10, Ink::Plain, Short(time))?;
    }
    row.end()
}
