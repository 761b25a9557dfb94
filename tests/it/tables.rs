//! What the codes of servers mean. Each function's documentation has a table, and each row of it is asked for here.

use std::time::Duration;

use persevere::{Fault, Reached, Verdict, tables};
use proptest::prelude::*;

const PERMANENT: Verdict = Verdict::permanent();

const fn unsent(fault: Fault) -> Verdict {
    Verdict::transient().with_fault(fault).with_reached(Reached::No)
}

const fn unknown(fault: Fault) -> Verdict {
    Verdict::transient().with_fault(fault)
}

/// What a documented verdict stands for: `status, never reached`, `read, maybe reached` or `permanent`.
fn documented(verdict: &str) -> Verdict {
    let (fault, reached) = match verdict.split_once(", ") {
        None if verdict == "permanent" => return PERMANENT,
        None => panic!("{verdict} is no verdict"),
        Some(parts) => parts,
    };
    let faults = [Fault::Connect, Fault::Timeout, Fault::Read, Fault::Status, Fault::Throttle, Fault::Redirect];
    let fault = faults.into_iter().find(|known| known.to_string() == fault);
    let fault = fault.unwrap_or_else(|| panic!("{verdict} names no fault"));
    match reached {
        "never reached" => unsent(fault),
        "maybe reached" => unknown(fault),
        _ => panic!("{verdict} does not say what was reached"),
    }
}

/// Asks `table` for each code of the first column, and returns how many codes there are.
fn hold_the_documentation(source: &str, table: impl Fn(&str) -> Verdict) -> usize {
    let mut count = 0;
    for row in source.lines().filter_map(|line| line.strip_prefix("/// | `")) {
        let mut cells = row.trim_end_matches(" |").split(" | ");
        let (codes, _, verdict) = (cells.next().unwrap(), cells.next().unwrap(), cells.next().unwrap());
        for code in codes.trim_end_matches('`').split("`, `") {
            assert_eq!(table(code), documented(verdict), "{code}");
            count += 1;
        }
        assert_eq!(cells.count(), 1, "each row has its reason: {row}");
    }
    assert!(source.contains("/// | all else |"), "what is not listed is documented");
    count
}

#[test]
fn each_table_is_what_its_documentation_says() {
    let count = hold_the_documentation(include_str!("../../src/tables/sqlstate.rs"), tables::sqlstate);
    assert_eq!(count, 32);
    let count = hold_the_documentation(include_str!("../../src/tables/pgbouncer.rs"), tables::pgbouncer);
    assert_eq!(count, 20);
    let mysql = |number: &str| tables::mysql(number.parse().unwrap());
    assert_eq!(hold_the_documentation(include_str!("../../src/tables/mysql.rs"), mysql), 47);
    let sqlite = |code: &str| tables::sqlite(code.parse().unwrap());
    assert_eq!(hold_the_documentation(include_str!("../../src/tables/sqlite.rs"), sqlite), 15);
    assert_eq!(hold_the_documentation(include_str!("../../src/tables/redis.rs"), tables::redis), 20);
    let grpc = |code: &str| tables::grpc(code.parse().unwrap());
    assert_eq!(hold_the_documentation(include_str!("../../src/tables/grpc.rs"), grpc), 17);
    let websocket = |code: &str| tables::websocket_close(code.parse().unwrap());
    assert_eq!(hold_the_documentation(include_str!("../../src/tables/websocket.rs"), websocket), 18);
    let amqp = |code: &str| tables::amqp(code.parse().unwrap());
    assert_eq!(hold_the_documentation(include_str!("../../src/tables/amqp.rs"), amqp), 18);
    let jetstream = |code: &str| tables::jetstream(code.parse().unwrap());
    assert_eq!(hold_the_documentation(include_str!("../../src/tables/jetstream.rs"), jetstream), 9);
}

