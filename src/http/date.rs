//! Dates in headers: HTTP's three forms, and what servers write in their place.

use core::time::Duration;
use std::format;
use std::time::SystemTime;
use std::vec::Vec;

use httpdate::parse_http_date;

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The zones that mail names, in hours behind UTC (RFC 5322, 4.3).
const ZONES: [(&str, u64); 8] =
    [("EST", 5), ("EDT", 4), ("CST", 6), ("CDT", 5), ("MST", 7), ("MDT", 6), ("PST", 8), ("PDT", 7)];

/// Reads a date in a form of HTTP's, or else as mail has it: the weekday missing or wrong, a day of one digit, any
/// letter case, a leap second, a zone other than GMT. A zone that is missing or unknown is UTC.
pub(super) fn date(text: &str) -> Option<SystemTime> {
    parse_http_date(text).ok().or_else(|| of_mail(text))
}

fn of_mail(text: &str) -> Option<SystemTime> {
    // The weekday says nothing that the date does not. But what else stands before a comma is another value.
    let text = match text.split_once(',') {
        None => text,
        Some((weekday, date)) if WEEKDAYS.iter().any(|day| begins_with(weekday.trim(), day)) => date,
        Some(_) => return None,
    };
    let before_time = text.get(..text.find(':')?)?.rfind([' ', '\t'])?;
    let (date, rest) = text.split_at(before_time);
    let date: Vec<_> = date.split([' ', '\t', '-']).filter(|word| !word.is_empty()).take(5).collect();
    let ([day, month, year] | [_, day, month, year]) = date[..] else { return None };
    let mut rest = rest.split_ascii_whitespace();
    let mut time = rest.next()?.split(':');
    let (hour, minute, second) = (time.next()?, time.next()?, time.next().unwrap_or("0"));

    let month = MONTHS.iter().find(|name| name.eq_ignore_ascii_case(month))?;
    // Years of two digits, as mail reads them.
    let year = match (year.len(), number(year)?) {
        (2, year @ ..=49) => 2000 + year,
        (2 | 3, year) => 1900 + year,
        (_, year) => year,
    };
    let (day, hour, minute, second) = (number(day)?, number(hour)?, number(minute)?, number(second)?);
    if year < 1970 {
        // Too long ago to be told from any other time that is past.
        return Some(SystemTime::UNIX_EPOCH);
    }
    let leap = u64::from(second == 60);
    let clock = format!("{day:02} {month} {year:04} {hour:02}:{minute:02}:{:02} GMT", second - leap);
    let moment = WEEKDAYS.iter().find_map(|weekday| parse_http_date(&format!("{weekday}, {clock}")).ok())?;
    let moment = moment.checked_add(Duration::from_secs(leap))?;

    let zone = rest.next().unwrap_or_default();
    if rest.next().is_some_and(|more| !more.starts_with('(')) || zone.contains(',') {
        return None;
    }
    let offset = |hhmm: &str| match number(hhmm)? {
        time if hhmm.len() == 4 && time < 2400 && time % 100 < 60 => {
            Some(Duration::from_secs((time / 100 * 60 + time % 100) * 60))
        }
        _ => None,
    };
    if let Some(ahead) = zone.strip_prefix('+') {
        return moment.checked_sub(offset(ahead)?);
    }
    if let Some(behind) = zone.strip_prefix('-') {
        return moment.checked_add(offset(behind)?);
    }
    let behind = ZONES.iter().find(|(name, _)| name.eq_ignore_ascii_case(zone)).map_or(0, |&(_, hours)| hours);
    moment.checked_add(Duration::from_secs(behind * 3600))
}

fn begins_with(word: &str, name: &str) -> bool {
    word.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

/// A number of at most four digits.
fn number(text: &str) -> Option<u64> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds since 1970.
    fn seconds(text: &str) -> Option<u64> {
        Some(date(text)?.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs())
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
            assert_eq!(seconds(noon), Some(NOON), "{noon:?}");
        }
        assert_eq!(seconds("Tue, 29 Feb 2000 00:00:00 +0000"), Some(951_782_400));
        for past in ["Mon, 01 Jan 0001 00:00:00 GMT", "Wed, 31 Dec 1969 23:59:59 GMT", "31 Dec 1969 23:59:59"] {
            assert_eq!(seconds(past), Some(0), "{past:?}");
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
            assert_eq!(seconds(text), None, "{text:?}");
        }
    }
}
