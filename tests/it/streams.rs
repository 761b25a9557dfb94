//! Streams that are opened again where they stopped.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use futures::stream::{self as streams, FusedStream as _, Stream, StreamExt as _};
use persevere::{
    Event, Fault, Jitter, Policy, Rejected, Report, StopReason, TimedOut, Verdict,
    guard::{AdaptiveThrottle, Breaker, Budget},
    stream,
    time::Stop,
};
use tokio::time::{Instant, sleep};

use crate::support::{millis, secs};

#[allow(clippy::trivially_copy_pass_by_ref, clippy::unnecessary_wraps)] // As it is called.
const fn position(item: &u64) -> Option<u64> {
    Some(*item)
}

/// What a connection does, one after the other. Then it ends cleanly.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// The next item, whichever that is.
    Item,
    /// So many milliseconds in which nothing comes.
    Idle(u64),
    Break(ErrorKind),
    /// Nothing, for ever.
    Silence,
}

/// What one `open` comes to.
#[derive(Clone, Copy, Debug)]
enum Opened {
    Refused(ErrorKind),
    After(Duration, &'static [Then]),
    Silent,
}

use Opened::{After, Refused, Silent};
use Then::{Break, Idle, Item, Silence};

const RESET: Then = Break(ErrorKind::ConnectionReset);

const fn at_once(then: &'static [Then]) -> Opened {
    After(Duration::ZERO, then)
}

/// A server by script, with the position and the time of each `open`.
#[derive(Clone)]
struct Server {
    started: Instant,
    opens: Rc<RefCell<Vec<Open>>>,
    alive: Rc<Cell<u32>>,
}

/// The position and the time of an `open`.
type Open = (Option<u64>, Duration);

/// One connection that is open.
struct Alive(Rc<Cell<u32>>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

type Feed = Pin<Box<dyn Stream<Item = io::Result<u64>>>>;
type Opening = Pin<Box<dyn Future<Output = io::Result<Feed>>>>;

impl Server {
    fn new() -> Self {
        Self { started: Instant::now(), opens: Rc::default(), alive: Rc::default() }
    }

    /// Opens by this script. The last line goes for all that come later.
    fn open<const N: usize>(&self, script: [Opened; N]) -> impl FnMut(Option<u64>) -> Opening + use<N> {
        let server = self.clone();
        move |last| {
            let opened = script[server.opens.borrow().len().min(N - 1)];
            server.opens.borrow_mut().push((last, server.started.elapsed()));
            assert_eq!(server.alive.get(), 0, "the old connection is still open");
            Box::pin(server.clone().connect(last, opened))
        }
    }

    async fn connect(self, last: Option<u64>, opened: Opened) -> io::Result<Feed> {
        let (wait, then) = match opened {
            Refused(kind) => return Err(kind.into()),
            Silent => pending().await,
            After(wait, then) => (wait, then),
        };
        sleep(wait).await;
        self.alive.set(self.alive.get() + 1);
        let state = (last.unwrap_or(0), then.iter(), Alive(self.alive));
        Ok(Box::pin(streams::unfold(state, |(last, mut then, alive)| async move {
            loop {
                match then.next()? {
                    Idle(time) => sleep(millis(*time)).await,
                    Silence => pending().await,
                    Item => return Some((Ok(last + 1), (last + 1, then, alive))),
                    Break(kind) => return Some((Err((*kind).into()), (last, then, alive))),
                }
            }
        })))
    }

    fn positions(&self) -> Vec<Option<u64>> {
        self.opens.borrow().iter().map(|(last, _)| *last).collect()
    }

    /// The waits before each `open` but the first.
    fn gaps(&self) -> Vec<Duration> {
        self.opens.borrow().windows(2).map(|pair| pair[1].1.saturating_sub(pair[0].1)).collect()
    }
}

/// Waits of 1, 2, 4 .. s, without jitter.
const POLICY: Policy =
    Policy::new().forever().backoff(secs(1)).factor(2.0).jitter(Jitter::None).immediate_first(false).max_wait(secs(60));

/// What a feed yields until it ends: items, and the kind of the error that is the last one.
async fn all(feed: impl Stream<Item = io::Result<u64>>) -> (Vec<u64>, Option<ErrorKind>) {
    let (mut items, mut error) = (Vec::new(), None);
    let mut feed = pin!(feed);
    while let Some(item) = feed.next().await {
        assert!(error.is_none(), "an item behind the last error");
        match item {
            Ok(item) => items.push(item),
            Err(broken) => error = Some(broken.kind()),
        }
    }
    assert!(feed.next().await.is_none());
    (items, error)
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_behind_its_last_item() {
    let server = Server::new();
    let open = server.open([
        at_once(&[Item, Item, Item, RESET, Item]),
        at_once(&[RESET]),
        Refused(ErrorKind::ConnectionRefused),
        at_once(&[Item, Item]),
    ]);
    assert_eq!(all(stream::resume(POLICY, open, position)).await, (vec![1, 2, 3, 4, 5], None));
    assert_eq!(server.positions(), [None, Some(3), Some(3), Some(3)]);
    assert_eq!(server.gaps().len(), 3);
    assert!(server.gaps().is_sorted(), "{:?}", server.gaps());
}

#[tokio::test(start_paused = true)]
async fn a_later_process_begins_behind_the_position_that_it_kept() {
    let server = Server::new();
    let open = server.open([at_once(&[Item, RESET]), at_once(&[Item])]);
    let feed = stream::resume(POLICY, open, position).from(Some(40));
    assert_eq!(feed.position(), Some(&40));
    assert_eq!(all(feed).await, (vec![41, 42], None));
    assert_eq!(server.positions(), [Some(40), Some(41)]);
}

#[tokio::test(start_paused = true)]
async fn an_item_without_a_position_is_progress_and_moves_nothing() {
    let server = Server::new();
    let open = server.open([at_once(&[Item, Item, Item, RESET]), at_once(&[])]);
    let even = |item: &u64| Some(*item).filter(|item| item % 2 == 0);
    assert_eq!(all(stream::resume(POLICY.total(1), open, even)).await, (vec![1, 2, 3], None));
    assert_eq!(server.positions(), [None, Some(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_permanent_error_is_the_last_item() {
    for second in [at_once(&[Break(ErrorKind::PermissionDenied), Item]), Refused(ErrorKind::PermissionDenied)] {
        let server = Server::new();
        let mut feed = pin!(stream::resume(POLICY, server.open([at_once(&[Item, RESET]), second]), position));
        assert_eq!(feed.next().await.unwrap().unwrap(), 1);
        assert_eq!((feed.stop_reason(), feed.is_terminated()), (None, false));
        assert_eq!(feed.next().await.unwrap().unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert_eq!((feed.stop_reason(), feed.is_terminated()), (Some(StopReason::Permanent), true));
        assert!(feed.next().await.is_none());
        assert_eq!(server.alive.get(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clean_end_is_the_end_unless_the_stream_is_unending() {
    let server = Server::new();
    let script = [at_once(&[Item]), at_once(&[Item]), at_once(&[])];
    let mut feed = pin!(stream::resume(POLICY.total(2), server.open(script), position));
    assert_eq!(feed.next().await.unwrap().unwrap(), 1);
    assert!(feed.next().await.is_none());
    assert_eq!(feed.stop_reason(), Some(StopReason::Succeeded));

    // A break, whatever the error says of itself. Giving up never looks like the end.
    let server = Server::new();
    let feed = stream::resume(POLICY.total(2), server.open(script), position);
    let ended = || ErrorKind::NotFound.into();
    assert_eq!(all(feed.unending(ended)).await, (vec![1, 2], Some(ErrorKind::NotFound)));
    assert_eq!(server.positions(), [None, Some(1), Some(2), Some(2)]);
}

#[tokio::test(start_paused = true)]
async fn nothing_for_too_long_is_a_break_and_an_item_begins_the_watch_anew() {
    let server = Server::new();
    let open = server.open([at_once(&[Item, Idle(900), Item, Idle(900), Item, Silence]), at_once(&[Idle(999), Item])]);
    let mut faults = Vec::new();
    let policy = POLICY.on_retry(|event: Event<'_, io::Error>| faults.push((event.fault(), event.wait())));
    assert_eq!(all(stream::resume(policy, open, position).stall(secs(1))).await, (vec![1, 2, 3, 4], None));
    assert_eq!(faults, [(Fault::Timeout, secs(1))]);
    // 1.8 s of items, the watch, and the wait.
    assert_eq!(server.gaps(), [millis(1_800) + secs(1) + secs(1)]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_timeout_bounds_the_opening_alone() {
    let server = Server::new();
    let open = server.open([Silent, After(millis(900), &[Idle(3_600_000), Item])]);
    let feed = stream::resume(POLICY.attempt_timeout(secs(1)), open, position);
    assert_eq!(all(feed).await, (vec![1], None));
    assert_eq!(server.gaps(), [secs(2)]);
}

#[tokio::test(start_paused = true)]
async fn the_limits_begin_anew_after_an_item_and_not_after_an_open_without_one() {
    // A hundred breaks with an item between them, and two failures are allowed in a row.
    let server = Server::new();
    let refused = Rc::new(Cell::new(true));
    let mut open = server.open([at_once(&[Item, RESET])]);
    let every_other = |last: Option<u64>| {
        refused.set(!refused.get());
        if last == Some(100) {
            at_once(&[])
        } else {
            at_once(&[RESET])
        };
        if refused.get() { Box::pin(async { Err(ErrorKind::ConnectionRefused.into()) }) } else { open(last) }
    };
    let feed = stream::resume(POLICY.total(2), every_other, position).take(100);
    assert_eq!(all(feed).await, ((1..=100).collect(), None));

    // It accepts, and closes at once.
    let server = Server::new();
    let feed = stream::resume(POLICY.total(2), server.open([at_once(&[RESET])]), position);
    assert_eq!(all(feed).await, (vec![], Some(ErrorKind::ConnectionReset)));
    assert_eq!(server.gaps(), [secs(1), secs(2)]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_feed_that_is_cut_every_few_minutes_is_never_given_up() {
    let server = Server::new();
    let open = server.open([at_once(&[Idle(180_000), RESET])]);
    let mut feed = pin!(stream::resume(POLICY.total(2), open, position));
    let day = tokio::time::timeout(secs(86_400), feed.next());
    assert!(day.await.is_err());
    assert_eq!(server.gaps().len(), 86_400 / 181);
    assert!(server.gaps().iter().all(|gap| *gap == secs(181)), "the waits begin anew");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_sends_one_item_and_closes_is_not_hammered() {
    for seed in 0..20 {
        let server = Server::new();
        let policy = stream::POLICY.backoff(millis(100)).total(8).seed(seed);
        let feed = stream::resume(policy, server.open([at_once(&[Item, RESET])]), position);
        let _ = tokio::time::timeout(secs(3), all(feed)).await;
        assert!((2..=10).contains(&server.opens.borrow().len()), "{} opens", server.opens.borrow().len());
    }
}

#[tokio::test(start_paused = true)]
async fn streams_that_lose_their_server_at_one_moment_do_not_come_back_at_one() {
    let (started, opens) = (Instant::now(), &RefCell::new(Vec::new()));
    let feeds = (0..400).map(|_| {
        let mut first = true;
        let open = move |_: Option<u64>| {
            let lost = std::mem::take(&mut first);
            async move {
                if !lost {
                    opens.borrow_mut().push(started.elapsed());
                }
                Ok::<_, io::Error>(streams::iter(lost.then(|| Err(io::Error::from(ErrorKind::ConnectionReset)))))
            }
        };
        all(stream::resume(stream::POLICY, open, position))
    });
    futures::future::join_all(feeds).await;
    let opens = opens.take();
    let busiest =
        (0..400).map(|i| opens.iter().filter(|time| (opens[i]..opens[i] + millis(10)).contains(*time)).count());
    assert_eq!(opens.len(), 400);
    assert!(busiest.max().unwrap() < 40);
}

#[tokio::test(start_paused = true)]
async fn the_time_to_fail_counts_from_the_first_failure_of_a_streak() {
    for policy in [POLICY.within(secs(10)).reset_after(secs(3600)), POLICY.failing_for(secs(10))] {
        let server = Server::new();
        let mut report = Report::new();
        let open = server.open([at_once(&[Idle(7_200_000), Item, RESET]), Refused(ErrorKind::ConnectionRefused)]);
        let feed = stream::resume(policy.report(&mut report), open, position);
        assert_eq!(all(feed).await, (vec![1], Some(ErrorKind::ConnectionRefused)));
        assert_eq!(report.stop_reason(), Some(StopReason::FailingTooLong));
        // Waits of 1, 2 and 4 s. One of 8 s would reach past 10 s.
        assert_eq!(server.opens.borrow().len(), 4);
        assert_eq!(report.attempts(), 4);
        assert_eq!(report.elapsed(), secs(7207));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_be_opened_again_where_an_operation_may_not_be_repeated() {
    let server = Server::new();
    let open = server.open([at_once(&[Item, RESET]), Refused(ErrorKind::ConnectionReset)]);
    let feed = stream::resume(POLICY.idempotent(false), open, position);
    // To read is safe, and what `open` does is decided by its own verdict.
    assert_eq!(all(feed).await, (vec![1], Some(ErrorKind::ConnectionReset)));
    assert_eq!(server.positions(), [None, Some(1)]);
}

/// A client's error that makes no others.
#[derive(Debug, PartialEq)]
enum Foreign {
    Broken,
    Late(TimedOut),
    Refused(Rejected),
}

#[tokio::test(start_paused = true)]
async fn guards_see_an_open_stream_as_a_success_and_errors_of_others_can_be_made() {
    // The probe of a half-open breaker is over when the stream is open, however long that lives.
    let breaker = Breaker::new().min_outcomes(1).open_for(secs(5));
    let broken = |_: &Foreign| Verdict::transient();
    let run = || POLICY.total(0).when(broken).breaker(&breaker).on_rejected(Foreign::Refused);
    let silent = |_: Option<u64>| async { Ok(streams::pending::<Result<u64, Foreign>>()) };
    let failing = |_: Option<u64>| async { Err::<streams::Empty<Result<u64, Foreign>>, _>(Foreign::Broken) };
    assert_eq!(pin!(stream::resume(run(), failing, position)).next().await, Some(Err(Foreign::Broken)));
    let refused = pin!(stream::resume(run(), failing, position)).next().await;
    assert!(matches!(refused, Some(Err(Foreign::Refused(_)))), "{refused:?}");
    tokio::time::advance(secs(6)).await;
    let mut first = pin!(stream::resume(run(), silent, position));
    assert!(futures::poll!(first.next()).is_pending());
    let mut second = pin!(stream::resume(run(), silent, position));
    assert!(futures::poll!(second.next()).is_pending(), "the probe is over");

    let late = POLICY.total(0).when(broken).attempt_timeout(secs(1)).on_timeout(Foreign::Late);
    let never = |_: Option<u64>| pending::<Result<streams::Empty<Result<u64, Foreign>>, Foreign>>();
    let outcome = pin!(stream::resume(late, never, position)).next().await;
    assert_eq!(outcome, Some(Err(Foreign::Late(TimedOut::new(secs(1))))));
}

#[tokio::test(start_paused = true)]
async fn a_budget_and_a_throttle_hold_for_streams_too() {
    let budget = Budget::new().size(2);
    let server = Server::new();
    let mut feed =
        pin!(stream::resume(POLICY.budget(&budget), server.open([Refused(ErrorKind::ConnectionRefused)]), position));
    assert!(feed.next().await.unwrap().is_err());
    assert_eq!(feed.stop_reason(), Some(StopReason::BudgetExhausted));
    assert_eq!(server.opens.borrow().len(), 3);
    let throttle = AdaptiveThrottle::new();
    let server = Server::new();
    let open = server.open([at_once(&[Item, Item])]);
    assert_eq!(all(stream::resume(POLICY.throttle(&throttle), open, position)).await, (vec![1, 2], None));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_drops_its_connection_or_its_wait() {
    let server = Server::new();
    let mut feed = Box::pin(stream::resume(POLICY, server.open([at_once(&[Item, Silence])]), position));
    assert_eq!(feed.next().await.unwrap().unwrap(), 1);
    assert!(futures::poll!(feed.next()).is_pending());
    assert_eq!(server.alive.get(), 1);
    drop(feed);
    assert_eq!(server.alive.get(), 0);

    let mut feed = Box::pin(stream::resume(POLICY, server.open([at_once(&[RESET])]), position));
    assert!(futures::poll!(feed.next()).is_pending());
    assert_eq!(server.alive.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_an_item_can_be_given_up_and_loses_none() {
    let server = Server::new();
    let open = server.open([at_once(&[Idle(1000), Item, Idle(1000), Item, RESET]), at_once(&[Idle(1000), Item])]);
    let mut feed = pin!(stream::resume(POLICY, open, position));
    let mut items = Vec::new();
    loop {
        match tokio::time::timeout(millis(300), feed.next()).await {
            Ok(Some(item)) => items.push(item.unwrap()),
            Ok(None) => break,
            Err(_) => {}
        }
    }
    assert_eq!(items, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_million_items_over_a_thousand_breaks_come_once_and_in_order_in_a_task() {
    let task = tokio::spawn(async {
        let open = |last: Option<u64>| async move {
            let next = last.map_or(0, |last| last + 1);
            let broken = (next < 999_000).then(|| Err(io::Error::from(ErrorKind::ConnectionReset)));
            Ok::<_, io::Error>(streams::iter((next..next + 1000).map(Ok).chain(broken)))
        };
        let mut feed = pin!(stream::resume(stream::POLICY, open, position));
        let mut expected = 0;
        while let Some(item) = feed.next().await {
            assert_eq!(item.unwrap(), expected);
            expected += 1;
        }
        expected
    });
    assert_eq!(task.await.unwrap(), 1_000_000);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_told_to_stop_ends_at_once_wherever_it_is() {
    /// Ends after ten seconds, and tells what came by then.
    async fn check<const N: usize>(script: [Opened; N]) -> (Vec<u64>, Option<ErrorKind>) {
        let server = Server::new();
        let stop = Stop::new();
        let told = async {
            sleep(secs(10)).await;
            stop.stop();
        };
        let by_handle = stream::resume(POLICY.stopped_by(&stop), server.open(script), position);
        let (by_handle, ()) = tokio::join!(all(by_handle), told);
        assert_eq!(server.started.elapsed(), secs(10));
        assert_eq!(server.alive.get(), 0);

        let server = Server::new();
        let mut report = Report::new();
        let by_future = POLICY.until(sleep(secs(10))).report(&mut report);
        let by_future = all(stream::resume(by_future, server.open(script), position)).await;
        assert_eq!(server.started.elapsed(), secs(10));
        assert_eq!(report.stop_reason(), Some(StopReason::Stopped));
        assert_eq!(by_future, by_handle);
        by_handle
    }
    let reset = Some(ErrorKind::ConnectionReset);
    assert_eq!(check([at_once(&[Item, Silence])]).await, (vec![1], None));
    assert_eq!(check([Silent]).await, (vec![], None));
    // In a wait of 8 s there is an error to return.
    assert_eq!(check([at_once(&[Item, RESET]), at_once(&[RESET])]).await, (vec![1], reset));
    assert_eq!(check([at_once(&[Item, RESET]), Silent]).await, (vec![1], None));

    // Told before the start: it is opened once. A feed that is never idle ends, too.
    let stop = Stop::new();
    stop.stop();
    let server = Server::new();
    let silent = stream::resume(POLICY.stopped_by(&stop), server.open([Silent]), position);
    assert_eq!(all(silent).await, (vec![], None));
    let busy = |_: Option<u64>| async { Ok::<_, io::Error>(streams::repeat_with(|| Ok(7))) };
    let (items, _) = all(stream::resume(POLICY.until(async {}), busy, position)).await;
    assert!(items.len() <= 1, "{items:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_is_awaited_ends_before_the_wait() {
    let server = Server::new();
    let hooked = Cell::new(0);
    let policy = POLICY.on_retry_async(|_: Event<'_, io::Error>| async {
        sleep(secs(5)).await;
        hooked.set(hooked.get() + 1);
    });
    let open = server.open([at_once(&[Item, RESET]), at_once(&[Item])]);
    assert_eq!(all(stream::resume(policy, open, position)).await, (vec![1, 2], None));
    assert_eq!(hooked.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_outage_is_told_at_its_first_item() {
    let server = Server::new();
    let mut outages = Vec::new();
    let open = server.open([
        at_once(&[Item, Item, Idle(500), RESET]),
        Refused(ErrorKind::ConnectionRefused),
        at_once(&[RESET]),
        at_once(&[Idle(250), Item, Item, RESET]),
        at_once(&[Item]),
    ]);
    let feed = stream::resume(POLICY, open, position).on_healthy(|outage| outages.push(outage));
    assert_eq!(all(feed).await, ((1..=5).collect(), None));
    let told: Vec<_> = outages.iter().map(|outage| (outage.failures(), outage.lasted())).collect();
    // Waits of 1, 2 and 4 s. The second outage waits on: what stood for 0.25 s did not earn a short wait.
    assert_eq!(told[0], (3, secs(7) + millis(250)));
    assert_eq!(told.len(), 2);
    assert_eq!(told[1].0, 1);
    assert_eq!(outages[0].to_string(), "healthy again after 3 failures in 7.25 s");
}
