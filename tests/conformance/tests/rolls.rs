//! `rolls.json`: the rolls of the reference game, by the words of the protocol.

use castline_conformance::{Nothing, load};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    server_seed: String,
    server_seed_hash: String,
    client_seed: String,
    sides: u64,
    mac: String,
    roll: u64,
}

#[test]
fn rolls() {
    for case in load::<Case, Nothing>("rolls.json").cases {
        let seed = hex::decode(&case.server_seed).unwrap();
        assert_eq!(seed.len(), 32);
        assert_eq!(hex::encode(Sha256::digest(&seed)), case.server_seed_hash);
        assert!((1..=64).contains(&case.client_seed.len()), "{:?}", case.client_seed);
        let mut mac = Hmac::<Sha256>::new_from_slice(&seed).unwrap();
        mac.update(case.client_seed.as_bytes());
        let mac = mac.finalize().into_bytes();
        assert_eq!(hex::encode(mac), case.mac);
        let head = u64::from_be_bytes(mac[..8].try_into().unwrap());
        let roll = (u128::from(head) * u128::from(case.sides)) >> 64;
        assert_eq!(roll, u128::from(case.roll), "{} {:?}", case.server_seed, case.client_seed);
        assert!(roll < u128::from(case.sides));
    }
}
