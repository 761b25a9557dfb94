//! Each row of the decision tables, for each client: which requests are sent, and which bytes come out.

use persevere::StopReason;

use super::origin::{ASK, Ask, Asked, CLIENTS, Got, Origin, Reply, chunked, part, reply, version};

const LENGTH: usize = 10_000;
const CUT: usize = 3_000;
const TAG: &str = "etag: \"v1\"\r\n";
const TAG_2: &str = "etag: \"v2\"\r\n";
const MODIFIED: &str = "last-modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n";
const SECOND_LATER: &str = "date: Wed, 21 Oct 2015 07:28:01 GMT\r\n";
const SAME_SECOND: &str = "date: Wed, 21 Oct 2015 07:28:00 GMT\r\n";

type Answer = fn(&Asked) -> Reply;

fn v1() -> Vec<u8> {
    version(1, LENGTH)
}

fn v2() -> Vec<u8> {
    version(2, LENGTH + 500)
}

/// Runs a download with each client, and checks what came and what was asked.
fn each(
    ask: Ask,
    answer: impl Fn(usize, &Asked) -> Reply + Clone + Send + Sync + 'static,
    check: impl Fn(&str, Got, &[Asked]),
) {
    for client in CLIENTS {
        let origin = Origin::new(answer.clone());
        let got = client.download(&origin.url(), ask);
        let asked = origin.asked();
        for request in &asked {
            assert_eq!(request.accept_encoding.as_deref(), Some("identity"), "{client:?}");
            assert!(request.path.starts_with("/path"), "{client:?}");
        }
        check(&format!("{client:?}: {got:?}, {asked:?}").replace(&format!("{:?}", got.body), ".."), got, &asked);
    }
}

fn ranges(asked: &[Asked]) -> Vec<Option<usize>> {
    asked.iter().map(Asked::from).collect()
}

/// The first answer is cut after 3000 bytes. The second is this, and all later ones are right.
fn second(
    ask: Ask,
    answer: impl Fn(&Asked) -> Reply + Clone + Send + Sync + 'static,
    check: impl Fn(&str, Got, &[Asked]),
) {
    let answer = move |number: usize, asked: &Asked| match number {
        0 => reply(200, TAG, &v1(), CUT),
        1 => answer(asked),
        _ => right(asked, TAG, &v1()),
    };
    each(ask, answer, check);
}

/// A server without fault.
fn right(asked: &Asked, headers: &str, content: &[u8]) -> Reply {
    let tag = headers.lines().find_map(|line| line.strip_prefix("etag: "));
    match asked.from() {
        Some(from) if asked.if_range.as_deref() == tag => part(headers, content, from, content.len(), usize::MAX),
        _ => reply(200, headers, content, usize::MAX),
    }
}

fn is_whole(context: &str, got: &Got, right: &[u8]) {
    assert!(got.ended.is_ok(), "{context}");
    assert!(got.body == right, "{context}");
    assert_eq!(got.stop, Some(StopReason::Succeeded), "{context}");
}

#[test]
fn a_download_that_does_not_break_asks_once() {
    each(
        ASK,
        |_, _| reply(200, TAG, &v1(), LENGTH),
        |context, got, asked| {
            is_whole(context, &got, &v1());
            assert_eq!(asked.len(), 1, "{context}");
            assert_eq!(got.total, Some(LENGTH as u64), "{context}");
            assert_eq!((&asked[0].range, &asked[0].if_range), (&None, &None), "{context}");
        },
    );
}

