//! Thousands of connections that are made and then do nothing: players who log in, or raw ones.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::wire;

/// How long a connection may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a connection does once it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// Sends the typical message's bytes and awaits them.
    Echo,
    /// Upgrades and logs a player in.
    Login,
}

/// Open connections; they close when it is dropped.
pub(crate) struct Crowd {
    runtime: Runtime,
    streams: Vec<TcpStream>,
    /// Players of earlier crowds had other names.
    name: String,
}

impl Crowd {
    pub(crate) fn new(name: impl Into<String>) -> anyhow::Result<Crowd> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Crowd { runtime, streams: Vec::new(), name: name.into() })
    }

    pub(crate) fn len(&self) -> usize {
        self.streams.len()
    }

    /// Makes so many more connections, at most `at_once` under way; returns how long that took.
    pub(crate) fn grow(
        &mut self,
        server: SocketAddr,
        greeting: Greeting,
        more: usize,
        at_once: usize,
    ) -> anyhow::Result<Duration> {
        let first = self.streams.len();
        let mut guests = Vec::with_capacity(more);
        for number in first..first + more {
            // Signing tokens is the game backend's work: it is done before the clock starts.
            let words = match greeting {
                Greeting::Echo => wire::typical_message().into_bytes(),
                Greeting::Login => wire::authenticate(&format!("{}-{number}", self.name))?,
            };
            guests.push((wire::source(number), words));
        }
        let (streams, took) = self.runtime.block_on(async move {
            let places = Arc::new(Semaphore::new(at_once));
            let mut coming = JoinSet::new();
            let start = Instant::now();
            for (source, words) in guests {
                let places = places.clone();
                coming.spawn(async move {
                    let _place = places.acquire_owned().await?;
                    let came = arrive(server, source, greeting, &words);
                    tokio::time::timeout(PATIENCE, came).await.context("a connection took too long")?
                });
            }
            let mut streams = Vec::with_capacity(more);
            while let Some(came) = coming.join_next().await {
                streams.push(came??);
            }
            anyhow::Ok((streams, start.elapsed()))
        })?;
        self.streams.extend(streams);
        Ok(took)
    }

    /// Whether all are still there.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        // A turn of the runtime, so that the poller's news reaches the streams.
        self.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(10)).await });
        for stream in &self.streams {
            let mut byte = [0];
            match stream.try_read(&mut byte) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                other => anyhow::bail!("a connection that should be idle is not: {other:?}"),
            }
        }
        Ok(())
    }
}

async fn arrive(
    server: SocketAddr,
    source: Ipv4Addr,
    greeting: Greeting,
    words: &[u8],
) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((source, 0))).with_context(|| format!("no port at {source}"))?;
    let mut stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    match greeting {
        Greeting::Echo => {
            stream.write_all(words).await?;
            let mut answer = vec![0; words.len()];
            stream.read_exact(&mut answer).await?;
            ensure!(answer == words, "the echo is another than the call");
        }
        Greeting::Login => log_in(&mut stream, server, words).await?,
    }
    Ok(stream)
}

async fn log_in(stream: &mut TcpStream, server: SocketAddr, words: &[u8]) -> anyhow::Result<()> {
    stream.write_all(&wire::upgrade(server)).await?;
    let mut head = wire::Head { bytes: Vec::with_capacity(1_024) };
    while !head.is_whole() {
        ensure!(stream.read_buf(&mut head.bytes).await? > 0, "the connection ended within the upgrade");
    }
    head.check_switched()?;
    stream.write_all(words).await?;
    let mut bytes = head.rest();
    loop {
        while let Some((length, message)) = wire::first_frame(&bytes)? {
            if wire::is_authenticated(message)? {
                return Ok(());
            }
            bytes.drain(..length);
        }
        ensure!(stream.read_buf(&mut bytes).await? > 0, "the connection ended within the login");
    }
}
