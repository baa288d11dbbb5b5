//! Tokens: what a caller shows after it logged in once.
//!
//! A token is a sealed text (see [`SealKey`]) that names the second at which it ends, the principal, and its role's
//! [`Stamp`], so it is checked without a table of tokens and survives a restart as long as its key does. Several keys may
//! be in use: the first seals, any opens, so that keys can be rotated while tokens of the last one still run.

use std::sync::Arc;
use std::time::Duration;

use crate::{Principal, SealError, SealKey, Stamp};

/// What the sealing is bound to: a page state never opens as a token, nor does a token of version 1, which had no stamp.
const PURPOSE: &[u8] = b"ilium token 2";

/// Half an hour, as Stargate's `stargate.auth_tokenttl` has it.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(1800);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token was not made by this server, or was altered; log in for a new one")]
    Altered,
    #[error("the token has expired; log in for a new one")]
    Expired,
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

    /// `stamp` is that of the principal's role; `now` in seconds since the epoch.
    pub fn issue(&self, principal: &Principal, stamp: Stamp, now: u64) -> Result<String, TokenError> {
        let key = self.keys.first().ok_or(SealError::NoRandomness)?;
        let mut text = now.saturating_add(self.lifetime.as_secs()).to_be_bytes().to_vec();
        match principal {
            Principal::Anonymous => text.push(0),
            Principal::Role(name) => {
                text.push(1);
                text.extend_from_slice(&stamp.0);
                text.extend_from_slice(name.as_bytes());
            }
            // It needs none, and nobody else may have one.
            Principal::System => return Err(TokenError::Altered),
        }
        Ok(encode(&key.seal(PURPOSE, &text)?))
    }

    /// Who the token is for, and the stamp their role had, at `now` in seconds since the epoch.
    pub fn open(&self, token: &str, now: u64) -> Result<(Principal, Stamp), TokenError> {
        let sealed = decode(token).ok_or(TokenError::Altered)?;
        let opened = self.keys.iter().find_map(|key| key.open(PURPOSE, &sealed).ok());
        let text = opened.ok_or(TokenError::Altered)?;
        let (ends, rest) = text.split_first_chunk::<8>().ok_or(TokenError::Altered)?;
        if u64::from_be_bytes(*ends) <= now {
            return Err(TokenError::Expired);
        }
        match rest.split_first() {
            Some((0, [])) => Ok((Principal::Anonymous, Stamp::default())),
            Some((1, rest)) => {
                let (stamp, name) = rest.split_first_chunk().ok_or(TokenError::Altered)?;
                let name = std::str::from_utf8(name).map_err(|_| TokenError::Altered)?;
                Ok((Principal::Role(Arc::from(name)), Stamp(*stamp)))
            }
            _ => Err(TokenError::Altered),
        }
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

    const STAMP: Stamp = Stamp([3; Stamp::LENGTH]);

    fn tokens(secrets: &[[u8; 32]]) -> Tokens {
        Tokens::new(secrets, Duration::from_secs(60)).unwrap()
    }

    #[test]
    fn a_token_names_who_it_is_for_and_their_stamp_until_it_ends() {
        let tokens = tokens(&[[7; 32]]);
        let ada = Principal::Role("ada".into());
        for (who, stamp) in [(ada, STAMP), (Principal::Anonymous, Stamp::default())] {
            let token = tokens.issue(&who, stamp, 1000).unwrap();
            assert_eq!(tokens.open(&token, 1059), Ok((who, stamp)));
            assert_eq!(tokens.open(&token, 1060), Err(TokenError::Expired));
        }
        assert!(tokens.issue(&Principal::System, STAMP, 1000).is_err());
    }

    #[test]
    fn an_altered_or_foreign_token_is_refused() {
        let tokens = tokens(&[[7; 32]]);
        let token = tokens.issue(&Principal::Role("ada".into()), STAMP, 1000).unwrap();
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
    fn a_token_of_the_last_key_opens_while_that_key_is_kept() {
        let old = tokens(&[[1; 32]]).issue(&Principal::Anonymous, STAMP, 1000).unwrap();
        let rotated = tokens(&[[2; 32], [1; 32]]);
        assert_eq!(rotated.open(&old, 1001), Ok((Principal::Anonymous, Stamp::default())));
        let new = rotated.issue(&Principal::Anonymous, STAMP, 1000).unwrap();
        assert_eq!(tokens(&[[1; 32]]).open(&new, 1001), Err(TokenError::Altered));
    }
}
