//! The text of a query and of a form, as ureq writes it.

use std::string::String;

/// Percent-encodes a text, with `space` for a space.
pub(super) fn encoded(text: &str, space: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        match byte {
            b' ' => encoded.push_str(space),
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'!' | b'(' | b')' | b'*' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(byte.into());
            }
            _ => {
                encoded.push('%');
                encoded.push(DIGITS[usize::from(byte >> 4)].into());
                encoded.push(DIGITS[usize::from(byte & 15)].into());
            }
        }
    }
    encoded
}

/// Writes pairs as a form.
pub(super) fn form<K: AsRef<str>, V: AsRef<str>>(pairs: impl IntoIterator<Item = (K, V)>) -> String {
    let mut form = String::new();
    for (key, value) in pairs {
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(&encoded(key.as_ref(), "+"));
        form.push('=');
        form.push_str(&encoded(value.as_ref(), "+"));
    }
    form
}
