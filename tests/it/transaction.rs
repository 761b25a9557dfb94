//! `transaction!`: what is repeated, and what the failure says of it. Real databases are in `tests/servers`.

use std::error::Error;
use std::future::{Future, pending};
use std::io;
use std::sync::Mutex;
use std::time::Duration;

use futures::executor::block_on;
use persevere::testing::VirtualTimer;
use persevere::transaction::Failed;
use persevere::{
    Event, Fault, Policy, Reached, Rejected, Report, Retryable, SharedRetry, StopReason, TimedOut, Verdict,
    guard::Breaker, retry_async, transaction,
};

use crate::support::{self, millis, secs};

/// The errors of a database that says all about itself.
#[derive(Debug, PartialEq)]
enum DbError {
    Client(support::Failed),
    TimedOut(TimedOut),
    Rejected(Rejected),
}

impl Retryable for DbError {
    fn verdict(&self) -> Verdict {
        match self {
            Self::Client(failed) => failed.verdict,
            Self::TimedOut(timed_out) => timed_out.verdict(),
            Self::Rejected(rejected) => rejected.verdict(),
        }
    }
}

impl std::fmt::Display for DbError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Error for DbError {}

macro_rules! from {
    ($($from:ty => $variant:ident),*) => {$(
        impl From<$from> for DbError {
            fn from(inner: $from) -> Self {
                Self::$variant(inner)
            }
        }
    )*};
}

from!(support::Failed => Client, TimedOut => TimedOut, Rejected => Rejected);

const LOST: Verdict = Verdict::transient().with_fault(Fault::Read);
const CONFLICT: Verdict = Verdict::transient().with_fault(Fault::Status).with_reached(Reached::No);

/// What the database does to one step.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Fails(Verdict),
    /// Takes effect, and then the answer is lost.
    AppliesAndFails(Verdict),
    Hangs,
    AppliesAndHangs,
}

/// A step of a transaction.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Get,
    Begin,
    Token,
    Execute,
    Commit,
}

/// A database in memory: how often each step was asked, what it is to do, and what was applied.
#[derive(Default)]
struct Database(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    script: Vec<(Step, Does)>,
    calls: Vec<Step>,
    rows: u32,
    tokens: Vec<&'static str>,
    rollbacks: u32,
}

impl Database {
    /// Each step fails as the script says, one entry after the other, and then succeeds.
    fn new(script: &[(Step, Does)]) -> Self {
        Self(Mutex::new(Inner { script: script.to_vec(), ..Inner::default() }))
    }

    fn rows(&self) -> u32 {
        self.0.lock().unwrap().rows
    }

    fn calls(&self, step: Step) -> usize {
        self.0.lock().unwrap().calls.iter().filter(|call| **call == step).count()
    }

    fn asked(&self, step: Step) -> Option<Does> {
        let mut inner = self.0.lock().unwrap();
        inner.calls.push(step);
        match inner.script.first() {
            Some((next, does)) if *next == step => {
                let does = *does;
                inner.script.remove(0);
                Some(does)
            }
            _ => None,
        }
    }

    async fn step(&self, step: Step) -> Result<(), support::Failed> {
        match self.asked(step) {
            None => Ok(()),
            Some(Does::Fails(verdict) | Does::AppliesAndFails(verdict)) => Err(support::Failed::new(0, verdict)),
            Some(Does::Hangs | Does::AppliesAndHangs) => pending().await,
        }
    }

    async fn get(&self) -> Result<Client<'_>, support::Failed> {
        self.step(Step::Get).await?;
        Ok(Client(self))
    }

    async fn begin(&self) -> Result<Transaction<'_>, support::Failed> {
        self.step(Step::Begin).await?;
        Ok(Transaction { database: self, rows: 0, token: None })
    }
}

struct Client<'a>(&'a Database);

impl<'a> Client<'a> {
    async fn transaction(&mut self) -> Result<Transaction<'a>, support::Failed> {
        self.0.begin().await
    }
}

struct Transaction<'a> {
    database: &'a Database,
    rows: u32,
    token: Option<&'static str>,
}

