//! An echo server of the gateway's own socket code, for the Autobahn suite's fuzzing client:
//! `cargo run -p castline-server --release --example autobahn_echo -- --listen 127.0.0.1:9001`.
//!
//! Text and binary come back as they came; the message limit is 16 MiB here, for some cases are large. Framing, closing,
//! limits and back-pressure are those of the reference server: only the handler differs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use castline_server::gateway::mailbox::Mailbox;
use castline_server::gateway::socket::{Flow, Handler, Outbox, SocketOptions, serve};
use clap::Parser;
use tokio::net::{TcpListener, TcpStream};

#[derive(Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9001")]
    listen: SocketAddr,
}

const LIMIT: usize = 16 << 20;
const A_DAY: Duration = Duration::from_secs(86_400);

struct Echo;

impl Handler for Echo {
    type Note = ();

    fn opened(&mut self, _: &mut Outbox) {}

    async fn text(&mut self, text: &str, out: &mut Outbox) -> Flow {
        out.text(text.to_owned());
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
        Instant::now() + A_DAY
    }

    fn timer(&mut self, _: Instant, _: &mut Outbox) -> Flow {
        Flow::Continue
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind(Arguments::parse().listen).await?;
    println!("ws://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let stream = stream.into_std()?;
        tokio::spawn(async move {
            // The fuzzing client waits for the answer to its upgrade before it sends, so that nothing is read too far.
            let upgraded = tokio::task::spawn_blocking(move || {
                stream.set_nonblocking(false).ok()?;
                let stream = tungstenite::accept(stream).ok()?.into_inner();
                stream.set_nonblocking(true).ok().map(|()| stream)
            });
            let Ok(Some(stream)) = upgraded.await else { return };
            let Ok(stream) = TcpStream::from_std(stream) else { return };
            let _ = stream.set_nodelay(true);
            let options = SocketOptions {
                max_message_bytes: LIMIT,
                max_outgoing_bytes: 4 * LIMIT,
                write_stall: Duration::from_secs(60),
            };
            let ended = serve(stream, Vec::new(), options, Arc::new(Mailbox::new(1)), &mut Echo).await;
            eprintln!("{ended:?}");
        });
    }
}
