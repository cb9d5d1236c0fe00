//! `cargo xtask package cocos`: the folder that a developer unpacks into `extensions/`, with the C library of each platform that can be built here.
//!
//! A platform's own tools come first: an NDK named by `ANDROID_NDK_HOME`, Xcode, Visual C++ on Windows. Where they are not, and the PyPI package
//! `ziglang` is, its C compiler stands in for the few files of C and assembler inside: that makes Android's static libraries, which need no
//! linker, and for the others a check that everything compiles. What was built, checked and neither is said at the end, line by line; nothing that
//! was only checked is packed.

use super::{PROFILE, contents::Contents};
use crate::cocos::layout::{self, copy};
use crate::process::{self, CommandLine};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, PartialEq)]
enum Maker {
    Ndk(&'static str),
    Xcode(&'static str),
    VisualC,
}

/// A Rust target, who makes it, where its library goes, and what the stand-in compiler calls it.
struct Target {
    triple: &'static str,
    maker: Maker,
    place: &'static str,
    zig: &'static str,
}

const TARGETS: &[Target] = &[
    Target {
        triple: "aarch64-linux-android",
        maker: Maker::Ndk("aarch64-linux-android21"),
        place: "android/arm64-v8a/libcastline.a",
        zig: "aarch64-linux-musl",
    },
    Target {
        triple: "armv7-linux-androideabi",
        maker: Maker::Ndk("armv7a-linux-androideabi21"),
        place: "android/armeabi-v7a/libcastline.a",
        zig: "arm-linux-musleabihf",
    },
    Target {
        triple: "x86_64-linux-android",
        maker: Maker::Ndk("x86_64-linux-android21"),
        place: "android/x86_64/libcastline.a",
        zig: "x86_64-linux-musl",
    },
    Target {
        triple: "aarch64-apple-ios",
        maker: Maker::Xcode("iphoneos"),
        place: "ios/libcastline.a",
        zig: "aarch64-macos",
    },
    Target {
        triple: "aarch64-apple-ios-sim",
        maker: Maker::Xcode("iphonesimulator"),
        place: "ios/simulator/libcastline.a",
        zig: "aarch64-macos",
    },
    // One file for both processors: they are joined by `lipo`.
    Target {
        triple: "aarch64-apple-darwin",
        maker: Maker::Xcode("macosx"),
        place: "mac/libcastline.a",
        zig: "aarch64-macos",
    },
    Target {
        triple: "x86_64-apple-darwin",
        maker: Maker::Xcode("macosx"),
        place: "mac/libcastline.a",
        zig: "x86_64-macos",
    },
    Target {
        triple: "x86_64-pc-windows-msvc",
        maker: Maker::VisualC,
        place: "windows/x86_64/castline.lib",
        zig: "x86_64-windows-gnu",
    },
];

/// What became of a target.
enum Outcome {
    Built { library: PathBuf, with: &'static str },
    Checked,
    Missing(String),
}

/// `only`: these targets, or all.
pub(super) fn run(only: &[String]) -> Result<bool> {
    for name in only {
        ensure!(TARGETS.iter().any(|target| target.triple == name), "there is no target {name}");
    }
    let chosen =
        TARGETS.iter().filter(|target| only.is_empty() || only.iter().any(|name| name == target.triple));
    let mut outcomes = Vec::new();
    for target in chosen {
        println!("{}", target.triple);
        let Some(outcome) = make(target)? else {
            println!("{}: FAILED", target.triple);
            return Ok(false);
        };
        outcomes.push((target, outcome));
    }
    let archive = pack(&outcomes)?;
    println!("\n{}: {} bytes", archive.display(), fs::metadata(&archive)?.len());
    for (target, outcome) in &outcomes {
        let said = match outcome {
            Outcome::Built { with, library } => {
                format!("built with {with}, {} bytes: native/{}", fs::metadata(library)?.len(), target.place)
            }
            Outcome::Checked => "compiles; NOT built, its linker and tools are not here".to_owned(),
            Outcome::Missing(why) => format!("NOT built and NOT checked: {why}"),
        };
        println!("  {:<26} {said}", target.triple);
    }
    Ok(true)
}

/// `None`: the compiler said no.
fn make(target: &Target) -> Result<Option<Outcome>> {
    if !has_standard_library(target.triple) {
        let why = format!("rustup target add {}", target.triple);
        return Ok(Some(Outcome::Missing(why)));
    }
    let library = process::target().join(target.triple).join(PROFILE).join(match target.maker {
        Maker::VisualC => "castline.lib",
        _ => "libcastline.a",
    });
    // Static alone: a shared library would need a linker, and nobody uses it here.
    let build =
        CommandLine::cargo("rustc --locked --package castline-c --lib --crate-type staticlib --profile")
            .args([PROFILE, "--target", target.triple]);
    let check = CommandLine::cargo("check --locked --package castline-c --target").arg(target.triple);
    if let Some((build, with)) = with_own_tools(target, build.clone())? {
        return Ok(build.run()?.then_some(Outcome::Built { library, with }));
    }
    let Some(zig) = zig()? else {
        let why = "neither the platform's own tools nor the PyPI package ziglang are here".to_owned();
        return Ok(Some(Outcome::Missing(why)));
    };
    if matches!(target.maker, Maker::Ndk(_)) {
        let build = zig.stand_in(target, build)?;
        return Ok(build.run()?.then_some(Outcome::Built { library, with: "zig in place of the NDK" }));
    }
    Ok(zig.stand_in(target, check)?.run()?.then_some(Outcome::Checked))
}

/// The compiler is asked, not rustup, which a distribution's Rust does not come with.
fn has_standard_library(triple: &str) -> bool {
    let sysroot = CommandLine::new("rustc").args(["--print", "sysroot"]).output().unwrap_or_default();
    Path::new(sysroot.trim()).join("lib/rustlib").join(triple).join("lib").is_dir()
}

/// The build with the platform's own tools, where they are.
fn with_own_tools(target: &Target, build: CommandLine) -> Result<Option<(CommandLine, &'static str)>> {
    let variable = target.triple.replace('-', "_");
    Ok(match target.maker {
        Maker::Ndk(clang) => {
            let Some(ndk) = std::env::var_os("ANDROID_NDK_HOME").map(PathBuf::from) else { return Ok(None) };
            let hosts = ndk.join("toolchains/llvm/prebuilt");
            let host = fs::read_dir(&hosts)
                .with_context(|| format!("ANDROID_NDK_HOME: {}", hosts.display()))?
                .next()
                .context("the NDK has no compiler")??;
            let tools = host.path().join("bin");
            let tool = |name: &str| tools.join(name).display().to_string();
            let build = build
                .env(format!("CC_{variable}"), tool(&format!("{clang}-clang")))
                .env(format!("AR_{variable}"), tool("llvm-ar"));
            Some((build, "the NDK"))
        }
        Maker::Xcode(sdk) => {
            let path = CommandLine::new("xcrun").args(["--sdk", sdk, "--show-sdk-path"]).output();
            path.map(|_| (build, "Xcode"))
        }
        Maker::VisualC => cfg!(windows).then_some((build, "Visual C++")),
    })
}

/// The C compiler of the PyPI package `ziglang`.
struct Zig {
    python: String,
}

/// `CASTLINE_ZIG_PYTHON` names a Python that has it, where it is not the first one on the path.
fn zig() -> Result<Option<Zig>> {
    let python = std::env::var("CASTLINE_ZIG_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = CommandLine::new(python.clone()).args(["-m", "ziglang", "version"]).output();
    Ok(there.map(|_| Zig { python }))
}

impl Zig {
    /// The same command with zig as its C compiler.
    fn stand_in(&self, target: &Target, command: CommandLine) -> Result<CommandLine> {
        let folder = process::target().join("cocos/zig").join(target.triple);
        fs::create_dir_all(&folder)?;
        let Zig { python } = self;
        // What the build scripts add for clang names the target once more, in a way that zig does not take.
        let compiler = format!(
            "#!/bin/sh\nfor given do\n  shift\n  case \"$given\" in\n    \
             --target=* | -march=* | -mthumb | -mfloat-abi* | -mfpu* | -m*-version-min=*) ;;\n    \
             *) set -- \"$@\" \"$given\" ;;\n  esac\ndone\nexec {python} -m ziglang cc -target {} \"$@\"\n",
            target.zig
        );
        // Visual C++ has an archiver with switches of its own.
        let archiver = if target.maker == Maker::VisualC { "lib" } else { "ar" };
        let archiver = format!("#!/bin/sh\nexec {python} -m ziglang {archiver} \"$@\"\n");
        let script = |name: &str, text: &str| -> Result<String> {
            let path = folder.join(name);
            fs::write(&path, text)?;
            let executable = CommandLine::new("chmod").arg("+x").arg(&path);
            ensure!(executable.run()?, "`{executable}` failed");
            Ok(path.display().to_string())
        };
        let variable = target.triple.replace('-', "_");
        Ok(command
            .env(format!("CC_{variable}"), script("cc", &compiler)?)
            .env(format!("AR_{variable}"), script("ar", &archiver)?)
            // Else `xcrun` is asked for it, on any machine.
            .env("SDKROOT", folder.display().to_string()))
    }
}

/// The folder, and the archive of it.
fn pack(outcomes: &[(&Target, Outcome)]) -> Result<PathBuf> {
    let out = process::target().join("package/castline-cocos");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    let root = process::root();
    let folder = out.join("castline");
    layout::copy_plugin(&folder.join("native"))?;
    let extension = root.join(crate::cocos::EXTENSION);
    copy(&extension.join("assets"), &folder.join("assets"))?;
    for file in ["package.json", "README.md"] {
        fs::copy(extension.join(file), folder.join(file))?;
    }
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        fs::copy(root.join(licence), folder.join(licence))?;
    }
    let mut triples = Vec::new();
    for (target, outcome) in outcomes {
        let Outcome::Built { library, .. } = outcome else { continue };
        triples.push(target.triple);
        put(library, &folder.join("native").join(target.place))?;
    }
    let contents = Contents::of_targets("castline-c", &triples)?;
    fs::write(folder.join("THIRD-PARTY.txt"), contents.licences()?)?;
    fs::write(folder.join("castline-cocos.cdx.json"), contents.bill_of_materials())?;
    let archive =
        process::target().join("package").join(format!("castline-cocos-{}.tar.gz", contents.version));
    let tar = CommandLine::new("tar").arg("-czf").arg(&archive).arg("-C").arg(&out).arg("castline");
    ensure!(tar.run()?, "`{tar}` failed");
    Ok(archive)
}

/// A library in its place; a second processor's joins the first one's.
fn put(library: &Path, place: &Path) -> Result<()> {
    if place.exists() {
        let joined = place.with_extension("joined");
        let lipo =
            CommandLine::new("lipo").arg("-create").arg(place).arg(library).arg("-output").arg(&joined);
        ensure!(lipo.run()?, "`{lipo}` failed");
        fs::rename(joined, place)?;
        return Ok(());
    }
    fs::create_dir_all(place.parent().context("a file has a folder")?)?;
    fs::copy(library, place).with_context(|| library.display().to_string())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_library_goes_where_the_engine_looks_for_it() {
        let mut ours: Vec<_> = TARGETS.iter().map(|target| target.place).collect();
        ours.dedup();
        let theirs: Vec<_> = layout::PLATFORMS.iter().map(|(_, _, library)| *library).collect();
        assert_eq!(ours, theirs);
    }
}
