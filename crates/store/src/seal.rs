//! Sealing of what a client carries for us (page states, later tokens): it can neither read nor alter it.
//!
//! A sealed text is `[version 1][12 bytes nonce][ciphertext][16 bytes tag]`, AES-256-GCM. The *purpose* and what the
//! text is bound to (a statement, a role) go in as additional data, so one made for another use does not open.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

const VERSION: u8 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("the sealed text was not made by this server, or was altered")]
    Altered,
    #[error("the system's random number source failed")]
    NoRandomness,
}

/// Seals what clients carry, under keys that may change while some that were sealed with the last ones are still about.
pub trait Seals: Send + Sync + 'static {
    /// `bound_to` says what the text is for: it opens for nothing else.
    fn seal(&self, bound_to: &[u8], text: &[u8]) -> Result<Vec<u8>, SealError>;

    fn open(&self, bound_to: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError>;
}

/// A secret of 32 bytes and the cipher made from it.
pub struct SealKey {
    cipher: LessSafeKey,
    random: SystemRandom,
}

impl SealKey {
    pub const LENGTH: usize = 32;

    pub fn new(secret: &[u8; SealKey::LENGTH]) -> Result<SealKey, SealError> {
        let key = UnboundKey::new(&AES_256_GCM, secret).map_err(|_| SealError::NoRandomness)?;
        Ok(SealKey { cipher: LessSafeKey::new(key), random: SystemRandom::new() })
    }

    /// A fresh secret, to be kept where only this server reads it.
    pub fn generate() -> Result<[u8; SealKey::LENGTH], SealError> {
        let mut secret = [0; SealKey::LENGTH];
        SystemRandom::new().fill(&mut secret).map_err(|_| SealError::NoRandomness)?;
        Ok(secret)
    }

    pub fn seal(&self, bound_to: &[u8], text: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        // Random nonces: 2^32 page states under one key stay far below the birthday bound NIST SP 800-38D allows.
        self.random.fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
        let mut out = Vec::with_capacity(1 + NONCE_LEN + text.len() + AES_256_GCM.tag_len());
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        let mut body = text.to_vec();
        self.cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound_to), &mut body)
            .map_err(|_| SealError::NoRandomness)?;
        out.extend_from_slice(&body);
        Ok(out)
    }

    pub fn open(&self, bound_to: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (head, body) = sealed.split_at_checked(1 + NONCE_LEN).ok_or(SealError::Altered)?;
        let (version, nonce) = head.split_first().ok_or(SealError::Altered)?;
        if *version != VERSION {
            return Err(SealError::Altered);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Altered)?;
        let mut body = body.to_vec();
        let text = self
            .cipher
            .open_in_place(nonce, Aad::from(bound_to), &mut body)
            .map_err(|_| SealError::Altered)?;
        Ok(text.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_opens_only_whole_and_for_its_purpose() {
        let key = SealKey::new(&SealKey::generate().unwrap()).unwrap();
        let sealed = key.seal(b"page of q1", b"token 42").unwrap();
        assert_eq!(key.open(b"page of q1", &sealed).unwrap(), b"token 42");
        assert_eq!(key.open(b"page of q2", &sealed), Err(SealError::Altered));
        for at in 0..sealed.len() {
            let mut other = sealed.clone();
            other[at] ^= 1;
            assert_eq!(key.open(b"page of q1", &other), Err(SealError::Altered), "byte {at}");
            assert_eq!(key.open(b"page of q1", &sealed[..at]), Err(SealError::Altered), "cut {at}");
        }
        let other = SealKey::new(&SealKey::generate().unwrap()).unwrap();
        assert_eq!(other.open(b"page of q1", &sealed), Err(SealError::Altered));
    }
}