/// The rows once more, by hand: a row that is missing in the documentation and in the code is missed above.
#[test]
fn what_real_servers_were_seen_to_say_is_decided() {
    use Fault::{Connect, Read, Redirect, Status, Throttle, Timeout};
    for (code, verdict) in [
        ("40001", unsent(Status)),
        ("40P01", unsent(Status)),
        ("55P03", unsent(Status)),
        ("55006", unsent(Status)),
        ("57014", unsent(Timeout)),
        ("25006", unsent(Status)),
        ("57P03", unsent(Connect)),
        ("53300", unsent(Throttle)),
        ("57P01", unknown(Read)),
        ("57P05", unsent(Read)),
        ("25P03", unsent(Read)),
        ("08P01", PERMANENT),
        ("0A000", PERMANENT),
        ("42P05", PERMANENT),
        ("25P02", PERMANENT),
        ("23505", PERMANENT),
        ("42601", PERMANENT),
        ("28P01", PERMANENT),
        ("28000", PERMANENT),
        ("3D000", PERMANENT),
        ("08S01", unknown(Read)),
    ] {
        assert_eq!(tables::sqlstate(code), verdict, "{code}");
    }
    for (number, verdict) in [
        (1213, unsent(Status)),
        (1205, unsent(Status)),
        (1040, unsent(Throttle)),
        (1226, unsent(Throttle)),
        (1290, unsent(Status)),
        (1317, unsent(Timeout)),
        (1969, unsent(Timeout)),
        (1045, PERMANENT),
        (1044, PERMANENT),
        (1049, PERMANENT),
        (1062, PERMANENT),
        (1064, PERMANENT),
    ] {
        assert_eq!(tables::mysql(number), verdict, "{number}");
    }
    for (code, verdict) in [(5, unsent(Status)), (517, unsent(Status)), (262, unsent(Status)), (6, PERMANENT)] {
        assert_eq!(tables::sqlite(code), verdict, "{code}");
    }
    for (reply, verdict) in [
        ("LOADING Redis is loading the dataset in memory", unsent(Connect)),
        ("READONLY You can't write against a read only replica.", unsent(Status)),
        ("OOM command not allowed when used memory > 'maxmemory'.", unsent(Throttle)),
        ("MOVED 3999 127.0.0.1:6381", unsent(Redirect)),
        ("ERR unknown command", PERMANENT),
        ("BUSYGROUP Consumer Group name already exists", PERMANENT),
        ("", PERMANENT),
    ] {
        assert_eq!(tables::redis(reply), verdict, "{reply}");
    }
}

#[test]
fn a_code_that_only_resembles_a_row_is_not_that_row() {
    for code in ["", "4000", "400011", "40p01", " 40001", "40001 ", "08P01", "08", "0800", "080000", "ÄÖ1", "88000"] {
        assert_eq!(tables::sqlstate(code), PERMANENT, "{code}");
    }
    // A primary code's lowest byte is no proof: -251 has the one of BUSY.
    for code in [-251, -5, 0, 1029, i32::MIN, i32::MAX] {
        assert_eq!(tables::sqlite(code), PERMANENT, "{code}");
    }
    for message in ["", "query", "QUERY_WAIT_TIMEOUT", "my query_wait_timeout", "query_wait_timeou"] {
        assert_eq!(tables::pgbouncer(message), PERMANENT, "{message}");
    }
    for reply in ["loading", "LOADINGS", " LOADING", "-LOADING", "ERR max", "ERR LOADING"] {
        assert_eq!(tables::redis(reply), PERMANENT, "{reply}");
    }
}

#[test]
fn a_table_can_be_asked_in_a_const() {
    const VERDICTS: [Verdict; 9] = [
        tables::sqlstate("40001"),
        tables::pgbouncer("server conn crashed?"),
        tables::mysql(1213),
        tables::sqlite(5),
        tables::redis("BUSY"),
        tables::grpc(14),
        tables::websocket_close(1001),
        tables::amqp(320),
        tables::jetstream(503),
    ];
    assert!(VERDICTS.iter().all(Verdict::is_transient));
}

