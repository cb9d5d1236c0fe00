//! What an operator should know before (or while) a server runs here: a list of findings, each with its remedy. It changes nothing.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Serialize;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::config::{Effective, Section as _};
use crate::http::listener;
use crate::settings::{Settings, TlsFiles};
use crate::store::{DATABASE, Owned, copy, sizes};

const MIB: u64 = 1024 * 1024;
/// Descriptors beside those of players' sockets: operators, the database, what the runtime needs.
const OTHER_FILES: u64 = 512;
const DAY: u64 = 86_400;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Ok,
    Warn,
    Fail,
}

/// One line.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) check: &'static str,
    pub(crate) level: Level,
    pub(crate) detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

/// The list as it grows.
#[derive(Debug, Default)]
pub(crate) struct Findings(pub(crate) Vec<Finding>);

impl Findings {
    fn ok(&mut self, check: &'static str, detail: impl Into<String>) {
        self.0.push(Finding { check, level: Level::Ok, detail: detail.into(), remedy: None });
    }

    fn warn(&mut self, check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) {
        let (detail, remedy) = (detail.into(), Some(remedy.into()));
        self.0.push(Finding { check, level: Level::Warn, detail, remedy });
    }

    pub(crate) fn fail(&mut self, check: &'static str, detail: impl Into<String>, remedy: impl Into<String>) {
        let (detail, remedy) = (detail.into(), Some(remedy.into()));
        self.0.push(Finding { check, level: Level::Fail, detail, remedy });
    }
}

/// Looks at everything.
pub(crate) async fn examine(effective: &Effective) -> Findings {
    let mut found = Findings::default();
    let settings = &effective.settings;
    configuration(effective, &mut found);
    secrets(effective, &mut found);
    let running = directory(&settings.data, &mut found);
    disk(settings, &mut found);
    database(&settings.data, &mut found).await;
    descriptors(settings, &mut found);
    backlog(&mut found);
    for (check, address) in [("port: players", settings.listen), ("port: operators", settings.admin_listen)] {
        port(check, address, running, &mut found);
    }
    match &settings.tls {
        Some(files) => tls(files, &mut found),
        None if settings.listen.ip().is_loopback() => {
            found.ok("tls", "not here: a proxy on this machine must do it")
        }
        None => found.warn(
            "tls",
            format!("players reach {} without TLS, tokens in the clear", settings.listen),
            "set tls.certificates and tls.key, or listen on loopback behind a proxy that speaks TLS",
        ),
    }
    clock(&settings.data, &mut found);
    found
}

fn configuration(effective: &Effective, found: &mut Findings) {
    let contradictions = effective.settings.contradictions();
    if contradictions.is_empty() {
        found.ok("configuration", "no mistake");
    }
    for problem in contradictions {
        found.fail("configuration", problem, "see castline-server --print-config");
    }
    for warning in &effective.warnings {
        found.warn("configuration", warning, "unset or correct it");
    }
    if effective.settings.dev {
        found.warn(
            "configuration",
            "dev: anybody on this machine gets any player's token",
            "not for production",
        );
    }
}

fn secrets(effective: &Effective, found: &mut Findings) {
    let mut seen: Vec<(String, String)> = Vec::new();
    let mut weak = 0;
    effective.settings.clone().visit("", &mut |item| {
        let Some(secret) = item.value.secret() else { return };
        let text = secret.expose();
        if let Some(why) = weakness(text) {
            weak += 1;
            found.fail("secrets", format!("{}: {why}", item.key), "make one with: openssl rand -hex 32");
        }
        if let Some((other, _)) = seen.iter().find(|(_, before)| before == text) {
            weak += 1;
            found.fail(
                "secrets",
                format!("{} is the same as {other}: who learns one has both", item.key),
                "make another with: openssl rand -hex 32",
            );
        }
        seen.push((item.key, text.to_owned()));
    });
    let kept = ["jwt.secret", "admin.key"].map(|name| effective.settings.data.join(name));
    for file in effective.secret_files().chain(kept.iter().map(AsRef::as_ref)) {
        let Ok(meta) = fs::metadata(file) else { continue };
        if meta.permissions().mode() & 0o077 != 0 {
            weak += 1;
            found.fail(
                "secrets",
                format!("others on this machine can read or change {}", file.display()),
                format!("chmod 600 {}", file.display()),
            );
        }
    }
    if effective.settings.admin_key.is_none() && !effective.settings.dev {
        found.warn(
            "secrets",
            "no admin key: /admin refuses everything",
            "set admin_key_file or CASTLINE_ADMIN_KEY",
        );
    }
    if weak == 0 {
        found.ok("secrets", format!("{} given, none of them weak", seen.len()));
    }
}

