//! The settings of a policy on the types that are made from one.

use core::time::Duration;

use super::streak::StreakPolicy;
use super::{Backoff, Hints, Jitter, Policy, Timed};
use crate::verdict::Fault;

/// Passes each setting of a policy to this macro, with the first line of its page.
macro_rules! each_setting {
    ($then:ident) => {
        $then! {
            "Sets how many retries may follow the first attempt",
            total(retries: u32);
            "Retries without a limit on their number",
            forever();
            "Sets the base of the backoff",
            backoff(base: Duration);
            "Sets what each wait is multiplied by",
            factor(factor: f64);
            "Sets the cap of a backoff's wait",
            max_wait(max: Duration);
            "Sets the random part of the waits",
            jitter(jitter: Jitter);
            "Sets whether the first retry comes at once",
            immediate_first(immediate: bool);
            "Sets the longest hint that is obeyed",
            max_hint(max: Duration);
            "Sets what to do with a hint that is too long, or with hints at all",
            hints(hints: Hints);
            "Limits the retries after this fault",
            limit(fault: Fault, retries: u16);
            "Limits the retries after connect faults",
            connect(retries: u16);
            "Limits the retries after read faults and timeouts",
            read(retries: u16);
            "Limits the retries after status and throttle faults",
            status(retries: u16);
            "Limits the retries after redirect faults",
            redirect(retries: u16);
            "Limits the retries after all other faults",
            other(retries: u16);
            "Sets whether the operation may be repeated after it may have taken effect",
            idempotent(idempotent: bool);
        }
    };
}
pub(crate) use each_setting;

/// Passes each setting of a policy for work that lasts to this macro.
macro_rules! each_streak_setting {
    ($then:ident) => {
        $then! {
            "Takes every attempt that ran at least this long for progress",
            reset_after(healthy: Duration);
            "Stops once failures have lasted this long without progress",
            failing_for(limit: Duration);
            "Gives a fault a backoff of its own",
            backoff_for(fault: Fault, backoff: Backoff);
        }
    };
}
pub(crate) use each_streak_setting;

/// The type that the setting is on, its field that has the setting, and the type that comes out.
macro_rules! forward {
    ($on:ty, $field:ident, $made:ty: $($what:literal, $name:ident($($arg:ident: $of:ty),*);)*) => {
        impl $on {
            $(
                #[doc = concat!($what, "; see [`Policy::", stringify!($name), "`].")]
                #[inline]
                pub const fn $name(self, $($arg: $of),*) -> $made {
                    forward!(@ self, $field, $made, $name($($arg),*))
                }
            )*
        }
    };
    (@ $self:ident, policy, $made:ty, $name:ident($($arg:ident),*)) => {
        StreakPolicy { policy: $self.policy.$name($($arg),*), rules: $self.rules }
    };
    (@ $self:ident, rules, $made:ty, $name:ident($($arg:ident),*)) => {
        StreakPolicy { policy: $self.policy, rules: $self.rules.$name($($arg),*) }
    };
    (@ $self:ident, plan, $made:ty, $name:ident($($arg:ident),*)) => {
        Timed { plan: $self.plan.$name($($arg),*), limit: $self.limit }
    };
}

macro_rules! settings {
    ($($setting:tt)*) => {
        forward! { Timed<Policy>, plan, Timed<Policy>: $($setting)* }
        forward! { StreakPolicy, policy, StreakPolicy: $($setting)* }
        forward! { Timed<StreakPolicy>, plan, Timed<StreakPolicy>: $($setting)* }
    };
}
each_setting!(settings);

macro_rules! streak_settings {
    ($($setting:tt)*) => {
        forward! { Timed<Policy>, plan, Timed<StreakPolicy>: $($setting)* }
        forward! { StreakPolicy, rules, StreakPolicy: $($setting)* }
        forward! { Timed<StreakPolicy>, plan, Timed<StreakPolicy>: $($setting)* }
    };
}
each_streak_setting!(streak_settings);

impl StreakPolicy {
    /// Sets when a run stops trying; see [`Policy::within`].
    #[inline]
    pub const fn within(self, deadline: Duration) -> Self {
        Self { policy: self.policy.within(deadline), rules: self.rules }
    }
}
