//! Policies in configuration files.

use std::format;
use std::string::ToString;
use std::time::Duration;

use ::serde::de::{self, Deserialize, Deserializer, Visitor};
use ::serde::ser::{self, Serialize, Serializer};

use crate::policy::backoff::Growth;
use crate::policy::jitter::Jitter;
use crate::policy::{Hints, Policy, UNLIMITED};
use crate::time::nanos;
use crate::verdict::Fault;

/// The form of a policy in a file. A field that is left out has its default.
#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(rename = "Policy", default, deny_unknown_fields)]
struct Form {
    /// A number of retries, or "forever".
    total: Total,
    growth: GrowthName,
    backoff: Human,
    factor: f64,
    #[serde(alias = "max")]
    max_wait: Human,
    /// Left out where it is not set: then it is full for a backoff, and none for a list of waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter: Option<JitterName>,
    immediate_first: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    within: Option<Human>,
    #[serde(alias = "hint_max")]
    max_hint: Human,
    hints: HintsName,
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
}

impl Default for Form {
    fn default() -> Self {
        Self::from(Policy::new())
    }
}

impl From<Policy> for Form {
    fn from(policy: Policy) -> Self {
        let rule = policy.rule;
        Self {
            total: if policy.total == UNLIMITED { Total::Word(Forever::Forever) } else { Total::Retries(policy.total) },
            growth: match rule.growth {
                Growth::Doubling | Growth::Exponential => GrowthName::Exponential,
                Growth::Constant => GrowthName::Constant,
                Growth::Linear => GrowthName::Linear,
                Growth::Fibonacci => GrowthName::Fibonacci,
            },
            backoff: Human(rule.base),
            factor: rule.factor(),
            max_wait: Human(rule.max),
            jitter: rule.sets_jitter().then(|| match rule.jitter() {
                Jitter::None => JitterName::None,
                Jitter::Full => JitterName::Full,
                Jitter::Equal => JitterName::Equal,
                Jitter::Decorrelated => JitterName::Decorrelated,
                Jitter::Additive(amount) => JitterName::Additive(Human(nanos::from(amount))),
            }),
            immediate_first: rule.immediate_first,
            within: (policy.within != u64::MAX).then_some(Human(policy.within)),
            max_hint: Human(policy.hint_max),
            hints: match policy.hints {
                Hints::GiveUp => HintsName::GiveUp,
                Hints::Clamp => HintsName::Clamp,
                Hints::Ignore => HintsName::Ignore,
            },
            connect: policy.own_limit(Fault::Connect),
            read: policy.own_limit(Fault::Read),
            status: policy.own_limit(Fault::Status),
            redirect: policy.own_limit(Fault::Redirect),
            other: policy.own_limit(Fault::Other),
            idempotent: policy.idempotent,
        }
    }
}

impl From<Form> for Policy {
    fn from(form: Form) -> Self {
        let mut policy = Self::new()
            .total(match form.total {
                Total::Retries(retries) => retries,
                Total::Word(Forever::Forever) => UNLIMITED,
            })
            .backoff(nanos::duration(form.backoff.0))
            .factor(form.factor)
            .max_wait(nanos::duration(form.max_wait.0))
            .immediate_first(form.immediate_first)
            .max_hint(nanos::duration(form.max_hint.0))
            .hints(match form.hints {
                HintsName::GiveUp => Hints::GiveUp,
                HintsName::Clamp => Hints::Clamp,
                HintsName::Ignore => Hints::Ignore,
            })
            .idempotent(form.idempotent);
        policy.rule.growth = match form.growth {
            GrowthName::Exponential => Growth::Exponential,
            GrowthName::Constant => Growth::Constant,
            GrowthName::Linear => Growth::Linear,
            GrowthName::Fibonacci => Growth::Fibonacci,
        };
        if let Some(jitter) = form.jitter {
            policy = policy.jitter(match jitter {
                JitterName::None => Jitter::None,
                JitterName::Full => Jitter::Full,
                JitterName::Equal => Jitter::Equal,
                JitterName::Decorrelated => Jitter::Decorrelated,
                JitterName::Additive(amount) => Jitter::Additive(nanos::duration(amount.0)),
            });
        }
        // The factor again, now that it is known what it belongs to.
        policy = policy.factor(form.factor);
        policy.within = form.within.map_or(u64::MAX, |within| within.0);
        policy.limits = [form.connect, form.read, form.status, form.redirect, form.other]
            .map(|own| own.map_or(0, |own| own.wrapping_add(1)));
        policy
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

#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum GrowthName {
    Exponential,
    Constant,
    Linear,
    Fibonacci,
}

#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum JitterName {
    None,
    Full,
    Equal,
    Decorrelated,
    Additive(Human),
}

#[derive(::serde::Serialize, ::serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum HintsName {
    GiveUp,
    Clamp,
    Ignore,
}

/// Nanoseconds, written as "300ms" or "2 min", or as a number of seconds; "forever" for no end.
#[derive(Clone, Copy)]
struct Human(u64);

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
impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.rule.factor.is_finite() {
            return Err(ser::Error::custom(format!(
                "factor is {}: what can't be read back is not written",
                self.rule.factor
            )));
        }
        Form::from(*self).serialize(serializer)
    }
}

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
impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = Form::deserialize(deserializer)?;
        if !form.factor.is_finite() {
            return Err(de::Error::custom(format!("factor is {}: it must be a finite number", form.factor)));
        }
        let policy = Self::from(form);
        policy.check().map_err(de::Error::custom)?;
        Ok(policy)
    }
}
