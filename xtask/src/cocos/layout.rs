//! Whether the extension's folder is what Cocos Creator and the engine's build expect: names that must agree, files that must be there, ids
//! that must differ; and the CMake files at work, platform by platform, on this machine.

use super::EXTENSION;
use crate::process::{self, CommandLine};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The module, which is the package that CMake looks for and the plugin's entry.
const MODULE: &str = "castline";

/// Where the engine looks on a platform, and the library that is to be there. `iphonesimulator` falls back on `ios`.
pub(crate) const PLATFORMS: [(&str, &str, &str); 7] = [
    ("android", "android", "android/arm64-v8a/libcastline.a"),
    ("android", "android", "android/armeabi-v7a/libcastline.a"),
    ("android", "android", "android/x86_64/libcastline.a"),
    ("ios", "ios", "ios/libcastline.a"),
    ("ios", "ios", "ios/simulator/libcastline.a"),
    ("mac", "mac", "mac/libcastline.a"),
    ("windows", "windows/x86_64", "windows/x86_64/castline.lib"),
];

pub(super) fn check() -> Result<bool> {
    let root = process::root();
    let extension = root.join(EXTENSION);
    let (package, plugin) =
        (json(&extension.join("package.json"))?, json(&extension.join("native/cc_plugin.json"))?);
    for manifest in [&package, &plugin] {
        ensure!(manifest["name"] == MODULE, "the extension and its plugin are both named {MODULE}");
        ensure!(manifest["version"] == env!("CARGO_PKG_VERSION"), "their version is the workspace's");
    }
    let mount = &package["contributions"]["asset-db"]["mount"]["path"];
    ensure!(mount == "./assets", "package.json mounts ./assets, not {mount}");
    let engine = plugin["engine-version"].as_str().unwrap_or_default();
    ensure!(
        !engine.is_empty() && !engine.contains(['^', '~']),
        "engine-version {engine:?}: the engine cannot read ^ and ~"
    );
    for member in ["author", "description"] {
        ensure!(plugin[member].is_string(), "cc_plugin.json has no {member}");
    }
    ensure!(
        plugin["modules"] == serde_json::json!([{ "target": MODULE }]),
        "the module's target is {MODULE}"
    );
    let mut platforms: Vec<_> = PLATFORMS.iter().map(|(platform, ..)| *platform).collect();
    platforms.dedup();
    ensure!(plugin["platforms"] == serde_json::json!(platforms), "platforms are {platforms:?}");
    let entry = fs::read_to_string(extension.join("native/glue/plugin.cpp"))?;
    ensure!(entry.contains(&format!("CC_PLUGIN_ENTRY({MODULE},")), "the plugin's entry is named {MODULE}");
    let cmake = fs::read_to_string(extension.join("native/castline-glue.cmake"))?;
    for source in super::sources()? {
        let name = source.file_name().unwrap_or_default().to_string_lossy();
        ensure!(cmake.contains(&format!("/glue/{name}")), "castline-glue.cmake does not build {name}");
    }
    same_types(&root)?;
    ids(&extension.join("assets"))?;
    println!("{EXTENSION}: layout and names are right");
    Ok(true)
}

/// The API is the npm package's, to the letter.
fn same_types(root: &Path) -> Result<()> {
    let (ours, theirs) = (format!("{EXTENSION}/assets/types.ts"), "bindings/wasm/npm/src/types.ts");
    let same = fs::read(root.join(&ours))? == fs::read(root.join(theirs))?;
    ensure!(same, "{ours} is not {theirs}: cp {theirs} {ours}");
    Ok(())
}

/// Each asset has its .meta file, so that the ids by which scenes name scripts are the same in every project.
fn ids(folder: &Path) -> Result<()> {
    let mut known: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "meta") {
                ensure!(path.with_extension("").exists(), "{} belongs to nothing", path.display());
                continue;
            }
            let meta = json(&PathBuf::from(format!("{}.meta", path.display())))?;
            let id = meta["uuid"].as_str().unwrap_or_default().to_owned();
            ensure!(id.len() == 36, "{} has no uuid", path.display());
            if let Some(other) = known.insert(id, path.clone()) {
                anyhow::bail!("{} and {} have the same uuid", path.display(), other.display());
            }
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    Ok(())
}

/// A copy of the plugin with this machine's library in each platform's place: the engine's way of finding and building it must work for all.
pub(super) fn configures(out: &Path) -> Result<bool> {
    let plugin = out.join("plugin");
    copy_plugin(&plugin)?;
    for (_, folder, library) in PLATFORMS {
        let place = plugin.join(library);
        fs::create_dir_all(place.parent().context("a file has a folder")?)?;
        fs::copy(process::target().join("debug/libcastline.a"), &place)?;
        let abi = Path::new(library)
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let sysroot = if abi == "simulator" { "iphonesimulator" } else { "" };
        let build = out.join("config").join(library.replace('/', "-"));
        let configure = CommandLine::new("cmake")
            .args(["-S", &format!("{EXTENSION}/tests/config"), "-B"])
            .arg(&build)
            .arg(format!("-DPLUGIN={}", plugin.display()))
            .arg(format!("-DFOLDER={folder}"))
            .arg(format!("-DANDROID_ABI={abi}"))
            .arg(format!("-DCMAKE_OSX_SYSROOT={sysroot}"));
        let found = configure.output().with_context(|| format!("`{configure}` failed"))?;
        let expected = format!("the library is {}", fs::canonicalize(&place)?.display());
        ensure!(found.contains(&expected), "{folder} does not find {library}:\n{found}");
    }
    // What is built is the same everywhere.
    let build = out.join("config").join("windows-x86_64-castline.lib");
    CommandLine::new("cmake").arg("--build").arg(&build).args(["--parallel", "2"]).run_quietly()
}

/// `native/` of the extension with the C header, without libraries.
pub(crate) fn copy_plugin(to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    copy(&process::root().join(EXTENSION).join("native"), to)?;
    fs::create_dir_all(to.join("include"))?;
    fs::copy(process::root().join("include/castline.h"), to.join("include/castline.h"))?;
    Ok(())
}

/// A folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}

fn json(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}
