//! Money moves from one account to another while PostgreSQL is restarted. Nothing is lost, and nothing moves twice.
//!
//! `tests/servers/start cargo run --manifest-path tests/servers/Cargo.toml --example postgres`

use std::time::Duration;

use persevere::transaction::Failed;
use persevere::{Event, Policy, transaction};
use sqlx_0_9::PgPool;
use sqlx_0_9::postgres::PgPoolOptions;
use tests_servers::{control, given};

/// Tries for ten seconds, and cuts what takes longer.
const PATIENT: Policy = Policy::new().forever().max_wait(Duration::from_millis(500)).valid();

async fn transfer(pool: &PgPool, payment: i32, amount: i64) -> Result<i64, Failed<sqlx_0_9::Error>> {
    let policy = PATIENT
        .deadline(Duration::from_secs(10))
        .name("transfer")
        .on_retry(|event: Event<'_, Failed<sqlx_0_9::Error>>| println!("payment {payment}: {event}"));
    transaction!(
        policy, pool.begin(),
        // The token is the payment's own number. So a COMMIT whose answer is lost can be sent again.
        once = |tx| sqlx_0_9::query("insert into payments values ($1) on conflict do nothing")
            .bind(payment)
            .execute(&mut **tx)
            .await
            .map(|done| done.rows_affected() == 1),
        -> Result<i64, sqlx_0_9::Error> |tx| {
            sqlx_0_9::query("update accounts set balance = balance - $1 where id = 1").bind(amount).execute(&mut **tx).await?;
            sqlx_0_9::query_scalar("update accounts set balance = balance + $1 where id = 2 returning balance")
                .bind(amount)
                .fetch_one(&mut **tx)
                .await
        }
    )
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = PgPoolOptions::new().acquire_timeout(Duration::from_secs(1)).connect(&given("PG_URL")).await?;
    sqlx_0_9::raw_sql(
        "create table accounts (id int primary key, balance bigint not null); insert into accounts values (1, 100), (2, 0);
         create table payments (id int primary key)",
    )
    .execute(&pool)
    .await?;

    let restarts = tokio::task::spawn_blocking(|| {
        for mode in ["fast", "immediate"] {
            std::thread::sleep(Duration::from_millis(30));
            control(&["pg", "stop", mode]);
            control(&["pg", "start"]);
        }
    });
    for payment in 1..=100 {
        transfer(&pool, payment, 1).await?;
    }
    restarts.await?;

    // The same payment again, as after a crash of this program.
    let again = transfer(&pool, 7, 1).await;
    println!("payment 7 again: {}", again.unwrap_err());
    let balances: Vec<i64> =
        sqlx_0_9::query_scalar("select balance from accounts order by id").fetch_all(&pool).await?;
    println!("balances: {balances:?}");
    assert_eq!(balances, [0, 100]);
    Ok(())
}
