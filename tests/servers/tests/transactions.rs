//! `transaction!` on PostgreSQL, by sqlx and tokio-postgres, while the server goes away and comes back.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use deadpool_postgres::{Manager, PoolError, Runtime};
use persevere::transaction::Failed;
use persevere::{Policy, Retryable, transaction};
use sqlx_0_9::Executor as _;
use sqlx_0_9::postgres::{PgConnection, PgPoolOptions};
use tests_servers::{LosesCommit, Lost, address, at, control, given, turn};

const POLICY: Policy = Policy::new()
    .total(500)
    .backoff(Duration::from_millis(20))
    .max_wait(Duration::from_millis(200))
    .within(Duration::from_secs(30))
    .valid();

/// The clients, each as a pool and a function that makes one transaction.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Client {
    Sqlx,
    TokioPostgres,
}

#[derive(Clone)]
enum Pool {
    Sqlx(sqlx_0_9::PgPool),
    Deadpool(deadpool_postgres::Pool),
}

/// An error of either client, as text and with its verdict.
#[derive(Debug)]
enum AnyError {
    Sqlx(sqlx_0_9::Error),
    Deadpool(PoolError),
}

impl From<sqlx_0_9::Error> for AnyError {
    fn from(error: sqlx_0_9::Error) -> Self {
        Self::Sqlx(error)
    }
}

impl From<PoolError> for AnyError {
    fn from(error: PoolError) -> Self {
        Self::Deadpool(error)
    }
}

impl From<tokio_postgres::Error> for AnyError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Deadpool(error.into())
    }
}

impl Retryable for AnyError {
    fn verdict(&self) -> persevere::Verdict {
        match self {
            Self::Sqlx(error) => error.verdict(),
            Self::Deadpool(error) => error.verdict(),
        }
    }
}

type Outcome<T> = Result<T, Failed<AnyError>>;

impl Pool {
    fn new(client: Client, url: &str, size: u8) -> Self {
        let limit = Duration::from_secs(2);
        match client {
            Client::Sqlx => Self::Sqlx(
                PgPoolOptions::new().max_connections(size.into()).acquire_timeout(limit).connect_lazy(url).unwrap(),
            ),
            Client::TokioPostgres => {
                let manager = Manager::new(url.parse().unwrap(), tokio_postgres::NoTls);
                let builder = deadpool_postgres::Pool::builder(manager).max_size(size.into()).runtime(Runtime::Tokio1);
                Self::Deadpool(builder.wait_timeout(Some(limit)).create_timeout(Some(limit)).build().unwrap())
            }
        }
    }

    /// Adds one to a counter and a row to the operations, in a transaction.
    async fn add(&self, op: i64) -> Outcome<i64> {
        match self {
            Self::Sqlx(pool) => transaction!(POLICY, pool.begin(), -> Result<i64, AnyError> |tx| {
                sqlx_0_9::query("insert into ops values ($1)").bind(op).execute(&mut **tx).await?;
                Ok(sqlx_0_9::query_scalar(ADD).fetch_one(&mut **tx).await?)
            }),
            Self::Deadpool(pool) => transaction!(
                POLICY, let mut client = pool.get(), client.transaction(), -> Result<i64, AnyError> |tx| {
                    tx.execute("insert into ops values ($1)", &[&op]).await?;
                    Ok(tx.query_one(ADD, &[]).await?.get(0))
                }
            ),
        }
    }

    /// The same with a token.
    async fn add_once(&self, op: i64) -> Outcome<i64> {
        match self {
            Self::Sqlx(pool) => transaction!(
                POLICY, pool.begin(),
                once = |tx| sqlx_0_9::query(TOKEN).bind(op).execute(&mut **tx).await.map(|done| done.rows_affected() == 1),
                -> Result<i64, AnyError> |tx| {
                    sqlx_0_9::query("insert into ops values ($1)").bind(op).execute(&mut **tx).await?;
                    Ok(sqlx_0_9::query_scalar(ADD).fetch_one(&mut **tx).await?)
                }
            ),
            Self::Deadpool(pool) => transaction!(
                POLICY, let mut client = pool.get(), client.transaction(),
                once = |tx| tx.execute(TOKEN, &[&op]).await.map(|rows| rows == 1),
                -> Result<i64, AnyError> |tx| {
                    tx.execute("insert into ops values ($1)", &[&op]).await?;
                    Ok(tx.query_one(ADD, &[]).await?.get(0))
                }
            ),
        }
    }
}

const ADD: &str = "update sums set v = v + 1 returning v";
const TOKEN: &str = "insert into done values ($1) on conflict do nothing";

/// A connection beside the ones that are tested, as soon as the server is there.
async fn admin() -> PgConnection {
    use sqlx_0_9::Connection as _;
    let url = given("PG_URL");
    persevere::retry_async(POLICY, || PgConnection::connect(&url)).await.unwrap()
}

