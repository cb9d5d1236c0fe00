//! `castline-bindgen <module.wasm> <directory>`: splits what rustc made into a module and its JavaScript. It decides one thing: the form,
//! which is the bundlers', because that one leaves loading to the package.

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let mut next = || arguments.next().context("usage: castline-bindgen <module.wasm> <directory>");
    let (module, directory) = (next()?, next()?);
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).out_name("castline").typescript(true);
    bindgen.bundler(true)?;
    // The names of functions stay: the size table needs them, and wasm-opt takes them out at the end.
    bindgen.keep_debug(false).remove_name_section(false).remove_producers_section(true);
    bindgen.generate(directory)
}
