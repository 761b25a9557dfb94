//! `#[retry]`: on every shape of function, with every key.

use std::cell::Cell;
use std::error::Error as StdError;
use std::fmt::{self, Display};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use persevere::{Attempt, Event, Hints, Jitter, Policy, Report, retry};

/// Fails this often, then succeeds, and counts.
#[derive(Debug, Default)]
struct Server {
    failures: u32,
    calls: AtomicU32,
}

impl Server {
    fn failing(failures: u32) -> Self {
        Self { failures, calls: AtomicU32::new(0) }
    }

    fn call(&self) -> io::Result<u32> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if call <= self.failures { Err(timed_out()) } else { Ok(call) }
    }

    async fn call_async(&self) -> io::Result<u32> {
        tokio::task::yield_now().await;
        self.call()
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }
}

const LONG: Duration = Duration::from_secs(600);

fn timed_out() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

/// Runs a future on one thread, with time that passes at once.
fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future)
}

mod shapes {
    use super::*;

    #[retry(backoff = 0)]
    fn free(server: &Server) -> io::Result<u32> {
        server.call()
    }

    #[retry]
    fn bare(server: &Server) -> io::Result<u32> {
        server.call()
    }

    #[retry(backoff = 0)]
    async fn free_async(server: &Server) -> io::Result<u32> {
        server.call_async().await
    }

