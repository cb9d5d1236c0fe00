//! What an idle connection costs the server in memory.

use super::Effort;
use crate::child::ServerProcess;
use crate::crowd::{Crowd, Greeting};
use crate::report::{Aim, Row, Section, Unit};
use crate::rounds::Sides;
use crate::servers::Kind;

const EXPLANATION: &str = "\
Memory of the server's process (proportional set size, which leaves out what the kernel keeps for a socket on either
side) with so many idle connections more than 100, divided by their number. Ours: the whole server with its default
limits; every connection was upgraded and authenticated as a player of its own. The peer: a TCP echo on tokio, each
connection with a read buffer of 4 KiB (the gateway's are smaller), each of which has echoed 300 bytes.";

const WARM: usize = 100;
/// Below what the server lets in at once, and gentle enough for its limit on the handshake's time.
const AT_ONCE: usize = 200;

pub(crate) fn run(effort: Effort) -> anyhow::Result<Section> {
    let counts: &[usize] = effort.pick(&[1_000], &[1_000, 10_000]);
    let raw = per_connection(Kind::RawEcho, Greeting::Echo, counts)?;
    let ours = per_connection(Kind::Server, Greeting::Login, counts)?;
    let row = |((&count, ours), raw): ((&usize, f64), f64)| Row {
        what: format!("{count} idle authenticated connections, each"),
        peer: "TCP echo on tokio".to_owned(),
        aim: Aim::AtMost(8.0),
        unit: Unit::KiB,
        summary: Sides { ours: vec![ours], peer: vec![raw] }.summary(),
        n: format!("1 × {count}"),
    };
    let rows = counts.iter().zip(ours).zip(raw).map(row).collect();
    Ok(Section { title: "Memory per idle connection".into(), explanation: EXPLANATION.into(), rows })
}

/// KiB per connection at each count beyond the first hundred.
fn per_connection(kind: Kind, greeting: Greeting, counts: &[usize]) -> anyhow::Result<Vec<f64>> {
    let server = ServerProcess::start(kind, false)?;
    let mut crowd = Crowd::new("idle")?;
    // The first connections fill caches and pools that belong to the process.
    crowd.grow(server.address, greeting, WARM, AT_ONCE)?;
    server.wait_idle()?;
    let before = server.memory_kib()?;
    let mut each = Vec::new();
    for count in counts {
        crowd.grow(server.address, greeting, WARM + count - crowd.len(), AT_ONCE)?;
        server.wait_idle()?;
        crowd.check_alive()?;
        each.push((server.memory_kib()? - before) / *count as f64);
    }
    Ok(each)
}
