//! redis closes a connection. A read is sent again; an increment is not, because it may have been counted.
//!
//! `tests/servers/start cargo run --manifest-path tests/servers/Cargo.toml --example redis`

use std::time::Duration;

use persevere::{Event, Policy, retry_async};
use redis::aio::ConnectionManager;
use redis::{AsyncCommands as _, RedisError, RedisResult};
use tests_servers::given;

const POLICY: Policy = Policy::new().total(5).valid();

/// Closes every other connection, and waits until the clients' tasks have noticed.
async fn close_others(client: &redis::Client) -> RedisResult<()> {
    let mut admin = client.get_multiplexed_async_connection().await?;
    let _: i64 = redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").query_async(&mut admin).await?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    Ok(())
}

#[tokio::main]
async fn main() -> RedisResult<()> {
    let client = redis::Client::open(given("REDIS_URL"))?;
    // The manager connects again by itself. The command that found the connection lost fails.
    let mut redis = ConnectionManager::new(client.clone()).await?;
    let _: () = redis.set("greeting", "hello").await?;

    close_others(&client).await?;
    let policy = POLICY.deadline(Duration::from_secs(2)).name("greeting");
    let shown = policy.on_retry(|event: Event<'_, RedisError>| println!("{event}"));
    let greeting: String = retry_async!(shown, redis.get("greeting").await)?;
    println!("greeting: {greeting}");
    assert_eq!(greeting, "hello");

    close_others(&client).await?;
    // An increment that is sent twice may count twice, so only what was never sent is repeated.
    let counted: RedisResult<i64> = retry_async!(POLICY.idempotent(false), redis.incr("visits", 1).await);
    println!("visits: {}", counted.as_ref().unwrap_err());

    // With a set of visitors in its place the command may be repeated.
    close_others(&client).await?;
    let visitors: i64 = retry_async!(POLICY, -> RedisResult<i64> {
        let _: () = redis.sadd("visitors", "Ada").await?;
        redis.scard("visitors").await
    })?;
    println!("visitors: {visitors}");
    assert_eq!(visitors, 1);
    Ok(())
}
