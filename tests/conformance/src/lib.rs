//! Reads the language-neutral vectors of `tests/vectors`. What runs them is in this crate's `tests`, a file for each file of vectors.

use serde::de::DeserializeOwned;

/// A file of vectors; `Extra` is what it has beside its cases.
#[derive(Debug, serde::Deserialize)]
#[serde(bound = "Case: DeserializeOwned, Extra: DeserializeOwned")]
pub struct Vectors<Case, Extra = Nothing> {
    /// The form of the file.
    pub version: u32,
    /// The cases.
    pub cases: Vec<Case>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// For files that have nothing beside their cases.
#[derive(Debug, serde::Deserialize)]
pub struct Nothing {}

/// The text of a file of vectors.
///
/// # Panics
/// The file cannot be read.
pub fn text(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads a file of vectors.
///
/// # Panics
/// The file cannot be read, is of another form or has no cases: a runner must never pass by looking at nothing.
pub fn load<Case: DeserializeOwned, Extra: DeserializeOwned>(name: &str) -> Vectors<Case, Extra> {
    let vectors: Vectors<Case, Extra> =
        serde_json::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(vectors.version, 1, "{name}: this runner reads version 1");
    assert!(!vectors.cases.is_empty(), "{name}: no cases");
    vectors
}
