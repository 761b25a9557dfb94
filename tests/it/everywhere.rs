//! The switch for short waits in the whole process, in a program of its own: it reaches every test of one.

use std::io;
use std::panic::catch_unwind;
use std::thread;
use std::time::{Duration, Instant};

use persevere::testing::{cap_waits_everywhere, skip_waits};
use persevere::{Backoff, Policy};

fn patient() -> u32 {
    let mut calls = 0;
    let policy = Policy::from_backoff(Backoff::constant(Duration::from_secs(60))).total(3);
    let _ = policy.run(|| {
        calls += 1;
        Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut))
    });
    calls
}

/// One test, since all of them would share the switch.
#[test]
fn the_switch_reaches_every_thread_and_is_refused_a_second_time() {
    let began = Instant::now();
    {
        let _waits = cap_waits_everywhere(Duration::from_micros(10));
        assert_eq!(patient(), 4);
        assert_eq!(thread::spawn(patient).join().unwrap(), 4);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
        let there = runtime.spawn(async {
            let policy = Policy::from_backoff(Backoff::constant(Duration::from_secs(60))).total(3);
            policy.run_async(|| async { Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut)) }).await
        });
        assert!(runtime.block_on(there).unwrap().is_err());

        let second = catch_unwind(|| cap_waits_everywhere(Duration::ZERO)).unwrap_err();
        assert!(
            second.downcast_ref::<String>().is_some_and(|text| text.contains("another test holds the guard"))
                || second.downcast_ref::<&str>().is_some_and(|text| text.contains("another test holds the guard"))
        );
        // The first guard is still in force, and the lower of two caps holds.
        let _here = skip_waits();
        assert_eq!(patient(), 4);
    }
    assert!(began.elapsed() < Duration::from_secs(50));
    // Restored, so that another guard can be taken and waits take their time again.
    drop(cap_waits_everywhere(Duration::ZERO));
    let began = Instant::now();
    let _ = Policy::from_backoff(Backoff::constant(Duration::from_millis(20)))
        .total(1)
        .run(|| Err::<(), _>(io::Error::from(io::ErrorKind::TimedOut)));
    assert!(began.elapsed() >= Duration::from_millis(20));
}
