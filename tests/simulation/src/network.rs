//! The network between one device and the server: ordered streams that are slow, stall, break or go silent.
//!
//! A live connection loses and reorders nothing, as TCP does not. It can stall; it can be cut, with what is in flight arriving or
//! lost in each direction by itself; it can go half-open, where nothing arrives either way and nobody is told. What one end
//! hears of an end is independent of what the other end hears.

use std::collections::BTreeMap;

use castline::SocketId;

use crate::coverage::Mark;
use crate::rng::Rng;

/// Names a connection at both ends.
pub(crate) type LinkId = u64;

/// What arrives at the device.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Down {
    Opened,
    Text(String),
    Closed { code: u16, retry_after_ms: Option<u64> },
}

/// What arrives at the server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Up {
    Accept,
    Text(String),
    Closed,
    Alive,
}

/// Something under way.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Parcel {
    ToDevice(LinkId, Down),
    ToServer(LinkId, Up),
}

/// How the network is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    Good,
    /// Hundreds of milliseconds, and stalls.
    Slow,
    /// Connects fail at once.
    Down,
    /// Connects hang; what is open goes silent.
    Hole,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) process: u32,
    pub(crate) socket: SocketId,
    /// The device still holds it: neither closed it nor was told of its end.
    pub(crate) device: bool,
    /// The same for the server.
    pub(crate) server: bool,
    /// Nothing sent from now on arrives.
    dead: bool,
    lost_up: bool,
    lost_down: bool,
    up_ready: u64,
    down_ready: u64,
    in_flight: (u32, u32),
}

/// All connections of a history.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) links: BTreeMap<LinkId, Link>,
    next: LinkId,
    rng: Rng,
    weather: Weather,
    /// The server's port answers.
    pub(crate) server_up: bool,
    /// Upgrades are refused with this `Retry-After`.
    pub(crate) refuse: Option<u64>,
    /// What was sent, with its time of arrival.
    pub(crate) out: Vec<(u64, Parcel)>,
    pub(crate) seen: Vec<Mark>,
    /// The longest that a text to the device took, as far as it bears on the server's clock.
    pub(crate) slowest: u64,
}

impl Network {
    pub(crate) fn new(rng: Rng) -> Network {
        Network {
            links: BTreeMap::new(),
            next: 1,
            rng,
            weather: Weather::Good,
            server_up: true,
            refuse: None,
            out: Vec::new(),
            seen: Vec::new(),
            slowest: 0,
        }
    }

    pub(crate) fn set_weather(&mut self, t: u64, weather: Weather) {
        self.weather = weather;
        let open: Vec<LinkId> = self.links.keys().copied().collect();
        for link in open {
            match weather {
                Weather::Down => self.cut(t, link),
                Weather::Hole => self.half_open(link),
                Weather::Good | Weather::Slow => {}
            }
        }
    }

    pub(crate) fn latency(&mut self) -> u64 {
        match self.weather {
            Weather::Slow if self.rng.chance(10) => self.rng.range(500, 6_000),
            Weather::Slow => self.rng.range(80, 600),
            _ => self.rng.range(8, 60),
        }
    }

    /// Whether an HTTP request gets through just now.
    pub(crate) fn reaches_server(&self) -> Result<(), bool> {
        match self.weather {
            Weather::Down => Err(false),
            Weather::Hole => Err(true),
            _ if !self.server_up => Err(false),
            _ => Ok(()),
        }
    }

    /// The device asks for a connection.
    pub(crate) fn open(&mut self, t: u64, process: u32, socket: SocketId) -> LinkId {
        let id = self.next;
        self.next += 1;
        let fails = self.weather == Weather::Down || !self.server_up;
        let hangs = self.weather == Weather::Hole;
        let live = !fails && !hangs && self.refuse.is_none();
        self.links.insert(
            id,
            Link {
                process,
                socket,
                device: true,
                server: live,
                dead: !live,
                lost_up: !live,
                lost_down: false,
                up_ready: t,
                down_ready: t,
                in_flight: (0, 0),
            },
        );
        let there = self.latency();
        if hangs {
            self.seen.push(Mark::ConnectHung);
        } else if fails {
            self.seen.push(Mark::ConnectFailed);
            let at = t + self.rng.skewed(1, 3_000);
            self.out.push((at, Parcel::ToDevice(id, Down::Closed { code: 1006, retry_after_ms: None })));
        } else if let Some(retry_after_ms) = self.refuse {
            self.seen.push(Mark::UpgradeRefused);
            let down = Down::Closed { code: 1006, retry_after_ms: Some(retry_after_ms) };
            self.out.push((t + 2 * there, Parcel::ToDevice(id, down)));
        } else {
            let back = self.latency();
            self.send_up(t, id, Up::Accept, there);
            self.send_down(t + there, id, Down::Opened, back);
        }
        id
    }

