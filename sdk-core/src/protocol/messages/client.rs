//! How a client reads and writes the types of the wire: without serde, which the server uses (see `protocol/json.rs`). A member's default
//! here is that of its `serde` attribute; the tests below hold the two against each other.

use super::{
    AuthFailed, Authenticated, BetAcknowledged, BetSettled, Connected, ErrorReply, FlagsChanged, GameJoined,
    Lease, PlayerMoved, Pong, Reconnect, RoomState,
};
use crate::protocol::json::{self, Json, Members, Value};
use crate::protocol::limits;

/// A type that a client reads.
pub(crate) trait Read: Sized {
    /// Of the members of a payload, whatever they are worth.
    fn of(members: &mut Members<'_>) -> Self;
}

/// [`NewOffer`](super::NewOffer), with what the campaign added as text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Offered {
    pub(crate) offer_id: String,
    pub(crate) campaign_id: String,
    pub(crate) title: String,
    pub(crate) discount: f64,
    pub(crate) expires_in: i64,
    pub(crate) expires_at: i64,
    pub(crate) image_url: String,
    pub(crate) data: Option<Json>,
}

/// [`GameEvent`](super::GameEvent) from the server, its data as text.
#[derive(Debug)]
pub(crate) struct Relayed {
    pub(crate) game_id: String,
    pub(crate) event: String,
    pub(crate) data: Option<Json>,
    pub(crate) n: Option<u64>,
    pub(crate) from: Option<String>,
}

/// `need`: the member must be there; `or(default)`: it may be left out; `maybe`: nothing stands for itself.
macro_rules! read {
    ($($type:ident { $($field:ident $name:literal $how:ident $(($default:expr))?,)* })*) => {
        $(impl Read for $type {
            fn of(members: &mut Members<'_>) -> Self {
                $type { $($field: members.$how($name $(, $default)?),)* }
            }
        })*
    };
}

read! {
    Connected {
        connection_id "connectionId" need,
        server_time "serverTime" need,
        heartbeat_ms "heartbeatMs" or(limits::HEARTBEAT_MS),
        dead_after_ms "deadAfterMs" or(limits::DEAD_AFTER_MS),
        idle_timeout_ms "idleTimeoutMs" or(limits::IDLE_TIMEOUT_MS),
        max_message_bytes "maxMessageBytes" or(limits::MAX_MESSAGE_BYTES as u64),
    }
    Authenticated {
        user_id "userId" need,
        session_id "sessionId" need,
        resumed "resumed" or(false),
        discarded "discarded" or(0),
        flags_version "flagsVersion" or(String::new()),
        rooms "rooms" or(Vec::new()),
    }
    RoomState {
        game_id "gameId" need,
        players "players" need,
        n "n" need,
    }
    AuthFailed {
        reason "reason" need,
    }
    Pong {
        server_time "serverTime" need,
    }
    ErrorReply {
        code "code" need,
        message "message" or(String::new()),
        retry_after_ms "retryAfterMs" maybe,
        server_seed_hash "serverSeedHash" maybe,
    }
    Reconnect {
        after_ms "afterMs" need,
    }
    FlagsChanged {
        version "version" need,
        spread_ms "spreadMs" or(0),
    }
    Lease {
        pending "pending" need,
    }
    Offered {
        offer_id "offerId" need,
        campaign_id "campaignId" or(String::new()),
        title "title" or(String::new()),
        discount "discount" or(0.0),
        expires_in "expiresIn" or(0),
        expires_at "expiresAt" need,
        image_url "imageUrl" or(String::new()),
        data "data" maybe,
    }
    GameJoined {
        game_id "gameId" need,
        players "players" need,
        n "n" need,
        balance "balance" maybe,
        server_seed_hash "serverSeedHash" maybe,
    }
    Relayed {
        game_id "gameId" need,
        event "event" need,
        data "data" maybe,
        n "n" maybe,
        from "from" maybe,
    }
    PlayerMoved {
        game_id "gameId" need,
        user_id "userId" need,
        player_count "playerCount" need,
    }
    BetAcknowledged {
        idempotency_key "idempotencyKey" need,
        status "status" need,
        balance "balance" need,
        next_seed_hash "nextSeedHash" or(String::new()),
    }
    BetSettled {
        idempotency_key "idempotencyKey" need,
        outcome "outcome" need,
        payout "payout" need,
        balance "balance" need,
        roll "roll" or(0),
        sides "sides" or(0),
        server_seed "serverSeed" or(String::new()),
        server_seed_hash "serverSeedHash" or(String::new()),
        client_seed "clientSeed" or(String::new()),
    }
}

