//! Sets the `cfg` for this crate alone: as a compiler flag it would reach every dependency.

fn main() {
    println!("cargo::rustc-cfg=persevere_loom");
}
