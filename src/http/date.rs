//! Dates in headers: HTTP's three forms, and what servers write in their place.

use core::time::Duration;
use std::time::SystemTime;

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [(&str, u64); 12] = [
    ("Jan", 31),
    ("Feb", 28),
    ("Mar", 31),
    ("Apr", 30),
    ("May", 31),
    ("Jun", 30),
    ("Jul", 31),
    ("Aug", 31),
    ("Sep", 30),
    ("Oct", 31),
    ("Nov", 30),
    ("Dec", 31),
];

/// The zones that mail names, in hours behind UTC (RFC 5322, 4.3).
const ZONES: [(&str, u64); 8] =
    [("EST", 5), ("EDT", 4), ("CST", 6), ("CDT", 5), ("MST", 7), ("MDT", 6), ("PST", 8), ("PDT", 7)];

/// Reads a date in one of HTTP's forms (RFC 9110, 5.6.7) or as mail has it: the weekday missing or wrong, a day of one
/// digit, any letter case, a zone other than GMT. A leap second is read in every form, as the second after it. A zone
/// that is missing or unknown is UTC.
///
/// `now` decides about a year of two digits, and is asked for such a year alone.
pub(super) fn date(text: &str, now: impl Fn() -> Option<SystemTime>) -> Option<SystemTime> {
    // The weekday says nothing that the date does not. But what else stands before a comma is another value.
    let text = match text.split_once(',') {
        None => text,
        Some((weekday, date)) if is_weekday(weekday) => date,
        Some(_) => return None,
    };
    let before_time = text.get(..text.find(':')?)?.rfind([' ', '\t'])?;
    let (date, rest) = text.split_at(before_time);
    let mut date = date.split([' ', '\t', '-']).filter(|word| !word.is_empty()).skip_while(|word| is_weekday(word));
    let (first, second, third) = (date.next()?, date.next()?, date.next());
    let mut rest = rest.split_ascii_whitespace();
    let mut time = rest.next()?.split(':');
    let (hour, minute, second_of) = (time.next()?, time.next()?, time.next().unwrap_or("0"));
    // `06 Nov 1994 08:49:37`, or C's `Nov  6 08:49:37 1994`.
    let (day, month, year) = match third {
        Some(year) => (first, second, year),
        None => (second, first, rest.next()?),
    };
    if date.next().is_some() || time.next().is_some() {
        return None;
    }

    let month = MONTHS.iter().position(|(name, _)| name.eq_ignore_ascii_case(month))?;
    let (day, hour, minute, second) = (number(day)?, number(hour)?, number(minute)?, number(second_of)?);
    if day == 0 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let in_day = hour * 3600 + minute * 60 + second;
    let seconds = |year| seconds(year, month, day, in_day);
    let year = match (year.len(), number(year)?) {
        (2, year) => {
            let now = now()?.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
            // The last such year that is at most 50 years ahead.
            let near = |year: &u64| seconds(year.saturating_sub(50)) <= now;
            (19..100).map(|century| century * 100 + year).take_while(near).last().unwrap_or(1900 + year)
        }
        // As mail reads them.
        (3, year) => 1900 + year,
        (_, year) => year,
    };
    if day > MONTHS[month].1 + u64::from(month == 1 && is_leap(year)) {
        return None;
    }

    let zone = rest.next().unwrap_or_default();
    if rest.next().is_some_and(|more| !more.starts_with('(')) || zone.contains(',') {
        return None;
    }
    let seconds = seconds(year);
    let offset = |hhmm: &str| match number(hhmm)? {
        time if hhmm.len() == 4 && time < 2400 && time % 100 < 60 => Some((time / 100 * 60 + time % 100) * 60),
        _ => None,
    };
    let seconds = if let Some(ahead) = zone.strip_prefix('+') {
        seconds.saturating_sub(offset(ahead)?)
    } else if let Some(behind) = zone.strip_prefix('-') {
        seconds + offset(behind)?
    } else {
        let behind = ZONES.iter().find(|(name, _)| name.eq_ignore_ascii_case(zone)).map_or(0, |&(_, hours)| hours);
        seconds + behind * 3600
    };
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Returns whether a word is a weekday, written out or cut to three letters or more.
pub(super) fn is_weekday(word: &str) -> bool {
    let word = word.trim();
    let is_cut = |day: &str| day.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    word.len() >= 3 && WEEKDAYS.into_iter().any(is_cut)
}

/// Returns the seconds from the beginning of 1970; zero for the time before, which is past like any other.
fn seconds(year: u64, month: usize, day: u64, in_day: u64) -> u64 {
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    let Some(since) = year.checked_sub(1970) else { return 0 };
    let before_month: u64 = MONTHS.iter().take(month).map(|(_, days)| days).sum();
    let leap_day = u64::from(month > 1 && is_leap(year));
    let days = since * 365 + leaps(year - 1) - leaps(1969) + before_month + leap_day + day - 1;
    days * 86_400 + in_day
}

fn is_leap(year: u64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// A number of at most four digits.
fn number(text: &str) -> Option<u64> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    /// Seconds since 1970, read at the beginning of this year.
    fn seconds_in(year: u64, text: &str) -> Option<u64> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(super::seconds(year, 0, 1, 0));
        Some(date(text, || Some(now))?.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
    }

    fn read(text: &str) -> Option<u64> {
        seconds_in(2026, text)
    }

    #[test]
    fn what_servers_write_is_read() {
        const NOON: u64 = 1_559_563_200;
        for noon in [
            "Mon, 03 Jun 2019 12:00:00 GMT",
            "Mon, 3 Jun 2019 12:00:00 UTC",
            "Mon, 03 Jun 2019 12:00:00 +0000",
            "Mon, 03 Jun 2019 12:00:00 -0000",
            "Mon, 03 Jun 2019 14:00:00 +0200",
            "Mon, 03 Jun 2019 06:30:00 -0530",
            "Mon, 03 Jun 2019 07:00:00 EST",
            "Mon, 03 Jun 2019 05:00:00 pdt",
            "Mon, 03 Jun 2019 12:00:00",
            "Mon, 03 Jun 2019 12:00 GMT",
            "Mon, 03 Jun 2019 12:00:00 +0000 (UTC)",
            "Mon, 03-Jun-2019 12:00:00 GMT",
            "Mon, 03-Jun-19 12:00:00 GMT",
            "Mon 3 Jun 2019 12:00:00 Z",
            "Fri, 03 Jun 2019 12:00:00 GMT",
            "03 Jun 2019 12:00:00 GMT",
            "mon, 03 jun 2019 12:00:00 gmt",
            "Mon, 03 Jun 2019 11:59:60 GMT",
            "Mon,\t03  Jun\t2019 12:00:00  GMT",
        ] {
            assert_eq!(read(noon), Some(NOON), "{noon:?}");
        }
        assert_eq!(read("Tue, 29 Feb 2000 00:00:00 +0000"), Some(951_782_400));
        for past in ["Mon, 01 Jan 0001 00:00:00 GMT", "Wed, 31 Dec 1969 23:59:59 GMT", "31 Dec 1969 23:59:59"] {
            assert_eq!(read(past), Some(0), "{past:?}");
        }
    }

    #[test]
    fn what_is_no_date_is_not() {
        for text in [
            "",
            ":",
            " : ",
            "12:00:00",
            "2019-06-03T12:00:00Z",
            "2019-06-03 12:00:00",
            "Mon, 31 Jun 2019 12:00:00 UTC",
            "Mon, 29 Feb 2019 12:00:00 UTC",
            "Mon, 0 Jun 2019 12:00:00 UTC",
            "Mon, 03 Jun 2019 24:00:00 UTC",
            "Mon, 03 Jun 2019 12:60:00 UTC",
            "Mon, 03 Jun 2019 12:00:61 UTC",
            "Mon, 03 Jun 20190 12:00:00 UTC",
            "Mon, 03 Jun 2019 12:00:00 +2400",
            "Mon, 03 Jun 2019 12:00:00 +0160",
            "Mon, 03 Jun 2019 12:00:00 +1",
            "Mon, 03 Foo 2019 12:00:00 UTC",
            "a b c d e 03 Jun 2019 12:00:00 UTC",
            "Mon, \u{663} Jun 2019 12:00:00 UTC",
            "Mon, +3 Jun 2019 12:00:00 UTC",
            "20, 03 Jun 2019 12:00:00 GMT",
            "20, Mon, 03 Jun 2019 12:00:00 GMT",
            "Mon, 03 Jun 2019 12:00:00 GMT, 20",
            "Mon, 03 Jun 2019 12:00:00 GMT, Mon, 03 Jun 2019 12:00:30 GMT",
            "Mon, 03 Jun 2019 12:00:00 GMT and more",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    /// RFC 9110, 5.6.7.
    #[test]
    fn a_year_of_two_digits_is_never_more_than_50_years_ahead() {
        let year = |now, text: &str| seconds_in(now, text).map(|seconds| 1970 + seconds / 31_556_952);
        for (now, two, expected) in [
            (2026, 26, 2026),
            (2026, 27, 2027),
            (2026, 25, 2025),
            (2026, 69, 2069),
            (2026, 70, 2070),
            (2026, 75, 2075),
            (2026, 77, 1977),
            (2026, 94, 1994),
            (2026, 99, 1999),
            (2026, 0, 2000),
            (2049, 98, 2098),
            (2051, 98, 2098),
            (2051, 0, 2100),
            (2099, 5, 2105),
            (2099, 50, 2050),
            (1971, 20, 2020),
            (1971, 70, 1970),
            (9990, 30, 9930),
        ] {
            for text in [
                format!("Sunday, 06-Jun-{two:02} 08:49:37 GMT"),
                format!("Sun, 06-Jun-{two:02} 08:49:37 GMT"),
                format!("Sun, 6 Jun {two:02} 08:49:37 +0000"),
            ] {
                assert_eq!(year(now, &text), Some(expected), "{text} in {now}");
            }
        }
        // 50 years to the second, and a second more.
        assert_eq!(year(2026, "Wednesday, 01-Jan-76 00:00:00 GMT"), Some(2076));
        assert_eq!(seconds_in(2026, "Wednesday, 01-Jan-76 00:00:01 GMT"), Some(189_302_401));
        assert_eq!(seconds_in(2026, "Tuesday, 29-Feb-76 00:00:00 GMT"), Some(194_400_000));
        // Too long ago to be told from any other time that is past.
        assert_eq!(seconds_in(1970, "Sunday, 06-Jun-69 08:49:37 GMT"), Some(0));
        assert_eq!(date("Sunday, 06-Jun-94 08:49:37 GMT", || None), None, "no clock");
        assert!(date("Sun, 06 Jun 1994 08:49:37 GMT", || panic!("four digits need no clock")).is_some());
    }

    #[test]
    fn a_leap_second_is_read_in_every_form() {
        const AFTER: u64 = 1_483_228_800;
        for text in [
            "Sat, 31 Dec 2016 23:59:60 GMT",
            "Saturday, 31-Dec-16 23:59:60 GMT",
            "Sat Dec 31 23:59:60 2016",
            "Sat, 31 Dec 2016 23:59:60 +0000",
            "31 Dec 2016 23:59:60",
            "Sun, 01 Jan 2017 00:59:60 +0100",
            "Sat, 31 Dec 2016 18:59:60 EST",
            "Sat, 31 Dec 16 23:59:60 Z",
        ] {
            assert_eq!(read(text), Some(AFTER), "{text:?}");
            assert_eq!(read(&text.replace(":60", ":61")), None, "{text:?}");
            assert_eq!(read(&text.replace(":60", ":59")), Some(AFTER - 1), "{text:?}");
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut expected = 0;
        for year in 1970..2110 {
            for (month, (name, length)) in MONTHS.iter().enumerate() {
                for day in 1..=length + u64::from(month == 1 && is_leap(year)) {
                    assert_eq!(super::seconds(year, month, day, 7), expected * 86_400 + 7);
                    let text = format!("{day} {name} {year} 00:00:00");
                    assert_eq!(read(&text), Some(expected * 86_400), "{text}");
                    expected += 1;
                }
                let too_late = length + 1 + u64::from(month == 1 && is_leap(year));
                assert_eq!(read(&format!("{too_late} {name} {year} 00:00:00")), None);
            }
        }
    }
}
