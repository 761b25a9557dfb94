//! The file of a download that is not whole yet, and the facts beside it that a later process needs.
//!
//! The facts are written after the head of an answer and before its first byte. Of the bytes only those count that are
//! known to be on the disk: after a crash of the system a file may be longer than what was written to it. Without facts
//! nothing is continued, whatever the length says.

use core::str;
use core::time::Duration;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::string::ToString as _;
use std::vec::Vec;

use ::http::HeaderValue;

use super::error::Cause;
use super::rules::Facts;
use crate::time::{BlockingTimer as _, ThreadTimer};

/// After so many bytes, or so much time, what came is brought to the disk and noted. A process that is killed loses no
/// more than this.
const SYNCED: u64 = 16 * 1024 * 1024;
const NOTED: Duration = Duration::from_secs(1);

/// How much is written at once.
pub(crate) const BUFFER: usize = 256 * 1024;

/// More than this is no file of ours.
const LONGEST: u64 = 1024 * 1024;

const FIRST_LINE: &[u8] = b"persevere download 1";

#[derive(Debug)]
pub(crate) struct Part {
    path: PathBuf,
    bytes: File,
    /// Locked as long as it is open.
    facts: File,
    pub(crate) have: u64,
    /// How many of them are known to be on the disk.
    synced: u64,
    /// When that was noted; none if it is long ago.
    noted: Option<Duration>,
    /// Whether they may be continued.
    kept: bool,
    finished: bool,
}

/// A path with this after its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

impl Part {
    /// Opens what an earlier process left, or begins. Returns the facts of what is held, if it may be continued.
    pub(crate) fn open(path: PathBuf, key: u64) -> Result<(Self, Option<Facts>), Cause> {
        let facts = locked(&beside(&path, ".part.facts"))?;
        let bytes =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(beside(&path, ".part"))?;
        let mut this = Self {
            path,
            bytes,
            facts,
            have: 0,
            synced: 0,
            noted: Some(ThreadTimer.now()),
            kept: false,
            finished: false,
        };
        let mut text = Vec::new();
        (&this.facts).take(LONGEST).read_to_end(&mut text)?;
        let kept = read(&text, key);
        let good = kept.as_ref().map_or(0, |&(_, good)| good);
        if good == 0 || this.bytes.metadata()?.len() < good {
            this.empty()?;
            return Ok((this, None));
        }
        this.bytes.set_len(good)?;
        this.bytes.seek(SeekFrom::End(0))?;
        (this.have, this.synced, this.kept) = (good, good, true);
        Ok((this, kept.map(|(facts, _)| facts)))
    }

    /// Throws away what is held. The facts go first: without them no process continues what is left.
    fn empty(&mut self) -> io::Result<()> {
        self.facts.set_len(0)?;
        self.facts.sync_data()?;
        self.facts.rewind()?;
        self.bytes.set_len(0)?;
        self.bytes.rewind()?;
        (self.have, self.synced, self.kept) = (0, 0, false);
        Ok(())
    }

    /// Begins anew, with these facts.
    pub(crate) fn begin(&mut self, key: u64, facts: &Facts) -> io::Result<()> {
        self.empty()?;
        if let Some(text) = written(facts, key) {
            self.facts.write_all(&text)?;
            self.facts.sync_data()?;
            self.kept = true;
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.write_all(bytes)?;
        self.have = self.have.saturating_add(bytes.len() as u64);
        let due = self.noted.is_none_or(|noted| ThreadTimer.now().saturating_sub(noted) >= NOTED);
        if due || self.have - self.synced >= SYNCED { self.sync() } else { Ok(()) }
    }

    /// Brings what is held to the disk, and notes how much that is.
    fn sync(&mut self) -> io::Result<()> {
        if self.kept && self.have > self.synced {
            self.bytes.sync_data()?;
            self.facts.write_all(std::format!("good {}\n", self.have).as_bytes())?;
            self.facts.sync_data()?;
            self.synced = self.have;
        }
        self.noted = Some(ThreadTimer.now());
        Ok(())
    }

    /// Gives the file its name.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.bytes.sync_all()?;
        fs::rename(beside(&self.path, ".part"), &self.path)?;
        self.finished = true;
        fs::remove_file(beside(&self.path, ".part.facts"))
    }
}

/// What was not whole is continued by a later process.
impl Drop for Part {
    fn drop(&mut self) {
        if !self.finished {
            // If this fails, less is continued.
            let _ = self.sync();
        }
    }
}

/// Opens and locks this file, unless another process or download has it.
fn locked(path: &Path) -> Result<File, Cause> {
    loop {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match fs4::FileExt::try_lock(&file) {
            Ok(()) => {}
            Err(fs4::TryLockError::WouldBlock) => return Err(Cause::Locked),
            Err(fs4::TryLockError::Error(error)) => return Err(error.into()),
        }
        // A download that ended between the two removed the file: the lock is then on one without a name.
        if is_at(&file, path) {
            return Ok(file);
        }
    }
}

/// Whether the file that is open is the one with this name.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let found = file.metadata().and_then(|open| Ok((open, fs::metadata(path)?)));
    found.is_ok_and(|(open, named)| (open.dev(), open.ino()) == (named.dev(), named.ino()))
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