    fn send_up(&mut self, t: u64, id: LinkId, what: Up, latency: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.dead {
            return;
        }
        link.up_ready = link.up_ready.max(t + latency);
        link.in_flight.0 += 1;
        self.out.push((link.up_ready, Parcel::ToServer(id, what)));
    }

    fn send_down(&mut self, t: u64, id: LinkId, what: Down, latency: u64) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if link.dead {
            return;
        }
        link.down_ready = link.down_ready.max(t + latency);
        link.in_flight.1 += 1;
        let took = link.down_ready - t;
        self.slowest = self.slowest.max(took);
        self.out.push((link.down_ready, Parcel::ToDevice(id, what)));
    }

    pub(crate) fn text_up(&mut self, t: u64, id: LinkId, text: String) {
        let latency = self.latency();
        self.send_up(t, id, Up::Text(text), latency);
    }

    pub(crate) fn text_down(&mut self, t: u64, id: LinkId, text: String) {
        let latency = self.latency();
        self.send_down(t, id, Down::Text(text), latency);
    }

    /// A WebSocket ping: answered by whatever holds the other end, if the way is open.
    pub(crate) fn probe(&mut self, t: u64, id: LinkId) {
        let latency = self.latency() * 2;
        if self.links.get(&id).is_some_and(|l| l.device) {
            self.send_up(t, id, Up::Alive, latency);
        }
    }

    /// The device closes: what it sent before still goes out.
    pub(crate) fn device_closes(&mut self, t: u64, id: LinkId) {
        let latency = self.latency();
        self.send_up(t, id, Up::Closed, latency);
        if let Some(link) = self.links.get_mut(&id) {
            link.device = false;
        }
    }

    /// The server closes: what it sent before still arrives first.
    pub(crate) fn server_closes(&mut self, t: u64, id: LinkId, code: u16) {
        let latency = self.latency();
        self.send_down(t, id, Down::Closed { code, retry_after_ms: None }, latency);
        if let Some(link) = self.links.get_mut(&id) {
            link.server = false;
        }
    }

    /// The connection breaks. Each end learns of it by itself, or not at all; what is under way arrives or is lost.
    pub(crate) fn cut(&mut self, t: u64, id: LinkId) {
        let (device_learns, server_learns) = (self.rng.chance(70), self.rng.chance(70));
        let (up, down) = (self.rng.skewed(1, 4_000), self.rng.skewed(1, 4_000));
        let (lost_up, lost_down) = (self.rng.chance(50), self.rng.chance(50));
        let Some(link) = self.links.get_mut(&id).filter(|l| !l.dead) else { return };
        self.seen.push(Mark::Cut);
        if link.in_flight.0 + link.in_flight.1 > 0 {
            self.seen.push(Mark::CutInFlight);
        }
        link.dead = true;
        link.lost_up |= lost_up;
        link.lost_down |= lost_down;
        if device_learns {
            let at = link.down_ready.max(t) + down;
            self.out.push((at, Parcel::ToDevice(id, Down::Closed { code: 1006, retry_after_ms: None })));
        }
        if server_learns {
            let at = link.up_ready.max(t) + up;
            self.out.push((at, Parcel::ToServer(id, Up::Closed)));
        }
    }

    /// Nothing arrives any more, and nobody is told.
    pub(crate) fn half_open(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id).filter(|l| !l.dead) {
            self.seen.push(Mark::HalfOpen);
            link.dead = true;
            link.lost_up = true;
            link.lost_down = true;
        }
    }

    pub(crate) fn stall(&mut self, t: u64, id: LinkId, ms: u64) {
        if let Some(link) = self.links.get_mut(&id) {
            self.seen.push(Mark::Stall);
            link.up_ready = link.up_ready.max(t) + ms;
            link.down_ready = link.down_ready.max(t) + ms;
        }
    }

    /// The server's process died: its kernel resets what was open, where a reset still gets through.
    pub(crate) fn server_dies(&mut self, t: u64) {
        let open: Vec<LinkId> = self.links.iter().filter(|(_, l)| l.server).map(|(id, _)| *id).collect();
        for id in open {
            let code = self.rng.pick(&[1006, 1006, 1012, 1001]);
            self.server_closes(t, id, code);
            if let Some(link) = self.links.get_mut(&id) {
                link.dead = true;
                link.lost_up = true;
            }
        }
    }

    /// The device's process died: its kernel resets what was open.
    pub(crate) fn device_dies(&mut self, t: u64, process: u32) {
        let open = self.links.iter().filter(|(_, l)| l.process == process && l.device);
        let open: Vec<LinkId> = open.map(|(id, _)| *id).collect();
        for id in open {
            self.device_closes(t, id);
        }
    }

    /// Whether a parcel that is due reaches its end.
    pub(crate) fn arrives(&mut self, parcel: &Parcel) -> bool {
        match parcel {
            Parcel::ToServer(id, what) => {
                let Some(link) = self.links.get_mut(id) else { return false };
                link.in_flight.0 = link.in_flight.0.saturating_sub(1);
                // The news of a break is not carried by the connection itself.
                let news = *what == Up::Closed;
                let arrives = link.server && (news || !link.lost_up);
                if news {
                    link.server = false;
                }
                arrives
            }
            Parcel::ToDevice(id, what) => {
                let Some(link) = self.links.get_mut(id) else { return false };
                link.in_flight.1 = link.in_flight.1.saturating_sub(1);
                matches!(what, Down::Closed { .. }) || !link.lost_down
            }
        }
    }

    pub(crate) fn of_socket(&self, process: u32, socket: SocketId) -> Option<LinkId> {
        self.links.iter().rev().find(|(_, l)| l.process == process && l.socket == socket).map(|(id, _)| *id)
    }

    /// Connections that both ends have let go of.
    pub(crate) fn forget_closed(&mut self) {
        let next = self.next;
        self.links.retain(|id, l| l.device || l.server || id + 20 > next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(net: &mut Network) -> Vec<Parcel> {
        let mut due = std::mem::take(&mut net.out);
        due.sort_by_key(|(at, _)| *at);
        due.into_iter().map(|(_, parcel)| parcel).filter(|p| net.arrives(p)).collect()
    }

    fn opened() -> (Network, LinkId) {
        let mut net = Network::new(Rng::new(1));
        let id = net.open(0, 1, SocketId(1));
        assert_eq!(
            arrivals(&mut net),
            [Parcel::ToServer(id, Up::Accept), Parcel::ToDevice(id, Down::Opened)]
        );
        (net, id)
    }

    #[test]
    fn a_live_connection_keeps_the_order() {
        let (mut net, id) = opened();
        for n in 0..50 {
            net.text_down(100 + n, id, n.to_string());
        }
        let expected: Vec<Parcel> =
            (0..50).map(|n| Parcel::ToDevice(id, Down::Text(n.to_string()))).collect();
        assert_eq!(arrivals(&mut net), expected);
    }

    #[test]
    fn nothing_crosses_a_half_open_connection_and_nobody_is_told() {
        let (mut net, id) = opened();
        net.text_up(100, id, "in flight".into());
        net.half_open(id);
        net.text_up(110, id, "later".into());
        net.text_down(110, id, "later".into());
        assert!(arrivals(&mut net).is_empty());
    }

    #[test]
    fn a_cut_may_deliver_what_is_in_flight_but_nothing_later() {
        let (mut delivered, mut lost) = (0, 0);
        for seed in 0..50 {
            let mut net = Network::new(Rng::new(seed));
            let id = net.open(0, 1, SocketId(1));
            arrivals(&mut net);
            net.text_up(100, id, "in flight".into());
            net.cut(101, id);
            net.text_up(102, id, "later".into());
            let came = arrivals(&mut net);
            assert!(!came.contains(&Parcel::ToServer(id, Up::Text("later".into()))));
            if came.contains(&Parcel::ToServer(id, Up::Text("in flight".into()))) {
                delivered += 1
            } else {
                lost += 1
            }
        }
        assert!(delivered > 10 && lost > 10, "{delivered} delivered, {lost} lost");
    }

    #[test]
    fn a_close_follows_what_was_sent_before_it() {
        let (mut net, id) = opened();
        net.text_down(100, id, "last words".into());
        net.server_closes(100, id, 4010);
        let closed = Down::Closed { code: 4010, retry_after_ms: None };
        assert_eq!(
            arrivals(&mut net),
            [Parcel::ToDevice(id, Down::Text("last words".into())), Parcel::ToDevice(id, closed)]
        );
    }
}
