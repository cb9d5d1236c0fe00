//! The server as a process: the log, what a script reads at the start, the signals.

use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use super::{ENDED_EARLY, print, reload, wait};
use crate::config::{ConfigArguments, Effective};
use crate::settings::{Log, LogFormat};
use crate::{RunningServer, Server};

pub(super) fn run(effective: Effective, config: &ConfigArguments) -> anyhow::Result<ExitCode> {
    begin_log(&effective.settings.log);
    for warning in &effective.warnings {
        tracing::warn!("{warning}");
    }
    wait(async {
        let server = Server::start(effective.settings)?;
        announce(&server);
        tokio::select! {
            asked = asked_to_end() => asked?,
            never = follow_hangups(&server, config) => never?,
        }
        tracing::info!("draining; a second signal ends at once");
        tokio::select! {
            () = server.drain() => Ok(ExitCode::SUCCESS),
            again = asked_to_end() => {
                again?;
                tracing::warn!("ended before the drain was over");
                Ok(ENDED_EARLY.into())
            }
        }
    })
}

fn begin_log(log: &Log) {
    // It was parsed when the settings were read.
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => {
            builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init();
        }
    }
}

/// Says on stdout where the server is, so that a script can wait for it and read the ports. A script that has stopped
/// listening is no reason to end.
fn announce(server: &RunningServer) {
    print(&format!("players   {}\noperators http://{}\n", server.ws_url(), server.admin_addr()));
    if let Some(file) = server.admin_key_file() {
        print(&format!("admin key in {}\n", file.display()));
    }
}

/// SIGHUP: the certificate's files have changed, or the keys of players' tokens, says whoever changed them. Never ends well.
async fn follow_hangups(server: &RunningServer, config: &ConfigArguments) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangups = signal(SignalKind::hangup())?;
    while hangups.recv().await.is_some() {
        server.reload_certificates();
        reload::keys(config, server);
    }
    std::future::pending().await
}

async fn asked_to_end() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
