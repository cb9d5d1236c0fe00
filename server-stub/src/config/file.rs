//! The configuration file: TOML, read into keys and what stands there, each with its line. An error repeats no line of the
//! file, for somebody may have put a secret there.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::item::join;
use super::value::Given;

/// Far more than all settings take.
const MAX_BYTES: u64 = 1024 * 1024;

/// A place in the file.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) given: Given,
    pub(super) line: usize,
}

/// Reads the file; `is_setting` says which keys are settings, so that a table at such a key is no section.
pub(super) fn read(
    file: &Path,
    is_setting: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, Entry>, String> {
    let text = bounded(file, MAX_BYTES)?;
    parse(&text, is_setting).map_err(|(line, wrong)| format!("{}:{line}: {wrong}", file.display()))
}

/// A file's text, if it is not longer than that.
pub(super) fn bounded(file: &Path, most: u64) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot read {}: {error}", file.display());
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(cannot)?;
    opened.take(most + 1).read_to_string(&mut text).map_err(cannot)?;
    if text.len() as u64 > most {
        return Err(format!("{} is longer than {most} bytes", file.display()));
    }
    Ok(text)
}

fn parse(text: &str, is_setting: &dyn Fn(&str) -> bool) -> Result<BTreeMap<String, Entry>, (usize, String)> {
    let line = |at: usize| text.as_bytes()[..at.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        (line(at), format!("not TOML: {}", error.message()))
    })?;
    let mut entries = BTreeMap::new();
    flatten(table.get_ref(), "", is_setting, &line, &mut entries);
    Ok(entries)
}

fn flatten(
    table: &DeTable<'_>,
    at: &str,
    is_setting: &dyn Fn(&str) -> bool,
    line: &dyn Fn(usize) -> usize,
    entries: &mut BTreeMap<String, Entry>,
) {
    for (name, value) in table {
        let key = join(at, name.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) if !is_setting(&key) && !inner.is_empty() => {
                flatten(inner, &key, is_setting, line, entries);
            }
            DeValue::Table(inner) if inner.is_empty() && is_section(&key, is_setting) => {}
            other => {
                let entry = Entry { given: given(other), line: line(name.span().start) };
                entries.insert(key, entry);
            }
        }
    }
}

/// An empty `[timers]` is no mistake, an empty `[tmers]` is one: it is looked up like a key.
fn is_section(key: &str, is_setting: &dyn Fn(&str) -> bool) -> bool {
    is_setting(&format!("{key}."))
}

fn given(value: &DeValue<'_>) -> Given {
    match value {
        DeValue::String(text) => Given::String(text.to_string()),
        DeValue::Integer(number) => {
            let decimal = i128::from_str_radix(number.as_str(), number.radix());
            Given::Number(decimal.map_or_else(|_| number.to_string(), |number| number.to_string()))
        }
        DeValue::Float(number) => Given::Number(number.as_str().to_owned()),
        DeValue::Boolean(on) => Given::Switch(*on),
        DeValue::Datetime(_) => Given::Other("a date"),
        DeValue::Array(items) => Given::List(items.iter().map(|item| given(item.get_ref())).collect()),
        DeValue::Table(_) => Given::Other("a table"),
    }
}
