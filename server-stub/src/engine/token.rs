//! Players' tokens: JWT, HS256 and nothing else (`PROTOCOL.md`, section 3).
//!
//! Two keys may be in use at once, so that a key can be replaced without turning away a player: the current one, by which tokens are made
//! here, and the one before it. Each has a `kid`, which follows from the secret. A token that names its key is held to that key alone.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use base64ct::{Base64UrlUnpadded, Encoding};
use castline::protocol::is_player_id;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use crate::settings::Secret;

/// A token is good for this long after its `iat`, whatever its `exp`.
const MAX_AGE_S: i64 = 300;
/// An `iat` this far ahead is taken for a clock that is a little fast.
const MAX_AHEAD_S: i64 = 60;
/// Hex digits of a `kid`.
const KID_DIGITS: usize = 16;
/// Longer texts are no tokens of ours.
const MAX_BYTES: usize = 4_096;

/// Why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadToken {
    /// It was good once.
    Expired,
    /// It is not, was not, or is not yet.
    Invalid,
    /// It names a key that is not in use, or not any more.
    UnknownKey,
    /// It is good, but its player may not play.
    Banned,
}

impl BadToken {
    /// The word on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            BadToken::Expired => "EXPIRED_TOKEN",
            BadToken::Invalid | BadToken::UnknownKey => "INVALID_TOKEN",
            BadToken::Banned => "BANNED",
        }
    }
}

/// One secret, ready for use.
struct Key {
    kid: String,
    decoding: DecodingKey,
    encoding: EncodingKey,
}

impl Key {
    fn new(secret: &Secret) -> Key {
        let bytes = secret.expose().as_bytes();
        Key {
            kid: kid_of(secret),
            decoding: DecodingKey::from_secret(bytes),
            encoding: EncodingKey::from_secret(bytes),
        }
    }
}

/// The `kid` of a secret: the first 16 hex digits of its SHA-256. It tells no more than any token that was signed with the secret does.
pub(crate) fn kid_of(secret: &Secret) -> String {
    let mut digits = hex::encode(Sha256::digest(secret.expose().as_bytes()));
    digits.truncate(KID_DIGITS);
    digits
}

/// The keys in use, the current one first.
struct Keys {
    current: Key,
    previous: Option<Key>,
}

impl Keys {
    fn new(current: &Secret, previous: Option<&Secret>) -> Arc<Keys> {
        Arc::new(Keys { current: Key::new(current), previous: previous.map(Key::new) })
    }

    /// Those that a token with this `kid` may be signed with.
    fn fitting(&self, kid: Option<&str>) -> impl Iterator<Item = &Key> {
        let all = std::iter::once(&self.current).chain(&self.previous);
        all.filter(move |key| kid.is_none_or(|kid| key.kid == kid))
    }
}

/// Checks tokens, and makes them: under `--dev`, and for Telegram's players.
pub(crate) struct Tokens {
    keys: RwLock<Arc<Keys>>,
    validation: Validation,
}

impl Tokens {
    pub(crate) fn new(current: &Secret, previous: Option<&Secret>) -> Tokens {
        let mut validation = Validation::new(Algorithm::HS256);
        // Times and the rest are checked below, by our own rules; the library checks algorithm and signature.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Tokens { keys: RwLock::new(Keys::new(current, previous)), validation }
    }

    /// From now on these keys and no others.
    pub(crate) fn replace(&self, current: &Secret, previous: Option<&Secret>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Keys::new(current, previous);
    }

