//! Any tokens in and under the attribute: an answer in tokens or an error, never a panic. The fuzz target `attribute`
//! does the same for longer, and finds its own way.

use proc_macro2::TokenStream;

use crate::args::Args;
use crate::item::Item;

/// What items and attributes are made of.
const WORDS: &[&str] = &[
    "total",
    "backoff",
    "within",
    "jitter",
    "hints",
    "idempotent",
    "forever",
    "policy",
    "when",
    "before_retry",
    "waits",
    "report",
    "budget",
    "nested",
    "events",
    "attempt",
    "attempt_timeout",
    "clone",
    "crate",
    "none",
    "full",
    "true",
    "=",
    "=",
    "=",
    ",",
    ",",
    ",",
    ";",
    ":",
    "::",
    "->",
    "=>",
    ".",
    "&",
    "*",
    "|",
    "||",
    "?",
    "!",
    "#",
    "<",
    ">",
    "<=",
    ">>",
    "()",
    "[]",
    "{}",
    "(a, b)",
    "{ x }",
    "|e|",
    "0",
    "3",
    "0.3",
    "-1",
    "1e400",
    "1_000u8",
    "99999999999999999999",
    "0x1F",
    "'a'",
    "\"s\"",
    "r#\"raw\"#",
    "'static",
    "'a",
    "fn",
    "async",
    "unsafe",
    "const",
    "extern \"C\"",
    "pub",
    "pub(crate)",
    "mut",
    "self",
    "&self",
    "&mut",
    "move",
    "where",
    "impl",
    "dyn",
    "for",
    "as",
    "match",
    "return",
    "struct",
    "enum",
    "union",
    "trait",
    "type",
    "Self",
    "Result<A, B>",
    "io::Result<()>",
    "Option<u8>",
    "Box::pin(async move {})",
    "Pin<Box<dyn Future<Output = Result<A, B>> + Send>>",
    "_",
    "a",
    "b",
    "r#fn",
    "#[retry(transient)]",
    "#[retry(forward)]",
    "#[retry(with = a::b)]",
    "#[retry(timed_out)]",
    "#[retry(rejected)]",
    "#[from]",
    "__tracing_attr_span",
    "let __tracing_attr_fake_return",
    "if let Some(__ret)",
    "#[retry(throttle, after = a)]",
    "#[doc = \"d\"]",
    "#[cfg(x)]",
    "reached",
    "T: T,",
    "const N: usize",
];

/// Numbers that look like chance, the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    fn soup(&mut self, most: usize) -> String {
        (0..self.below(most)).flat_map(|_| [WORDS[self.below(WORDS.len())], " "]).collect()
    }
}

fn attribute(keys: TokenStream, function: TokenStream) -> bool {
    let read = Item::parse(function).and_then(|item| Ok((Args::parse(keys, &item)?, item)));
    let answer = match &read {
        Ok((args, item)) => crate::expand::function(item, args),
        Err(error) => error.to_compile_error(),
    };
    assert!(!answer.is_empty());
    read.is_ok()
}

#[test]
fn no_tokens_make_the_macros_panic() {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let (mut keys, mut function) = (chance.soup(8), chance.soup(16));
        match chance.below(4) {
            0 => function = String::from("async fn f(a: &mut A, mut b: B) -> Result<A, B> { a.x(b).await }"),
            1 => function = format!("fn f({function}) -> Result<A, B> {{ x }}"),
            2 => function = format!("enum E {{ {function} }}"),
            _ => keys.clear(),
        }
        let [Ok(keys), Ok(function)] = [&keys, &function].map(|text| text.parse::<TokenStream>()) else { continue };
        if let Err(error) = crate::derive::retryable(function.clone()) {
            assert!(!error.to_compile_error().is_empty());
        }
        *(if attribute(keys, function) { &mut taken } else { &mut refused }) += 1;
    }
    assert!(taken > 100 && refused > 5_000, "{taken} taken, {refused} refused");
}
