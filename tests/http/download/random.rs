//! Random servers: what comes out is byte for byte one version of the content, or an error and the beginning of one.

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::origin::{ASK, Ask, Asked, CLIENTS, Client, Origin, Reply, chunked, part, reply, version};

/// What shows which version it is.
#[derive(Clone, Copy, Debug)]
enum Validator {
    Strong,
    Weak,
    Old,
    Young,
    Both,
    None,
    NoRanges,
}

/// What the server does with one request.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// What is asked for, cut after so many bytes.
    Right(usize),
    /// The same in chunks.
    Chunks(usize),
    /// All of it, whatever is asked for.
    Whole(usize),
    /// There is a new version; then as above.
    Changes(usize),
    /// A part of the version that is there, whatever `If-Range` says, with or without a validator.
    Blind {
        stated: bool,
        cut: usize,
    },
    /// A part that begins somewhere else, with its own honest range or the one that was asked for.
    Shifted {
        by: isize,
        cut: usize,
    },
    /// A part of so many bytes.
    Less(usize),
    Total(isize),
    NoRange,
    TwoRanges,
    Multipart,
    Encoded,
    Longer,
    Unsatisfied(Option<isize>),
    Status(u16),
    /// A part, also if nobody asked for one.
    Unasked,
    /// Nothing, and the connection is closed.
    Closes,
}

fn does() -> impl Strategy<Value = Does> {
    let cut = prop_oneof![4 => 0..600_usize, 1 => 0..4_000_usize];
    let by = prop_oneof![Just(-1_isize), Just(1), -500..500_isize];
    prop_oneof![
        6 => cut.clone().prop_map(Does::Right),
        2 => cut.clone().prop_map(Does::Chunks),
        1 => cut.clone().prop_map(Does::Whole),
        2 => cut.clone().prop_map(Does::Changes),
        2 => (any::<bool>(), cut.clone()).prop_map(|(stated, cut)| Does::Blind { stated, cut }),
        2 => (by.clone(), cut).prop_map(|(by, cut)| Does::Shifted { by, cut }),
        2 => (1..2_000_usize).prop_map(Does::Less),
        1 => by.clone().prop_map(Does::Total),
        1 => Just(Does::NoRange),
        1 => Just(Does::TwoRanges),
        1 => Just(Does::Multipart),
        1 => Just(Does::Encoded),
        1 => Just(Does::Longer),
        1 => proptest::option::of(by).prop_map(Does::Unsatisfied),
        2 => prop::sample::select(vec![204, 304, 400, 403, 404, 408, 412, 425, 429, 500, 502, 503, 504]).prop_map(Does::Status),
        1 => Just(Does::Unasked),
        1 => Just(Does::Closes),
    ]
}

fn validator() -> impl Strategy<Value = Validator> {
    use Validator::{Both, NoRanges, None, Old, Strong, Weak, Young};
    prop_oneof![4 => Just(Strong), 1 => prop::sample::select(vec![Weak, Young, None, NoRanges]), 2 => Just(Old), 1 => Just(Both)]
}

#[derive(Clone, Debug)]
struct Scenario {
    client: Client,
    validator: Validator,
    /// One for each version. No two are alike, or a server that lies about its validator could not be found out.
    length: usize,
    script: Vec<Does>,
    total: u32,
    restarts: u32,
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let limits = (0..5_u32, 0..4_u32);
    let client = prop::sample::select(CLIENTS.to_vec());
    let parts = (client, validator(), 0..3_000_usize, prop::collection::vec(does(), 0..14), 0..1_500_usize, limits);
    parts.prop_map(|(client, validator, length, mut script, cut, (total, restarts))| {
        // Most of it is about what comes after a cut.
        script.insert(0, Does::Right(cut));
        Scenario { client, validator, length, script, total, restarts }
    })
}

impl Scenario {
    fn content(&self, number: usize) -> Vec<u8> {
        version(number as u64 + 1, self.length + 7 * number)
    }

    fn headers(&self, number: usize) -> String {
        let tag = format!("etag: \"v{number}\"\r\n");
        let modified = format!("last-modified: Wed, 21 Oct 2015 07:28:{number:02} GMT\r\n");
        let later = "date: Wed, 21 Oct 2015 08:00:00 GMT\r\n";
        match self.validator {
            Validator::Strong => tag,
            // The same for all versions, as it may be.
            Validator::Weak => format!("etag: W/\"v\"\r\n{modified}{later}"),
            Validator::Old => format!("{modified}{later}"),
            Validator::Young => format!("last-modified: {0}\r\ndate: {0}\r\n", "Wed, 21 Oct 2015 07:28:00 GMT"),
            Validator::Both => format!("{tag}{modified}{later}"),
            Validator::None => String::new(),
            Validator::NoRanges => format!("{tag}accept-ranges: none\r\n"),
        }
    }

    /// Whether an `If-Range` header names this version.
    fn is_same(&self, asked: &Asked, number: usize) -> bool {
        let headers = self.headers(number).to_lowercase();
        asked.if_range.as_ref().is_some_and(|sent| headers.lines().any(|line| line.ends_with(&format!(": {sent}"))))
    }