impl Transaction<'_> {
    async fn execute(&mut self) -> Result<u32, support::Failed> {
        self.database.step(Step::Execute).await?;
        self.rows += 1;
        Ok(self.rows)
    }

    /// Inserts a row, and returns whether it was new.
    async fn token(&mut self, token: &'static str) -> Result<bool, support::Failed> {
        self.database.step(Step::Token).await?;
        self.token = Some(token);
        Ok(!self.database.0.lock().unwrap().tokens.contains(&token))
    }

    async fn commit(self) -> Result<(), support::Failed> {
        let does = self.database.asked(Step::Commit);
        if matches!(does, None | Some(Does::AppliesAndFails(_) | Does::AppliesAndHangs)) {
            let mut inner = self.database.0.lock().unwrap();
            inner.rows += self.rows;
            inner.tokens.extend(self.token);
        }
        match does {
            None => Ok(()),
            Some(Does::Fails(verdict) | Does::AppliesAndFails(verdict)) => Err(support::Failed::new(0, verdict)),
            Some(Does::Hangs | Does::AppliesAndHangs) => pending().await,
        }
    }

    async fn rollback(self) -> Result<(), support::Failed> {
        self.database.0.lock().unwrap().rollbacks += 1;
        std::future::ready(Ok(())).await
    }
}

const POLICY: Policy = Policy::new().total(5);

type Outcome = Result<u32, Failed<DbError>>;

/// The two forms without a token.
fn outcomes(script: &[(Step, Does)], policy: Policy) -> [(Outcome, Database); 2] {
    let timer = VirtualTimer::new();
    let pool = Database::new(script);
    let one = block_on(async {
        transaction!(policy.timer(&timer), pool.begin(), -> Result<u32, DbError> |tx| { Ok(tx.execute().await?) })
    });
    let clients = Database::new(script);
    let other = block_on(async {
        transaction!(
            policy.timer(&timer), let mut client = clients.get(), client.transaction(),
            -> Result<u32, DbError> |tx| { Ok(tx.execute().await?) }
        )
    });
    [(one, pool), (other, clients)]
}

#[test]
fn what_fails_before_commit_is_repeated_whatever_the_policy_says_of_idempotence() {
    for idempotent in [true, false] {
        for step in [Step::Begin, Step::Execute] {
            for verdict in [LOST, CONFLICT] {
                for (outcome, database) in outcomes(&[(step, Does::Fails(verdict))], POLICY.idempotent(idempotent)) {
                    assert_eq!(outcome, Ok(1), "{step:?}");
                    assert_eq!((database.rows(), database.calls(Step::Commit)), (1, 1));
                }
            }
        }
        let [_, (outcome, database)] = outcomes(&[(Step::Get, Does::Fails(LOST))], POLICY.idempotent(idempotent));
        assert_eq!((outcome, database.rows(), database.calls(Step::Get)), (Ok(1), 1, 2));
    }
}

#[test]
fn what_fails_for_good_before_commit_ends_the_run_and_is_not_applied() {
    for step in [Step::Begin, Step::Execute] {
        for (outcome, database) in outcomes(&[(step, Does::Fails(Verdict::permanent()))], POLICY) {
            assert!(matches!(outcome, Err(Failed::NotApplied(DbError::Client(_)))), "{outcome:?}");
            assert_eq!((database.rows(), database.calls(Step::Begin)), (0, 1));
        }
    }
    let [_, (outcome, _)] = outcomes(&[(Step::Get, Does::Fails(Verdict::permanent()))], POLICY);
    assert!(matches!(outcome, Err(Failed::NotApplied(_))));
}

#[test]
fn a_commit_whose_answer_is_lost_is_reported_and_never_repeated() {
    for (does, rows) in [(Does::Fails(LOST), 0), (Does::AppliesAndFails(LOST), 1)] {
        for idempotent in [true, false] {
            for (outcome, database) in outcomes(&[(Step::Commit, does)], POLICY.idempotent(idempotent)) {
                assert!(outcome.as_ref().is_err_and(Failed::is_ambiguous), "{outcome:?}");
                assert_eq!(outcome.unwrap_err().verdict().reached(), Reached::Maybe);
                assert_eq!((database.rows(), database.calls(Step::Commit)), (rows, 1));
            }
        }
    }
}