    #[test]
    fn free_functions() {
        assert_eq!(free(&Server::failing(3)).unwrap(), 4);
        assert_eq!(free(&Server::failing(4)).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(bare(&Server::failing(1)).unwrap(), 2);
        assert_eq!(block_on(free_async(&Server::failing(3))).unwrap(), 4);
        assert!(block_on(free_async(&Server::failing(4))).is_err());
    }

    #[derive(Default)]
    struct Client {
        server: Server,
        log: Vec<String>,
    }

    impl Client {
        fn failing(failures: u32) -> Self {
            Self { server: Server::failing(failures), log: Vec::new() }
        }

        #[retry(backoff = 0)]
        fn shared(&self) -> Result<u32, io::Error> {
            self.server.call()
        }

        #[retry(backoff = 0)]
        fn exclusive(&mut self, line: &str) -> Result<usize, io::Error> {
            self.log.push(line.to_owned());
            self.server.call()?;
            Ok(self.log.len())
        }

        #[retry(backoff = 0)]
        fn consumed(mut self) -> Result<usize, io::Error> {
            self.log.push(String::new());
            self.server.call()?;
            Ok(self.log.len())
        }

        #[retry(backoff = 0)]
        async fn shared_async(&self) -> Result<u32, io::Error> {
            self.server.call_async().await
        }

        #[retry(backoff = 0)]
        async fn exclusive_async(&mut self, line: &str) -> Result<usize, io::Error> {
            self.log.push(line.to_owned());
            self.server.call_async().await?;
            Ok(self.log.len())
        }

        #[retry(backoff = 0)]
        async fn consumed_async(mut self) -> Result<usize, io::Error> {
            self.log.push(String::new());
            self.server.call_async().await?;
            Ok(self.log.len())
        }

        #[retry(backoff = 0)]
        fn made(failures: &Cell<u32>) -> io::Result<Self> {
            failures.set(failures.get() + 1);
            if failures.get() < 3 { Err(timed_out()) } else { Ok(Self::failing(failures.get())) }
        }
    }

    #[test]
    fn methods() {
        assert_eq!(Client::failing(2).shared().unwrap(), 3);
        assert_eq!(Client::failing(2).exclusive("x").unwrap(), 3);
        assert_eq!(Client::failing(2).consumed().unwrap(), 3);
        assert_eq!(block_on(Client::failing(2).shared_async()).unwrap(), 3);
        assert_eq!(block_on(Client::failing(2).exclusive_async("x")).unwrap(), 3);
        assert_eq!(block_on(Client::failing(2).consumed_async()).unwrap(), 3);
        assert_eq!(Client::made(&Cell::new(0)).unwrap().server.failures, 3);
    }

    trait Store {
        async fn get(&self, key: &str) -> io::Result<u32>;

        #[retry(backoff = 0)]
        async fn get_twice(&self, key: &str) -> io::Result<u32> {
            Ok(self.get(key).await? + self.get(key).await?)
        }
    }

    impl Store for Server {
        #[retry(backoff = 0)]
        async fn get(&self, _key: &str) -> io::Result<u32> {
            self.call_async().await
        }
    }

    #[test]
    fn async_functions_in_traits() {
        assert_eq!(block_on(Server::failing(2).get("x")).unwrap(), 3);
        // The first attempt uses up all the retries of `get`, the second goes through.
        assert_eq!(block_on(Server::failing(4).get_twice("x")).unwrap(), 5 + 6);
    }

    #[retry(backoff = 0)]
    fn generic<T, const N: usize>(values: &Cell<[Option<T>; N]>) -> Result<T, io::Error>
    where
        T: Copy + Display,
        [Option<T>; N]: Default,
    {
        let mut rest = values.take();
        let found = rest.iter_mut().find_map(Option::take);
        found.ok_or_else(timed_out)
    }

    #[retry(backoff = 0)]
    fn longest<'a, 'b: 'a>(server: &Server, one: &'a str, two: &'b str) -> io::Result<&'a str> {
        server.call()?;
        Ok(if one.len() > two.len() { one } else { two })
    }

    #[retry(backoff = 0)]
    async fn elided(server: &Server, (name, _): (&'static str, u8)) -> io::Result<&'static str> {
        server.call_async().await?;
        Ok(name)
    }

    #[retry(backoff = 0)]
    fn borrowed<'a>(server: &Server, Wrapper { text, .. }: &'a Wrapper<'a>) -> io::Result<Wrapper<'a>> {
        server.call()?;
        Ok(Wrapper { text, length: text.len() })
    }

    struct Wrapper<'a> {
        text: &'a str,
        length: usize,
    }

    #[retry(backoff = 0)]
    fn opaque(server: &Server, items: &(impl AsRef<[u32]> + ?Sized)) -> io::Result<impl Iterator<Item = u32>> {
        server.call()?;
        Ok(items.as_ref().to_vec().into_iter())
    }

    #[retry(backoff = 0)]
    fn opaque_array(server: &Server) -> io::Result<[impl Display; 2]> {
        server.call()?;
        Ok([1, 2])
    }

    #[retry(backoff = 0, when = |error| error.kind() == io::ErrorKind::TimedOut, when_ok = |_| false)]
    async fn opaque_async(server: &Server, items: &[u32]) -> Result<impl Iterator<Item = u32> + use<>, io::Error> {
        server.call_async().await?;
        let doubled: Vec<_> = items.iter().map(|item| item * 2).collect();
        Ok(doubled.into_iter())
    }

    #[retry(backoff = 0, when = |_| true)]
    fn opaque_error(server: &Server) -> Result<u32, impl StdError> {
        server.call()
    }

    #[retry(backoff = 0)]
    fn coerced(server: &Server) -> Result<Box<dyn Display>, Box<dyn StdError + Send + Sync>> {
        Ok(Box::new(server.call()?))
    }

    #[test]
    fn generics_and_lifetimes() {
        assert_eq!(generic(&Cell::new([None, Some(7)])).unwrap(), 7);
        assert_eq!(longest(&Server::failing(1), "a", "bc").unwrap(), "bc");
        assert_eq!(block_on(elided(&Server::failing(1), ("x", 0))).unwrap(), "x");
        assert_eq!(borrowed(&Server::failing(1), &Wrapper { text: "abc", length: 0 }).unwrap().length, 3);
        assert_eq!(opaque(&Server::failing(1), &[1, 2]).unwrap().sum::<u32>(), 3);
        assert_eq!(opaque_array(&Server::failing(1)).unwrap().map(|item| item.to_string()), ["1", "2"]);
        assert_eq!(block_on(opaque_async(&Server::failing(1), &[1, 2])).unwrap().sum::<u32>(), 6);
        assert_eq!(opaque_error(&Server::failing(1)).unwrap(), 2);
        assert_eq!(coerced(&Server::failing(1)).unwrap().to_string(), "2");
    }

    fn swallow(text: String) -> usize {
        text.into_bytes().into_boxed_slice().len()
    }

    #[retry(backoff = 0, clone(name))]
    fn owned(server: &Server, name: String) -> io::Result<usize> {
        let length = swallow(name);
        server.call()?;
        Ok(length)
    }

    #[retry(backoff = 0, clone(name, list))]
    async fn owned_async(server: &Server, mut name: String, list: Vec<u8>) -> io::Result<usize> {
        name.push('!');
        let length = swallow(name) + list.into_boxed_slice().len();
        server.call_async().await?;
        Ok(length)
    }

    /// Without a clone, what an attempt did to an argument stays.
    #[retry(backoff = 0)]
    async fn counted(server: &Server, mut attempts: u32) -> io::Result<u32> {
        attempts += 1;
        server.call_async().await?;
        Ok(attempts)
    }

    #[retry(backoff = 0)]
    fn counted_blocking(server: &Server, mut attempts: u32) -> io::Result<u32> {
        attempts += 1;
        server.call()?;
        Ok(attempts)
    }

    #[test]
    fn owned_arguments() {
        assert_eq!(owned(&Server::failing(2), "abc".to_owned()).unwrap(), 3);
        assert_eq!(block_on(owned_async(&Server::failing(2), "abc".to_owned(), vec![0])).unwrap(), 5);
        assert_eq!(block_on(counted(&Server::failing(2), 0)).unwrap(), 3);
        assert_eq!(counted_blocking(&Server::failing(2), 0).unwrap(), 3);
    }

    #[retry(backoff = 0, when = |_| false)]
    fn early(number: i32) -> Result<i32, String> {
        if number < 0 {
            return Err("negative".to_owned());
        }
        let doubled = || -> Result<i32, std::num::TryFromIntError> {
            let small = u8::try_from(number)?;
            Ok(i32::from(small) * 2)
        };
        if number == 0 {
            return Ok(0);
        }
        doubled().map_err(|error| error.to_string())
    }

    #[retry(backoff = 0)]
    fn factorial(server: &Server, number: u32) -> io::Result<u32> {
        if number == 0 {
            return server.call().map(|_| 1);
        }
        Ok(number * factorial(server, number - 1)?)
    }

    #[derive(Debug)]
    enum Wrapped {
        Io(io::Error),
        Number,
    }

    impl From<io::Error> for Wrapped {
        fn from(error: io::Error) -> Self {
            Self::Io(error)
        }
    }

    impl From<std::num::ParseIntError> for Wrapped {
        fn from(_: std::num::ParseIntError) -> Self {
            Self::Number
        }
    }

    #[retry(backoff = 0, when = |error| matches!(error, Wrapped::Io(source) if source.kind() == io::ErrorKind::TimedOut))]
    async fn converted(server: &Server, number: &str) -> Result<u32, Wrapped> {
        Ok(server.call_async().await? + number.parse::<u32>()?)
    }

    #[test]
    fn control_flow() {
        assert_eq!(early(-1).unwrap_err(), "negative");
        assert_eq!(early(0).unwrap(), 0);
        assert_eq!(early(4).unwrap(), 8);
        assert!(early(300).is_err());
        assert_eq!(factorial(&Server::failing(3), 5).unwrap(), 120);
        assert_eq!(block_on(converted(&Server::failing(2), "4")).unwrap(), 7);
        let server = Server::failing(0);
        assert!(matches!(block_on(converted(&server, "x")), Err(Wrapped::Number)));
        assert_eq!(server.calls(), 1);
    }

    #[retry(backoff = 0)]
    fn inner_attributes(server: &Server) -> io::Result<u32> {
        #![allow(unused_variables)]
        let unused = 1;
        server.call()
    }

    macro_rules! written_by_a_macro {
        ($vis:vis $name:ident($($argument:ident: $ty:ty),*) -> $result:ty $body:block, $wait:literal, $count:expr) => {
            #[retry(backoff = $wait, total = $count)]
            $vis fn $name($($argument: $ty),*) -> $result $body
        };
    }
    written_by_a_macro!(generated(server: &Server) -> io::Result<u32> { server.call() }, 0, 1 + 1);

    written_by_a_macro!(future(server: &Server) -> io::Result<impl Future<Output = u32> + use<>> {
        let value = server.call()?;
        Ok(async move { value })
    }, 0, 2);

    #[test]
    fn other_macros() {
        assert_eq!(block_on(future(&Server::failing(2)).unwrap()), 3);
        assert_eq!(inner_attributes(&Server::failing(1)).unwrap(), 2);
        assert_eq!(generated(&Server::failing(2)).unwrap(), 3);
        assert!(generated(&Server::failing(3)).is_err());
    }
}

mod boxed {
    use super::*;
    use async_trait::async_trait;
    use std::pin::Pin;

    #[async_trait]
    trait Store: Sync {
        async fn get(&self, key: String, tags: &[&str]) -> io::Result<String>;

        #[retry(backoff = 0)]
        async fn size(&self, key: &str) -> Result<usize, io::Error> {
            Ok(self.get(key.to_owned(), &[]).await?.len())
        }

        async fn put(&mut self, key: String) -> io::Result<usize>;

        async fn put_both(&mut self, both: (String, String)) -> io::Result<usize>;
    }

    struct Memory(Server, Vec<String>);

    #[async_trait]
    impl Store for Memory {
        #[retry(backoff = 0)]
        async fn get(&self, key: String, tags: &[&str]) -> io::Result<String> {
            self.0.call_async().await?;
            Ok(format!("{key}{}", tags.len()))
        }

        /// Keeps a key.
        #[retry(backoff = 0, clone(key), before_retry = { tokio::task::yield_now().await })]
        async fn put(&mut self, mut key: String) -> io::Result<usize> {
            key.push('!');
            self.1.push(key);
            self.0.call_async().await?;
            Ok(self.1.len())
        }

        #[retry(backoff = 0, clone(two))]
        async fn put_both(&mut self, (one, two): (String, String)) -> io::Result<usize> {
            self.1.push(two);
            self.0.call_async().await?;
            Ok(self.1.len() + one.len())
        }
    }

    #[test]
    fn async_trait_outside() {
        let mut store = Memory(Server::failing(2), Vec::new());
        assert_eq!(block_on(store.get("k".to_owned(), &["t"])).unwrap(), "k1");
        assert_eq!(block_on(Memory(Server::failing(4), Vec::new()).size("key")).unwrap(), 4);
        store.0 = Server::failing(2);
        assert_eq!(block_on(store.put("k".to_owned())).unwrap(), 3);
        assert_eq!(store.1, ["k!", "k!", "k!"]);
        store.0 = Server::failing(1);
        assert_eq!(block_on(store.put_both(("four".to_owned(), "b".to_owned()))).unwrap(), 5 + 4);
    }

    #[retry(backoff = 0)]
    async fn through(store: &dyn Store) -> io::Result<String> {
        #[async_trait]
        trait Named {
            async fn name(&self) -> String;
        }
        struct Name;
        #[async_trait]
        impl Named for Name {
            async fn name(&self) -> String {
                "n".to_owned()
            }
        }
        store.get(Name.name().await, &[]).await
    }

    #[test]
    fn async_trait_inside() {
        assert_eq!(block_on(through(&Memory(Server::failing(4), Vec::new()))).unwrap(), "n0");
    }

    #[retry(backoff = 0)]
    fn by_hand<'a>(server: &'a Server) -> Pin<Box<dyn Future<Output = io::Result<u32>> + Send + 'a>> {
        Box::pin(async move { server.call_async().await })
    }

