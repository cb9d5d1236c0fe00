//! Where the settings come from: a TOML file, the environment, flags; a flag beats a variable, a variable the file, the file
//! the default. What each setting is, `settings.rs` says, once; what it means is decided where it is used.
//!
//! The list of settings is our own, and `toml` only parses: of the libraries that merge layers none knows the line of a
//! value, and the list is needed anyway for the flags, the help, the sample and the nearest name.

mod arguments;
mod file;
mod item;
mod print;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

pub use arguments::ConfigArguments;
pub(crate) use item::{Item, Section, join, settings};
pub use print::sample;
pub(crate) use value::Bound;

use crate::settings::Settings;
use file::Entry;
use value::Given;

/// The longest secret read from a file.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// What to read the settings from.
#[derive(Debug, Default)]
pub struct Sources {
    /// The file; else `CASTLINE_CONFIG` names it.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// Flags by name, without dashes.
    pub flags: BTreeMap<String, Vec<String>>,
}

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nowhere.
    Default,
    /// In the file, at this line.
    File(PathBuf, usize),
    /// A variable of the environment.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(file, line) => write!(f, "{}:{line}", file.display()),
            Origin::Environment(variable) => f.write_str(variable),
            Origin::Flag(flag) => write!(f, "--{flag}"),
        }
    }
}

/// The settings of a process, each with its origin.
#[derive(Debug)]
pub struct Effective {
    /// The settings.
    pub settings: Settings,
    /// What is odd, but no mistake for certain.
    pub warnings: Vec<String>,
    origins: BTreeMap<String, Origin>,
    secret_files: Vec<PathBuf>,
}

impl Effective {
    /// The files that secrets came from.
    pub(crate) fn secret_files(&self) -> impl Iterator<Item = &std::path::Path> {
        self.secret_files.iter().map(PathBuf::as_path)
    }

    /// Where a setting was set.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }

    /// What the settings contradict each other in.
    ///
    /// # Errors
    /// Every contradiction.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless_empty(self.settings.contradictions())
    }
}

/// Everything that is wrong with a configuration, a line each.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The lines.
    pub problems: Vec<String>,
}

impl ConfigError {
    pub(crate) fn unless_empty(problems: Vec<String>) -> Result<(), ConfigError> {
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

/// Puts the layers together.
///
/// # Errors
/// All wrong values and unknown keys at once. Whether the settings fit each other [`Effective::check`] says.
pub fn load(sources: &Sources) -> Result<Effective, ConfigError> {
    let mut settings = Settings::default();
    let names = Names::of(&mut settings);
    let mut problems = Vec::new();
    let from_environment = sources.environment.get("CASTLINE_CONFIG").filter(|path| !path.is_empty());
    let file = sources.file.clone().or_else(|| from_environment.map(PathBuf::from));
    let mut entries = match &file {
        Some(file) => file::read(file, &|key| names.is_key(key)).unwrap_or_else(|wrong| {
            problems.push(wrong);
            BTreeMap::new()
        }),
        None => BTreeMap::new(),
    };
    let mut origins = BTreeMap::new();
    let mut secret_files = Vec::new();
    settings.visit("", &mut |item| {
        let mut layers =
            Layers { sources, file: file.as_ref(), problems: &mut problems, secret_files: &mut secret_files };
        for (given, origin) in layers.of(&item, &mut entries) {
            match item.value.set(&given, &item.bound) {
                Ok(()) => drop(origins.insert(item.key.clone(), origin)),
                Err(wrong) => layers.problems.push(format!("{}: {wrong} (from {origin})", item.key)),
            }
        }
    });
    let mut unknown: Vec<_> = entries.into_iter().collect();
    unknown.sort_by_key(|(_, entry)| entry.line);
    for (key, Entry { line, .. }) in unknown {
        let file = file.as_deref().unwrap_or_else(|| "".as_ref());
        let hint = names.like(&key, &names.in_a_file());
        problems.push(format!("{}:{line}: there is no setting {key}{hint}", file.display()));
    }
    ConfigError::unless_empty(problems)?;
    let strange = sources.environment.keys().filter(|variable| {
        variable.starts_with("CASTLINE_")
            && !names.variables.contains(*variable)
            && *variable != "CASTLINE_CONFIG"
    });
    // No error: Kubernetes makes such variables for every service of that name.
    let warnings = strange
        .map(|variable| {
            format!("the variable {variable} sets nothing{}", names.like(variable, &names.variables))
        })
        .collect();
    Ok(Effective { settings, warnings, origins, secret_files })
}

struct Layers<'a> {
    sources: &'a Sources,
    file: Option<&'a PathBuf>,
    problems: &'a mut Vec<String>,
    secret_files: &'a mut Vec<PathBuf>,
}

impl Layers<'_> {
    /// What is said of a setting, the strongest last.
    fn of(&mut self, item: &Item<'_>, entries: &mut BTreeMap<String, Entry>) -> Vec<(Given, Origin)> {
        let form = item.value.form();
        let at = |line| Origin::File(self.file.cloned().unwrap_or_default(), line);
        let mut found = Vec::new();
        if !form.secret {
            found.extend(entries.remove(&item.key).map(|entry| (entry.given, at(entry.line))));
            found.extend(self.variable(item.variable()));
            if let Some(given) = self.sources.flags.get(&item.flag()) {
                let mut texts: Vec<_> = given.iter().cloned().map(Given::Text).collect();
                let given = if form.list {
                    Given::List(texts)
                } else {
                    texts.pop().unwrap_or(Given::Other("nothing"))
                };
                found.push((given, Origin::Flag(item.flag())));
            }
            return found;
        }
        // A secret: itself in a variable alone, elsewhere the name of a file that holds it.
        if let Some(entry) = entries.remove(&item.key) {
            self.problems.push(format!(
                "{}: a secret does not belong into the configuration: name a file that holds it with {}_file, or set {} (from {})",
                item.key,
                item.key,
                item.variable(),
                at(entry.line)
            ));
        }
        let mut files = Vec::new();
        files
            .extend(entries.remove(&format!("{}_file", item.key)).map(|entry| (entry.given, at(entry.line))));
        let (itself, named) =
            (self.variable(item.variable()), self.variable(format!("{}_FILE", item.variable())));
        if let (Some((_, itself)), Some((_, named))) = (&itself, &named) {
            self.problems.push(format!("{}: both {itself} and {named} are set; one is enough", item.key));
        }
        files.extend(named);
        let flag = format!("{}-file", item.flag());
        let given = self.sources.flags.get(&flag).and_then(|given| given.last());
        let last = given.map(|path| (Given::Text(path.clone()), Origin::Flag(flag)));
        for (given, origin) in files {
            found.extend(self.secret(item, &given, origin));
        }
        found.extend(itself);
        if let Some((given, origin)) = last {
            found.extend(self.secret(item, &given, origin));
        }
        found
    }