#[test]
fn a_commit_with_an_error_that_no_rule_knows_is_ambiguous() {
    for (outcome, database) in outcomes(&[(Step::Commit, Does::AppliesAndFails(Verdict::unclassified()))], POLICY) {
        assert!(outcome.is_err_and(|failed| failed.is_ambiguous()));
        assert_eq!(database.rows(), 1);
    }
}

#[test]
fn a_commit_that_the_database_refused_is_repeated_if_that_helps() {
    for (outcome, database) in outcomes(&[(Step::Commit, Does::Fails(CONFLICT))], POLICY) {
        assert_eq!((outcome, database.rows(), database.calls(Step::Commit)), (Ok(1), 1, 2));
    }
    for (outcome, database) in outcomes(&[(Step::Commit, Does::Fails(Verdict::permanent()))], POLICY) {
        assert!(matches!(outcome, Err(Failed::NotApplied(_))), "{outcome:?}");
        assert_eq!((database.rows(), database.calls(Step::Commit)), (0, 1));
    }
}

#[test]
fn a_run_that_gave_up_before_commit_is_not_applied() {
    let script = [(Step::Execute, Does::Fails(LOST)), (Step::Begin, Does::Fails(LOST))];
    for (outcome, database) in outcomes(&script, Policy::new().total(1)) {
        assert!(matches!(outcome, Err(Failed::NotApplied(_))), "{outcome:?}");
        assert_eq!(database.rows(), 0);
    }
}

#[test]
fn a_body_that_failed_is_rolled_back_before_the_wait() {
    let timer = VirtualTimer::new();
    let database = Database::new(&[(Step::Execute, Does::Fails(LOST))]);
    let seen = Mutex::new(None);
    let policy = POLICY.timer(&timer).on_retry(|_: Event<'_, Failed<DbError>>| {
        *seen.lock().unwrap() = Some(database.0.lock().unwrap().rollbacks);
    });
    let outcome = block_on(async {
        transaction!(policy, database.begin(), -> Result<u32, DbError> |tx| { Ok(tx.execute().await?) })
    });
    assert_eq!((outcome, *seen.lock().unwrap()), (Ok(1), Some(1)));
}

#[test]
fn an_attempt_that_is_cut_before_commit_is_repeated_and_one_that_is_cut_in_it_is_not() {
    for (step, does, rows, ambiguous) in [
        (Step::Begin, Does::Hangs, 1, false),
        (Step::Execute, Does::Hangs, 1, false),
        (Step::Commit, Does::Hangs, 0, true),
        (Step::Commit, Does::AppliesAndHangs, 1, true),
    ] {
        let timer = VirtualTimer::new();
        let database = Database::new(&[(step, does)]);
        let outcome: Outcome = block_on(async {
            transaction!(
                POLICY.attempt_timeout(secs(1)).timer(&timer), database.begin(),
                -> Result<u32, DbError> |tx| { Ok(tx.execute().await?) }
            )
        });
        assert_eq!(outcome.as_ref().is_err_and(Failed::is_ambiguous), ambiguous, "{step:?}: {outcome:?}");
        assert_eq!(outcome.is_ok(), !ambiguous);
        assert_eq!(database.rows(), rows, "{step:?}");
    }
}

