//! The keys of `#[retry(..)]`: read, then checked, in this file alone.

use std::mem;
use std::time::Duration;

use proc_macro2::{Delimiter, Ident, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};

use crate::error::{Error, Result};
use crate::item::Item;
use crate::tokens::{Tokens, span, unwrapped};

/// What the attribute asks for, checked.
#[derive(Default)]
pub(crate) struct Args {
    /// The path of the crate, for expansions.
    pub(crate) krate: TokenStream,
    pub(crate) policy: Option<TokenStream>,
    /// The policy's setters whose values are literals: they are checked while compiling.
    pub(crate) fixed: Vec<Call>,
    /// Those whose values are known at the call.
    pub(crate) computed: Vec<Call>,
    /// The attempt timeout, if it is a literal.
    pub(crate) timeout: Option<Call>,
    /// The builder's methods.
    pub(crate) prepared: Vec<Call>,
    pub(crate) before: Option<Before>,
    pub(crate) attempt: Option<Ident>,
    pub(crate) clones: Vec<Ident>,
    /// Whether the function is async.
    asynchronous: bool,
}

/// A method call: `.name(value)`.
pub(crate) struct Call {
    pub(crate) method: Ident,
    pub(crate) value: TokenStream,
    /// Whether the value is a closure that is to be typed from the return type.
    pub(crate) typed: bool,
    /// The types of `.name::<(..)>()`; mostly none.
    pub(crate) types: Vec<TokenStream>,
}

/// The hook in place: its argument, if it takes one, and what it does.
pub(crate) struct Before {
    pub(crate) event: Option<TokenStream>,
    pub(crate) block: TokenStream,
}

/// What a key takes.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Count,
    Seconds,
    Factor,
    Bool,
    Flag,
    /// As a flag, for a method of the builder.
    Switch,
    /// One of these words for the variant beside it, or an expression of the type named first.
    Word(&'static str, &'static [(&'static str, &'static str)]),
    AttemptTimeout,
    /// Seconds, for a method of the builder.
    Prepared,
    /// Seconds or a backoff by fault.
    Backoffs,
    /// A closure that gets something from the return type.
    Typed,
    Plain,
    Before,
    Policy,
    Attempt,
    Clone,
    Types,
    Crate,
}

/// How many types `any_of` takes.
const MOST_TYPES: usize = 8;

const JITTERS: &[(&str, &str)] =
    &[("none", "None"), ("full", "Full"), ("equal", "Equal"), ("decorrelated", "Decorrelated")];
const HINTS: &[(&str, &str)] = &[("give_up", "GiveUp"), ("clamp", "Clamp"), ("ignore", "Ignore")];

const FAULTS: &[(&str, &str)] = &[
    ("connect", "Connect"),
    ("timeout", "Timeout"),
    ("read", "Read"),
    ("status", "Status"),
    ("throttle", "Throttle"),
    ("redirect", "Redirect"),
    ("other", "Other"),
];

const NESTED: &[(&str, &str)] = &[("retry", "Retry"), ("give_up", "GiveUp")];

const KEYS: &[(&str, Kind)] = &[
    ("total", Kind::Count),
    ("forever", Kind::Flag),
    ("backoff", Kind::Seconds),
    ("factor", Kind::Factor),
    ("max_wait", Kind::Seconds),
    ("jitter", Kind::Word("Jitter", JITTERS)),
    ("immediate_first", Kind::Bool),
    ("within", Kind::Seconds),
    ("attempt_timeout", Kind::AttemptTimeout),
    ("deadline", Kind::AttemptTimeout),
    ("reset_after", Kind::Prepared),
    ("failing_for", Kind::Prepared),
    ("backoff_for", Kind::Backoffs),
    ("max_hint", Kind::Seconds),
    ("hints", Kind::Word("Hints", HINTS)),
    ("idempotent", Kind::Bool),
    ("connect", Kind::Count),
    ("read", Kind::Count),
    ("status", Kind::Count),
    ("redirect", Kind::Count),
    ("other", Kind::Count),
    ("name", Kind::Plain),
    ("policy", Kind::Policy),
    ("when", Kind::Typed),
    ("any_of", Kind::Types),
    ("when_ok", Kind::Typed),
    ("on_retry", Kind::Typed),
    ("on_retry_async", Kind::Typed),
    ("on_give_up", Kind::Plain),
    ("stopped_by", Kind::Plain),
    ("until", Kind::Plain),
    ("on_timeout", Kind::Typed),
    ("on_rejected", Kind::Typed),
    ("before_retry", Kind::Before),
    ("timer", Kind::Plain),
    ("seed", Kind::Plain),
    ("waits", Kind::Plain),
    ("report", Kind::Plain),
    ("budget", Kind::Plain),
    ("breaker", Kind::Plain),
    ("throttle", Kind::Plain),
    ("nested", Kind::Word("Nested", NESTED)),
    ("trace_errors", Kind::Switch),
    ("attempt", Kind::Attempt),
    ("clone", Kind::Clone),
    ("crate", Kind::Crate),
];

