use persevere::{Policy, transaction};
use std::io;

struct Pool;
struct Transaction;

impl Pool {
    async fn begin(&self) -> io::Result<Transaction> {
        Ok(Transaction)
    }
}

impl Transaction {
    async fn commit(self) -> io::Result<()> {
        Ok(())
    }
}

/// The body without its type.
async fn untyped(pool: &Pool) {
    let _ = transaction!(Policy::new(), pool.begin(), |tx| { Ok(()) });
}

/// The type by another name.
async fn by_alias(pool: &Pool) {
    let _ = transaction!(Policy::new(), pool.begin(), -> io::Result<()> |tx| { Ok(()) });
}

/// No name for the transaction.
async fn nameless(pool: &Pool) {
    let _ = transaction!(Policy::new(), pool.begin(), -> Result<(), io::Error> { Ok(()) });
}

fn main() {}
