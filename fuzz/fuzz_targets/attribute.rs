//! What stands in and under `#[retry(..)]` is any tokens: `cargo +nightly fuzz run attribute`.
//!
//! The modules of the macro crate, which can't be linked, are here by their paths. Whatever they read, they answer with
//! tokens or with an error that has tokens; they never panic.

#![no_main]
#![allow(dead_code, unreachable_pub)]

use libfuzzer_sys::fuzz_target;
use proc_macro2::TokenStream;

#[path = "../../macros/src/args.rs"]
mod args;
#[path = "../../macros/src/derive.rs"]
mod derive;
#[path = "../../macros/src/error.rs"]
mod error;
#[path = "../../macros/src/expand.rs"]
mod expand;
#[path = "../../macros/src/item.rs"]
mod item;
#[path = "../../macros/src/tokens.rs"]
mod tokens;

/// What an item and its attribute are made of. A byte of the input is one of these; letters alone would rarely meet.
const WORDS: &str = "\
    total forever backoff factor max jitter immediate_first within attempt_timeout hint_max hints idempotent connect \
    read status redirect other policy when when_ok on_retry before_retry timer seed waits report budget breaker throttle \
    nested events attempt clone crate none full give_up true false = = = , , , ; : :: -> => . & && * | || ? ! # < > <= >> \
    ( ) [ ] { } (a,b) {x} |e| 0 1 3 0.3 -1 1e400 1_000u8 99999999999999999999 0x1F 'a' \"s\" r#\"raw\"# b\"x\" 'static \
    'a fn async unsafe const extern \"C\" pub pub(crate) mut self &self &mut move where impl dyn for in as match if else \
    return let struct enum union trait type mod static ref Self super Result<A,B> Result io::Result<()> Option<u8> Pin<Box<dyn \
    Future<Output=Result<A,B>>+Send>> Box::pin(async move{}) _ a b r#fn #[retry(transient)] #[retry(forward)] #[doc=\"d\"] \
    #[cfg(x)] transient permanent timeout reached=no reached after forward T: T,U const N:usize ~ @ $ / % ^ + - .. ..= \
    macro_rules async_trait __ret";

fn soup(input: &[u8]) -> String {
    let words: Vec<_> = WORDS.split(' ').filter(|word| !word.is_empty()).collect();
    input.iter().flat_map(|&byte| [words[usize::from(byte) % words.len()], " "]).collect()
}

fn parsed(text: &str) -> Option<TokenStream> {
    text.parse().ok()
}

fuzz_target!(|input: &[u8]| {
    let Some((&kind, input)) = input.split_first() else { return };
    let place = input.iter().position(|&byte| byte == b'\n').unwrap_or(input.len());
    let (keys, function) = input.split_at(place);
    let text = |bytes: &[u8]| if kind % 2 == 0 { soup(bytes) } else { String::from_utf8_lossy(bytes).into_owned() };
    let (keys, function) = (text(keys), text(function.get(1..).unwrap_or_default()));
    // Half of the time one side is sound, so that the other is reached.
    let (keys, function) = match kind % 8 {
        0 | 1 => (keys, String::from("async fn f(a: &mut A, mut b: B) -> Result<A, B> { a.x(b).await }")),
        2 | 3 => (String::from("total = 3, attempt = a, clone(b)"), function),
        4 => (keys, format!("fn f({function}) -> Result<A, B> {{ x }}")),
        _ => (keys, function),
    };
    let Some(function) = parsed(&function) else { return };
    if let Err(error) = derive::retryable(function.clone()) {
        assert!(!error.to_compile_error().is_empty());
    }
    let Some(keys) = parsed(&keys) else { return };
    let expanded = item::Item::parse(function).and_then(|item| Ok((args::Args::parse(keys, &item)?, item)));
    let expanded = expanded.map_or_else(|error| error.to_compile_error(), |(args, item)| expand::function(&item, &args));
    assert!(parsed(&expanded.to_string()).is_some(), "{expanded}");
});
