//! JSON Web Tokens of another server (RFC 7519): signed with RS256 or ES256 by a key of a known set, for this audience, by
//! this issuer, and good at this time.
//!
//! Nothing here does I/O. No other algorithm is taken, so a token can neither go unsigned (`none`) nor be signed with a
//! public key as if it were a secret (`HS256`).

mod keys;
#[cfg(test)]
mod properties;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

pub use keys::{KeySet, KeySetError};

use crate::parse_json;

/// How far the clocks of two servers may differ, in seconds (RFC 7519, section 4.1.4, leaves "no more than a few minutes").
const LEEWAY: f64 = 30.0;

/// A token past so many bytes is not looked at: those of large identity providers have some thousand.
const MAX_BYTES: usize = 16 << 10;

/// Whose tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtRules {
    /// What `iss` must be.
    pub issuer: String,
    /// What `aud` must be, or have among others.
    pub audience: String,
}

/// Why a token is refused. The token is never shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    #[error("the token is no JWT of three parts in base64url that hold JSON")]
    Malformed,
    #[error("the token is signed with another algorithm than RS256 or ES256, or with none")]
    Algorithm,
    #[error("the token wants something to be understood that is not (`crit`)")]
    Critical,
    #[error("the token is signed with a key that is not known here")]
    UnknownKey,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token has expired, or does not say when it will")]
    Expired,
    #[error("the token is not good yet")]
    NotYet,
}

/// The algorithms that are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
}

/// What a token says, once it was verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims(Map<String, Value>);

/// The claims of a token at `now`, in seconds since the epoch, if it is to be believed.
pub fn verify(token: &str, keys: &KeySet, rules: &JwtRules, now: u64) -> Result<Claims, JwtError> {
    if token.len() > MAX_BYTES {
        return Err(JwtError::Malformed);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(JwtError::Malformed)?;
    let header = object(header)?;
    let algorithm = match header.get("alg").and_then(Value::as_str) {
        Some("RS256") => Algorithm::Rs256,
        Some("ES256") => Algorithm::Es256,
        _ => return Err(JwtError::Algorithm),
    };
    if header.contains_key("crit") {
        return Err(JwtError::Critical);
    }
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).map_err(|_| JwtError::Malformed)?;
    let key = keys.find(algorithm, header.get("kid").and_then(Value::as_str)).ok_or(JwtError::UnknownKey)?;
    if !key.verifies(signed.as_bytes(), &signature) {
        return Err(JwtError::Signature);
    }
    let claims = Claims(object(payload)?);
    claims.check(rules, now)?;
    Ok(claims)
}

/// A part that holds a JSON object. A key that comes twice is an error: another reader might take the other.
fn object(part: &str) -> Result<Map<String, Value>, JwtError> {
    let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| JwtError::Malformed)?;
    match parse_json(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(JwtError::Malformed),
    }
}

impl Claims {
    fn check(&self, rules: &JwtRules, now: u64) -> Result<(), JwtError> {
        if self.0.get("iss").and_then(Value::as_str) != Some(&rules.issuer) {
            return Err(JwtError::Issuer);
        }
        let is_for_us = match self.0.get("aud") {
            Some(Value::String(audience)) => *audience == rules.audience,
            Some(Value::Array(audiences)) => {
                audiences.iter().any(|audience| audience.as_str() == Some(&rules.audience))
            }
            _ => false,
        };
        if !is_for_us {
            return Err(JwtError::Audience);
        }
        let now = now as f64;
        let ends = self.0.get("exp").and_then(Value::as_f64).ok_or(JwtError::Expired)?;
        if ends + LEEWAY <= now {
            return Err(JwtError::Expired);
        }
        match self.0.get("nbf").map(Value::as_f64) {
            None => Ok(()),
            Some(Some(begins)) if begins <= now + LEEWAY => Ok(()),
            Some(_) => Err(JwtError::NotYet),
        }
    }

