//! The pages of the documentation whose examples need an HTTP client or a service: they are run from here.

#![cfg(doctest)]

macro_rules! pages {
    ($($name:ident: $path:literal),* $(,)?) => {$(
        #[doc = include_str!(concat!("../../src/", $path))]
        pub mod $name {}
    )*};
}

pages! {
    http: "guide/http.md",
    from_urllib3: "guide/from_urllib3.md",
    from_reqwest_retry: "guide/from_reqwest_retry.md",
    tower: "tower/page.md",
    reconnecting: "guide/reconnecting.md",
    downloads: "guide/downloads.md",
    stream: "stream/page.md",
    stream_resume: "stream/resume.md",
    stream_healthy: "stream/healthy.md",
    stream_from: "stream/from.md",
    stream_unending: "stream/unending.md",
}
