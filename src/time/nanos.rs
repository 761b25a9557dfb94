//! Durations as the core counts them: whole nanoseconds in a `u64`, `u64::MAX` for "unlimited" (584 years).

use core::fmt;
use core::time::Duration;

pub(crate) const fn from(duration: Duration) -> u64 {
    let nanos = duration.as_nanos();
    if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 }
}

pub(crate) const fn min(one: u64, other: u64) -> u64 {
    if one < other { one } else { other }
}

/// A limit that no wait passes: one that can't be counted is taken for the longest that can, but for `Duration::MAX`.
pub(crate) const fn ceiling(limit: Duration) -> u64 {
    match from(limit) {
        u64::MAX if limit.as_nanos() != Duration::MAX.as_nanos() => u64::MAX - 1,
        nanos => nanos,
    }
}

/// `u64::MAX` comes back as `Duration::MAX`, so that "unlimited" survives the round trip.
pub(crate) const fn duration(nanos: u64) -> Duration {
    if nanos == u64::MAX { Duration::MAX } else { Duration::from_nanos(nanos) }
}

/// Writes nanoseconds as seconds without trailing zeros: `0.6 s`, `120 s`, `0.000000001 s`.
#[derive(Clone, Copy)]
pub(crate) struct Seconds(pub(crate) u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, mut fraction) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        if self.0 == u64::MAX {
            return f.write_str("forever");
        }
        if fraction == 0 {
            return write!(f, "{whole} s");
        }
        let mut digits = 9;
        while fraction % 10 == 0 {
            fraction /= 10;
            digits -= 1;
        }
        write!(f, "{whole}.{fraction:0digits$} s")
    }
}

/// As [`Seconds`], rounded to what a person reads: milliseconds from one second on, else microseconds.
#[derive(Clone, Copy)]
pub(crate) struct Brief(pub(crate) u64);

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.0 < 1_000_000_000 { 1_000 } else { 1_000_000 };
        Seconds((self.0 / unit).saturating_add(u64::from(self.0 % unit >= unit / 2)).saturating_mul(unit)).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn seconds_are_written_short_and_exact() {
        let shown = [0, 600_000_000, 1_200_000_000, 120_000_000_000, 1, u64::MAX].map(|n| format!("{}", Seconds(n)));
        assert_eq!(shown, ["0 s", "0.6 s", "1.2 s", "120 s", "0.000000001 s", "forever"]);
    }

    #[test]
    fn brief_seconds_are_rounded() {
        let shown = [420_176_508, 1_155_745_727, 999, 400, 120_000_000_000].map(|n| format!("{}", Brief(n)));
        assert_eq!(shown, ["0.420177 s", "1.156 s", "0.000001 s", "0 s", "120 s"]);
    }

    #[test]
    fn a_limit_is_never_counted_for_more_than_it_is() {
        let centuries = Duration::from_secs(600 * 365 * 86_400);
        for limit in [Duration::ZERO, Duration::from_nanos(u64::MAX - 1), Duration::from_nanos(u64::MAX), centuries] {
            assert!(duration(ceiling(limit)) <= limit, "{limit:?}");
        }
        assert_eq!(duration(ceiling(Duration::MAX)), Duration::MAX);
    }

    #[test]
    fn unlimited_survives_the_round_trip() {
        assert_eq!(duration(from(Duration::MAX)), Duration::MAX);
        assert_eq!(duration(from(Duration::from_millis(300))), Duration::from_millis(300));
    }
}
