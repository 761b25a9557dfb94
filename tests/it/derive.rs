//! `#[derive(Retryable)]`.