#[test]
fn a_deadline_says_whether_it_cut_the_commit() {
    for (script, ambiguous) in [
        (vec![(Step::Execute, Does::Hangs)], false),
        (vec![(Step::Execute, Does::Fails(LOST)), (Step::Begin, Does::Hangs)], false),
        (vec![(Step::Commit, Does::Fails(CONFLICT)), (Step::Execute, Does::Hangs)], false),
        (vec![(Step::Commit, Does::Hangs)], true),
    ] {
        let timer = VirtualTimer::new();
        let database = Database::new(&script);
        let mut report = Report::new();
        let outcome: Outcome = block_on(async {
            transaction!(
                POLICY.deadline(secs(10)).timer(&timer).report(&mut report), database.begin(),
                -> Result<u32, DbError> |tx| { Ok(tx.execute().await?) }
            )
        });
        let failed = outcome.unwrap_err();
        assert_eq!(failed.is_ambiguous(), ambiguous, "{script:?}: {failed:?}");
        assert!(matches!(failed.into_inner(), Some(DbError::TimedOut(_))));
        assert_eq!(timer.elapsed(), secs(10));
    }
}

/// The closure can't know where the cut was, and the macro does.
#[test]
fn an_error_that_on_timeout_made_says_whether_it_cut_the_commit() {
    for (step, ambiguous) in [(Step::Execute, false), (Step::Commit, true)] {
        for made in [Failed::NotApplied, Failed::Ambiguous] {
            let timer = VirtualTimer::new();
            let database = Database::new(&[(step, Does::Hangs)]);
            let policy = Policy::new().deadline(secs(10)).timer(&timer).on_timeout(|_| made(PlainError::Mine));
            let outcome = block_on(async {
                transaction!(
                    policy.when(|_: &PlainError| Verdict::permanent()), database.begin(),
                    -> Result<u32, PlainError> |tx| { Ok(tx.execute().await?) }
                )
            });
            assert_eq!(outcome.unwrap_err().is_ambiguous(), ambiguous, "{step:?}");
        }
    }
}

