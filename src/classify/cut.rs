//! `?` from a client's own error into `Cut`, for the clients whose errors nobody else can make.

use std::error::Error;

use super::boxed::found;
use crate::verdict::{Cut, Retryable as _, Verdict};

macro_rules! clients {
    ($($feature:literal: $error:ty),* $(,)?) => {
        $(
            #[cfg(feature = $feature)]
            impl From<$error> for Cut<$error> {
                fn from(error: $error) -> Self {
                    Self::Failed(error)
                }
            }
        )*

        /// In a box `Cut` hides the error inside, because its source is that error's.
        pub(super) fn verdict(error: &(dyn Error + 'static)) -> Option<Verdict> {
            $(
                #[cfg(feature = $feature)]
                if let Some(error) = found::<Cut<$error>>(error) {
                    return Some(error.verdict());
                }
            )*
            None
        }
    };
}

clients! {
    "h2-0_4": h2::Error,
    "hyper": hyper::Error,
    "hyper-util-0_1": hyper_util::client::legacy::Error,
    "reqwest": reqwest::Error,
    "tonic-0_14": tonic::transport::Error,
}
