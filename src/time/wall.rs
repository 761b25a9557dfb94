use std::time::SystemTime;

/// The calendar's time, for a server's dates, if it can be told. A run's own times never come from here.
#[allow(clippy::unnecessary_wraps)] // Where there is no clock it is `None`.
pub(crate) fn wall() -> Option<SystemTime> {
    #[cfg(all(feature = "wasm", target_family = "wasm"))]
    {
        let since_1970 = web_time::SystemTime::now().duration_since(web_time::UNIX_EPOCH).ok()?;
        SystemTime::UNIX_EPOCH.checked_add(since_1970)
    }
    // There the standard library has no clock, and panics.
    #[cfg(all(not(feature = "wasm"), target_family = "wasm", target_os = "unknown"))]
    return None;
    #[cfg(not(any(
        all(feature = "wasm", target_family = "wasm"),
        all(target_family = "wasm", target_os = "unknown")
    )))]
    Some(SystemTime::now())
}
