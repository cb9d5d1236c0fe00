//! The settings as flags of the command line: one each, made from the list.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};

use super::{ConfigError, Effective, Section as _, Sources, load};
use crate::settings::Settings;

const HEADING: &str = "Settings (also in the file and as CASTLINE_… variables)";

/// `--config` and a flag for every setting; flatten it into a command that needs the settings.
#[derive(Debug, Default, Clone)]
pub struct ConfigArguments {
    file: Option<PathBuf>,
    flags: BTreeMap<String, Vec<String>>,
}

impl ConfigArguments {
    /// The settings that follow from flags, environment and file.
    ///
    /// # Errors
    /// Whatever [`load`] refuses.
    pub fn load(self) -> Result<Effective, ConfigError> {
        // A variable that is no UTF-8 is none of ours, or a wrong value that would be refused anyway.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| {
                Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
            })
            .filter(|(name, _)| name.starts_with("CASTLINE_"))
            .collect();
        load(&Sources { file: self.file, environment, flags: self.flags })
    }
}

impl Args for ConfigArguments {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .help("The configuration file, TOML. Or set CASTLINE_CONFIG")
            .value_parser(value_parser!(PathBuf));
        let mut command = command.arg(config);
        Settings::default().visit("", &mut |item| {
            let form = item.value.form();
            let mut help = item.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
            let name = if form.secret { format!("{}-file", item.flag()) } else { item.flag() };
            if form.secret {
                help = format!("A file that holds this secret: {help} Or set {}", item.variable());
            } else if let Some(default) = item.value.show(&item.bound).filter(|_| !form.switch && !form.list)
            {
                help = format!("{help} [default: {}]", default.trim_matches('"'));
            }
            let mut arg = Arg::new(name.clone()).long(name).value_name(form.name).help(help);
            arg = arg.help_heading(HEADING).allow_hyphen_values(true);
            // The short help is for the first day.
            arg = arg.hide_short_help(item.key.contains('.') && !item.key.starts_with("tls."));
            if form.switch {
                arg = arg.num_args(0..=1).require_equals(true).default_missing_value("true");
            }
            if form.list {
                arg = arg.action(ArgAction::Append);
                if let Some(one) = item.flag().strip_suffix('s') {
                    arg = arg.visible_alias(one.to_owned());
                }
            }
            // Moved out and in: `arg` takes the command by value.
            command = std::mem::take(&mut command).arg(arg);
        });
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ConfigArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut arguments = ConfigArguments::default();
        arguments.update_from_arg_matches(matches)?;
        Ok(arguments)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.file = matches.get_one("config").cloned();
        Settings::default().visit("", &mut |item| {
            let form = item.value.form();
            let name = if form.secret { format!("{}-file", item.flag()) } else { item.flag() };
            if let Some(given) = matches.get_many::<String>(&name) {
                self.flags.insert(name, given.cloned().collect());
            }
        });
        Ok(())
    }
}
