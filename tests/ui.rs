//! What the macros say to mistakes.
//!
//! The messages are those of one compiler: others list other implementations, and word some notes in another way.
//! `TRYBUILD=overwrite cargo test -p tests-ui` writes them anew; read what it wrote.
//!
//! Code that must compile stands in `tests/ui/pass`, as tests of its own: one such case among these, and every case is
//! built by itself, a hundred times slower.

#[test]
fn ui() {
    let compiler = std::process::Command::new("rustc").arg("--version").output().expect("rustc runs").stdout;
    if compiler.starts_with(b"rustc 1.95.") {
        trybuild::TestCases::new().compile_fail("*.rs");
    } else {
        eprintln!("the messages are those of Rust 1.95: not compared");
    }
}
