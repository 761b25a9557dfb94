//! Downloads into a file, which a later process continues.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use persevere::Policy;
use persevere::http::RetryClient;
use tempfile::TempDir;

use super::origin::{ASK, Ask, Asked, CLIENTS, Client, Origin, Reply, part, reply, version};
use crate::faults::install_provider;

const LENGTH: usize = 10_000;
const CUT: usize = 3_000;
/// One attempt.
const ONCE: Ask = Ask { total: 0, ..ASK };

/// A server whose file has several versions, and that cuts after so many bytes.
#[derive(Debug)]
struct Versions {
    origin: Origin,
    version: Arc<AtomicUsize>,
    piece: Arc<AtomicUsize>,
}

fn content(number: usize) -> Vec<u8> {
    // The third is empty.
    version(number as u64, if number == 3 { 0 } else { LENGTH + 100 * number })
}

impl Versions {
    fn new() -> Self {
        Self::tagged("\"v")
    }

    fn tagged(tag: &'static str) -> Self {
        let (number, piece) = (Arc::new(AtomicUsize::new(1)), Arc::new(AtomicUsize::new(CUT)));
        let (current, cut) = (number.clone(), piece.clone());
        let origin = Origin::new(move |_, asked: &Asked| -> Reply {
            let (number, cut) = (current.load(SeqCst), cut.load(SeqCst));
            let (content, tag) = (content(number), format!("{tag}{number}\""));
            let headers = format!("etag: {tag}\r\n");
            match asked.from() {
                Some(from) if asked.if_range.as_ref() == Some(&tag.to_lowercase()) => {
                    part(&headers, &content, from, content.len(), cut)
                }
                _ => reply(200, &headers, &content, cut),
            }
        });
        Self { origin, version: number, piece }
    }

    /// Breaks one download, so that there is something to go on from.
    fn broken(&self, client: Client, path: &Path) {
        self.piece.store(CUT, SeqCst);
        self.version.store(1, SeqCst);
        client.to_file(&self.origin.url(), path, ONCE).unwrap_err();
        assert!(!path.exists());
        assert!(fs::read(beside(path, ".part")).unwrap() == content(1)[..CUT]);
        self.piece.store(usize::MAX, SeqCst);
        self.origin.take();
    }

