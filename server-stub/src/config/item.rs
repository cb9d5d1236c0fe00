//! The list of all settings: name, meaning, default and bound of each, from the one place where it is declared.

use super::value::{Bound, Value};

/// One setting of one `Settings`.
pub(crate) struct Item<'a> {
    /// `timers.heartbeat`.
    pub(crate) key: String,
    /// The lines of its doc comment.
    pub(crate) doc: &'static [&'static str],
    pub(crate) value: &'a mut dyn Value,
    pub(crate) bound: Bound,
}

impl Item<'_> {
    /// `CASTLINE_TIMERS_HEARTBEAT`.
    pub(crate) fn variable(&self) -> String {
        format!("CASTLINE_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// `timers-heartbeat`.
    pub(crate) fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }
}

/// A group of settings.
pub(crate) trait Section {
    /// Shows every setting of the group, and of the groups within, in the order of their declaration.
    fn visit(&mut self, at: &str, see: &mut dyn FnMut(Item<'_>));
}

pub(crate) fn join(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

/// Declares a group of settings. **To add a setting, add its line here and nothing else**: from
///
/// ```text
/// /// What it does, for the operator.
/// name: type = default, bound;
/// ```
///
/// come the field, the key in the file, the variable `CASTLINE_…`, the flag `--…`, the checks and their messages, the help, and its
/// place in `--print-config` and in the sample file. (`cargo run -p castline-server -- --sample-config > server-stub/castline-server.toml`
/// writes the sample anew; a test says so when it is out of date.) The type is one of those in `config/value.rs`, or `Option` or `Vec` of one;
/// an `Option<Secret>` gets `name_file` in place of `name` in the file and among the flags. What two settings must fulfil together
/// goes into `Settings::contradictions`.
macro_rules! settings {
    (
        $(#[$meta:meta])*
        pub struct $Name:ident {
            $( $(#[doc = $doc:literal])+ $field:ident : $type:ty = $default:expr, $bound:expr; )*
            $( section $(#[doc = $of:literal])+ $section:ident : $group:ty; )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        pub struct $Name {
            $( $(#[doc = $doc])+ pub $field: $type, )*
            $( $(#[doc = $of])+ pub $section: $group, )*
        }

        impl Default for $Name {
            fn default() -> Self {
                $Name { $( $field: $default, )* $( $section: Default::default(), )* }
            }
        }

        impl $crate::config::Section for $Name {
            fn visit(&mut self, at: &str, see: &mut dyn FnMut($crate::config::Item<'_>)) {
                $( see($crate::config::Item {
                    key: $crate::config::join(at, stringify!($field)),
                    doc: &[$($doc),+],
                    value: &mut self.$field,
                    bound: $bound,
                }); )*
                $( $crate::config::Section::visit(
                    &mut self.$section,
                    &$crate::config::join(at, stringify!($section)),
                    see,
                ); )*
            }
        }
    };
}
pub(crate) use settings;
