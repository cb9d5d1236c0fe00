//! What is inside a package: the crates that are linked into it, their licences, and both as a CycloneDX bill of materials.

use crate::process::{self, CommandLine};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A crate that is linked in.
pub(super) struct Component {
    name: String,
    version: String,
    licence: String,
    /// Not from a registry: the project's own.
    own: bool,
    folder: PathBuf,
}

pub(super) struct Contents {
    pub(super) version: String,
    pub(super) triple: String,
    /// By name and version, without the package itself.
    pub(super) components: Vec<Component>,
}

impl Contents {
    /// Asks cargo for the machine that this runs on.
    pub(super) fn of(package: &str) -> Result<Contents> {
        let version = CommandLine::new("rustc").arg("-vV").output().context("`rustc -vV` failed")?;
        let triple =
            version.lines().find_map(|line| line.strip_prefix("host: ")).context("no host triple")?;
        Contents::of_target(package, triple)
    }

    /// What is in any of the libraries of these targets; without a target, in this machine's.
    pub(super) fn of_targets(package: &str, triples: &[&str]) -> Result<Contents> {
        let mut all = match triples.first() {
            Some(first) => Contents::of_target(package, first)?,
            None => Contents::of(package)?,
        };
        for triple in triples.iter().skip(1) {
            let more = Contents::of_target(package, triple)?;
            all.components.extend(more.components);
            all.triple = format!("{}, {triple}", all.triple);
        }
        all.components.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        all.components.dedup_by(|a, b| (&a.name, &a.version) == (&b.name, &b.version));
        Ok(all)
    }

    fn of_target(package: &str, triple: &str) -> Result<Contents> {
        let metadata =
            CommandLine::cargo("metadata --format-version 1 --locked --filter-platform").arg(triple);
        let metadata = metadata.output().with_context(|| format!("`{metadata}` failed"))?;
        Contents::from_metadata(&serde_json::from_str(&metadata)?, package, triple)
    }

    fn from_metadata(metadata: &Value, package: &str, triple: &str) -> Result<Contents> {
        let by_id = |list: &Value| -> BTreeMap<String, Value> {
            let items = list.as_array().into_iter().flatten();
            items.filter_map(|item| Some((item["id"].as_str()?.to_owned(), item.clone()))).collect()
        };
        let (packages, nodes) = (by_id(&metadata["packages"]), by_id(&metadata["resolve"]["nodes"]));
        let Some((root, this)) = packages.iter().find(|(_, found)| found["name"] == package) else {
            bail!("there is no package {package}");
        };
        let mut linked = BTreeSet::new();
        let mut open = vec![root.clone()];
        while let Some(id) = open.pop() {
            for dependency in nodes.get(&id).and_then(|node| node["deps"].as_array()).into_iter().flatten() {
                // What only builds or tests, and what runs inside the compiler, is not in the library.
                let normal = dependency["dep_kinds"]
                    .as_array()
                    .is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()));
                let Some(id) = dependency["pkg"].as_str() else { continue };
                if normal && !is_macro(&packages[id]) && linked.insert(id.to_owned()) {
                    open.push(id.to_owned());
                }
            }
        }
        let mut components: Vec<_> =
            linked.iter().map(|id| Component::from_metadata(&packages[id])).collect();
        components.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        Ok(Contents { version: text(&this["version"]), triple: triple.to_owned(), components })
    }

    /// The licence texts of everything that is not the project's own; a crate without one is an error.
    pub(super) fn licences(&self) -> Result<String> {
        let mut out = format!(
            "libcastline {} ({}) contains the Rust standard library (MIT OR Apache-2.0) and these crates.\n",
            self.version, self.triple
        );
        for component in self.components.iter().filter(|component| !component.own) {
            let Component { name, version, licence, folder, .. } = component;
            let files = licence_files(folder);
            if files.is_empty() {
                // Said in its manifest alone; the texts of the two that this happens with stand beside.
                if !["MIT", "Apache-2.0"].iter().any(|known| licence.contains(known)) {
                    bail!("{name} {version} ({licence}) comes without the text of its licence");
                }
            }
            write!(out, "\n======== {name} {version}: {licence}\n")?;
            for file in files {
                out.push('\n');
                out.push_str(&std::fs::read_to_string(&file).with_context(|| file.display().to_string())?);
            }
        }
        Ok(out)
    }

    /// CycloneDX 1.5, without a time or a random number: the same package has the same bill.
    pub(super) fn bill_of_materials(&self) -> String {
        let reference = |component: &Component| format!("pkg:cargo/{}@{}", component.name, component.version);
        let components: Vec<_> = self
            .components
            .iter()
            .map(|component| {
                json!({
                    "type": "library",
                    "bom-ref": reference(component),
                    "name": component.name,
                    "version": component.version,
                    "purl": reference(component),
                    "licenses": [{ "expression": component.licence }],
                })
            })
            .collect();
        let bill = json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": { "component": { "type": "library", "name": "castline-c", "version": self.version } },
            "components": components,
        });
        format!("{bill:#}\n")
    }
}

impl Component {
    fn from_metadata(package: &Value) -> Component {
        let manifest = text(&package["manifest_path"]);
        Component {
            name: text(&package["name"]),
            version: text(&package["version"]),
            // The old way of saying "or".
            licence: text(&package["license"]).replace('/', " OR "),
            own: package["source"].is_null(),
            folder: Path::new(&manifest).parent().unwrap_or(&process::root()).to_path_buf(),
        }
    }
}

fn is_macro(package: &Value) -> bool {
    let targets = package["targets"].as_array().into_iter().flatten();
    targets
        .flat_map(|target| target["kind"].as_array().into_iter().flatten())
        .any(|kind| kind == "proc-macro")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn licence_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_licence = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().to_uppercase()).unwrap_or_default();
        path.is_file()
            && ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"]
                .iter()
                .any(|word| name.starts_with(word))
    };
    let mut files: Vec<_> = entries.filter(is_licence).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_listed_and_nothing_else() {
        let package = |id: &str, kind: &str| {
            json!({"id": id, "name": id, "version": "1.0.0", "license": "MIT/Apache-2.0",
            "source": "registry", "manifest_path": format!("/{id}/Cargo.toml"), "targets": [{"kind": [kind]}]})
        };
        let needs = |id: &str, kind: Value| json!({"pkg": id, "dep_kinds": [{"kind": kind}]});
        let metadata = json!({
            "packages": [package("game", "cdylib"), package("net", "lib"), package("tls", "lib"), package("derive", "proc-macro"),
                package("syn", "lib"), package("cc", "lib"), package("test-tool", "lib")],
            "resolve": {"nodes": [
                {"id": "game", "deps": [needs("net", Value::Null), needs("test-tool", json!("dev"))]},
                {"id": "net", "deps": [needs("tls", Value::Null), needs("derive", Value::Null)]},
                {"id": "tls", "deps": [needs("cc", json!("build"))]},
                {"id": "derive", "deps": [needs("syn", Value::Null)]},
            ]},
        });
        let contents = Contents::from_metadata(&metadata, "game", "some-triple").unwrap();
        let names: Vec<_> = contents.components.iter().map(|component| component.name.as_str()).collect();
        assert_eq!(names, ["net", "tls"]);
        let bill: Value = serde_json::from_str(&contents.bill_of_materials()).unwrap();
        assert_eq!(bill["components"][1]["purl"], "pkg:cargo/tls@1.0.0");
        assert_eq!(bill["components"][1]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert!(Contents::from_metadata(&metadata, "absent", "some-triple").is_err());
    }
}
