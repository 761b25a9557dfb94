//! What the macros say to mistakes, and what they must not say to correct code.
//!
//! The messages are those of one compiler, with all features on: others list other implementations, and word some
//! notes in another way. `TRYBUILD=overwrite` writes them anew; read what it wrote.

#[test]
#[cfg_attr(not(all(feature = "macros", feature = "tokio", feature = "anyhow")), ignore = "needs all features")]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    let compiler = std::process::Command::new("rustc").arg("--version").output().expect("rustc runs").stdout;
    if compiler.starts_with(b"rustc 1.95.") {
        cases.compile_fail("tests/ui/*.rs");
    } else {
        eprintln!("the messages are those of Rust 1.95: not compared");
    }
}
