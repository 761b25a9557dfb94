//! The guide: one page, one question.
//!
//! Start with [choosing a policy](choosing_a_policy) and [what is safe to repeat](safe_to_repeat); read the others when
//! their question is yours.
//!
//! | question | page |
//! |---|---|
//! | How often, how long, which waits? | [`choosing_a_policy`] |
//! | May this be done twice? | [`safe_to_repeat`] |
//! | Which errors of mine are worth another attempt? | [`your_own_errors`] |
//! | Which clients are known, and what is left to me? | [`clients`] |
//! | How do I repeat a transaction? | [`transactions`] |
//! | How do I send requests again, and which? | [`http`] |
//! | How do I keep to a time? | [`deadlines`] |
//! | How do I keep a connection or a feed alive? | [`reconnecting`] |
//! | How do I download what is large? | [`downloads`] |
//! | How do I stop it, and shut down? | [`cancellation`] |
//! | What if the process dies? | [`queues`] |
//! | Which layer should retry, and what protects whom? | [`layers`] |
//! | How do I protect a server from my retries? | [`budgets_and_breakers`] |
//! | What happened? | [`seeing_what_happened`] |
//! | How do I test it without waiting? | [`testing`] |
//! | What does the attribute write? | [`generated_code`] |
//! | Does it run without tokio, in a browser, without std? | [`runtimes`] |
//! | What does this message of the compiler mean? | [`compiler_messages`] |
//! | Why does it …? How do I …? | [`questions`] |
//!
//! You know another crate or library:
//!
//! | coming from | page |
//! |---|---|
//! | requests and urllib3 (Python) | [`from_urllib3`] |
//! | tenacity and stamina (Python) | [`from_tenacity`] |
//! | backon | [`from_backon`] |
//! | backoff | [`from_backoff`] |
//! | tokio-retry and tokio-retry2 | [`from_tokio_retry`] |
//! | reqwest-retry | [`from_reqwest_retry`] |
//!
//! Examples of the guide run as tests. Those with virtual time need the feature `testing`, and each that needs another
//! feature says so. What an example names and does not show (`url`, `fetch`, `ask`) is yours.

// Some pages speak of what only a feature brings.
#![cfg_attr(
    not(all(
        feature = "stream",
        feature = "testing",
        feature = "tower",
        feature = "reqwest",
        feature = "ureq",
        feature = "wasm",
        feature = "tracing"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

/// Declares a page: a module that is its text.
macro_rules! pages {
    ($($(#[$when:meta])* $name:ident: $title:literal),* $(,)?) => {$(
        $(#[$when])*
        pub mod $name {
            #![doc = $title]
            #![doc = ""]
            #![doc = include_str!(concat!("guide/", stringify!($name), ".md"))]
        }
    )*};
}

/// Which layer should retry, and what protects whom?
pub mod layers {
    // The pictures stand in these definitions as data: rendered documentation has no files beside it.
    #![doc = ""]
    #![doc = include_str!("pictures/storm-contention.md")]
    #![doc = include_str!("pictures/storm-brownout.md")]
    #![doc = include_str!("pictures/storm-clients.md")]
    #![doc = include_str!("pictures/storm-chain.md")]
    #![doc = include_str!("guide/layers.md")]
}

pages! {
    choosing_a_policy: "How often, how long, which waits?",
    safe_to_repeat: "May this be done twice?",
    your_own_errors: "Which errors of mine are worth another attempt?",
    clients: "Which clients are known, and what is left to me?",
    // The examples of this page need the clients of databases: `tests/servers` builds them.
    #[cfg(not(doctest))]
    transactions: "How do I repeat a transaction?",
    // The examples of this and the next such page need a client: `tests/http` runs them.
    #[cfg(not(doctest))]
    http: "How do I send requests again, and which?",
    deadlines: "How do I keep to a time?",
    #[cfg(not(doctest))]
    reconnecting: "How do I keep a connection or a feed alive?",
    #[cfg(not(doctest))]
    downloads: "How do I download what is large?",
    cancellation: "How do I stop it, and shut down?",
    #[cfg(any(not(doctest), feature = "jitter"))]
    queues: "What if the process dies?",
    budgets_and_breakers: "How do I protect a server from my retries?",
    seeing_what_happened: "What happened?",
    events: "What does a run report to `tracing` and `metrics`?",
    testing: "How do I test it without waiting?",
    runtimes: "Does it run without tokio, in a browser, without std?",
    compiler_messages: "What does this message of the compiler mean?",
    questions: "Why does it …? How do I …?",
    #[cfg(not(doctest))]
    from_urllib3: "Coming from requests and urllib3.",
    from_tenacity: "Coming from tenacity and stamina.",
    from_backon: "Coming from backon.",
    from_backoff: "Coming from backoff.",
    from_tokio_retry: "Coming from tokio-retry and tokio-retry2.",
    #[cfg(not(doctest))]
    from_reqwest_retry: "Coming from reqwest-retry.",
}

pub mod generated_code {
    //! What does the attribute write?
    //!
    #![doc = include_str!("guide/generated_code.md")]
    //!
    //! # A blocking function
    //!
    //! ```text
    #![doc = include_str!("guide/generated/blocking.rs")]
    //! ```
    //!
    //! # An async function
    //!
    //! ```text
    #![doc = include_str!("guide/generated/async.rs")]
    //! ```
    //!
    //! # Under `async_trait`
    //!
    //! ```text
    #![doc = include_str!("guide/generated/boxed.rs")]
    //! ```
}
