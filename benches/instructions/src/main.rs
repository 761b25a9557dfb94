//! Counts the instructions of each door, and fails where a ceiling is passed.
//!
//! Without numbers as arguments it runs itself under callgrind, with how often the operations fail and are pending as
//! arguments, reads what each case cost, and prints the rows of `rows.rs`. The counts are those of the release build
//! without LTO. They do not depend on the machine's speed or load, so they can gate.

mod callgrind;
mod cases;
mod peers;
mod rows;

use std::process::ExitCode;

fn main() -> ExitCode {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|number| number.parse().ok()).collect();
    if let [failures, polls] = numbers[..] {
        cases::run(failures, polls);
        return ExitCode::SUCCESS;
    }
    match rows::report() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("a ceiling is passed");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