#[test]
fn a_part_is_asked_for_only_with_a_strong_validator() {
    let rows: [(&str, String, Option<&str>); 10] = [
        ("a strong tag", TAG.into(), Some("\"v1\"")),
        ("a strong tag and a date", format!("{TAG}{MODIFIED}{SECOND_LATER}"), Some("\"v1\"")),
        ("a weak tag", "etag: W/\"v1\"\r\n".into(), None),
        ("a weak tag and a date", format!("etag: W/\"v1\"\r\n{MODIFIED}{SECOND_LATER}"), None),
        ("a date a second old", format!("{MODIFIED}{SECOND_LATER}"), Some("wed, 21 oct 2015 07:28:00 gmt")),
        ("a date of this second", format!("{MODIFIED}{SAME_SECOND}"), None),
        ("a date without the answer's", MODIFIED.into(), None),
        ("no validator", String::new(), None),
        ("no ranges", format!("{TAG}accept-ranges: none\r\n"), None),
        ("ranges", format!("{TAG}accept-ranges: bytes\r\n"), Some("\"v1\"")),
    ];
    for (name, headers, if_range) in rows {
        let answer = {
            let headers = headers.clone();
            move |number, asked: &Asked| match (number, asked.from()) {
                (0, _) => reply(200, &headers, &v1(), CUT),
                (_, Some(from)) => part(&headers, &v1(), from, LENGTH, LENGTH),
                (_, None) => reply(200, &headers, &v1(), LENGTH),
            }
        };
        each(ASK, answer.clone(), |context, got, asked| {
            is_whole(context, &got, &v1());
            assert_eq!(ranges(asked), [None, if_range.map(|_| CUT)], "{name}: {context}");
            assert_eq!(asked[1].if_range.as_deref(), if_range, "{name}: {context}");
        });
        // Without a restart what came stays, and the download ends with the client's error.
        each(Ask { restarts: 0, ..ASK }, answer, |context, got, asked| {
            if if_range.is_some() {
                is_whole(context, &got, &v1());
            } else {
                assert!(got.ended.as_ref().is_err_and(|error| std::error::Error::source(error).is_some()), "{context}");
                assert!(got.body == v1()[..CUT], "{name}: {context}");
                assert_eq!(asked.len(), 1, "{name}: {context}");
            }
        });
    }
}

#[test]
fn a_body_in_chunks_begins_anew_after_a_cut_because_a_client_may_have_decoded_it() {
    let answer = |number, _: &Asked| chunked(200, TAG, if number == 0 { &[7; CUT] } else { &[8; LENGTH] }, number > 0);
    each(ASK, answer, |context, got, asked| {
        is_whole(context, &got, &[8; LENGTH]);
        assert_eq!(ranges(asked), [None, None], "{context}");
        assert_eq!(got.total, None, "{context}");
    });
}

#[test]
fn a_body_that_ends_with_the_connection_is_an_error_unless_it_is_trusted() {
    let answer = |_, _: &Asked| {
        let bytes = [b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec(), v1()].concat();
        Reply { bytes, stalls: false }
    };
    each(ASK, answer, |context, got, asked| {
        assert!(got.ended.unwrap_err().to_string().contains("neither a length nor chunks"), "{context}");
        assert_eq!((got.body.len(), asked.len()), (0, 1), "{context}");
    });
    each(Ask { trusting: true, ..ASK }, answer, |context, got, _| is_whole(context, &got, &v1()));
}

#[test]
fn a_part_that_fits_is_appended() {
    let rows: [(&str, Answer, Vec<Option<usize>>); 6] = [
        ("as asked", |asked| right(asked, TAG, &v1()), vec![None, Some(CUT)]),
        (
            "without headers that If-Range makes needless",
            |_| part("", &v1(), CUT, LENGTH, LENGTH),
            vec![None, Some(CUT)],
        ),
        ("less than asked", |_| part(TAG, &v1(), CUT, 5_000, LENGTH), vec![None, Some(CUT), Some(5_000)]),
        ("cut", |_| part(TAG, &v1(), CUT, LENGTH, 1_000), vec![None, Some(CUT), Some(4_000)]),
        (
            "a total that is not known",
            |_| reply(206, &format!("content-range: bytes {CUT}-{}/*\r\n", LENGTH - 1), &v1()[CUT..], LENGTH),
            vec![None, Some(CUT)],
        ),
        (
            "in chunks",
            |_| chunked(206, &format!("content-range: bytes {CUT}-{}/{LENGTH}\r\n", LENGTH - 1), &v1()[CUT..], true),
            vec![None, Some(CUT)],
        ),
    ];
    for (name, answer, expected) in rows {
        second(ASK, answer, |context, got, asked| {
            is_whole(context, &got, &v1());
            assert_eq!(ranges(asked), expected, "{name}: {context}");
            assert!(
                asked[1..].iter().all(|request| request.if_range.as_deref() == Some("\"v1\"")),
                "{name}: {context}"
            );
        });
    }
}

