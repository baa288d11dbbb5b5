//! Any JWT, key set and claims, three lines of the input: nobody else's token is believed, and one of ours only if its claims
//! are what is asked for, read here a second time.
#![no_main]

use std::sync::LazyLock;

use data_encoding::BASE64URL_NOPAD;
use ilium_http::jwt::{JwtRules, KeySet, verify};
use libfuzzer_sys::fuzz_target;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

const NOW: u64 = 1_700_000_000;

struct Issuer {
    pair: EcdsaKeyPair,
    keys: KeySet,
    rules: JwtRules,
}

static ISSUER: LazyLock<Issuer> = LazyLock::new(|| {
    let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
    let der = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &random).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
    let keys = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "one", "x": x, "y": y}]});
    let keys = KeySet::read(keys.to_string().as_bytes()).unwrap();
    Issuer { pair, keys, rules: JwtRules { issuer: "i".to_owned(), audience: "a".to_owned() } }
});

fuzz_target!(|input: &[u8]| {
    let Issuer { pair, keys, rules } = &*ISSUER;
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (header, claims, others) = (line(), line(), line());

    let foreign = KeySet::read(others);
    for raw in [input, others] {
        let Ok(raw) = str::from_utf8(raw) else { continue };
        assert!(verify(raw, keys, rules, NOW).is_err());
        let _ = foreign.as_ref().map(|foreign| verify(raw, foreign, rules, NOW));
    }

    let signed = format!("{}.{}", BASE64URL_NOPAD.encode(header), BASE64URL_NOPAD.encode(claims));
    let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    let token = format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()));
    let _ = foreign.as_ref().map(|foreign| assert!(verify(&token, foreign, rules, NOW).is_err()));
    let Ok(believed) = verify(&token, keys, rules, NOW) else { return };
    let header: Value = serde_json::from_slice(header).unwrap();
    assert_eq!(header["alg"], "ES256");
    assert!(header.get("crit").is_none());
    let claims: Value = serde_json::from_slice(claims).unwrap();
    assert_eq!(claims["iss"], "i");
    assert!(claims["aud"] == "a" || claims["aud"].as_array().unwrap().contains(&json!("a")));
    assert!(claims["exp"].as_f64().unwrap() > NOW as f64 - 31.0);
    assert!(claims.get("nbf").is_none_or(|begins| begins.as_f64().unwrap() < NOW as f64 + 31.0));
    for name in ["iss", "aud", "scope", "realm_access.roles", "a.b.c", ".", ""] {
        let _ = believed.values(name);
    }
});
