//! What is refused, and where: errors that the compiler shows at the user's own tokens.

use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};
use quote::ToTokens;

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Messages, each with the span of the first and of the last token that it is about.
#[derive(Debug)]
pub(crate) struct Error(Vec<(String, Span, Span)>);

impl Error {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Self {
        Self(vec![(message.into(), span, span)])
    }

    pub(crate) fn new_spanned(at: impl ToTokens, message: impl Into<String>) -> Self {
        let mut trees = at.into_token_stream().into_iter();
        let first = trees.next().map_or_else(Span::call_site, |tree| tree.span());
        let last = trees.last().map_or(first, |tree| tree.span());
        Self(vec![(message.into(), first, last)])
    }

    /// Tells both.
    pub(crate) fn combine(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// `::core::compile_error! { ".." }` for each. The compiler underlines from the span of its first token to the span
    /// of its last.
    pub(crate) fn to_compile_error(&self) -> TokenStream {
        self.0.iter().flat_map(|(message, first, last)| compile_error(message, *first, *last)).collect()
    }
}

fn compile_error(message: &str, first: Span, last: Span) -> impl Iterator<Item = TokenTree> {
    let at = |mut tree: TokenTree, span| {
        tree.set_span(span);
        tree
    };
    let colons = [Punct::new(':', Spacing::Joint), Punct::new(':', Spacing::Alone)].map(TokenTree::from);
    let [core, name] = ["core", "compile_error"].map(|word| TokenTree::from(Ident::new(word, first)));
    let text = at(Literal::string(message).into(), last);
    let body = at(Group::new(Delimiter::Brace, text.into()).into(), last);
    let path =
        colons.clone().into_iter().chain([core]).chain(colons).chain([name, Punct::new('!', Spacing::Alone).into()]);
    path.map(move |tree| at(tree, first)).chain([body])
}
