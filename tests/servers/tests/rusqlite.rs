//! SQLite by rusqlite. The same by sqlx is in `sqlx-sqlite`, because both link their own SQLite.

use std::time::Duration;

use persevere::{guard::Breaker, Cut, Fault, Rejected, Retryable, TimedOut};
use rusqlite::{Connection, Error, OpenFlags, TransactionBehavior};
use tests_servers::{PERMANENT, assert_verdict, err, unsent};

const BUSY: persevere::Verdict = unsent(Fault::Status);

struct Database {
    folder: tempfile::TempDir,
}

impl Database {
    fn new() -> Self {
        let database = Self { folder: tempfile::tempdir().unwrap() };
        let connection = database.open();
        connection
            .execute_batch(
                "create table counter(id integer primary key, v int not null); insert into counter values (1, 0)",
            )
            .unwrap();
        database
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("db")
    }

    fn open(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        connection.busy_timeout(Duration::ZERO).unwrap();
        connection
    }
}

#[test]
fn a_lock_of_another_connection_is_transient() {
    let database = Database::new();
    let (mut one, mut other) = (database.open(), database.open());
    let held = one.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    assert_verdict("write", err("write", other.execute("update counter set v = 1", [])), BUSY);
    let error = err("begin", other.transaction_with_behavior(TransactionBehavior::Immediate).map(drop));
    assert_verdict("begin immediate", error, BUSY);
    drop(held);
    let mut statement = one.prepare("select v from counter").unwrap();
    let mut rows = statement.query([]).unwrap();
    rows.next().unwrap();
    let writing = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    writing.execute("update counter set v = v + 1", []).unwrap();
    assert_verdict("commit beside a reader", err("commit", writing.commit()), BUSY);
}

#[test]
fn a_snapshot_that_is_too_old_is_transient_from_the_begin_on() {
    let database = Database::new();
    let (one, other) = (database.open(), database.open());
    one.pragma_update(None, "journal_mode", "wal").unwrap();
    one.execute_batch("begin; select * from counter").unwrap();
    other.execute("update counter set v = v + 1", []).unwrap();
    let error = err("snapshot", one.execute("update counter set v = v + 1", []));
    assert_eq!(error.sqlite_error().unwrap().extended_code, 517);
    assert_verdict("snapshot", error, BUSY);
    assert_verdict("again", err("again", one.execute("update counter set v = v + 1", [])), BUSY);
    one.execute_batch("rollback").unwrap();
    one.execute("update counter set v = v + 1", []).unwrap();
}

#[test]
fn a_shared_cache_that_another_connection_holds_is_transient() {
    let open = || {
        let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_SHARED_CACHE | OpenFlags::SQLITE_OPEN_URI;
        Connection::open_with_flags("file:shared?mode=memory&cache=shared", flags).unwrap()
    };
    let (one, other) = (open(), open());
    one.execute_batch("create table t(v int); begin; insert into t values (1)").unwrap();
    let error = err("shared", other.query_row("select v from t", [], |row| row.get::<_, i32>(0)));
    assert_eq!(error.sqlite_error().unwrap().extended_code, 262);
    assert_verdict("shared cache", error, BUSY);
}

#[test]
fn what_the_connection_itself_did_is_permanent() {
    let database = Database::new();
    let connection = database.open();
    let mut statement = connection.prepare("select v from counter").unwrap();
    let mut rows = statement.query([]).unwrap();
    rows.next().unwrap();
    let error = err("locked", connection.execute_batch("drop table counter"));
    assert_eq!(error.sqlite_error().unwrap().extended_code, 6);
    assert_verdict("its own statement", error, PERMANENT);
}

#[test]
fn what_would_fail_again_is_permanent() {
    let database = Database::new();
    let connection = database.open();
    let run = |sql: &str| err(sql, connection.execute_batch(sql));
    assert_verdict("unique", run("insert into counter values (1, 0)"), PERMANENT);
    assert_verdict("not null", run("insert into counter values (2, null)"), PERMANENT);
    assert_verdict("syntax", err("syntax", connection.prepare("selec 1").map(drop)), PERMANENT);
    assert_verdict("no rows", err("none", connection.query_row("select 1 where 0", [], |_| Ok(()))), PERMANENT);
    let reading = Connection::open_with_flags(database.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    assert_verdict("read only", err("read only", reading.execute("update counter set v = 1", [])), PERMANENT);
    assert_verdict("no folder", err("open", Connection::open("/no/such/folder/db").map(drop)), PERMANENT);
    connection.execute_batch("pragma max_page_count = 3; create table big(b blob)").unwrap();
    assert_verdict("full", run("insert into big values (zeroblob(1000000))"), PERMANENT);
    let text = database.folder.path().join("text");
    std::fs::write(&text, "this is no database, however long the text may be that stands here in its place").unwrap();
    let error = err("text", Connection::open(&text).unwrap().execute_batch("select * from counter"));
    assert_verdict("not a database", error, PERMANENT);
}

#[test]
fn an_interrupted_statement_is_permanent() {
    let connection = Connection::open_in_memory().unwrap();
    let handle = connection.get_interrupt_handle();
    let thread = std::thread::spawn(move || {
        for _ in 0..50 {
            std::thread::sleep(Duration::from_millis(2));
            handle.interrupt();
        }
    });
    let endless = "with recursive n(v) as (select 1 union all select v + 1 from n) select count(*) from n";
    let error = err("interrupt", connection.query_row(endless, [], |row| row.get::<_, i64>(0)));
    thread.join().unwrap();
    assert_verdict("interrupted", error, PERMANENT);
}

#[test]
fn a_timeout_and_a_refusal_keep_their_verdicts_and_a_conversion_is_permanent() {
    let timed_out = TimedOut::new(Duration::from_secs(1));
    assert_verdict("timeout", Error::from(timed_out), timed_out.verdict());
    let breaker = Breaker::new().min_outcomes(1);
    let now = Duration::from_secs(100);
    breaker.admit(now).unwrap().failed(now);
    let refusal: Rejected = breaker.admit(now).unwrap_err();
    assert_verdict("refusal", Error::from(refusal), refusal.verdict());
    assert_eq!(Error::from(refusal).to_string(), refusal.to_string());
    assert_verdict("refusal by `Cut`", Cut::<Error>::from(refusal), refusal.verdict());
    assert_verdict("error in `Cut`", Cut::from(Error::from(timed_out)), timed_out.verdict());
    let own = Error::ToSqlConversionFailure(Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset)));
    assert_verdict("conversion", own, PERMANENT);
}
