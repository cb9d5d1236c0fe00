//! A hundred connections that each send a message, await its answer, and send the next; on one thread and one
//! poller. The same for raw bytes and for WebSockets: only the bytes differ.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream as Blocking;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// How long an answer may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Load {
    poll: Poll,
    events: Events,
    peers: Vec<Peer>,
    message: Vec<u8>,
    answer_bytes: usize,
    buffer: Box<[u8]>,
}

struct Peer {
    stream: TcpStream,
    /// Bytes of its answer that are still to come.
    awaited: usize,
}

impl Load {
    /// `message` is the bytes that each connection sends, `answer_bytes` what the server answers to it.
    pub(crate) fn new(
        connections: Vec<Blocking>,
        message: Vec<u8>,
        answer_bytes: usize,
    ) -> anyhow::Result<Load> {
        let poll = Poll::new()?;
        let mut peers = Vec::with_capacity(connections.len());
        for (number, stream) in connections.into_iter().enumerate() {
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
            peers.push(Peer { stream, awaited: 0 });
        }
        let (events, buffer) = (Events::with_capacity(256), vec![0; 4_096].into());
        Ok(Load { poll, events, peers, message, answer_bytes, buffer })
    }

    /// Sends so many messages in all and awaits every answer.
    pub(crate) fn run(&mut self, messages: usize) -> anyhow::Result<()> {
        let mut to_send = messages;
        let mut to_come = messages;
        for peer in self.peers.iter_mut().take(messages) {
            peer.send(&self.message, self.answer_bytes)?;
            to_send -= 1;
        }
        while to_come > 0 {
            self.poll.poll(&mut self.events, Some(PATIENCE))?;
            ensure!(!self.events.is_empty(), "{to_come} answers did not come within {PATIENCE:?}");
            for event in &self.events {
                let peer = &mut self.peers[event.token().0];
                if !peer.answered(&mut self.buffer)? {
                    continue;
                }
                to_come -= 1;
                if to_send > 0 {
                    peer.send(&self.message, self.answer_bytes)?;
                    to_send -= 1;
                }
            }
        }
        Ok(())
    }
}

impl Peer {
    fn send(&mut self, message: &[u8], answer_bytes: usize) -> anyhow::Result<()> {
        let written = self.stream.write(message).context("a message could not be sent")?;
        ensure!(written == message.len(), "the server takes nothing more");
        self.awaited = answer_bytes;
        Ok(())
    }

    /// Whether its answer is now all there. Reads to the end of what is there, as an edge-triggered poller wants
    /// it: a read that did not fill the buffer has found it.
    fn answered(&mut self, buffer: &mut [u8]) -> anyhow::Result<bool> {
        let before = self.awaited;
        loop {
            match self.stream.read(buffer) {
                Ok(0) => bail!("the server ended a connection"),
                Ok(n) => {
                    ensure!(n <= self.awaited, "{} bytes that nobody asked for", n - self.awaited);
                    self.awaited -= n;
                    if n < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("an answer could not be read"),
            }
        }
        Ok(before > 0 && self.awaited == 0)
    }
}
