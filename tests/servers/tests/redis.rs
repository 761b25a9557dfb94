//! redis, by the crate of that name, blocking and async. Each test starts the servers that it needs.

use std::net::SocketAddr;
use std::process::{Child, Command};
use std::time::Duration;

use persevere::{guard::Breaker, Cut, Fault, Rejected, Retryable, TimedOut, Verdict};
use redis::aio::MultiplexedConnection;
use redis::{Connection, ErrorKind, RedisError, RedisResult, Value};
use tests_servers::{PERMANENT, Peer, Proxy, assert_verdict, err, nobody, peer, unknown, unsent, until};

/// A server of a test's own, which ends with it.
struct Server {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Server {
    fn new(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::over(folder, options)
    }

    /// Starts a server over the data of another.
    fn over(folder: tempfile::TempDir, options: &[&str]) -> Self {
        // Below the ports that the system hands out. Two tests never try the same one at once.
        static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
        for _ in 0..50 {
            let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let port = 20_000 + u16::try_from(std::process::id() % 250).unwrap() * 10 + next;
            // A cluster listens on a second port, 10 000 above.
            if [port, port + 10_000].into_iter().any(|port| std::net::TcpListener::bind(("127.0.0.1", port)).is_err()) {
                continue;
            }
            let mut command = Command::new("redis-server");
            command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--protected-mode", "no"]);
            command.args(["--enable-debug-command", "yes", "--logfile", "log", "--dir"]).arg(folder.path());
            let child = command.args(options).current_dir(folder.path()).spawn().unwrap();
            let mut server = Self { child, port, folder };
            for _ in 0..500 {
                if std::net::TcpStream::connect(server.address()).is_ok() {
                    return server;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            let log = std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
            panic!("redis did not start: {:?}, {log}", server.child.try_wait());
        }
        panic!("no port is free");
    }

    fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    fn connect(&self) -> Connection {
        connect(self.address()).unwrap()
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn stop(mut self) -> tempfile::TempDir {
        self.kill();
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn connect(address: SocketAddr) -> RedisResult<Connection> {
    redis::Client::open(format!("redis://{address}")).unwrap().get_connection()
}

async fn connect_async(address: SocketAddr) -> RedisResult<MultiplexedConnection> {
    redis::Client::open(format!("redis://{address}")).unwrap().get_multiplexed_async_connection().await
}

fn command(text: &str) -> redis::Cmd {
    let mut words = text.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    for word in words {
        command.arg(word);
    }
    command
}

fn run(connection: &mut Connection, text: &str) -> RedisResult<Value> {
    command(text).query(connection)
}

#[track_caller]
fn ran(connection: &mut Connection, text: &str) {
    run(connection, text).unwrap_or_else(|error| panic!("{text}: {error}"));
}

#[track_caller]
fn fails(connection: &mut Connection, text: &str, expected: Verdict) {
    assert_verdict(text, err(text, run(connection, text)), expected);
}

#[test]
fn a_reply_that_passes_is_transient_and_took_no_effect() {
    let primary = Server::new(&[]);
    let mut redis = primary.connect();
    let replica = Server::new(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    fails(&mut replica.connect(), "SET a 1", unsent(Fault::Status));
    let orphan = Server::new(&["--replicaof", "127.0.0.1", "1", "--replica-serve-stale-data", "no"]);
    fails(&mut orphan.connect(), "GET a", unsent(Fault::Status));

    ran(&mut redis, "CONFIG SET min-replicas-to-write 3");
    fails(&mut redis, "SET a 1", unsent(Fault::Status));
    ran(&mut redis, "CONFIG SET min-replicas-to-write 0");

    ran(&mut redis, "CONFIG SET maxmemory 1");
    fails(&mut redis, "SET a 1", unsent(Fault::Throttle));
    ran(&mut redis, "CONFIG SET maxmemory 0");
}

#[test]
fn a_server_that_cannot_save_is_transient() {
    let server = Server::new(&[]);
    let mut redis = server.connect();
    ran(&mut redis, "SET a 1");
    // A folder where the file should be.
    std::fs::create_dir(server.folder.path().join("dump.rdb")).unwrap();
    fail_to_save(&mut redis);
    fails(&mut redis, "SET a 2", unsent(Fault::Status));
}

/// Saves in the background, and waits until that has failed.
fn fail_to_save(redis: &mut Connection) {
    // Writes are refused only where saving was asked for.
    let _: () = redis::cmd("CONFIG").arg("SET").arg("save").arg("3600 1").query(redis).unwrap();
    ran(redis, "BGSAVE");
    for _ in 0..200 {
        let info: String = redis::cmd("INFO").arg("persistence").query(redis).unwrap();
        if info.contains("rdb_last_bgsave_status:err") {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the save did not fail");
}

#[test]
fn a_running_script_refuses_the_others() {
    let server = Server::new(&["--busy-reply-threshold", "20"]);
    let mut busy = server.connect();
    let thread = std::thread::spawn(move || {
        let _: RedisResult<Value> = redis::cmd("EVAL").arg("while true do end").arg(0).query(&mut busy);
    });
    let mut other = server.connect();
    let error = loop {
        std::thread::sleep(Duration::from_millis(20));
        if let Err(error) = run(&mut other, "GET a") {
            break error;
        }
    };
    ran(&mut other, "SCRIPT KILL");
    thread.join().unwrap();
    assert_verdict("busy", error, unsent(Fault::Status));
}

#[test]
fn a_blocking_command_that_is_ended_took_nothing() {
    let server = Server::new(&[]);
    let (mut waiting, mut other) = (server.connect(), server.connect());
    let id: i64 = command("CLIENT ID").query(&mut waiting).unwrap();
    let thread = std::thread::spawn(move || run(&mut waiting, "BLPOP list 5"));
    std::thread::sleep(Duration::from_millis(100));
    ran(&mut other, &format!("CLIENT UNBLOCK {id} ERROR"));
    assert_verdict("unblocked", err("unblocked", thread.join().unwrap()), unsent(Fault::Status));
}

#[test]
fn a_server_that_loads_its_data_is_a_connect_fault() {
    let server = Server::new(&[]);
    let mut redis = server.connect();
    ran(&mut redis, "DEBUG POPULATE 20000");
    ran(&mut redis, "SAVE");
    let folder = server.stop();
    let loading =
        Server::over(folder, &["--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024"]);
    let error = match connect(loading.address()) {
        Ok(mut redis) => err("loading", run(&mut redis, "GET a")),
        Err(error) => error,
    };
    assert_verdict("loading", error, unsent(Fault::Connect));
}

#[test]
fn a_clusters_redirections_are_transient_and_took_no_effect() {
    let cluster = || Server::new(&["--cluster-enabled", "yes"]);
    let (one, other, alone) = (cluster(), cluster(), cluster());
    let (mut first, mut second) = (one.connect(), other.connect());
    fails(&mut alone.connect(), "GET a", unsent(Fault::Status));
    ran(&mut first, &format!("CLUSTER MEET 127.0.0.1 {}", other.port));
    ran(&mut first, "CLUSTER ADDSLOTSRANGE 0 8000");
    ran(&mut second, "CLUSTER ADDSLOTSRANGE 8001 16383");
    for connection in [&mut first, &mut second] {
        for _ in 0..1000 {
            let info: String = command("CLUSTER INFO").query(connection).unwrap();
            if info.contains("cluster_state:ok") {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    // The slot of `a` is 15495.
    fails(&mut first, "GET a", unsent(Fault::Redirect));
    fails(&mut first, "MGET a b", PERMANENT);
    let id = |connection: &mut Connection| -> String { command("CLUSTER MYID").query(connection).unwrap() };
    let (first_id, second_id) = (id(&mut first), id(&mut second));
    ran(&mut second, &format!("CLUSTER SETSLOT 15495 MIGRATING {first_id}"));
    ran(&mut first, &format!("CLUSTER SETSLOT 15495 IMPORTING {second_id}"));
    fails(&mut second, "GET a", unsent(Fault::Redirect));
    ran(&mut second, "CLUSTER SETSLOT 15495 STABLE");
    ran(&mut second, "SET {a}1 1");
    ran(&mut second, &format!("CLUSTER SETSLOT 15495 MIGRATING {first_id}"));
    fails(&mut second, "MGET {a}1 {a}2", unsent(Fault::Status));
}

#[test]
fn what_the_client_got_wrong_is_permanent() {
    let server = Server::new(&[]);
    let mut redis = server.connect();
    ran(&mut redis, "SET text a");
    for text in ["LPUSH text 1", "NOSUCH", "SET a", "INCR text", "EVALSHA 0123456789012345678901234567890123456789 0"] {
        fails(&mut redis, text, PERMANENT);
    }
    ran(&mut redis, "ACL SETUSER poor on nopass +auth");
    ran(&mut redis, "AUTH poor x");
    fails(&mut redis, "GET text", PERMANENT);
    let locked = Server::new(&["--requirepass", "secret"]);
    fails(&mut locked.connect(), "GET a", PERMANENT);
    let wrong = redis::Client::open(format!("redis://:wrong@{}", locked.address())).unwrap();
    assert_verdict("password", err("password", wrong.get_connection().map(drop)), PERMANENT);
    let error: RedisError = err("type", command("GET text").query::<i64>(&mut server.connect()));
    assert_verdict("type", error, PERMANENT);
    assert_verdict("url", err("url", redis::Client::open("nothing")), PERMANENT);
}

#[test]
fn too_many_clients_are_transient() {
    let server = Server::new(&["--maxclients", "1"]);
    // The one that waited for the server to be there may still be counted.
    let _only = (0..200).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        connect(server.address()).ok()
    });
    let error = match connect(server.address()) {
        Ok(mut redis) => err("clients", run(&mut redis, "PING")),
        Err(error) => error,
    };
    // What comes of it is a race: the reply, or the end of the connection.
    assert!(error.verdict().is_transient(), "{error:?}");
    let verdict = error.verdict();
    assert_verdict("clients", error, verdict);
    let reply = redis::make_extension_error("ERR".into(), Some("max number of clients reached".into()));
    assert_verdict("reply", reply, unsent(Fault::Throttle));
}

#[test]
fn what_a_pipeline_did_beside_its_failure_stays_done() {
    let server = Server::new(&[]);
    let mut redis = server.connect();
    ran(&mut redis, "SET text a");
    ran(&mut redis, "CONFIG SET maxmemory 1");
    let error =
        err("pipeline", redis::pipe().cmd("GET").arg("text").cmd("SET").arg("b").arg(1).query::<()>(&mut redis));
    assert_verdict("one of a pipeline", error, unknown(Fault::Throttle));
    let mixed = redis::pipe().cmd("SET").arg("b").arg(1).cmd("LLEN").arg("text").query::<()>(&mut redis);
    assert_verdict("one that will not go away", err("pipeline", mixed), PERMANENT);
    let refused = redis::pipe().atomic().cmd("SET").arg("b").arg(1).query::<()>(&mut redis);
    assert_verdict("refused before EXEC", err("exec", refused), unsent(Fault::Throttle));
    ran(&mut redis, "CONFIG SET maxmemory 0");
    let within = redis::pipe().atomic().cmd("SET").arg("b").arg(1).cmd("LLEN").arg("text").query::<()>(&mut redis);
    assert_verdict("within EXEC", err("exec", within), PERMANENT);
    let wrong = redis::pipe().atomic().cmd("NOSUCH").query::<()>(&mut redis);
    assert_verdict("refused for good", err("exec", wrong), PERMANENT);
}

#[tokio::test]
async fn a_connect_that_fails_never_reached_the_server() {
    let address = nobody().await;
    assert_verdict("refused", err("refused", connect_async(address).await), unsent(Fault::Connect));
    let blocking = tokio::task::spawn_blocking(move || connect(address)).await.unwrap();
    assert_verdict("refused, blocking", err("refused", blocking), unsent(Fault::Connect));
    let nowhere = redis::Client::open("redis://no-such-host.invalid").unwrap();
    let error = err("lookup", nowhere.get_multiplexed_async_connection().await);
    assert_verdict("no such host", error, unsent(Fault::Connect));
    let socket = redis::Client::open("redis+unix:///no/such/socket").unwrap();
    assert_verdict("no socket", err("socket", socket.get_connection().map(drop)), unsent(Fault::Connect));
}

#[tokio::test]
async fn a_timeout_may_have_taken_effect() {
    let server = Server::new(&[]);
    let address = server.address();
    let mut redis = connect_async(address).await.unwrap();
    let error = err("response", command("DEBUG SLEEP 1").query_async::<()>(&mut redis).await);
    assert_verdict("response timeout", error, unknown(Fault::Timeout));
    let error = tokio::task::spawn_blocking(move || {
        let mut redis = connect(address).unwrap();
        redis.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        err("read", run(&mut redis, "DEBUG SLEEP 1"))
    });
    assert_verdict("read timeout", error.await.unwrap(), unknown(Fault::Timeout));
    let silent = peer(Peer::Silent).await;
    let error = err("silent", connect_async(silent).await);
    assert_verdict("silent", error, unknown(Fault::Timeout));
}

#[tokio::test]
async fn a_connection_that_breaks_is_transient() {
    let server = Server::new(&[]);
    let mut redis = connect_async(server.address()).await.unwrap();
    let mut other = connect_async(server.address()).await.unwrap();
    let _ = command("CLIENT KILL TYPE normal SKIPME yes").query_async::<()>(&mut other).await;
    let error = err("killed", command("INCR a").query_async::<()>(&mut redis).await);
    assert_verdict("killed", error, unknown(Fault::Read));
    let proxy = Proxy::new(server.address()).await;
    let mut redis = connect_async(proxy.address).await.unwrap();
    let waits = command("BLPOP list 1");
    let (result, ()) = tokio::join!(waits.query_async::<()>(&mut redis), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        proxy.break_all(Peer::Resets);
    });
    assert_verdict("reset", err("reset", result), unknown(Fault::Read));
}

#[tokio::test]
async fn an_answer_that_is_cut_is_transient() {
    for how in [Peer::Closes, Peer::Resets, Peer::AnswersInPart(b"$100\r\nabc")] {
        let address = peer(how).await;
        let client = redis::Client::open(format!("redis://{address}")).unwrap();
        let error = match client.get_multiplexed_async_connection().await {
            Ok(mut redis) => err("cut", command("GET a").query_async::<()>(&mut redis).await),
            Err(error) => error,
        };
        assert_verdict(&format!("{how:?}"), error, unknown(Fault::Read));
        let error = tokio::task::spawn_blocking(move || match connect(address) {
            Ok(mut redis) => err("cut", run(&mut redis, "GET a")),
            Err(error) => error,
        });
        assert_verdict(&format!("{how:?}, blocking"), error.await.unwrap(), unknown(Fault::Read));
    }
}

#[tokio::test]
async fn a_manager_that_connects_again_is_refused_without_having_sent() {
    let mut server = Server::new(&[]);
    let client = redis::Client::open(format!("redis://{}", server.address())).unwrap();
    let config = redis::aio::ConnectionManagerConfig::new().set_number_of_retries(0);
    let mut manager = redis::aio::ConnectionManager::new_with_config(client, config).await.unwrap();
    server.kill();
    let error = err("first", command("INCR a").query_async::<()>(&mut manager).await);
    assert_verdict("first after the loss", error, unknown(Fault::Read));
    let mut seen = None;
    until("the refused reconnect", async || {
        let error = err("next", command("INCR a").query_async::<()>(&mut manager).await);
        seen = (error.verdict() == unsent(Fault::Connect)).then_some(error);
        seen.is_some()
    })
    .await;
    assert_verdict("then", seen.unwrap(), unsent(Fault::Connect));
}

#[test]
fn a_timeout_and_a_refusal_keep_their_verdicts() {
    type Pool = deadpool::managed::PoolError<RedisError>;
    type Other = bb8::RunError<RedisError>;

    let timed_out = TimedOut::new(Duration::from_secs(1));
    assert_verdict("timeout", RedisError::from(timed_out), timed_out.verdict());
    let breaker = Breaker::new().min_outcomes(1);
    let now = Duration::from_secs(100);
    breaker.admit(now).unwrap().failed(now);
    let refusal: Rejected = breaker.admit(now).unwrap_err();
    assert_verdict("refusal", RedisError::from(refusal), refusal.verdict());
    assert_verdict("timeout by `Cut`", Cut::<RedisError>::from(timed_out), timed_out.verdict());
    assert_verdict("error in `Cut`", Cut::from(RedisError::from((ErrorKind::Io, "lost"))), unknown(Fault::Read));
    assert_verdict("timeout of a pool", Pool::from(timed_out), timed_out.verdict());
    assert_verdict("refusal of a pool", Pool::from(refusal), refusal.verdict());
    assert_verdict("timeout of a pool", Other::from(timed_out), timed_out.verdict());
    assert_verdict("refusal of a pool", Other::from(refusal), refusal.verdict());
}

#[test]
fn what_the_client_says_by_itself_is_decided() {
    for (kind, expected) in [
        (ErrorKind::ClusterConnectionNotFound, unknown(Fault::Connect)),
        (ErrorKind::NoValidReplicasFoundBySentinel, unsent(Fault::Connect)),
        (ErrorKind::Io, unknown(Fault::Read)),
        (ErrorKind::Parse, PERMANENT),
        (ErrorKind::Client, PERMANENT),
        (ErrorKind::InvalidClientConfig, PERMANENT),
        (ErrorKind::UnexpectedReturnType, PERMANENT),
        (ErrorKind::AuthenticationFailed, PERMANENT),
        (ErrorKind::EmptySentinelList, PERMANENT),
    ] {
        assert_verdict(&format!("{kind:?}"), RedisError::from((kind, "a text")), expected);
    }
}

const DEADLINE: Duration = Duration::from_millis(150);
const POLICY: persevere::Policy = persevere::Policy::new().total(5);

/// Redis' own limit on an answer is half a second.
#[persevere::retry(policy = POLICY, deadline = DEADLINE)]
async fn by_the_attribute(address: SocketAddr) -> RedisResult<()> {
    ping(address).await
}

async fn ping(address: SocketAddr) -> RedisResult<()> {
    let mut redis = connect_async(address).await?;
    command("PING").query_async(&mut redis).await
}

#[tokio::test]
async fn a_silent_server_is_cut_at_the_deadline() {
    let address = peer(Peer::Silent).await;
    let policy = POLICY.deadline(DEADLINE);
    let started = std::time::Instant::now();
    assert_verdict(
        "function",
        err("function", persevere::retry_async(policy, || ping(address)).await),
        unknown(Fault::Timeout),
    );
    let in_place = persevere::retry_async!(policy, ping(address).await);
    assert_verdict("macro", err("macro", in_place), unknown(Fault::Timeout));
    assert_verdict("attribute", err("attribute", by_the_attribute(address).await), unknown(Fault::Timeout));
    assert!(started.elapsed() < 3 * DEADLINE + Duration::from_millis(200), "{:?}", started.elapsed());
}
