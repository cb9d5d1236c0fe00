//! The servers that are measured. Each runs in a process of its own, which is this program started anew with
//! `serve`: so that CPU and memory are attributable. A server prints its address and lives until its standard
//! input ends.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use castline_server::gateway::mailbox::Mailbox;
use castline_server::gateway::socket::{Flow, Handler, Outbox, SocketOptions, serve};
use castline_server::{FlagDefinition, Rate, Secret, Server, Settings};
use clap::{Args, ValueEnum};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tungstenite::handshake::derive_accept_key;

use crate::wire::{Head, JWT_SECRET};

/// The same for all, and the gateway's own.
const BACKLOG: u32 = 4_096;
/// What the raw echo reads at once.
const READ_BUFFER: usize = 4_096;
/// Flags of the whole server, as many as its budget of 2 KB takes with values of this size.
const FLAGS: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Bytes back, on tokio: the peer.
    RawEcho,
    /// The gateway's socket code with a handler that sends every text back.
    SocketEcho,
    /// The whole reference server.
    Server,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    pub(crate) kind: Kind,
    /// Worker threads of the runtime.
    #[arg(long)]
    pub(crate) threads: usize,
    /// Where the whole server keeps its database.
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// No limits on messages, where more of them are sent than a player may.
    #[arg(long)]
    pub(crate) unlimited: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    // Kept until the end: dropping either ends the server.
    let (address, _server, _runtime);
    if arguments.kind == Kind::Server {
        let server = whole_server(arguments)?;
        address = server.addr();
        _server = Some(server);
        _runtime = None;
    } else {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(arguments.threads)
            .enable_all()
            .build()?;
        let listener = runtime.block_on(async { listen() })?;
        address = listener.local_addr()?;
        runtime.spawn(accept(listener, arguments.kind));
        _server = None;
        _runtime = Some(runtime);
    }
    println!("{address}");
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn listen() -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, kind: Kind) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                if kind == Kind::RawEcho {
                    tokio::spawn(raw_echo(stream));
                } else {
                    tokio::spawn(async move { drop(socket_echo(stream).await) });
                }
            }
            Err(error) => {
                eprintln!("a connection could not be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn raw_echo(mut stream: TcpStream) {
    let mut buffer = vec![0; READ_BUFFER];
    while let Ok(n) = stream.read(&mut buffer).await {
        if n == 0 || stream.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

/// A minimal upgrade; from then on the gateway's own code.
async fn socket_echo(mut stream: TcpStream) -> anyhow::Result<()> {
    let mut head = Head::default();
    while !head.is_whole() {
        if stream.read_buf(&mut head.bytes).await? == 0 || head.bytes.len() > 8_192 {
            bail!("no request for an upgrade");
        }
    }
    let key = head.field("sec-websocket-key").context("no Sec-WebSocket-Key")?;
    let accept = derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    let options = SocketOptions {
        max_message_bytes: 16_384,
        max_outgoing_bytes: 65_536,
        write_stall: Duration::from_secs(10),
    };
    let mut echo = Echo { far: Instant::now() + Duration::from_secs(3_600) };
    serve(stream, head.rest(), options, Arc::new(Mailbox::new(options.max_outgoing_bytes)), &mut echo).await;
    Ok(())
}

struct Echo {
    far: Instant,
}

impl Handler for Echo {
    type Note = ();

    fn opened(&mut self, _: &mut Outbox) {}

    async fn text(&mut self, text: &str, out: &mut Outbox) -> Flow {
        out.text(text);
        Flow::Continue
    }

    fn binary(&mut self, bytes: &[u8], out: &mut Outbox) -> Flow {
        out.binary(bytes.to_vec());
        Flow::Continue
    }

    fn control(&mut self) {}

    async fn note(&mut self, (): (), _: &mut Outbox) -> Flow {
        Flow::Continue
    }

    fn deadline(&self) -> Instant {
        self.far
    }

    fn timer(&mut self, _: Instant, _: &mut Outbox) -> Flow {
        Flow::Continue
    }
}

fn whole_server(arguments: &Arguments) -> anyhow::Result<castline_server::RunningServer> {
    let mut settings = Settings::dev(&arguments.data);
    // A crowd arrives at once: nobody in it is to make room for another.
    settings.limits.unauthenticated_share = 1.0;
    settings.threads = arguments.threads;
    settings.jwt_secret = Some(Secret::new(JWT_SECRET));
    if arguments.unlimited {
        settings.limits.messages = Rate::unlimited();
        settings.limits.ready_for_offer = Rate::unlimited();
    }
    let server = Server::start(settings)?;
    for number in 0..FLAGS {
        let flag =
            FlagDefinition::new("on", &[("on", "true"), ("off", "false")]).map_err(anyhow::Error::msg)?;
        server.put_flag(&format!("flag_{number}"), flag)?;
    }
    Ok(server)
}
