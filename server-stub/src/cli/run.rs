//! The server as a process: the log, what a script reads at the start, the signals.

use std::process::ExitCode;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::systemd::Systemd;
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
        // Asked for before there is anything to end: no signal is lost.
        let (mut signals, hangups) = (Signals::watch()?, signal(SignalKind::hangup())?);
        let systemd = Systemd::find()?;
        let server = Server::start(effective.settings)?;
        announce(&server);
        systemd.tell(NotifyState::Ready);
        tokio::select! {
            () = signals.end_or_watchdog(&systemd) => {}
            never = follow_hangups(hangups, &server, config) => never,
        }
        systemd.tell(NotifyState::Stopping);
        tracing::info!("draining; a second signal ends at once");
        tokio::select! {
            () = server.drain() => {
                tracing::info!("drained");
                Ok(ExitCode::SUCCESS)
            }
            () = signals.end_or_watchdog(&systemd) => {
                tracing::warn!("ended before the drain was over");
                Ok(ENDED_EARLY.into())
            }
        }
    })
}

/// The signals that end the server, and what systemd wants to hear meanwhile.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Half of `WatchdogSec`: systemd restarts a server that is silent for longer.
    watchdog: Option<Duration>,
}

impl Signals {
    fn watch() -> anyhow::Result<Signals> {
        let watchdog = sd_notify::watchdog_enabled().map(|within| within / 2);
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Signals { terminate, interrupt, watchdog })
    }

    /// Returns when somebody asks for the end.
    async fn end_or_watchdog(&mut self, systemd: &Systemd) {
        loop {
            let beat = async {
                match self.watchdog {
                    Some(period) => tokio::time::sleep(period).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                () = beat => systemd.beat(),
            }
        }
    }
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

/// SIGHUP: the certificate's files have changed, or the keys of players' tokens, says whoever changed them. Never ends.
async fn follow_hangups(mut hangups: Signal, server: &RunningServer, config: &ConfigArguments) {
    while hangups.recv().await.is_some() {
        server.reload_certificates();
        reload::keys(config, server);
    }
    std::future::pending().await
}