/// A run whose wait overslept makes no attempt, and what the attempts before it did is known.
#[test]
fn an_attempt_that_comes_too_late_leaves_nothing_open() {
    let timer = VirtualTimer::new();
    let database = Database::new(&[(Step::Execute, Does::Fails(LOST)), (Step::Execute, Does::Fails(LOST))]);
    let late = timer.clone();
    let policy = POLICY.within(secs(10)).backoff(secs(2)).attempt_timeout(secs(1)).timer(&timer);
    let outcome: Outcome = block_on(async {
        transaction!(
            policy.on_retry(move |_: Event<'_, Failed<DbError>>| late.advance(secs(60))), database.begin(),
            -> Result<u32, DbError> |tx| { Ok(tx.execute().await?) }
        )
    });
    assert!(matches!(outcome, Err(Failed::NotApplied(DbError::TimedOut(_)))), "{outcome:?}");
}

#[test]
fn a_breaker_that_is_open_applied_nothing() {
    let timer = VirtualTimer::new();
    let breaker = Breaker::new().min_outcomes(1);
    breaker.admit(Duration::ZERO).unwrap().failed(Duration::ZERO);
    let database = Database::new(&[]);
    let outcome: Outcome = block_on(async {
        transaction!(
            Policy::new().total(0).timer(&timer).breaker(&breaker), database.begin(),
            -> Result<u32, DbError> |tx| { Ok(tx.execute().await?) }
        )
    });
    assert!(matches!(outcome, Err(Failed::NotApplied(DbError::Rejected(_)))), "{outcome:?}");
    assert_eq!(database.calls(Step::Begin), 0);
}

/// The two forms with a token.
fn with_token(database: &Database, clients: bool, policy: Policy) -> Outcome {
    let timer = VirtualTimer::new();
    block_on(async {
        if clients {
            transaction!(
                policy.attempt_timeout(secs(1)).timer(&timer), let mut client = database.get(), client.transaction(),
                once = |tx| tx.token("mine").await,
                -> Result<u32, DbError> |tx| { Ok(tx.execute().await? + 10) }
            )
        } else {
            transaction!(
                policy.attempt_timeout(secs(1)).timer(&timer), database.begin(), once = |tx| tx.token("mine").await,
                -> Result<u32, DbError> |tx| { Ok(tx.execute().await? + 10) }
            )
        }
    })
}

#[test]
fn with_a_token_an_ambiguous_commit_is_repeated_and_applied_once() {
    for does in
        [Does::Fails(LOST), Does::AppliesAndFails(LOST), Does::Hangs, Does::AppliesAndHangs, Does::Fails(CONFLICT)]
    {
        for idempotent in [true, false] {
            for clients in [true, false] {
                let script = [(Step::Commit, does), (Step::Begin, Does::Fails(LOST)), (Step::Token, Does::Fails(LOST))];
                let database = Database::new(&script);
                let outcome = with_token(&database, clients, POLICY.idempotent(idempotent));
                assert_eq!((outcome, database.rows()), (Ok(11), 1), "{does:?}");
            }
        }
    }
}

#[test]
fn with_a_token_a_run_that_could_not_find_out_is_ambiguous() {
    for (last, rows) in [(Does::Fails(LOST), 0), (Does::AppliesAndFails(LOST), 1)] {
        for after in [LOST, CONFLICT, Verdict::permanent(), Verdict::unclassified()] {
            for step in [Step::Begin, Step::Token] {
                let database = Database::new(&[(Step::Commit, last), (step, Does::Fails(after))]);
                let outcome = with_token(&database, false, Policy::new().total(1));
                assert!(outcome.as_ref().is_err_and(Failed::is_ambiguous), "{step:?}: {outcome:?}");
                assert_eq!(database.rows(), rows);
            }
        }
    }
}

#[test]
fn a_token_that_is_new_again_closes_the_commit_before() {
    let script = [(Step::Commit, Does::Fails(LOST)), (Step::Execute, Does::Fails(Verdict::permanent()))];
    let database = Database::new(&script);
    let outcome = with_token(&database, false, POLICY);
    assert!(matches!(outcome, Err(Failed::NotApplied(_))), "{outcome:?}");
    assert_eq!(database.rows(), 0);
}

#[test]
fn a_token_of_an_earlier_call_is_an_error_of_its_own() {
    for script in [vec![], vec![(Step::Execute, Does::Fails(LOST))]] {
        let database = Database::new(&script);
        database.0.lock().unwrap().tokens.push("mine");
        let outcome = with_token(&database, false, POLICY);
        assert_eq!(outcome, Err(Failed::AlreadyApplied));
        assert_eq!((database.rows(), database.calls(Step::Execute)), (0, 0));
    }
    // Another call with the token came between two attempts of this one, whose COMMIT was refused.
    let database = Database::new(&[(Step::Commit, Does::Fails(CONFLICT))]);
    let timer = VirtualTimer::new();
    let policy = POLICY.timer(&timer).on_retry(|_: Event<'_, Failed<DbError>>| {
        database.0.lock().unwrap().tokens.push("mine");
    });
    let outcome: Outcome = block_on(async {
        transaction!(
            policy, database.begin(), once = |tx| tx.token("mine").await,
            -> Result<u32, DbError> |tx| { Ok(tx.execute().await?) }
        )
    });
    assert_eq!(outcome, Err(Failed::AlreadyApplied));
}

