//! What a message costs the server.

use anyhow::ensure;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::Effort;
use crate::child::ServerProcess;
use crate::load::Load;
use crate::report::{Aim, Row, Section, Unit};
use crate::rounds::{Sides, alternate};
use crate::servers::Kind;
use crate::wire::{self, first_frame, typical_message};

const EXPLANATION: &str = "\
CPU time of the server's process per message (user and system, from the kernel's account of its threads), 100
connections, each of which sends a message, awaits the answer and sends the next. First the gateway's socket code with a
handler that sends the typical message of 300 bytes back, and, for information, one of 8 KiB, which its small read
buffer takes in several steps; then the whole server, authenticated, with the message that is commonest there,
`system/ping`: framing, limits, envelope in and out, liveness. The peer is a TCP echo on tokio that gets as many bytes;
one worker thread everywhere. Most of the time is the kernel's, for two system calls a message (more for large ones),
and much the same on both sides.";

const CONNECTIONS: usize = 100;
const AIM: Aim = Aim::Ratio(1.5);
const PING: &str = r#"{"channel":"system","type":"ping","payload":{},"timestamp":1763660000000,"id":"c17"}"#;

pub(crate) fn run(effort: Effort) -> anyhow::Result<Section> {
    let rows = vec![
        compare(effort, "socket code, echo of 300 bytes", AIM, Kind::SocketEcho, &typical_message())?,
        compare(effort, "socket code, echo of 8 KiB", Aim::None, Kind::SocketEcho, &"x".repeat(8_192))?,
        compare(effort, "whole server, ping and pong", AIM, Kind::Server, PING)?,
    ];
    Ok(Section { title: "Gateway CPU per message".into(), explanation: EXPLANATION.into(), rows })
}

struct Side {
    server: ServerProcess,
    load: Load,
}

impl Side {
    /// Microseconds of the server's CPU per message.
    fn measure(&mut self, messages: usize) -> anyhow::Result<f64> {
        let before = self.server.cpu_ns()?;
        self.load.run(messages)?;
        Ok((self.server.cpu_ns()? - before) as f64 / 1e3 / messages as f64)
    }
}

fn compare(effort: Effort, what: &str, aim: Aim, kind: Kind, text: &str) -> anyhow::Result<Row> {
    let (rounds, messages) = (effort.pick(5, 21), effort.pick(10_000, 30_000));
    let mut sides = (web(kind, text)?, raw(text.len())?);
    sides.0.measure(messages / 2)?;
    sides.1.measure(messages / 2)?;
    let measured: Sides =
        alternate(rounds, &mut sides, |s| s.0.measure(messages), |s| s.1.measure(messages))?;
    Ok(Row {
        what: what.to_owned(),
        peer: "TCP echo on tokio".to_owned(),
        aim,
        unit: Unit::Microseconds,
        summary: measured.summary(),
        n: format!("{rounds} rounds of {messages} messages a side"),
    })
}

fn raw(bytes: usize) -> anyhow::Result<Side> {
    let server = ServerProcess::start(Kind::RawEcho, false)?;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(server.address)?;
        stream.set_nodelay(true)?;
        connections.push(stream);
    }
    let load = Load::new(connections, vec![b'x'; bytes], bytes)?;
    Ok(Side { server, load })
}

fn web(kind: Kind, text: &str) -> anyhow::Result<Side> {
    let server = ServerProcess::start(kind, true)?;
    let message = wire::frame(text);
    let mut connections = Vec::new();
    let mut answer_bytes = 0;
    for number in 0..CONNECTIONS {
        let player = (kind == Kind::Server).then(|| format!("load-{number}"));
        let mut stream = wire::connect(server.address, player.as_deref())?;
        answer_bytes = trial(&mut stream, &message)?;
        connections.push(stream);
    }
    let load = Load::new(connections, message, answer_bytes)?;
    Ok(Side { server, load })
}

/// One message: how long the answer is, which is the same for all.
fn trial(stream: &mut TcpStream, message: &[u8]) -> anyhow::Result<usize> {
    stream.write_all(message)?;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4_096]);
    loop {
        let n = stream.read(&mut buffer)?;
        ensure!(n > 0, "the server ended the connection");
        bytes.extend_from_slice(&buffer[..n]);
        if let Some((length, answer)) = first_frame(&bytes)? {
            let text = String::from_utf8_lossy(answer);
            ensure!(length == bytes.len() && !text.contains(r#""type":"error""#), "not an answer: {text}");
            return Ok(length);
        }
    }
}
