//! A server that has only a part of its capacity for a while, and open-loop clients: people and other services, which
//! go on asking whatever the server does.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use persevere::{
    Backoff, Fault, Jitter, Policy, Verdict,
    guard::{AdaptiveThrottle, Breaker, Budget, Permit},
    run::{Decision, Run},
};

use crate::random::Random;

/// The server and those who call it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) clients: usize,
    /// Calls a second, of all clients together.
    pub(crate) load: f64,
    /// Answers a second.
    pub(crate) capacity: f64,
    /// More than this are turned away at once.
    pub(crate) queue: usize,
    /// How long a client waits for an answer. The server does not know of it, and works on.
    pub(crate) timeout: Duration,
    /// Whether the server is told how long the client waits, and does no work on what would come too late.
    pub(crate) drops: bool,
    /// What is left of the capacity in the brown-out.
    pub(crate) left: f64,
    /// Seconds before the brown-out, of it, and after it.
    pub(crate) before: usize,
    pub(crate) during: usize,
    pub(crate) after: usize,
}

impl Setting {
    /// 50 clients with 400 calls a second on a server that can do 500, and only 100 for 20 s.
    pub(crate) const fn new() -> Self {
        Self {
            clients: 50,
            load: 400.0,
            capacity: 500.0,
            queue: 1000,
            timeout: Duration::from_secs(1),
            drops: false,
            left: 0.2,
            before: 30,
            during: 20,
            after: 115,
        }
    }

    pub(crate) const fn load(mut self, load: f64) -> Self {
        self.load = load;
        self
    }

    /// The same calls from more clients, each of which calls less often.
    pub(crate) const fn spread(mut self, clients: usize) -> Self {
        self.clients = clients;
        self
    }

    /// More clients that call as often, and a server with as much more of everything.
    pub(crate) const fn scaled(mut self, clients: usize) -> Self {
        let times = clients / self.clients;
        self.clients = clients;
        self.load *= times as f64;
        self.capacity *= times as f64;
        self.queue *= times;
        self
    }

    pub(crate) const fn seconds(&self) -> usize {
        self.before + self.during + self.after
    }

    /// When work is done that begins at `start`, in seconds; the capacity may change meanwhile.
    fn done(&self, start: f64) -> f64 {
        let (begin, end) = (self.before as f64, (self.before + self.during) as f64);
        let (mut at, mut work) = (start, 1.0);
        for (until, rate) in [(begin, self.capacity), (end, self.capacity * self.left)] {
            if at < until {
                let possible = (until - at) * rate;
                if work <= possible {
                    return at + work / rate;
                }
                work -= possible;
                at = until;
            }
        }
        at + work / self.capacity
    }
}

/// What each client has besides its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    Nothing,
    Budget,
    /// The figures of the AWS SDKs: 500 tokens, 14 a retry, 5 a throttled one.
    Quota,
    Breaker,
    BudgetAndBreaker,
    Throttle,
    BudgetAndThrottle,
}

/// A way to persevere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) policy: Policy,
    pub(crate) guard: Guard,
}

const fn way(name: &'static str, policy: Policy, guard: Guard) -> Way {
    Way { name, policy, guard }
}

pub(crate) const NO_RETRY: Way = way("no retry", Policy::new().total(0), Guard::Nothing);
pub(crate) const FIXED: Way =
    way("fixed wait", Policy::from_backoff(Backoff::constant(Duration::from_millis(300))), Guard::Nothing);
pub(crate) const EXPONENTIAL: Way = way("exponential", Policy::new().jitter(Jitter::None), Guard::Nothing);
pub(crate) const JITTER: Way = way("full jitter", Policy::new(), Guard::Nothing);
pub(crate) const BUDGET: Way = way("jitter + budget", Policy::new(), Guard::Budget);
pub(crate) const QUOTA: Way = way("jitter + quota 500/14/5", Policy::new(), Guard::Quota);
pub(crate) const BREAKER: Way = way("jitter + breaker", Policy::new(), Guard::Breaker);
pub(crate) const BOTH: Way = way("jitter + budget + breaker", Policy::new(), Guard::BudgetAndBreaker);
pub(crate) const THROTTLE: Way = way("jitter + throttle", Policy::new(), Guard::Throttle);
pub(crate) const BUDGET_AND_THROTTLE: Way = way("jitter + budget + throttle", Policy::new(), Guard::BudgetAndThrottle);

pub(crate) const WAYS: [Way; 10] =
    [NO_RETRY, FIXED, EXPONENTIAL, JITTER, BUDGET, QUOTA, BREAKER, BOTH, THROTTLE, BUDGET_AND_THROTTLE];

