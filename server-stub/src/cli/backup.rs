//! `castline-server backup FILE`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{print, wait};
use crate::config::ConfigArguments;
use crate::store::copy;

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to write. It must not exist.
    file: PathBuf,
    #[command(flatten)]
    config: ConfigArguments,
}

impl Backup {
    pub(super) fn obey(self) -> anyhow::Result<ExitCode> {
        let effective = self.config.load()?;
        let bytes = wait(copy::backup(&effective.settings.data, &self.file))?;
        print(&format!("{}: {bytes} bytes, checked\n", self.file.display()));
        Ok(ExitCode::SUCCESS)
    }
}