/// A 206 that begins at what is held, with this Content-Range and these headers.
fn odd(range: &str, headers: &str) -> Reply {
    reply(206, &format!("{range}{headers}"), &v1()[CUT..], LENGTH)
}

#[test]
fn a_part_that_does_not_fit_is_thrown_away_and_all_is_asked_for() {
    const RANGE: &str = "content-range: bytes 3000-9999/10000\r\n";
    let rows: [(&str, Answer); 17] = [
        ("a later offset", |_| part(TAG, &v1(), CUT + 1, LENGTH, LENGTH)),
        ("an earlier offset", |_| part(TAG, &v1(), CUT - 1, LENGTH, LENGTH)),
        ("all of it, as a part", |_| part(TAG, &v1(), 0, LENGTH, LENGTH)),
        ("another total", |_| odd("content-range: bytes 3000-9999/10001\r\n", TAG)),
        ("a last position past the total", |_| odd("content-range: bytes 3000-10000/10000\r\n", TAG)),
        ("no Content-Range", |_| odd("", TAG)),
        ("an invalid Content-Range", |_| odd("content-range: bytes 9999-3000/10000\r\n", TAG)),
        ("a sign in it", |_| odd("content-range: bytes +3000-9999/10000\r\n", TAG)),
        ("two of them", |_| odd(&RANGE.repeat(2), TAG)),
        ("another unit", |_| odd("content-range: items 3000-9999/10000\r\n", TAG)),
        ("several ranges", |_| odd(RANGE, "content-type: multipart/byteranges; boundary=x\r\n")),
        ("another tag", |_| odd(RANGE, TAG_2)),
        ("another date", |_| odd(RANGE, MODIFIED)),
        ("another encoding", |_| odd(RANGE, "content-encoding: compress\r\n")),
        ("416 with another total", |_| reply(416, "content-range: bytes */2999\r\n", b"", 0)),
        ("416 without a total", |_| reply(416, "", b"no", 2)),
        ("412", |_| reply(412, "", b"no", 2)),
    ];
    for (name, answer) in rows {
        second(ASK, answer, |context, got, asked| {
            is_whole(context, &got, &v1());
            assert_eq!(ranges(asked), [None, Some(CUT), None], "{name}: {context}");
        });
        second(Ask { restarts: 0, ..ASK }, answer, |context, got, asked| {
            assert!(got.ended.unwrap_err().is_changed(), "{name}: {context}");
            assert_eq!(got.stop, Some(StopReason::Permanent), "{name}: {context}");
            assert!(got.body == v1()[..CUT], "{name}: {context}");
            assert_eq!(asked.len(), 2, "{name}: {context}");
        });
    }
}

#[test]
fn an_answer_with_all_of_it_begins_anew_with_its_own_facts() {
    // The new version is cut as well: it is continued with its own tag.
    let answer = |number, asked: &Asked| match number {
        0 => reply(200, TAG, &v1(), CUT),
        1 => reply(200, TAG_2, &v2(), 4_000),
        _ => right(asked, TAG_2, &v2()),
    };
    each(ASK, answer, |context, got, asked| {
        is_whole(context, &got, &v2());
        assert_eq!(ranges(asked), [None, Some(CUT), Some(4_000)], "{context}");
        assert_eq!(asked[2].if_range.as_deref(), Some("\"v2\""), "{context}");
    });
    each(Ask { restarts: 0, ..ASK }, answer, |context, got, _| {
        assert!(got.ended.unwrap_err().is_changed(), "{context}");
        assert!(got.body == v1()[..CUT], "{context}");
    });
}

