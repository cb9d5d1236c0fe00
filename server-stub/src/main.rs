//! The binary: the command line, the log, the signals.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, bail};
use castline_server::{RunningServer, Secret, Server, Settings, TlsFiles};
use clap::Parser;
use tracing_subscriber::EnvFilter;

/// The reference server of Castline.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The players' address.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// The operators' address.
    #[arg(long, default_value = "127.0.0.1:8081")]
    admin_listen: SocketAddr,
    /// Where the database and generated secrets are kept.
    #[arg(long, default_value = "castline-data")]
    data: PathBuf,
    /// Generated secrets and POST /auth/token; loopback only.
    #[arg(long)]
    dev: bool,
    /// A file with the players' JWT secret, at least 32 bytes. Or set CASTLINE_JWT_SECRET.
    #[arg(long)]
    jwt_secret_file: Option<PathBuf>,
    /// A file with the operators' key, at least 32 characters. Or set CASTLINE_ADMIN_KEY.
    #[arg(long)]
    admin_key_file: Option<PathBuf>,
    /// An origin that browsers may call from; may be given several times.
    #[arg(long)]
    cors_origin: Vec<String>,
    /// A PEM certificate chain: speak TLS on the players' address.
    #[arg(long, requires = "tls_key")]
    tls_certificates: Option<PathBuf>,
    /// The key of that certificate, PEM.
    #[arg(long, requires = "tls_certificates")]
    tls_key: Option<PathBuf>,
    /// Threads; 0: one per processor.
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let mut settings =
        if arguments.dev { Settings::dev(arguments.data) } else { Settings::new(arguments.data) };
    settings.listen = arguments.listen;
    settings.admin_listen = arguments.admin_listen;
    settings.cors_origins = arguments.cors_origin;
    settings.threads = arguments.threads;
    settings.jwt_secret = secret(arguments.jwt_secret_file, "CASTLINE_JWT_SECRET")?;
    settings.admin_key = secret(arguments.admin_key_file, "CASTLINE_ADMIN_KEY")?;
    if let (Some(certificates), Some(key)) = (arguments.tls_certificates, arguments.tls_key) {
        settings.tls = Some(TlsFiles { certificates, key });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::start(settings)?;
        announce(&server);
        asked_to_end().await?;
        tracing::info!("draining; a second signal ends at once");
        tokio::select! {
            () = server.drain() => Ok(()),
            again = asked_to_end() => again.and_then(|()| bail!("ended before the drain was over")),
        }
    })
}

/// Says on stdout where the server is, so that a script can wait for it and read the ports. A script that has stopped
/// listening is no reason to end.
fn announce(server: &RunningServer) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "players   {}", server.ws_url());
    let _ = writeln!(out, "operators http://{}", server.admin_addr());
    if let Some(file) = server.admin_key_file() {
        let _ = writeln!(out, "admin key in {}", file.display());
    }
    let _ = out.flush();
}

/// A secret from a file or the environment; never from the command line, which others can read.
fn secret(file: Option<PathBuf>, variable: &str) -> anyhow::Result<Option<Secret>> {
    match file {
        Some(file) => {
            let text =
                std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            Ok(Some(Secret::new(text.trim())))
        }
        None => Ok(std::env::var(variable).ok().filter(|text| !text.is_empty()).map(Secret::new)),
    }
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