/// An error without a verdict of its own.
#[derive(Debug, thiserror::Error)]
enum PlainError {
    #[error("mine")]
    Mine,
    #[error("the client's")]
    Client(#[from] support::Failed),
}

#[test]
fn a_classifier_at_the_call_gets_the_error_inside() {
    let timer = VirtualTimer::new();
    for (script, rows, ambiguous) in [
        (vec![(Step::Execute, Does::Fails(LOST))], 1, false),
        (vec![(Step::Commit, Does::AppliesAndFails(LOST))], 1, true),
        (vec![(Step::Commit, Does::Fails(CONFLICT))], 1, false),
    ] {
        let database = Database::new(&script);
        let when = |error: &PlainError| match error {
            PlainError::Mine => Verdict::permanent(),
            PlainError::Client(failed) => failed.verdict,
        };
        let outcome = block_on(async {
            transaction!(POLICY.timer(&timer).when(when), database.begin(), -> Result<u32, PlainError> |tx| {
                Ok(tx.execute().await?)
            })
        });
        assert_eq!(outcome.as_ref().is_err_and(Failed::is_ambiguous), ambiguous, "{outcome:?}");
        assert_eq!((outcome.is_err(), database.rows()), (ambiguous, rows));
    }
    let database = Database::new(&[]);
    let outcome = block_on(async {
        transaction!(
            POLICY.timer(&timer).when(|_: &PlainError| false), database.begin(),
            -> Result<u32, PlainError> |_tx| { Err(PlainError::Mine) }
        )
    });
    assert!(matches!(outcome, Err(Failed::NotApplied(PlainError::Mine))));
}

#[test]
fn any_of_finds_the_users_types_in_an_erased_error() {
    let timer = VirtualTimer::new();
    for (does, ok) in [(Does::Fails(CONFLICT), true), (Does::Fails(LOST), false)] {
        let database = Database::new(&[(Step::Execute, Does::Fails(LOST)), (Step::Commit, does)]);
        let outcome = block_on(async {
            transaction!(
                POLICY.timer(&timer).any_of::<support::Failed>(), database.begin(),
                -> Result<u32, anyhow::Error> |tx| { Ok(tx.execute().await?) }
            )
        });
        assert_eq!(outcome.is_ok(), ok);
        assert_eq!(outcome.is_err_and(|failed| failed.is_ambiguous()), !ok);
    }
}

#[test]
fn the_body_borrows_freely_and_the_whole_can_be_spawned() {
    fn sends<F: Future + Send>(future: F) -> F {
        future
    }

    async fn save(database: &Database, log: &mut Vec<String>, name: &str) -> Result<(), Failed<DbError>> {
        let timer = VirtualTimer::new();
        transaction!(POLICY.timer(timer), database.begin(), -> Result<(), DbError> |tx| {
            log.push(name.to_owned());
            tx.execute().await?;
            if log.len() < 2 {
                return Err(support::Failed::new(1, LOST).into());
            }
            Ok(())
        })
    }

    async fn once(database: &Database, log: &mut Vec<String>, name: &str) -> Result<String, Failed<DbError>> {
        let timer = VirtualTimer::new();
        let mut calls = 0;
        transaction!(
            POLICY.timer(timer), let mut client = database.get(), client.transaction(),
            once = |tx| { calls += 1; tx.token("a").await }, -> Result<String, DbError> |tx| {
                log.push(format!("{name} {calls}"));
                tx.execute().await?;
                Ok(name.to_owned())
            }
        )
    }

    let database = Database::new(&[]);
    let mut log = Vec::new();
    block_on(sends(save(&database, &mut log, "a"))).unwrap();
    assert_eq!(log, ["a", "a"]);
    assert_eq!(block_on(sends(once(&database, &mut log, "b"))).unwrap(), "b");
    assert_eq!(log, ["a", "a", "b 1"]);
}

#[test]
fn a_report_counts_the_attempts_and_shows_the_errors() {
    let timer = VirtualTimer::new();
    let mut report = Report::new();
    let database = Database::new(&[(Step::Execute, Does::Fails(LOST)), (Step::Commit, Does::Fails(LOST))]);
    let outcome: Outcome = block_on(async {
        transaction!(POLICY.timer(&timer).report(&mut report), database.begin(), -> Result<u32, DbError> |tx| {
            Ok(tx.execute().await?)
        })
    });
    assert!(outcome.is_err());
    assert_eq!(report.attempts(), 2);
    assert_eq!(report.stop_reason(), Some(StopReason::NotIdempotent));
}

#[test]
fn a_transaction_that_is_retried_from_outside_is_not_applied_twice() {
    let timer = VirtualTimer::new();
    for does in [Does::AppliesAndFails(LOST), Does::AppliesAndHangs] {
        let database = Database::new(&[(Step::Execute, Does::Fails(LOST)), (Step::Commit, does)]);
        let one = || async {
            transaction!(POLICY.total(0).timer(&timer), database.begin(), -> Result<u32, DbError> |tx| {
                Ok(tx.execute().await?)
            })
        };
        let outer = POLICY.idempotent(false).attempt_timeout(millis(500)).timer(&timer);
        let outcome: Outcome = block_on(retry_async(outer, one));
        assert!(outcome.is_err_and(|failed| failed.is_ambiguous()), "{does:?}");
        assert_eq!(database.rows(), 1);
    }
}

#[test]
fn a_failure_stands_for_the_error_inside() {
    let lost = || io::Error::new(io::ErrorKind::ConnectionReset, TimedOut::new(secs(1)));
    let (not_applied, ambiguous) = (Failed::NotApplied(lost()), Failed::Ambiguous(lost()));
    assert_eq!(not_applied.to_string(), lost().to_string());
    assert_eq!(ambiguous.to_string(), format!("the transaction may be applied: {}", lost()));
    assert_eq!(not_applied.verdict(), lost().verdict().with_reached(Reached::No));
    assert_eq!(ambiguous.verdict(), lost().verdict());
    assert!(not_applied.source().is_none() == lost().source().is_none());
    let already = Failed::<io::Error>::AlreadyApplied;
    assert!(!already.is_ambiguous() && already.into_inner().is_none());
    assert_eq!(Failed::<io::Error>::AlreadyApplied.verdict(), Verdict::permanent());
    let made = Failed::<DbError>::from(TimedOut::new(secs(1)));
    assert!(made.is_ambiguous());
}

#[test]
fn a_shared_policy_runs_transactions_and_its_hooks_get_the_error_inside() {
    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
    static BREAKER: Breaker = Breaker::new().min_outcomes(100);

    struct Store {
        retry: SharedRetry<DbError>,
    }

    let hook = |event: Event<'_, DbError>| SEEN.lock().unwrap().push(event.error().unwrap().to_string());
    let store = Store { retry: POLICY.backoff(Duration::ZERO).on_retry(hook).breaker(&BREAKER).shared() };
    let database = Database::new(&[(Step::Execute, Does::Fails(LOST)), (Step::Commit, Does::AppliesAndFails(LOST))]);
    let outcome: Outcome = block_on(async {
        transaction!(store.retry.clone(), database.begin(), -> Result<u32, DbError> |tx| { Ok(tx.execute().await?) })
    });
    assert!(outcome.is_err_and(|failed| failed.is_ambiguous()));
    assert_eq!(*SEEN.lock().unwrap(), [DbError::from(support::Failed::new(0, LOST)).to_string()]);
}

#[test]
fn an_error_that_no_rule_knows_is_told_with_what_was_looked_for() {
    let mut report = Report::new();
    let database = Database::new(&[]);
    let outcome = block_on(async {
        transaction!(
            POLICY.report_with(&mut report, |_: &Failed<_>, _: &mut std::fmt::Formatter<'_>| Ok(())),
            database.begin(), -> Result<(), anyhow::Error> |_tx| { anyhow::bail!("no type at all") }
        )
    });
    assert!(matches!(outcome, Err(Failed::NotApplied(_))));
    assert_eq!(report.stop_reason(), Some(StopReason::Unclassified));
    let shown = format!("{:?}", report.unclassified());
    assert!(shown.contains("no type at all") && shown.contains("std"), "{shown}");
}

#[test]
fn a_run_that_is_stopped_in_a_wait_says_what_the_attempts_did() {
    for (script, ambiguous) in [
        (vec![(Step::Execute, Does::Fails(LOST))], false),
        (vec![(Step::Commit, Does::Fails(CONFLICT))], false),
        (vec![(Step::Commit, Does::Fails(LOST))], true),
    ] {
        let timer = VirtualTimer::new();
        let database = Database::new(&script);
        let policy = POLICY.backoff(secs(1)).timer(&timer).until(std::future::ready(()));
        let outcome: Outcome = block_on(async {
            transaction!(
                policy, database.begin(), once = |tx| tx.token("mine").await,
                -> Result<u32, DbError> |tx| { Ok(tx.execute().await?) }
            )
        });
        assert_eq!(outcome.unwrap_err().is_ambiguous(), ambiguous, "{script:?}");
        assert_eq!(database.calls(Step::Begin), 1);
    }
}
