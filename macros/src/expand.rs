//! What `#[retry]` writes: the function as it was, with a loop around its body.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};

use crate::args::{Args, Before, Call};
use crate::item::Item;
use crate::tokens::{braced, braced_at, idents, located};

/// Quotes at `mixed_site`, where no local meets a local of the user's. A pattern meets statics and constants all the
/// same, even with this span. So each name that is bound begins with `__persevere_`.
macro_rules! quoted {
    ($($tokens:tt)*) => { quote_spanned!(Span::mixed_site()=> $($tokens)*) };
}

/// Writes the function.
pub(crate) fn function(item: &Item, args: &Args) -> TokenStream {
    let Item { head, frames, prologue, .. } = item;
    let run = run(item, args);
    let inside = quote!(#prologue #run);
    let body = braced(frames.iter().rev().fold(inside, |inside, frame| frame.around(inside)));
    quote!(#head #body)
}

fn run(item: &Item, args: &Args) -> TokenStream {
    let Item { result, body, place, .. } = item;
    let krate = &args.krate;
    let private = quoted!(#krate::__private);
    let made = made(item, args, &private);
    let clones: TokenStream = args.clones.iter().map(|name| clone(name, item, &private)).collect();
    let (asked, before) = before(args.before.as_ref(), &private);
    if !item.asynchronous {
        let attempt = args
            .attempt
            .as_ref()
            .map(|name| quoted!(let #name = __persevere_run.attempt_blocking(__persevere_memory);));
        let operation = braced_at(quoted!(#asked #clones #before #attempt #body), *place);
        return quoted! {
            let __persevere_of = #private::of::<#result>();
            __persevere_of.block(#made, |__persevere_run, __persevere_memory| #operation)
        };
    }
    // Never taken: it gives the block its type. What has no name is taken from `of`, a pointer more.
    let unnamed = idents(result.clone()).iter().any(|word| word == "_");
    let never = if unnamed { quoted!(__persevere_of.never()) } else { quoted!(#private::never::<#result>()) };
    // The hook is part of the attempt, and what is left of its time is known when the operation starts.
    let attempt = args.attempt.as_ref().map(|name| quoted!(let #name = __persevere_teller.attempt();));
    let told = attempt
        .as_ref()
        .map(|_| quoted!(let (__persevere_teller, __persevere_run) = __persevere_run.told(&__persevere_memory);));
    let operation = quoted! {
        if let #private::Option::Some(__persevere_never) = #never {
            return __persevere_never;
        }
        #before #attempt #body
    };
    let operation = braced_at(operation, *place);
    let guarded = quoted!(__persevere_run.guard_future(&__persevere_memory, async #operation).await);
    // The two parts of `told` stand in for the run here, so they have a block of their own.
    let ended = told.map_or_else(|| guarded.clone(), |told| quoted!({ #told #guarded }));
    // A `match` keeps what the policy borrows. The braces of `break 'attempt` are for syn, which takes a path's `::` for
    // the colon of a label. The step holds the error's type: it is gone before the wait, which keeps
    // only what is awaited.
    quoted! {
        let __persevere_of = #private::of::<#result>();
        match #made {
            mut __persevere_run => {
                let mut __persevere_memory = __persevere_run.start();
                loop {
                    #asked
                    let __persevere_outcome = 'attempt: {
                        if let #private::Option::Some(__persevere_refused) = __persevere_run.refuse() {
                            break 'attempt { #private::Result::Err(__persevere_refused) };
                        }
                        #clones
                        let __persevere_ended = #ended;
                        __persevere_run.outcome(__persevere_ended)
                    };
                    let (__persevere_wait, __persevere_kept) =
                        match __persevere_run.settle(&mut __persevere_memory, __persevere_outcome) {
                            #private::Step::Done(__persevere_outcome) => break __persevere_outcome,
                            #private::Step::Wait(__persevere_wait, __persevere_outcome) => {
                            (__persevere_wait, __persevere_run.keep(__persevere_outcome))
                        }
                        };
                    #private::rest(
                        #private::pin!(__persevere_run.sleep(__persevere_wait)),
                        __persevere_run.word(),
                        __persevere_run.signal(),
                    )
                    .await;
                    if let #private::Option::Some(__persevere_outcome) =
                        __persevere_run.over(&mut __persevere_memory, __persevere_kept)
                    {
                        break __persevere_outcome;
                    }
                }
            }
        }
    }
}

/// What `before_retry = ..` in place asks the run, outside of the attempt, and what it puts first in the attempt.
fn before(hook: Option<&Before>, private: &TokenStream) -> (TokenStream, TokenStream) {
    match hook {
        None => (TokenStream::new(), TokenStream::new()),
        Some(Before { event: None, block }) => {
            let block = braced(block);
            (quoted!(let __persevere_retry = __persevere_memory.is_retry();), quoted!(if __persevere_retry #block))
        }
        Some(Before { event: Some(pattern), block }) => {
            let block = braced(quoted!(let #pattern = __persevere_event; #block));
            (
                quoted!(let __persevere_last = __persevere_run.event();),
                quoted!(if let #private::Option::Some(__persevere_event) = __persevere_last #block),
            )
        }
    }
}

/// Statements for one attempt's own argument.
fn clone(name: &Ident, item: &Item, private: &TokenStream) -> TokenStream {
    let at = name.span();
    let (word, clone, borrow) = if item.arguments.iter().any(|argument| argument.name == *name && argument.mutable) {
        // By `&mut`, lest the argument's own `mut` be called unused.
        (quoted!(let mut), quoted!(#private::clone_mut), quote_spanned!(at=> &mut #name))
    } else {
        (quoted!(let), quoted!(#private::Clone::clone), quote_spanned!(at=> &#name))
    };
    let clone = located(clone, at);
    quoted!(#word #name = #clone(#borrow);)
}

/// What makes the run. Literals are checked in a `const`, and the run borrows that; the keys' own code does not see it.
fn made(item: &Item, args: &Args, private: &TokenStream) -> TokenStream {
    let Args { policy, timeout, prepared, .. } = args;
    // A list decides how many retries there are, and a total after it caps it.
    let is_cap = |call: &&Call| call.method == "total" && prepared.iter().any(|call| call.method == "waits");
    let caps = args.fixed.iter().chain(&args.computed).filter(is_cap);
    let fixed: Vec<_> = args.fixed.iter().filter(|call| !is_cap(call)).collect();
    let computed: Vec<_> = args.computed.iter().filter(|call| !is_cap(call)).collect();
    let (base, rest) = match policy {
        Some(policy) if fixed.is_empty() && computed.is_empty() => (policy.clone(), timeout.as_ref()),
        Some(policy) => (quoted!((#policy) #(#fixed)* #(#computed)*), timeout.as_ref()),
        None => {
            let inside = timeout.as_ref().filter(|_| computed.is_empty());
            let kind =
                if inside.is_some() { quoted!(#private::Timed<#private::Policy>) } else { quoted!(#private::Policy) };
            // At the attribute as a whole, for the message about a contradiction.
            let checked = quote!(.valid());
            let literal = quoted!(const __POLICY: #kind = #private::Policy::new() #(#fixed)* #inside #checked;);
            if computed.is_empty() {
                (quoted!({ #literal &__POLICY }), None)
            } else {
                (quoted!({ #literal __POLICY } #(#computed)*), timeout.as_ref())
            }
        }
    };
    let keeps = args.before.as_ref().is_some_and(|hook| hook.event.is_some());
    let keep = keeps.then(|| quoted!(.keep_event()));
    let rest: Vec<_> =
        rest.into_iter().chain(prepared).chain(caps).map(ToTokens::to_token_stream).chain(keep).collect();
    // A type, so that the name takes no room in the run.
    let name = &item.name;
    let name = quoted!({
        struct __PersevereName;
        impl #private::FunctionName for __PersevereName {
            const NAME: #private::Text = #name;
        }
        __PersevereName
    });
    quoted!(#private::drive(#private::named(#base, #name) #(#rest)*))
}

impl ToTokens for Call {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { method, value, typed, types } = self;
        tokens.extend(if *typed {
            quoted!(.#method(__persevere_of.#method(#value)))
        } else if types.is_empty() {
            quoted!(.#method(#value))
        } else {
            quoted!(.#method::<(#(#types,)*)>(#value))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files in `golden/` hold the attribute's keys in their first line, then the function, a line of dashes, and
    /// what becomes of it.
    fn check(golden: &str) {
        let (source, expected) = golden.split_once("// ---\n").unwrap();
        let source: TokenStream = source.parse().unwrap();
        let mut source = crate::tokens::Tokens::new(source);
        let attribute = source.attributes(false).remove(0);
        let item = Item::parse(source.rest()).unwrap();
        let mut attribute = crate::tokens::Tokens::new(attribute.stream());
        attribute.next();
        let keys = attribute.group(proc_macro2::Delimiter::Parenthesis).unwrap();
        let expanded = function(&item, &Args::parse(keys.stream(), &item).unwrap());
        let expected: TokenStream = expected.parse().unwrap();
        // Whether signs are joined is of no matter.
        let [expanded, expected] = [expanded, expected].map(|stream| stream.to_string().replace(' ', ""));
        assert_eq!(expanded, expected);
    }

    #[test]
    fn blocking() {
        check(include_str!("../golden/blocking.rs"));
    }

    #[test]
    fn asynchronous() {
        check(include_str!("../golden/async.rs"));
    }

    #[test]
    fn boxed() {
        check(include_str!("../golden/boxed.rs"));
    }
}