/// A literal of the second list may contradict another one. It does not if a key of the first list is an expression that
/// is known at the call.
const RESOLVED: &[(&[&str], &[&str])] =
    &[(&["backoff", "max_wait"], &["backoff", "max_wait"]), (&["backoff", "jitter", "within", "waits"], &["forever"])];

/// Keys that make an error, and the keys without which nobody asks for it.
const MAKERS: &[(&str, &[&str], &str)] = &[
    ("on_timeout", &["deadline", "attempt_timeout"], "`deadline` or `attempt_timeout`, which cut an attempt"),
    ("on_rejected", &["breaker", "throttle"], "`breaker` or `throttle`, which let no attempt begin"),
];

/// What other crates, and people, call these keys.
const MEANT: &[(&[&str], &str)] = &[
    (
        &["attempts", "max_attempts", "retries", "max_retries", "times", "tries", "count", "max_times"],
        "`total`, the retries after the first attempt",
    ),
    (&["delay", "base", "base_delay", "min_delay", "initial", "interval", "wait", "backoff_factor"], "`backoff`"),
    (&["max_delay", "backoff_max", "cap", "max_interval", "max_backoff"], "`max_wait`"),
    (
        &["timeout", "per_attempt", "attempt_deadline"],
        "`attempt_timeout` for each attempt, or `within` for all of them",
    ),
    (
        &["max_elapsed", "max_duration", "total_timeout", "overall", "total_delay"],
        "`within`, or `deadline` in an `async fn`",
    ),
    (&["retry_if", "retry_on", "condition", "predicate", "filter", "should_retry", "on"], "`when`"),
    (&["retry_ok", "when_value", "retry_on_result"], "`when_ok`"),
    (&["notify", "hook", "on_error", "callback", "before_sleep"], "`on_retry`"),
    (&["multiplier", "growth", "exponent"], "`factor`"),
    (&["sleep", "sleeper", "runtime"], "`timer`"),
];

/// Keys that have another name today, and are still taken.
const FORMER: &[(&str, &str)] = &[("max", "max_wait"), ("hint_max", "max_hint"), ("events", "trace_errors")];

/// The key under its name of today.
fn current(key: &Ident) -> Ident {
    FORMER
        .iter()
        .find(|(former, _)| key == former)
        .map_or_else(|| key.clone(), |(_, name)| Ident::new(name, key.span()))
}

/// One key as it is written.
struct Entry {
    key: Ident,
    value: Written,
}

enum Written {
    Word,
    Value(TokenStream),
    List(TokenStream),
}