async fn fresh_tables() {
    let sql = "drop table if exists ops, sums, done; create table ops (op bigint not null); \
               create table sums (v bigint not null); insert into sums values (0); \
               create table done (token bigint primary key)";
    admin().await.execute(sql).await.unwrap();
}

/// How often each operation was applied, and the counter.
async fn applied() -> (BTreeMap<i64, usize>, i64) {
    let mut admin = admin().await;
    let ops: Vec<i64> = sqlx_0_9::query_scalar("select op from ops").fetch_all(&mut admin).await.unwrap();
    let sum = sqlx_0_9::query_scalar("select v from sums").fetch_one(&mut admin).await.unwrap();
    let mut counts = BTreeMap::new();
    for op in ops {
        *counts.entry(op).or_default() += 1;
    }
    (counts, sum)
}

mod storms {
    use super::*;

    /// What takes the connections away.
    #[derive(Clone, Copy, Debug)]
    enum Storm {
        Immediate,
        Fast,
        /// Backends are ended by the administrator's word.
        Terminate,
        /// A process of the server is killed, so the server ends all of them.
        Crash,
    }

    impl Storm {
        fn rage(self) {
            let pause = |millis| std::thread::sleep(Duration::from_millis(millis));
            for _ in 0..2 {
                pause(200);
                match self {
                    Self::Immediate | Self::Fast => {
                        let mode = if matches!(self, Self::Fast) { "fast" } else { "immediate" };
                        control(&["pg", "stop", mode]);
                        pause(50);
                        control(&["pg", "start"]);
                    }
                    Self::Terminate => {
                        for _ in 0..10 {
                            control(&["pg", "terminate"]);
                            pause(20);
                        }
                    }
                    Self::Crash => {
                        control(&["pg", "crash"]);
                        pause(300);
                    }
                }
            }
            pause(200);
        }
    }

    /// How often each storm is run: `STORMS`, or three times.
    fn runs() -> usize {
        std::env::var("STORMS").map_or(3, |runs| runs.parse().unwrap())
    }

    async fn over(storm: Storm, client: Client, with_token: bool) {
        fresh_tables().await;
        let pool = Pool::new(client, &given("PG_URL"), 8);
        let (stop, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (pool, stop, next) = (pool.clone(), stop.clone(), next.clone());
            tasks.spawn(async move {
                let mut outcomes = Vec::new();
                while !stop.load(Relaxed) {
                    let op = next.fetch_add(1, Relaxed);
                    outcomes.push((op, if with_token { pool.add_once(op).await } else { pool.add(op).await }));
                }
                outcomes
            });
        }
        tokio::task::spawn_blocking(move || storm.rage()).await.unwrap();
        stop.store(true, Relaxed);
        let outcomes: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
        drop(pool);

        let (counts, sum) = applied().await;
        let count = |op| counts.get(op).copied().unwrap_or(0);
        let (mut acknowledged, mut ambiguous, mut of_them_applied) = (0, 0, 0);
        for (op, outcome) in &outcomes {
            match outcome {
                Ok(_) => {
                    acknowledged += 1;
                    assert_eq!(count(op), 1, "{storm:?}, {client:?}: {op} was acknowledged");
                }
                Err(failed) if failed.is_ambiguous() => {
                    ambiguous += 1;
                    of_them_applied += count(op);
                    assert!(count(op) <= 1, "{storm:?}, {client:?}: {op} is applied twice");
                }
                Err(failed) => panic!("{storm:?}, {client:?}: {op} is applied {} times: {failed:?}", count(op)),
            }
        }
        println!(
            "{storm:?}, {client:?}, token {with_token}: {acknowledged} acknowledged, \
             {ambiguous} ambiguous, {of_them_applied} of them applied"
        );
        let all: usize = counts.values().sum();
        assert_eq!(all, acknowledged + of_them_applied, "{storm:?}, {client:?}");
        assert_eq!(sum, i64::try_from(all).unwrap(), "{storm:?}, {client:?}");
        assert!(acknowledged > 8, "{storm:?}, {client:?}");
        assert!(!with_token || ambiguous == 0, "{storm:?}, {client:?}: a token leaves nothing open");
    }

