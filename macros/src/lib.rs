//! The attribute `#[retry]` and the derive `Retryable` of the crate `persevere`, which re-exports both. Use them from
//! there: what they write names that crate alone.

use proc_macro::TokenStream;

mod args;
mod derive;
mod expand;
mod item;
mod tokens;

/// Retries.
#[proc_macro_attribute]
pub fn retry(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = proc_macro2::TokenStream::from(item);
    let expanded = item::Item::parse(item.clone()).and_then(|parsed| {
        let args = args::Args::parse(arguments.into(), &parsed)?;
        Ok(expand::function(&parsed, &args))
    });
    // The item follows the error, so that nobody is told in addition that the function does not exist.
    expanded.unwrap_or_else(|error| [error.to_compile_error(), item].into_iter().collect()).into()
}

/// Derives.
#[proc_macro_derive(Retryable, attributes(retry))]
pub fn derive_retryable(item: TokenStream) -> TokenStream {
    derive::retryable(item.into()).unwrap_or_else(|error| error.to_compile_error()).into()
}