/// The facts as text; `None` if nothing may be continued.
fn written(facts: &Facts, key: u64) -> Option<Vec<u8>> {
    let (if_range, total) = (facts.if_range.as_ref()?, facts.total?);
    let mut text = [FIRST_LINE, b"\n"].concat();
    let mut line = |name: &str, value: &[u8]| {
        for piece in [name.as_bytes(), b" ", value, b"\n"] {
            text.extend(piece);
        }
    };
    line("key", std::format!("{key:016x}").as_bytes());
    line("if-range", if_range.as_bytes());
    line("total", total.to_string().as_bytes());
    let others = [("etag", &facts.etag), ("last-modified", &facts.last_modified), ("encoding", &facts.encoding)];
    for (name, value) in others {
        if let Some(value) = value {
            line(name, value.as_bytes());
        }
    }
    line("begun", b"");
    Some(text)
}

/// Reads the facts, and how many bytes are good. `None` if anything is missing, or if they are those of other content.
fn read(text: &[u8], key: u64) -> Option<(Facts, u64)> {
    // What comes after the last line feed may be half a line.
    let end = text.iter().rposition(|&byte| byte == b'\n')?;
    let mut lines = text[..end].split(|&byte| byte == b'\n');
    if lines.next()? != FIRST_LINE {
        return None;
    }
    let (mut found, mut total, mut good, mut begun) = (None, None, 0, false);
    let mut facts = Facts { if_range: None, total: None, etag: None, last_modified: None, encoding: None };
    for line in lines {
        let space = line.iter().position(|&byte| byte == b' ')?;
        let (name, value) = (&line[..space], &line[space + 1..]);
        let text = || str::from_utf8(value).ok();
        let header = || HeaderValue::from_bytes(value).ok();
        match name {
            b"key" => found = Some(u64::from_str_radix(text()?, 16).ok()?),
            b"total" => total = Some(text()?.parse().ok()?),
            b"good" => good = text()?.parse().ok()?,
            b"if-range" => facts.if_range = Some(header()?),
            b"etag" => facts.etag = Some(header()?),
            b"last-modified" => facts.last_modified = Some(header()?),
            b"encoding" => facts.encoding = Some(header()?),
            b"begun" => begun = true,
            _ => return None,
        }
    }
    facts.total = total;
    let right = begun && found == Some(key) && facts.if_range.is_some() && total.is_some_and(|total| good <= total);
    right.then_some((facts, good))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: u64 = 7;

    fn facts() -> Facts {
        let tag = Some(HeaderValue::from_static("\"v1\""));
        Facts { if_range: tag.clone(), total: Some(1 << 40), etag: tag, last_modified: None, encoding: None }
    }

    /// What a later process would find, if this one was killed.
    fn noted(path: &Path) -> Option<(Facts, u64)> {
        read(&fs::read(beside(path, ".part.facts")).unwrap(), KEY)
    }

    #[test]
    fn what_came_is_noted_while_it_comes() {
        let folder = std::env::temp_dir().join(std::format!("persevere-part-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("film");
        let (mut part, found) = Part::open(path.clone(), KEY).unwrap();
        assert_eq!(found, None);
        part.begin(KEY, &facts()).unwrap();
        assert_eq!(noted(&path), Some((facts(), 0)));
        part.write(b"few").unwrap();
        assert_eq!(noted(&path), Some((facts(), 0)));
        // A second later.
        part.noted = None;
        part.write(b"more").unwrap();
        assert_eq!(noted(&path), Some((facts(), 7)));
        part.write(b"few").unwrap();
        assert_eq!(noted(&path), Some((facts(), 7)));
        part.write(&std::vec![0; SYNCED as usize]).unwrap();
        assert_eq!(noted(&path), Some((facts(), 10 + SYNCED)));
        part.write(b"few").unwrap();
        drop(part);
        assert_eq!(noted(&path), Some((facts(), 13 + SYNCED)));
        let (part, found) = Part::open(path, KEY).unwrap();
        assert_eq!((part.have, found), (13 + SYNCED, Some(facts())));
        part.finish().unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn facts_are_read_as_they_were_written() {
        let value = |text: &[u8]| HeaderValue::from_bytes(text).ok();
        let odd = Facts {
            if_range: value(b"\"a b\xff: c\""),
            total: Some(0),
            etag: value(b"\"a b\xff: c\""),
            last_modified: value(b""),
            encoding: value(b"gzip "),
        };
        for facts in [facts(), odd] {
            let text = written(&facts, KEY).unwrap();
            assert_eq!(read(&text, KEY), Some((facts, 0)));
            assert_eq!(read(&text, KEY + 1), None);
            assert_eq!(read(&[&text, &b"good 9"[..]].concat(), KEY).map(|found| found.1), Some(0));
            assert_eq!(read(&[&text, &b"good x\n"[..]].concat(), KEY), None);
        }
        assert!(read(&[&written(&facts(), KEY).unwrap(), &b"good 9\n"[..]].concat(), KEY).is_some());
        assert_eq!(written(&Facts { if_range: None, ..facts() }, KEY), None);
        assert_eq!(read(b"", KEY), None);
    }
}
