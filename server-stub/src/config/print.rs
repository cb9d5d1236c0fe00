//! Showing the configuration: the effective one with the origin of every value, and the sample file. Both are TOML that the
//! server reads again; no secret is in either.

use std::fmt::{self, Write as _};

use super::{Effective, Item, Section as _};
use crate::settings::Settings;

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        let mut settings = self.settings.clone();
        let mut section = String::new();
        settings.visit("", &mut |item| {
            heading(&item, &mut section, &mut out);
            let (name, origin) = (name(&item), self.origin(&item.key));
            let _ = match item.value.show(&item.bound) {
                Some(shown) if item.value.form().secret => {
                    writeln!(out, "# {name} = {shown}  # {origin}")
                }
                Some(shown) => writeln!(out, "{name} = {shown}  # {origin}"),
                None => writeln!(out, "# {name}: not set"),
            };
        });
        f.write_str(&out)
    }
}

/// The sample file: every setting with what it does, and its default.
pub fn sample() -> String {
    let mut out = String::from(
        "# Every setting of castline-server, with its default. Written by `castline-server --sample-config`.\n\
         #\n\
         # A flag beats a variable, a variable beats this file: timers.idle is also --timers-idle and CASTLINE_TIMERS_IDLE.\n\
         # `castline-server --config FILE --print-config` shows what is in force and where each value comes from.\n\
         # Times are milliseconds, or a text with a unit: \"30s\", \"24h\". A rate is \"10/min\", \"30/s burst 60\" or \"unlimited\".\n\
         # Secrets stay out of this file: it names the files that hold them, or they come as variables.\n",
    );
    let mut section = String::new();
    Settings::default().visit("", &mut |item| {
        heading(&item, &mut section, &mut out);
        let _ = writeln!(out);
        for line in item.doc {
            let _ = writeln!(out, "#{line}");
        }
        let _ = match item.value.show(&item.bound) {
            Some(shown) => writeln!(out, "{} = {shown}", name(&item)),
            None if item.value.form().secret => {
                let variable = item.variable();
                writeln!(out, "# The file that holds it; or the variable {variable} with the secret itself.\n# {}_file = \"/etc/castline/{}\"", name(&item), name(&item))
            }
            None => writeln!(out, "# {} = \"…\"", name(&item)),
        };
    });
    out
}

fn heading(item: &Item<'_>, section: &mut String, out: &mut String) {
    if let Some((of, _)) = item.key.rsplit_once('.').filter(|(of, _)| of != section) {
        let _ = writeln!(out, "\n[{of}]");
        of.clone_into(section);
    }
}

fn name<'a>(item: &'a Item<'_>) -> &'a str {
    item.key.rsplit('.').next().unwrap_or(&item.key)
}