    #[retry(backoff = 0)]
    fn by_hand_with_an_if<'a>(
        server: &'a Server,
        start: u32,
    ) -> Pin<Box<dyn Future<Output = io::Result<u32>> + Send + 'a>> {
        Box::pin(async move {
            if server.call().is_err() {
                return Err(timed_out());
            }
            let mut end = start;
            end += server.call_async().await?;
            Ok(end)
        })
    }

    #[test]
    fn boxed_by_hand() {
        assert_eq!(block_on(by_hand(&Server::failing(2))).unwrap(), 3);
        assert_eq!(block_on(by_hand_with_an_if(&Server::failing(2), 10)).unwrap(), 10 + 4);
    }
}

mod keys {
    use super::*;
    use persevere::time::BlockingTimer;

    /// Time that passes when somebody waits.
    #[derive(Default)]
    struct Clock {
        now: Cell<Duration>,
        waits: std::cell::RefCell<Vec<u128>>,
    }

    impl BlockingTimer for &Clock {
        fn now(&self) -> Duration {
            self.now.get()
        }

        fn sleep(&self, wait: Duration) {
            self.now.set(self.now.get() + wait);
            self.waits.borrow_mut().push(wait.as_millis());
        }
    }

    #[retry(
        total = 5, backoff = 1, factor = 3, max_wait = 20.0, jitter = none, immediate_first = false, within = 3600,
        max_hint = 10, hints = clamp, idempotent = true, connect = 1, read = 4, status = 1, redirect = 1, other = 1,
        timer = clock
    )]
    fn literals(server: &Server, clock: &Clock) -> io::Result<u32> {
        server.call()
    }

    const ONE: u16 = 1;

    #[retry(
        total = number, backoff = base, factor = 1.0 + 2.0, max_wait = Duration::from_secs(20), jitter = Jitter::None,
        immediate_first = number < 2, within = base * 3600, max_hint = base * 10, hints = Hints::Clamp, idempotent = number > 1,
        connect = ONE, read = 4 * ONE, status = ONE, redirect = ONE, other = ONE, timer = clock,
    )]
    fn expressions(server: &Server, clock: &Clock, number: u32, base: Duration) -> io::Result<u32> {
        server.call()
    }

    #[test]
    fn literals_and_expressions_mean_the_same() {
        let [one, two] = [Clock::default(), Clock::default()];
        assert!(literals(&Server::failing(9), &one).is_err());
        assert!(expressions(&Server::failing(9), &two, 5, Duration::from_secs(1)).is_err());
        // Four, by the limit of its own that the fault has.
        assert_eq!(*one.waits.borrow(), [1000, 3000, 9000, 20_000]);
        assert_eq!(one.waits, two.waits);
    }

    const POLICY: Policy = Policy::new().total(1).backoff(Duration::ZERO);

    #[retry(policy = POLICY)]
    fn by_constant(server: &Server) -> io::Result<u32> {
        server.call()
    }

    #[retry(policy = POLICY, total = 2)]
    fn by_changed_constant(server: &Server) -> io::Result<u32> {
        server.call()
    }

    #[retry(policy = *policy, total = policy.max_attempts().unwrap_or(7) + 2, within = 5)]
    fn by_argument(policy: &Policy, server: &Server) -> io::Result<u32> {
        server.call()
    }

    #[retry(policy = POLICY.when(|_: &io::Error| false))]
    fn by_builder(server: &Server) -> io::Result<u32> {
        server.call()
    }

    #[retry(policy = persevere::Backoff::constant(Duration::from_secs(2)), timer = clock)]
    fn by_backoff(server: &Server, clock: &Clock) -> io::Result<u32> {
        server.call()
    }

    #[test]
    fn policies() {
        let tries = |retried: &dyn Fn(&Server) -> io::Result<u32>| {
            let server = Server::failing(99);
            assert!(retried(&server).is_err());
            server.calls()
        };
        assert_eq!(tries(&by_constant), 2);
        assert_eq!(tries(&by_changed_constant), 3);
        assert_eq!(tries(&|server| by_argument(&POLICY, server)), 5);
        assert_eq!(tries(&by_builder), 1);
        let clock = Clock::default();
        assert_eq!(tries(&|server| by_backoff(server, &clock)), 4);
        assert_eq!(*clock.waits.borrow(), [2000, 2000, 2000]);
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[retry(total = 2, backoff = 1, jitter = none, immediate_first = false, reset_after = 60, failing_for = 2 * MINUTE, timer = clock)]
    fn healthy(server: &Server, clock: &Clock) -> io::Result<u32> {
        clock.now.set(clock.now.get() + if server.calls() < 5 { MINUTE } else { Duration::ZERO });
        server.call()
    }

    #[retry(backoff_for(timeout = 10, connect = persevere::Backoff::constant(MINUTE)), timer = clock)]
    fn own_backoffs(server: &Server, clock: &Clock, kind: io::ErrorKind) -> io::Result<u32> {
        server.call().map_err(|_| kind.into())
    }

    #[retry(total = 1, attempt_timeout = 1, reset_after = 60, failing_for = 120, backoff_for(timeout = 0))]
    async fn lasting(server: &Server) -> io::Result<u32> {
        server.call_async().await
    }

    #[test]
    fn keys_for_work_that_lasts() {
        let (clock, server) = (Clock::default(), Server::failing(99));
        assert!(healthy(&server, &clock).is_err());
        assert_eq!((server.calls(), &*clock.waits.borrow()), (7, &vec![1000, 1000, 1000, 1000, 1000, 2000]));
        let clock = Clock::default();
        assert!(own_backoffs(&Server::failing(99), &clock, io::ErrorKind::ConnectionRefused).is_err());
        assert_eq!(*clock.waits.borrow(), [60_000; 3]);
        let clock = Clock::default();
        assert!(own_backoffs(&Server::failing(99), &clock, io::ErrorKind::TimedOut).is_err());
        let waits = clock.waits.take();
        assert!(waits.len() <= 2 && waits.iter().all(|wait| *wait <= 40_000), "{waits:?}");
        let server = Server::failing(99);
        assert!(block_on(lasting(&server)).is_err());
        assert_eq!(server.calls(), 2);
    }

    #[retry(forever, backoff = 1, jitter = none, timer = clock)]
    fn endless(server: &Server, clock: &Clock) -> io::Result<u32> {
        server.call()
    }

    #[retry(forever = true, backoff = 1, jitter = none, within = 7.5, timer = clock)]
    fn endless_until(server: &Server, clock: &Clock) -> io::Result<u32> {
        server.call()
    }

    #[retry(forever = false, backoff = 1, jitter = none, timer = clock)]
    fn not_endless(server: &Server, clock: &Clock) -> io::Result<u32> {
        server.call()
    }

    #[test]
    fn forever() {
        let clock = Clock::default();
        assert_eq!(endless(&Server::failing(50), &clock).unwrap(), 51);
        assert!(endless_until(&Server::failing(50), &Clock::default()).is_err());
        assert!(not_endless(&Server::failing(50), &clock).is_err());
    }

    #[retry(total = 2, waits = [1, 2, 3].map(Duration::from_secs), timer = clock)]
    fn capped(server: &Server, clock: &Clock) -> io::Result<u32> {
        server.call()
    }

    #[retry(waits = std::iter::repeat(Duration::from_secs(1)), total = most, timer = clock)]
    fn capped_by_expression(server: &Server, clock: &Clock, most: u32) -> io::Result<u32> {
        server.call()
    }

    #[retry(policy = Policy::new().waits([Duration::from_secs(1); 9]), total = 2, timer = clock)]
    fn capped_policy(server: &Server, clock: &Clock) -> io::Result<u32> {
        server.call()
    }

    #[retry(policy = Policy::new().total(1), waits = [1, 2, 3].map(Duration::from_secs), total = 2, jitter = equal, timer = clock)]
    fn capped_and_drawn(server: &Server, clock: &Clock) -> io::Result<u32> {
        server.call()
    }

    #[retry(waits = std::iter::repeat(Duration::from_millis(1)), total = 2)]
    async fn capped_async(server: &Server) -> io::Result<u32> {
        server.call()
    }

    #[test]
    fn a_total_caps_a_list_of_waits_wherever_it_stands() {
        let clock = Clock::default();
        for (fails, outcome) in [(2, true), (3, false)] {
            assert_eq!(capped(&Server::failing(fails), &clock).is_ok(), outcome);
            assert_eq!(capped_by_expression(&Server::failing(fails), &clock, 2).is_ok(), outcome);
            assert_eq!(capped_policy(&Server::failing(fails), &clock).is_ok(), outcome);
            clock.waits.borrow_mut().clear();
            assert_eq!(capped_and_drawn(&Server::failing(fails), &clock).is_ok(), outcome);
            let waits = clock.waits.take();
            assert!((500..=1000).contains(&waits[0]) && (1000..=2000).contains(&waits[1]), "{waits:?}");
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            assert_eq!(runtime.block_on(capped_async(&Server::failing(fails))).is_ok(), outcome);
        }
    }

    #[retry(waits = [1, 2, 3].map(Duration::from_secs), timer = clock)]
    fn listed(server: &Server, clock: &Clock) -> io::Result<u32> {
        server.call()
    }

    #[retry(backoff = 1, seed = 7, timer = clock)]
    fn seeded(server: &Server, clock: &Clock) -> io::Result<u32> {
        server.call()
    }

    #[test]
    fn waits_and_seed() {
        let clock = Clock::default();
        assert!(listed(&Server::failing(50), &clock).is_err());
        assert_eq!(*clock.waits.borrow(), [1000, 2000, 3000]);
        let [one, two] = [Clock::default(), Clock::default()];
        assert!(seeded(&Server::failing(9), &one).is_err());
        assert!(seeded(&Server::failing(9), &two).is_err());
        assert_eq!(one.waits, two.waits);
    }

    fn is_timeout(error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::TimedOut
    }

    #[retry(backoff = 0, when = is_timeout)]
    fn when_path(server: &Server) -> io::Result<u32> {
        server.call()
    }

    #[retry(backoff = 0, when = |error| error.kind() == io::ErrorKind::NotFound || error.kind() == io::ErrorKind::Other)]
    fn when_closure(server: &Server) -> io::Result<u32> {
        server.call()
    }

    #[retry(backoff = 0, when_ok = |value| *value < 3, total = 9)]
    fn when_ok(server: &Server) -> io::Result<u32> {
        server.call()
    }

    #[retry(backoff = 0, on_retry = |event| log.push((event.attempt(), event.error().map(io::Error::kind))))]
    fn observed(server: &Server, log: &mut Vec<(u32, Option<io::ErrorKind>)>) -> io::Result<u32> {
        server.call()
    }

    #[test]
    fn hooks() {
        assert_eq!(when_path(&Server::failing(2)).unwrap(), 3);
        assert!(when_closure(&Server::failing(1)).is_err());
        assert_eq!(when_ok(&Server::failing(1)).unwrap(), 3);
        let mut log = Vec::new();
        assert_eq!(observed(&Server::failing(2), &mut log).unwrap(), 3);
        assert_eq!(log, [(1, Some(io::ErrorKind::TimedOut)), (2, Some(io::ErrorKind::TimedOut))]);
    }

    #[retry(backoff = 0, before_retry = { log.push("again") })]
    fn before(server: &Server, log: &mut Vec<&'static str>) -> io::Result<u32> {
        log.push("attempt");
        server.call()
    }

    #[retry(backoff = 0, before_retry = {
        log.push("again");
        server.call_async().await?;
    })]
    async fn before_async(server: &Server, log: &mut Vec<&'static str>) -> io::Result<u32> {
        log.push("attempt");
        server.call_async().await
    }

    #[retry(backoff = 0, before_retry = |event| log.push(event.attempt()))]
    fn before_told(server: &Server, log: &mut Vec<u32>) -> io::Result<u32> {
        log.push(0);
        server.call()
    }

    #[retry(backoff = 0, before_retry = |event: Event<'static>| {
        tokio::task::yield_now().await;
        log.push(event.attempt());
    })]
    async fn before_told_async(server: &Server, log: &mut Vec<u32>) -> io::Result<u32> {
        log.push(0);
        server.call_async().await
    }

    fn note(event: Event<'static>) {
        assert_eq!(event.fault(), persevere::Fault::Timeout);
    }

    #[retry(backoff = 0, before_retry = note)]
    fn before_function(server: &Server) -> io::Result<u32> {
        server.call()
    }

    #[test]
    fn before_retry() {
        let mut log = Vec::new();
        assert_eq!(before(&Server::failing(1), &mut log).unwrap(), 2);
        assert_eq!(log, ["attempt", "again", "attempt"]);
        log.clear();
        // The second attempt fails in the hook: it is part of the attempt.
        assert_eq!(block_on(before_async(&Server::failing(2), &mut log)).unwrap(), 4);
        assert_eq!(log, ["attempt", "again", "again", "attempt"]);
        let mut log = Vec::new();
        assert_eq!(before_told(&Server::failing(2), &mut log).unwrap(), 3);
        assert_eq!(log, [0, 1, 0, 2, 0]);
        log.clear();
        assert_eq!(block_on(before_told_async(&Server::failing(2), &mut log)).unwrap(), 3);
        assert_eq!(log, [0, 1, 0, 2, 0]);
        assert_eq!(before_function(&Server::failing(2)).unwrap(), 3);
    }

    #[retry(backoff = 0, attempt = attempt, within = 60)]
    fn told(server: &Server, log: &mut Vec<Attempt>) -> io::Result<u32> {
        log.push(attempt);
        server.call()
    }

    #[retry(backoff = 0, attempt = attempt)]
    async fn told_async(server: &Server) -> io::Result<u32> {
        server.call_async().await?;
        assert_eq!(attempt.remaining(), None);
        Ok(attempt.number())
    }

    #[retry(backoff = 0, report = report)]
    fn reported(server: &Server, report: &mut Report) -> io::Result<u32> {
        server.call()
    }

    #[test]
    fn attempt_and_report() {
        let mut log = Vec::new();
        assert_eq!(told(&Server::failing(2), &mut log).unwrap(), 3);
        assert_eq!(log.iter().map(Attempt::number).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(log.iter().all(|attempt| attempt.remaining().is_some_and(|left| left.as_secs() <= 60)));
        assert_eq!(block_on(told_async(&Server::failing(2))).unwrap(), 3);
        let mut report = Report::new();
        assert_eq!(reported(&Server::failing(2), &mut report).unwrap(), 3);
        assert_eq!(report.failures().count(), 2);
    }

    #[retry(total = 2, backoff = 0, attempt_timeout = 1.5)]
    async fn cut(server: &Server) -> io::Result<u32> {
        if server.call().is_err() {
            std::future::pending::<()>().await;
        }
        Ok(server.calls())
    }

    #[retry(total = server.failures, backoff = 0, attempt_timeout = Duration::from_millis(1500))]
    async fn cut_by_expression(server: &Server) -> Result<u32, Box<dyn StdError + Send + Sync>> {
        if server.call().is_err() {
            std::future::pending::<()>().await;
        }
        Ok(server.calls())
    }

    #[test]
    fn attempt_timeout() {
        assert_eq!(block_on(cut(&Server::failing(2))).unwrap(), 3);
        assert_eq!(block_on(cut(&Server::failing(3))).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(block_on(cut_by_expression(&Server::failing(2))).unwrap(), 3);
    }

    #[retry(when = <fmt::Error as Judge<u8, u16>>::judge, backoff = Duration::from_secs_f64(0.0), on_retry = |_| ())]
    fn commas_in_paths(failures: &Cell<u32>) -> Result<(), fmt::Error> {
        failures.set(failures.get() + 1);
        Err(fmt::Error)
    }

    trait Judge<A, B> {
        fn judge(&self) -> bool;
    }

    impl Judge<u8, u16> for fmt::Error {
        fn judge(&self) -> bool {
            Option::<Result<u8, u16>>::None.is_none()
        }
    }

    #[retry(
        when = { let kinds = [1, 2]; move |_| kinds.len() > 1 && kinds.len() << 1 > 2 },
        waits = Vec::<Duration>::with_capacity(4).into_iter().chain([Duration::ZERO])
    )]
    fn expressions_with_commas(failures: &Cell<u32>) -> Result<(), fmt::Error> {
        failures.set(failures.get() + 1);
        Err(fmt::Error)
    }

    #[test]
    fn commas_within_expressions_do_not_end_them() {
        let failures = Cell::new(0);
        assert!(commas_in_paths(&failures).is_err());
        assert_eq!(failures.replace(0), 4);
        assert!(expressions_with_commas(&failures).is_err());
        assert_eq!(failures.get(), 2);
    }
}

