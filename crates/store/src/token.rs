//! Tokens: what a caller shows after it logged in once.
//!
//! A token is a sealed text (see [`SealKey`]) that names the second at which it ends and the principal with its proof
//! ([`Role::proof`]), so it is checked without a table of tokens, survives a restart as long as its key does, and is good on
//! every replica that has the key. Several keys may be in use: the first seals, any opens, so that keys can be rotated
//! while tokens of the last one still run.
//!
//! The text: `[8 bytes end][1 byte kind]`, and for a role `[u16 length of the name][u16 length of the proof][name][proof]`,
//! then zeros.

use std::time::Duration;

use crate::{Principal, Role, SealError, SealKey, Seals};

/// What the sealing is bound to: a page state never opens as a token, nor does a token of an older form.
const PURPOSE: &[u8] = b"ilium token 3";

/// A text is filled up to a multiple of it, so that a token's length does not tell that of a password.
const BLOCK: usize = 64;

/// Half an hour, as Stargate's `stargate.auth_tokenttl` has it.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(1800);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token was not made by this server, or was altered; log in for a new one")]
    Altered,
    #[error("the token has expired; log in for a new one")]
    Expired,
    #[error("no token can be made for a name or a password of more than {} bytes", u16::MAX)]
    TooLong,
    #[error("no token can be made: {0}")]
    Seal(#[from] SealError),
}

/// Seals and opens tokens.
pub struct Tokens {
    /// The newest first.
    keys: Vec<SealKey>,
    lifetime: Duration,
}

impl Tokens {
    /// `secrets` holds the newest first. With none, no token is made and none opens.
    pub fn new(secrets: &[[u8; SealKey::LENGTH]], lifetime: Duration) -> Result<Tokens, SealError> {
        let keys = secrets.iter().map(SealKey::new).collect::<Result<_, _>>()?;
        Ok(Tokens { keys, lifetime })
    }

    /// How long a token is good for.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// `now` in seconds since the epoch.
    pub fn issue(&self, principal: &Principal, now: u64) -> Result<String, TokenError> {
        let key = self.keys.first().ok_or(SealError::NoRandomness)?;
        let mut text = now.saturating_add(self.lifetime.as_secs()).to_be_bytes().to_vec();
        match principal {
            Principal::Anonymous => text.push(0),
            Principal::Role(role) => {
                text.push(1);
                for part in [role.name().as_bytes(), role.proof()] {
                    let length = u16::try_from(part.len()).map_err(|_| TokenError::TooLong)?;
                    text.extend_from_slice(&length.to_be_bytes());
                }
                text.extend_from_slice(role.name().as_bytes());
                text.extend_from_slice(role.proof());
            }
            // It needs none, and nobody else may have one.
            Principal::System => return Err(TokenError::Altered),
        }
        text.resize(text.len().next_multiple_of(BLOCK), 0);
        Ok(encode(&key.seal(PURPOSE, &text)?))
    }

    /// Who the token is for, at `now` in seconds since the epoch. Whether its proof still holds,
    /// [`Login::check_again`](crate::Login::check_again) tells.
    pub fn open(&self, token: &str, now: u64) -> Result<Principal, TokenError> {
        let sealed = decode(token).ok_or(TokenError::Altered)?;
        let opened = self.keys.iter().find_map(|key| key.open(PURPOSE, &sealed).ok());
        let text = opened.ok_or(TokenError::Altered)?;
        let (ends, rest) = text.split_first_chunk::<8>().ok_or(TokenError::Altered)?;
        if u64::from_be_bytes(*ends) <= now {
            return Err(TokenError::Expired);
        }
        principal(rest).ok_or(TokenError::Altered)
    }
}

/// What else clients carry is sealed under the same keys, for purposes of its own.
impl Seals for Tokens {
    fn seal(&self, bound_to: &[u8], text: &[u8]) -> Result<Vec<u8>, SealError> {
        self.keys.first().ok_or(SealError::NoRandomness)?.seal(bound_to, text)
    }

    fn open(&self, bound_to: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let opened = self.keys.iter().find_map(|key| key.open(bound_to, sealed).ok());
        opened.ok_or(SealError::Altered)
    }
}

fn principal(text: &[u8]) -> Option<Principal> {
    let (kind, rest) = text.split_first()?;
    match kind {
        0 => Some(Principal::Anonymous),
        1 => {
            let (name_length, rest) = rest.split_first_chunk::<2>()?;
            let (proof_length, rest) = rest.split_first_chunk::<2>()?;
            let (name, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*name_length)))?;
            let proof = rest.get(..usize::from(u16::from_be_bytes(*proof_length)))?;
            Some(Principal::Role(Role::new(std::str::from_utf8(name).ok()?, proof)))
        }
        _ => None,
    }
}

/// Base64 for headers and addresses (RFC 4648, section 5), without padding.
fn encode(bytes: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(bytes)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(secrets: &[[u8; 32]]) -> Tokens {
        Tokens::new(secrets, Duration::from_secs(60)).unwrap()
    }

    fn ada() -> Principal {
        Principal::Role(Role::new("ada", *b"loom"))
    }

    #[test]
    fn a_token_names_who_it_is_for_with_their_proof_until_it_ends() {
        let tokens = tokens(&[[7; 32]]);
        for who in [ada(), Principal::Role(Role::new("\u{e9}", [])), Principal::Anonymous] {
            let token = tokens.issue(&who, 1000).unwrap();
            assert_eq!(tokens.open(&token, 1059), Ok(who));
            assert_eq!(tokens.open(&token, 1060), Err(TokenError::Expired));
        }
        assert!(tokens.issue(&Principal::System, 1000).is_err());
        let long = Principal::Role(Role::new("ada", vec![b'x'; 1 << 16]));
        assert_eq!(tokens.issue(&long, 1000), Err(TokenError::TooLong));
    }

    #[test]
    fn an_altered_or_foreign_token_is_refused() {
        let tokens = tokens(&[[7; 32]]);
        let token = tokens.issue(&ada(), 1000).unwrap();
        for at in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(tokens.open(&other, 1000), Err(TokenError::Altered), "character {at}");
        }
        assert_eq!(self::tokens(&[[8; 32]]).open(&token, 1000), Err(TokenError::Altered));
        assert_eq!(tokens.open("", 1000), Err(TokenError::Altered));
        assert_eq!(tokens.open("päge", 1000), Err(TokenError::Altered));
    }

    #[test]
    fn a_token_tells_neither_its_proof_nor_how_long_that_is() {
        let tokens = tokens(&[[7; 32]]);
        let of = |proof: &[u8]| tokens.issue(&Principal::Role(Role::new("ada", proof)), 1000).unwrap();
        assert_eq!(of(b"").len(), of(b"a password of many letters").len());
        let sealed = decode(&of(b"a password")).unwrap();
        assert!(!sealed.windows(8).any(|window| window == b"password"));
    }

    #[test]
    fn a_token_of_the_last_key_opens_while_that_key_is_kept() {
        let old = tokens(&[[1; 32]]).issue(&ada(), 1000).unwrap();
        let rotated = tokens(&[[2; 32], [1; 32]]);
        assert_eq!(rotated.open(&old, 1001), Ok(ada()));
        let new = rotated.issue(&ada(), 1000).unwrap();
        assert_eq!(tokens(&[[1; 32]]).open(&new, 1001), Err(TokenError::Altered));
        assert_eq!(tokens(&[[2; 32]]).open(&new, 1001), Ok(ada()));
    }
}