    /// What a claim says: its text, the words of it (as `scope` has them), or the texts of its list. `name` is that of a
    /// claim, or a path of names with dots between (`realm_access.roles`).
    pub fn values(&self, name: &str) -> Vec<&str> {
        let found = self.0.get(name).or_else(|| {
            let mut names = name.split('.');
            let first = self.0.get(names.next()?)?;
            names.try_fold(first, |value, name| value.get(name))
        });
        match found {
            Some(Value::String(text)) => {
                let words = text.split_ascii_whitespace().filter(|word| *word != text);
                std::iter::once(text.as_str()).chain(words).collect()
            }
            Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    use serde_json::json;

    pub const NOW: u64 = 1_700_000_000;

    pub fn rules() -> JwtRules {
        JwtRules { issuer: "https://issuer.example".to_owned(), audience: "ilium".to_owned() }
    }

    /// An issuer with one key.
    pub struct Issuer(EcdsaKeyPair);

    impl Issuer {
        pub fn new() -> Issuer {
            let random = SystemRandom::new();
            let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random);
            Issuer(pair.unwrap())
        }

        fn point(&self) -> (String, String) {
            let (x, y) = self.0.public_key().as_ref()[1..].split_at(32);
            (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y))
        }

        pub fn keys(&self) -> KeySet {
            let (x, y) = self.point();
            let set = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "one", "x": x, "y": y}]});
            KeySet::read(set.to_string().as_bytes()).unwrap()
        }

        fn sign(&self, header: &Value, claims: &str) -> String {
            let encoded = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
            let signed = format!("{}.{}", encoded(&header.to_string()), encoded(claims));
            let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
            format!("{signed}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
        }

        pub fn token(&self, claims: &Value) -> String {
            self.sign(&json!({"alg": "ES256", "kid": "one"}), &claims.to_string())
        }
    }

    fn claims() -> Value {
        json!({"iss": "https://issuer.example", "aud": "ilium", "exp": NOW + 60, "groups": ["x", "readers"]})
    }

    #[test]
    fn a_token_that_is_to_be_believed_gives_its_claims() {
        let issuer = Issuer::new();
        let mut with = claims();
        with["aud"] = json!(["other", "ilium"]);
        with["scope"] = json!("read write");
        with["realm_access"] = json!({"roles": ["admin"]});
        with["https://x.example/role"] = json!("ada");
        let claims = verify(&issuer.token(&with), &issuer.keys(), &rules(), NOW).unwrap();
        assert_eq!(claims.values("groups"), ["x", "readers"]);
        assert_eq!(claims.values("scope"), ["read write", "read", "write"]);
        assert_eq!(claims.values("realm_access.roles"), ["admin"]);
        assert_eq!(claims.values("https://x.example/role"), ["ada"]);
        assert!(claims.values("nothing").is_empty() && claims.values("exp").is_empty());
    }

    #[test]
    fn a_token_for_others_or_of_others_or_of_another_time_is_refused() {
        let issuer = Issuer::new();
        let refused = |field: &str, value: Value| {
            let mut claims = claims();
            claims[field] = value;
            verify(&issuer.token(&claims), &issuer.keys(), &rules(), NOW).unwrap_err()
        };
        for issuer in [json!("https://issuer.example/"), json!(null), json!(["https://issuer.example"])] {
            assert_eq!(refused("iss", issuer), JwtError::Issuer);
        }
        for audience in [json!("Ilium"), json!([]), json!(["x"]), json!(null), json!({"ilium": 1})] {
            assert_eq!(refused("aud", audience), JwtError::Audience);
        }
        for end in [json!(NOW - 31), json!("2100"), json!(null), json!(-1), json!(0)] {
            assert_eq!(refused("exp", end), JwtError::Expired);
        }
        for begin in [json!(NOW + 31), json!("0"), json!(null)] {
            assert_eq!(refused("nbf", begin), JwtError::NotYet);
        }
        let mut late = claims();
        (late["exp"], late["nbf"]) = (json!(NOW - 20), json!(NOW as f64 + 20.5));
        assert!(verify(&issuer.token(&late), &issuer.keys(), &rules(), NOW).is_ok(), "clocks differ");
    }

    #[test]
    fn no_other_algorithm_is_taken_and_no_public_key_is_a_secret() {
        let issuer = Issuer::new();
        let payload = claims().to_string();
        let encoded = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        for algorithm in [
            json!("none"),
            json!("None"),
            json!("NONE"),
            json!(""),
            json!(null),
            json!("HS256"),
            json!("es256"),
        ] {
            let header = json!({"alg": algorithm, "kid": "one"});
            let signed =
                format!("{}.{}", encoded(header.to_string().as_bytes()), encoded(payload.as_bytes()));
            let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, issuer.0.public_key().as_ref());
            let mac = ring::hmac::sign(&secret, signed.as_bytes());
            for signature in [String::new(), encoded(mac.as_ref())] {
                let token = format!("{signed}.{signature}");
                assert_eq!(
                    verify(&token, &issuer.keys(), &rules(), NOW),
                    Err(JwtError::Algorithm),
                    "{algorithm}"
                );
            }
            let token = issuer.sign(&header, &payload);
            assert_eq!(
                verify(&token, &issuer.keys(), &rules(), NOW),
                Err(JwtError::Algorithm),
                "{algorithm}"
            );
        }
        // A key of one kind under the name of the other algorithm.
        let token = issuer.sign(&json!({"alg": "RS256", "kid": "one"}), &payload);
        assert_eq!(verify(&token, &issuer.keys(), &rules(), NOW), Err(JwtError::UnknownKey));
        let token = issuer.sign(&json!({"alg": "ES256", "kid": "one", "crit": ["exp"]}), &payload);
        assert_eq!(verify(&token, &issuer.keys(), &rules(), NOW), Err(JwtError::Critical));
    }

    #[test]
    fn a_token_altered_in_any_letter_or_signed_by_another_is_refused() {
        let issuer = Issuer::new();
        let (keys, token) = (issuer.keys(), issuer.token(&claims()));
        assert_eq!(verify(&Issuer::new().token(&claims()), &keys, &rules(), NOW), Err(JwtError::Signature));
        for at in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert!(verify(&altered, &keys, &rules(), NOW).is_err(), "letter {at}");
            assert!(verify(&token[..at], &keys, &rules(), NOW).is_err(), "cut {at}");
        }
        let long = format!("{token}{}", "A".repeat(MAX_BYTES));
        for broken in ["", ".", "..", "...", "a.b.c", "é.é.é", &long, &format!("{token}.{token}")] {
            assert!(verify(broken, &keys, &rules(), NOW).is_err());
        }
        let twice = r#"{"iss":"x","iss":"https://issuer.example","aud":"ilium","exp":9999999999}"#;
        let token = issuer.sign(&json!({"alg": "ES256", "kid": "one"}), twice);
        assert_eq!(verify(&token, &keys, &rules(), NOW), Err(JwtError::Malformed));
    }

    #[test]
    fn a_key_is_found_by_its_id_or_alone() {
        let issuer = Issuer::new();
        let without = issuer.sign(&json!({"alg": "ES256"}), &claims().to_string());
        assert!(verify(&without, &issuer.keys(), &rules(), NOW).is_ok());
        let other = issuer.sign(&json!({"alg": "ES256", "kid": "two"}), &claims().to_string());
        assert_eq!(verify(&other, &issuer.keys(), &rules(), NOW), Err(JwtError::UnknownKey));
        let (x, y) = issuer.point();
        let key = |kid: &str| json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y});
        let two = json!({"keys": [key("one"), key("two")]}).to_string();
        let two = KeySet::read(two.as_bytes()).unwrap();
        assert_eq!(verify(&without, &two, &rules(), NOW), Err(JwtError::UnknownKey), "either could be meant");
    }

    /// The example of RFC 7515, appendix A.2: RS256, of an issuer `joe` that ended in 2011 and names no audience.
    #[test]
    fn the_signature_of_the_standards_example_is_right() {
        let token = concat!(
            "eyJhbGciOiJSUzI1NiJ9.",
            "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdb",
            "F9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383",
            "LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWy",
            "wlVmtVrBp0igcN_IoypGlUPQGe77Rw"
        );
        let keys = json!({"keys": [{"kty": "RSA", "e": "AQAB", "n": concat!(
            "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR",
            "T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB",
            "dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia",
            "GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
        )}]});
        let keys = KeySet::read(keys.to_string().as_bytes()).unwrap();
        let joe = JwtRules { issuer: "joe".to_owned(), audience: "ilium".to_owned() };
        assert_eq!(verify(token, &keys, &joe, NOW), Err(JwtError::Audience));
        let altered = token.replace("cC4h", "cC4i");
        assert_eq!(verify(&altered, &keys, &joe, NOW), Err(JwtError::Signature));
    }
}