mod surroundings {
    use super::*;

    mod renamed {
        pub(super) use persevere as again;
    }

    #[retry(crate = renamed::again, backoff = 0, jitter = full)]
    fn by_another_name(server: &Server) -> io::Result<u32> {
        server.call()
    }

    #[test]
    fn renamed_crate() {
        assert_eq!(by_another_name(&Server::failing(1)).unwrap(), 2);
    }

    #[test]
    fn spawns_with_exclusive_borrows() {
        #[retry(backoff = 0, attempt_timeout = 5, before_retry = { log.push('r') })]
        async fn fill(server: &Server, log: &mut Vec<char>, buffer: &mut String) -> io::Result<u32> {
            buffer.clear();
            log.push('a');
            server.call_async().await
        }

        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let filled = runtime.block_on(async {
            tokio::spawn(async {
                let (mut log, mut buffer) = (Vec::new(), String::from("x"));
                let value = fill(&Server::failing(2), &mut log, &mut buffer).await;
                (value.unwrap(), log.into_iter().collect::<String>(), buffer)
            })
            .await
        });
        assert_eq!(filled.unwrap(), (3, "arara".to_owned(), String::new()));
    }

    #[test]
    fn an_error_that_is_not_send_does_not_cross_a_wait() {
        #[retry(when = |_| true, backoff = 0.001, jitter = none, immediate_first = false)]
        async fn local(fails: bool) -> Result<u32, std::rc::Rc<str>> {
            if fails { Err("no".into()) } else { Ok(1) }
        }

        fn is_send<F: Future + Send>(future: F) -> F {
            future
        }
        assert!(block_on(is_send(local(true))).is_err());
        assert_eq!(block_on(is_send(local(false))).unwrap(), 1);
    }