impl Value<'_> for Vec<RoomState> {
    fn of(raw: &str) -> Option<Self> {
        let mut rooms = Vec::new();
        for (_, room) in &json::array(raw)? {
            let mut members = Members::of(room);
            rooms.push(RoomState::of(&mut members));
            members.end().ok()?;
        }
        Some(rooms)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{GameEvent, NewOffer};
    use super::*;
    use crate::rng::Rng;

    /// Objects with the members of a type, each there or not, with values that suit it or don't.
    fn payloads(names: &[&str], rng: &mut Rng) -> Vec<String> {
        const VALUES: &[&str] = &[
            "0",
            "7",
            "-7",
            "1.5",
            "60",
            "9007199254740991",
            "18446744073709551616",
            "true",
            "false",
            "null",
            "\"text\"",
            "\"\\u00e9\\n\"",
            "\"\"",
            "[]",
            "[\"a\",\"b\"]",
            "[1]",
            "{}",
            "{\"a\":[1]}",
            "[{\"gameId\":\"g\",\"players\":2,\"n\":3}]",
            "[{\"offerId\":\"o\",\"expiresAt\":5}]",
            "[{}]",
        ];
        let pick = |rng: &mut Rng| VALUES[rng.below(VALUES.len() as u64) as usize];
        (0..3_000)
            .map(|_| {
                // Most have all of their members, so that good ones are among them.
                let leave_out = rng.below(4);
                let mut members: Vec<String> = Vec::new();
                for name in names.iter().chain(&["later"]) {
                    if leave_out > 0 || rng.below(3) > 0 {
                        let value = match (leave_out, *name) {
                            (1, "resumed") => "true",
                            (1, "rooms" | "rejected" | "offers") => "[]",
                            (1, _) if rng.below(10) == 0 => pick(rng),
                            (1, name) if TEXTS.contains(&name) => "\"t\"",
                            (1, _) => "17",
                            _ => pick(rng),
                        };
                        members.push(format!("\"{name}\":{value}"));
                    }
                }
                format!("{{{}}}", members.join(","))
            })
            .collect()
    }

    /// Members that are texts; of the others most are numbers.
    const TEXTS: &[&str] = &[
        "connectionId",
        "userId",
        "sessionId",
        "flagsVersion",
        "gameId",
        "reason",
        "code",
        "message",
        "serverSeedHash",
        "version",
        "offerId",
        "campaignId",
        "title",
        "imageUrl",
        "idempotencyKey",
        "status",
        "nextSeedHash",
        "outcome",
        "serverSeed",
        "clientSeed",
        "event",
        "from",
    ];

    /// What both read is the same, and both refuse the same.
    macro_rules! as_serde {
        ($($ours:ident $theirs:ident [$($name:literal)*];)*) => {
            #[test]
            fn a_client_reads_what_serde_reads() {
                let mut rng = Rng::new(11);
                $(
                    let mut good = 0;
                    for payload in payloads(&[$($name),*], &mut rng) {
                        let theirs = serde_json::from_str::<$theirs>(&payload);
                        let mut members = Members::of(&payload);
                        let ours = $ours::of(&mut members);
                        let ours = members.end().map(|()| ours);
                        assert_eq!(ours.is_ok(), theirs.is_ok(), "{payload}: {:?} {:?}", ours.err(), theirs.err());
                        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                            assert_eq!(Texts(&ours).to_string(), Texts(&theirs).to_string(), "{payload}");
                            good += 1;
                        }
                    }
                    assert!(good > 10, "{}: {good}", stringify!($ours));
                )*
            }
        };
    }

    /// What they hold, by `Debug`, but for how text that stays JSON is kept.
    struct Texts<'a, T>(&'a T);

    impl<T: std::fmt::Debug> std::fmt::Display for Texts<'_, T> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            let text = format!("{:?}", self.0);
            let text = text.split_once(' ').map_or(&*text, |(_, members)| members);
            f.write_str(
                &text
                    .replace("RawValue(", "Json(")
                    .replace("NewOffer {", "Offered {")
                    .replace(['\\', '"'], ""),
            )
        }
    }

    as_serde! {
        Connected Connected ["connectionId" "serverTime" "heartbeatMs" "deadAfterMs" "idleTimeoutMs" "maxMessageBytes"];
        Authenticated Authenticated ["userId" "sessionId" "resumed" "discarded" "flagsVersion" "rooms"];
        RoomState RoomState ["gameId" "players" "n"];
        AuthFailed AuthFailed ["reason"];
        Pong Pong ["serverTime"];
        ErrorReply ErrorReply ["code" "message" "retryAfterMs" "serverSeedHash"];
        Reconnect Reconnect ["afterMs"];
        FlagsChanged FlagsChanged ["version" "spreadMs"];
        Lease Lease ["pending"];
        Offered NewOffer ["offerId" "campaignId" "title" "discount" "expiresIn" "expiresAt" "imageUrl" "data"];
        GameJoined GameJoined ["gameId" "players" "n" "balance" "serverSeedHash"];
        Relayed GameEvent ["gameId" "event" "data" "n" "from"];
        PlayerMoved PlayerMoved ["gameId" "userId" "playerCount"];
        BetAcknowledged BetAcknowledged ["idempotencyKey" "status" "balance" "nextSeedHash"];
        BetSettled BetSettled [
            "idempotencyKey" "outcome" "payout" "balance" "roll" "sides" "serverSeed" "serverSeedHash" "clientSeed"
        ];
    }
}
