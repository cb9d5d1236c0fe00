//! `cargo xtask load`: everything is in the library, so that the short run of the tests is the same code.
#![forbid(unsafe_code)]

fn main() -> anyhow::Result<()> {
    castline_load::run()
}