    /// Lowercase statics and constants of every name that an expansion could bind. A pattern of such a name would be
    /// refused or would compare.
    mod lowercase {
        #![deny(warnings)]
        #![allow(non_upper_case_globals, dead_code)]

        use super::{Duration, Server, io};
        use persevere::prelude::{retry as bang, retry_async};
        use persevere::{Policy, Retryable, retry};

        macro_rules! taken {
            ($keyword:ident: $($name:ident)*) => { $(pub(crate) $keyword $name: u8 = 1;)* };
        }

        macro_rules! every_form {
            ($keyword:ident) => {
                taken! {
                    $keyword: run memory outcome attempt wait of never refused last event retried again step policy value
                    _run _memory _again field0 field1 source code due this error
                }

                #[retry(total = 2, backoff = 0, jitter = none, before_retry = |_| seen.push('r'), when = |_| true)]
                pub(crate) fn blocking(server: &Server, seen: &mut Vec<char>) -> io::Result<u32> {
                    bang!(Policy::new().total(0), before_retry = { seen.push('b') }, bang!(
                        Policy::new().total(0),
                        |_| server.call()
                    ))
                }

                #[retry(total = 2, backoff = 0, attempt_timeout = 1, before_retry = |_| seen.push('r'), when = |_| true)]
                pub(crate) async fn awaited(server: &Server, seen: &mut Vec<char>) -> io::Result<u32> {
                    retry_async!(Policy::new().total(0), before_retry = { seen.push('b') }, retry_async!(
                        Policy::new().total(0),
                        |_| server.call_async().await
                    ))
                }

                #[retry(total = retries.max(2), backoff = 0, before_retry = { seen.push('r') })]
                pub(crate) async fn unnamed(
                    server: &Server,
                    seen: &mut Vec<char>,
                    retries: u32,
                ) -> Result<impl Into<u64> + use<>, io::Error> {
                    retry_async!(Policy::new().total(0), -> io::Result<u32> { server.call_async().await })
                }

                #[derive(Debug, Retryable)]
                pub(crate) enum Failure {
                    #[retry(throttle, after = wait)]
                    Named { wait: Duration, code: u8 },
                    #[retry(throttle, after = 0)]
                    Numbered(Duration, u8),
                    #[retry(forward)]
                    Forwarded(io::Error),
                    Marked {
                        #[retry(forward)]
                        source: io::Error,
                        code: u8,
                    },
                }
            };
        }

