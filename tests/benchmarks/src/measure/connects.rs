//! How fast a crowd comes back: all at once.

use super::Effort;
use crate::child::ServerProcess;
use crate::crowd::{Crowd, Greeting};
use crate::report::{Aim, Row, Section, Unit};
use crate::rounds::alternate;
use crate::servers::Kind;

const EXPLANATION: &str = "\
3,200 players connect at the same moment: TCP, upgrade, `authenticate`, until each has `authenticated` (its session is
on disk by then). The whole server with its default limits and one worker thread; the crowd's one thread shares the
machine with it. The peer: as many connections to a TCP echo on tokio, until each has its first 300 bytes back. From one
round to the next the server keeps its database.";

const CONNECTIONS: usize = 3_200;

pub(crate) fn run(effort: Effort) -> anyhow::Result<Section> {
    let rounds = effort.pick(1, 5);
    let mut servers =
        (ServerProcess::start(Kind::Server, false)?, ServerProcess::start(Kind::RawEcho, false)?, 0);
    let storm = |server: &ServerProcess, greeting, name: String| {
        let mut crowd = Crowd::new(name)?;
        let took = crowd.grow(server.address, greeting, CONNECTIONS, CONNECTIONS)?;
        crowd.check_alive()?;
        drop(crowd);
        // The farewell is not to fall into the other side's time.
        server.wait_idle()?;
        anyhow::Ok(took.as_secs_f64())
    };
    let sides = alternate(
        rounds,
        &mut servers,
        |(server, _, round)| {
            *round += 1;
            storm(server, Greeting::Login, format!("storm-{round}"))
        },
        |(_, server, _)| storm(server, Greeting::Echo, String::new()),
    )?;
    let rows = vec![Row {
        what: "3,200 connections made".to_owned(),
        peer: "TCP echo on tokio".to_owned(),
        aim: Aim::AtMost(2.0),
        unit: Unit::Seconds,
        summary: sides.summary(),
        n: format!("{rounds} rounds of 3,200 a side"),
    }];
    Ok(Section { title: "A crowd connects".into(), explanation: EXPLANATION.into(), rows })
}
