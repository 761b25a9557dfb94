//! The rest between two attempts of an async run.

use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Poll, ready};

use crate::drive::signal::Signal;
use crate::observe::Word;

/// Awaits the hook's word, then the sleep. Where there is none, gives the executor one turn. A signal ends it all at once.
#[inline(always)]
pub fn rest<S: Future<Output = ()>>(
    sleep: Pin<&mut Option<S>>,
    mut word: impl Word,
    mut signal: impl Signal,
) -> impl Future<Output = ()> {
    // Gone once the turn was given: a flag would take a word more in each run's future.
    let mut sleep = Some(sleep);
    poll_fn(move |context| {
        if signal.poll(context).is_ready() {
            return Poll::Ready(());
        }
        ready!(word.poll(context));
        let Some(place) = &mut sleep else { return Poll::Ready(()) };
        if let Some(sleep) = place.as_mut().as_pin_mut() {
            return sleep.poll(context);
        }
        sleep = None;
        context.waker().wake_by_ref();
        Poll::Pending
    })
}
