//! Responses as servers send them: every framing with every compression.

use std::fmt::Write as _;
use std::io::Write as _;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Framing {
    Length,
    Chunked,
    /// Ends where the connection does.
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Coding {
    Plain,
    Gzip,
    Brotli,
}

pub(crate) const FRAMINGS: [Framing; 3] = [Framing::Length, Framing::Chunked, Framing::Close];
pub(crate) const CODINGS: [Coding; 3] = [Coding::Plain, Coding::Gzip, Coding::Brotli];

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) head: Vec<u8>,
    /// As it is sent, framed.
    pub(crate) body: Vec<u8>,
}

impl Message {
    pub(crate) fn new(status: u16, framing: Framing, coding: Coding, text: &str) -> Self {
        Self::of(status, framing, coding, coded(coding, text.as_bytes()))
    }

    /// A response whose body is these bytes, whatever the coding.
    pub(crate) fn of(status: u16, framing: Framing, coding: Coding, coded: Vec<u8>) -> Self {
        let mut head = format!("HTTP/1.1 {status} Status\r\n");
        match coding {
            Coding::Plain => {}
            Coding::Gzip => head.push_str("content-encoding: gzip\r\n"),
            Coding::Brotli => head.push_str("content-encoding: br\r\n"),
        }
        let body = match framing {
            Framing::Length => {
                write!(head, "content-length: {}\r\n", coded.len()).unwrap();
                coded
            }
            Framing::Chunked => {
                head.push_str("transfer-encoding: chunked\r\n");
                let (first, second) = coded.split_at(coded.len() / 2);
                let chunk = |data: &[u8]| [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat();
                [chunk(first), chunk(second), b"0\r\n\r\n".to_vec()].concat()
            }
            Framing::Close => {
                head.push_str("connection: close\r\n");
                coded
            }
        };
        head.push_str("\r\n");
        Self { head: head.into_bytes(), body }
    }

    /// The head, and this much of the body.
    pub(crate) fn cut(&self, length: usize) -> Vec<u8> {
        [&self.head, &self.body[..length]].concat()
    }

    pub(crate) fn whole(&self) -> Vec<u8> {
        self.cut(self.body.len())
    }
}

pub(crate) fn coded(coding: Coding, data: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Plain => data.to_vec(),
        Coding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        // RFC 7932, 9.2: a window of 16 bits, one meta-block that is not compressed, and an empty last one.
        Coding::Brotli => {
            let header = ((data.len() as u32 - 1) << 4) | 1 << 20;
            [&header.to_le_bytes()[..3], data, &[3]].concat()
        }
    }
}