/// What makes a secret guessable. Its length is the configuration's affair.
fn weakness(text: &str) -> Option<String> {
    let mut different: Vec<char> = text.chars().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < 10 {
        return Some(format!("it has only {} different characters", different.len()));
    }
    let plain = text.to_lowercase();
    let words =
        ["changeme", "change-me", "secret", "password", "example", "castline", "0123456789abcdef", "qwerty"];
    words.into_iter().find(|word| plain.contains(word)).map(|word| format!("it contains {word:?}"))
}

/// Whether a server runs on the directory.
fn directory(data: &Path, found: &mut Findings) -> bool {
    let check = "data directory";
    let Ok(meta) = fs::metadata(data) else {
        found.warn(
            check,
            format!("{} is not there; the server would make it", data.display()),
            format!(
                "before the first start nothing; otherwise look at the setting data, or mount it ({})",
                data.display()
            ),
        );
        return false;
    };
    if !meta.is_dir() {
        found.fail(check, format!("{} is no directory", data.display()), "set data to a directory");
        return false;
    }
    // `access` would ask for the real user; what counts is whether it can be done.
    let running = match Owned::look(data) {
        Ok(running) => running,
        Err(error) => {
            let remedy = format!("chown it to the server's user: chown -R castline: {}", data.display());
            found.fail(check, format!("{error:#}"), remedy);
            return false;
        }
    };
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        found.warn(
            check,
            format!("{} has mode {mode:o}: others can look into it", data.display()),
            format!("chmod 700 {}", data.display()),
        );
    } else {
        let state = if running { "a server runs on it" } else { "no server runs on it" };
        found.ok(check, format!("{}, writable; {state}", data.display()));
    }
    running
}

fn disk(settings: &Settings, found: &mut Findings) {
    let (used, free) = sizes(&settings.data);
    let detail = format!("{} MiB free, the database takes {} MiB", free / MIB, used / MIB);
    let remedy = "make room, or bound the database with limits.database_bytes";
    if !settings.data.is_dir() {
        return;
    }
    if free < 64 * MIB {
        found.fail("disk", detail, remedy);
    } else if free < (1024 * MIB).max(used) {
        // A backup on the same disk takes as much again.
        found.warn("disk", detail, remedy);
    } else {
        found.ok("disk", detail);
    }
}

async fn database(data: &Path, found: &mut Findings) {
    let check = "database";
    if !data.join(DATABASE).is_file() {
        return found.ok(check, "none yet; the server makes it at its first start");
    }
    let restore = "stop the server and restore a backup: castline-server restore FILE";
    match copy::examine(&data.join(DATABASE)).await {
        Err(error) => found.fail(check, format!("{error:#}"), restore),
        Ok(seen) if !seen.damage.is_empty() => found.fail(check, seen.damage.join("; "), restore),
        Ok(seen) if seen.unfinished => {
            found.fail(check, format!("migration {} was not finished", seen.version), restore);
        }
        Ok(seen) if seen.version > seen.known => found.fail(
            check,
            format!("its tables are of version {}; this server knows {}", seen.version, seen.known),
            "run the newer server again, or restore a backup from before the upgrade",
        ),
        Ok(seen) if seen.version < seen.known => found.warn(
            check,
            format!("its tables are of version {}; the start brings them to {}", seen.version, seen.known),
            "take a backup first: castline-server backup FILE",
        ),
        Ok(seen) => found.ok(check, format!("whole; its tables are of version {}", seen.version)),
    }
}