#[test]
fn bytes_that_were_not_announced_or_not_asked_for_end_the_download() {
    let long =
        |_: &Asked| chunked(206, "content-range: bytes 3000-9999/10000\r\n", &[&v1()[CUT..], b"more"].concat(), true);
    second(ASK, long, |context, got, asked| {
        assert!(got.ended.unwrap_err().to_string().contains("more bytes than it announced"), "{context}");
        assert!(v1().starts_with(&got.body), "{context}");
        assert_eq!(asked.len(), 2, "{context}");
    });
    each(
        ASK,
        |_, _| part(TAG, &v1(), 0, LENGTH, LENGTH),
        |context, got, asked| {
            assert!(got.ended.unwrap_err().to_string().contains("a part of the content"), "{context}");
            assert_eq!((got.body.len(), asked.len()), (0, 1), "{context}");
        },
    );
}

#[test]
fn a_part_in_chunks_that_is_too_short_is_continued() {
    let short = |_: &Asked| chunked(206, "content-range: bytes 3000-9999/10000\r\n", &v1()[CUT..6_000], true);
    second(ASK, short, |context, got, asked| {
        is_whole(context, &got, &v1());
        assert_eq!(ranges(asked), [None, Some(CUT), Some(6_000)], "{context}");
    });
}

#[test]
fn a_transient_status_waits_and_asks_for_the_same_again() {
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let busy = move |_: &Asked| reply(status, "retry-after: 7\r\n", b"<html>busy</html>", 99);
        second(ASK, busy, |context, got, asked| {
            is_whole(context, &got, &v1());
            assert_eq!(ranges(asked), [None, Some(CUT), Some(CUT)], "{status}: {context}");
            assert!(got.waited.as_secs() >= 7, "{status}: {context}");
        });
    }
}

#[test]
fn any_other_status_ends_the_download_and_leaves_what_is_held() {
    for status in [204, 304, 400, 401, 403, 404, 410, 451, 501] {
        let refuse = move |_: &Asked| reply(status, "", b"", 0);
        second(ASK, refuse, |context, got, asked| {
            assert_eq!(got.ended.unwrap_err().status().map(|status| status.as_u16()), Some(status), "{context}");
            assert!(got.body == v1()[..CUT], "{status}: {context}");
            assert_eq!(asked.len(), 2, "{status}: {context}");
        });
        each(
            ASK,
            move |_, _| reply(status, "", b"", 0),
            |context, got, asked| {
                assert_eq!(got.ended.unwrap_err().status().map(|status| status.as_u16()), Some(status), "{context}");
                assert_eq!((got.body.len(), asked.len()), (0, 1), "{status}: {context}");
            },
        );
    }
}

#[test]
fn a_silent_server_is_a_break() {
    let answer = |number, asked: &Asked| match number {
        0 => Reply { stalls: true, ..reply(200, TAG, &v1(), CUT) },
        _ => right(asked, TAG, &v1()),
    };
    each(Ask { impatient: true, total: 20, ..ASK }, answer, |context, got, asked| {
        is_whole(context, &got, &v1());
        assert!(asked.len() >= 2, "{context}");
    });
}

#[test]
fn progress_is_a_new_furthest_position_and_not_a_byte() {
    // It knows no ranges, and is always cut at the same place.
    each(
        Ask { restarts: 100, ..ASK },
        |_, _| reply(200, "", &v1(), CUT),
        |context, got, asked| {
            assert!(got.ended.is_err(), "{context}");
            // The first one came further than nothing.
            assert_eq!(got.stop, Some(StopReason::Exhausted), "{context}");
            assert_eq!(asked.len(), 4, "{context}");
        },
    );
    // The same with ranges comes to an end, however often it is cut.
    let ranges = |_, asked: &Asked| match asked.from() {
        None => reply(200, TAG, &v1(), 500),
        Some(from) => part(TAG, &v1(), from, LENGTH, 500),
    };
    each(Ask { restarts: 0, ..ASK }, ranges, |context, got, asked| {
        is_whole(context, &got, &v1());
        assert_eq!(asked.len(), LENGTH / 500, "{context}");
    });
}