#[test]
fn pushback_is_a_hint_and_a_refusal_ends_the_run() {
    let unavailable = tables::grpc(14);
    for (value, hint) in [("0", 0), ("700", 700), ("4294967295", u64::from(u32::MAX))] {
        let verdict = tables::grpc_pushback(unavailable, value);
        assert_eq!(verdict, unavailable.with_hint(Duration::from_millis(hint)), "{value}");
    }
    for value in ["-1", "soon", "", " 700", "7e2", "4294967296", "99999999999999999999999"] {
        assert!(!tables::grpc_pushback(unavailable, value).is_transient(), "{value}");
    }
    assert_eq!(tables::grpc_pushback(tables::grpc(2), "700"), PERMANENT, "a permanent code stays permanent");
}

/// A field of bytes, as protobuf writes it.
fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    let mut message = vec![field << 3 | 2];
    let mut length = content.len();
    while length > 0x7f {
        message.push(length as u8 | 0x80);
        length >>= 7;
    }
    message.push(length as u8);
    message.extend(content);
    message
}

/// A field that is a number.
fn number(field: u8, mut value: u64) -> Vec<u8> {
    let mut message = vec![field << 3];
    while value > 0x7f {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
    message
}

const RETRY_INFO: &[u8] = b"type.googleapis.com/google.rpc.RetryInfo";

fn detail(url: &[u8], content: &[u8]) -> Vec<u8> {
    bytes(3, &[bytes(1, url), bytes(2, content)].concat())
}

fn retry_info(seconds: u64, nanos: u64) -> Vec<u8> {
    detail(RETRY_INFO, &bytes(1, &[number(1, seconds), number(2, nanos)].concat()))
}

/// A status as a server sends it: code, text and details.
fn status(details: &[Vec<u8>]) -> Vec<u8> {
    [number(1, 14), bytes(2, b"try again later"), details.concat()].concat()
}

#[test]
fn retry_info_is_found_wherever_it_stands() {
    let other = || detail(b"type.googleapis.com/google.rpc.DebugInfo", &bytes(1, &[b'x'; 300]));
    let found = |details: &[Vec<u8>]| tables::grpc_retry_info(&status(details));
    assert_eq!(found(&[retry_info(1, 500_000_000)]), Some(Duration::from_millis(1500)));
    assert_eq!(found(&[other(), retry_info(3, 0), other()]), Some(Duration::from_secs(3)));
    assert_eq!(found(&[retry_info(3, 0), retry_info(9, 0)]), Some(Duration::from_secs(3)), "the first one counts");
    assert_eq!(found(&[retry_info(0, 0)]), Some(Duration::ZERO));
    assert_eq!(found(&[detail(RETRY_INFO, b"")]), Some(Duration::ZERO), "what is left out is zero");
    assert_eq!(found(&[retry_info(315_576_000_000, 999_999_999)]).unwrap().as_secs(), 315_576_000_000);
    // Fields that a later version adds, of every type.
    let more = [number(15, 300), vec![14 << 3 | 1, 1, 2, 3, 4, 5, 6, 7, 8], vec![13 << 3 | 5, 1, 2, 3, 4]].concat();
    let delay = [more.clone(), number(1, 2), more.clone()].concat();
    let info = detail(RETRY_INFO, &[more.clone(), bytes(1, &delay), more.clone()].concat());
    assert_eq!(tables::grpc_retry_info(&[more, info].concat()), Some(Duration::from_secs(2)));
}

#[test]
fn retry_info_that_asks_for_nothing_sensible_is_no_hint() {
    let found = |details: &[Vec<u8>]| tables::grpc_retry_info(&status(details));
    let minus = |number: i64| number.cast_unsigned();
    for (seconds, nanos) in [
        (minus(-1), 0),
        (0, minus(-1)),
        (minus(i64::MIN), 0),
        (u64::MAX, u64::MAX),
        (315_576_000_001, 0),
        (1, 1_000_000_000),
        (0, 1 << 32),
    ] {
        assert_eq!(found(&[retry_info(seconds, nanos)]), None, "{seconds} s, {nanos} ns");
    }
    assert_eq!(found(&[]), None);
    assert_eq!(found(&[detail(b"RetryInfo", &bytes(1, &number(1, 2)))]), None, "another type");
    assert_eq!(tables::grpc_retry_info(b""), None);
}

#[test]
fn details_that_are_no_protobuf_are_no_hint() {
    let whole = status(&[retry_info(1, 500_000_000)]);
    assert!(tables::grpc_retry_info(&whole).is_some());
    for end in 0..whole.len() {
        assert_eq!(tables::grpc_retry_info(&whole[..end]), None, "cut after {end} bytes");
    }
    for junk in [&[0xff; 64][..], &[0x1a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], &[0x0b], &[0x0c]] {
        assert_eq!(tables::grpc_retry_info(&[junk, &whole[..]].concat()), None, "{junk:x?}");
    }
    let large = status(&[detail(b"x", &vec![0; 64 * 1024]), retry_info(1, 0)]);
    assert_eq!(tables::grpc_retry_info(&large), None, "too much to look through");
}

proptest! {
    #[test]
    fn every_text_has_a_verdict_without_a_hint(text in ".{0,40}", code in "[0-9A-Z]{5}") {
        for verdict in [tables::sqlstate(&text), tables::pgbouncer(&text), tables::redis(&text)] {
            prop_assert_eq!(verdict, PERMANENT);
        }
        let verdict = tables::sqlstate(&code);
        prop_assert_eq!(verdict.hint(), None);
        prop_assert!(verdict.is_transient() || verdict == PERMANENT);
    }

    #[test]
    fn every_number_has_a_verdict_without_a_hint(small: u16, large: i32, size: usize) {
        for verdict in [
            tables::mysql(small),
            tables::sqlite(large),
            tables::grpc(large),
            tables::websocket_close(small),
            tables::amqp(small),
            tables::jetstream(size),
        ] {
            prop_assert_eq!(verdict.hint(), None);
            prop_assert!(verdict.is_transient() || verdict == PERMANENT);
        }
    }

    #[test]
    fn details_of_any_kind_can_be_read(details: Vec<u8>, value in ".{0,12}") {
        let _ = tables::grpc_retry_info(&details);
        let _ = tables::grpc_pushback(tables::grpc(14), &value);
    }

    /// Junk that begins as a status does gets further than junk.
    #[test]
    fn details_with_a_few_bytes_changed_can_be_read(
        seconds: u64, nanos: u64, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6)
    ) {
        let mut details = status(&[retry_info(seconds, nanos)]);
        for (place, byte) in changes {
            let place = place.index(details.len());
            details[place] = byte;
        }
        let longest = Duration::new(315_576_000_000, 999_999_999);
        prop_assert!(tables::grpc_retry_info(&details).is_none_or(|wait| wait <= longest));
    }

    #[test]
    fn a_wait_within_protobufs_limits_is_read_exactly(seconds in 0..=315_576_000_000_u64, nanos in 0..1_000_000_000_u32) {
        let details = status(&[retry_info(seconds, nanos.into())]);
        prop_assert_eq!(tables::grpc_retry_info(&details), Some(Duration::new(seconds, nanos)));
    }
}

#[test]
fn connecting_makes_a_transient_verdict_unsent_and_keeps_a_throttle() {
    for fault in [Fault::Connect, Fault::Timeout, Fault::Read, Fault::Status, Fault::Redirect, Fault::Other] {
        assert_eq!(unknown(fault).connecting(), unsent(Fault::Connect), "{fault}");
    }
    assert_eq!(unknown(Fault::Throttle).connecting(), unsent(Fault::Throttle));
    assert_eq!(PERMANENT.connecting(), PERMANENT);
    let hint = Duration::from_secs(7);
    assert_eq!(unknown(Fault::Status).with_hint(hint).with_status(503).connecting().hint(), Some(hint));
}
