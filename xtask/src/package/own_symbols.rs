//! A static library that defines nothing but `castline_*` for others.
//!
//! Cargo's archive holds the standard library and every dependency with global names: a game that links a second library in Rust, or another copy
//! of ring, would get each of them twice. Here all members become one object, and what is not ours becomes local to it.
//!
//! ELF alone (Linux, Android). On macOS and iOS the linker does both at once, and Windows has no such thing for archives: `bindings/c/README.md`
//! says what to do there.

use crate::process::CommandLine;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// Writes `to`, which is `from` with nothing but `castline_*` visible, and looks at it.
pub(crate) fn localise(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().context("a file has a folder")?;
    fs::create_dir_all(folder)?;
    let (joined, ours) = (folder.join("joined.o"), folder.join("castline.o"));
    let tools = Tools::found()?;
    let commands = [
        // Everything, for what is dead the game's own linker sees; `--gc-sections` would take the unwinding tables, and with them the
        // panic boundary. A group of sections is known by its name across objects, so that one of ours could be taken for another's: there
        // are none afterwards.
        tools
            .linker()
            .args(["-r", "--force-group-allocation", "--whole-archive"])
            .arg(from)
            .arg("-o")
            .arg(&joined),
        // The compiler's notes for a later link-time optimisation are of no use to a C linker, and older tools stumble over them.
        tools
            .objcopy()
            .args(["--wildcard", "--keep-global-symbol=castline_*", "--strip-unneeded"])
            .args(["--remove-section=.llvmbc", "--remove-section=.llvmcmd", "--remove-section=.llvm_addrsig"])
            .arg(&joined)
            .arg(&ours),
        CommandLine::new("ar").arg("rcsD").arg(to).arg(&ours),
    ];
    // `ar` would add to it.
    if to.exists() {
        fs::remove_file(to)?;
    }
    for command in commands {
        ensure!(command.run()?, "`{command}` failed");
    }
    for file in [joined, ours] {
        fs::remove_file(file)?;
    }
    check(to)
}

/// An error when the archive defines a name that is not ours, defines none, or cannot unwind.
fn check(archive: &Path) -> Result<()> {
    let command = CommandLine::new("nm").args(["--defined-only", "--format=posix"]).arg(archive);
    let listed = command.output().with_context(|| format!("`{command}` failed"))?;
    let found = Symbols::of(&listed);
    println!(
        "{}: {} bytes, {} global symbols, {} of them not castline_*",
        archive.display(),
        fs::metadata(archive)?.len(),
        found.ours + found.others.len(),
        found.others.len(),
    );
    ensure!(found.others.is_empty(), "others can see {}", found.others.join(", "));
    ensure!(found.ours > 0, "others can see nothing at all");
    ensure!(found.unwinds, "the code that unwinds after a panic is not in it");
    Ok(())
}

/// What `nm --format=posix` lists: a name and a letter, which is a capital for what others see.
#[derive(Debug, Default, PartialEq)]
struct Symbols {
    ours: usize,
    others: Vec<String>,
    unwinds: bool,
}

impl Symbols {
    fn of(listed: &str) -> Symbols {
        let mut found = Symbols::default();
        for line in listed.lines() {
            let mut words = line.split_whitespace();
            let (Some(name), Some(kind)) = (words.next(), words.next()) else { continue };
            found.unwinds |= name == "rust_eh_personality";
            // A weak or unique one is global, too, whatever its letter.
            let global = kind.starts_with(|c: char| c.is_ascii_uppercase() || "uvw".contains(c));
            match global {
                true if name.starts_with("castline_") => found.ours += 1,
                true => found.others.push(name.to_owned()),
                false => {}
            }
        }
        found
    }
}

/// The toolchain's own linker and objcopy, which know what its compiler writes, for any target; else the system's.
struct Tools {
    /// The toolchain's folder of libraries, and of programs.
    own: Option<(String, PathBuf)>,
}

impl Tools {
    fn found() -> Result<Tools> {
        let ask = |what: &[&str]| {
            let command = CommandLine::new("rustc").args(what.iter().copied());
            command.output().with_context(|| format!("`{command}` failed"))
        };
        let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?.trim());
        let host = ask(&["--print", "host-tuple"])?;
        let programs = sysroot.join("lib/rustlib").join(host.trim()).join("bin");
        let complete = ["rust-lld", "rust-objcopy"].iter().all(|tool| programs.join(tool).is_file());
        Ok(Tools { own: complete.then(|| (sysroot.join("lib").display().to_string(), programs)) })
    }

    fn linker(&self) -> CommandLine {
        match &self.own {
            Some((_, programs)) => CommandLine::new(programs.join("rust-lld")).args(["-flavor", "gnu"]),
            None => CommandLine::new("ld"),
        }
    }

    fn objcopy(&self) -> CommandLine {
        match &self.own {
            // It finds its own shared library only where rustup says so.
            Some((libraries, programs)) => {
                CommandLine::new(programs.join("rust-objcopy")).env("LD_LIBRARY_PATH", libraries)
            }
            None => CommandLine::new("objcopy"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_others_see_counts() {
        let listed = "libcastline.a[castline.o]:\ncastline_version T 10 4\nring_core_init t 20 4\nrust_eh_personality t 0 8\n";
        let good = Symbols { ours: 1, others: Vec::new(), unwinds: true };
        assert_eq!(Symbols::of(listed), good);
        let leaky = format!("{listed}memcpy W 0 8\nring_core_table R 0 8\n");
        assert_eq!(Symbols::of(&leaky).others, ["memcpy", "ring_core_table"]);
        assert!(!Symbols::of("castline_version T 10 4\n").unwinds);
    }
}
