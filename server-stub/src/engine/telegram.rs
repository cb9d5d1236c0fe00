//! Telegram's word on who a player is: the `initData` of a Mini App, checked by the bot's token (HMAC) or, for who has no token, by
//! Telegram's public key (Ed25519). An error names the field and never repeats what was sent.
//!
//! The two ways differ in what they cover. The hash is over all pairs but itself; the signature is over all but itself and the hash.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use ring::{hmac, signature};
use serde::Deserialize;

use crate::settings::{Secret, TelegramSettings};

/// Longer ones are nobody's: `castline` sends none.
const MAX_BYTES: usize = 8_192;
/// An `auth_date` this far ahead is taken for a clock that is a little fast.
const MAX_AHEAD_S: i64 = 60;
/// Telegram's public key for players' bots, and the one of its test environment.
const PRODUCTION_KEY: &str = "e7bf03a2fa4602af4580703d88dda5bb59f32ed8b02a56c187fe7d34caed242d";
const TEST_KEY: &str = "40055058a4ee38156a06562e52eece92a771bcd8346a8c4615cb7376eddf72ec";
/// Hex digits of a player's name.
const PLAYER_DIGITS: usize = 20;

/// Why it is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadInitData {
    pub(crate) field: &'static str,
    pub(crate) why: &'static str,
    /// It was good once.
    pub(crate) expired: bool,
}

fn bad<T>(field: &'static str, why: &'static str) -> Result<T, BadInitData> {
    Err(BadInitData { field, why, expired: false })
}

/// How it is checked.
enum Way {
    /// By the secret that follows from the bot's token.
    Token(hmac::Key),
    /// By Telegram's key.
    Key { bot_id: u64, key: Vec<u8> },
}

/// Checks `initData`, and knows under which name a player goes here.
pub(crate) struct Telegram {
    way: Way,
    id_key: hmac::Key,
    max_age_s: i64,
}

impl Telegram {
    /// `None`: it is not configured.
    pub(crate) fn new(settings: &TelegramSettings, id_key: &Secret) -> Option<Telegram> {
        let way = match (&settings.bot_token, settings.bot_id) {
            (Some(token), _) => {
                let outer = hmac::Key::new(hmac::HMAC_SHA256, b"WebAppData");
                let secret = hmac::sign(&outer, token.expose().as_bytes());
                Way::Token(hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref()))
            }
            (None, 0) => return None,
            (None, bot_id) => {
                let key = if settings.test { TEST_KEY } else { PRODUCTION_KEY };
                Way::Key { bot_id, key: hex::decode(key).expect("a constant in hex") }
            }
        };
        let id_key = hmac::Key::new(hmac::HMAC_SHA256, id_key.expose().as_bytes());
        Some(Telegram { way, id_key, max_age_s: (settings.max_age / 1000) as i64 })
    }

    /// The player whom the raw `initData` names, at `now_s` seconds since 1970.
    pub(crate) fn player(&self, init_data: &str, now_s: i64) -> Result<String, BadInitData> {
        let pairs = pairs(init_data)?;
        self.verify(&pairs)?;
        let Some(date) = value(&pairs, "auth_date") else { return bad("auth_date", "missing") };
        let Some(date) = seconds(date) else {
            return bad("auth_date", "it must be whole seconds since 1970");
        };
        if date > now_s + MAX_AHEAD_S {
            return bad("auth_date", "it lies in the future");
        }
        if now_s - date > self.max_age_s {
            return Err(BadInitData { field: "auth_date", why: "too long ago", expired: true });
        }
        let Some(user) = value(&pairs, "user") else { return bad("user", "missing") };
        #[derive(Deserialize)]
        struct User {
            id: u64,
        }
        match serde_json::from_str::<User>(user) {
            Ok(user) if user.id > 0 => Ok(self.name(user.id)),
            _ => bad("user", "it must be a JSON object with an id"),
        }
    }

    /// A player's name tells other players nothing of who he is at Telegram.
    fn name(&self, id: u64) -> String {
        let mut digits = hex::encode(hmac::sign(&self.id_key, id.to_string().as_bytes()));
        digits.truncate(PLAYER_DIGITS);
        format!("tg_{digits}")
    }

    fn verify(&self, pairs: &[(String, String)]) -> Result<(), BadInitData> {
        match &self.way {
            Way::Token(secret) => {
                let Some(hash) = value(pairs, "hash") else { return bad("hash", "missing") };
                let form = "it must be 64 hex digits in lower case";
                if hash.len() != 64 || !hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                    return bad("hash", form);
                }
                let Ok(hash) = hex::decode(hash) else { return bad("hash", form) };
                // In constant time.
                let good = hmac::verify(secret, checked(pairs, &["hash"]).as_bytes(), &hash);
                good.or(bad("hash", "it does not fit the bot's token"))
            }
            Way::Key { bot_id, key } => {
                let Some(sign) = value(pairs, "signature") else { return bad("signature", "missing") };
                let Ok(sign) = Base64UrlUnpadded::decode_vec(sign) else {
                    return bad("signature", "it must be base64url without padding");
                };
                let text = format!("{bot_id}:WebAppData\n{}", checked(pairs, &["hash", "signature"]));
                let key = signature::UnparsedPublicKey::new(&signature::ED25519, key);
                key.verify(text.as_bytes(), &sign).or(bad("signature", "it does not fit the bot's id"))
            }
        }
    }
}

