//! Passwords: hashed as Cassandra hashes them, so that a hash can be taken from one to the other.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ilium_store::{Error, Result};
use parking_lot::Mutex;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

/// Of bcrypt: 2 to this power rounds. Cassandra's default (`CassandraRoleManager.GENSALT_LOG2_ROUNDS`), about 50 ms.
const COST: u32 = 10;

/// The costs a hash from elsewhere may have. Cassandra's lower bound; its upper one, 30, would keep a thread busy for
/// half a day with each log-in, and any role may set its own: 12 takes about 200 ms.
const COSTS: std::ops::RangeInclusive<u32> = 4..=12;

/// Bytes of a hash: `$2a$10$`, 22 of salt, 31 of hash.
const HASH_LENGTH: usize = 60;

/// Passwords found right that are remembered. Past it the oldest is forgotten: a log-in then costs its 50 ms again.
const REMEMBERED: usize = 1024;

/// A hash that no password has: compared with where there is no role, so that the time of an answer does not tell
/// whether there is one.
const OF_NOBODY: &str = "$2a$10$......................nobody.........................";

/// Takes about 50 ms of CPU: not for a thread that serves requests.
pub fn hash(password: &str) -> Result<Arc<str>> {
    let mut salt = [0; 16];
    random(&mut salt)?;
    let failed =
        |error: bcrypt::BcryptError| Error::internal(format!("a password cannot be hashed: {error}"));
    let hashed = bcrypt::hash_with_salt(password, COST, salt).map_err(failed)?;
    // The form that Cassandra's library reads.
    Ok(Arc::from(hashed.format_for_version(bcrypt::Version::TwoA)))
}

fn random(bytes: &mut [u8]) -> Result<()> {
    let filled = SystemRandom::new().fill(bytes);
    filled.map_err(|_| Error::internal("the system's random number source failed"))
}

/// A password nobody can guess: 144 bits, in letters, digits, `-` and `_`.
pub fn generate() -> Result<String> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bytes = [0; 24];
    random(&mut bytes)?;
    Ok(bytes.iter().filter_map(|byte| LETTERS.get(usize::from(byte % 64))).map(|b| char::from(*b)).collect())
}

/// Refuses what HASHED PASSWORD cannot be.
pub fn check_hash(hash: &str) -> Result<()> {
    let parsed = hash.parse::<bcrypt::HashParts>();
    let is_whole = hash.len() == HASH_LENGTH
        && hash.starts_with("$2a$")
        && hash.bytes().skip(7).all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'/');
    match parsed {
        Ok(parts) if is_whole && COSTS.contains(&parts.get_cost()) => Ok(()),
        _ => Err(Error::invalid("Invalid hashed password value. Please use jBcrypt.")),
    }
}

/// Compares passwords with hashes, and remembers which were right: clients of HTTP send theirs with every request.
pub struct Passwords {
    /// Of this process alone: what is remembered is of no use outside of it.
    key: hmac::Key,
    right: Mutex<Remembered>,
}

/// Digests of hash and password.
#[derive(Default)]
struct Remembered {
    known: HashMap<[u8; 32], ()>,
    oldest_first: VecDeque<[u8; 32]>,
}

impl Passwords {
    pub fn new() -> Result<Passwords> {
        let mut secret = [0; 32];
        random(&mut secret)?;
        Ok(Passwords { key: hmac::Key::new(hmac::HMAC_SHA256, &secret), right: Mutex::default() })
    }

    fn digest(&self, hash: &str, password: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        // All hashes are of one length.
        context.update(hash.as_bytes());
        context.update(password.as_bytes());
        context.sign().as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// Whether the password was found right for this hash before.
    pub fn is_known(&self, hash: &str, password: &str) -> bool {
        self.right.lock().known.contains_key(&self.digest(hash, password))
    }

    /// Takes about 50 ms of CPU: not for a thread that serves requests. `None`: there is nothing to compare with, which
    /// takes as long.
    pub fn is_right(&self, hash: Option<&str>, password: &str) -> bool {
        let matches = bcrypt::verify(password, hash.unwrap_or(OF_NOBODY)).unwrap_or(false);
        let Some(hash) = hash.filter(|_| matches) else { return false };
        let digest = self.digest(hash, password);
        let mut right = self.right.lock();
        if right.known.insert(digest, ()).is_none() {
            right.oldest_first.push_back(digest);
        }
        while right.oldest_first.len() > REMEMBERED {
            if let Some(oldest) = right.oldest_first.pop_front() {
                right.known.remove(&oldest);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_found_right_and_another_wrong_and_only_the_right_one_is_remembered() {
        let passwords = Passwords::new().unwrap();
        let hashed = hash("secret").unwrap();
        assert!(hashed.starts_with("$2a$10$") && check_hash(&hashed).is_ok(), "{hashed}");
        assert!(!passwords.is_known(&hashed, "secret"));
        assert!(!passwords.is_right(Some(&hashed), "Secret") && !passwords.is_known(&hashed, "Secret"));
        assert!(passwords.is_right(Some(&hashed), "secret") && passwords.is_known(&hashed, "secret"));
        assert!(!passwords.is_right(None, "secret"));
    }

    #[test]
    fn what_is_no_hash_or_would_keep_a_thread_busy_for_long_is_refused() {
        let whole = hash("x").unwrap();
        check_hash(OF_NOBODY).unwrap();
        check_hash(&whole.replace("$10$", "$12$")).unwrap();
        for wrong in
            ["", "secret", &whole[..59], &whole.replace("$10$", "$13$"), &whole.replace("$2a", "$2y")]
        {
            assert!(check_hash(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn generated_passwords_differ() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert!(one.len() == 24 && one != other);
    }
}
