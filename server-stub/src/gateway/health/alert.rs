//! When the reconnect rate is an alarm. It begins above one bound and ends below a lower one, so that a rate that
//! wavers about the bound rings once; of too few devices it never begins, so that a single player's bad network does not ring.

use super::devices::Share;
use crate::settings::Alerts;

/// Whether it rings.
#[derive(Debug, Default)]
pub(super) struct Alert {
    /// Since when, Unix ms.
    since: Option<i64>,
}

/// A change, to be told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Turn {
    /// It begins; else it is over.
    pub(crate) firing: bool,
    /// Unix ms.
    pub(crate) at: i64,
    pub(crate) share: Share,
}

impl Alert {
    pub(super) fn since(&self) -> Option<i64> {
        self.since
    }

    /// Looks at the rate of now.
    pub(super) fn judge(&mut self, share: Share, bounds: &Alerts, now: i64) -> Option<Turn> {
        let rings = match self.since {
            None => share.rate > bounds.reconnect_above && share.devices >= bounds.min_devices,
            Some(_) => share.rate >= bounds.reconnect_below,
        };
        if rings == self.since.is_some() {
            return None;
        }
        self.since = rings.then_some(now);
        Some(Turn { firing: rings, at: now, share })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(reconnected: u32, devices: u32) -> Share {
        Share { devices, reconnected, rate: f64::from(reconnected) / f64::from(devices) }
    }

    #[test]
    fn it_rings_once_and_ends_well_below() {
        let (mut alert, bounds) = (Alert::default(), Alerts::default());
        let mut judge =
            |reconnected, at| alert.judge(share(reconnected, 100), &bounds, at).map(|t| (t.firing, t.at));
        assert_eq!(judge(5, 1), None, "5 % is not above 5 %");
        assert_eq!(judge(6, 2), Some((true, 2)));
        for rate in [6, 50, 5, 4, 3] {
            assert_eq!(judge(rate, 3), None);
        }
        assert_eq!(judge(2, 4), Some((false, 4)));
        assert_eq!(judge(5, 5), None);
        assert_eq!(alert.since(), None);
    }

    #[test]
    fn a_single_player_does_not_ring() {
        let (mut alert, bounds) = (Alert::default(), Alerts::default());
        assert_eq!(alert.judge(share(1, 1), &bounds, 1), None);
        assert_eq!(alert.judge(share(bounds.min_devices - 1, bounds.min_devices - 1), &bounds, 1), None);
        assert!(alert.judge(share(bounds.min_devices, bounds.min_devices), &bounds, 1).is_some());
    }

    #[test]
    fn an_emptied_server_is_quiet() {
        let (mut alert, bounds) = (Alert::default(), Alerts::default());
        assert!(alert.judge(share(50, 100), &bounds, 1).is_some());
        assert!(!alert.judge(Share::default(), &bounds, 2).unwrap().firing);
    }
}
