// Included by `sqlx-sqlite-0_8` and `sqlx-sqlite-0_9`: SQLite by sqlx. Each version links its own SQLite, as rusqlite
// does, so each is a package of its own.

use std::error::Error as StdError;
use std::str::FromStr as _;
use std::time::Duration;

use persevere::{Fault, Reached, Retryable, Verdict};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Error};

const PERMANENT: Verdict = Verdict::permanent();
const BUSY: Verdict = Verdict::transient().with_fault(Fault::Status).with_reached(Reached::No);

#[track_caller]
fn assert_verdict(what: &str, error: Error, expected: Verdict) {
    assert_eq!(error.verdict(), expected, "{what}: {error:?}");
    let report = anyhow::Error::new(error).context("while saving");
    assert_eq!(report.verdict(), expected, "in a report, {what}");
    let boxed: Box<dyn StdError + Send + Sync> = Box::new(report.downcast::<Error>().unwrap());
    assert_eq!(boxed.verdict(), expected, "in a box, {what}");
}

#[track_caller]
fn err<T>(what: &str, result: Result<T, Error>) -> Error {
    result.err().unwrap_or_else(|| panic!("{what}: no error"))
}

struct Database(tempfile::TempDir);

impl Database {
    async fn new() -> Self {
        let database = Self(tempfile::tempdir().unwrap());
        let mut connection = database.options().create_if_missing(true).connect().await.unwrap();
        run(&mut connection, "create table counter(id integer primary key, v int not null)").await.unwrap();
        run(&mut connection, "insert into counter values (1, 0)").await.unwrap();
        database
    }

    fn options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new().filename(self.0.path().join("db")).busy_timeout(Duration::ZERO)
    }

    async fn open(&self) -> SqliteConnection {
        self.options().connect().await.unwrap()
    }
}

#[tokio::test]
async fn a_lock_of_another_connection_is_transient() {
    let database = Database::new().await;
    let (mut one, mut other) = (database.open().await, database.open().await);
    run(&mut one, "begin immediate").await.unwrap();
    assert_verdict("write", err("write", run(&mut other, "update counter set v = 1").await), BUSY);
    assert_verdict("begin", err("begin", run(&mut other, "begin immediate").await), BUSY);
    run(&mut one, "rollback").await.unwrap();
    run(&mut one, "begin").await.unwrap();
    run(&mut one, "select * from counter").await.unwrap();
    run(&mut other, "begin immediate").await.unwrap();
    run(&mut other, "update counter set v = 1").await.unwrap();
    assert_verdict("commit beside a reader", err("commit", run(&mut other, "commit").await), BUSY);
}

#[tokio::test]
async fn a_snapshot_that_is_too_old_is_transient_from_the_begin_on() {
    let database = Database::new().await;
    let (mut one, mut other) = (database.open().await, database.open().await);
    run(&mut one, "pragma journal_mode = wal").await.unwrap();
    run(&mut one, "begin").await.unwrap();
    run(&mut one, "select * from counter").await.unwrap();
    run(&mut other, "update counter set v = v + 1").await.unwrap();
    let error = err("snapshot", run(&mut one, "update counter set v = v + 1").await);
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "517");
    assert_verdict("snapshot", error, BUSY);
}

#[tokio::test]
async fn what_would_fail_again_is_permanent() {
    let database = Database::new().await;
    let mut connection = database.open().await;
    for sql in ["insert into counter values (1, 0)", "insert into counter values (2, null)", "selec 1"] {
        assert_verdict(sql, err(sql, run(&mut connection, sql).await), PERMANENT);
    }
    let mut reading = database.options().read_only(true).connect().await.unwrap();
    assert_verdict("read only", err("write", run(&mut reading, "update counter set v = 1").await), PERMANENT);
    let nowhere = SqliteConnectOptions::from_str("sqlite:///no/such/folder/db").unwrap();
    assert_verdict("no folder", err("open", nowhere.connect().await), PERMANENT);
    let text = database.0.path().join("text");
    std::fs::write(&text, "this is no database, however long the text may be that stands here in its place").unwrap();
    let opened = SqliteConnectOptions::new().filename(&text).connect().await;
    let error = match opened {
        Ok(mut connection) => err("text", run(&mut connection, "select * from counter").await),
        Err(error) => error,
    };
    assert_verdict("not a database", error, PERMANENT);
}

#[tokio::test]
async fn a_pool_in_full_use_is_a_throttle() {
    let database = Database::new().await;
    let options = SqlitePoolOptions::new().max_connections(1).acquire_timeout(Duration::from_millis(100));
    let pool = options.connect_with(database.options()).await.unwrap();
    let _only = pool.acquire().await.unwrap();
    let expected = Verdict::transient().with_fault(Fault::Throttle).with_reached(Reached::No);
    assert_verdict("full", err("full", pool.acquire().await), expected);
    let _ = SqliteConnection::close(database.open().await).await;
}
