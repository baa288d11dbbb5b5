//! An issuer of JWTs with a key of its own.

use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

pub struct Issuer {
    id: String,
    pair: EcdsaKeyPair,
}

pub const NAME: &str = "https://issuer.example";

impl Issuer {
    pub fn new(id: &str) -> Issuer {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), &random).unwrap();
        Issuer { id: id.to_owned(), pair }
    }

    /// Writes the set of its one public key.
    pub fn publish(&self, file: &Path) {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
        let set = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": self.id, "x": x, "y": y}]});
        std::fs::write(file, set.to_string()).unwrap();
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        let signed = unsigned("ES256", &self.id, claims);
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    /// The same, signed as if the public key were a secret.
    pub fn token_by_public_key(&self, claims: &Value) -> String {
        let signed = unsigned("HS256", &self.id, claims);
        let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, self.pair.public_key().as_ref());
        let signature = ring::hmac::sign(&secret, signed.as_bytes());
        format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }
}

/// A token without its signature.
pub fn unsigned(algorithm: &str, key: &str, claims: &Value) -> String {
    let encoded = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    format!("{}.{}", encoded(&json!({"alg": algorithm, "kid": key})), encoded(claims))
}

/// Claims for `ilium` with these groups, good until 2100.
pub fn claims(groups: &[&str]) -> Value {
    json!({"iss": NAME, "aud": "ilium", "exp": 4_102_444_800_u64, "groups": groups})
}
