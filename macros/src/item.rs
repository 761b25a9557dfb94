//! The function under the attribute, as far as an expansion has to know it.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};

use crate::error::{Error, Result};
use crate::tokens::{Tokens, contains, idents, unwrapped};

/// A function, in pieces that are put together again around the loop.
pub(crate) struct Item {
    /// All that stands before the body.
    pub(crate) head: TokenStream,
    pub(crate) asynchronous: bool,
    /// The function's name.
    pub(crate) name: String,
    /// What other attributes put around the body, from the outside in. It is executed once, not in each attempt.
    pub(crate) frames: Vec<Frame>,
    /// What they put before it, in the innermost of them.
    pub(crate) prologue: TokenStream,
    /// Its `Result`, with `_` for each `impl Trait`, which may not stand in a body.
    pub(crate) result: TokenStream,
    pub(crate) arguments: Vec<Argument>,
    /// What an attempt executes.
    pub(crate) body: TokenStream,
    /// Where its braces stand.
    pub(crate) place: Span,
}

/// A group, and what stands beside it.
pub(crate) struct Frame {
    before: TokenStream,
    delimiter: Delimiter,
    place: Span,
    after: TokenStream,
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
        let (body, frames, prologue) = (body.rest(), Vec::new(), TokenStream::new());
        let name = name.map_or_else(String::new, |name| name.to_string().trim_start_matches("r#").to_owned());
        let mut item = Self { head, asynchronous, name, frames, prologue, result, arguments, body, place };
        if !asynchronous && is_future(&item.result) {
            item.boxed()?;
        }
        item.descend();
        Ok(Self { result: inferred(item.result), ..item })
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
    fn boxed(&mut self) -> Result<()> {
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
        let mut inside = Tokens::new(call.stream());
        let start = inside.clone();
        let asynchronous = inside.eat_ident("async") && inside.eat_ident("move");
        let before = inside.since(&start);
        let (Some(block), Some(result)) = (inside.group(Delimiter::Brace), output(self.result.clone())) else {
            return Err(refused);
        };
        inside.skip(',');
        if !is_path || boxed != "Box" || method != "pin" || !asynchronous || !inside.is_empty() || !body.is_empty() {
            return Err(refused);
        }
        self.frames = vec![Frame::new(pin, &call, body.rest()), Frame::new(before, &block, inside.rest())];
        (self.asynchronous, self.result, self.body) = (true, result, block.stream());
        Ok(())
    }

    /// Goes to the user's own body, inside of what `#[async_trait]` and `#[tracing::instrument]` made of it.
    fn descend(&mut self) {
        loop {
            let mut body = Tokens::new(self.body.clone());
            let prologue = self.prologue(&mut body);
            self.body = body.clone().rest();
            let within = if contains(&self.body, "__tracing_attr_span") { instrumented(&body) } else { None };
            let Some((mut frames, group)) = within else {
                self.prologue = prologue;
                return;
            };
            if let Some(outermost) = frames.first_mut() {
                outermost.before = prologue.into_iter().chain(outermost.before.clone()).collect();
            }
            self.frames.extend(frames);
            (self.body, self.place) = (group.stream(), group.span());
        }
    }

    /// The statements that `#[async_trait]` puts first: a `return` that is never taken, then `let x = x;` for each
    /// argument, or `let (a, b) = { let x = x; x };`.
    fn prologue(&mut self, block: &mut Tokens) -> TokenStream {
        let start = block.clone();
        if !never_taken(block) {
            return TokenStream::new();
        }
        loop {
            let mut ahead = block.clone();
            ahead.attributes(false);
            if !ahead.eat_ident("let") {
                return block.since(&start);
            }
            let pattern = ahead.until(|here| here.peek_punct(0, '='));
            ahead.next();
            let moved = ahead.ident().is_some() || ahead.group(Delimiter::Brace).is_some_and(|block| is_move(&block));
            if !moved || !ahead.skip(';') {
                return block.since(&start);
            }
            self.arguments.splice(0..0, names(Tokens::new(pattern)));
            *block = ahead;
        }
    }
}

impl Frame {
    fn new(before: TokenStream, group: &Group, after: TokenStream) -> Self {
        Self { before, delimiter: group.delimiter(), place: group.span(), after }
    }

    /// The group again, around this.
    pub(crate) fn around(&self, content: TokenStream) -> TokenStream {
        let Self { before, delimiter, place, after } = self;
        let mut group = Group::new(*delimiter, content);
        group.set_span(*place);
        quote!(#before #group #after)
    }
}

/// Passes over the `if` of `#[async_trait]`, whose `return` types its block. One of the user's own is the attempt's.
fn never_taken(block: &mut Tokens) -> bool {
    let mut ahead = block.clone();
    let condition = ahead
        .until(|here| matches!(here.peek(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace));
    let there = block.peek_ident("if") && contains(&condition, "__ret");
    if there {
        ahead.next();
        *block = ahead;
    }
    there
}

/// Finds the block that `#[tracing::instrument]` was given, and what it put around that. It runs a body as
/// `async move { .. }`, or in a closure if it looks at the result, behind a `return` that is never taken. That of
/// `#[async_trait]` stands there already. A future in a `Box::pin` of the user's own has neither.
fn instrumented(body: &Tokens) -> Option<(Vec<Frame>, Group)> {
    marked(body).or_else(|| {
        let mut tokens = body.clone();
        let before = tokens.until(|here| here.peek_ident("async"));
        let written = contains(&before, "__tracing_instrument_future");
        let words = tokens.eat_ident("async") && tokens.eat_ident("move");
        let before = tokens.since(body);
        let group = tokens.group(Delimiter::Brace).filter(|_| written && words)?;
        Some((vec![Frame::new(before, &group, tokens.rest())], group))
    })
}

/// Finds the block behind a `return` that is never taken, at any depth.
fn marked(body: &Tokens) -> Option<(Vec<Frame>, Group)> {
    let mut tokens = body.clone();
    let mut behind = false;
    while !tokens.is_empty() {
        let before = tokens.since(body);
        let Some(TokenTree::Group(group)) = tokens.next() else { continue };
        let inside = Tokens::new(group.stream());
        let frame = || Frame::new(before.clone(), &group, tokens.clone().rest());
        if behind || never_taken(&mut inside.clone()) {
            return Some((vec![frame()], group));
        }
        behind = group.delimiter() == Delimiter::Brace && inside.declares("__tracing_attr_fake_return");
        if let Some((frames, found)) = marked(&inside).filter(|_| !behind) {
            return Some(([frame()].into_iter().chain(frames).collect(), found));
        }
    }
    None
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