/// What happened in one second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Second {
    /// Calls that began, and how many of these succeeded in the end.
    pub(crate) calls: u32,
    pub(crate) succeeded: u32,
    /// Attempts that reached the server.
    pub(crate) attempts: u32,
    /// Answers that a client still waited for.
    pub(crate) answers: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) setting: Setting,
    pub(crate) seconds: Vec<Second>,
}

impl Story {
    fn sum(&self, from: usize, to: usize, of: impl Fn(&Second) -> u32) -> f64 {
        self.seconds[from..to].iter().map(|second| f64::from(of(second))).sum()
    }

    /// Attempts that reached the server for each call that began, in the brown-out.
    pub(crate) fn amplification(&self) -> f64 {
        let (from, to) = (self.setting.before, self.setting.before + self.setting.during);
        self.sum(from, to, |second| second.attempts) / self.sum(from, to, |second| second.calls)
    }

    /// In the brown-out and in the 15 s after it, a second.
    fn rate(&self, of: impl Fn(&Second) -> u32) -> (f64, f64) {
        const AFTER: usize = 15;
        let from = self.setting.before;
        let to = from + self.setting.during;
        (self.sum(from, to, &of) / self.setting.during as f64, self.sum(to, to + AFTER, &of) / AFTER as f64)
    }

    /// Attempts a second that reached the server, in the brown-out and after it.
    pub(crate) fn load(&self) -> (f64, f64) {
        self.rate(|second| second.attempts)
    }

    /// Answers a second that somebody still waited for, in the brown-out and after it.
    pub(crate) fn goodput(&self) -> (f64, f64) {
        self.rate(|second| second.answers)
    }

    /// The share of all calls that succeeded.
    pub(crate) fn success(&self) -> f64 {
        let end = self.setting.seconds();
        self.sum(0, end, |second| second.succeeded) / self.sum(0, end, |second| second.calls)
    }

    /// The seconds after the brown-out until, for ten seconds on end, at least 99 % of the calls that begin succeed.
    pub(crate) fn recovery(&self) -> Option<usize> {
        const LONG: usize = 10;
        let after = &self.seconds[self.setting.before + self.setting.during..self.setting.seconds()];
        let well = |second: &Second| f64::from(second.succeeded) >= 0.99 * f64::from(second.calls);
        after.windows(LONG).position(|seconds| seconds.iter().all(well))
    }
}

/// A client's own, shared by all of its calls.
struct Client {
    budget: Option<Budget>,
    breaker: Option<Breaker>,
    throttle: Option<AdaptiveThrottle>,
}

impl Client {
    fn new(guard: Guard) -> Self {
        let budget = match guard {
            Guard::Budget | Guard::BudgetAndBreaker | Guard::BudgetAndThrottle => Some(Budget::new()),
            Guard::Quota => Some(Budget::quota(500, 14, 5)),
            _ => None,
        };
        let breaker = matches!(guard, Guard::Breaker | Guard::BudgetAndBreaker).then(Breaker::new);
        let throttle = matches!(guard, Guard::Throttle | Guard::BudgetAndThrottle).then(AdaptiveThrottle::new);
        Self { budget, breaker, throttle }
    }
}

/// A call under way.
struct Call<'a> {
    run: Run,
    client: usize,
    began: usize,
    permit: Option<Permit<'a>>,
    charged: Option<Fault>,
}

/// The world: who waits for what.
struct World<'a> {
    setting: Setting,
    clients: &'a [Client],
    random: Random,
    calls: Vec<Call<'a>>,
    free: Vec<usize>,
    /// When each that the server has taken will be done.
    queue: VecDeque<f64>,
    /// Both in order of time, since the server answers in order and all wait equally long.
    answers: VecDeque<(Duration, usize)>,
    timeouts: VecDeque<(Duration, usize)>,
    retries: BinaryHeap<Reverse<(Duration, usize)>>,
    seconds: Vec<Second>,
}

