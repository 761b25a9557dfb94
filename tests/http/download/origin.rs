//! A server of one file that breaks as it is told, and remembers what it was asked.

use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use persevere::http::{DownloadError, DownloadReader, RetryAgent, RetryClient};
use persevere::testing::VirtualTimer;
use persevere::{Policy, Report, StopReason};

use crate::faults::install_provider;
use crate::server::{Peer, Server};

/// A file's content: no two positions within 64 KiB look alike.
pub(crate) fn version(number: u64, length: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// What a request asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) if_range: Option<String>,
    pub(crate) accept_encoding: Option<String>,
}

impl Asked {
    fn of(request: &str) -> Self {
        let header = |name: &str| {
            let mut lines = request.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        };
        Self {
            path: request.split(' ').nth(1).unwrap_or_default().to_owned(),
            range: header("range"),
            if_range: header("if-range"),
            accept_encoding: header("accept-encoding"),
        }
    }

    /// The first position of the range.
    pub(crate) fn from(&self) -> Option<usize> {
        self.range.as_ref()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// An answer, after which the connection is closed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    /// Whether the server goes silent in place of closing.
    pub(crate) stalls: bool,
}

/// Writes an answer with a length, of which only the first bytes come.
pub(crate) fn reply(status: u16, headers: &str, body: &[u8], sent: usize) -> Reply {
    let head =
        format!("HTTP/1.1 {status} Status\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    Reply { bytes: [head.as_bytes(), &body[..sent.min(body.len())]].concat(), stalls: false }
}

/// Writes one in chunks. It ends well if `ends`.
pub(crate) fn chunked(status: u16, headers: &str, body: &[u8], ends: bool) -> Reply {
    let mut bytes =
        format!("HTTP/1.1 {status} Status\r\nconnection: close\r\ntransfer-encoding: chunked\r\n{headers}\r\n")
            .into_bytes();
    for chunk in body.chunks(4096) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(if ends { &b"0\r\n\r\n"[..] } else { b"" });
    Reply { bytes, stalls: false }
}

/// A part as a server with ranges sends it.
pub(crate) fn part(headers: &str, content: &[u8], from: usize, to: usize, sent: usize) -> Reply {
    let range = format!("content-range: bytes {from}-{}/{}\r\n{headers}", to - 1, content.len());
    reply(206, &range, &content[from..to], sent)
}

#[derive(Debug)]
pub(crate) struct Origin {
    server: Server,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Origin {
    /// Answers each request with this, which gets the request's number, from 0 on.
    pub(crate) fn new(answer: impl Fn(usize, &Asked) -> Reply + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let server = Server::new(move |peer: &mut Peer| {
            let Some(request) = peer.request() else { return };
            let asked = Asked::of(&request);
            let number = {
                let mut log = log.lock().unwrap();
                log.push(asked.clone());
                log.len() - 1
            };
            let Reply { bytes, stalls } = answer(number, &asked);
            peer.send(bytes);
            if stalls {
                peer.stall();
            }
        });
        Self { server, asked }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// How many requests came since this was asked last.
    pub(crate) fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// The clients that download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Async,
    Blocking,
    Ureq,
}

pub(crate) const CLIENTS: [Client; 3] = [Client::Async, Client::Blocking, Client::Ureq];

/// How a download is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) total: u32,
    pub(crate) restarts: u32,
    pub(crate) trusting: bool,
    /// Whether the client decompresses by itself.
    pub(crate) decodes: bool,
    /// Whether it waits for [`STALL`] alone. A busy machine may be slower than that.
    pub(crate) impatient: bool,
}

pub(crate) const ASK: Ask = Ask { total: 3, restarts: 1, trusting: false, decodes: false, impatient: false };

/// What came of a download.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) body: Vec<u8>,
    pub(crate) ended: Result<(), DownloadError>,
    pub(crate) total: Option<u64>,
    pub(crate) stop: Option<StopReason>,
    pub(crate) waited: Duration,
}

/// How long a client waits for the next byte.
pub(crate) const STALL: Duration = Duration::from_millis(150);

/// What takes long to build.
struct Built {
    runtime: tokio::runtime::Runtime,
    /// One that does not decompress, and one that does, and two that are impatient.
    reqwest: [reqwest::Client; 4],
    blocking: [reqwest::blocking::Client; 4],
    ureq: [ureq::Agent; 2],
}

static CLIENTS_BUILT: LazyLock<Built> = LazyLock::new(|| {
    install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let stall = |impatient| if impatient { STALL } else { Duration::from_secs(20) };
    let kinds = [(false, false), (true, false), (false, true), (true, true)];
    let reqwest = kinds.map(|(gzip, impatient)| {
        reqwest::Client::builder().no_proxy().gzip(gzip).read_timeout(stall(impatient)).build().unwrap()
    });
    let blocking = kinds.map(|(gzip, impatient)| {
        reqwest::blocking::Client::builder().no_proxy().gzip(gzip).timeout(stall(impatient)).build().unwrap()
    });
    let ureq = [false, true].map(|impatient| {
        ureq::Agent::config_builder().proxy(None).timeout_per_read(Some(stall(impatient))).build().new_agent()
    });
    Built { runtime, reqwest, blocking, ureq }
});

impl Client {
    /// Downloads this, in virtual time. What is held is thrown away where the position goes back.
    pub(crate) fn download(self, url: &str, ask: Ask) -> Got {
        let Ask { total, restarts, trusting, decodes, impatient } = ask;
        let kind = usize::from(decodes) + 2 * usize::from(impatient);
        let clients = &*CLIENTS_BUILT;
        let timer = VirtualTimer::new();
        let mut report = Report::new();
        let policy = Policy::new().total(total).report(&mut report).timer(&timer).seed(1);
        let mut body = Vec::new();
        let (ended, length) = match self {
            Self::Async => clients.runtime.block_on(async {
                let session = RetryClient::new(clients.reqwest[kind].clone(), Policy::new());
                let mut download = session.get(url).policy(policy).download().restarts(restarts);
                if trusting {
                    download = download.trust_connection_end();
                }
                let ended = loop {
                    match download.chunk().await {
                        Ok(Some(chunk)) => {
                            body.truncate(download.position() as usize - chunk.len());
                            body.extend(chunk);
                        }
                        Ok(None) => break Ok(()),
                        Err(error) => break Err(error),
                    }
                };
                assert!(matches!(download.chunk().await, Ok(None)), "it is over");
                (ended, download.total())
            }),
            Self::Blocking => {
                let session = RetryClient::new(clients.blocking[kind].clone(), Policy::new());
                read(session.get(url).policy(policy).download().restarts(restarts), trusting, &mut body)
            }
            // It decompresses wherever its feature is on.
            Self::Ureq => {
                let session = RetryAgent::new(clients.ureq[usize::from(impatient)].clone(), Policy::new());
                read(session.get(url).policy(policy).download().restarts(restarts), trusting, &mut body)
            }
        };
        Got { body, ended, total: length, stop: report.stop_reason(), waited: timer.elapsed() }
    }
}

impl Client {
    /// Downloads into this file.
    pub(crate) fn to_file(self, url: &str, path: &Path, ask: Ask) -> Result<u64, DownloadError> {
        let clients = &*CLIENTS_BUILT;
        let timer = VirtualTimer::new();
        let policy = Policy::new().total(ask.total).timer(&timer).seed(1);
        match self {
            Self::Async => clients.runtime.block_on(async {
                let session = RetryClient::new(clients.reqwest[0].clone(), Policy::new());
                session.get(url).policy(policy).download().restarts(ask.restarts).to_file(path).await
            }),
            Self::Blocking => {
                let session = RetryClient::new(clients.blocking[0].clone(), Policy::new());
                session.get(url).policy(policy).download().restarts(ask.restarts).to_file(path)
            }
            Self::Ureq => {
                let session = RetryAgent::new(clients.ureq[0].clone(), Policy::new());
                session.get(url).policy(policy).download().restarts(ask.restarts).to_file(path)
            }
        }
    }
}

fn read(download: DownloadReader<'_>, trusting: bool, body: &mut Vec<u8>) -> (Result<(), DownloadError>, Option<u64>) {
    let mut download = if trusting { download.trust_connection_end() } else { download };
    let mut buffer = vec![0; 4096];
    let ended = loop {
        match download.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(read) => {
                body.truncate(download.position() as usize - read);
                body.extend(&buffer[..read]);
            }
            Err(error) => break Err(error.downcast().unwrap()),
        }
    };
    assert_eq!(download.read(&mut buffer).ok(), ended.is_ok().then_some(0), "it is over");
    (ended, download.total())
}
