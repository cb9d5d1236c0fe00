//! Does the simulation find anything? Each file of `mutants/` is a deliberate defect of the core: it is applied to a copy of the
//! tree, the copy is built, and its histories must break a rule. A defect that survives is a rule that nobody checks.
//!
//! A patch is found by its text, not by its line numbers: what it removes and its context must stand in one file of the core
//! exactly once.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Builds in the copy are unoptimised at the link: they run for seconds.
const BUILD: [(&str, &str); 4] = [
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_INCREMENTAL", "true"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
];

/// One change of one file.
#[derive(Debug, PartialEq, Eq)]
struct Hunk {
    file: String,
    before: String,
    after: String,
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
    let root = root();
    let copy = root.join("target").join("mutants");
    let tree = copy.join("tree");
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    copy_tree(&root, &tree)?;
    let mut patches: Vec<PathBuf> = fs::read_dir(root.join("tests/simulation/mutants"))?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<io::Result<_>>()?;
    patches.retain(|path| path.extension().is_some_and(|e| e == "patch"));
    patches.sort();
    // The unchanged copy must pass: otherwise a mutant would be found for another reason.
    if let Some(failure) = broken_rule(&copy, seeds)? {
        return Err(io::Error::other(format!("the unchanged core breaks a rule: {failure}")));
    }
    let (mut found, mut survived) = (0, 0);
    for patch in patches {
        let name = patch.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if only.is_some_and(|only| !name.contains(only)) {
            continue;
        }
        let text = fs::read_to_string(&patch)?;
        let says = text.lines().next().unwrap_or_default().to_owned();
        let changed = apply(&tree, &text).map_err(|e| io::Error::other(format!("{name}: {e}")))?;
        let failure = broken_rule(&copy, seeds)?;
        for (file, original) in changed {
            fs::write(file, original)?;
        }
        match failure {
            Some(failure) => {
                found += 1;
                println!("found     {name}: {says}\n          {failure}");
            }
            None => {
                survived += 1;
                println!("SURVIVED  {name}: {says}");
            }
        }
    }
    Ok((found, survived))
}

fn root() -> PathBuf {
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    let here = PathBuf::from(here);
    here.ancestors().nth(2).map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "target" || name == ".git" {
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

/// Builds the copy and runs it. The first rule that a history broke, or `None`.
fn broken_rule(copy: &Path, seeds: u64) -> io::Result<Option<String>> {
    let build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--quiet", "--locked", "-p", "castline-simulation", "--target-dir"])
        .arg(copy.join("target"))
        .current_dir(copy.join("tree"))
        .envs(BUILD)
        .stderr(Stdio::piped())
        .output()?;
    if !build.status.success() {
        let text = String::from_utf8_lossy(&build.stderr).into_owned();
        return Err(io::Error::other(format!("a mutant does not build:\n{text}")));
    }
    let run = Command::new(copy.join("target").join("release").join("castline-simulation"))
        .args(["--most-failures", "1", "--seeds", &seeds.to_string()])
        .output()?;
    if run.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&run.stdout);
    let told = |line: &&str| {
        line.starts_with("seed ") || line.starts_with("never ") || line.starts_with("full jitter")
    };
    let line = text.lines().find(told).unwrap_or("it ended badly and said nothing");
    Ok(Some(line.chars().take(180).collect()))
}

/// Changes the files of the tree. Returns them as they were.
fn apply(tree: &Path, patch: &str) -> Result<BTreeMap<PathBuf, String>, String> {
    let mut originals = BTreeMap::new();
    for hunk in parse(patch)? {
        let (path, text) = place(tree, &hunk)?;
        fs::write(&path, text.replacen(&hunk.before, &hunk.after, 1)).map_err(|e| e.to_string())?;
        originals.entry(path).or_insert(text);
    }
    if originals.is_empty() { Err("the patch changes nothing".into()) } else { Ok(originals) }
}

/// The file that a hunk fits: the one that it names, or, where code has moved, the only other one of the core.
fn place(tree: &Path, hunk: &Hunk) -> Result<(PathBuf, String), String> {
    let named = tree.join(&hunk.file);
    let mut files = vec![named];
    if !fits(&files[0], hunk) {
        files.clear();
        sources(&tree.join("sdk-core/src"), &mut files).map_err(|e| e.to_string())?;
        files.retain(|path| fits(path, hunk));
    }
    match &*files {
        [path] => Ok((path.clone(), fs::read_to_string(path).map_err(|e| e.to_string())?)),
        _ => Err(format!("{}: the patch fits {} files:\n{}", hunk.file, files.len(), hunk.before)),
    }
}

fn fits(path: &Path, hunk: &Hunk) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.matches(&hunk.before).count() == 1)
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(())
}

fn parse(patch: &str) -> Result<Vec<Hunk>, String> {
    let (mut hunks, mut file): (Vec<Hunk>, String) = (Vec::new(), String::new());
    let mut inside = false;
    for line in patch.lines() {
        if let Some(name) = line.strip_prefix("+++ b/") {
            file = name.trim().to_owned();
            inside = false;
        } else if line.starts_with("@@") {
            hunks.push(Hunk { file: file.clone(), before: String::new(), after: String::new() });
            inside = true;
        } else if line.starts_with("--- ") {
            inside = false;
        } else if inside && let Some(hunk) = hunks.last_mut() {
            let (sign, rest) = line.split_at_checked(1).unwrap_or((" ", ""));
            if sign == "-" || sign == " " {
                hunk.before.push_str(rest);
                hunk.before.push('\n');
            }
            if sign == "+" || sign == " " {
                hunk.after.push_str(rest);
                hunk.after.push('\n');
            }
        }
    }
    if hunks.iter().any(|h| h.file.is_empty()) { Err("a hunk without a file".into()) } else { Ok(hunks) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_is_read_as_what_it_replaces() {
        let patch = "Says.\n\n--- a/x/y.rs\n+++ b/x/y.rs\n@@ -1,3 +1,3 @@\n a\n-b\n+c\n d\n";
        let hunk = Hunk { file: "x/y.rs".into(), before: "a\nb\nd\n".into(), after: "a\nc\nd\n".into() };
        assert_eq!(parse(patch), Ok(vec![hunk]));
    }

    #[test]
    fn every_patch_fits_the_tree() {
        let root = root();
        let mut patches = 0;
        for entry in fs::read_dir(root.join("tests/simulation/mutants")).unwrap() {
            let path = entry.unwrap().path();
            let hunks = parse(&fs::read_to_string(&path).unwrap()).unwrap();
            assert!(!hunks.is_empty(), "{}", path.display());
            for hunk in hunks {
                place(&root, &hunk).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            }
            patches += 1;
        }
        assert!(patches >= 10);
    }
}
