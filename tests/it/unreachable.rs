//! A route that breaks after the order was sent: the system ends the standing connection with the error of a connection
//! that never stood.

#![cfg(target_os = "linux")]

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use persevere::{Fault, Policy, Reached, Report, Retryable as _, StopReason};

/// Two network namespaces joined by a cable. The kernel gives a neighbour and a connection up within a moment here.
const WORLD: &str = r#"
set -e
ip link set lo up
unshare -n sleep 20 & far=$!
trap 'kill $far $server 2>/dev/null || true' EXIT
until [ "$(readlink /proc/$far/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
ip link add near type veth peer name far netns $far
ip addr add 10.9.0.1/24 dev near
ip link set near up
nsenter -t $far -n ip addr add 10.9.0.2/24 dev far
nsenter -t $far -n ip link set far up
echo 50 > /proc/sys/net/ipv4/neigh/near/retrans_time_ms
echo 1 > /proc/sys/net/ipv4/neigh/near/mcast_solicit
echo 0 > /proc/sys/net/ipv4/neigh/near/ucast_solicit
echo 2 > /proc/sys/net/ipv4/tcp_retries2
ip route change 10.9.0.0/24 dev near rto_min 50ms
nsenter -t $far -n "$PROGRAM" --exact unreachable::the_far_side --ignored --nocapture & server=$!
export FAR=$far
"$PROGRAM" --exact unreachable::the_near_side --ignored --nocapture
"#;

/// A file that is there once the server listens.
const READY: &str = "PERSEVERE_READY";
const SERVER: ([u8; 4], u16) = ([10, 9, 0, 2], 9);
const DONE: &str = "the order was executed";

#[test]
fn an_order_is_sent_once_where_the_route_breaks_after_it_was_executed() {
    let can = Command::new("unshare")
        .args(["-rn", "sh", "-c", "ip link add name near type veth peer name far && nsenter --version"])
        .output();
    if !can.as_ref().is_ok_and(|can| can.status.success()) {
        eprintln!("skipped: no network namespace is to be had here ({can:?})");
        return;
    }
    let ready = std::env::temp_dir().join(format!("persevere-{}", std::process::id()));
    let _ = std::fs::remove_file(&ready);
    let ran = Command::new("unshare")
        .args(["-rn", "sh", "-c", WORLD])
        .env("PROGRAM", std::env::current_exe().unwrap())
        .env(READY, &ready)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let _ = std::fs::remove_file(&ready);
    let told = format!("{}\n{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{told}");
    assert_eq!(told.matches(DONE).count(), 1, "{told}");
}

#[test]
#[ignore = "runs in the namespaces of the test above"]
fn the_far_side() {
    let Some(ready) = std::env::var_os(READY) else { return };
    let listener = TcpListener::bind(SocketAddr::from(SERVER)).unwrap();
    std::fs::write(ready, "").unwrap();
    let mut open = Vec::new();
    for mut stream in listener.incoming().map_while(Result::ok) {
        let mut order = [0; 6];
        if stream.read_exact(&mut order).is_ok() && order == *b"ORDER\n" {
            println!("{DONE}");
            open.push(stream);
        }
    }
}

#[test]
#[ignore = "runs in the namespaces of the test above"]
fn the_near_side() {
    let (Some(ready), Ok(far)) = (std::env::var_os(READY), std::env::var("FAR")) else { return };
    while !std::path::Path::new(&ready).exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let shell = |line: &str| assert!(Command::new("sh").args(["-c", line]).status().unwrap().success(), "{line}");
    let mut report = Report::new();
    let mut attempts = 0;
    let sent = Policy::new().backoff(Duration::ZERO).idempotent(false).report(&mut report).run(|| {
        attempts += 1;
        if attempts > 1 {
            shell(&format!("nsenter -t {far} -n ip addr add 10.9.0.2/24 dev far; ip neigh flush dev near"));
        }
        let mut stream = TcpStream::connect(SocketAddr::from(SERVER))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"ORDER\n")?;
        if attempts > 1 {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
        shell(&format!("nsenter -t {far} -n ip addr del 10.9.0.2/24 dev far; ip neigh flush dev near"));
        stream.write_all(b"STATUS?\n")?;
        stream.read_exact(&mut [0; 8])
    });
    let error = sent.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::HostUnreachable, "{error:?}");
    assert_eq!((error.verdict().fault(), error.verdict().reached()), (Fault::Connect, Reached::Maybe));
    assert_eq!((attempts, report.stop_reason()), (1, Some(StopReason::NotIdempotent)));
}
