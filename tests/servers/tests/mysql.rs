//! MariaDB, by both versions of sqlx.

use std::time::Duration;

use persevere::{Fault, Retryable};
use tests_servers::{PERMANENT, address, assert_verdict, at, control, err, given, nobody, turn, unknown, unsent, with};

macro_rules! of_sqlx {
    ($module:ident, $sqlx:ident, $text:expr) => {
        mod $module {
            use super::*;
            use $sqlx::{Connection as _, Error, Executor as _, MySqlConnection};

            async fn client() -> MySqlConnection {
                connect(&given("MYSQL_URL")).await.unwrap()
            }

            async fn connect(url: &str) -> Result<MySqlConnection, Error> {
                MySqlConnection::connect(url).await
            }

            async fn run(client: &mut MySqlConnection, sql: &str) -> Result<(), Error> {
                client.execute($sqlx::raw_sql($text(sql))).await.map(drop)
            }

            async fn ran(client: &mut MySqlConnection, sql: &str) {
                run(client, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
            }

            /// Runs `sql` on the connection that sleeps.
            async fn at_the_sleeper(sql: &str) {
                let mut client = client().await;
                for _ in 0..500 {
                    let found = $sqlx::query_scalar::<_, i64>(
                        "select id from information_schema.processlist where info like 'select sleep%' limit 1",
                    );
                    if let Ok(Some(id)) = found.fetch_optional(&mut client).await {
                        return ran(&mut client, &format!("{sql} {id}")).await;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                panic!("nobody sleeps");
            }

            #[tokio::test]
            async fn what_innodb_rolls_back_took_no_effect() {
                let _turn = turn().await;
                let (mut one, mut other) = (client().await, client().await);
                ran(&mut one, "begin; update counter set v = v + 1 where id = 1").await;
                ran(&mut other, "begin; update counter set v = v + 1 where id = 2").await;
                let (first, second) = tokio::join!(
                    async {
                        let result = run(&mut one, "update counter set v = v + 1 where id = 2").await;
                        let _ = run(&mut one, "rollback").await;
                        result
                    },
                    async {
                        let result = run(&mut other, "update counter set v = v + 1 where id = 1").await;
                        let _ = run(&mut other, "rollback").await;
                        result
                    },
                );
                let error = first.err().or(second.err()).expect("one of them is chosen");
                assert_verdict("deadlock", error, unsent(Fault::Status));

                ran(&mut one, "begin; select * from counter where id = 1 for update").await;
                let error = err("wait", run(&mut other, "update counter set v = 0 where id = 1").await);
                assert_verdict("lock wait timeout", error, unsent(Fault::Status));
                let error =
                    err("nowait", run(&mut other, "select * from counter where id = 1 for update nowait").await);
                assert_verdict("nowait", error, unsent(Fault::Status));
            }

            #[tokio::test]
            async fn too_many_connections_are_a_throttle() {
                let _turn = turn().await;
                let url = with(&given("MYSQL_URL"), "root@", "lim@");
                let first = connect(&url).await.unwrap();
                assert_verdict("of the user", err("user", connect(&url).await), unsent(Fault::Throttle));
                drop(first);
                let url = with(&given("MYSQL_URL"), "root@", "plain@");
                let mut all = Vec::new();
                let error = loop {
                    match connect(&url).await {
                        Ok(client) => all.push(client),
                        Err(error) => break error,
                    }
                    assert!(all.len() < 20);
                };
                assert_verdict("of the server", error, unsent(Fault::Throttle));
                for client in all {
                    let _ = client.close().await;
                }
            }

            #[tokio::test]
            async fn a_server_that_is_read_only_is_transient() {
                let _turn = turn().await;
                let mut admin = client().await;
                let mut plain = connect(&with(&given("MYSQL_URL"), "root@", "plain@")).await.unwrap();
                ran(&mut admin, "set global read_only = 1").await;
                let error = err("write", run(&mut plain, "update counter set v = 0").await);
                ran(&mut admin, "set global read_only = 0").await;
                assert_verdict("read only", error, unsent(Fault::Status));
            }

            #[tokio::test]
            async fn a_statement_that_is_ended_is_a_timeout() {
                let _turn = turn().await;
                let mut sleeper = client().await;
                // A sleep that is killed alone is no error; a statement is.
                let sleeps = "select sleep(5), a.v from counter a, counter b, counter c for update";
                let (result, ()) = tokio::join!(run(&mut sleeper, sleeps), at_the_sleeper("kill query"));
                assert_verdict("kill query", err("kill", result), unsent(Fault::Timeout));
                ran(&mut sleeper, "set max_statement_time = 0.05").await;
                let error = err("time", run(&mut sleeper, sleeps).await);
                assert_verdict("max_statement_time", error, unsent(Fault::Timeout));
            }

            #[tokio::test]
            async fn what_the_client_got_wrong_is_permanent() {
                let _turn = turn().await;
                let mut client = client().await;
                for sql in ["insert into counter values (1, 0)", "selec 1", "select * from nowhere"] {
                    assert_verdict(sql, err(sql, run(&mut client, sql).await), PERMANENT);
                }
                let url = given("MYSQL_URL");
                for (what, from, to) in [
                    ("wrong password", "root@", "locked:wrong@"),
                    ("no such database", "/t", "/nowhere"),
                    ("no right", "root@", "locked:right@"),
                ] {
                    assert_verdict(what, err(what, connect(&with(&url, from, to)).await), PERMANENT);
                }
            }

            #[tokio::test]
            async fn a_connection_that_breaks_is_transient() {
                let _turn = turn().await;
                let mut sleeper = client().await;
                let (result, ()) =
                    tokio::join!(run(&mut sleeper, "select sleep(5)"), at_the_sleeper("kill connection"));
                assert_verdict("killed", err("kill", result), unknown(Fault::Read));
                let mut idle = client().await;
                ran(&mut idle, "set wait_timeout = 1").await;
                tokio::time::sleep(Duration::from_millis(1500)).await;
                assert_verdict("idle", err("idle", run(&mut idle, "select 1").await), unknown(Fault::Read));
                for how in ["term", "kill"] {
                    let mut client = client().await;
                    control(&["mysql", how]);
                    assert_verdict(how, err(how, run(&mut client, "select 1").await), unknown(Fault::Read));
                    let error = err("down", connect(&given("MYSQL_URL")).await);
                    control(&["mysql", "start"]);
                    assert_verdict("server down", error, unsent(Fault::Connect));
                }
                let error = err("refused", connect(&at(&given("MYSQL_URL"), nobody().await)).await);
                assert_verdict("refused", error, unsent(Fault::Connect));
                let error =
                    err("lookup", connect(&with(&given("MYSQL_URL"), "127.0.0.1", "no-such-host.invalid")).await);
                assert_verdict("no such host", error, unsent(Fault::Connect));
            }

            #[tokio::test]
            async fn a_connection_that_is_reset_is_transient() {
                let _turn = turn().await;
                let url = given("MYSQL_URL");
                let proxy = tests_servers::Proxy::new(address(&url)).await;
                let mut client = connect(&at(&url, proxy.address)).await.unwrap();
                let (result, ()) = tokio::join!(run(&mut client, "select sleep(1)"), async {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    proxy.break_all(tests_servers::Peer::Resets);
                });
                assert_verdict("reset", err("reset", result), unknown(Fault::Read));
            }

            #[tokio::test]
            async fn the_answer_is_found_where_transparent_hides_the_error() {
                #[derive(Debug, thiserror::Error)]
                #[error(transparent)]
                struct StoreError(#[from] Error);

                let _turn = turn().await;
                let mut one = client().await;
                ran(&mut one, "begin; select * from counter where id = 1 for update").await;
                let error = run(&mut client().await, "select * from counter where id = 1 for update nowait").await;
                let boxed: Box<dyn std::error::Error> = Box::new(StoreError(err("nowait", error)));
                assert_eq!(boxed.verdict(), unsent(Fault::Status));
            }
        }
    };
}

of_sqlx!(sqlx08, sqlx_0_8, |sql| sql);
of_sqlx!(sqlx09, sqlx_0_9, |sql: &str| sqlx_0_9::AssertSqlSafe(sql.to_owned()));