        pub(super) mod statics {
            use super::*;
            every_form!(static);
        }

        pub(super) mod constants {
            use super::*;
            every_form!(const);
        }
    }

    #[test]
    fn statics_and_constants_of_any_name_break_no_expansion() {
        macro_rules! check {
            ($kind:ident) => {{
                use lowercase::$kind::Failure;
                let seen = &mut Vec::new();
                assert_eq!(lowercase::$kind::blocking(&Server::failing(2), seen).unwrap(), 3);
                assert_eq!(block_on(lowercase::$kind::awaited(&Server::failing(2), seen)).unwrap(), 3);
                let unnamed = block_on(lowercase::$kind::unnamed(&Server::failing(2), seen, 0));
                assert_eq!(unnamed.map(Into::<u64>::into).unwrap(), 3);
                assert_eq!(seen[..], ['r'; 6]);
                let wait = Duration::from_secs(7);
                for throttled in [Failure::Named { wait, code: 0 }, Failure::Numbered(wait, 0)] {
                    assert_eq!(throttled.verdict().hint(), Some(wait), "{throttled:?}");
                }
                for forwarded in [Failure::Forwarded(timed_out()), Failure::Marked { source: timed_out(), code: 0 }] {
                    assert_eq!(forwarded.verdict(), timed_out().verdict(), "{forwarded:?}");
                }
            }};
        }
        use persevere::Retryable;
        check!(statics);
        check!(constants);
    }

    /// A policy, or what a key borrows, may be borrowed from what lives as long as the statement.
    mod temporaries {
        use super::*;
        use persevere::prelude::{retry as bang, retry_async};
        use persevere::{Retry, guard::Budget};
        use std::sync::{Arc, Mutex, RwLock};

        pub(super) struct Config {
            policy: Policy,
            budget: Budget,
            total: u32,
        }

        impl Config {
            pub(super) fn load() -> Self {
                Self { policy: Policy::new().backoff(Duration::ZERO).total(2), budget: Budget::new(), total: 2 }
            }

            fn policy(&self) -> &Policy {
                &self.policy
            }

            fn budget(&self) -> &Budget {
                &self.budget
            }
        }

        pub(super) fn function(server: &Server) -> io::Result<u32> {
            persevere::retry(Config::load().policy(), || server.call())
        }

        pub(super) fn in_place(server: &Server) -> io::Result<u32> {
            bang!(Config::load().policy(), server.call())
        }

        #[retry(policy = Config::load().policy())]
        pub(super) fn attribute(server: &Server) -> io::Result<u32> {
            server.call()
        }

        #[retry(total = 2, backoff = 0, budget = Config::load().budget())]
        pub(super) fn key(server: &Server) -> io::Result<u32> {
            server.call()
        }

        pub(super) async fn function_async(server: &Server) -> io::Result<u32> {
            persevere::retry_async(Config::load().policy(), || server.call_async()).await
        }

        pub(super) async fn in_place_async(server: &Server) -> io::Result<u32> {
            retry_async!(Config::load().policy(), server.call_async().await)
        }

        pub(super) async fn built_async(server: &Server) -> io::Result<u32> {
            let policy = |config: &Config| Retry::new(config.policy);
            retry_async!(policy(&Config::load()).budget(Config::load().budget()), server.call_async().await)
        }

        #[retry(policy = Config::load().policy())]
        pub(super) async fn attribute_async(server: &Server) -> io::Result<u32> {
            server.call_async().await
        }

        #[retry(total = 2, backoff = 0, budget = Config::load().budget())]
        pub(super) async fn key_async(server: &Server) -> io::Result<u32> {
            server.call_async().await
        }

        static LOCKED: RwLock<Policy> = RwLock::new(Policy::new().backoff(Duration::ZERO).total(2));

        #[allow(clippy::await_holding_lock)] // Clippy sees it, as in a call of the function.
        pub(super) async fn locked_async(server: &Server) -> io::Result<u32> {
            retry_async!(&*LOCKED.read().unwrap(), server.call_async().await)
        }

