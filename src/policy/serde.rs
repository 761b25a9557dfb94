//! Policies in configuration files.

use std::collections::BTreeMap;
use std::format;
use std::string::{String, ToString};
use std::time::Duration;

use ::serde::de::{self, Deserialize, Deserializer, Visitor};
use ::serde::ser::{self, Serialize, Serializer};

use crate::policy::backoff::{Growth, Rule};
use crate::policy::jitter::Jitter;
use crate::policy::{Hints, Policy, StreakPolicy, Timed, UNLIMITED};
use crate::time::nanos;
use crate::verdict::Fault;

/// The form of every kind of policy in a file. A field that is left out has its default.
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(rename = "Policy", default, deny_unknown_fields)]
struct Form {
    /// A number of retries, or "forever".
    total: Total,
    growth: Growth,
    backoff: Human,
    factor: f64,
    #[serde(alias = "max")]
    max_wait: Human,
    /// Left out where it is not set: then it is full for a backoff, and none for a list of waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter: Option<Jitter>,
    immediate_first: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    within: Option<Human>,
    #[serde(alias = "hint_max")]
    max_hint: Human,
    hints: Hints,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<u16>,
    idempotent: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt_timeout: Option<Human>,
    #[serde(skip_serializing)]
    deadline: Option<Human>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reset_after: Option<Human>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_for: Option<Human>,
    /// By fault.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    backoff_for: BTreeMap<Fault, RuleForm>,
}

/// A backoff of a fault's own.
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(rename = "Backoff", default, deny_unknown_fields)]
struct RuleForm {
    growth: Growth,
    backoff: Human,
    factor: f64,
    max_wait: Human,
    jitter: Jitter,
    immediate_first: bool,
}

impl Default for Form {
    fn default() -> Self {
        Self::from(Policy::new())
    }
}

impl Form {
    /// The first factor that is not finite, of all backoffs.
    fn unbounded_factor(&self) -> Option<f64> {
        let factors = self.backoff_for.values().map(|rule| rule.factor);
        factors.chain([self.factor]).find(|factor| !factor.is_finite())
    }
}

impl Default for RuleForm {
    fn default() -> Self {
        Self::from(Policy::new().rule)
    }
}

impl From<Rule> for RuleForm {
    fn from(rule: Rule) -> Self {
        Self {
            growth: rule.growth,
            backoff: Human(rule.base),
            factor: rule.factor(),
            max_wait: Human(rule.max),
            jitter: rule.jitter(),
            immediate_first: rule.immediate_first,
        }
    }
}

impl From<RuleForm> for Rule {
    fn from(form: RuleForm) -> Self {
        let RuleForm { growth, backoff, factor, max_wait, jitter, immediate_first } = form;
        let mut rule = Self::exponential(nanos::duration(backoff.0)).with_jitter(jitter);
        rule.growth = growth;
        // Which a doubling backoff is by its factor.
        rule = rule.with_factor(factor);
        (rule.max, rule.immediate_first) = (max_wait.0, immediate_first);
        rule
    }
}

impl From<Policy> for Form {
    fn from(policy: Policy) -> Self {
        let rule = RuleForm::from(policy.rule);
        Self {
            total: if policy.total == UNLIMITED { Total::Word(Forever::Forever) } else { Total::Retries(policy.total) },
            growth: rule.growth,
            backoff: rule.backoff,
            factor: rule.factor,
            max_wait: rule.max_wait,
            jitter: policy.rule.sets_jitter().then_some(rule.jitter),
            immediate_first: rule.immediate_first,
            within: limit(policy.within),
            max_hint: Human(policy.hint_max),
            hints: policy.hints,
            connect: policy.own_limit(Fault::Connect),
            read: policy.own_limit(Fault::Read),
            status: policy.own_limit(Fault::Status),
            redirect: policy.own_limit(Fault::Redirect),
            other: policy.own_limit(Fault::Other),
            idempotent: policy.idempotent,
            attempt_timeout: None,
            deadline: None,
            reset_after: None,
            failing_for: None,
            backoff_for: BTreeMap::new(),
        }
    }
}

impl From<StreakPolicy> for Form {
    fn from(policy: StreakPolicy) -> Self {
        let StreakPolicy { policy, rules } = policy;
        let own = |fault: Fault| rules.backoffs[fault as usize].map(|rule| (fault, rule.into()));
        Self {
            reset_after: limit(rules.reset_after),
            failing_for: limit(rules.failing_for),
            backoff_for: Fault::ALL.into_iter().filter_map(own).collect(),
            ..Self::from(policy)
        }
    }
}

