//! Words: what an awaited hook has to say of a failure, before the wait.

use core::task::{Context, Poll};

/// A future of hooks, or none.
#[doc(hidden)]
pub trait Word {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()>;
}

/// The word of a run that awaits no hook before its waits.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`on_retry_async` needs an async run: blocking code awaits no hook",
    label = "has a hook that is awaited",
    note = "in a blocking run use `on_retry`"
)]
pub trait NoneAwaited: Word {}

/// No word.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct NoWord;

impl Word for NoWord {
    #[inline(always)]
    fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl NoneAwaited for NoWord {}

/// What an observer says that has no word.
macro_rules! no_word {
    () => {
        type Word = $crate::observe::word::NoWord;

        #[inline(always)]
        fn word(&mut self) -> $crate::observe::word::NoWord {
            $crate::observe::word::NoWord
        }
    };
}
pub(crate) use no_word;

/// One word after the other.
impl<A: Word, B: Word> Word for (A, B) {
    #[inline(always)]
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        core::task::ready!(self.0.poll(context));
        self.1.poll(context)
    }
}

impl<A: NoneAwaited, B: NoneAwaited> NoneAwaited for (A, B) {}

#[cfg(feature = "std")]
pub(crate) use self::with_std::OnRetryAsync;

#[cfg(feature = "std")]
mod with_std {
    use core::fmt;
    use core::future::Future;
    use core::pin::Pin;
    use core::task::{Context, Poll};
    use std::boxed::Box;

    use super::Word;
    use crate::observe::around::Plain;
    use crate::observe::event::Event;
    use crate::observe::refusal::Never;
    use crate::observe::{Failed, Observe, Observer};

    /// A hook's future, until it has ended.
    #[doc(hidden)]
    pub struct Spoken<W>(Option<Pin<Box<W>>>);

    impl<W> fmt::Debug for Spoken<W> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Spoken")
        }
    }

    impl<W: Future<Output = ()>> Word for Spoken<W> {
        fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
            if let Some(word) = &mut self.0 {
                core::task::ready!(word.as_mut().poll(context));
                self.0 = None;
            }
            Poll::Ready(())
        }
    }

    /// The closure of [`Retry::on_retry_async`](crate::Retry::on_retry_async).
    pub struct OnRetryAsync<F, W> {
        hook: F,
        word: Spoken<W>,
    }

    impl<F, W> OnRetryAsync<F, W> {
        pub(crate) const fn new(hook: F) -> Self {
            Self { hook, word: Spoken(None) }
        }
    }

    /// The hook alone: a word belongs to one run.
    impl<F: Clone, W> Clone for OnRetryAsync<F, W> {
        fn clone(&self) -> Self {
            Self::new(self.hook.clone())
        }
    }

    impl<F, W> fmt::Debug for OnRetryAsync<F, W> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("OnRetryAsync")
        }
    }

    impl<F, W: Future<Output = ()>> Observer for OnRetryAsync<F, W> {
        type Around = Plain;
        type Refusal = Never;
        type Word = Spoken<W>;

        fn word(&mut self) -> Spoken<W> {
            Spoken(self.word.0.take())
        }
    }

    impl<E, F, W> Observe<E> for OnRetryAsync<F, W>
    where
        F: FnMut(Event<'_, E>) -> W,
        W: Future<Output = ()>,
    {
        fn failed(&mut self, failure: &Failed<'_, E>) {
            if let Some(event) = failure.event() {
                self.word = Spoken(Some(Box::pin((self.hook)(event))));
            }
        }
    }
}