        /// The lock of a plain value is released before the run: the future is `Send`, and the body can take it.
        #[retry(total = config.lock().unwrap().total, backoff = 0, jitter = { let _lock = config.lock(); Jitter::None })]
        pub(super) async fn value_async(server: &Server, config: Arc<Mutex<Config>>) -> io::Result<u32> {
            drop(config.try_lock().expect("it is free"));
            server.call_async().await
        }
    }

    fn send<F: Future + Send>(future: F) -> F {
        future
    }

    #[test]
    fn what_the_policy_borrows_lives_as_long_as_the_run() {
        for form in [temporaries::function, temporaries::in_place, temporaries::attribute, temporaries::key] {
            assert_eq!(form(&Server::failing(2)).unwrap(), 3);
            assert!(form(&Server::failing(3)).is_err());
        }
        macro_rules! check {
            ($($form:ident($($argument:expr)?)),*) => { $(
                assert_eq!(block_on(temporaries::$form(&Server::failing(2) $(, $argument)?)).unwrap(), 3);
                assert!(block_on(temporaries::$form(&Server::failing(3) $(, $argument)?)).is_err());
            )* };
        }
        let config = || std::sync::Arc::new(std::sync::Mutex::new(temporaries::Config::load()));
        check!(function_async(), in_place_async(), built_async(), attribute_async(), key_async(), locked_async());
        check!(value_async(config()));
        assert_eq!(block_on(send(temporaries::value_async(&Server::failing(2), config()))).unwrap(), 3);
    }

    /// Names of the prelude, and crates of the sysroot, mean something else here.
    mod hostile {
        #![deny(warnings, clippy::pedantic, clippy::style, clippy::complexity)]
        #![allow(non_camel_case_types, dead_code)]

        use persevere::retry;

        mod core {}
        mod std {}
        pub(super) enum Mine {
            Ok,
            Err,
            None,
            Some,
        }
        struct Option;
        struct Duration;
        struct Clone;
        struct Policy;

        type Outcome = ::std::result::Result<u32, ::std::io::Error>;

        /// With names that the expansion uses for its locals, too.
        #[retry(total = 2, backoff = 0, before_retry = |event| { let _ = (event, run); }, clone(outcome), attempt = wait)]
        pub(super) fn blocking(run: u32, of: &super::Server, outcome: u8) -> Outcome {
            use ::std::result::Result::Ok;
            let _ = (run, outcome, wait);
            Ok(of.call()? + u32::from(outcome))
        }

        #[retry(total = ::std::cmp::max(2, run), backoff = 0, attempt_timeout = 9, jitter = equal, hints = ignore)]
        pub(super) async fn waiting(run: u32, of: &super::Server, never: u8) -> Outcome {
            let outcome = of.call_async().await;
            outcome.map(|value| value + run + u32::from(never))
        }
    }

    #[test]
    fn hygiene() {
        assert_eq!(hostile::blocking(1, &Server::failing(1), 0).unwrap(), 2);
        assert_eq!(block_on(hostile::waiting(1, &Server::failing(1), 1)).unwrap(), 4);
        let _ = hostile::Mine::Ok;
    }
}

/// `#[tracing::instrument]` above or below: the span is around the whole run, and what it moves is moved once.
mod instrumented {
    use super::*;
    use async_trait::async_trait;
    use tracing::instrument;

    #[derive(Debug, Default)]
    struct Conn {
        server: Server,
        log: Vec<String>,
    }

    impl Conn {
        fn failing(failures: u32) -> Self {
            Self { server: Server::failing(failures), log: Vec::new() }
        }

        fn ask(&mut self, word: String) -> io::Result<usize> {
            self.log.push(word);
            self.server.call()?;
            Ok(self.log.len())
        }
    }