impl<P: Into<Self>> From<Timed<P>> for Form {
    fn from(policy: Timed<P>) -> Self {
        Self { attempt_timeout: limit(policy.limit), ..policy.plan.into() }
    }
}

/// A time limit. `u64::MAX` means that there is none.
fn limit(nanos: u64) -> Option<Human> {
    (nanos != u64::MAX).then_some(Human(nanos))
}

fn nanos_of(limit: Option<Human>) -> u64 {
    limit.map_or(u64::MAX, |limit| limit.0)
}

/// What a file has that this kind of policy has not.
fn beyond(kind: &str, field: &str, right: &str) -> String {
    format!("{field} is not a setting of a `{kind}`: read a `{right}`")
}

impl TryFrom<Form> for Policy {
    type Error = String;

    fn try_from(form: Form) -> Result<Self, String> {
        let streaks = [
            ("reset_after", form.reset_after.is_some()),
            ("failing_for", form.failing_for.is_some()),
            ("backoff_for", !form.backoff_for.is_empty()),
        ];
        if let Some((field, _)) = streaks.into_iter().find(|(_, set)| *set) {
            return Err(beyond("Policy", field, "StreakPolicy"));
        }
        let cuts = [("attempt_timeout", form.attempt_timeout.is_some()), ("deadline", form.deadline.is_some())];
        if let Some((field, _)) = cuts.into_iter().find(|(_, set)| *set) {
            return Err(beyond("Policy", field, "Timed<Policy>"));
        }
        let total = match form.total {
            Total::Retries(retries) => retries,
            Total::Word(Forever::Forever) => UNLIMITED,
        };
        let Form { growth, backoff, factor, max_wait, immediate_first, .. } = form;
        let jitter = form.jitter.unwrap_or_default();
        let rule: Rule = RuleForm { growth, backoff, factor, max_wait, jitter, immediate_first }.into();
        Ok(Self {
            rule: if form.jitter.is_none() { rule.with_unset_jitter() } else { rule },
            within: nanos_of(form.within),
            hint_max: form.max_hint.0,
            total,
            limits: [form.connect, form.read, form.status, form.redirect, form.other]
                .map(|own| own.map_or(0, |own| own.wrapping_add(1))),
            hints: form.hints,
            idempotent: form.idempotent,
        })
    }
}

impl TryFrom<Form> for StreakPolicy {
    type Error = String;

    fn try_from(form: Form) -> Result<Self, String> {
        let (reset_after, failing_for) = (nanos_of(form.reset_after), nanos_of(form.failing_for));
        let backoffs = form.backoff_for;
        let plain = Form { reset_after: None, failing_for: None, backoff_for: BTreeMap::new(), ..form };
        let mut policy = Self::from(Policy::try_from(plain)?);
        for (fault, rule) in backoffs {
            policy.rules.backoffs[fault as usize] = Some(rule.into());
        }
        (policy.rules.reset_after, policy.rules.failing_for) = (reset_after, failing_for);
        Ok(policy)
    }
}

impl<P: TryFrom<Form, Error = String>> TryFrom<Form> for Timed<P> {
    type Error = String;

    fn try_from(form: Form) -> Result<Self, String> {
        let limit = nanos_of(form.attempt_timeout);
        let end = nanos_of(form.within).min(nanos_of(form.deadline));
        let within = (end != u64::MAX).then_some(Human(end));
        let plan = P::try_from(Form { attempt_timeout: None, deadline: None, within, ..form })?;
        Ok(Self { plan, limit })
    }
}

/// A number of retries, or the word "forever".
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(untagged, expecting = "total must be a number of retries from 0 to 4294967294, or \"forever\"")]
enum Total {
    Retries(u32),
    Word(Forever),
}

#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Forever {
    Forever,
}

/// Nanoseconds, written as "300ms" or "2 min", or as a number of seconds; "forever" for no end.
#[derive(Clone, Copy)]
struct Human(u64);

/// How a `Duration` is written and read.
pub(crate) mod human {
    use super::{Deserialize as _, Deserializer, Duration, Human, Serialize as _, Serializer, nanos};

    #[allow(clippy::trivially_copy_pass_by_ref)] // So it is called.
    pub(crate) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        Human(nanos::from(*time)).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Human::deserialize(deserializer).map(|time| nanos::duration(time.0))
    }
}

impl Serialize for Human {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == u64::MAX {
            return serializer.serialize_str("forever");
        }
        serializer.serialize_str(&humantime::format_duration(Duration::from_nanos(self.0)).to_string())
    }
}

