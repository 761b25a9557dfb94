//! HTTP/2 by hand: a server that answers the first request with the frames of its choice.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub const NO_ERROR: u32 = 0;
pub const INTERNAL_ERROR: u32 = 2;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 11;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

pub fn rst_stream(reason: u32) -> Vec<u8> {
    frame(3, 0, 1, &reason.to_be_bytes())
}

pub fn goaway(last: u32, reason: u32) -> Vec<u8> {
    frame(7, 0, 0, &[last.to_be_bytes(), reason.to_be_bytes()].concat())
}

/// The head of an answer, with `:status` and one other header, not compressed.
pub fn headers(status: u16, others: &[(&str, &str)], ends: bool) -> Vec<u8> {
    let mut block = Vec::new();
    let status = status.to_string();
    for (name, value) in [(":status", &*status)].iter().chain(others) {
        block.push(0);
        block.push(u8::try_from(name.len()).unwrap());
        block.extend(name.as_bytes());
        block.push(u8::try_from(value.len()).unwrap());
        block.extend(value.as_bytes());
    }
    frame(1, if ends { 5 } else { 4 }, 1, &block)
}

/// Answers each connection's first request with `frames`, and then closes if `close`.
pub async fn answering(frames: Vec<u8>, close: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, frames.clone(), close));
        }
    });
    address
}

async fn answer(mut stream: TcpStream, frames: Vec<u8>, close: bool) -> std::io::Result<()> {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await?;
    stream.write_all(&frame(4, 0, 0, &[])).await?;
    let mut answered = false;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let mut payload = vec![0; usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2])];
        stream.read_exact(&mut payload).await?;
        match (head[3], head[4]) {
            (4, 0) => stream.write_all(&frame(4, 1, 0, &[])).await?,
            // The request ends with its head or with its body.
            (0 | 1, flags) if flags & 1 == 1 && !answered => {
                answered = true;
                stream.write_all(&frames).await?;
                if close {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    return stream.shutdown().await;
                }
            }
            _ => {}
        }
    }
}