    /// Each function with the one attribute above the other, and in the other order.
    macro_rules! both_orders {
        ($($(#[inner($($keys:tt)*)])? [$($options:tt)*] [$($function:tt)*] $body:block)*) => {
            mod above {
                use super::*;
                impl Conn {
                    $(#[instrument($($options)*)] #[retry($($($keys)*,)? total = 2, backoff = 0)] $($function)* $body)*
                }
            }
            mod below {
                use super::*;
                pub(super) struct Other(pub(super) Conn);
                impl std::ops::Deref for Other {
                    type Target = Conn;
                    fn deref(&self) -> &Conn {
                        &self.0
                    }
                }
                impl std::ops::DerefMut for Other {
                    fn deref_mut(&mut self) -> &mut Conn {
                        &mut self.0
                    }
                }
                impl fmt::Debug for Other {
                    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        self.0.fmt(f)
                    }
                }
                impl Other {
                    $(#[retry($($($keys)*,)? total = 2, backoff = 0)] #[instrument($($options)*)] $($function)* $body)*
                }
            }
        };
    }

    both_orders! {
        [skip_all] [pub(super) fn plain(&mut self, word: String) -> io::Result<usize>] { self.ask(word.clone()) }
        [err] [pub(super) fn err(&mut self, word: String) -> io::Result<usize>] { self.ask(word.clone()) }
        [err, ret] [pub(super) fn err_ret(&mut self, word: String) -> io::Result<usize>] { self.ask(word.clone()) }
        [ret, skip(self)] [pub(super) fn ret(&mut self, word: String) -> io::Result<usize>] { self.ask(word.clone()) }
        #[inner(clone(word))]
        [err] [pub(super) fn cloned(&mut self, mut word: String) -> io::Result<usize>] { word.push('!'); self.ask(word) }
        [skip_all] [pub(super) async fn plain_async(&mut self, word: &str) -> io::Result<usize>] { self.ask(word.to_owned()) }
        [err] [pub(super) async fn err_async(&mut self, word: String) -> io::Result<usize>] {
            tokio::task::yield_now().await;
            self.ask(word.clone())
        }
        [ret(Debug)] [pub(super) async fn ret_async(&mut self, word: String) -> io::Result<usize>] { self.ask(word.clone()) }
        [err, ret] [pub(super) async fn err_ret_async(&mut self, word: String) -> io::Result<usize>] { self.ask(word.clone()) }
        #[inner(clone(word), attempt_timeout = 5)]
        [name = "other", fields(x = 1)] [pub(super) async fn cloned_async(&mut self, word: String) -> io::Result<usize>] {
            tokio::task::yield_now().await;
            self.ask(word)
        }
        #[inner(before_retry = { self.log.push(String::new()) })]
        [err] [pub(super) async fn hooked_async(&mut self, word: String) -> io::Result<usize>] {
            self.log.pop();
            self.log.pop();
            self.log.extend([word.clone(), word.clone()]);
            self.ask(word.clone())
        }
    }

    #[test]
    fn methods_are_retried_in_both_orders() {
        macro_rules! check {
            ($new:expr; $($form:ident)*; $($asynchronous:ident)*) => {
                $(
                    assert_eq!($new(2).$form("a".into()).unwrap(), 3, stringify!($form));
                    assert!($new(3).$form("a".into()).is_err(), stringify!($form));
                )*
                $(
                    assert_eq!(block_on($new(2).$asynchronous("a".into())).unwrap(), 3, stringify!($asynchronous));
                    assert!(block_on($new(3).$asynchronous("a".into())).is_err(), stringify!($asynchronous));
                )*
            };
        }
        let other = |failures| below::Other(Conn::failing(failures));
        check!(Conn::failing; plain err err_ret ret cloned; plain_async err_async ret_async err_ret_async cloned_async);
        check!(other; plain err err_ret ret cloned; plain_async err_async ret_async err_ret_async cloned_async);
        assert!(block_on(Conn::failing(2).hooked_async("a".into())).is_ok());
        assert!(block_on(other(2).hooked_async("a".into())).is_ok());
    }

    #[instrument]
    #[retry(total = 2, backoff = 0)]
    fn free(server: &Server, word: String) -> Result<String, io::Error> {
        server.call().map(|_| word.clone())
    }

    #[instrument(skip(server))]
    #[retry(total = 2, backoff = 0)]
    async fn free_async<T: Clone + fmt::Debug>(server: &Server, word: T) -> Result<T, io::Error> {
        server.call_async().await?;
        Ok(word.clone())
    }

    #[retry(total = 2, backoff = 0)]
    #[instrument(err(Debug), skip(server))]
    async fn free_below(server: &Server, (a, b): (String, u32)) -> Result<impl Display, io::Error> {
        server.call_async().await?;
        Ok(format!("{a}{b}"))
    }

    #[instrument(skip_all)]
    #[retry(total = 2, backoff = 0)]
    fn boxed(server: &Server, word: String) -> std::pin::Pin<Box<dyn Future<Output = io::Result<String>> + Send + '_>> {
        Box::pin(async move {
            server.call_async().await?;
            Ok(word.clone())
        })
    }

    #[test]
    fn functions_are_retried_in_both_orders() {
        assert_eq!(free(&Server::failing(2), "a".into()).unwrap(), "a");
        assert_eq!(block_on(free_async(&Server::failing(2), "a".to_owned())).unwrap(), "a");
        assert_eq!(block_on(free_below(&Server::failing(2), ("a".into(), 1))).unwrap().to_string(), "a1");
        assert_eq!(block_on(boxed(&Server::failing(2), "a".into())).unwrap(), "a");
    }

    #[async_trait]
    trait Store {
        async fn above(&self, key: String, pair: (String, u8)) -> io::Result<String>;
        async fn below(&self, key: String) -> io::Result<String>;
        async fn logged(&mut self, key: String) -> io::Result<String>;
    }

    #[async_trait]
    impl Store for Server {
        #[instrument]
        #[retry(total = 2, backoff = 0, clone(key))]
        async fn above(&self, mut key: String, (name, byte): (String, u8)) -> io::Result<String> {
            self.call_async().await?;
            key.push_str(&name);
            Ok(format!("{key}{byte}"))
        }

        #[retry(total = 2, backoff = 0)]
        #[instrument(err)]
        async fn below(&self, key: String) -> io::Result<String> {
            self.call_async().await?;
            Ok(key.clone())
        }

        #[instrument(err, ret, skip_all, fields(key = %key))]
        #[retry(total = 2, backoff = 0, attempt_timeout = 5)]
        async fn logged(&mut self, key: String) -> io::Result<String> {
            self.call_async().await?;
            Ok(key.clone())
        }
    }

    #[test]
    fn methods_under_async_trait_are_retried_in_both_orders() {
        let pair = || ("b".to_owned(), 1);
        assert_eq!(block_on(Server::failing(2).above("a".into(), pair())).unwrap(), "ab1");
        assert!(block_on(Server::failing(3).above("a".into(), pair())).is_err());
        assert_eq!(block_on(Server::failing(2).below("a".into())).unwrap(), "a");
        assert!(block_on(Server::failing(3).below("a".into())).is_err());
        assert_eq!(block_on(Server::failing(2).logged("a".into())).unwrap(), "a");
        assert!(block_on(Server::failing(3).logged("a".into())).is_err());
    }
}

/// A literal that contradicts another one, or a default, is right beside an expression that resolves that.
#[test]
fn literals_are_checked_only_where_no_expression_can_resolve_the_contradiction() {
    macro_rules! forms {
        ($limit:ident; $($name:ident [$($keys:tt)*])*) => { $(
            mod $name {
                use super::*;
                #[retry($($keys)*)]
                pub(super) fn blocking(server: &Server, $limit: Duration) -> io::Result<u32> {
                    let _ = $limit;
                    server.call()
                }
                #[retry($($keys)*)]
                pub(super) async fn waiting(server: &Server, $limit: Duration) -> io::Result<u32> {
                    let _ = $limit;
                    server.call()
                }
            }
            assert_eq!($name::blocking(&Server::default(), LONG).unwrap(), 1, stringify!($name));
            assert_eq!(block_on($name::waiting(&Server::default(), LONG)).unwrap(), 1, stringify!($name));
        )* };
    }

    forms! {
        limit;
        backoff_above_the_default_max [backoff = 180, max = LONG]
        backoff_of_an_expression [max = 0.1, backoff = limit / 10_000]
        max_of_a_call [factor = 3, backoff = 180, max = limit.max(Duration::ZERO)]
        deadline_of_an_expression [forever, backoff = 0, within = limit]
        backoff_of_an_expression_for_ever [forever, backoff = limit]
        jitter_of_an_expression [forever, backoff = 0, jitter = Jitter::Additive(Duration::from_secs(1))]
        waits_of_an_expression [forever, backoff = 0, waits = [limit; 3]]
        one_open_and_one_closed [forever, backoff = 180, max = limit, within = 900]
    }
}

/// The constant of the literals is seen by no code of the user's.
#[test]
fn a_constant_of_the_expansions_name_is_the_users_own() {
    const __POLICY: Policy = Policy::new().total(77);

    #[retry(backoff = 0, total = 2, when = |_| __POLICY.max_attempts() == Some(78))]
    fn blocking(server: &Server) -> io::Result<u32> {
        assert_eq!(__POLICY.max_attempts(), Some(78));
        server.call()
    }

    #[retry(backoff = 0, total = __POLICY.max_attempts().unwrap() - 76)]
    async fn asynchronous(server: &Server) -> io::Result<u32> {
        server.call()
    }

    let (one, other) = (Server::failing(9), Server::failing(9));
    assert!(blocking(&one).is_err());
    assert!(futures::executor::block_on(asynchronous(&other)).is_err());
    assert_eq!((one.calls(), other.calls()), (3, 3));
}
