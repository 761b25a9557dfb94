//! The function under the attribute, as far as an expansion has to know it.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};

use crate::error::{Error, Result};
use crate::tokens::{Tokens, idents, unwrapped};

/// A function, in pieces that are put together again around the loop.
pub(crate) struct Item {
    /// All that stands before the body.
    pub(crate) head: TokenStream,
    pub(crate) shape: Shape,
    /// Its `Result`, with `_` for each `impl Trait`, which may not stand in a body.
    pub(crate) result: TokenStream,
    pub(crate) arguments: Vec<Argument>,
    /// What an attempt executes.
    pub(crate) body: TokenStream,
    /// Where its braces stand.
    pub(crate) place: Span,
}

/// How the function becomes a loop.
pub(crate) enum Shape {
    Blocking,
    Async,
    /// `Box::pin(async move { .. })`, as `#[async_trait]` writes it.
    Boxed {
        /// `Box::pin`
        pin: TokenStream,
        /// Moves the arguments into the future; once, not in each attempt.
        prologue: TokenStream,
    },
}

pub(crate) struct Argument {
    pub(crate) name: Ident,
    pub(crate) mutable: bool,
}

impl Item {
    /// Takes a function apart.
    ///
    /// # Errors
    ///
    /// On what is no function, has no body, or can't be retried.
    pub(crate) fn parse(stream: TokenStream) -> Result<Self> {
        let mut tokens = Tokens::new(stream.clone());
        tokens.attributes(false);
        tokens.visibility();
        tokens.eat_ident("default");
        let start = tokens.clone();
        let constant = tokens.eat_ident("const");
        let asynchronous = tokens.eat_ident("async");
        let _ = tokens.eat_ident("safe") || tokens.eat_ident("unsafe");
        if tokens.eat_ident("extern") {
            tokens.literal();
        }
        if !tokens.eat_ident("fn") {
            return Err(not_a_function(&start));
        }
        if constant {
            return Err(error(start.peek(), "a `const fn` can't be retried: a retry waits; remove `const`"));
        }
        let name = tokens.ident();
        tokens.generics();
        let Some(arguments) = tokens.group(Delimiter::Parenthesis) else { return Err(not_a_function(&start)) };
        let result = Self::result(&mut tokens);

        let mut head: Vec<TokenTree> = stream.into_iter().collect();
        let body = head.pop().map(TokenStream::from).map(unwrapped).map(Tokens::new);
        let Some(body) = body.and_then(|mut body| body.group(Delimiter::Brace)) else {
            return Err(error(
                name.as_ref(),
                "only a function with a body can be retried: put `#[retry]` on the methods that implement this one",
            ));
        };
        let Some(result) = result else {
            return Err(error(
                name.as_ref(),
                "`#[retry]` needs a function that returns a `Result`: this one returns nothing that could fail",
            ));
        };
        let arguments = Tokens::new(arguments.stream()).by_commas().into_iter().flat_map(names).collect();
        if is_no_result(&result) {
            let message = "a retry tries again on an `Err`, and this is no `Result`: return `Result<.., E>`";
            return Err(Error::new_spanned(result, message));
        }
        // Inner attributes can't stand in the attempt; outside they mean the same.
        let place = body.span();
        let mut body = Tokens::new(body.stream());
        let outer = body.attributes(true).into_iter().map(|attribute| quote!(# #attribute));
        let head = outer.chain([head.into_iter().collect()]).collect();
        let item = Self { head, shape: Shape::Blocking, result, arguments, body: body.rest(), place };
        if asynchronous {
            Ok(Self { shape: Shape::Async, ..item })
        } else if is_future(&item.result) {
            item.boxed()
        } else {
            Ok(item)
        }
        .map(|item| Self { result: inferred(item.result), ..item })
    }

    /// The type behind `->`, if there is one.
    fn result(tokens: &mut Tokens) -> Option<TokenStream> {
        if !(tokens.peek_punct(0, '-') && tokens.peek_punct(1, '>')) {
            return None;
        }
        tokens.next();
        tokens.next();
        let end = |here: &Tokens| here.peek_ident("where") || here.is_last() || here.peek_punct(0, ';');
        Some(unwrapped(tokens.until(end))).filter(|result| !result.is_empty())
    }

    /// The loop goes into the future that the function returns.
    fn boxed(mut self) -> Result<Self> {
        let refused = Error::new_spanned(
            &self.result,
            "a function that returns a future is over before the future has run, so there is nothing to retry: make it \
             an `async fn`, or write its whole body as `Box::pin(async move { .. })` with `Future<Output = Result<..>>`",
        );
        let mut body = Tokens::new(self.body.clone());
        let pin = body.until(|here| matches!(here.peek(), Some(TokenTree::Group(_))));
        let path = idents(pin.clone());
        let [.., boxed, method] = &*path else { return Err(refused) };
        let is_path = pin.clone().into_iter().all(|tree| match tree {
            TokenTree::Punct(sign) => sign.as_char() == ':',
            tree => matches!(tree, TokenTree::Ident(_)),
        });
        let Some(call) = body.group(Delimiter::Parenthesis) else { return Err(refused) };
        let mut call = Tokens::new(call.stream());
        let asynchronous = call.eat_ident("async") && call.eat_ident("move");
        let (Some(block), Some(result)) = (call.group(Delimiter::Brace), output(self.result.clone())) else {
            return Err(refused);
        };
        call.skip(',');
        if !is_path || boxed != "Box" || method != "pin" || !asynchronous || !call.is_empty() || !body.is_empty() {
            return Err(refused);
        }
        let mut block = Tokens::new(block.stream());
        let prologue = self.prologue(&mut block);
        Ok(Self { shape: Shape::Boxed { pin, prologue }, result, body: block.rest(), ..self })
    }

    /// The statements that `#[async_trait]` puts first: a `return` that is never taken, then `let x = x;` for each
    /// argument, or `let (a, b) = { let x = x; x };`.
    fn prologue(&mut self, block: &mut Tokens) -> TokenStream {
        let mut prologue = TokenStream::new();
        let mut ahead = block.clone();
        let condition = ahead.until(
            |here| matches!(here.peek(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace),
        );
        // An `if` of the user's own is the attempt's.
        if !block.peek_ident("if") || !idents(condition.clone()).iter().any(|name| name == "__ret") {
            return prologue;
        }
        prologue.extend(condition);
        prologue.extend(ahead.next());
        *block = ahead;
        loop {
            let mut ahead = block.clone();
            ahead.attributes(false);
            if !ahead.eat_ident("let") {
                return prologue;
            }
            let pattern = ahead.until(|here| here.peek_punct(0, '='));
            ahead.next();
            let moved = ahead.ident().is_some() || ahead.group(Delimiter::Brace).is_some_and(|block| is_move(&block));
            if !moved || !ahead.skip(';') {
                return prologue;
            }
            self.arguments.splice(0..0, names(Tokens::new(pattern)));
            let length = ahead.position() - block.position();
            prologue.extend(std::iter::from_fn(|| block.next()).take(length));
        }
    }
}

/// Whether the block is `{ let x = x; x }`.
fn is_move(block: &Group) -> bool {
    let words = idents(block.stream());
    matches!(&*words, [word, name, from, last] if word == "let" && name == from && from == last)
}

/// The names that a parameter binds: all in its pattern, those of types in it too, which does no harm.
fn names(mut parameter: Tokens) -> Vec<Argument> {
    parameter.attributes(false);
    let pattern = parameter.until(|here| here.peek_punct(0, ':') && !here.peek_punct(1, ':'));
    let mut mutable = false;
    let mut names = Vec::new();
    for name in idents(pattern) {
        if name == "mut" {
            mutable = true;
        } else if name != "ref" {
            names.push(Argument { name, mutable });
            mutable = false;
        }
    }
    names
}

/// Whether the type shows that it is no `Result`. What its name hides, the compiler finds.
fn is_no_result(result: &TokenStream) -> bool {
    const OTHERS: [&str; 21] = [
        "Option", "String", "Vec", "str", "bool", "char", "f32", "f64", "u8", "u16", "u32", "u64", "u128", "usize",
        "i8", "i16", "i32", "i64", "i128", "isize", "Self",
    ];
    let mut tokens = Tokens::new(result.clone());
    match tokens.peek() {
        Some(TokenTree::Group(group)) => group.delimiter() != Delimiter::None,
        Some(TokenTree::Punct(sign)) => matches!(sign.as_char(), '&' | '*' | '!'),
        Some(TokenTree::Ident(word)) if word == "impl" || word == "dyn" => !is_future(result),
        _ => {
            let path = idents(tokens.until(|here| here.peek_punct(0, '<')));
            path.last().is_some_and(|name| OTHERS.iter().any(|other| name == other))
        }
    }
}

/// Whether the type is a future, rather than a `Result` that may hold one.
fn is_future(result: &TokenStream) -> bool {
    let mut head = Tokens::new(result.clone());
    let head = idents(head.until(|here| here.peek_punct(0, '<')));
    let named = |ident: &Ident| ident.to_string().ends_with("Future");
    let wraps = head.iter().any(|ident| ident == "impl" || ident == "dyn")
        || head.last().is_some_and(|last| last == "Pin" || last == "Box");
    head.last().is_some_and(named) || wraps && idents(result.clone()).iter().any(named)
}

/// The type behind `Output =`, wherever it stands.
fn output(stream: TokenStream) -> Option<TokenStream> {
    let mut tokens = Tokens::new(stream);
    while let Some(tree) = tokens.next() {
        match tree {
            TokenTree::Ident(ident) if ident == "Output" && tokens.skip('=') => {
                return Some(tokens.until(|here| here.peek_punct(0, '>') || here.peek_punct(0, ',')));
            }
            TokenTree::Group(group) => {
                if let Some(found) = output(group.stream()) {
                    return Some(found);
                }
            }
            _ => {}
        }
    }
    None
}

/// The type with `_` for each `impl Trait` in it.
fn inferred(stream: TokenStream) -> TokenStream {
    let mut tokens = Tokens::new(stream);
    let mut result = TokenStream::new();
    while let Some(tree) = tokens.next() {
        result.extend([match tree {
            TokenTree::Ident(ident) if ident == "impl" => {
                tokens.until(|here| ['>', ',', ';'].iter().any(|&sign| here.peek_punct(0, sign)));
                Ident::new("_", ident.span()).into()
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), inferred(group.stream()));
                inner.set_span(group.span());
                inner.into()
            }
            tree => tree,
        }]);
    }
    result
}

fn not_a_function(start: &Tokens) -> Error {
    error(
        start.peek(),
        "`#[retry]` goes on a function or a method that has a body: `#[retry] fn`, `#[retry] async fn`; for the methods \
         of an `impl`, on each of them",
    )
}

fn error<T: ToTokens>(at: Option<&T>, message: &str) -> Error {
    at.map_or_else(|| Error::new(Span::call_site(), message), |at| Error::new_spanned(at, message))
}
