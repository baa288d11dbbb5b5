//! The public keys of an issuer (RFC 7517).

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::{Map, Value};

use super::Algorithm;
use crate::parse_json;

/// Keys past so many are not looked at; issuers have two or three.
const MAX_KEYS: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    #[error("is no JSON Web Key Set, a JSON object with a list of `keys`")]
    Malformed,
    #[error("holds no key for RS256 (RSA of 2,048 bits or more) or ES256 (P-256)")]
    NoKey,
}

/// An issuer's keys, those of them that can be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    id: Option<String>,
    public: Public,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Public {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// A point, not compressed.
    P256(Vec<u8>),
}

/// Bytes of the smallest RSA modulus that is taken.
const RSA_BYTES: usize = 256;

impl KeySet {
    /// Keys for other purposes, of other kinds or sizes are passed over; one at least must be left.
    pub fn read(json: &[u8]) -> Result<KeySet, KeySetError> {
        let Ok(Value::Object(mut set)) = parse_json(json) else { return Err(KeySetError::Malformed) };
        let Some(Value::Array(keys)) = set.remove("keys") else { return Err(KeySetError::Malformed) };
        let keys: Vec<Key> = keys.iter().filter_map(|key| Key::of(key.as_object()?)).take(MAX_KEYS).collect();
        match keys.is_empty() {
            true => Err(KeySetError::NoKey),
            false => Ok(KeySet { keys }),
        }
    }

    /// The key with this id, or the one there is where the token names none.
    pub(super) fn find(&self, algorithm: Algorithm, id: Option<&str>) -> Option<&Key> {
        let mut fitting = self.keys.iter().filter(|key| key.algorithm() == algorithm);
        match id {
            Some(_) => fitting.find(|key| key.id.as_deref() == id),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        }
    }
}

impl Key {
    fn of(key: &Map<String, Value>) -> Option<Key> {
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let bytes = |name: &str| BASE64URL_NOPAD.decode(text(name)?.as_bytes()).ok();
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let (algorithm, public) = match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                let (mut modulus, exponent) = (bytes("n")?, bytes("e")?);
                // Some write a zero in front; ring does not take one.
                while modulus.first() == Some(&0) {
                    modulus.remove(0);
                }
                if modulus.len() < RSA_BYTES {
                    return None;
                }
                ("RS256", Public::Rsa { modulus, exponent })
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                ("ES256", Public::P256([&[4][..], &x, &y].concat()))
            }
            _ => return None,
        };
        if text("alg").is_some_and(|own| own != algorithm) {
            return None;
        }
        Some(Key { id: text("kid").map(str::to_owned), public })
    }

    fn algorithm(&self) -> Algorithm {
        match self.public {
            Public::Rsa { .. } => Algorithm::Rs256,
            Public::P256(_) => Algorithm::Es256,
        }
    }

    pub fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match &self.public {
            Public::Rsa { modulus, exponent } => {
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok()
            }
            Public::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature).is_ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_that_cannot_be_used_are_passed_over_and_none_left_is_an_error() {
        let half = BASE64URL_NOPAD.encode(&[1; 32]);
        let (short, long) = (BASE64URL_NOPAD.encode(&[0xff; 128]), BASE64URL_NOPAD.encode(&[0xff; 256]));
        let read = |key: Value| {
            KeySet::read(json!({ "keys": [key] }).to_string().as_bytes()).map(|set| set.keys.len())
        };
        assert_eq!(read(json!({"kty": "EC", "crv": "P-256", "x": half, "y": half})), Ok(1));
        assert_eq!(read(json!({"kty": "RSA", "n": long, "e": "AQAB", "use": "sig", "alg": "RS256"})), Ok(1));
        for unusable in [
            json!({"kty": "oct", "k": half}),
            json!({"kty": "EC", "crv": "P-384", "x": half, "y": half}),
            json!({"kty": "EC", "crv": "P-256", "x": half, "y": "AA"}),
            json!({"kty": "EC", "crv": "P-256", "x": half, "y": half, "use": "enc"}),
            json!({"kty": "EC", "crv": "P-256", "x": half, "y": half, "alg": "RS256"}),
            json!({"kty": "RSA", "n": short, "e": "AQAB"}),
            json!({"kty": "RSA", "n": long, "e": "AQAB", "alg": "PS256"}),
            json!("key"),
        ] {
            assert_eq!(read(unusable.clone()), Err(KeySetError::NoKey), "{unusable}");
        }
        for broken in ["", "[]", "{}", r#"{"keys": {}}"#, "{"] {
            assert_eq!(KeySet::read(broken.as_bytes()), Err(KeySetError::Malformed), "{broken}");
        }
    }
}
