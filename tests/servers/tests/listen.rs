//! PostgreSQL's LISTEN as a stream that goes on through restarts: what was written meanwhile is read from the table.

use std::pin::pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use persevere::{Cut, Policy, retry_async};
use tests_servers::{control, given, turn};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client, Error, NoTls};

/// A client, and what it is notified of. The channel ends with the connection, and its last word is the error.
async fn connect(url: &str) -> Result<(Client, impl Stream<Item = Result<i64, Error>> + use<>), Error> {
    let (client, mut connection) = tokio_postgres::connect(url, NoTls).await?;
    let (send, mut receive) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages = pin!(stream::poll_fn(move |context| connection.poll_message(context)));
        while let Some(message) = messages.next().await {
            let told = match message {
                Ok(AsyncMessage::Notification(told)) => Ok(told.payload().parse().expect("an id")),
                Ok(_) => continue,
                Err(error) => Err(error),
            };
            if send.send(told).is_err() {
                break;
            }
        }
    });
    Ok((client, stream::poll_fn(move |context| receive.poll_recv(context))))
}

/// The ids behind the last one: those of the table, and then those that are told. The channel is listened to before the
/// table is read, or what is written in between would be lost. What comes twice for that reason is left out.
async fn listen(url: String, last: Option<i64>) -> Result<impl Stream<Item = Result<i64, Cut<Error>>>, Cut<Error>> {
    let (client, told) = connect(&url).await?;
    client.batch_execute("listen jobs").await?;
    let rows = client.query("select id from jobs where id > $1 order by id", &[&last.unwrap_or(0)]).await?;
    let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    let mut seen = last.unwrap_or(0);
    let ids = stream::iter(ids).map(Ok).chain(told.map(move |id| {
        let _ = &client; // The connection ends with its client.
        Ok(id?)
    }));
    Ok(ids.filter(move |id| {
        let fresh = !matches!(id, Ok(id) if *id <= seen);
        if let Ok(id) = id {
            seen = seen.max(*id);
        }
        std::future::ready(fresh)
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_misses_nothing_through_restarts_and_a_killed_backend() {
    const JOBS: i64 = 120;
    let _turn = turn().await;
    let url = given("PG_URL");
    let (client, _told) = connect(&url).await.unwrap();
    client.batch_execute("drop table if exists jobs; create table jobs (id bigint primary key)").await.unwrap();
    drop(client);

    let policy = persevere::stream::POLICY.backoff(Duration::from_millis(20)).max_wait(Duration::from_millis(100));
    let policy = policy.attempt_timeout(Duration::from_secs(5));
    let feed = persevere::stream::resume(policy, |last| listen(url.clone(), last), |id: &i64| Some(*id));
    // A connection that was closed is the end of the channel.
    let feed = feed.unending(|| Cut::TimedOut(persevere::TimedOut::new(Duration::ZERO)));
    let reading = feed.take(usize::try_from(JOBS).unwrap()).map(Result::unwrap).collect::<Vec<_>>();

    let writing = async {
        for id in 1..=JOBS {
            // Once, however often it is tried.
            let sql = format!("insert into jobs values ({id}) on conflict do nothing; notify jobs, '{id}'");
            let write = || async {
                let (client, _told) = connect(&url).await?;
                Ok::<_, Cut<Error>>(client.batch_execute(&sql).await?)
            };
            let policy =
                Policy::new().forever().backoff(Duration::from_millis(20)).max_wait(Duration::from_millis(100));
            retry_async(policy.attempt_timeout(Duration::from_secs(5)), write).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let breaking = async {
        for how in ["immediate", "fast"] {
            tokio::time::sleep(Duration::from_millis(200)).await;
            tokio::task::spawn_blocking(move || {
                control(&["pg", "stop", how]);
                control(&["pg", "start"]);
            })
            .await
            .unwrap();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (client, _told) = connect(&url).await.unwrap();
        let kill = "select pg_terminate_backend(pid) from pg_stat_activity where query like 'select id from jobs%'";
        client.query(kill, &[]).await.unwrap();
    };
    let all = async { tokio::join!(reading, writing, breaking) };
    let (read, (), ()) = tokio::time::timeout(Duration::from_mins(1), Box::pin(all)).await.expect("it goes on");
    assert_eq!(read, (1..=JOBS).collect::<Vec<_>>());
}
