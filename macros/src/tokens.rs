//! Reading items as tokens. What a body or an expression says is the compiler's to parse; only where it ends is ours.

use std::rc::Rc;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;

/// A cursor over a flat list of token trees. Clones share the list, so that looking ahead costs nothing.
#[derive(Clone)]
pub(crate) struct Tokens {
    list: Rc<[TokenTree]>,
    at: usize,
}

impl Tokens {
    pub(crate) fn new(stream: TokenStream) -> Self {
        Self { list: stream.into_iter().collect(), at: 0 }
    }

    pub(crate) fn peek(&self) -> Option<&TokenTree> {
        self.list.get(self.at)
    }

    pub(crate) fn next(&mut self) -> Option<TokenTree> {
        let next = self.peek().cloned();
        self.at += usize::from(next.is_some());
        next
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.list.len()
    }

    pub(crate) fn rest(self) -> TokenStream {
        self.list[self.at..].iter().cloned().collect()
    }

    pub(crate) fn peek_ident(&self, word: &str) -> bool {
        matches!(self.peek(), Some(TokenTree::Ident(ident)) if ident == word)
    }

    pub(crate) fn peek_punct(&self, ahead: usize, sign: char) -> bool {
        matches!(self.list.get(self.at + ahead), Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
    }

    /// `->`, `=>` and `::` are two tokens each.
    fn peek_signs(&self, signs: [char; 2]) -> bool {
        self.peek_punct(0, signs[0]) && self.peek_punct(1, signs[1])
    }

    pub(crate) fn eat_ident(&mut self, word: &str) -> bool {
        let there = self.peek_ident(word);
        self.at += usize::from(there);
        there
    }

    pub(crate) fn ident(&mut self) -> Option<Ident> {
        match self.peek() {
            Some(TokenTree::Ident(ident)) => {
                let ident = ident.clone();
                self.at += 1;
                Some(ident)
            }
            _ => None,
        }
    }

    /// Passes over a literal, such as an ABI's name.
    pub(crate) fn literal(&mut self) -> bool {
        let there = matches!(self.peek(), Some(TokenTree::Literal(_)));
        self.at += usize::from(there);
        there
    }

    /// Passes over this sign.
    pub(crate) fn skip(&mut self, sign: char) -> bool {
        let there = self.peek_punct(0, sign);
        self.at += usize::from(there);
        there
    }

    /// What stands before this cursor and after that one.
    pub(crate) fn since(&self, earlier: &Self) -> TokenStream {
        self.list[earlier.at..self.at].iter().cloned().collect()
    }

    pub(crate) fn is_last(&self) -> bool {
        self.at + 1 >= self.list.len()
    }

    pub(crate) fn group(&mut self, delimiter: Delimiter) -> Option<Group> {
        match self.peek() {
            Some(TokenTree::Group(group)) if group.delimiter() == delimiter => {
                let group = group.clone();
                self.at += 1;
                Some(group)
            }
            _ => None,
        }
    }

    /// The contents of the attributes that stand here, outer or inner.
    pub(crate) fn attributes(&mut self, inner: bool) -> Vec<Group> {
        let mut attributes = Vec::new();
        while self.peek_punct(0, '#') && self.peek_punct(1, '!') == inner {
            let mut ahead = self.clone();
            ahead.at += 1 + usize::from(inner);
            let Some(group) = ahead.group(Delimiter::Bracket) else { break };
            attributes.push(group);
            *self = ahead;
        }
        attributes
    }

    /// Whether a `let` of this name stands here.
    pub(crate) fn declares(&self, name: &str) -> bool {
        let mut ahead = self.clone();
        ahead.eat_ident("let") && ahead.eat_ident(name)
    }

    /// Passes over `pub`, `pub(..)`, and what a macro's `$vis` left, nothing included.
    pub(crate) fn visibility(&mut self) {
        if self.group(Delimiter::None).is_none() && self.eat_ident("pub") {
            self.group(Delimiter::Parenthesis);
        }
    }

    /// What stands before the first place outside of angle brackets where `stop` holds: a piece of a type or pattern.
    pub(crate) fn until(&mut self, stop: impl Fn(&Self) -> bool) -> TokenStream {
        let (mut depth, mut taken) = (0_u32, TokenStream::new());
        while !self.is_empty() && (depth > 0 || !stop(self)) {
            if self.peek_signs(['-', '>']) || self.peek_signs([':', ':']) || self.peek_signs(['=', '>']) {
                taken.extend(self.next());
            } else if self.peek_punct(0, '<') {
                depth += 1;
            } else if self.peek_punct(0, '>') {
                depth = depth.saturating_sub(1);
            }
            taken.extend(self.next());
        }
        taken
    }

    /// Splits types, fields or parameters at their commas.
    pub(crate) fn by_commas(mut self) -> Vec<Tokens> {
        let mut parts = Vec::new();
        while !self.is_empty() {
            parts.push(Self::new(self.until(|here| here.peek_punct(0, ','))));
            self.next();
        }
        parts
    }

    /// The generics that stand here, without their brackets.
    pub(crate) fn generics(&mut self) -> TokenStream {
        if !self.peek_punct(0, '<') {
            return TokenStream::new();
        }
        self.next();
        let generics = self.until(|here| here.peek_punct(0, '>'));
        self.next();
        generics
    }

    /// An expression up to its comma. Commas inside of it stand in a group, between the bars of a closure, or in the
    /// angle brackets of a path or a type.
    pub(crate) fn expression(&mut self) -> TokenStream {
        let mut taken = TokenStream::new();
        // Whether an operand comes next, whether `::` was just read, and whether a type is being read.
        let (mut operand, mut turbofish, mut typed) = (true, false, false);
        while !self.is_empty() && !self.peek_punct(0, ',') {
            if self.peek_punct(0, '<') && (operand || turbofish || typed) {
                taken.extend(self.next());
                taken.extend(self.until(|here| here.peek_punct(0, '>')));
                taken.extend(self.next());
                (operand, turbofish, typed) = (false, false, false);
                continue;
            }
            if self.peek_punct(0, '|') && operand {
                taken.extend(self.next());
                taken.extend(self.until(|here| here.peek_punct(0, '|')));
                taken.extend(self.next());
                continue;
            }
            turbofish = self.peek_signs([':', ':']);
            let arrow = self.peek_signs(['-', '>']);
            let double = ['|', '<', '>'].iter().any(|&sign| self.peek_signs([sign, sign]));
            if turbofish || arrow || double {
                taken.extend(self.next());
            }
            match self.peek() {
                Some(TokenTree::Ident(ident)) => {
                    typed |= ident == "as";
                    operand = ["move", "async", "static", "mut", "return", "in"].iter().any(|word| ident == word);
                }
                Some(TokenTree::Punct(punct)) => {
                    typed = arrow || typed && (turbofish || matches!(punct.as_char(), '&' | '*' | '\''));
                    operand = punct.as_char() != '?' && !turbofish;
                }
                _ => (operand, typed) = (false, false),
            }
            taken.extend(self.next());
        }
        taken
    }
}

/// Unpacks what a macro's `$x` wrapped in an invisible group.
pub(crate) fn unwrapped(stream: TokenStream) -> TokenStream {
    let mut tokens = Tokens::new(stream.clone());
    match tokens.group(Delimiter::None) {
        Some(group) if tokens.is_empty() => unwrapped(group.stream()),
        _ => stream,
    }
}

/// Whether this identifier stands in the tokens, in groups too.
pub(crate) fn contains(stream: &TokenStream, name: &str) -> bool {
    stream.clone().into_iter().any(|tree| match tree {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => contains(&group.stream(), name),
        _ => false,
    })
}

/// All identifiers in the tokens, in groups too.
pub(crate) fn idents(stream: TokenStream) -> Vec<Ident> {
    let mut found = Vec::new();
    for tree in stream {
        match tree {
            TokenTree::Ident(ident) => found.push(ident),
            TokenTree::Group(group) => found.extend(idents(group.stream())),
            _ => {}
        }
    }
    found
}

/// The first token's span.
pub(crate) fn span(tokens: &TokenStream) -> Span {
    tokens.clone().into_iter().next().map_or_else(Span::call_site, |tree| tree.span())
}

/// The tokens, for messages at this place.
pub(crate) fn located(stream: TokenStream, at: Span) -> TokenStream {
    let located = |mut tree: TokenTree| {
        tree.set_span(tree.span().located_at(at));
        tree
    };
    stream.into_iter().map(located).collect()
}

/// Tokens in a brace group of the macro's own span: in one of the user's span, lints look for what is superfluous.
pub(crate) fn braced(content: impl ToTokens) -> TokenTree {
    braced_at(content, Span::mixed_site())
}

/// The same, for messages at this place.
pub(crate) fn braced_at(content: impl ToTokens, at: Span) -> TokenTree {
    let mut group = Group::new(Delimiter::Brace, content.into_token_stream());
    group.set_span(Span::mixed_site().located_at(at));
    group.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(source: &str) -> Vec<String> {
        let mut tokens = Tokens::new(source.parse().unwrap());
        let mut parts = Vec::new();
        while !tokens.is_empty() {
            parts.push(tokens.expression().to_string());
            tokens.skip(',');
        }
        parts
    }

    #[test]
    fn an_expression_ends_at_its_comma() {
        for one in [
            "|a, b: Map<u8, u8>| a || b",
            "move |(a, b)| -> Result<A, B> { a | b }",
            "|a| |b, c| a",
            "async move |a, b| f(a, b)",
            "f::<A, B>(a, b)",
            "<A as B<C, D>>::f",
            "Vec::<A<B, C>>::new()",
            "a as Map<B, C>",
            "&a as &Map<B, C>",
            "a as *const Map<B, C>",
            "|f: fn(A) -> B<C, D>, x| f(x)",
            "|| f::<A, B>()",
            "[a, b].map(|a| a).into_iter::<C, D>()?",
        ] {
            assert_eq!(split(&format!("{one}, next")).len(), 2, "{one}");
            assert_eq!(split(one).len(), 1, "{one}");
        }
    }

    #[test]
    fn a_sign_that_compares_or_shifts_opens_nothing() {
        for one in [
            "a < b",
            "a::b < c",
            "a << 1",
            "a >> 1",
            "a | b",
            "a || b",
            "a || |b| b",
            "f(a) < g(b)",
            "a? < b",
            "-a < b",
        ] {
            assert_eq!(split(&format!("{one}, c > d")).len(), 2, "{one}");
        }
    }

    #[test]
    fn types_and_parameters_are_split_outside_of_angle_brackets() {
        let parts = |source: &str| Tokens::new(source.parse().unwrap()).by_commas().len();
        assert_eq!(parts("a: Map<A, B>, (b, c): (B, C), d: impl Fn(A) -> Map<A, B>, e: A"), 4);
        assert_eq!(parts("'a, T: Into<Map<'a, A>> + 'a, const N: usize = { 1 + 1 }"), 3);
        assert_eq!(parts(""), 0);
    }
}
