//! `#[derive(Retryable)]`.

use std::mem;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};

use crate::error::{Error, Result};
use crate::tokens::{Tokens, idents, located, span, unwrapped};

/// The faults, with the variant of `Fault` that each word means.
const FAULTS: &[(&str, &str)] = &[
    ("connect", "Connect"),
    ("timeout", "Timeout"),
    ("read", "Read"),
    ("status", "Status"),
    ("throttle", "Throttle"),
    ("redirect", "Redirect"),
    ("other", "Other"),
];

/// The words for a variant that an error of ours becomes, with the name of that error and the fault of its verdict.
const MADE: &[(&str, &str, &str)] = &[("timed_out", "TimedOut", "Timeout"), ("rejected", "Rejected", "Throttle")];

/// The type under the derive.
struct Input {
    name: Ident,
    /// As they stand, without defaults, and as the type's own arguments.
    parameters: Vec<Parameter>,
    predicates: TokenStream,
    marks: Marks,
    variants: Vec<Variant>,
    is_enum: bool,
}

struct Parameter {
    declared: TokenStream,
    name: TokenStream,
}

struct Variant {
    /// Where a missing decision is pointed at.
    name: Ident,
    marks: Marks,
    fields: Vec<Field>,
    /// Whether another derive writes its `From`.
    from: bool,
}

struct Field {
    /// A name, or an index.
    member: TokenTree,
    ty: TokenStream,
    /// `forward` or `with`.
    decision: Option<Decision>,
    from: bool,
}

#[derive(Clone)]
struct Decision {
    word: Ident,
    /// That of `with = path`.
    path: Option<TokenStream>,
}

impl Decision {
    /// Whether a field decides.
    fn asks_a_field(&self) -> bool {
        self.word == "forward" || self.word == "with"
    }
}

impl Decision {
    fn purpose(&self) -> &'static str {
        if self.path.is_some() { "to ask" } else { "to forward to" }
    }

    /// As it is written on a field.
    fn written(&self) -> &'static str {
        if self.path.is_some() { "with = .." } else { "forward" }
    }
}

impl PartialEq<str> for Decision {
    fn eq(&self, word: &str) -> bool {
        self.word == word
    }
}

/// What the `#[retry(..)]`s of one place say.
#[derive(Clone, Default)]
struct Marks {
    decision: Option<Decision>,
    reached: Option<(Ident, Ident)>,
    after: Option<(Ident, TokenStream)>,
    krate: Option<TokenStream>,
}

