//! `castline-server health`: for a container's health check, where no other program is.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;

use crate::config::ConfigArguments;

const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(super) struct Health {
    #[command(flatten)]
    config: ConfigArguments,
}

impl Health {
    /// Asks the operators' address. A server that cannot store anything just now is alive: a restart would help nobody.
    pub(super) fn obey(self) -> anyhow::Result<ExitCode> {
        let mut address = self.config.load()?.settings.admin_listen;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        let asked = format!("no answer at {address}");
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).with_context(|| asked.clone())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(
            format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes(),
        )?;
        let mut answer = String::new();
        stream.take(16 * 1024).read_to_string(&mut answer).context(asked)?;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        ensure!(status == "200", "{address} answers with status {status:?}");
        Ok(ExitCode::SUCCESS)
    }
}