impl World<'_> {
    fn second(&mut self, now: Duration) -> &mut Second {
        &mut self.seconds[now.as_secs() as usize]
    }

    fn begin(&mut self, policy: Policy, now: Duration) {
        let client = self.random.below(self.clients.len());
        let began = now.as_secs() as usize;
        self.second(now).calls += 1;
        if let Some(throttle) = &self.clients[client].throttle {
            if throttle.admit(now, self.random.next()).is_err() {
                return;
            }
        }
        let call = Call { run: Run::new(policy, now), client, began, permit: None, charged: None };
        let index = if let Some(index) = self.free.pop() {
            self.calls[index] = call;
            index
        } else {
            self.calls.push(call);
            self.calls.len() - 1
        };
        self.attempt(index, now);
    }

    fn attempt(&mut self, index: usize, now: Duration) {
        let clients = self.clients;
        let call = &mut self.calls[index];
        if let Some(breaker) = &clients[call.client].breaker {
            let Ok(permit) = breaker.admit(now) else {
                // The retry that it was charged for does not begin.
                if let (Some(budget), Some(fault)) = (&clients[call.client].budget, call.charged) {
                    budget.refund(fault);
                }
                return self.free.push(index);
            };
            call.permit = Some(permit);
        }
        self.second(now).attempts += 1;
        let seconds = now.as_secs_f64();
        while self.queue.front().is_some_and(|&done| done <= seconds) {
            self.queue.pop_front();
        }
        if self.queue.len() >= self.setting.queue {
            return self.failed(index, Fault::Throttle, now);
        }
        let start = self.queue.back().copied().unwrap_or(seconds);
        let done = self.setting.done(start);
        let late = done > seconds + self.setting.timeout.as_secs_f64();
        self.queue.push_back(if late && self.setting.drops { start } else { done });
        if late {
            self.timeouts.push_back((now + self.setting.timeout, index));
        } else {
            self.answers.push_back((Duration::from_secs_f64(done), index));
        }
    }

    fn succeeded(&mut self, index: usize, now: Duration) {
        let call = &mut self.calls[index];
        let (began, client) = (call.began, &self.clients[call.client]);
        if let Some(permit) = call.permit.take() {
            permit.succeeded(now);
        }
        if let Some(throttle) = &client.throttle {
            throttle.record(true, now);
        }
        match (&client.budget, call.charged) {
            (Some(budget), Some(fault)) => budget.deposit_after(fault),
            (Some(budget), None) => budget.deposit(),
            (None, _) => {}
        }
        self.seconds[began].succeeded += 1;
        self.second(now).answers += 1;
        self.free.push(index);
    }

    fn failed(&mut self, index: usize, fault: Fault, now: Duration) {
        let random = self.random.next();
        let call = &mut self.calls[index];
        let client = &self.clients[call.client];
        if let Some(permit) = call.permit.take() {
            permit.failed(now);
        }
        if let Some(throttle) = &client.throttle {
            throttle.record(false, now);
        }
        if let Decision::Wait(wait) = call.run.failed(Verdict::transient().with_fault(fault), now, random) {
            if client.budget.as_ref().is_none_or(|budget| budget.withdraw(fault)) {
                call.charged = Some(fault);
                return self.retries.push(Reverse((now + wait, index)));
            }
        }
        self.free.push(index);
    }
}

/// Lives through it once.
pub(crate) fn run(setting: Setting, way: &Way, seed: u64) -> Story {
    let clients: Vec<_> = (0..setting.clients).map(|_| Client::new(way.guard)).collect();
    let mut world = World {
        setting,
        clients: &clients,
        random: Random::new(seed),
        calls: Vec::new(),
        free: Vec::new(),
        queue: VecDeque::new(),
        answers: VecDeque::new(),
        timeouts: VecDeque::new(),
        retries: BinaryHeap::new(),
        // What began in the last second may take its time.
        seconds: vec![Second::default(); setting.seconds() + 60],
    };
    let end = Duration::from_secs(setting.seconds() as u64);
    let mut call = world.random.gap(setting.load);
    loop {
        let far = Duration::MAX;
        let due = [
            if call < end { call } else { far },
            world.answers.front().map_or(far, |&(at, _)| at),
            world.timeouts.front().map_or(far, |&(at, _)| at),
            world.retries.peek().map_or(far, |&Reverse((at, _))| at),
        ];
        let now = due.into_iter().min().unwrap_or(far);
        if now == far {
            break;
        }
        if now == due[1] {
            let (_, index) = world.answers.pop_front().expect("it is due");
            world.succeeded(index, now);
        } else if now == due[2] {
            let (_, index) = world.timeouts.pop_front().expect("it is due");
            world.failed(index, Fault::Timeout, now);
        } else if now == due[3] {
            let Reverse((_, index)) = world.retries.pop().expect("it is due");
            world.attempt(index, now);
        } else {
            world.begin(way.policy, now);
            call += world.random.gap(setting.load);
        }
    }
    Story { setting, seconds: world.seconds }
}
