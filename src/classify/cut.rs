//! `?` from a client's own error into `Cut`, for the clients whose errors nobody else can make.

use crate::verdict::Cut;

macro_rules! from {
    ($($feature:literal: $error:ty),* $(,)?) => {$(
        #[cfg(feature = $feature)]
        impl From<$error> for Cut<$error> {
            fn from(error: $error) -> Self {
                Self::Failed(error)
            }
        }
    )*};
}

from!("reqwest": reqwest::Error, "hyper": hyper::Error);