/// Reads `key`, `key = value` and `key(list)`, separated by commas.
fn entries(stream: TokenStream) -> Result<Vec<Entry>> {
    let mut tokens = Tokens::new(stream);
    let mut entries = Vec::new();
    while let Some(tree) = tokens.peek().cloned() {
        let start = tokens.clone();
        let Some(key) = tokens.ident() else {
            let expected = "expected a key, such as `total = 3`";
            return Err(match tree {
                TokenTree::Literal(_) => Error::new_spanned(tree, expected),
                _ => Error::new_spanned(start.clone().expression(), format!("{expected}: did you mean `policy = ..`?")),
            });
        };
        let value = if tokens.skip('=') {
            let value = tokens.expression();
            if value.is_empty() {
                return Err(Error::new_spanned(&key, format!("`{key}` needs a value behind the `=`")));
            }
            Written::Value(unwrapped(value))
        } else if let Some(list) = tokens.group(Delimiter::Parenthesis) {
            Written::List(list.stream())
        } else {
            Written::Word
        };
        entries.push(Entry { key: current(&key), value });
        if let Some(next) = tokens.peek().cloned() {
            if !tokens.skip(',') {
                let expected = "expected `,` before the next key, or `=` and a value";
                // What goes on as a path or a call does is no key.
                let whole = tokens.peek_punct(0, '.') || tokens.peek_punct(1, ':') || tokens.peek_punct(0, '!');
                return Err(if whole {
                    Error::new_spanned(start.clone().expression(), format!("{expected}: did you mean `policy = ..`?"))
                } else {
                    Error::new_spanned(next, expected)
                });
            }
        }
    }
    Ok(entries)
}

impl Args {
    /// Reads and checks the keys for this function.
    ///
    /// # Errors
    ///
    /// Lists every key that is wrong, at the key or at its value.
    pub(crate) fn parse(stream: TokenStream, item: &Item) -> Result<Self> {
        let entries = entries(stream)?;
        let krate = entries.iter().find_map(|entry| match &entry.value {
            Written::Value(path) if entry.key == "crate" => Some(path.clone()),
            _ => None,
        });
        let mut args = Self { krate: krate.unwrap_or_else(|| quote!(::persevere)), ..Self::default() };
        args.asynchronous = item.asynchronous;
        let mut errors: Option<Error> = None;
        for (index, entry) in entries.iter().enumerate() {
            let earlier = |name: &str| entries.iter().take(index).any(|earlier| earlier.key == name);
            let Err(error) = args.add(entry, item, earlier) else { continue };
            match &mut errors {
                Some(errors) => errors.combine(error),
                None => errors = Some(error),
            }
        }
        for (key, causes, cause) in MAKERS {
            let is_given = |keys: &[&str]| entries.iter().find(|entry| keys.iter().any(|key| entry.key == key));
            if let (Some(entry), None) = (is_given(&[*key]), is_given(causes).or_else(|| is_given(&["policy"]))) {
                let error =
                    Error::new_spanned(&entry.key, format!("`{key}` needs {cause}, or a `policy` that has one"));
                match &mut errors {
                    Some(errors) => errors.combine(error),
                    None => errors = Some(error),
                }
            }
        }
        args.leave_open();
        errors.map_or(Ok(args), Err)
    }

    /// Moves literals whose contradiction an expression may resolve to the values that are known at the call: there is
    /// nothing to check before.
    fn leave_open(&mut self) {
        let is_one = |keys: &[&str], call: &Call| keys.iter().any(|key| call.method == key);
        for (expressions, literals) in RESOLVED {
            if !self.computed.iter().chain(&self.prepared).any(|call| is_one(expressions, call)) {
                continue;
            }
            let (open, fixed) = mem::take(&mut self.fixed).into_iter().partition(|call| is_one(literals, call));
            self.fixed = fixed;
            self.computed = Vec::into_iter(open).chain(mem::take(&mut self.computed)).collect();
        }
    }

