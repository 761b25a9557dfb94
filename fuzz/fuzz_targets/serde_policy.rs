//! A policy in a file is whatever somebody wrote: `cargo +nightly fuzz run serde_policy`.
//!
//! No input panics; what is accepted is free of contradictions, comes back from its own text, and can be run.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use persevere::{run::{Decision, Run}, Fault, Policy, Verdict};

fuzz_target!(|input: &[u8]| {
    let Ok(policy) = serde_json::from_slice::<Policy>(input) else { return };
    policy.check().expect("what is accepted is checked");
    let text = serde_json::to_string(&policy).unwrap();
    assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy, "{text}");
    let _ = (policy.to_string(), format!("{policy:?}"), policy.preview().take(100).count(), policy.max_attempts());

    let mut run = Run::new(policy, Duration::ZERO);
    let mut now = Duration::ZERO;
    for (n, &random) in input.iter().cycle().take(100).enumerate() {
        let fault = [Fault::Connect, Fault::Throttle, Fault::Other][n % 3];
        let verdict = Verdict::transient().with_fault(fault).with_hint(Duration::from_millis(u64::from(random)));
        match run.failed(verdict, now, u64::from(random) << 56) {
            Decision::Wait(wait) => now = now.saturating_add(wait),
            Decision::Stop(_) => break,
        }
    }
});