    macro_rules! storms {
        ($($test:ident: $storm:ident, $client:ident, $with_token:literal;)*) => {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let _turn = turn().await;
                for _ in 0..runs() {
                    over(Storm::$storm, Client::$client, $with_token).await;
                }
            }
        )*};
    }

    storms! {
        over_immediate_restarts_each_is_applied_once_by_sqlx: Immediate, Sqlx, false;
        over_immediate_restarts_each_is_applied_once_by_tokio_postgres: Immediate, TokioPostgres, false;
        over_fast_restarts_each_is_applied_once_by_sqlx: Fast, Sqlx, false;
        over_fast_restarts_each_is_applied_once_by_tokio_postgres: Fast, TokioPostgres, false;
        over_ended_backends_each_is_applied_once_by_sqlx: Terminate, Sqlx, false;
        over_ended_backends_each_is_applied_once_by_tokio_postgres: Terminate, TokioPostgres, false;
        over_crashes_each_is_applied_once_by_sqlx: Crash, Sqlx, false;
        over_crashes_each_is_applied_once_by_tokio_postgres: Crash, TokioPostgres, false;
        over_ended_backends_a_token_leaves_nothing_open_by_sqlx: Terminate, Sqlx, true;
        over_ended_backends_a_token_leaves_nothing_open_by_tokio_postgres: Terminate, TokioPostgres, true;
        over_immediate_restarts_a_token_leaves_nothing_open_by_sqlx: Immediate, Sqlx, true;
        over_immediate_restarts_a_token_leaves_nothing_open_by_tokio_postgres: Immediate, TokioPostgres, true;
    }
}

#[track_caller]
fn is_ambiguous<T: Debug>(outcome: &Outcome<T>) -> bool {
    outcome.as_ref().is_err_and(Failed::is_ambiguous)
}

#[tokio::test]
async fn a_commit_that_is_lost_is_never_applied_twice() {
    let _turn = turn().await;
    let url = given("PG_URL");
    for client in [Client::Sqlx, Client::TokioPostgres] {
        for lost in [Lost::Request, Lost::Answer] {
            fresh_tables().await;
            let proxy = LosesCommit::new(address(&url), lost, 1).await;
            let outcome = Pool::new(client, &at(&url, proxy.address), 2).add(1).await;
            assert!(is_ambiguous(&outcome), "{client:?}, {lost:?}: {outcome:?}");
            let rows = i64::from(lost == Lost::Answer);
            assert_eq!(applied().await.1, rows, "{client:?}, {lost:?}");

            fresh_tables().await;
            let proxy = LosesCommit::new(address(&url), lost, 3).await;
            let outcome = Pool::new(client, &at(&url, proxy.address), 2).add_once(1).await;
            assert!(matches!(outcome, Ok(1)), "{client:?}, {lost:?}: {outcome:?}");
            assert_eq!(applied().await, (BTreeMap::from([(1, 1)]), 1), "{client:?}, {lost:?}");
            // Once it is applied, no further COMMIT is sent.
            assert_eq!(proxy.left(), if lost == Lost::Answer { 2 } else { 0 }, "{client:?}, {lost:?}");
        }
    }
}

/// Shows that the tests above can fail: the policy's default takes a lost answer for any other lost connection.
#[tokio::test]
async fn without_the_macro_a_lost_answer_applies_it_twice() {
    let _turn = turn().await;
    fresh_tables().await;
    let url = given("PG_URL");
    let proxy = LosesCommit::new(address(&url), Lost::Answer, 1).await;
    let pool = PgPoolOptions::new().connect_lazy(&at(&url, proxy.address)).unwrap();
    let careless = persevere::retry_async!(POLICY, -> Result<(), sqlx_0_9::Error> {
        let mut tx = pool.begin().await?;
        sqlx_0_9::query("insert into ops values (1)").execute(&mut *tx).await?;
        tx.commit().await
    });
    careless.unwrap();
    assert_eq!(applied().await.0, BTreeMap::from([(1, 2)]));
}

#[tokio::test]
async fn a_token_of_an_earlier_call_applies_nothing() {
    let _turn = turn().await;
    for client in [Client::Sqlx, Client::TokioPostgres] {
        fresh_tables().await;
        let pool = Pool::new(client, &given("PG_URL"), 2);
        assert!(matches!(pool.add_once(1).await, Ok(1)));
        let outcome = pool.add_once(1).await;
        assert!(matches!(outcome, Err(Failed::AlreadyApplied)), "{outcome:?}");
        assert_eq!(applied().await.1, 1);
    }
}

/// Two transactions that read first conflict, at COMMIT as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_conflict_are_repeated_until_each_is_applied() {
    let _turn = turn().await;
    for client in [Client::Sqlx, Client::TokioPostgres] {
        fresh_tables().await;
        let pool = Pool::new(client, &given("PG_URL"), 8);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let pool = pool.clone();
            tasks.spawn(async move {
                for _ in 0..10 {
                    add_serializably(&pool).await.unwrap();
                }
            });
        }
        tasks.join_all().await;
        assert_eq!(applied().await.1, 80, "{client:?}");
    }
}