    fn keys(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn claims(&self, token: &str, kid: Option<&str>) -> Result<Claims, BadToken> {
        let keys = self.keys();
        let mut fitting = keys.fitting(kid).peekable();
        if fitting.peek().is_none() {
            return Err(BadToken::UnknownKey);
        }
        let decode = |key: &Key| jsonwebtoken::decode::<Claims>(token, &key.decoding, &self.validation).ok();
        fitting.find_map(decode).map(|data| data.claims).ok_or(BadToken::Invalid)
    }

    /// The player that a token names, at `now_s` seconds since 1970.
    pub(crate) fn check(&self, token: &str, now_s: i64) -> Result<String, BadToken> {
        if token.len() > MAX_BYTES {
            return Err(BadToken::Invalid);
        }
        let kid = check_header(token)?;
        let claims = self.claims(token, kid.as_deref())?;
        let player = claims.sub.or(claims.user_id).filter(|p| is_player_id(p)).ok_or(BadToken::Invalid)?;
        let iat = claims.iat.ok_or(BadToken::Invalid)?;
        if now_s - iat < -MAX_AHEAD_S || claims.nbf.is_some_and(|nbf| nbf - MAX_AHEAD_S > now_s) {
            return Err(BadToken::Invalid);
        }
        if now_s - iat > MAX_AGE_S || claims.exp.is_some_and(|exp| now_s >= exp) {
            return Err(BadToken::Expired);
        }
        Ok(player)
    }

    /// A token for a player, good until `exp_s`.
    pub(crate) fn make(&self, player: &str, iat_s: i64, exp_s: i64) -> Result<String, String> {
        #[derive(Serialize)]
        struct Made<'a> {
            sub: &'a str,
            iat: i64,
            exp: i64,
        }
        let claims = Made { sub: player, iat: iat_s, exp: exp_s };
        let key = &self.keys().current;
        let header = Header { kid: Some(key.kid.clone()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims, &key.encoding).map_err(|e| e.to_string())
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// `crit` names extensions that must be understood; we understand none. Members twice are a trick. Returns the `kid`.
fn check_header(token: &str) -> Result<Option<String>, BadToken> {
    let header = token.split('.').next().unwrap_or_default();
    let bytes = Base64UrlUnpadded::decode_vec(header).map_err(|_| BadToken::Invalid)?;
    let header: StrictObject = serde_json::from_slice(&bytes).map_err(|_| BadToken::Invalid)?;
    let mut header = header.0;
    if header.get("alg").is_none_or(|alg| alg != "HS256") || header.contains_key("crit") {
        return Err(BadToken::Invalid);
    }
    match header.remove("kid") {
        None => Ok(None),
        Some(serde_json::Value::String(kid)) => Ok(Some(kid)),
        Some(_) => Err(BadToken::Invalid),
    }
}

#[derive(Debug, Default)]
struct Claims {
    sub: Option<String>,
    user_id: Option<String>,
    iat: Option<i64>,
    exp: Option<i64>,
    nbf: Option<i64>,
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let StrictObject(mut members) = StrictObject::deserialize(deserializer)?;
        fn text<E: de::Error>(value: Option<serde_json::Value>) -> Result<Option<String>, E> {
            match value {
                None => Ok(None),
                Some(serde_json::Value::String(text)) => Ok(Some(text)),
                Some(_) => Err(E::custom("a name that is no text")),
            }
        }
        fn seconds<E: de::Error>(value: Option<serde_json::Value>) -> Result<Option<i64>, E> {
            // NumericDate may have a fraction; years beyond 2^53 s are nobody's.
            match value {
                None => Ok(None),
                Some(value) => match value.as_f64() {
                    Some(s) if s.is_finite() && s.abs() < 9e15 => Ok(Some(s.floor() as i64)),
                    _ => Err(E::custom("a time that is no number")),
                },
            }
        }
        Ok(Claims {
            sub: text(members.remove("sub"))?,
            user_id: text(members.remove("userId"))?,
            iat: seconds(members.remove("iat"))?,
            exp: seconds(members.remove("exp"))?,
            nbf: seconds(members.remove("nbf"))?,
        })
    }
}

/// A JSON object none of whose members is there twice.
struct StrictObject(serde_json::Map<String, serde_json::Value>);

impl<'de> Deserialize<'de> for StrictObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strict;
        impl<'de> Visitor<'de> for Strict {
            type Value = StrictObject;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object without duplicate members")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut seen, mut members) = (HashSet::new(), serde_json::Map::new());
                while let Some(name) = map.next_key::<String>()? {
                    if !seen.insert(name.clone()) {
                        return Err(de::Error::custom("a member twice"));
                    }
                    members.insert(name, map.next_value()?);
                }
                Ok(StrictObject(members))
            }
        }
        deserializer.deserialize_map(Strict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_763_660_000;
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "another secret of at least 32 bytes";
    const THIRD: &str = "a third secret, of at least 32 bytes";

    fn signed(header: &str, claims: &str) -> String {
        signed_with(SECRET, header, claims)
    }

    fn signed_with(secret: &str, header: &str, claims: &str) -> String {
        let text = format!(
            "{}.{}",
            Base64UrlUnpadded::encode_string(header.as_bytes()),
            Base64UrlUnpadded::encode_string(claims.as_bytes())
        );
        let key = EncodingKey::from_secret(secret.as_bytes());
        let signature = jsonwebtoken::crypto::sign(text.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{text}.{signature}")
    }

    fn check(header: &str, claims: &str) -> Result<String, BadToken> {
        Tokens::new(&Secret::new(SECRET), None).check(&signed(header, claims), NOW)
    }

    const HS: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

    #[test]
    fn good_tokens_name_their_player() {
        assert_eq!(check(HS, &format!(r#"{{"sub":"p1","iat":{NOW}}}"#)), Ok("p1".into()));
        assert_eq!(
            check(HS, &format!(r#"{{"userId":"p2","iat":{NOW},"exp":{}}}"#, NOW + 1)),
            Ok("p2".into())
        );
        for iat in [NOW - 300, NOW + 60] {
            assert_eq!(check(HS, &format!(r#"{{"sub":"p1","iat":{iat}}}"#)), Ok("p1".into()));
        }
        let tokens = Tokens::new(&Secret::new(SECRET), None);
        assert_eq!(tokens.check(&tokens.make("p:3", NOW, NOW + 300).unwrap(), NOW), Ok("p:3".into()));
    }

    #[test]
    fn old_tokens_are_expired_and_nothing_else() {
        for claims in [
            format!(r#"{{"sub":"p1","iat":{}}}"#, NOW - 301),
            format!(r#"{{"sub":"p1","iat":{},"exp":{NOW}}}"#, NOW - 10),
        ] {
            assert_eq!(check(HS, &claims), Err(BadToken::Expired), "{claims}");
        }
    }

    #[test]
    fn everything_else_is_invalid() {
        for claims in [
            format!(r#"{{"sub":"p1","iat":{}}}"#, NOW + 61),
            r#"{"sub":"p1"}"#.to_owned(),
            format!(r#"{{"iat":{NOW}}}"#),
            format!(r#"{{"sub":"a b","iat":{NOW}}}"#),
            format!(r#"{{"sub":"{}","iat":{NOW}}}"#, "a".repeat(65)),
            format!(r#"{{"sub":7,"iat":{NOW}}}"#),
            format!(r#"{{"sub":"p1","sub":"p2","iat":{NOW}}}"#),
            format!(r#"{{"sub":"p1","iat":{NOW},"x":1,"x":1}}"#),
            format!(r#"{{"sub":"p1","iat":"{NOW}"}}"#),
            "[]".to_owned(),
        ] {
            assert_eq!(check(HS, &claims), Err(BadToken::Invalid), "{claims}");
        }
        let good = format!(r#"{{"sub":"p1","iat":{NOW}}}"#);
        for header in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"HS512"}"#,
            r#"{"alg":"HS256","crit":["exp"]}"#,
            r#"{"alg":"HS256","alg":"HS256"}"#,
            r#"{"typ":"JWT"}"#,
        ] {
            assert_eq!(check(header, &good), Err(BadToken::Invalid), "{header}");
        }
        let tokens = Tokens::new(&Secret::new(OTHER), None);
        assert_eq!(tokens.check(&signed(HS, &good), NOW), Err(BadToken::Invalid));
        for text in ["", ".", "..", "a.b.c", "é"] {
            assert_eq!(tokens.check(text, NOW), Err(BadToken::Invalid), "{text}");
        }
    }

    fn kid(secret: &str) -> String {
        format!(r#"{{"alg":"HS256","kid":"{}"}}"#, kid_of(&Secret::new(secret)))
    }

    #[test]
    fn a_kid_is_what_the_shell_says_it_is() {
        // printf %s 0123456789abcdef0123456789abcdef | sha256sum | cut -c1-16
        assert_eq!(kid_of(&Secret::new(SECRET)), "3eb1bd439947eb76");
    }

    #[test]
    fn both_keys_are_good_while_one_takes_the_others_place() {
        let (old, new) = (Secret::new(SECRET), Secret::new(OTHER));
        let claims = format!(r#"{{"sub":"p1","iat":{NOW}}}"#);
        let tokens = Tokens::new(&old, None);
        let made_before = tokens.make("p1", NOW, NOW + 300).unwrap();
        tokens.replace(&new, Some(&old));
        let made_after = tokens.make("p1", NOW, NOW + 300).unwrap();
        for token in [
            made_before.clone(),
            made_after.clone(),
            signed_with(SECRET, HS, &claims),
            signed_with(OTHER, HS, &claims),
            signed_with(SECRET, &kid(SECRET), &claims),
            signed_with(OTHER, &kid(OTHER), &claims),
        ] {
            assert_eq!(tokens.check(&token, NOW), Ok("p1".into()), "{token}");
        }
        // What is made here is signed with the current key, and says so.
        let alone = Tokens::new(&new, None);
        assert_eq!(alone.check(&made_after, NOW), Ok("p1".into()));
        let header = jsonwebtoken::decode_header(&made_after).unwrap();
        assert_eq!(header.kid, Some(kid_of(&new)));
        // The old key retires.
        tokens.replace(&new, None);
        assert_eq!(tokens.check(&made_before, NOW), Err(BadToken::UnknownKey));
        assert_eq!(tokens.check(&signed_with(SECRET, HS, &claims), NOW), Err(BadToken::Invalid));
        assert_eq!(tokens.check(&made_after, NOW), Ok("p1".into()));
        // One retired long ago, while two are in use.
        tokens.replace(&new, Some(&Secret::new(THIRD)));
        assert_eq!(tokens.check(&made_before, NOW), Err(BadToken::UnknownKey));
        assert_eq!(BadToken::UnknownKey.as_str(), "INVALID_TOKEN");
    }

    #[test]
    fn the_algorithm_is_not_the_tokens_choice() {
        let both = Tokens::new(&Secret::new(SECRET), Some(&Secret::new(OTHER)));
        let claims = format!(r#"{{"sub":"p1","iat":{NOW}}}"#);
        // The very signature that HS256 would have, under another algorithm's name; and none at all.
        for alg in
            ["none", "None", "hs256", "HS384", "HS512", "RS256", "PS256", "ES256", "EdDSA", "HS256 ", ""]
        {
            let header = format!(r#"{{"alg":"{alg}"}}"#);
            let token = signed(&header, &claims);
            assert_eq!(both.check(&token, NOW), Err(BadToken::Invalid), "{alg}");
            let (unsigned, _) = token.rsplit_once('.').unwrap();
            assert_eq!(both.check(&format!("{unsigned}."), NOW), Err(BadToken::Invalid), "{alg}");
            assert_eq!(both.check(unsigned, NOW), Err(BadToken::Invalid), "{alg}");
        }
        let token = signed(HS, &claims);
        let (unsigned, _) = token.rsplit_once('.').unwrap();
        for token in [format!("{unsigned}."), unsigned.to_owned(), format!("{token}."), format!("{token}A")] {
            assert_eq!(both.check(&token, NOW), Err(BadToken::Invalid), "{token}");
        }
        for header in [
            r#"{"alg":"HS256","kid":7}"#,
            r#"{"alg":"HS256","kid":null}"#,
            r#"{"alg":["HS256"]}"#,
            r#"{"alg":null}"#,
        ] {
            assert_eq!(both.check(&signed(header, &claims), NOW), Err(BadToken::Invalid), "{header}");
        }
        for unknown in [r#"{"alg":"HS256","kid":""}"#, r#"{"alg":"HS256","kid":"../../etc/passwd"}"#] {
            assert_eq!(both.check(&signed(unknown, &claims), NOW), Err(BadToken::UnknownKey), "{unknown}");
        }
    }

    #[test]
    fn times_have_bounds_on_both_sides() {
        for (claims, expected) in [
            (format!(r#"{{"sub":"p1","iat":{NOW},"exp":{}}}"#, NOW + 1), Ok("p1".to_owned())),
            (format!(r#"{{"sub":"p1","iat":{NOW},"exp":{NOW}}}"#), Err(BadToken::Expired)),
            // A long life in the token lengthens no token's life here.
            (format!(r#"{{"sub":"p1","iat":{},"exp":{}}}"#, NOW - 301, NOW + 9_999), Err(BadToken::Expired)),
            (format!(r#"{{"sub":"p1","iat":{NOW},"nbf":{}}}"#, NOW + 60), Ok("p1".to_owned())),
            (format!(r#"{{"sub":"p1","iat":{NOW},"nbf":{}}}"#, NOW + 61), Err(BadToken::Invalid)),
            (format!(r#"{{"sub":"p1","iat":{NOW}.9}}"#), Ok("p1".to_owned())),
            (r#"{"sub":"p1","iat":-9e14}"#.to_owned(), Err(BadToken::Expired)),
            (r#"{"sub":"p1","iat":9e14}"#.to_owned(), Err(BadToken::Invalid)),
            (r#"{"sub":"p1","iat":1e300}"#.to_owned(), Err(BadToken::Invalid)),
            (format!(r#"{{"sub":"p1","iat":{NOW},"exp":-1e300}}"#), Err(BadToken::Invalid)),
            (format!(r#"{{"sub":"p1","iat":{NOW},"exp":"{}"}}"#, NOW + 9), Err(BadToken::Invalid)),
            (format!(r#"{{"sub":"p1","iat":{NOW},"nbf":null}}"#), Err(BadToken::Invalid)),
        ] {
            assert_eq!(check(HS, &claims), expected, "{claims}");
        }
    }

    #[test]
    fn debug_output_shows_no_key() {
        let shown = format!("{:?}", Tokens::new(&Secret::new(SECRET), Some(&Secret::new(OTHER))));
        assert_eq!(shown, "Tokens { .. }");
    }
}
