//! PostgreSQL and PgBouncer, by tokio-postgres and both versions of sqlx, with and without a pool.

use std::error::Error;
use std::time::Duration;

use persevere::{Fault, Reached, Retryable, TimedOut};
use tests_servers::{
    Full, PERMANENT, Peer, Proxy, address, assert_verdict, at, control, err, given, nobody, peer, turn, unknown,
    unsent, until, with,
};

/// A connection, whatever crate it is of.
trait Client: Sized + Send {
    type Error: Retryable + Error + Send + Sync + 'static;

    async fn connect(url: &str) -> Result<Self, Self::Error>;

    /// Sends statements as they are.
    fn run(&mut self, sql: &str) -> impl Future<Output = Result<(), Self::Error>>;

    /// Prepares a statement, and runs it.
    fn fetch(&mut self, sql: &str) -> impl Future<Output = Result<(), Self::Error>>;
}

struct TokioPostgres(tokio_postgres::Client);

impl Client for TokioPostgres {
    type Error = tokio_postgres::Error;

    async fn connect(url: &str) -> Result<Self, Self::Error> {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok(Self(client))
    }

    async fn run(&mut self, sql: &str) -> Result<(), Self::Error> {
        self.0.batch_execute(sql).await
    }

    async fn fetch(&mut self, sql: &str) -> Result<(), Self::Error> {
        self.0.query(sql, &[]).await.map(drop)
    }
}

macro_rules! of_sqlx {
    ($name:ident, $sqlx:ident, $text:expr) => {
        struct $name($sqlx::PgConnection);

        impl Client for $name {
            type Error = $sqlx::Error;

            async fn connect(url: &str) -> Result<Self, Self::Error> {
                use $sqlx::Connection as _;
                $sqlx::PgConnection::connect(url).await.map(Self)
            }

            async fn run(&mut self, sql: &str) -> Result<(), Self::Error> {
                use $sqlx::Executor as _;
                self.0.execute($sqlx::raw_sql($text(sql))).await.map(drop)
            }

            async fn fetch(&mut self, sql: &str) -> Result<(), Self::Error> {
                $sqlx::query($text(sql)).fetch_all(&mut self.0).await.map(drop)
            }
        }
    };
}

of_sqlx!(Sqlx08, sqlx_0_8, |sql| sql);
of_sqlx!(Sqlx09, sqlx_0_9, |sql: &str| sqlx_0_9::AssertSqlSafe(sql.to_owned()));

/// A test for each client.
macro_rules! for_each_client {
    ($($test:ident),* $(,)?) => {$(
        mod $test {
            #[tokio::test]
            async fn tokio_postgres() {
                let _turn = tests_servers::turn().await;
                super::scenarios::$test::<super::TokioPostgres>().await;
            }

            #[tokio::test]
            async fn sqlx_0_8() {
                let _turn = tests_servers::turn().await;
                super::scenarios::$test::<super::Sqlx08>().await;
            }

            #[tokio::test]
            async fn sqlx_0_9() {
                let _turn = tests_servers::turn().await;
                super::scenarios::$test::<super::Sqlx09>().await;
            }
        }
    )*};
}

for_each_client!(
    a_serialization_failure_is_transient_and_took_no_effect,
    a_serialization_failure_at_commit_took_no_effect,
    a_deadlock_took_no_effect,
    a_lock_that_is_not_to_be_had_is_transient,
    a_canceled_statement_is_a_timeout,
    a_standby_refuses_writes,
    a_standby_that_must_go_on_took_no_effect,
    a_server_that_shuts_down_accepts_nobody,
    a_prepared_statement_of_another_client_is_permanent,
    a_server_that_accepts_nobody_yet_is_a_connect_fault,
    too_many_connections_are_a_throttle,
    a_terminated_backend_may_have_committed,
    a_server_that_left_an_idle_connection_is_a_read_fault,
    what_the_client_got_wrong_is_permanent,
    a_violation_at_commit_is_permanent,
    a_restart_is_transient,
    a_connection_that_breaks_is_transient,
    a_refused_connect_never_reached_the_server,
    a_handshake_that_breaks_never_reached_the_server_if_the_caller_says_so,
    pgbouncer_says_what_happened_by_text_alone,
    a_crash_is_transient,
);

async fn client<C: Client>(url: &str) -> C {
    C::connect(&given(url)).await.unwrap()
}