    fn variable(&self, name: String) -> Option<(Given, Origin)> {
        let text = self.sources.environment.get(&name).filter(|text| !text.is_empty())?;
        Some((Given::Text(text.clone()), Origin::Environment(name)))
    }

    fn secret(&mut self, item: &Item<'_>, given: &Given, origin: Origin) -> Option<(Given, Origin)> {
        let mut path = PathBuf::new();
        let text = value::Value::set(&mut path, given, &Bound::Any)
            .and_then(|()| file::bounded(&path, MAX_SECRET_BYTES))
            .map_err(|wrong| self.problems.push(format!("{}: {wrong} (from {origin})", item.key)));
        let text = text.ok()?;
        self.secret_files.push(path);
        Some((Given::Text(text), origin))
    }
}

/// What settings are called.
struct Names {
    keys: BTreeSet<String>,
    variables: BTreeSet<String>,
}

impl Names {
    fn of(settings: &mut Settings) -> Names {
        let mut names = Names { keys: BTreeSet::new(), variables: BTreeSet::new() };
        settings.visit("", &mut |item| {
            if item.value.form().secret {
                names.keys.insert(format!("{}_file", item.key));
                names.variables.insert(format!("{}_FILE", item.variable()));
            } else {
                names.keys.insert(item.key.clone());
            }
            names.variables.insert(item.variable());
        });
        names
    }

    /// With a point at its end: whether a section is called so.
    fn is_key(&self, key: &str) -> bool {
        match key.strip_suffix('.') {
            Some(_) => self.keys.iter().any(|known| known.starts_with(key)),
            None => self.keys.contains(key),
        }
    }

    /// The keys, and the sections before them.
    fn in_a_file(&self) -> BTreeSet<String> {
        let sections = self.keys.iter().filter_map(|key| key.rsplit_once('.'));
        sections.map(|(section, _)| section.to_owned()).chain(self.keys.iter().cloned()).collect()
    }

    fn like(&self, name: &str, among: &BTreeSet<String>) -> String {
        // The last part alone is compared too: the section may be what is missing.
        let near = |known: &String| {
            let last = known.rsplit('.').next().unwrap_or(known);
            strsim::damerau_levenshtein(known, name).min(strsim::damerau_levenshtein(last, name) + 1)
        };
        let nearest = among.iter().map(|known| (near(known), known)).min();
        match nearest {
            Some((distance, known)) if distance <= 1 + name.chars().count() / 3 => {
                format!("; the nearest is {known}")
            }
            _ => String::new(),
        }
    }
}