impl fmt::Debug for Telegram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telegram").finish_non_exhaustive()
    }
}

fn value<'a>(pairs: &'a [(String, String)], key: &str) -> Option<&'a str> {
    pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

fn seconds(text: &str) -> Option<i64> {
    let digits = (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// What hash and signature are over: the pairs by name, a line each.
fn checked(pairs: &[(String, String)], without: &[&str]) -> String {
    let mut lines: Vec<String> = pairs
        .iter()
        .filter(|(name, _)| !without.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// The decoded pairs. Stricter than a browser: what could be read in two ways is refused, so that whoever signed it and we never read
/// two different things.
fn pairs(init_data: &str) -> Result<Vec<(String, String)>, BadInitData> {
    if init_data.is_empty() || init_data.len() > MAX_BYTES {
        return bad("initData", "it must be 1 to 8192 bytes");
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    for pair in init_data.split('&') {
        let Some((name, value)) = pair.split_once('=') else {
            return bad("initData", "it must be name=value pairs");
        };
        let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
            return bad("initData", "a pair is not percent-encoded UTF-8");
        };
        // A line break in a name would make two lines of one.
        if name.is_empty() || name.contains(['=', '\n']) {
            return bad("initData", "a name is empty, or holds a sign that no name has");
        }
        if pairs.iter().any(|(known, _)| *known == name) {
            return bad("initData", "a name is given twice");
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// `+` is a space, as in every query.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut into = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        into.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) =
                    (char::from(bytes.next()?).to_digit(16)?, char::from(bytes.next()?).to_digit(16)?);
                (high * 16 + low) as u8
            }
            other => other,
        });
    }
    String::from_utf8(into).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    const TOKEN: &str = "5768337691:AAH5YkoiEuPk8-FZa32hStHTqXiLPtAEhx8";
    /// Public, in many implementations' tests.
    const DATA: &str = "query_id=AAHdF6IQAAAAAN0XohDhrOrc&user=%7B%22id%22%3A279058397%2C%22first_name%22%3A%22Vladislav%22%2C%22last_name%22%3A%22Kibenko%22%2C%22username%22%3A%22vdkfrost%22%2C%22language_code%22%3A%22ru%22%2C%22is_premium%22%3Atrue%7D&auth_date=1662771648&hash=c501b71e775f74ce10e377dea85a7ea24ecd640b223ea86dfe453e0eaed2e2b2";
    const AT: i64 = 1_662_771_648;
    /// Signed by Telegram itself, for bot 7342037359; public as well.
    const SIGNED: &str = "user=%7B%22id%22%3A279058397%2C%22first_name%22%3A%22Vladislav%20%2B%20-%20%3F%20%5C%2F%22%2C%22last_name%22%3A%22Kibenko%22%2C%22username%22%3A%22vdkfrost%22%2C%22language_code%22%3A%22ru%22%2C%22is_premium%22%3Atrue%2C%22allows_write_to_pm%22%3Atrue%2C%22photo_url%22%3A%22https%3A%5C%2F%5C%2Ft.me%5C%2Fi%5C%2Fuserpic%5C%2F320%5C%2F4FPEE4tmP3ATHa57u6MqTDih13LTOiMoKoLDRG4PnSA.svg%22%7D&chat_instance=8134722200314281151&chat_type=private&auth_date=1733584787&hash=2174df5b000556d044f3f020384e879c8efcab55ddea2ced4eb752e93e7080d6&signature=zL-ucjNyREiHDE8aihFwpfR9aggP2xiAo3NSpfe-p7IbCisNlDKlo7Kb6G4D0Ao2mBrSgEk4maLSdv6MLIlADQ";
    const SIGNED_AT: i64 = 1_733_584_787;
    const SIGNED_TOKEN: &str = "7342037359:AAFZehRPBRs8Seg40oDjTMIW8uTGPuW1zfQ";

    fn id_key() -> Secret {
        Secret::new("a key for players' names, 32 bytes")
    }

    fn by_token(token: &str) -> Telegram {
        let settings =
            TelegramSettings { bot_token: Some(Secret::new(token)), ..TelegramSettings::default() };
        Telegram::new(&settings, &id_key()).unwrap()
    }

    fn by_key(bot_id: u64, test: bool) -> Telegram {
        let settings = TelegramSettings { bot_id, test, ..TelegramSettings::default() };
        Telegram::new(&settings, &id_key()).unwrap()
    }

    /// What Telegram would make of these pairs.
    fn hashed(pairs: &str) -> String {
        let read = super::pairs(pairs).unwrap();
        let Way::Token(secret) = by_token(TOKEN).way else { unreachable!() };
        let hash = hex::encode(hmac::sign(&secret, checked(&read, &["hash"]).as_bytes()));
        format!("{pairs}&hash={hash}")
    }

    fn refused(result: Result<String, BadInitData>) -> (&'static str, bool) {
        let bad = result.unwrap_err();
        (bad.field, bad.expired)
    }

    #[test]
    fn telegrams_word_names_a_player_by_either_way() {
        let name = by_token(TOKEN).player(DATA, AT).unwrap();
        assert!(
            name.len() == 23 && name.starts_with("tg_") && castline::protocol::is_player_id(&name),
            "{name}"
        );
        // The same player by whatever way, as long as the key of the names is the same; not his id at Telegram.
        assert_eq!(by_token(SIGNED_TOKEN).player(SIGNED, SIGNED_AT), Ok(name.clone()));
        assert_eq!(by_key(7_342_037_359, false).player(SIGNED, SIGNED_AT), Ok(name.clone()));
        assert!(!name.contains("279058397"));
        let settings =
            TelegramSettings { bot_token: Some(Secret::new(TOKEN)), ..TelegramSettings::default() };
        let other = Telegram::new(&settings, &Secret::new("another key for players' names")).unwrap();
        assert_ne!(other.player(DATA, AT), Ok(name));
        assert!(Telegram::new(&TelegramSettings::default(), &id_key()).is_none());
    }

    #[test]
    fn what_telegram_did_not_say_is_refused() {
        let telegram = by_token(TOKEN);
        assert_eq!(refused(by_token(SIGNED_TOKEN).player(DATA, AT)), ("hash", false));
        assert_eq!(refused(by_key(7_342_037_360, false).player(SIGNED, SIGNED_AT)), ("signature", false));
        assert_eq!(refused(by_key(7_342_037_359, true).player(SIGNED, SIGNED_AT)), ("signature", false));
        assert_eq!(refused(by_key(7_342_037_359, false).player(DATA, AT)), ("signature", false));
        let without = |name: &str, data: &str| {
            let kept: Vec<&str> = data.split('&').filter(|p| !p.starts_with(&format!("{name}="))).collect();
            kept.join("&")
        };
        for (data, field) in [
            (format!("{DATA}x"), "hash"),
            (format!("{DATA}&more=1"), "hash"),
            (format!("{DATA}&"), "initData"),
            (format!("&{DATA}"), "initData"),
            (
                format!("{DATA}&hash=c501b71e775f74ce10e377dea85a7ea24ecd640b223ea86dfe453e0eaed2e2b2"),
                "initData",
            ),
            (format!("{DATA}&auth%5Fdate=1662771649"), "initData"),
            (without("hash", DATA), "hash"),
            (without("query_id", DATA), "hash"),
            (DATA.replace("c501", "C501"), "hash"),
            (DATA.replace("hash=c501", "hash="), "hash"),
            (String::new(), "initData"),
            ("hash".to_owned(), "initData"),
            ("=1".to_owned(), "initData"),
            ("a=%".to_owned(), "initData"),
            ("a=%+1".to_owned(), "initData"),
            ("a=%zz".to_owned(), "initData"),
            ("a=%ff".to_owned(), "initData"),
            ("a%0Ab=1".to_owned(), "initData"),
            (format!("a={}", "x".repeat(8_191)), "initData"),
        ] {
            assert_eq!(refused(telegram.player(&data, AT)).0, field, "{data}");
        }
    }

    #[test]
    fn a_word_has_its_time_and_names_somebody() {
        let telegram = by_token(TOKEN);
        let user = "user=%7B%22id%22%3A7%7D";
        assert!(telegram.player(&hashed(&format!("{user}&auth_date={AT}")), AT).is_ok());
        for (now, expected) in
            [(AT - 60, None), (AT + 86_400, None), (AT - 61, Some(false)), (AT + 86_401, Some(true))]
        {
            let answer = telegram.player(DATA, now);
            assert_eq!(answer.clone().err().map(|bad| bad.expired), expected, "{now}: {answer:?}");
        }
        for (pairs, field) in [
            (user.to_owned(), "auth_date"),
            (format!("{user}&auth_date="), "auth_date"),
            (format!("{user}&auth_date=yesterday"), "auth_date"),
            (format!("{user}&auth_date={AT}.5"), "auth_date"),
            (format!("{user}&auth_date=-1"), "auth_date"),
            (format!("{user}&auth_date=%2B{AT}"), "auth_date"),
            (format!("{user}&auth_date=99999999999999999999"), "auth_date"),
            (format!("auth_date={AT}"), "user"),
            (format!("user=&auth_date={AT}"), "user"),
            (format!("user=7&auth_date={AT}"), "user"),
            (format!("user=%7B%7D&auth_date={AT}"), "user"),
            (format!("user=%7B%22id%22%3A0%7D&auth_date={AT}"), "user"),
            (format!("user=%7B%22id%22%3A-7%7D&auth_date={AT}"), "user"),
            (format!("user=%7B%22id%22%3A%227%22%7D&auth_date={AT}"), "user"),
            (format!("user=%7B%22id%22%3A7%2C%22id%22%3A8%7D&auth_date={AT}"), "user"),
        ] {
            assert_eq!(refused(telegram.player(&hashed(&pairs), AT)), (field, false), "{pairs}");
        }
    }

    /// What one byte makes different is believed only where nothing was made different: `%7B` is `%7b`.
    fn mutated_byte_by_byte(
        telegram: &Telegram,
        data: &str,
        now: i64,
        uncovered: &str,
        step: usize,
    ) -> usize {
        let read = |text: &str| {
            let mut read = super::pairs(text).unwrap();
            read.retain(|(name, _)| name != uncovered);
            read
        };
        let (original, mut believed) = (read(data), 0);
        for at in 0..data.len() {
            for byte in (0x20 + at % step..0x7f).step_by(step) {
                let byte = byte as u8;
                if byte == data.as_bytes()[at] {
                    continue;
                }
                let mut bytes = data.as_bytes().to_vec();
                bytes[at] = byte;
                let changed = String::from_utf8(bytes).unwrap();
                if telegram.player(&changed, now).is_ok() {
                    assert_eq!(read(&changed), original, "{changed}");
                    believed += 1;
                }
            }
        }
        believed
    }

    #[test]
    fn no_changed_byte_is_believed() {
        let believed = mutated_byte_by_byte(&by_token(TOKEN), DATA, AT, "", 1);
        // As many as there are letters in `%7B` and the like.
        assert!((1..60).contains(&believed), "{believed}");
        // The hash is not among what the signature covers.
        let telegram = by_key(7_342_037_359, false);
        mutated_byte_by_byte(&telegram, SIGNED, SIGNED_AT, "hash", 19);
    }

    #[test]
    fn whatever_comes_there_is_an_answer() {
        let (telegram, seed) = (by_token(TOKEN), 20_260_101);
        let mut rng = StdRng::seed_from_u64(seed);
        for _ in 0..20_000 {
            let mut bytes = DATA.as_bytes().to_vec();
            for _ in 0..rng.random_range(1..6) {
                let at = rng.random_range(0..bytes.len());
                match rng.random_range(0..3) {
                    0 => bytes[at] = rng.random(),
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, rng.random()),
                }
            }
            let text = String::from_utf8_lossy(&bytes);
            if telegram.player(&text, AT).is_ok() {
                let mut read = super::pairs(&text).unwrap();
                let mut original = super::pairs(DATA).unwrap();
                read.sort();
                original.sort();
                assert_eq!(read, original, "{text}");
            }
        }
    }

    /// Every byte percent-encoded: no reading of it is in doubt.
    fn encoded(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02x}")).collect()
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_refused_by_a_field(text in ".{0,80}") {
            for telegram in [by_token(TOKEN), by_key(7_342_037_359, false)] {
                let bad = telegram.player(&text, AT).unwrap_err();
                proptest::prop_assert!(!bad.field.is_empty() && !bad.why.is_empty());
            }
        }

        #[test]
        fn pairs_are_read_as_they_were_written(
            written in proptest::collection::btree_map("[^=\n]{1,6}", ".{0,12}", 1..6),
        ) {
            let text: Vec<String> =
                written.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
            let read = super::pairs(&text.join("&")).unwrap();
            proptest::prop_assert_eq!(read.into_iter().collect::<std::collections::BTreeMap<_, _>>(), written);
        }
    }
}