async fn ran<C: Client>(client: &mut C, sql: &str) {
    client.run(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

mod scenarios {
    use super::*;

    pub async fn a_serialization_failure_is_transient_and_took_no_effect<C: Client>() {
        let (mut one, mut other) = (client::<C>("PG_URL").await, client::<C>("PG_URL").await);
        ran(&mut one, "begin isolation level repeatable read; select v from counter where id = 1").await;
        ran(&mut other, "update counter set v = v + 1 where id = 1").await;
        let error = err("update", one.fetch("update counter set v = v + 1 where id = 1").await);
        assert_verdict("concurrent update", error, unsent(Fault::Status));
    }

    pub async fn a_serialization_failure_at_commit_took_no_effect<C: Client>() {
        let (mut one, mut other) = (client::<C>("PG_URL").await, client::<C>("PG_URL").await);
        for client in [&mut one, &mut other] {
            ran(client, "begin isolation level serializable; select sum(v) from counter").await;
        }
        ran(&mut one, "update counter set v = v + 1 where id = 1").await;
        ran(&mut other, "update counter set v = v + 1 where id = 2").await;
        ran(&mut one, "commit").await;
        assert_verdict("pivot", err("commit", other.run("commit").await), unsent(Fault::Status));
    }

    pub async fn a_deadlock_took_no_effect<C: Client>() {
        let (mut one, mut other) = (client::<C>("PG_URL").await, client::<C>("PG_URL").await);
        ran(&mut one, "set deadlock_timeout = '50ms'; begin; update counter set v = v + 1 where id = 1").await;
        ran(&mut other, "set deadlock_timeout = '50ms'; begin; update counter set v = v + 1 where id = 2").await;
        let (first, second) = tokio::join!(
            async {
                let result = one.fetch("update counter set v = v + 1 where id = 2").await;
                let _ = one.run("rollback").await;
                result
            },
            async {
                let result = other.fetch("update counter set v = v + 1 where id = 1").await;
                let _ = other.run("rollback").await;
                result
            },
        );
        let error = first.err().or(second.err()).expect("one of them is chosen");
        assert_verdict("deadlock", error, unsent(Fault::Status));
    }

    pub async fn a_lock_that_is_not_to_be_had_is_transient<C: Client>() {
        let (mut one, mut other) = (client::<C>("PG_URL").await, client::<C>("PG_URL").await);
        ran(&mut one, "begin; select * from counter where id = 1 for update").await;
        let error = err("nowait", other.fetch("select * from counter where id = 1 for update nowait").await);
        assert_verdict("nowait", error, unsent(Fault::Status));
        ran(&mut other, "set lock_timeout = '20ms'").await;
        let error = err("lock_timeout", other.fetch("update counter set v = 0 where id = 1").await);
        assert_verdict("lock_timeout", error, unsent(Fault::Status));

        let _busy = C::connect(&with(&given("PG_URL"), "/postgres", "/busy")).await.unwrap();
        assert_verdict("in use", err("drop", other.run("drop database busy").await), unsent(Fault::Status));
    }

    pub async fn a_canceled_statement_is_a_timeout<C: Client>() {
        let (mut one, mut other) = (client::<C>("PG_URL").await, client::<C>("PG_URL").await);
        ran(&mut one, "set statement_timeout = '20ms'").await;
        let error = err("statement_timeout", one.fetch("select pg_sleep(5)").await);
        assert_verdict("statement_timeout", error, unsent(Fault::Timeout));
        ran(&mut one, "set statement_timeout = 0; set application_name = 'canceled'").await;
        let (result, ()) = tokio::join!(one.fetch("select pg_sleep(5)"), end_sleepers(&mut other, "pg_cancel_backend"));
        assert_verdict("cancel", err("cancel", result), unsent(Fault::Timeout));
    }

    /// Ends every backend that sleeps.
    async fn end_sleepers<C: Client>(client: &mut C, how: &str) {
        let sql = format!(
            "select 1 / count({how}(pid)) from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'"
        );
        until("a sleeper", async || client.fetch(&sql).await.is_ok()).await;
    }

    pub async fn a_standby_refuses_writes<C: Client>() {
        let mut standby = client::<C>("PG_STANDBY_URL").await;
        let error = err("write", standby.fetch("update counter set v = 0").await);
        assert_verdict("standby", error, unsent(Fault::Status));
    }

    /// The primary removes rows that a query on the standby may still see.
    pub async fn a_standby_that_must_go_on_took_no_effect<C: Client>() {
        let (mut primary, mut standby) = (client::<C>("PG_URL").await, client::<C>("PG_STANDBY_URL").await);
        ran(&mut primary, "drop table if exists seen; create table seen (a int); insert into seen values (1)").await;
        until("the table on the standby", async || standby.fetch("select 1 / count(*) from seen").await.is_ok()).await;
        ran(&mut standby, "begin isolation level repeatable read; select * from seen").await;
        let (result, ()) = tokio::join!(standby.fetch("select pg_sleep(20)"), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            ran(&mut primary, "delete from seen").await;
            ran(&mut primary, "vacuum seen").await;
        });
        assert_verdict("conflict with recovery", err("conflict", result), unsent(Fault::Status));
    }

    pub async fn a_server_that_shuts_down_accepts_nobody<C: Client>() {
        let _last = client::<C>("PG_URL").await;
        control(&["pg", "close"]);
        let mut seen = None;
        until("a refusal", async || {
            seen = C::connect(&given("PG_URL")).await.err();
            seen.is_some()
        })
        .await;
        control(&["pg", "stop", "fast"]);
        control(&["pg", "start"]);
        assert_verdict("shutting down", seen.unwrap(), unsent(Fault::Connect));
    }

    /// Behind PgBouncer two clients share a connection, and sqlx gives their statements the same names.
    pub async fn a_prepared_statement_of_another_client_is_permanent<C: Client>() {
        let url = given("PGBOUNCER_URL");
        let (mut one, mut other) = (C::connect(&url).await.unwrap(), C::connect(&url).await.unwrap());
        ran(&mut one, "prepare mine as select 1").await;
        let error = err("prepare", other.run("prepare mine as select 1").await);
        ran(&mut other, "deallocate all").await;
        assert_verdict("42P05", error, PERMANENT);
    }

    pub async fn a_server_that_accepts_nobody_yet_is_a_connect_fault<C: Client>() {
        let error = err("connect", C::connect(&given("PG_REFUSING_URL")).await);
        assert_verdict("not yet accepting", error, unsent(Fault::Connect));
    }

    pub async fn too_many_connections_are_a_throttle<C: Client>() {
        let url = with(&given("PG_URL"), "postgres@", "lim@");
        let mut first = None;
        until("the one before to go", async || {
            first = C::connect(&url).await.ok();
            first.is_some()
        })
        .await;
        assert_verdict("role's limit", err("connect", C::connect(&url).await), unsent(Fault::Throttle));
        // The server's own limit is 60, less three that are kept for superusers.
        let url = with(&given("PG_URL"), "postgres@", "plain@");
        let mut all = Vec::new();
        let error = loop {
            match C::connect(&url).await {
                Ok(client) => all.push(client),
                Err(error) => break error,
            }
            assert!(all.len() < 100);
        };
        assert_verdict("server's limit", error, unsent(Fault::Throttle));
        drop(all);
        let mut client = client::<C>("PG_URL").await;
        let gone =
            "select 1 / (case when count(*) < 10 then 1 else 0 end) from pg_stat_activity where usename = 'plain'";
        until("the others to go", async || client.fetch(gone).await.is_ok()).await;
    }

    pub async fn a_terminated_backend_may_have_committed<C: Client>() {
        let (mut one, mut other) = (client::<C>("PG_URL").await, client::<C>("PG_URL").await);
        let (result, ()) =
            tokio::join!(one.fetch("select pg_sleep(5)"), end_sleepers(&mut other, "pg_terminate_backend"));
        assert_verdict("terminated in a query", err("terminated", result), unknown(Fault::Read));

        let mut idle = client::<C>("PG_URL").await;
        ran(&mut idle, "set application_name = 'idler'").await;
        ran(&mut other, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'idler'")
            .await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let error = err("idle", idle.fetch("select 1").await);
        assert_verdict("terminated before a query", error, unknown(Fault::Read));
        let error = err("again", idle.fetch("select 1").await);
        assert_verdict("used once more", error, unknown(Fault::Read));
    }

    pub async fn a_server_that_left_an_idle_connection_is_a_read_fault<C: Client>() {
        for (what, setting) in [
            ("57P05", "set idle_session_timeout = '30ms'"),
            ("25P03", "set idle_in_transaction_session_timeout = '30ms'; begin"),
        ] {
            let mut client = client::<C>("PG_URL").await;
            ran(&mut client, setting).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            let error = err(what, client.fetch("select 1").await);
            // tokio-postgres keeps the server's word for the connection's own task.
            let expected =
                if error.to_string() == "connection closed" { unknown(Fault::Read) } else { unsent(Fault::Read) };
            assert_verdict(what, error, expected);
        }
    }

    pub async fn what_the_client_got_wrong_is_permanent<C: Client>() {
        let mut client = client::<C>("PG_URL").await;
        for sql in [
            "insert into counter values (1, 0)",
            "selec 1",
            "select * from nowhere",
            "select 1 / 0",
            // The server's own 08P01 names a routine, whatever its text.
            "do $$ begin raise exception 'query_wait_timeout' using errcode = '08P01'; end $$",
        ] {
            assert_verdict(sql, err(sql, client.fetch(sql).await), PERMANENT);
        }
        ran(&mut client, "begin").await;
        let _ = client.run("select 1 / 0").await;
        let error = err("25P02", client.fetch("select 1").await);
        assert_verdict("in a failed transaction", error, PERMANENT);
        ran(&mut client, "rollback; create table planned (a int); prepare p as select * from planned").await;
        ran(&mut client, "execute p; alter table planned add b int").await;
        let error = err("cached plan", client.run("execute p").await);
        ran(&mut client, "drop table planned").await;
        assert_verdict("cached plan", error, PERMANENT);

        let url = given("PG_URL");
        for (what, from, to) in [
            ("wrong password", "postgres@", "locked:wrong@"),
            ("rejected", "postgres@", "rejected@"),
            ("no such database", "/postgres", "/nowhere"),
            ("no such role", "postgres@", "nobody@"),
        ] {
            let error = err(what, C::connect(&with(&url, from, to)).await);
            assert_verdict(what, error, PERMANENT);
        }
    }

    pub async fn a_violation_at_commit_is_permanent<C: Client>() {
        let mut client = client::<C>("PG_URL").await;
        ran(&mut client, "begin; insert into child values (7)").await;
        assert_verdict("commit", err("commit", client.run("commit").await), PERMANENT);
        let error = err("alone", client.fetch("insert into child values (7)").await);
        assert_verdict("statement alone", error, PERMANENT);
    }

    pub async fn a_restart_is_transient<C: Client>() {
        for mode in ["fast", "immediate"] {
            let (mut idle, mut busy) = (client::<C>("PG_URL").await, client::<C>("PG_URL").await);
            let mut watching = client::<C>("PG_URL").await;
            let sleeps =
                "select 1 / count(*) from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'";
            let (result, ()) = tokio::join!(busy.fetch("select pg_sleep(20)"), async {
                until("a sleeper", async || watching.fetch(sleeps).await.is_ok()).await;
                tokio::task::spawn_blocking(move || control(&["pg", "stop", mode])).await.unwrap();
            });
            assert_verdict(&format!("stop {mode}, in a query"), err("stop", result), unknown(Fault::Read));
            let error = err("idle", idle.fetch("select 1").await);
            assert_verdict(&format!("stop {mode}, before a query"), error, unknown(Fault::Read));
            let error = err("down", C::connect(&given("PG_URL")).await);
            assert_verdict("server down", error, unsent(Fault::Connect));
            control(&["pg", "start"]);
        }
    }

    pub async fn a_connection_that_breaks_is_transient<C: Client>() {
        let url = given("PG_URL");
        let proxy = Proxy::new(address(&url)).await;
        let mut client = C::connect(&at(&url, proxy.address)).await.unwrap();
        let (result, ()) = tokio::join!(client.fetch("select pg_sleep(1)"), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            proxy.break_all(Peer::Resets);
        });
        assert_verdict("reset in a query", err("reset", result), unknown(Fault::Read));
    }

    pub async fn a_refused_connect_never_reached_the_server<C: Client>() {
        let url = given("PG_URL");
        let error = err("refused", C::connect(&at(&url, nobody().await)).await);
        assert_verdict("refused", error, unsent(Fault::Connect));
        let host = with(&url, "127.0.0.1", "no-such-host.invalid");
        let error = err("lookup", C::connect(&host).await);
        assert_verdict("no such host", error, unsent(Fault::Connect));
    }

    pub async fn a_handshake_that_breaks_never_reached_the_server_if_the_caller_says_so<C: Client>() {
        let url = given("PG_URL");
        let beginning: &'static [u8] = b"R\0\0\0\x08\0\0";
        for how in [Peer::Closes, Peer::Resets, Peer::AnswersInPart(beginning)] {
            let error = err("handshake", C::connect(&at(&url, peer(how).await)).await);
            let verdict = error.verdict();
            assert!(verdict.is_transient(), "{how:?}: {error:?}");
            assert_eq!(verdict.connecting(), unsent(Fault::Connect), "{how:?}: {error:?}");
            assert_verdict(&format!("{how:?}"), error, verdict);
        }
    }

    pub async fn pgbouncer_says_what_happened_by_text_alone<C: Client>() {
        let url = given("PGBOUNCER_URL");
        let error = err("database", C::connect(&with(&url, "/postgres", "/nowhere")).await);
        assert_verdict("no such database", error, PERMANENT);
        // The first to come waits until the queue's own limit, the next is told of the server.
        let down = with(&url, "/postgres", "/down");
        let error = err("down", C::connect(&down).await);
        assert_verdict("server down, first", error, unsent(Fault::Throttle));
        let error = err("down", C::connect(&down).await);
        let verdict = error.verdict();
        assert_eq!((verdict.is_transient(), verdict.reached()), (true, Reached::No), "{error:?}");
        assert_verdict("server down, then", error, verdict);

        let (mut one, mut other) = (C::connect(&url).await.unwrap(), C::connect(&url).await.unwrap());
        ran(&mut one, "begin").await;
        let error = err("queue", other.run("select 1").await);
        assert_verdict("waited in the queue", error, unsent(Fault::Throttle));
        ran(&mut one, "rollback").await;

        let mut all = Vec::new();
        let error = loop {
            match C::connect(&url).await {
                Ok(client) => all.push(client),
                Err(error) => break error,
            }
            assert!(all.len() < 10);
        };
        assert_verdict("too many clients", error, unsent(Fault::Throttle));
        drop(all);

        // A terminated backend's own word is passed on.
        let mut direct = client::<C>("PG_URL").await;
        let (result, ()) =
            tokio::join!(one.run("select pg_sleep(5)"), end_sleepers(&mut direct, "pg_terminate_backend"));
        assert_verdict("terminated behind it", err("terminated", result), unknown(Fault::Read));
    }

    pub async fn a_crash_is_transient<C: Client>() {
        let (mut direct, mut watching) = (client::<C>("PG_URL").await, client::<C>("PG_URL").await);
        let mut pooled = client::<C>("PGBOUNCER_URL").await;
        let sleeps = |count: u8| {
            format!(
                "select 1 / (case when count(*) = {count} then 1 else 0 end) from pg_stat_activity \
                 where query like 'select pg_sleep%' and state = 'active'"
            )
        };
        let (first, second, ()) =
            tokio::join!(direct.run("select pg_sleep(20)"), pooled.run("select pg_sleep(20)"), async {
                until("two sleepers", async || watching.fetch(&sleeps(2)).await.is_ok()).await;
                control(&["pg", "crash"]);
            });
        assert_verdict("crashed", err("crashed", first), unknown(Fault::Read));
        assert_verdict("crashed behind PgBouncer", err("crashed", second), unknown(Fault::Read));
        until("the server to be back", async || C::connect(&given("PG_URL")).await.is_ok()).await;
    }
}

/// These do not depend on the client's crate, or have none in the other crates.
mod tokio_postgres_alone {
    use super::*;

    #[tokio::test]
    async fn a_connect_timeout_never_reached_the_server() {
        let full = Full::new();
        let url = format!("{}?connect_timeout=1", at(&given("PG_URL"), full.address));
        let error = err("timeout", TokioPostgres::connect(&url).await);
        assert_verdict("connect_timeout", error, unsent(Fault::Connect));
    }

    #[tokio::test]
    async fn a_host_with_the_wrong_role_is_a_connect_fault() {
        let _turn = turn().await;
        let url = format!("{}?target_session_attrs=read-write", given("PG_STANDBY_URL"));
        let error = err("only a standby", TokioPostgres::connect(&url).await);
        assert_verdict("only a standby", error, unsent(Fault::Connect));
    }

    #[tokio::test]
    async fn a_socket_that_is_not_there_is_a_connect_fault() {
        let error = err("no socket", TokioPostgres::connect("host=/no/such/folder user=postgres").await);
        assert_verdict("no socket", error, unsent(Fault::Connect));
    }

    #[tokio::test]
    async fn a_handshake_cut_within_a_message_is_a_connect_fault_without_the_callers_word() {
        let address = peer(Peer::AnswersInPart(b"R\0\0\0\x08\0\0")).await;
        let error = err("cut", TokioPostgres::connect(&at(&given("PG_URL"), address)).await);
        assert_verdict("cut", error, unsent(Fault::Connect));
    }

    #[tokio::test]
    async fn an_unsupported_startup_parameter_is_permanent() {
        let _turn = turn().await;
        let url = format!("{}?options=-c%20work_mem%3D1MB", given("PGBOUNCER_URL"));
        assert_verdict("parameter", err("parameter", TokioPostgres::connect(&url).await), PERMANENT);
    }

    #[tokio::test]
    async fn a_row_that_is_not_there_and_a_url_that_is_none_are_permanent() {
        let _turn = turn().await;
        let client = client::<TokioPostgres>("PG_URL").await.0;
        assert_verdict("no row", err("no row", client.query_one("select 1 where false", &[]).await), PERMANENT);
        let row = client.query_one("select 'text'", &[]).await.unwrap();
        assert_verdict("type", err("type", row.try_get::<_, i32>(0)), PERMANENT);
        assert_verdict("url", err("url", TokioPostgres::connect("nothing").await), PERMANENT);
    }
}

mod pools {
    use super::*;
    use deadpool_postgres::{Manager, Pool, PoolError, Runtime, TimeoutType};

    pub fn pool(url: &str, millis: u64) -> Pool {
        let manager = Manager::new(url.parse().unwrap(), tokio_postgres::NoTls);
        let limit = Some(Duration::from_millis(millis));
        let builder = Pool::builder(manager).max_size(1).runtime(Runtime::Tokio1);
        builder.wait_timeout(limit).create_timeout(limit).recycle_timeout(limit).build().unwrap()
    }

    #[tokio::test]
    async fn deadpools_errors_are_decided_by_what_failed() {
        let _turn = turn().await;
        let url = given("PG_URL");
        let full = pool(&url, 2000);
        let _only = full.get().await.unwrap();
        assert_verdict("in full use", err("wait", full.get().await), unsent(Fault::Throttle));
        let silent = at(&url, peer(Peer::Silent).await);
        assert_verdict("silent", err("create", pool(&silent, 300).get().await), unsent(Fault::Connect));
        let refused = at(&url, nobody().await);
        assert_verdict("refused", err("refused", pool(&refused, 2000).get().await), unsent(Fault::Connect));
        let starting = given("PG_REFUSING_URL");
        assert_verdict("starting", err("starting", pool(&starting, 2000).get().await), unsent(Fault::Connect));
        let wrong = with(&url, "postgres@", "locked:wrong@");
        assert_verdict("password", err("password", pool(&wrong, 2000).get().await), PERMANENT);
        full.close();
        assert_verdict("closed", err("closed", full.get().await), PERMANENT);
        let recycle: PoolError = PoolError::Timeout(TimeoutType::Recycle);
        assert_verdict("recycle", recycle, unsent(Fault::Connect));
        let none: PoolError = PoolError::NoRuntimeSpecified;
        assert_verdict("no runtime", none, PERMANENT);
        let hook: PoolError = PoolError::PostCreateHook(deadpool_postgres::HookError::message("no"));
        assert_verdict("hook", hook, PERMANENT);
    }

    /// `?` makes a pool's error of a query's, so a pool's error proves nothing by itself.
    #[tokio::test]
    async fn a_querys_error_that_became_a_pools_error_keeps_its_verdict() {
        let _turn = turn().await;
        let lost = async || -> Result<(), PoolError> {
            let client = pool(&given("PG_URL"), 2000).get().await?;
            client.batch_execute("select pg_terminate_backend(pg_backend_pid())").await?;
            Ok(())
        };
        assert_verdict("deadpool", err("lost", lost().await), unknown(Fault::Read));
        let lost = async || -> Result<(), bb8::RunError<tokio_postgres::Error>> {
            let pool = bb8_pool(&given("PG_URL"), 2000).await;
            let client = pool.get().await?;
            client.batch_execute("select pg_terminate_backend(pg_backend_pid())").await?;
            Ok(())
        };
        assert_verdict("bb8", err("lost", lost().await), unknown(Fault::Read));
    }

    pub type Bb8 = bb8::Pool<bb8_postgres::PostgresConnectionManager<tokio_postgres::NoTls>>;

    pub async fn bb8_pool(url: &str, millis: u64) -> Bb8 {
        let manager = bb8_postgres::PostgresConnectionManager::new_from_stringlike(url, tokio_postgres::NoTls).unwrap();
        let builder = bb8::Pool::builder().max_size(1).connection_timeout(Duration::from_millis(millis));
        builder.build(manager).await.unwrap()
    }

    #[tokio::test]
    async fn bb8_says_timed_out_whatever_kept_it_from_a_connection() {
        let _turn = turn().await;
        let url = given("PG_URL");
        let full = bb8_pool(&url, 2000).await;
        let _only = full.get().await.unwrap();
        assert_verdict("in full use", err("wait", full.get().await), unsent(Fault::Throttle));
        let refused = bb8_pool(&at(&url, nobody().await), 300).await;
        let error = err("refused", refused.get().await);
        assert_verdict("refused", error, unsent(Fault::Throttle));
        let error = err("refused", refused.dedicated_connection().await.map_err(bb8::RunError::User));
        assert_verdict("refused, asked directly", error, unsent(Fault::Connect));
    }

    macro_rules! sqlx_pool {
        ($test:ident, $sqlx:ident) => {
            #[tokio::test]
            async fn $test() {
                use $sqlx::postgres::PgPoolOptions;
                let _turn = turn().await;
                let url = given("PG_URL");
                let within = |url: &str, limit: u64| {
                    let options = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_millis(limit));
                    options.connect_lazy(url).unwrap()
                };
                let pool = |url: &str| within(url, 300);
                let full = within(&url, 1000);
                let only = full.acquire().await.unwrap();
                assert_verdict("in full use", err("wait", full.acquire().await), unsent(Fault::Throttle));
                for (what, url) in [
                    ("refused", at(&url, nobody().await)),
                    ("silent", at(&url, peer(Peer::Silent).await)),
                    ("starting up", given("PG_REFUSING_URL")),
                ] {
                    assert_verdict(what, err(what, pool(&url).acquire().await), unsent(Fault::Throttle));
                }
                // A debug build takes its time to hash the password.
                let wrong = within(&with(&url, "postgres@", "locked:wrong@"), 20_000);
                assert_verdict("password", err("password", wrong.acquire().await), PERMANENT);
                let nowhere = within(&with(&url, "127.0.0.1", "no-such-host.invalid"), 20_000);
                assert_verdict("no such host", err("lookup", nowhere.acquire().await), unsent(Fault::Connect));
                drop(only);
                let error = err("no row", $sqlx::query("select 1 where false").fetch_one(&full).await);
                assert_verdict("no row", error, PERMANENT);
                let error = err("type", $sqlx::query_scalar::<_, i32>("select 'text'").fetch_one(&full).await);
                assert_verdict("type", error, PERMANENT);
                full.close().await;
                assert_verdict("closed", err("closed", full.acquire().await), PERMANENT);
            }
        };
    }

    sqlx_pool!(sqlx_0_8s_pool_says_timed_out_for_a_server_that_is_down, sqlx_0_8);
    sqlx_pool!(sqlx_0_9s_pool_says_timed_out_for_a_server_that_is_down, sqlx_0_9);
}