    fn add(&mut self, Entry { key, value }: &Entry, item: &Item, earlier: impl Fn(&str) -> bool) -> Result<()> {
        let name = key.to_string();
        let Some(&(_, kind)) = KEYS.iter().find(|(known, _)| *known == name) else {
            let keys = KEYS.iter().map(|(known, _)| format!("`{known}`")).collect::<Vec<_>>().join(", ");
            let meant = MEANT.iter().find(|(others, _)| others.contains(&&*name));
            let meant = match (meant, value) {
                (Some((_, meant)), _) => format!("did you mean {meant}? "),
                (None, Written::Word) => format!("did you mean `policy = {key}`? "),
                (None, Written::List(list)) if list.is_empty() => format!("did you mean `policy = {key}()`? "),
                (None, _) => String::new(),
            };
            return Err(Error::new_spanned(key, format!("unknown key `{key}`: {meant}there are {keys}")));
        };
        if earlier(&name) {
            return Err(Error::new_spanned(key, format!("`{key}` is set twice")));
        }
        if name == "forever" && earlier("total") || name == "total" && earlier("forever") {
            return Err(Error::new_spanned(key, "`total` and `forever` contradict each other: write one of them"));
        }
        if (kind == Kind::AttemptTimeout || name == "on_timeout") && !item.asynchronous {
            let instead = match &*name {
                "deadline" => "`within` ends the run in place of a wait that would reach it",
                "on_timeout" => "There is no attempt to make an error for",
                _ => "Give the operation a timeout of its own; `attempt = name` lets the body ask `name.remaining()`",
            };
            let message = format!("`{key}` needs an `async fn`: blocking code can't be cut. {instead}");
            return Err(Error::new_spanned(key, message));
        }
        let call = |value| Call { method: key.clone(), value, typed: kind == Kind::Typed, types: Vec::new() };
        let value = match (kind, value) {
            (Kind::Clone, Written::List(list)) => return self.clone_arguments(list, item),
            (Kind::Backoffs, Written::List(list)) => return self.backoffs(key, list),
            (Kind::Types, Written::List(list)) => {
                let types: Vec<_> = Tokens::new(list.clone()).by_commas().into_iter().map(Tokens::rest).collect();
                if types.is_empty() || types.len() > MOST_TYPES || types.iter().any(TokenStream::is_empty) {
                    return Err(kind.refuse(key, key));
                }
                self.prepared.push(Call { types, ..call(TokenStream::new()) });
                return Ok(());
            }
            (Kind::Flag | Kind::Switch, Written::Word) => &quote!(true),
            (_, Written::Value(value)) if ![Kind::Clone, Kind::Types, Kind::Backoffs].contains(&kind) => value,
            _ => return Err(kind.refuse(key, key)),
        };
        match kind {
            Kind::Flag | Kind::Switch => match Value::read(value) {
                Value::Bool(true) if kind == Kind::Switch => self.prepared.push(call(TokenStream::new())),
                Value::Bool(true) => self.fixed.push(call(TokenStream::new())),
                Value::Bool(false) => {}
                _ => return Err(kind.refuse(key, value)),
            },
            Kind::AttemptTimeout => match self.setting(kind, key, value)? {
                (value, true) if name != "deadline" => self.timeout = Some(call(value)),
                (value, _) => self.prepared.push(call(value)),
            },
            Kind::Prepared | Kind::Word("Nested", _) => self.prepared.push(call(self.setting(kind, key, value)?.0)),
            Kind::Count | Kind::Seconds | Kind::Factor | Kind::Bool | Kind::Word(..) => {
                match self.setting(kind, key, value)? {
                    (value, true) => self.fixed.push(call(value)),
                    (value, false) => self.computed.push(call(value)),
                }
            }
            Kind::Typed | Kind::Plain => self.prepared.push(call(value.clone())),
            Kind::Before => match Before::parse(value) {
                Some(before) => self.before = Some(before),
                None => self.prepared.push(call(value.clone())),
            },
            Kind::Policy => self.policy = Some(value.clone()),
            Kind::Attempt => match Value::read(value) {
                Value::Word(name) => self.attempt = Some(name),
                _ => return Err(kind.refuse(key, value)),
            },
            Kind::Crate if matches!(Value::read(value), Value::Number { .. } | Value::Bool(_) | Value::Wrong) => {
                return Err(kind.refuse(key, value));
            }
            Kind::Clone | Kind::Types | Kind::Backoffs | Kind::Crate => {}
        }
        Ok(())
    }

