//! `castline-server restore FILE`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{print, wait};
use crate::config::ConfigArguments;
use crate::store::copy;

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup to put into the data directory. The database that is there is kept beside it, under another name.
    file: PathBuf,
    #[command(flatten)]
    config: ConfigArguments,
}

impl Restore {
    pub(super) fn obey(self) -> anyhow::Result<ExitCode> {
        let data = self.config.load()?.settings.data;
        let former = wait(copy::restore(&self.file, &data))?;
        print(&format!("{} is restored from {}\n", data.display(), self.file.display()));
        if let Some(former) = former {
            print(&format!("the former database is {}\n", former.display()));
        }
        Ok(ExitCode::SUCCESS)
    }
}
