//! Runs every case of an Autobahn fuzzing server against the driver's own socket code.
//!
//! `cargo run -p castline --example autobahn_client -- ws://127.0.0.1:9001`
//!
//! Beside the message limit (16 MiB) and binary messages, which are echoed here, the socket is as a game has it.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use castline::native::socket::{Binary, Limits, SocketEvent, Sockets, SystemResolver, WAKER, client_config};
use mio::{Events, Poll, Waker};

const LIMITS: Limits =
    Limits { max_message: 16 << 20, max_queued: 64 << 20, binary: Binary::Accept, sub_protocol: None };
/// The longest case of the suite takes half of this.
const CASE_TIMEOUT: Duration = Duration::from_secs(120);

struct Client {
    poll: Poll,
    sockets: Sockets,
    polled: Events,
    last_id: u64,
}

impl Client {
    fn new() -> Result<Client, Box<dyn std::error::Error>> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let registry = poll.registry().try_clone()?;
        let sockets = Sockets::new(registry, waker, client_config(b"")?, Arc::new(SystemResolver), LIMITS);
        Ok(Client { poll, sockets, polled: Events::with_capacity(16), last_id: 0 })
    }

    /// Opens a socket, sends back what comes, until the server ends it; the last text, and whether it was opened at all.
    fn echo(&mut self, url: &str) -> Result<Option<String>, Box<dyn std::error::Error>> {
        self.last_id += 1;
        let started = Instant::now();
        self.sockets.open(self.last_id, url, started);
        let (mut opened, mut last, mut ended) = (false, String::new(), false);
        // The farewell counts: the next case must not be opened before this one is over.
        loop {
            while let Some((id, event)) = self.sockets.next(Instant::now()) {
                match event {
                    SocketEvent::Opened => opened = true,
                    SocketEvent::Text(text) => {
                        self.sockets.send_text(id, &text);
                        last = text.to_string();
                    }
                    SocketEvent::Binary(bytes) => self.sockets.send_binary(id, &bytes),
                    SocketEvent::Control => {}
                    SocketEvent::Closed { .. } => ended = true,
                }
                self.sockets.flush();
            }
            if ended && self.sockets.is_idle() {
                break;
            }
            let now = Instant::now();
            if now - started > CASE_TIMEOUT {
                self.sockets.close(self.last_id, 1000, now);
                return Err(format!("{url}: not over after {CASE_TIMEOUT:?}").into());
            }
            let due = self.sockets.deadline(now).unwrap_or(started + CASE_TIMEOUT);
            self.poll.poll(&mut self.polled, Some(due.saturating_duration_since(now)))?;
            for event in &self.polled {
                self.sockets.ready(event.token());
            }
        }
        Ok(opened.then_some(last))
    }
}

fn run(server: &str) -> Result<u32, Box<dyn std::error::Error>> {
    let mut client = Client::new()?;
    let count = client.echo(&format!("{server}/getCaseCount"))?;
    let count: u32 = count.ok_or("the fuzzing server cannot be reached")?.trim().parse()?;
    for case in 1..=count {
        client.echo(&format!("{server}/runCase?case={case}&agent=castline"))?;
        if case % 50 == 0 {
            println!("{case} of {count} cases");
        }
    }
    client.echo(&format!("{server}/updateReports?agent=castline"))?;
    Ok(count)
}

fn main() -> ExitCode {
    let Some(server) = std::env::args().nth(1) else {
        eprintln!("usage: autobahn_client ws://ADDR   (a fuzzing server: wstest -m fuzzingserver)");
        return ExitCode::FAILURE;
    };
    match run(server.trim_end_matches('/')) {
        Ok(count) => {
            println!("ran {count} cases; the server wrote its report");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
