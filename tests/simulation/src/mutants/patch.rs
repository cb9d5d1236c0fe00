//! A patch as it is read and applied: by its text, not by its line numbers. What it removes and its context must stand in one
//! file of the core exactly once, so that it still fits where code has moved.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One change of one file.
#[derive(Debug, PartialEq, Eq)]
struct Hunk {
    file: String,
    before: String,
    after: String,
}

/// The files of the tree that the patch changes, as they are after it. The tree itself stays as it is.
pub(super) fn apply(tree: &Path, patch: &str) -> Result<BTreeMap<PathBuf, String>, String> {
    let mut changed: BTreeMap<PathBuf, String> = BTreeMap::new();
    for hunk in parse(patch)? {
        let path = place(tree, &hunk)?;
        let text = match changed.remove(&path) {
            Some(text) => text,
            None => fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?,
        };
        changed.insert(path, text.replacen(&hunk.before, &hunk.after, 1));
    }
    if changed.is_empty() { Err("the patch changes nothing".into()) } else { Ok(changed) }
}

/// The file that a hunk fits: the one that it names, or, where code has moved, the only other one of the core.
fn place(tree: &Path, hunk: &Hunk) -> Result<PathBuf, String> {
    let named = tree.join(&hunk.file);
    let mut files = vec![named];
    if !fits(&files[0], hunk) {
        files.clear();
        sources(&tree.join("sdk-core/src"), &mut files).map_err(|e| e.to_string())?;
        files.retain(|path| fits(path, hunk));
    }
    match &*files {
        [path] => Ok(path.clone()),
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
}
