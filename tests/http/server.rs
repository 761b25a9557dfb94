//! A server on loopback that misbehaves on purpose, and counts what reaches it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Counts on the server's own side.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
    posts: AtomicUsize,
}

impl Counts {
    fn count(&self, request: &str) {
        self.requests.fetch_add(1, SeqCst);
        self.posts.fetch_add(usize::from(request.starts_with("post")), SeqCst);
    }
}

#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    counts: Arc<Counts>,
}

impl Server {
    /// Serves one connection, on a port that refuses all others.
    pub(crate) fn once(serve: impl FnOnce(&mut Peer) + Send + 'static) -> Self {
        let (listener, address) = quiet(TcpListener::bind);
        let server = Self { address, counts: Arc::default() };
        let counts = server.counts.clone();
        thread::spawn(move || {
            let Ok((stream, _)) = listener.accept() else { return };
            drop(listener);
            counts.connections.fetch_add(1, SeqCst);
            serve(&mut Peer { stream, counts });
        });
        server
    }

    /// Serves each connection with this, in a thread of its own; the connection is closed when it returns.
    pub(crate) fn new(serve: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap(), counts: Arc::default() };
        let (counts, serve) = (server.counts.clone(), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                counts.connections.fetch_add(1, SeqCst);
                let (counts, serve) = (counts.clone(), serve.clone());
                thread::spawn(move || serve(&mut Peer { stream, counts }));
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/path?token=hunter2", self.address)
    }

    /// How many requests arrived whole.
    pub(crate) fn requests(&self) -> usize {
        self.counts.requests.load(SeqCst)
    }

    /// How many of them were POSTs.
    pub(crate) fn posts(&self) -> usize {
        self.counts.posts.load(SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.counts.connections.load(SeqCst)
    }
}

/// The server's end of a connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    counts: Arc<Counts>,
}

impl Peer {
    /// Reads a request, head and body, and counts it; `None` if the client has gone.
    pub(crate) fn request(&mut self) -> Option<String> {
        let request = read_request(&mut self.stream)?;
        self.counts.count(&request);
        Some(request)
    }

    /// Reads a request's head, and counts it.
    pub(crate) fn head(&mut self) {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && self.stream.read_exact(&mut byte).is_ok() {
            head.push(byte[0]);
        }
        self.counts.count(&String::from_utf8_lossy(&head).to_lowercase());
    }

    /// Counts a request that was read otherwise.
    pub(crate) fn count(&self) {
        self.counts.requests.fetch_add(1, SeqCst);
    }

    /// How many requests have arrived at this server, on all connections.
    pub(crate) fn requests(&self) -> usize {
        self.counts.requests.load(SeqCst)
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Waits until the client goes away.
    pub(crate) fn stall(&mut self) {
        let _ = self.stream.set_read_timeout(Some(Duration::from_secs(5)));
        let _ = self.stream.read(&mut [0; 64]);
    }

    /// Resets the connection: the system does, when it is closed with bytes unread.
    pub(crate) fn reset(&mut self) {
        let _ = self.stream.peek(&mut [0; 1]);
    }

    /// Reads all of a request but its last byte, which then is there unread: a close becomes a reset.
    pub(crate) fn request_but_reset(&mut self) {
        let mut buffer = [0; 8192];
        let there = self.stream.peek(&mut buffer).unwrap_or(0);
        if there > 0 {
            self.counts.count(&String::from_utf8_lossy(&buffer[..there]).to_lowercase());
            let _ = self.stream.read_exact(&mut buffer[..there - 1]);
        }
    }
}

/// Binds a port that the system gives to no client. Of another one, where nobody listens, a client could be given the
/// very port that it connects to: then it talks to itself.
pub(crate) fn quiet<T>(bind: impl Fn(SocketAddr) -> io::Result<T>) -> (T, SocketAddr) {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + std::process::id() as u16 % 10_000;
    loop {
        let address = SocketAddr::from(([127, 0, 0, 1], first + NEXT.fetch_add(1, SeqCst) % 10_000));
        if let Ok(bound) = bind(address) {
            return (bound, address);
        }
    }
}

/// A port that takes no more connections: an attempt to connect gets no answer.
pub(crate) fn full() -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        socket.listen(0).unwrap()
    });
    let address = listener.local_addr().unwrap();
    let taken: Vec<_> =
        (0..8).map_while(|_| TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok()).collect();
    Box::leak(Box::new((runtime, listener, taken)));
    format!("http://{address}/")
}

pub(crate) fn read_request(stream: &mut impl Read) -> Option<String> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        request.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&request).to_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length:")).map_or(0, |n| n.trim().parse().unwrap());
    if head.contains("transfer-encoding: chunked") {
        return Some(head + &read_chunks(stream)?);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8_lossy(&body))
}

fn read_chunks(stream: &mut impl Read) -> Option<String> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            line.push(byte[0]);
        }
        let length = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).ok()?;
        let mut chunk = vec![0; length + 2];
        stream.read_exact(&mut chunk).ok()?;
        if length == 0 {
            return Some(String::from_utf8_lossy(&body).into_owned());
        }
        body.extend_from_slice(&chunk[..length]);
    }
}

pub(crate) fn respond(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

/// A server's certificate, and the root that signed it.
pub(crate) struct Certified {
    pub(crate) root: Vec<u8>,
    pub(crate) config: Arc<rustls::ServerConfig>,
}

/// Makes a certificate for `host`, signed by a root of its own.
pub(crate) fn certificate(host: &str, expired: bool) -> Certified {
    let root_key = rcgen::KeyPair::generate().unwrap();
    let mut root = rcgen::CertificateParams::new([]).unwrap();
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root_der = root.self_signed(&root_key).unwrap().der().to_vec();
    let issuer = rcgen::Issuer::new(root, root_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut leaf = rcgen::CertificateParams::new([host.to_owned()]).unwrap();
    if expired {
        leaf.not_after = rcgen::date_time_ymd(2001, 1, 1);
    }
    let certificate = leaf.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    Certified { root: root_der, config: Arc::new(config) }
}

/// Serves one request over TLS.
pub(crate) fn serve_tls(peer: &mut Peer, config: &Arc<rustls::ServerConfig>) {
    let Ok(mut connection) = rustls::ServerConnection::new(config.clone()) else { return };
    let mut stream = rustls::Stream::new(&mut connection, &mut peer.stream);
    if let Some(request) = read_request(&mut stream) {
        peer.counts.count(&request);
        let _ = stream.write_all(respond(200, "", "secret").as_bytes());
    }
    let _ = stream.flush();
}
