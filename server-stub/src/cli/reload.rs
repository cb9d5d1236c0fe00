//! SIGHUP: the settings are read anew, and of them the keys of players' tokens take effect. Whatever is wrong leaves the server as it is.

use crate::config::ConfigArguments;
use crate::{RunningServer, Secret};

/// Reads the keys anew, and puts them in force.
pub(super) fn keys(config: &ConfigArguments, server: &RunningServer) {
    let done = read(config).and_then(|keys| match keys {
        (Some(current), previous) => server.replace_jwt_secrets(current, previous),
        // A development server's own key does not change.
        (None, _) => Ok(()),
    });
    if let Err(error) = done {
        tracing::error!(%error, "the settings could not be read anew; the keys of players' tokens stay");
    }
}

fn read(config: &ConfigArguments) -> anyhow::Result<(Option<Secret>, Option<Secret>)> {
    let effective = config.clone().load()?;
    effective.check()?;
    Ok((effective.settings.jwt_secret, effective.settings.jwt_previous_secret))
}
