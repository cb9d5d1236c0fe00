//! Gives the shared library its name, so that a game that was linked against a file finds the library and not that file.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let name = match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux" | "android") => "-Wl,-soname,libcastline.so",
        Ok("macos" | "ios") => "-Wl,-install_name,@rpath/libcastline.dylib",
        _ => return,
    };
    println!("cargo::rustc-cdylib-link-arg={name}");
}
