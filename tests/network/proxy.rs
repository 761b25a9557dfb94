//! A proxy on loopback that passes bytes on until it is told to do something else.

#![allow(dead_code)] // Not every test uses all of it.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, PartialEq)]
pub enum Fate {
    Pass,
    /// A FIN to both sides.
    Close,
    /// An RST to both sides.
    Reset,
    /// Neither side hears anything any more.
    Stall,
    /// The server hears the client, and the client nothing.
    StallAnswers,
}

pub struct Proxy {
    pub address: SocketAddr,
    fate: watch::Sender<Fate>,
    listening: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (fate, changed) = watch::channel(Fate::Pass);
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let changed = changed.clone();
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(server).await {
                        pass(client, server, changed).await;
                    }
                });
            }
        });
        Self { address, fate, listening }
    }

    /// What happens from now on to all connections, new ones too.
    pub fn now(&self, fate: Fate) {
        self.fate.send_replace(fate);
    }

    /// Nobody listens any more, and what stands is reset.
    pub async fn kill(self) {
        self.listening.abort();
        let _ = self.listening.await;
        self.fate.send_replace(Fate::Reset);
    }
}

async fn pass(mut client: TcpStream, mut server: TcpStream, mut changed: watch::Receiver<Fate>) {
    let fate = tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
        fate = changed.wait_for(|fate| *fate != Fate::Pass) => *fate.unwrap(),
    };
    match fate {
        Fate::Pass => {}
        Fate::Reset => {
            reset(client);
            reset(server);
        }
        Fate::Close => {
            let _ = client.shutdown().await;
            let _ = server.shutdown().await;
            // What is unread at the end would make an RST of it.
            let (mut one, mut other) = ([0; 1024], [0; 1024]);
            while let Ok(1..) = tokio::select! { n = client.read(&mut one) => n, n = server.read(&mut other) => n } {}
        }
        Fate::StallAnswers => {
            let _ = tokio::io::copy(&mut client, &mut server).await;
        }
        Fate::Stall => std::future::pending().await,
    }
}

/// Closes the connection with an RST.
pub fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(stream);
}
