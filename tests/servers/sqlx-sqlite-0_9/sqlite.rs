//! SQLite by sqlx 0.9.

include!("../sqlite_by_sqlx.rs");

async fn run(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), Error> {
    sqlx::query(sql).fetch_all(connection).await.map(drop)
}