    /// Downloads with a server that does not break, and checks what is there then.
    fn ends(&self, client: Client, path: &Path, context: &str) -> Vec<Option<usize>> {
        let length = client.to_file(&self.origin.url(), path, ONCE).unwrap();
        let right = content(self.version.load(SeqCst));
        assert_eq!(length, right.len() as u64, "{client:?} {context}");
        assert!(fs::read(path).unwrap() == right, "{client:?} {context}");
        assert!(!beside(path, ".part").exists() && !beside(path, ".part.facts").exists(), "{client:?} {context}");
        fs::remove_file(path).unwrap();
        self.origin.take().iter().map(Asked::from).collect()
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film");
    (folder, path)
}

#[test]
fn a_file_is_there_when_it_is_whole_and_replaces_another() {
    for client in CLIENTS {
        let ((_folder, path), server) = (place(), Versions::new());
        fs::write(&path, "an older one").unwrap();
        server.piece.store(2_000, SeqCst);
        client.to_file(&server.origin.url(), &path, ASK).unwrap();
        assert!(fs::read(&path).unwrap() == content(1));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}

#[test]
fn a_later_process_goes_on_where_the_file_ends() {
    for client in CLIENTS {
        let ((_folder, path), server) = (place(), Versions::new());
        server.broken(client, &path);
        assert_eq!(server.ends(client, &path, ""), [Some(CUT)]);
    }
}

#[test]
fn a_file_that_changed_meanwhile_begins_anew() {
    for client in CLIENTS {
        for number in [2, 3] {
            let ((_folder, path), server) = (place(), Versions::new());
            server.broken(client, &path);
            server.version.store(number, SeqCst);
            assert_eq!(server.ends(client, &path, ""), [Some(CUT)]);
            // Without a restart what is held stays.
            server.broken(client, &path);
            server.version.store(number, SeqCst);
            let none = Ask { restarts: 0, ..ONCE };
            assert!(client.to_file(&server.origin.url(), &path, none).unwrap_err().is_changed());
            assert!(fs::read(beside(&path, ".part")).unwrap() == content(1)[..CUT]);
        }
    }
}

#[test]
fn a_file_that_is_whole_already_makes_no_request() {
    for client in CLIENTS {
        let ((_folder, path), server) = (place(), Versions::new());
        server.broken(client, &path);
        let facts = fs::read_to_string(beside(&path, ".part.facts")).unwrap();
        fs::write(beside(&path, ".part.facts"), format!("{facts}good {}\n", content(1).len())).unwrap();
        fs::write(beside(&path, ".part"), content(1)).unwrap();
        assert_eq!(server.ends(client, &path, ""), []);
    }
}

#[test]
fn only_bytes_that_are_known_to_be_on_the_disk_count() {
    for client in CLIENTS {
        let ((_folder, path), server) = (place(), Versions::new());
        for (length, asked) in [(CUT + 500, Some(CUT)), (CUT, Some(CUT)), (CUT - 1, None), (0, None)] {
            server.broken(client, &path);
            let held = fs::read(beside(&path, ".part")).unwrap();
            // As after a crash of the system: nothing but zeros behind what was written.
            let found: Vec<u8> = held.into_iter().chain([0; LENGTH]).take(length).collect();
            fs::write(beside(&path, ".part"), found).unwrap();
            assert_eq!(server.ends(client, &path, &length.to_string()), [asked], "{length}");
        }
        server.broken(client, &path);
        fs::remove_file(beside(&path, ".part")).unwrap();
        assert_eq!(server.ends(client, &path, "gone"), [None]);
        server.broken(client, &path);
        fs::remove_file(beside(&path, ".part.facts")).unwrap();
        assert_eq!(server.ends(client, &path, "no facts"), [None]);
    }
}

/// The process or the system may end in the middle of a write.
#[test]
fn facts_that_are_cut_or_garbled_anywhere_never_make_a_mixture() {
    let ((_folder, path), server) = (place(), Versions::new());
    server.broken(Client::Ureq, &path);
    let (facts, held) = (fs::read(beside(&path, ".part.facts")).unwrap(), fs::read(beside(&path, ".part")).unwrap());
    let mut continued = 0;
    for at in 0..=facts.len() {
        for (number, garbled) in [(2, false), (2, true), (1, false), (1, true)] {
            if number == 1 && at % 8 != 0 {
                continue;
            }
            let mut found = facts.clone();
            if garbled && at < facts.len() {
                found[at] ^= 0x11;
            } else {
                found.truncate(at);
            }
            fs::write(beside(&path, ".part.facts"), found).unwrap();
            fs::write(beside(&path, ".part"), &held).unwrap();
            server.version.store(number, SeqCst);
            let asked = server.ends(Client::Ureq, &path, &format!("{at} {number} {garbled}"));
            // Where the length is garbled, the part does not fit, and all is asked for.
            assert!((1..=2).contains(&asked.len()), "{at} {number} {garbled}");
            continued += usize::from(asked[0].is_some());
        }
    }
    assert!(continued > 2, "{continued}");
}

#[test]
fn what_has_no_strong_validator_is_not_continued_by_a_later_process() {
    for client in CLIENTS {
        let ((_folder, path), server) = (place(), Versions::tagged("W/\"v"));
        server.broken(client, &path);
        assert_eq!(fs::read(beside(&path, ".part.facts")).unwrap(), b"");
        assert_eq!(server.ends(client, &path, ""), [None]);
    }
}

#[test]
fn another_url_or_form_begins_anew() {
    let ((_folder, path), server) = (place(), Versions::new());
    server.broken(Client::Ureq, &path);
    assert!(!fs::read_to_string(beside(&path, ".part.facts")).unwrap().contains("hunter2"));
    let other = format!("{}&more", server.origin.url());
    Client::Ureq.to_file(&other, &path, ONCE).unwrap();
    assert_eq!(server.origin.take()[0].from(), None);

    fs::remove_file(&path).unwrap();
    server.broken(Client::Async, &path);
    install_provider();
    let session = RetryClient::new(reqwest::blocking::Client::builder().no_proxy().build().unwrap(), Policy::new());
    session.get(server.origin.url()).header("accept", "text/plain").download().to_file(&path).unwrap();
    assert_eq!(server.origin.take()[0].from(), None);
    assert!(fs::read(&path).unwrap() == content(1));
}

#[tokio::test]
async fn two_downloads_do_not_write_to_one_file() {
    install_provider();
    let (_folder, path) = place();
    let origin = Origin::new(|_, _| Reply { stalls: true, ..reply(200, "etag: \"v1\"\r\n", &content(1), CUT) });
    let session = RetryClient::new(reqwest::Client::builder().no_proxy().build().unwrap(), Policy::new());
    let first = tokio::spawn(session.get(origin.url()).download().to_file(path.clone()));
    while origin.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(session.get(origin.url()).download().to_file(&path).await.unwrap_err().is_locked());
    let (other, url) = (path.clone(), origin.url());
    let locked = tokio::task::spawn_blocking(move || Client::Ureq.to_file(&url, &other, ONCE)).await.unwrap();
    assert!(locked.unwrap_err().is_locked());
    assert_eq!(origin.asked().len(), 1);
    // Whoever is dropped gives the file free.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let whole = Versions::new();
    whole.piece.store(usize::MAX, SeqCst);
    session.get(whole.origin.url()).download().to_file(&path).await.unwrap();
    assert!(fs::read(&path).unwrap() == content(1));
}

#[test]
fn an_error_of_the_file_system_ends_a_download() {
    for client in CLIENTS {
        let ((folder, _), server) = (place(), Versions::new());
        let error = client.to_file(&server.origin.url(), &folder.path().join("none").join("film"), ONCE).unwrap_err();
        assert_eq!(error.file_error().unwrap().kind(), std::io::ErrorKind::NotFound, "{client:?}");
        assert!(std::error::Error::source(&error).is_some());
        assert!(server.origin.take().is_empty());
    }
}

#[tokio::test]
async fn what_was_read_in_part_does_not_go_to_a_file() {
    install_provider();
    let ((_folder, path), server) = (place(), Versions::new());
    let session = RetryClient::new(reqwest::Client::builder().no_proxy().build().unwrap(), Policy::new());
    let mut download = session.get(server.origin.url()).download();
    download.chunk().await.unwrap();
    assert!(download.to_file(&path).await.unwrap_err().to_string().contains("was read before"));
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
}
