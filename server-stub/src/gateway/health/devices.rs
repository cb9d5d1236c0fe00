//! The reconnect rate: what it is, and what it is counted from.
//!
//! **The reconnect rate is the share of the devices with a player's socket at some moment of the last five minutes
//! (`timers.reconnect_window`) that within that time came back after losing one.** A socket is lost when neither side wished its end: it
//! broke or fell silent, we closed it for our own trouble (4008, 1011), or its device authenticated again while we still held it for alive.
//! Not lost are sockets that the client closed (background, end of the game), that we closed as idle (4009) or to restart in order
//! (4010), or for what the client did. A device that comes back later than five minutes after the loss was away, and does not count.
//!
//! Devices are counted, not sockets: one player on a bad train is one device, however often he reconnects. After a crash of this process
//! (not after an orderly end) the devices whose sockets were open are taken for lost at its start.

use std::collections::HashMap;

/// Devices that are remembered at once; of more than these the rate is that of these.
const MOST: usize = 262_144;

/// The devices of the window, by a hash of player and device.
#[derive(Debug)]
pub(super) struct Devices {
    window: u64,
    table: HashMap<u64, Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    open: u32,
    /// When it was last here.
    last: u64,
    /// When it lost its socket, if it has not come back.
    lost: Option<u64>,
    /// When it last came back after a loss.
    back: Option<u64>,
}

/// How a socket ended, as far as the rate is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Wished,
    Lost,
    /// Its device has another one, or is about to.
    Replaced,
}

/// The rate and what it is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Share {
    pub(crate) devices: u32,
    pub(crate) reconnected: u32,
    #[serde(rename = "reconnectRate")]
    pub(crate) rate: f64,
}

impl Devices {
    pub(super) fn new(window: u64) -> Devices {
        Devices { window, table: HashMap::new() }
    }

    /// A device's socket has authenticated. Whether it is back after a loss.
    pub(super) fn came(&mut self, device: u64, now: u64) -> bool {
        if self.table.len() >= MOST && !self.table.contains_key(&device) {
            return false;
        }
        let seen = self.table.entry(device).or_default();
        let lost_lately = seen.lost.take().is_some_and(|lost| now.saturating_sub(lost) <= self.window);
        let back = lost_lately || seen.open > 0;
        seen.open += 1;
        seen.last = now;
        if back {
            seen.back = Some(now);
        }
        back
    }

    /// A device's authenticated socket has ended.
    pub(super) fn left(&mut self, device: u64, end: End, now: u64) {
        let Some(seen) = self.table.get_mut(&device) else { return };
        seen.open = seen.open.saturating_sub(1);
        seen.last = now;
        // A fence reaches the old socket before or after its successor is counted.
        let lost = end == End::Lost || end == End::Replaced;
        seen.lost = (lost && seen.open == 0).then_some(now);
    }

    /// A device had a socket when the process before this one crashed.
    pub(super) fn interrupted(&mut self, device: u64, now: u64) {
        if self.table.len() < MOST {
            self.table.insert(device, Seen { last: now, lost: Some(now), ..Seen::default() });
        }
    }

    /// The share now; forgets whom the window has left behind.
    pub(super) fn share(&mut self, now: u64) -> Share {
        let begin = now.saturating_sub(self.window);
        self.table.retain(|_, seen| seen.open > 0 || seen.last >= begin);
        if self.table.capacity() > 4 * self.table.len().max(1_024) {
            self.table.shrink_to_fit();
        }
        let devices = self.table.len() as u32;
        let reconnected =
            self.table.values().filter(|seen| seen.back.is_some_and(|back| back >= begin)).count();
        let rate = if devices == 0 { 0.0 } else { reconnected as f64 / f64::from(devices) };
        Share { devices, reconnected: reconnected as u32, rate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: u64 = 300_000;

    fn share(devices: &mut Devices, now: u64) -> (u32, u32) {
        let share = devices.share(now);
        assert_eq!(share.rate, f64::from(share.reconnected) / f64::from(share.devices.max(1)));
        (share.devices, share.reconnected)
    }

    #[test]
    fn a_loss_and_a_return_count_once_a_device() {
        let mut devices = Devices::new(WINDOW);
        for device in 0..10 {
            assert!(!devices.came(device, 0));
        }
        for round in 0..5 {
            devices.left(3, End::Lost, 1_000 * round);
            assert!(devices.came(3, 1_000 * round + 500));
        }
        assert_eq!(share(&mut devices, 10_000), (10, 1));
        // The window passes over it.
        assert_eq!(share(&mut devices, 4_500 + WINDOW), (10, 1));
        assert_eq!(share(&mut devices, 4_501 + WINDOW), (10, 0));
    }

    #[test]
    fn what_was_wished_is_no_loss() {
        let mut devices = Devices::new(WINDOW);
        devices.came(1, 0);
        devices.left(1, End::Wished, 10);
        assert!(!devices.came(1, 20));
        // A loss before the wish is not remembered either.
        devices.left(1, End::Lost, 30);
        assert!(devices.came(1, 40));
        devices.left(1, End::Wished, 50);
        assert!(!devices.came(1, 60));
    }

    #[test]
    fn whoever_stays_away_longer_than_the_window_was_away() {
        let mut devices = Devices::new(WINDOW);
        devices.came(1, 0);
        devices.left(1, End::Lost, 10);
        assert_eq!(share(&mut devices, 10 + WINDOW), (1, 0));
        assert!(!devices.came(1, 11 + WINDOW));
        assert_eq!(share(&mut devices, 2 * WINDOW + 12), (1, 0), "it is open");
        devices.left(1, End::Wished, 2 * WINDOW + 20);
        assert_eq!(share(&mut devices, 3 * WINDOW + 21), (0, 0));
    }

    #[test]
    fn a_takeover_is_a_return_in_whichever_order_its_halves_come() {
        let mut devices = Devices::new(WINDOW);
        devices.came(1, 0);
        assert!(devices.came(1, 10));
        devices.left(1, End::Replaced, 11);
        devices.came(2, 0);
        devices.left(2, End::Replaced, 10);
        assert!(devices.came(2, 11));
        assert_eq!(share(&mut devices, 20), (2, 2));
        // The first one's successor is no loss by itself.
        devices.left(1, End::Wished, 30);
        assert!(!devices.came(1, 31));
    }

    #[test]
    fn a_crash_is_a_loss_of_all() {
        let mut devices = Devices::new(WINDOW);
        for device in 0..4 {
            devices.interrupted(device, 0);
        }
        assert!(devices.came(0, 2_000) && devices.came(1, 2_500));
        assert_eq!(share(&mut devices, 3_000), (4, 2));
    }
}