/// Writes the implementation.
///
/// # Errors
///
/// On a variant without a decision, or with two, and on words that mean nothing there.
pub(crate) fn retryable(stream: TokenStream) -> Result<TokenStream> {
    let input = Input::parse(stream)?;
    let krate = input.marks.krate.clone().unwrap_or_else(|| quote!(::persevere));
    let private = quote!(#krate::__private);
    let mut bounds = Vec::new();
    let (mut arms, mut insides) = (TokenStream::new(), TokenStream::new());
    let mut errors: Option<Error> = None;
    for variant in &input.variants {
        match variant.arm(&input, &private, &mut bounds, &mut insides) {
            Ok(arm) => arms.extend(arm),
            Err(error) => match &mut errors {
                Some(errors) => errors.combine(error),
                None => errors = Some(error),
            },
        }
    }
    let mut made = TokenStream::new();
    for &(word, ours, _) in MADE {
        match input.from(word, ours, &private) {
            Ok(from) => made.extend(from),
            Err(error) => match &mut errors {
                Some(errors) => errors.combine(error),
                None => errors = Some(error),
            },
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }
    let Input { name, parameters, predicates, .. } = &input;
    let declared = parameters.iter().map(|parameter| &parameter.declared);
    let names = parameters.iter().map(|parameter| &parameter.name);
    let value = if input.variants.is_empty() { quote!(*self) } else { quote!(self) };
    // An error that is forwarded to may hide its type, and then a report says what is inside.
    let erased = (!insides.is_empty()).then(|| {
        let rest = (input.variants.len() > 1).then(|| quote!(_ => #private::Option::None,));
        quote! {
            #[allow(unreachable_patterns, unused_variables)]
            fn erased(&self) -> #private::Option<#private::Erased<'_>> {
                match self { #insides #rest }
            }
        }
    });
    Ok(quote! {
        #[automatically_derived]
        impl<#(#declared),*> #private::Retryable for #name<#(#names),*>
        where
            #predicates
            #(#bounds: #private::Retryable,)*
        {
            fn verdict(&self) -> #private::Verdict {
                match #value { #arms }
            }

            #erased
        }
        #made
    })
}

impl Input {
    fn parse(stream: TokenStream) -> Result<Self> {
        let mut tokens = Tokens::new(stream);
        let marks = Marks::parse(tokens.attributes(false), true)?;
        tokens.visibility();
        let Some(keyword) = tokens.ident() else { return Err(unreadable()) };
        let Some(name) = tokens.ident() else { return Err(unreadable()) };
        if keyword == "union" {
            return Err(Error::new_spanned(
                keyword,
                "a union does not say what it holds: implement `Retryable` by hand",
            ));
        }
        let is_enum = keyword == "enum";
        let parameters: Vec<_> =
            Tokens::new(tokens.generics()).by_commas().into_iter().filter_map(Parameter::parse).collect();
        let mut predicates = Self::predicates(&mut tokens);
        let body = tokens.group(Delimiter::Brace).or_else(|| tokens.group(Delimiter::Parenthesis));
        predicates.extend(Self::predicates(&mut tokens));
        let variants = if is_enum {
            Variant::all(&body.ok_or_else(unreadable)?)?
        } else {
            vec![Variant { name: name.clone(), marks: Marks::default(), fields: fields(body.as_ref())?, from: false }]
        };
        Ok(Self { name, parameters, predicates, marks, variants, is_enum })
    }

    /// A `where` clause, without its word, and with a comma at its end.
    fn predicates(tokens: &mut Tokens) -> TokenStream {
        if !tokens.eat_ident("where") {
            return TokenStream::new();
        }
        let parts = Tokens::new(tokens.until(|here| here.peek_punct(0, ';') || here.is_last())).by_commas();
        parts.into_iter().map(Tokens::rest).map(|part| quote!(#part,)).collect()
    }

    /// Writes `From` for the variant that is marked so, if there is one and no other derive writes it.
    fn from(&self, word: &str, ours: &str, private: &TokenStream) -> Result<TokenStream> {
        let marked = |marks: &Marks| marks.decision.as_ref().filter(|decision| *decision == word).cloned();
        let own = self.variants.iter().filter_map(|variant| Some((variant, marked(&variant.marks)?)));
        let whole = marked(&self.marks).and_then(|decision| Some((self.variants.first()?, decision)));
        let mut found = own.chain(whole.filter(|_| !self.is_enum));
        let Some((variant, Decision { word, .. })) = found.next() else { return Ok(TokenStream::new()) };
        if let Some((_, second)) = found.next() {
            return Err(Error::new_spanned(second.word, format!("one variant only can be `{word}`")));
        }
        let Variant { name: at, fields, .. } = variant;
        if fields.len() > 1 {
            let message =
                format!("`{at}` has several fields: an error that is `{word}` has none, or one for the `{ours}`");
            return Err(Error::new_spanned(word, message));
        }
        if variant.from || fields.iter().any(|field| field.from) {
            return Ok(TokenStream::new());
        }
        let Self { name, parameters, predicates, is_enum, .. } = self;
        let declared = parameters.iter().map(|parameter| &parameter.declared);
        let names = parameters.iter().map(|parameter| &parameter.name);
        let ours = Ident::new(ours, Span::call_site());
        let path = if *is_enum { quote!(Self::#at) } else { quote!(Self) };
        let (pattern, value, bound) = match &**fields {
            [Field { member, ty, .. }] => {
                // The message about a type that can't be made stands at it.
                let from = Ident::new("__persevere_made", Span::mixed_site().located_at(span(ty)));
                let bound = self.is_generic(ty).then(|| quote!(#ty: #private::From<#private::#ours>,));
                (from.to_token_stream(), quote!({ #member: #private::From::from(#from) }), bound)
            }
            _ => (quote!(_), quote!({}), None),
        };
        Ok(quote! {
            #[automatically_derived]
            impl<#(#declared),*> #private::From<#private::#ours> for #name<#(#names),*>
            where
                #predicates
                #bound
            {
                fn from(#pattern: #private::#ours) -> Self {
                    #path #value
                }
            }
        })
    }

    /// Whether the type depends on a parameter of this one.
    fn is_generic(&self, ty: &TokenStream) -> bool {
        let used = idents(ty.clone());
        self.parameters.iter().flat_map(|parameter| idents(parameter.name.clone())).any(|name| used.contains(&name))
    }
}

impl Parameter {
    fn parse(mut tokens: Tokens) -> Option<Self> {
        tokens.attributes(false);
        let declared = tokens.until(|here| here.peek_punct(0, '='));
        let mut tokens = Tokens::new(declared.clone());
        tokens.eat_ident("const");
        let name: TokenStream = match tokens.next()? {
            // A lifetime is two tokens.
            TokenTree::Punct(quote) => [TokenTree::Punct(quote)].into_iter().chain(tokens.next()).collect(),
            name => name.into(),
        };
        Some(Self { declared, name })
    }
}

impl Variant {
    fn all(body: &Group) -> Result<Vec<Self>> {
        let mut tokens = Tokens::new(body.stream());
        let mut variants = Vec::new();
        while !tokens.is_empty() {
            let attributes = tokens.attributes(false);
            let from = attributes.iter().any(is_from);
            let marks = Marks::parse(attributes, false)?;
            tokens.visibility();
            let Some(name) = tokens.ident() else { return Err(unreadable()) };
            let body = tokens.group(Delimiter::Brace).or_else(|| tokens.group(Delimiter::Parenthesis));
            variants.push(Self { name, marks, fields: fields(body.as_ref())?, from });
            if tokens.skip('=') {
                tokens.expression();
            }
            tokens.skip(',');
        }
        Ok(variants)
    }

    /// One arm of the match; `bounds` gets the types that it forwards to, where they are generic, and `insides` the arm that
    /// looks into them.
    #[allow(clippy::too_many_lines)] // One decision after the other.
    fn arm(
        &self,
        input: &Input,
        private: &TokenStream,
        bounds: &mut Vec<TokenStream>,
        insides: &mut TokenStream,
    ) -> Result<TokenStream> {
        let Self { name, fields, .. } = self;
        let deciding: Vec<_> = fields.iter().filter_map(|field| Some((field, field.decision.as_ref()?))).collect();
        let own = self.marks.decision.as_ref();
        if let (Some(own), [(_, marked), ..]) = (own, &*deciding) {
            // `forward` above a variant may say on a field which one it means.
            if own.word != "forward" || marked.word != "forward" {
                return Err(Error::new_spanned(
                    &marked.word,
                    format!("one decision only: this says `{}`, and above it stands `{}`", marked.word, own.word),
                ));
            }
        }
        if let [_, (_, second), ..] = &*deciding {
            return Err(Error::new_spanned(&second.word, "one field only can decide"));
        }
        let of_field = deciding.first().map(|(_, decision)| *decision);
        let Some(decision) = of_field.or(own).or(input.marks.decision.as_ref()) else {
            let place = if input.is_enum { "above it, or on the enum for all of its variants" } else { "above it" };
            return Err(Error::new_spanned(
                name,
                format!(
                    "`{name}` needs a decision: write `#[retry(transient)]`, `#[retry(permanent)]`, `#[retry(forward)]`, \
                     `#[retry(with = path)]` or a fault, such as `#[retry(connect)]`, {place}"
                ),
            ));
        };
        // What the enum says beside its decision goes with that decision.
        let inherited = Some(&input.marks).filter(|_| own.is_none() && of_field.is_none());
        let reached = self.marks.reached.as_ref().or(inherited.and_then(|marks| marks.reached.as_ref()));
        let after = self.marks.after.as_ref().or(inherited.and_then(|marks| marks.after.as_ref()));
        let option = reached.map(|(key, _)| key).or(after.map(|(key, _)| key)).filter(|_| *decision == *"permanent");
        if let Some(option) = option {
            return Err(Error::new_spanned(
                option,
                format!("`{option}` contradicts `permanent`: what is not tried again is not waited for"),
            ));
        }

        let (mut pattern, mut inside) = (TokenStream::new(), None);
        let mut bound: Vec<Ident> = Vec::new();
        let spoken = after.map_or_else(Vec::new, |(_, after)| self.spoken(after));
        let mut bind = |field: &Field| {
            let (member, name) = (&field.member, field.local(&spoken));
            if !bound.contains(&name) {
                pattern.extend(match member {
                    TokenTree::Ident(member) if *member == name => quote!(#name,),
                    member => quote!(#member: #name,),
                });
                bound.push(name.clone());
            }
            name
        };
        let word = &decision.word;
        let made = MADE.iter().find(|(made, ..)| word == made);
        if let (Some(_), true) = (made, own.is_none() && input.is_enum) {
            return Err(Error::new_spanned(word, format!("`{word}` is for one variant: write it above that one")));
        }
        // A variant that holds what it was made from says what that says.
        let holds = word == "rejected" && fields.len() == 1;
        let mut verdict = if decision.asks_a_field() || holds {
            let field = match (&*deciding, &**fields) {
                (&[(field, _), ..], _) | ([], [field]) => field,
                ([], []) => {
                    return Err(Error::new_spanned(word, format!("`{name}` has no field {}", decision.purpose())));
                }
                _ => {
                    let written = decision.written();
                    return Err(Error::new_spanned(
                        word,
                        format!("`{name}` has several fields: put `#[retry({written})]` on the one that decides"),
                    ));
                }
            };
            if let Some(path) = &decision.path {
                let (field, at) = (bind(field), Span::mixed_site().located_at(span(path)));
                let private = located(private.clone(), span(path));
                quote_spanned!(at=> #private::judged(#path(#field)))
            } else {
                // A bound on the type itself would need what it is there to prove.
                if input.is_generic(&field.ty) && !idents(field.ty.clone()).contains(&input.name) {
                    bounds.push(field.ty.clone());
                }
                let (field, span) = (bind(field), word.span());
                let private = located(private.clone(), span);
                // In one place, so that the compiler complains once.
                inside = Some(quote_spanned!(span=> #private::Retryable::erased(#field)));
                quote_spanned!(span=> #private::Retryable::verdict(#field))
            }
        } else if word == "permanent" {
            quote!(#private::Verdict::permanent())
        } else {
            let fault = FAULTS.iter().find(|(fault, _)| word == fault).map(|(_, fault)| fault);
            let fault = fault.or(made.map(|(.., fault)| fault)).map(|fault| format_ident!("{fault}"));
            let fault = fault.map(|fault| quote!(.with_fault(#private::Fault::#fault)));
            quote!(#private::Verdict::transient() #fault)
        };
        if let Some((_, reached)) = reached {
            verdict = quote!(#verdict.with_reached(#private::Reached::#reached));
        }
        if let Some((_, after)) = after {
            let hint = self.hint(after, &mut bind)?;
            verdict = quote!(#private::hinted(#verdict, #hint));
        }
        let path = if input.is_enum { quote!(Self::#name) } else { quote!(Self) };
        if let Some(inside) = inside {
            insides.extend(quote!(#path { #pattern .. } => #inside,));
        }
        Ok(quote!(#path { #pattern .. } => #verdict,))
    }

    /// The field that `after` names, if it names one and nothing else.
    fn named(&self, after: &TokenStream) -> Option<&Field> {
        let name = after.to_string();
        self.fields.iter().find(|field| field.member.to_string() == name)
    }

    /// The names in the expression of `after`, which speaks of fields by their own names.
    fn spoken(&self, after: &TokenStream) -> Vec<String> {
        if self.named(after).is_some() {
            return Vec::new();
        }
        idents(after.clone()).iter().map(Ident::to_string).collect()
    }

    /// What `after` names: a field, or an expression in which the fields are references.
    fn hint(&self, after: &TokenStream, bind: &mut impl FnMut(&Field) -> Ident) -> Result<TokenStream> {
        let mut tokens = Tokens::new(after.clone());
        if let (Some(field), Some(at)) = (self.named(after), tokens.peek()) {
            // The message about its type stands at the word.
            let mut name = bind(field);
            name.set_span(name.span().located_at(at.span()));
            return Ok(name.into_token_stream());
        }
        if let (Some(TokenTree::Literal(index)), true) = (tokens.next(), tokens.is_empty()) {
            return Err(Error::new_spanned(
                index,
                format!("`{}` has no field of this number; for a fixed wait write a `Duration`", self.name),
            ));
        }
        let spoken = self.spoken(after);
        for field in self.fields.iter().filter(|field| spoken.contains(&field.member.to_string())) {
            bind(field);
        }
        Ok(quote!(&(#after)))
    }
}

impl Field {
    /// The name that it is bound to: its own if an expression says that, else one that no static can have. For a field
    /// without a name, messages about it stand at its type.
    fn local(&self, spoken: &[String]) -> Ident {
        let span = match &self.member {
            TokenTree::Ident(name) if spoken.contains(&name.to_string()) => return name.clone(),
            TokenTree::Ident(name) => name.span(),
            _ => {
                let ty = self.ty.clone().into_iter().next();
                ty.map_or_else(Span::call_site, |ty| Span::call_site().located_at(ty.span()))
            }
        };
        let member = self.member.to_string();
        Ident::new(&format!("__persevere_{}", member.trim_start_matches("r#")), span)
    }
}

fn fields(body: Option<&Group>) -> Result<Vec<Field>> {
    let Some(body) = body else { return Ok(Vec::new()) };
    let named = body.delimiter() == Delimiter::Brace;
    let parts = Tokens::new(body.stream()).by_commas().into_iter().enumerate();
    parts
        .map(|(index, mut tokens)| {
            let attributes = tokens.attributes(false);
            let from = attributes.iter().any(is_from);
            let Marks { decision, reached, after, .. } = Marks::parse(attributes, false)?;
            let beside = [reached.map(|(key, _)| key), after.map(|(key, _)| key)].into_iter().flatten();
            let other = decision.iter().filter(|decision| !decision.asks_a_field()).map(|decision| decision.word.clone());
            if let Some(other) = other.chain(beside).next() {
                return Err(Error::new_spanned(
                    other,
                    "on a field stands `forward` or `with = ..` alone; what else there is to say stands above the variant",
                ));
            }
            tokens.visibility();
            let member = if named {
                let name = tokens.ident().ok_or_else(unreadable)?;
                tokens.skip(':');
                name.into()
            } else {
                proc_macro2::Literal::usize_unsuffixed(index).into()
            };
            Ok(Field { member, ty: tokens.rest(), decision, from })
        })
        .collect()
}

impl Marks {
    /// Reads the attributes called `retry` among these.
    fn parse(attributes: Vec<Group>, container: bool) -> Result<Self> {
        let mut marks = Self::default();
        for attribute in attributes {
            let mut tokens = Tokens::new(unwrapped(attribute.stream()));
            if !tokens.peek_ident("retry") {
                continue;
            }
            let at = tokens.next();
            let Some(list) = tokens.group(Delimiter::Parenthesis) else {
                return Err(Error::new_spanned(at, "write the decision in parentheses, as in `#[retry(transient)]`"));
            };
            let mut list = Tokens::new(list.stream());
            while let Some(at) = list.peek().cloned() {
                let Some(word) = list.ident() else {
                    return Err(Error::new_spanned(at, "expected a word, such as `transient` or `permanent`"));
                };
                let value = list.skip('=').then(|| unwrapped(list.expression())).filter(|value| !value.is_empty());
                marks.add(word, value, container)?;
                if !list.skip(',') {
                    if let Some(next) = list.peek() {
                        return Err(Error::new_spanned(next, "expected `,` before the next word"));
                    }
                }
            }
        }
        Ok(marks)
    }

    fn add(&mut self, word: Ident, value: Option<TokenStream>, container: bool) -> Result<()> {
        let name = word.to_string();
        let decides = matches!(&*name, "transient" | "permanent" | "forward")
            || FAULTS.iter().any(|(fault, _)| *fault == name)
            || MADE.iter().any(|(made, ..)| *made == name);
        match (&*name, value) {
            ("reached", Some(value)) => {
                let reached = match &*value.to_string() {
                    "no" => format_ident!("No"),
                    "maybe" => format_ident!("Maybe"),
                    _ => return Err(Error::new_spanned(value, "`reached` takes `no` or `maybe`")),
                };
                set(&mut self.reached, (word.clone(), reached), &word)
            }
            ("after", Some(value)) => set(&mut self.after, (word.clone(), value), &word),
            ("with", Some(path)) if is_path(&path) => self.decide(Decision { word, path: Some(path) }),
            ("with", value) => Err(Error::new_spanned(
                value.unwrap_or_else(|| word.into_token_stream()),
                "`with` takes the path of a function from a reference to the field to a `Verdict`, as in `with = of_driver`",
            )),
            ("crate", Some(path)) if container => {
                if let Some(TokenTree::Literal(literal)) = path.clone().into_iter().next() {
                    return Err(Error::new_spanned(literal, "`crate` takes a path, as in `crate = other_name`"));
                }
                set(&mut self.krate, path, &word)
            }
            ("reached", None) => Err(Error::new_spanned(word, "`reached` takes `no` or `maybe`, as in `reached = no`")),
            ("after", None) => Err(Error::new_spanned(word, "`after` takes the wait, as in `after = field`")),
            (_, None) if decides => self.decide(Decision { word, path: None }),
            (_, Some(value)) if decides => Err(Error::new_spanned(value, format!("`{name}` takes no value"))),
            _ => {
                let faults = FAULTS.iter().map(|(fault, _)| format!("`{fault}`")).collect::<Vec<_>>().join(", ");
                Err(Error::new_spanned(
                    word,
                    format!(
                        "unknown word `{name}`: there are `transient`, `permanent`, `forward`, `with = path`, `timed_out`, \
                         `rejected`, the faults {faults}, and beside them `reached = no`, `reached = maybe`, `after = field`"
                    ),
                ))
            }
        }
    }

    fn decide(&mut self, decision: Decision) -> Result<()> {
        if let Some(Decision { word: first, .. }) = &self.decision {
            let word = decision.word;
            return Err(Error::new_spanned(&word, format!("one decision only: `{first}` stands before `{word}`")));
        }
        self.decision = Some(decision);
        Ok(())
    }
}

/// Whether the attribute is the `#[from]` of another derive, which then writes the `From`.
fn is_from(attribute: &Group) -> bool {
    Tokens::new(attribute.stream()).peek_ident("from")
}

/// Whether the tokens can be a path. What a path leads to, the compiler finds.
fn is_path(tokens: &TokenStream) -> bool {
    let mut first = true;
    tokens.clone().into_iter().all(|tree| {
        let fits = match tree {
            TokenTree::Ident(_) => true,
            TokenTree::Punct(sign) if mem::take(&mut first) => matches!(sign.as_char(), ':' | '<'),
            TokenTree::Punct(sign) => matches!(sign.as_char(), ':' | '<' | '>' | ',' | '&' | '\''),
            _ => false,
        };
        first = false;
        fits
    })
}

/// Sets what this word says, if it was not said before.
fn set<T>(place: &mut Option<T>, value: T, word: &Ident) -> Result<()> {
    match place.replace(value) {
        Some(_) => Err(Error::new_spanned(word, format!("`{word}` is set twice"))),
        None => Ok(()),
    }
}

/// Unreachable: the compiler hands a derive nothing but an item that it has parsed.
fn unreadable() -> Error {
    Error::new(Span::call_site(), "`Retryable` can be derived for an enum or a struct")
}
