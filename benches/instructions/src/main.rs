//! Counts the instructions of each door, and fails where a ceiling is passed.
//!
//! Without arguments it runs itself under callgrind with how often the
//! operations fail and are pending as arguments, reads what each case cost, and prints a row
//! for each entry of `ceilings.rs`. Counts are those of the release build without LTO, all features compiled in.

mod callgrind;
mod cases;
mod ceilings;

use std::process::ExitCode;

fn main() -> ExitCode {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|number| number.parse().ok()).collect();
    if let [failures, polls] = numbers[..] {
        cases::run(failures, polls);
        return ExitCode::SUCCESS;
    }
    ceilings::report().unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}