/// `#[error(transparent)]` hides the type of the error, and leaves its source.
mod what_transparent_leaves {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum StoreError {
        #[error(transparent)]
        TokioPostgres(#[from] tokio_postgres::Error),
        #[error(transparent)]
        Sqlx08(#[from] sqlx_0_8::Error),
        #[error(transparent)]
        Sqlx09(#[from] sqlx_0_9::Error),
    }

    async fn refused<C: Client>() -> Box<dyn Error + Send + Sync>
    where
        StoreError: From<C::Error>,
    {
        let mut standby = client::<C>("PG_STANDBY_URL").await;
        Box::new(StoreError::from(err("standby", standby.run("update counter set v = 0").await)))
    }

    #[tokio::test]
    async fn the_servers_answer_is_found() {
        let _turn = turn().await;
        for error in [refused::<TokioPostgres>().await, refused::<Sqlx08>().await, refused::<Sqlx09>().await] {
            assert_eq!(error.verdict(), unsent(Fault::Status), "{error:?}");
        }
    }
}

mod what_an_entry_point_makes {
    use super::*;
    use persevere::transaction::Failed;
    use persevere::{guard::Breaker, Cut, Policy, Rejected, retry_async};

    fn refusal() -> Rejected {
        let breaker = Breaker::new().min_outcomes(1);
        let now = Duration::from_secs(100);
        breaker.admit(now).unwrap().failed(now);
        breaker.admit(now).unwrap_err()
    }

    #[test]
    fn a_timeout_and_a_refusal_keep_their_verdicts() {
        let timed_out = TimedOut::new(Duration::from_secs(1));
        assert_verdict("timeout", sqlx_0_8::Error::from(timed_out), timed_out.verdict());
        assert_verdict("timeout", sqlx_0_9::Error::from(timed_out), timed_out.verdict());
        assert_verdict("refusal", sqlx_0_8::Error::from(refusal()), refusal().verdict());
        assert_verdict("refusal", sqlx_0_9::Error::from(refusal()), refusal().verdict());
    }

    /// A function that connects by a pool and asks, with `?` on both.
    async fn through_deadpool(url: &str, sql: &str) -> Result<(), Cut<deadpool_postgres::PoolError>> {
        let client = pools::pool(url, 20_000).get().await?;
        client.batch_execute(sql).await?;
        Ok(())
    }

    async fn through_bb8(url: &str, sql: &str) -> Result<(), Cut<bb8::RunError<tokio_postgres::Error>>> {
        let pool = pools::bb8_pool(url, 20_000).await;
        let client = pool.get().await?;
        client.batch_execute(sql).await?;
        Ok(())
    }

    async fn alone(url: &str, sql: &str) -> Result<(), Cut<tokio_postgres::Error>> {
        let mut client = TokioPostgres::connect(url).await?;
        client.run(sql).await?;
        Ok(())
    }

    async fn through_sqlx_0_8(url: &str, sql: &str) -> Result<(), Cut<sqlx_0_8::Error>> {
        Sqlx08::connect(url).await?.run(sql).await?;
        Ok(())
    }

    async fn through_sqlx_0_9(url: &str, sql: &str) -> Result<(), Cut<sqlx_0_9::Error>> {
        Sqlx09::connect(url).await?.run(sql).await?;
        Ok(())
    }

    macro_rules! cut {
        ($($call:ident: $error:ty),* $(,)?) => {$(
            mod $call {
                use super::*;

                #[tokio::test]
                async fn is_cut_at_the_deadline() {
                    let url = at(&given("PG_URL"), peer(Peer::Silent).await);
                    let policy = Policy::new().total(5).deadline(Duration::from_millis(150));
                    let started = std::time::Instant::now();
                    let error = err("silent", retry_async(policy, || super::$call(&url, "select 1")).await);
                    assert!(started.elapsed() < Duration::from_secs(1));
                    assert!(matches!(error, Cut::TimedOut(_)), "{error:?}");
                    assert_verdict("cut", error, unknown(Fault::Timeout));
                    assert_verdict("refused", Cut::<$error>::from(refusal()), refusal().verdict());
                }

                #[tokio::test]
                async fn has_the_verdict_of_the_error_inside() {
                    let _turn = turn().await;
                    let url = given("PG_URL");
                    for (sql, expected) in [
                        ("select 1 / 0", PERMANENT),
                        ("set statement_timeout = 20; select pg_sleep(5)", unsent(Fault::Timeout)),
                        ("select pg_terminate_backend(pg_backend_pid())", unknown(Fault::Read)),
                    ] {
                        assert_verdict(sql, err(sql, super::$call(&url, sql).await), expected);
                    }
                }
            }
        )*};
    }

    cut!(
        alone: tokio_postgres::Error,
        through_deadpool: deadpool_postgres::PoolError,
        through_bb8: bb8::RunError<tokio_postgres::Error>,
        through_sqlx_0_8: sqlx_0_8::Error,
        through_sqlx_0_9: sqlx_0_9::Error,
    );

    #[tokio::test]
    async fn a_transactions_failure_says_in_a_box_whether_it_was_applied() {
        let _turn = turn().await;
        let lost = async || {
            let lost = "select pg_terminate_backend(pg_backend_pid())";
            err("lost", client::<TokioPostgres>("PG_URL").await.run(lost).await)
        };
        assert_verdict("not applied", Failed::NotApplied(lost().await), unsent(Fault::Read));
        assert_verdict("ambiguous", Failed::Ambiguous(lost().await), unknown(Fault::Read));
        let full = sqlx_0_9::Error::PoolTimedOut;
        assert_verdict("not applied, of sqlx", Failed::NotApplied(full), unsent(Fault::Throttle));
    }

    const DEADLINE: Duration = Duration::from_millis(150);
    const POLICY: Policy = Policy::new().total(5);

    #[persevere::retry(policy = POLICY, deadline = DEADLINE)]
    async fn by_the_attribute(url: &str) -> Result<(), sqlx_0_9::Error> {
        Sqlx09::connect(url).await.map(drop)
    }

    #[tokio::test]
    async fn a_silent_server_is_cut_through_every_entry_point() {
        let url = at(&given("PG_URL"), peer(Peer::Silent).await);
        let policy = POLICY.deadline(DEADLINE);
        let started = std::time::Instant::now();
        let function = retry_async(policy, || Sqlx09::connect(&url)).await;
        assert_verdict("function", err("function", function), unknown(Fault::Timeout));
        let older = retry_async(policy, || Sqlx08::connect(&url)).await;
        assert_verdict("sqlx 0.8", err("sqlx 0.8", older), unknown(Fault::Timeout));
        let in_place = retry_async!(policy, Sqlx09::connect(&url).await);
        assert_verdict("macro", err("macro", in_place), unknown(Fault::Timeout));
        assert_verdict("attribute", err("attribute", by_the_attribute(&url).await), unknown(Fault::Timeout));
        let anyhow = retry_async(policy, || async { Ok::<_, anyhow::Error>(Sqlx09::connect(&url).await?) }).await;
        assert_eq!(err("anyhow", anyhow).verdict(), unknown(Fault::Timeout));
        assert!(started.elapsed() < 5 * DEADLINE + Duration::from_millis(200), "{:?}", started.elapsed());
    }
}
