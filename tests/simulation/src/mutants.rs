//! Does the simulation find anything? Each file of `mutants/` is a deliberate defect of the core, and histories of a core with it
//! must break a rule. A defect that survives is a rule that nobody checks.
//!
//! All of them are built at once, into a copy of the tree ([`switch`]), and each is run with its own one switched on. What they
//! break is believed only where the same histories keep every rule without a defect.

mod patch;
mod switch;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The copy's program. Not the name of the one that runs, beside which it lies.
const PROGRAM: &str = "castline-mutants";
/// Histories that are tried first; most defects are found in them.
const FIRST: u64 = 2_000;

struct Mutant {
    /// As the switch knows it.
    number: usize,
    name: String,
    says: String,
    patch: String,
}

/// Runs every mutant; `only` keeps those whose name contains it.
pub(crate) fn run(seeds: u64, only: Option<&str>) -> ExitCode {
    match all(seeds, only) {
        Ok((found, 0)) => {
            println!("{found} passed, 0 failed");
            ExitCode::SUCCESS
        }
        Ok((found, survived)) => {
            println!("{found} passed, {survived} failed");
            ExitCode::FAILURE
        }
        Err(e) => {
            println!("the mutants could not be run: {e}\n0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}

fn all(seeds: u64, only: Option<&str>) -> io::Result<(u64, u64)> {
    let mutants = read(&root())?;
    let program = build(&mutants)?;
    let first = seeds.min(FIRST);
    // Without a defect every rule must hold: otherwise a mutant would be found for another reason.
    if let Some(broken) = broken_rule(&program, None, 0, first)? {
        return Err(io::Error::other(format!("the unchanged core breaks a rule: {}", broken.line)));
    }
    let (mut found, mut survived) = (0, 0);
    for mutant in mutants.iter().filter(|mutant| only.is_none_or(|only| mutant.name.contains(only))) {
        let Mutant { number, name, says, .. } = mutant;
        let mut broken = broken_rule(&program, Some(*number), 0, first)?;
        if broken.is_none() && first < seeds {
            broken = broken_rule(&program, Some(*number), first, seeds - first)?;
            // These have not been played without a defect yet.
            let (from, count) =
                broken.as_ref().and_then(|b| b.seed).map_or((first, seeds - first), |s| (s, 1));
            if broken.is_some()
                && let Some(own) = broken_rule(&program, None, from, count)?
            {
                return Err(io::Error::other(format!("the unchanged core breaks a rule: {}", own.line)));
            }
        }
        match broken {
            Some(Broken { line, .. }) => {
                found += 1;
                println!("found     {name}: {says}\n          {line}");
            }
            None => {
                survived += 1;
                println!("SURVIVED  {name}: {says}");
            }
        }
    }
    Ok((found, survived))
}

fn read(root: &Path) -> io::Result<Vec<Mutant>> {
    let mut patches: Vec<PathBuf> = fs::read_dir(root.join("tests/simulation/mutants"))?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<io::Result<_>>()?;
    patches.retain(|path| path.extension().is_some_and(|e| e == "patch"));
    patches.sort();
    let mutant = |(number, path): (usize, &PathBuf)| {
        let patch = fs::read_to_string(path)?;
        let says = patch.lines().next().unwrap_or_default().to_owned();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Mutant { number, name, says, patch })
    };
    patches.iter().enumerate().map(mutant).collect()
}

fn root() -> PathBuf {
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    let here = PathBuf::from(here);
    here.ancestors().nth(2).map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Builds a copy of the tree that has every defect, and gives the program.
fn build(mutants: &[Mutant]) -> io::Result<PathBuf> {
    let root = root();
    // What the simulation itself was built from is not built anew.
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let tree = target.join("mutants").join("tree");
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    copy_tree(&root, &tree)?;
    for (file, text) in woven(&tree, mutants).map_err(io::Error::other)? {
        fs::write(file, text)?;
    }
    let library = tree.join("sdk-core/src/lib.rs");
    fs::write(&library, fs::read_to_string(&library)? + &switch::module())?;
    let manifest = tree.join("tests/simulation/Cargo.toml");
    let text = fs::read_to_string(&manifest)?.replacen("[package]\n", "[package]\nautobins = false\n", 1);
    fs::write(&manifest, format!("{text}\n[[bin]]\nname = \"{PROGRAM}\"\npath = \"src/main.rs\"\n"))?;

    let build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "build",
            "--release",
            "--quiet",
            "--locked",
            "--package",
            "castline-simulation",
            "--target-dir",
        ])
        .arg(&target)
        .current_dir(&tree)
        .stderr(Stdio::piped())
        .output()?;
    if !build.status.success() {
        let text = String::from_utf8_lossy(&build.stderr).into_owned();
        return Err(io::Error::other(format!("the mutants do not build:\n{text}")));
    }
    Ok(target.join("release").join(PROGRAM))
}

/// The files that some defect changes, each with all of its defects.
fn woven(tree: &Path, mutants: &[Mutant]) -> Result<BTreeMap<PathBuf, String>, String> {
    let mut versions: BTreeMap<PathBuf, Vec<(usize, String)>> = BTreeMap::new();
    for Mutant { number, name, patch, .. } in mutants {
        for (file, text) in patch::apply(tree, patch).map_err(|e| format!("{name}: {e}"))? {
            versions.entry(file).or_default().push((*number, text));
        }
    }
    let weave = |(file, versions): (PathBuf, Vec<(usize, String)>)| {
        let original = fs::read_to_string(&file).map_err(|e| e.to_string())?;
        let woven = switch::weave(&original, &versions).map_err(|e| {
            let names: Vec<_> = versions.iter().map(|(number, _)| &*mutants[*number].name).collect();
            format!("{}, changed by {}: {e}", file.display(), names.join(", "))
        })?;
        Ok((file, woven))
    };
    versions.into_iter().map(weave).collect()
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if ["target", ".git", "node_modules"].iter().any(|skipped| name == *skipped) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &to.join(name))?;
        } else if kind.is_file() {
            fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}

/// The first rule that the histories broke.
struct Broken {
    /// The history, unless it took all of them to see it.
    seed: Option<u64>,
    line: String,
}

/// Plays histories with one defect, or with none.
fn broken_rule(program: &Path, mutant: Option<usize>, from: u64, seeds: u64) -> io::Result<Option<Broken>> {
    let mut command = Command::new(program);
    command.args(["--most-failures", "1", "--from", &from.to_string(), "--seeds", &seeds.to_string()]);
    command.env_remove(switch::VARIABLE);
    if let Some(number) = mutant {
        command.env(switch::VARIABLE, number.to_string());
    }
    let run = command.output()?;
    if run.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&run.stdout);
    let told = |line: &&str| {
        line.starts_with("seed ") || line.starts_with("never ") || line.starts_with("full jitter")
    };
    let line = text.lines().find(told).unwrap_or("it ended badly and said nothing");
    let seed = line.strip_prefix("seed ").and_then(|rest| rest.split(':').next()?.parse().ok());
    Ok(Some(Broken { seed, line: line.chars().take(180).collect() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_patch_fits_the_tree_and_the_others() {
        let root = root();
        let mutants = read(&root).unwrap();
        assert!(mutants.len() >= 10);
        let woven = woven(&root, &mutants).unwrap();
        for Mutant { number, name, .. } in &mutants {
            let asked = format!("crate::mutant::is({number})");
            assert!(woven.values().any(|text| text.contains(&asked)), "{name} changes no function");
        }
    }
}