impl<'de> Deserialize<'de> for Human {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Human;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("a duration such as \"300ms\" or \"2 min\", or a number of seconds")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Human, E> {
                if text == "forever" {
                    return Ok(Human(u64::MAX));
                }
                match humantime::parse_duration(text) {
                    Ok(duration) => Ok(Human(nanos::from(duration))),
                    Err(error) => Err(E::custom(format!("{text:?} is not a duration such as \"300ms\": {error}"))),
                }
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Human, E> {
                Ok(Human(seconds.saturating_mul(1_000_000_000)))
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Human, E> {
                match u64::try_from(seconds) {
                    Ok(seconds) => self.visit_u64(seconds),
                    Err(_) => Err(E::custom(format!("{seconds} is not a duration: it must be 0 s or more"))),
                }
            }

            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Human, E> {
                match Duration::try_from_secs_f64(seconds) {
                    Ok(duration) => Ok(Human(nanos::from(duration))),
                    Err(error) => Err(E::custom(format!("{seconds} is not a duration in seconds: {error}"))),
                }
            }
        }

        deserializer.deserialize_any(Text)
    }
}

macro_rules! as_form {
    ($(#[$written:meta])* $(@ $(#[$read:meta])*)? $policy:ty) => {
        $(#[$written])*
        impl Serialize for $policy {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let form = Form::from(*self);
                if let Some(factor) = form.unbounded_factor() {
                    return Err(ser::Error::custom(format!("factor is {factor}: what can't be read back is not written")));
                }
                form.serialize(serializer)
            }
        }

        $($(#[$read])*)?
        impl<'de> Deserialize<'de> for $policy {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let form = Form::deserialize(deserializer)?;
                if let Some(factor) = form.unbounded_factor() {
                    return Err(de::Error::custom(format!("factor is {factor}: it must be a finite number")));
                }
                let policy = Self::try_from(form).map_err(de::Error::custom)?;
                policy.check().map_err(de::Error::custom)?;
                Ok(policy)
            }
        }
    };
}

as_form! {
/// As a map of the setters' names, and `growth` beside them: "exponential", "constant", "linear", "fibonacci".
    ///
    /// Durations are written for people: "300ms", "2m". `jitter` is "none", "full", "equal", "decorrelated" or
    /// `{ "additive": "1s" }`; `hints` is `"give_up"`, "clamp" or "ignore"; an unlimited `total` is "forever".
    ///
    /// A factor that is not finite can't be read, and is an error here, too. A format has to describe itself: JSON, TOML, YAML.
    ///
    /// ```
    /// use persevere::Policy;
    ///
    /// let text = serde_json::to_string(&Policy::new()).unwrap();
    /// assert!(text.contains(r#""backoff":"300ms""#));
    /// assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), Policy::new());
    /// ```
    @
    /// From a map of the setters' names; what is left out has its default.
    ///
    /// Durations are texts such as "300ms" or "2 min", or numbers of seconds. An unknown field, a number that is not
    /// finite, and what [`Policy::check`] finds are errors.
    ///
    /// ```
    /// use persevere::Policy;
    /// use std::time::Duration;
    ///
    /// let policy: Policy = serde_json::from_str(r#"{ "total": 5, "backoff": "300ms", "within": "2 min" }"#).unwrap();
    /// assert_eq!(policy, Policy::new().total(5).within(Duration::from_secs(120)));
    /// assert!(serde_json::from_str::<Policy>(r#"{ "totl": 5 }"#).is_err());
    /// ```
    Policy
}

as_form! {
    /// As a [`Policy`] is, with `reset_after`, `failing_for`, and `backoff_for` by fault.
    ///
    /// ```
    /// use persevere::{Backoff, Fault, Policy, StreakPolicy};
    /// use std::time::Duration;
    ///
    /// let text = r#"{ "reset_after": "1min", "backoff_for": { "throttle": { "backoff": "10s", "jitter": "none" } } }"#;
    /// let policy: StreakPolicy = serde_json::from_str(text).unwrap();
    /// let slow = Backoff::new(Duration::from_secs(10));
    /// assert_eq!(policy, Policy::new().reset_after(Duration::from_secs(60)).backoff_for(Fault::Throttle, slow));
    /// ```
    StreakPolicy
}

as_form! {
    /// As a [`Policy`] is, with `attempt_timeout` and `deadline`; the earlier of `deadline` and `within` is written, as `within`.
    Timed<Policy>
}

as_form! {
    /// As a [`StreakPolicy`] is, with `attempt_timeout` and `deadline`.
    Timed<StreakPolicy>
}