    fn answer(&self, number: usize, asked: &Asked, current: &mut usize) -> Reply {
        let does = self.script.get(number).copied().unwrap_or(Does::Right(usize::MAX));
        if let Does::Changes(_) = does {
            *current += 1;
        }
        let number = *current;
        let (content, headers) = (self.content(number), self.headers(number));
        let end = content.len();
        let from = asked.from();
        let fits = from.filter(|&from| self.is_same(asked, number) && from < end);
        let range = |first: usize, last: usize, total: usize| {
            format!("content-range: bytes {first}-{last}/{total}\r\n{headers}")
        };
        let odd = |head: &str| fits.map(|from| reply(206, head, &content[from..], usize::MAX));
        let exact = |from| range(from, end - 1, end);
        let right = |cut| match fits {
            Some(from) => part(&headers, &content, from, end, cut),
            None => reply(200, &headers, &content, cut),
        };
        let answer = match does {
            Does::Right(cut) | Does::Changes(cut) => Some(right(cut)),
            Does::Chunks(cut) => Some(match fits {
                Some(from) => chunked(206, &exact(from), &content[from..end.min(from + cut)], from + cut >= end),
                None => chunked(200, &headers, &content[..cut.min(end)], cut >= end),
            }),
            Does::Whole(cut) => Some(reply(200, &headers, &content, cut)),
            Does::Blind { stated, cut } => from
                .filter(|&from| from < end)
                .map(|from| part(if stated { &headers } else { "" }, &content, from, end, cut)),
            Does::Shifted { by, cut } => fits.and_then(|from| {
                let first = from.checked_add_signed(by).filter(|&first| first < end && by != 0)?;
                Some(part(&headers, &content, first, end, cut))
            }),
            Does::Less(bytes) => fits.map(|from| part(&headers, &content, from, end.min(from + bytes), usize::MAX)),
            Does::Total(by) => fits.and_then(|from| odd(&range(from, end - 1, end.saturating_add_signed(by)))),
            Does::NoRange => odd(&headers),
            Does::TwoRanges => fits.and_then(|from| odd(&exact(from).repeat(2))),
            Does::Multipart => {
                fits.and_then(|from| odd(&format!("{}content-type: multipart/byteranges; boundary=x\r\n", exact(from))))
            }
            Does::Encoded => fits.and_then(|from| odd(&format!("{}content-encoding: compress\r\n", exact(from)))),
            Does::Longer => {
                fits.map(|from| chunked(206, &exact(from), &[&content[from..], b"and more of it"].concat(), true))
            }
            Does::Unsatisfied(total) => Some(match total {
                Some(by) => {
                    reply(416, &format!("content-range: bytes */{}\r\n", end.saturating_add_signed(by)), b"", 0)
                }
                None => reply(416, "", b"", 0),
            }),
            Does::Status(status) => Some(reply(status, "", b"", 0)),
            Does::Unasked => (end > 0).then(|| part(&headers, &content, end / 2, end, usize::MAX)),
            Does::Closes => Some(Reply::default()),
        };
        answer.unwrap_or_else(|| right(usize::MAX))
    }
}

/// One server for all cases, because a server's port stays open.
struct Stage {
    origin: Origin,
    playing: Arc<Mutex<(Scenario, usize)>>,
}

impl Stage {
    fn new() -> Self {
        let empty = Scenario {
            client: Client::Async,
            validator: Validator::None,
            length: 0,
            script: Vec::new(),
            total: 0,
            restarts: 0,
        };
        let playing = Arc::new(Mutex::new((empty, 0)));
        let play = playing.clone();
        let origin = Origin::new(move |number, asked| {
            let (scenario, current) = &mut *play.lock().unwrap();
            scenario.answer(number, asked, current)
        });
        Self { origin, playing }
    }

    /// Downloads, and returns whether it came whole.
    fn run(&self, scenario: Scenario) -> Result<bool, TestCaseError> {
        let Scenario { client, total, restarts, .. } = scenario;
        let versions: Vec<_> = (0..=scenario.script.len()).map(|number| scenario.content(number)).collect();
        *self.playing.lock().unwrap() = (scenario, 0);
        let got = client.download(&self.origin.url(), Ask { total, restarts, ..ASK });
        let asked = self.origin.take();
        let context = format!("{:?}, {} bytes, {asked:#?}", got.ended, got.body.len());
        if got.ended.is_ok() {
            prop_assert!(versions.contains(&got.body), "{context}");
        } else {
            prop_assert!(versions.iter().any(|version| version.starts_with(&got.body)), "{context}");
        }
        for request in &asked {
            prop_assert_eq!(request.range.is_some(), request.if_range.is_some(), "{}", context);
            prop_assert_eq!(request.accept_encoding.as_deref(), Some("identity"), "{}", context);
        }
        Ok(got.ended.is_ok())
    }
}

/// `PERSEVERE_DOWNLOAD_CASES` says how many there are.
#[test]
fn whatever_a_server_does_no_two_versions_are_mixed() {
    let cases = std::env::var("PERSEVERE_DOWNLOAD_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(300);
    let (stage, whole) = (Stage::new(), Cell::new(0));
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&scenario(), |scenario| {
        whole.set(whole.get() + u32::from(stage.run(scenario)?));
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    let whole = whole.get();
    println!("{whole} of {cases} came whole");
    assert!(whole > cases / 5 && whole < cases, "{whole} of {cases} came whole");
}