fn descriptors(settings: &Settings, found: &mut Findings) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let needed = settings.limits.connections as u64 + OTHER_FILES;
    let detail = format!("{limit} allowed; {needed} for limits.connections and the rest");
    if limit >= needed {
        found.ok("descriptors", detail);
    } else {
        let remedy =
            format!("LimitNOFILE={needed} in the unit, or ulimit -n {needed}; or lower limits.connections");
        found.warn("descriptors", detail, remedy);
    }
}

fn backlog(found: &mut Findings) {
    let file = "/proc/sys/net/core/somaxconn";
    let Some(most) = fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<u32>().ok()) else {
        return found.warn(
            "backlog",
            format!("{file} cannot be read"),
            "look whether the system allows a long backlog",
        );
    };
    let wanted = listener::BACKLOG;
    if most >= wanted {
        found.ok("backlog", format!("somaxconn is {most}; the server asks for {wanted}"));
    } else {
        let detail = format!("somaxconn is {most}, so a storm of reconnects waits for retransmissions");
        found.warn("backlog", detail, format!("sysctl -w net.core.somaxconn={wanted}"));
    }
}

fn port(check: &'static str, address: SocketAddr, running: bool, found: &mut Findings) {
    match TcpListener::bind(address) {
        Ok(_) => found.ok(check, format!("{address} is free")),
        Err(error) if running && error.kind() == std::io::ErrorKind::AddrInUse => {
            found.ok(check, format!("{address} is in use, by the server that runs on the data directory"));
        }
        Err(error) => {
            let remedy = format!("ss -ltnp 'sport = :{}' shows who has it", address.port());
            found.fail(check, format!("cannot listen on {address}: {error}"), remedy);
        }
    }
}

fn tls(files: &TlsFiles, found: &mut Findings) {
    if let Err(error) = crate::http::tls::check(files) {
        return found.fail("tls", format!("{error:#}"), "a PEM chain, and the PEM key that belongs to it");
    }
    let remedy = "renew the certificate";
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let first =
        CertificateDer::pem_file_iter(&files.certificates).ok().and_then(|mut chain| chain.next()?.ok());
    let validity = first.and_then(|der| Some(Certificate::from_der(&der).ok()?.tbs_certificate.validity));
    let Some(validity) = validity else {
        return found.warn("tls", "the certificate's dates cannot be read", remedy);
    };
    let from = validity.not_before.to_unix_duration().as_secs();
    let until = validity.not_after.to_unix_duration().as_secs();
    if now < from {
        found.fail("tls", format!("the certificate is not valid before {}", validity.not_before), remedy);
    } else if now >= until {
        found.fail("tls", format!("the certificate has expired: {}", validity.not_after), remedy);
    } else if until - now < 14 * DAY {
        found.warn("tls", format!("the certificate expires in {} days", (until - now) / DAY), remedy);
    } else {
        found.ok("tls", format!("the certificate is valid for {} days", (until - now) / DAY));
    }
}

/// 1 January 2026: before this server was made.
const MADE: u64 = 1_767_225_600;

fn clock(data: &Path, found: &mut Findings) {
    let now = SystemTime::now();
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let remedy = "synchronise the clock: tokens, offers and schedules go by it (timedatectl set-ntp true)";
    let written = fs::metadata(data.join(DATABASE)).and_then(|meta| meta.modified());
    let ahead = written.ok().and_then(|written| written.duration_since(now).ok()).map_or(0, |d| d.as_secs());
    if seconds < MADE {
        found.fail("clock", "it is before this server was made", remedy);
    } else if ahead > 60 {
        found.fail("clock", format!("the database was written {ahead} s in the future"), remedy);
    } else {
        found.ok("clock", "plausible");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guessable_secret_is_one() {
        for weak in [
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "ChangeMe-ChangeMe-ChangeMe-ChangeMe",
            "my-very-long-secret-for-the-game-42",
        ] {
            assert!(weakness(weak).is_some(), "{weak}");
        }
        assert_eq!(weakness("f3a9c07e5d1b8264f3a9c07e5d1b8264"), None);
    }
}
