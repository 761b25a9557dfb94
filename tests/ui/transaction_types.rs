use persevere::{Policy, Retryable, Verdict, transaction};
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

    async fn rollback(self) -> io::Result<()> {
        Ok(())
    }
}

struct NoVerdict(io::Error);

impl From<io::Error> for NoVerdict {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}

/// An error without a verdict.
async fn unclassified(pool: &Pool) {
    let _ = transaction!(Policy::new(), pool.begin(), -> Result<(), NoVerdict> |_tx| { Ok(()) });
}

struct NoFrom;

impl Retryable for NoFrom {
    fn verdict(&self) -> Verdict {
        Verdict::permanent()
    }
}

/// An error that the client's can't become.
async fn unmade(pool: &Pool) {
    let _ = transaction!(Policy::new(), pool.begin(), -> Result<(), NoFrom> |_tx| { Ok(()) });
}

/// A body that returns something else.
async fn of_another_type(pool: &Pool) {
    let _ = transaction!(Policy::new(), pool.begin(), -> Result<u32, io::Error> |_tx| { Ok("text") });
}

fn main() {}
