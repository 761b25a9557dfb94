//! `#[derive(Retryable)]`.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};

use crate::error::{Error, Result};
use crate::tokens::{Tokens, idents, located, unwrapped};

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
}

struct Field {
    /// A name, or an index.
    member: TokenTree,
    ty: TokenStream,
    forward: Option<Ident>,
}

/// What the `#[retry(..)]`s of one place say.
#[derive(Clone, Default)]
struct Marks {
    decision: Option<Ident>,
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
    let mut arms = TokenStream::new();
    let mut errors: Option<Error> = None;
    for variant in &input.variants {
        match variant.arm(&input, &private, &mut bounds) {
            Ok(arm) => arms.extend(arm),
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
        }
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
            vec![Variant { name: name.clone(), marks: Marks::default(), fields: fields(body.as_ref())? }]
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
            let marks = Marks::parse(tokens.attributes(false), false)?;
            tokens.visibility();
            let Some(name) = tokens.ident() else { return Err(unreadable()) };
            let body = tokens.group(Delimiter::Brace).or_else(|| tokens.group(Delimiter::Parenthesis));
            variants.push(Self { name, marks, fields: fields(body.as_ref())? });
            if tokens.skip('=') {
                tokens.expression();
            }
            tokens.skip(',');
        }
        Ok(variants)
    }

    /// One arm of the match; `bounds` gets the types that it forwards to, where they are generic.
    fn arm(&self, input: &Input, private: &TokenStream, bounds: &mut Vec<TokenStream>) -> Result<TokenStream> {
        let Self { name, fields, .. } = self;
        let forwarded: Vec<_> = fields.iter().filter_map(|field| Some((field, field.forward.clone()?))).collect();
        let own = self.marks.decision.as_ref();
        if let (Some(own), [(_, marked), ..]) = (own.filter(|own| *own != "forward"), &*forwarded) {
            return Err(Error::new_spanned(
                marked,
                format!("one decision only: this says `forward`, and above it stands `{own}`"),
            ));
        }
        if let [_, (_, second), ..] = &*forwarded {
            return Err(Error::new_spanned(second, "one field only can be forwarded to"));
        }
        let forward = forwarded.first().map(|(_, word)| word);
        let Some(decision) = own.or(forward).or(input.marks.decision.as_ref()) else {
            let place = if input.is_enum { "above it, or on the enum for all of its variants" } else { "above it" };
            return Err(Error::new_spanned(
                name,
                format!(
                    "`{name}` needs a decision: write `#[retry(transient)]`, `#[retry(permanent)]`, `#[retry(forward)]` or \
                     a fault, such as `#[retry(connect)]`, {place}"
                ),
            ));
        };
        // What the enum says beside its decision goes with that decision.
        let inherited = Some(&input.marks).filter(|_| own.is_none() && forward.is_none());
        let reached = self.marks.reached.as_ref().or(inherited.and_then(|marks| marks.reached.as_ref()));
        let after = self.marks.after.as_ref().or(inherited.and_then(|marks| marks.after.as_ref()));
        let option = reached.map(|(key, _)| key).or(after.map(|(key, _)| key)).filter(|_| decision == "permanent");
        if let Some(option) = option {
            return Err(Error::new_spanned(
                option,
                format!("`{option}` contradicts `permanent`: what is not tried again is not waited for"),
            ));
        }

        let mut pattern = TokenStream::new();
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
        let mut verdict = if decision == "forward" {
            let field = match (&*forwarded, &**fields) {
                (&[(field, _), ..], _) | ([], [field]) => field,
                ([], []) => return Err(Error::new_spanned(decision, format!("`{name}` has no field to forward to"))),
                _ => {
                    return Err(Error::new_spanned(
                        decision,
                        format!("`{name}` has several fields: put `#[retry(forward)]` on the one that decides"),
                    ));
                }
            };
            // A bound on the type itself would need what it is there to prove.
            if input.is_generic(&field.ty) && !idents(field.ty.clone()).contains(&input.name) {
                bounds.push(field.ty.clone());
            }
            let (field, span) = (bind(field), decision.span());
            let private = located(private.clone(), span);
            quote_spanned!(span=> #private::Retryable::verdict(#field))
        } else if decision == "permanent" {
            quote!(#private::Verdict::permanent())
        } else {
            let fault = FAULTS.iter().find(|(word, _)| decision == word).map(|(_, fault)| format_ident!("{fault}"));
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
            let marks = Marks::parse(tokens.attributes(false), false)?;
            let beside = [marks.reached.map(|(key, _)| key), marks.after.map(|(key, _)| key)].into_iter().flatten();
            let forward = marks.decision;
            if let Some(other) =
                forward.iter().find(|word| *word != "forward").cloned().into_iter().chain(beside).next()
            {
                return Err(Error::new_spanned(
                    other,
                    "on a field stands `forward` alone; what else there is to say stands above the variant",
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
            Ok(Field { member, ty: tokens.rest(), forward })
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
        let decides =
            matches!(&*name, "transient" | "permanent" | "forward") || FAULTS.iter().any(|(fault, _)| *fault == name);
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
            ("crate", Some(path)) if container => {
                if let Some(TokenTree::Literal(literal)) = path.clone().into_iter().next() {
                    return Err(Error::new_spanned(literal, "`crate` takes a path, as in `crate = other_name`"));
                }
                set(&mut self.krate, path, &word)
            }
            ("reached", None) => Err(Error::new_spanned(word, "`reached` takes `no` or `maybe`, as in `reached = no`")),
            ("after", None) => Err(Error::new_spanned(word, "`after` takes the wait, as in `after = field`")),
            (_, None) if decides => self.decide(word),
            (_, Some(value)) if decides => Err(Error::new_spanned(value, format!("`{name}` takes no value"))),
            _ => {
                let faults = FAULTS.iter().map(|(fault, _)| format!("`{fault}`")).collect::<Vec<_>>().join(", ");
                Err(Error::new_spanned(
                    word,
                    format!(
                        "unknown word `{name}`: there are `transient`, `permanent`, `forward`, the faults {faults}, and \
                         beside them `reached = no`, `reached = maybe`, `after = field`"
                    ),
                ))
            }
        }
    }

    fn decide(&mut self, word: Ident) -> Result<()> {
        if let Some(first) = &self.decision {
            return Err(Error::new_spanned(&word, format!("one decision only: `{first}` stands before `{word}`")));
        }
        self.decision = Some(word);
        Ok(())
    }
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
