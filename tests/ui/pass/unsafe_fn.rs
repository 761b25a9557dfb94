//! An `unsafe fn` stays one, and its body may do what it might without the attribute.
#![deny(warnings)]

use std::io;

use persevere::retry;

/// Reads.
#[allow(unsafe_op_in_unsafe_fn)]
#[retry(backoff = 0)]
pub unsafe fn read(pointer: *const u32) -> io::Result<u32> {
    Ok(*pointer)
}

#[retry(backoff = 0)]
unsafe extern "Rust" fn read_in_block(pointer: *const u32) -> io::Result<u32> {
    // SAFETY: the caller's.
    Ok(unsafe { *pointer })
}

#[allow(unsafe_op_in_unsafe_fn)]
#[retry(backoff = 0)]
async unsafe fn read_async(pointer: *const u32) -> io::Result<u32> {
    Ok(*pointer)
}

fn main() {
    // SAFETY: a reference is a valid pointer.
    let sum = unsafe { read(&1).unwrap() + read_in_block(&2).unwrap() };
    assert_eq!(sum, 3);
    // SAFETY: as above.
    drop(unsafe { read_async(&3) });
}