async fn add_serializably(pool: &Pool) -> Outcome<()> {
    const SERIALIZABLE: &str = "set transaction isolation level serializable";
    match pool {
        Pool::Sqlx(pool) => transaction!(POLICY, pool.begin(), -> Result<(), AnyError> |tx| {
            tx.execute(SERIALIZABLE).await?;
            let v: i64 = sqlx_0_9::query_scalar("select v from sums").fetch_one(&mut **tx).await?;
            sqlx_0_9::query("update sums set v = $1").bind(v + 1).execute(&mut **tx).await?;
            Ok(())
        }),
        Pool::Deadpool(pool) => transaction!(
            POLICY, let mut client = pool.get(), client.transaction(), -> Result<(), AnyError> |tx| {
                tx.batch_execute(SERIALIZABLE).await?;
                let v: i64 = tx.query_one("select v from sums", &[]).await?.get(0);
                tx.execute("update sums set v = $1", &[&(v + 1)]).await?;
                Ok(())
            }
        ),
    }
}

/// PostgreSQL answers ROLLBACK to the COMMIT of a failed transaction, and no client passes that on.
#[tokio::test]
async fn an_error_that_the_body_swallowed_is_found_by_a_statement_before_commit() {
    let _turn = turn().await;
    let url = given("PG_URL");
    for asks in [false, true] {
        for client in [Client::Sqlx, Client::TokioPostgres] {
            fresh_tables().await;
            let outcome: Outcome<()> = match Pool::new(client, &url, 1) {
                Pool::Sqlx(pool) => transaction!(POLICY, pool.begin(), -> Result<(), AnyError> |tx| {
                    tx.execute("insert into ops values (1)").await?;
                    let _ = tx.execute("select 1 / 0").await;
                    if asks {
                        tx.execute("select 1").await?;
                    }
                    Ok(())
                }),
                Pool::Deadpool(pool) => transaction!(
                    POLICY, let mut client = pool.get(), client.transaction(), -> Result<(), AnyError> |tx| {
                        tx.batch_execute("insert into ops values (1)").await?;
                        let _ = tx.batch_execute("select 1 / 0").await;
                        if asks {
                            tx.batch_execute("select 1").await?;
                        }
                        Ok(())
                    }
                ),
            };
            assert_eq!(applied().await.0, BTreeMap::new());
            if asks {
                assert!(matches!(outcome, Err(Failed::NotApplied(_))), "{client:?}: {outcome:?}");
            } else {
                assert!(outcome.is_ok(), "{client:?}: the client says that it is applied");
            }
        }
    }
}

/// sqlx rolls back a dropped transaction only when its connection is used next, unless a pool does so.
#[tokio::test]
async fn a_body_that_failed_keeps_no_lock_over_the_wait() {
    use sqlx_0_9::Connection as _;
    let _turn = turn().await;
    fresh_tables().await;
    let (mut connection, mut other) = (admin().await, admin().await);
    let mut calls = 0;
    let policy = Policy::new().waits([Duration::from_millis(200)]);
    let ours = async {
        transaction!(policy, connection.begin(), -> Result<(), sqlx_0_9::Error> |tx| {
            calls += 1;
            tx.execute("update sums set v = v + 1").await?;
            // An error that is not the server's, which would have released the locks.
            if calls == 1 {
                return Err(sqlx_0_9::Error::PoolTimedOut);
            }
            Ok(())
        })
    };
    let theirs = async {
        tokio::time::sleep(Duration::from_millis(120)).await;
        other.execute("set lock_timeout = 20; update sums set v = v + 1").await
    };
    let (ours, theirs) = tokio::join!(ours, theirs);
    assert!(ours.is_ok() && theirs.is_ok(), "{ours:?}, {theirs:?}");
    assert_eq!((calls, applied().await.1), (2, 2));
}

/// A COMMIT that a deadline cuts is as open as one whose answer is lost.
#[tokio::test]
async fn a_deadline_that_cuts_the_commit_is_ambiguous() {
    let _turn = turn().await;
    fresh_tables().await;
    let url = given("PG_URL");
    let pool = PgPoolOptions::new().connect_lazy(&url).unwrap();
    // A constraint that is checked at COMMIT, and waits for another transaction.
    let prepared = "drop table if exists slow; create table slow (a int unique deferrable initially deferred)";
    let mut admin = admin().await;
    admin.execute(prepared).await.unwrap();
    admin.execute("begin; insert into slow values (1)").await.unwrap();
    let policy = Policy::new().deadline(Duration::from_millis(200));
    let started = std::time::Instant::now();
    let outcome = transaction!(policy, pool.begin(), -> Result<(), sqlx_0_9::Error> |tx| {
        tx.execute("insert into slow values (1)").await?;
        Ok(())
    });
    assert!(started.elapsed() < Duration::from_millis(400), "{:?}", started.elapsed());
    assert!(outcome.as_ref().is_err_and(Failed::is_ambiguous), "{outcome:?}");
    admin.execute("commit").await.unwrap();
    // The pool's connection is broken off in COMMIT, so the table goes once the server has noticed.
    pool.close().await;
}
