//! `cargo xtask cocos-glue --engine DIR`: the plugin against the engine's own headers, and the engine's own search for plugins against the
//! extension. It needs a checkout of the engine, which this repository does not hold, so it is no part of the test command.

use super::{EXTENSION, sources};
use crate::process::{self, CommandLine};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A checkout of cocos/cocos-engine, 3.8
    #[arg(long, value_name = "DIR")]
    engine: PathBuf,
    /// A checkout of cocos/cocos-engine-external [default: native/external of the engine, where its own tools put it]
    #[arg(long, value_name = "DIR")]
    external: Option<PathBuf>,
    /// V8's headers, such as /usr/include/node of Debian's libnode-dev [default: those of the external checkout]
    #[arg(long, value_name = "DIR")]
    v8: Option<PathBuf>,
}

/// The engine's numbers for platforms (native/cmake/predefine.cmake): Linux is what the headers are compiled for here.
const PLATFORMS: [&str; 10] =
    ["IOS", "WINDOWS", "ANDROID", "MACOS", "OHOS", "LINUX", "QNX", "NX", "EMSCRIPTEN", "OPENHARMONY"];

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let native = arguments.engine.join("native");
    let external = arguments.external.clone().unwrap_or_else(|| native.join("external"));
    let v8 = arguments.v8.clone().unwrap_or_else(|| external.join("linux/include/v8"));
    for (folder, file, what) in [
        (&native, "cocos/bindings/sebind/sebind.h", "--engine is no checkout of cocos/cocos-engine"),
        (&external, "sources/boost", "--external is no checkout of cocos/cocos-engine-external"),
        (&v8, "v8.h", "--v8 has no V8 headers"),
    ] {
        ensure!(folder.join(file).exists(), "{} is missing: {what}", folder.join(file).display());
    }
    let includes = [
        native.clone(),
        native.join("cocos"),
        native.join("cocos/bindings/jswrapper"),
        native.join("cocos/editor-support"),
        native.join("cocos/renderer"),
        external.join("sources"),
        external.join("sources/boost"),
        external.join("linux/include"),
        v8,
    ];
    let mut good = true;
    for compiler in ["g++", "clang++"] {
        for source in sources()? {
            let mut command = CommandLine::new(compiler)
                .args(["-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Iinclude"])
                .args(["-DCC_PLATFORM=6", "-DSCRIPT_ENGINE_TYPE=2", "-DCC_USE_SPINE=0", "-DCC_DEBUG=1"]);
            for (number, platform) in PLATFORMS.iter().enumerate() {
                command = command.arg(format!("-DCC_PLATFORM_{platform}={}", number + 1));
            }
            // The engine's own warnings are its own.
            for folder in &includes {
                command = command.arg("-isystem").arg(folder);
            }
            let compiled = command.arg(&source).run()?;
            let name = source.file_name().unwrap_or_default().to_string_lossy();
            println!("{compiler} {name}: {}", if compiled { "compiles" } else { "FAILED" });
            good &= compiled;
        }
    }
    Ok(good & found_by_the_engine(&arguments.engine)?)
}

/// Lets the engine's script look for plugins as its build does, on each platform.
fn found_by_the_engine(engine: &Path) -> Result<bool> {
    let engine = fs::canonicalize(engine)?;
    let out = process::target().join("cocos/search");
    fs::create_dir_all(&out)?;
    let extensions = process::root().join(EXTENSION).join("native");
    fs::write(out.join("folders.txt"), format!("{}\n", extensions.display()))?;
    let mut good = true;
    for platform in ["android", "ios", "mac", "windows"] {
        let written = out.join(format!("{platform}.cmake"));
        let search = CommandLine::new("node")
            .arg(engine.join("native/cmake/scripts/plugins_parser.js"))
            .arg(out.join("folders.txt"))
            .arg(&written)
            .arg(platform);
        let said = search.output().with_context(|| format!("`{search}` failed"))?;
        let found = fs::read_to_string(&written).unwrap_or_default().contains("find_package(castline");
        println!("the engine's search, {platform}: {}", if found { "found" } else { "NOT FOUND" });
        if !found {
            println!("{said}");
        }
        good &= found;
    }
    Ok(good)
}