#[test]
fn a_server_that_says_416_each_time_is_left_when_the_restarts_are_used_up() {
    let answer = |_, asked: &Asked| match asked.from() {
        None => reply(200, TAG, &v1(), CUT),
        Some(_) => reply(416, "", b"", 0),
    };
    each(Ask { restarts: 2, total: 20, ..ASK }, answer, |context, got, asked| {
        assert!(got.ended.unwrap_err().is_changed(), "{context}");
        assert_eq!(asked.len(), 6, "{context}");
    });
}

#[test]
fn a_redirect_is_followed_anew_from_the_first_url() {
    let answer = |number, asked: &Asked| match (asked.path.as_str(), number) {
        ("/signed", 1) => reply(200, TAG, &v1(), CUT),
        ("/signed", _) => right(asked, TAG, &v1()),
        _ => reply(302, "location: /signed\r\n", b"", 0),
    };
    for client in CLIENTS {
        let origin = Origin::new(answer);
        let got = client.download(&origin.url(), ASK);
        is_whole(&format!("{client:?}"), &got, &v1());
        let asked = origin.asked();
        let paths: Vec<_> = asked.iter().map(|request| request.path == "/signed").collect();
        assert_eq!(paths, [false, true, false, true], "{client:?}");
        assert_eq!(ranges(&asked), [None, None, Some(CUT), Some(CUT)], "{client:?}");
        assert_eq!(asked[3].if_range.as_deref(), Some("\"v1\""), "{client:?}");
    }
}

/// What a decoding client makes of a piece has no position that the server knows.
#[test]
fn a_body_that_the_client_decoded_is_never_continued() {
    let plain: &[u8] = &[b'a'; 5_000];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    std::io::Write::write_all(&mut gzip, plain).unwrap();
    let encoded = gzip.finish().unwrap();
    let headers = format!("{TAG}content-encoding: gzip\r\n");
    for (chunks, trusting) in [(true, false), (false, true), (false, false)] {
        let (encoded, headers) = (encoded.clone(), headers.clone());
        let answer = move |number, asked: &Asked| match asked.from() {
            // A server that compresses whatever it is asked for.
            Some(from) => part(&headers, &encoded, from, encoded.len(), usize::MAX),
            None if chunks => {
                chunked(200, &headers, &encoded[..if number == 0 { 2_000 } else { encoded.len() }], number > 0)
            }
            None => reply(200, &headers, &encoded, if number == 0 { 2_000 } else { encoded.len() }),
        };
        each(Ask { decodes: true, trusting, ..ASK }, answer, |context, got, asked| {
            if chunks || trusting {
                is_whole(context, &got, plain);
            } else {
                assert!(got.ended.unwrap_err().to_string().contains("decompresses"), "{context}");
                assert!(got.body.is_empty(), "{context}");
            }
            assert!(ranges(asked).iter().all(Option::is_none), "{context}");
        });
    }
}

/// A client that does not decode keeps the encoded bytes, which have positions.
#[test]
fn a_body_that_is_compressed_in_spite_of_the_request_is_continued_as_it_came() {
    let encoded = version(3, LENGTH);
    let headers = format!("{TAG}content-encoding: compress\r\n");
    let answer = move |number, asked: &Asked| match asked.from() {
        Some(from) => part(&headers, &encoded, from, LENGTH, LENGTH),
        None => reply(200, &headers, &encoded, if number == 0 { CUT } else { LENGTH }),
    };
    each(ASK, answer, |context, got, asked| {
        is_whole(context, &got, &version(3, LENGTH));
        assert_eq!(ranges(asked), [None, Some(CUT)], "{context}");
    });
}