    /// A setter's value, and whether it is known while compiling.
    fn setting(&self, kind: Kind, key: &Ident, value: &TokenStream) -> Result<(TokenStream, bool)> {
        let krate = &self.krate;
        let fixed = match (kind, Value::read(value)) {
            (Kind::Count, Value::Number { whole: true, .. })
            | (Kind::Factor, Value::Number { whole: false, .. })
            | (Kind::Bool, Value::Bool(_)) => value.clone(),
            (Kind::Factor, Value::Number { value: number, .. }) => {
                let mut float = Literal::f64_unsuffixed(number);
                float.set_span(span(value));
                float.into_token_stream()
            }
            (Kind::Seconds | Kind::Prepared | Kind::AttemptTimeout, Value::Number { value: number, .. }) => {
                self.seconds(number, span(value))
            }
            (Kind::Word(ty, words), Value::Word(word)) => {
                let Some((_, variant)) = words.iter().find(|(known, _)| word == known) else {
                    return Ok((self.owned(value), false));
                };
                let (ty, variant) = (Ident::new(ty, word.span()), Ident::new(variant, word.span()));
                quote_spanned!(word.span()=> #krate::__private::#ty::#variant)
            }
            (_, Value::Word(_) | Value::Other) => return Ok((self.owned(value), false)),
            _ => return Err(kind.refuse(key, value)),
        };
        Ok((fixed, true))
    }

    fn seconds(&self, number: f64, at: Span) -> TokenStream {
        let krate = &self.krate;
        // What is too long for a `Duration` is as long as can be, as in the setters.
        let wait = Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX);
        let nanos = Literal::u64_suffixed(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
        quote_spanned!(at=> #krate::__private::Duration::from_nanos(#nanos))
    }

    /// `backoff_for(connect = 0, throttle = Backoff::new(..))`.
    fn backoffs(&mut self, key: &Ident, list: &TokenStream) -> Result<()> {
        for Entry { key: fault, value } in entries(list.clone())? {
            let Written::Value(value) = value else { return Err(Kind::Backoffs.refuse(key, &fault)) };
            let Some((_, variant)) = FAULTS.iter().find(|(known, _)| fault == known) else {
                return Err(Kind::Backoffs.refuse(key, &fault));
            };
            let krate = &self.krate;
            let variant = Ident::new(variant, fault.span());
            let backoff = match Value::read(&value) {
                Value::Number { value: number, .. } => {
                    let base = self.seconds(number, span(&value));
                    quote!(#krate::__private::Backoff::new(#base).jitter(#krate::__private::Jitter::Full))
                }
                Value::Word(_) | Value::Other => self.owned(&value),
                Value::Bool(_) | Value::Wrong => return Err(Kind::Backoffs.refuse(key, &value)),
            };
            let value = quote!(#krate::__private::Fault::#variant, #backoff);
            self.prepared.push(Call { method: key.clone(), value, typed: false, types: Vec::new() });
        }
        Ok(())
    }

    /// An expression of a plain value. In an `async fn`, what only its evaluation borrows, such as a lock, is released
    /// before the run begins.
    fn owned(&self, value: &TokenStream) -> TokenStream {
        let calls = value.clone().into_iter().any(|tree| matches!(tree, TokenTree::Group(_)));
        if self.asynchronous && calls {
            quote_spanned!(Span::mixed_site()=> 'value: { break 'value (#value); })
        } else {
            value.clone()
        }
    }

    fn clone_arguments(&mut self, list: &TokenStream, item: &Item) -> Result<()> {
        for name in Tokens::new(list.clone()).by_commas() {
            let name = name.rest();
            let Value::Word(word) = Value::read(&name) else {
                return Err(Error::new_spanned(name, "`clone(..)` takes the names of arguments, as in `clone(name)`"));
            };
            if word == "self" {
                return Err(Error::new_spanned(
                    word,
                    "`self` can't be bound anew: write `let this = self.clone();` at the top of the body",
                ));
            }
            if !item.arguments.iter().any(|argument| argument.name == word) {
                return Err(Error::new_spanned(&word, format!("no argument of this function is called `{word}`")));
            }
            self.clones.push(word);
        }
        Ok(())
    }
}

impl Before {
    /// A block, or a closure of one argument; `None` for any other expression, which is the builder's to call.
    fn parse(value: &TokenStream) -> Option<Self> {
        let mut tokens = Tokens::new(value.clone());
        if let Some(block) = tokens.group(Delimiter::Brace) {
            return Some(Self { event: None, block: block.stream() }).filter(|_| tokens.is_empty());
        }
        if !tokens.skip('|') {
            return None;
        }
        let event = tokens.until(|here| here.peek_punct(0, '|'));
        let mut inside = tokens.skip('|').then_some(tokens)?;
        if event.is_empty() || inside.is_empty() || inside.peek_punct(0, '-') {
            return None;
        }
        let whole = inside.clone().rest();
        let block = inside.group(Delimiter::Brace).filter(|_| inside.is_empty());
        Some(Self { event: Some(event), block: block.map_or(whole, |block| block.stream()) })
    }
}

/// What a value is, as far as it shows before types are known.
enum Value {
    Number {
        value: f64,
        whole: bool,
    },
    Bool(bool),
    Word(Ident),
    /// A literal that no key takes, or a negative one.
    Wrong,
    Other,
}

impl Value {
    fn read(value: &TokenStream) -> Self {
        let mut tokens = Tokens::new(value.clone());
        let negative = tokens.skip('-');
        let first = tokens.next();
        match first {
            _ if !tokens.is_empty() => Self::Other,
            Some(TokenTree::Literal(_)) if negative => Self::Wrong,
            Some(TokenTree::Literal(literal)) => Self::number(&literal.to_string()).unwrap_or(Self::Wrong),
            Some(TokenTree::Ident(word)) if !negative => match &*word.to_string() {
                "true" => Self::Bool(true),
                "false" => Self::Bool(false),
                _ => Self::Word(word),
            },
            _ => Self::Other,
        }
    }

    /// A literal as Rust writes numbers: an optional radix, digits with underscores, an optional suffix.
    fn number(literal: &str) -> Option<Self> {
        let digits = literal.replace('_', "");
        let radix = match digits.get(..2) {
            Some("0x") => 16,
            Some("0o") => 8,
            Some("0b") => 2,
            _ => 10,
        };
        let suffixes = ["f32", "f64", "u8", "u16", "u32", "u64", "usize", "i32", "i64"];
        // `0xf32` is a number without a suffix.
        let suffix =
            suffixes.into_iter().find(|&suffix| digits.ends_with(suffix) && !(radix == 16 && suffix.starts_with('f')));
        let number = digits.strip_suffix(suffix.unwrap_or("")).unwrap_or(&digits);
        let whole = number.bytes().all(|byte| byte.is_ascii_digit());
        let value = match radix {
            10 if number.starts_with(|first: char| first.is_ascii_digit()) => number.parse::<f64>().ok()?,
            10 => return None,
            _ => u64::from_str_radix(&number[2..], radix).ok()? as f64,
        };
        let float = suffix.is_some_and(|suffix| suffix.starts_with('f'));
        Some(Self::Number { value: value.min(f64::MAX), whole: (whole || radix != 10) && !float })
    }
}

impl Kind {
    /// Says what the key takes.
    fn refuse(self, key: &Ident, at: &impl ToTokens) -> Error {
        let takes = match self {
            Self::Count => "a number of retries, such as `3`",
            Self::Backoffs => {
                "a backoff by fault: seconds or a `Backoff`, as in `backoff_for(connect = 0, throttle = 10)`"
            }
            Self::Seconds | Self::Prepared | Self::AttemptTimeout => {
                "seconds, zero or more, such as `0.3`, or a `Duration`"
            }
            Self::Factor => "a number that is 1 or more, such as `2.0`",
            Self::Bool => "`true` or `false`",
            Self::Flag | Self::Switch => "nothing behind it, or `= true`",
            Self::Word("Jitter", _) => "`none`, `full`, `equal`, `decorrelated`, or a `Jitter`",
            Self::Word("Nested", _) => "`retry`, `give_up`, or a value of `Nested`",
            Self::Word(..) => "`give_up`, `clamp`, `ignore`, or a value of `Hints`",
            Self::Typed => "a closure, such as `|e| ..`, or a function",
            Self::Before => "what to do before each retry, as in `before_retry = { .. }` or `= |event| ..`",
            Self::Policy => "a policy, as in `policy = POLICY`",
            Self::Plain => "an expression",
            Self::Attempt => "a name, as in `attempt = attempt`, which the body then knows",
            Self::Clone => "the arguments that each attempt gets a clone of, as in `clone(name)`",
            Self::Types => "one to eight types of yours, as in `any_of(Busy, StoreError)`",
            Self::Crate => "the path of the crate, as in `crate = other_name`",
        };
        Error::new_spanned(at, format!("`{key}` takes {takes}"))
    }
}
