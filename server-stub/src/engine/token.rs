//! Players' tokens: JWT, HS256 and nothing else (`PROTOCOL.md`, section 3).

use std::collections::HashSet;
use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use castline::protocol::is_player_id;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::settings::Secret;

/// A token is good for this long after its `iat`, whatever its `exp`.
const MAX_AGE_S: i64 = 300;
/// An `iat` this far ahead is taken for a clock that is a little fast.
const MAX_AHEAD_S: i64 = 60;
/// Longer texts are no tokens of ours.
const MAX_BYTES: usize = 4_096;

/// Why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadToken {
    /// It was good once.
    Expired,
    /// It is not, was not, or is not yet.
    Invalid,
}

impl BadToken {
    /// The word on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            BadToken::Expired => "EXPIRED_TOKEN",
            BadToken::Invalid => "INVALID_TOKEN",
        }
    }
}

/// Checks tokens, and makes them under `--dev`.
pub(crate) struct Tokens {
    decoding: DecodingKey,
    encoding: EncodingKey,
    validation: Validation,
}

impl Tokens {
    pub(crate) fn new(secret: &Secret) -> Tokens {
        let mut validation = Validation::new(Algorithm::HS256);
        // Times and the rest are checked below, by our own rules; the library checks algorithm and signature.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Tokens {
            decoding: DecodingKey::from_secret(secret.expose().as_bytes()),
            encoding: EncodingKey::from_secret(secret.expose().as_bytes()),
            validation,
        }
    }

    /// The player that a token names, at `now_s` seconds since 1970.
    pub(crate) fn check(&self, token: &str, now_s: i64) -> Result<String, BadToken> {
        if token.len() > MAX_BYTES {
            return Err(BadToken::Invalid);
        }
        check_header(token)?;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|_| BadToken::Invalid)?
            .claims;
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
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .map_err(|e| e.to_string())
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// `crit` names extensions that must be understood; we understand none. Members twice are a trick.
fn check_header(token: &str) -> Result<(), BadToken> {
    let header = token.split('.').next().unwrap_or_default();
    let bytes = Base64UrlUnpadded::decode_vec(header).map_err(|_| BadToken::Invalid)?;
    let header: StrictObject = serde_json::from_slice(&bytes).map_err(|_| BadToken::Invalid)?;
    match header.0.get("alg") {
        Some(alg) if alg == "HS256" && !header.0.contains_key("crit") => Ok(()),
        _ => Err(BadToken::Invalid),
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

    fn signed(header: &str, claims: &str) -> String {
        let text = format!(
            "{}.{}",
            Base64UrlUnpadded::encode_string(header.as_bytes()),
            Base64UrlUnpadded::encode_string(claims.as_bytes())
        );
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let signature = jsonwebtoken::crypto::sign(text.as_bytes(), &key, Algorithm::HS256).unwrap();
        format!("{text}.{signature}")
    }

    fn check(header: &str, claims: &str) -> Result<String, BadToken> {
        Tokens::new(&Secret::new(SECRET)).check(&signed(header, claims), NOW)
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
        let tokens = Tokens::new(&Secret::new(SECRET));
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
        let tokens = Tokens::new(&Secret::new("another secret of at least 32 bytes"));
        assert_eq!(tokens.check(&signed(HS, &good), NOW), Err(BadToken::Invalid));
        for text in ["", ".", "..", "a.b.c", "é"] {
            assert_eq!(tokens.check(text, NOW), Err(BadToken::Invalid), "{text}");
        }
    }
}
