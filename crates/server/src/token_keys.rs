//! The keys of tokens, in a file of our own that only its owner reads, rotated with overlap.
//!
//! A line is a key: the second of the epoch at which it was made, a blank, 64 hexadecimal digits; the newest first.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use ilium_http::Access;
use ilium_store::{SealError, SealKey, Tokens};
use tokio::sync::watch;
use tokio::time::sleep;

/// How long a key seals new tokens. 30 days: a key that leaks is good for no longer, and a restart seldom rotates.
const SEALS_FOR: u64 = 30 * 24 * 3600;

/// How often a running server looks whether its key has sealed long enough.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot {what} {file}: {source}")]
    Io { what: &'static str, file: PathBuf, source: io::Error },
    #[error("line {line} of {file} is no key; remove the file, and tokens given out before become invalid")]
    Broken { file: PathBuf, line: usize },
    #[error(
        "line {line} of {file} is no key; a key is 64 hexadecimal digits, as `openssl rand -hex 32` makes them"
    )]
    NoKey { file: PathBuf, line: usize },
    #[error("{file} holds no key; write one of 64 hexadecimal digits, as `openssl rand -hex 32` makes them")]
    Empty { file: PathBuf },
    #[error(transparent)]
    Seal(#[from] SealError),
}

struct Key {
    made: u64,
    secret: [u8; SealKey::LENGTH],
}

/// The keys in use at `now` (seconds since the epoch): those of the file, a new one in front if the newest has sealed
/// long enough, without those whose last token has ended. What changed is written back.
pub fn open_token_keys(file: &Path, lifetime: Duration, now: u64) -> Result<Tokens, KeyError> {
    let failed = |what| move |source| KeyError::Io { what, file: file.to_path_buf(), source };
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed("read")(error)),
    };
    let stored = text.lines().enumerate().map(|(at, line)| {
        parse(line).ok_or_else(|| KeyError::Broken { file: file.to_path_buf(), line: at + 1 })
    });
    let mut keys = stored.collect::<Result<Vec<Key>, _>>()?;
    if rotate(&mut keys, lifetime, now)? {
        let draft = file.with_extension("new");
        // One that a stop left there might be readable by others: it goes, and a new one is made.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove")(error)),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut written = options.open(&draft).map_err(failed("make"))?;
        let lines: String =
            keys.iter().map(|key| format!("{} {}\n", key.made, HEXLOWER.encode(&key.secret))).collect();
        written.write_all(lines.as_bytes()).and_then(|()| written.sync_all()).map_err(failed("write"))?;
        fs::rename(&draft, file).map_err(failed("name"))?;
    }
    let secrets: Vec<_> = keys.iter().map(|key| key.secret).collect();
    Ok(Tokens::new(&secrets, lifetime)?)
}

/// Rotates the keys of a running server when they are due, until `stopping` turns true.
pub async fn rotate_token_keys(
    access: &Access,
    file: &Path,
    now: fn() -> u64,
    mut stopping: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        match open_token_keys(file, access.token_lifetime(), now()) {
            Ok(tokens) => access.rotate(tokens),
            Err(error) => tracing::warn!(%error, "the keys of tokens are not rotated; the last ones stay"),
        }
    }
}

/// A key of this process alone.
pub fn passing_token_keys(lifetime: Duration) -> Result<Tokens, KeyError> {
    Ok(Tokens::new(&[SealKey::generate()?], lifetime)?)
}

fn parse(line: &str) -> Option<Key> {
    let (made, secret) = line.split_once(' ')?;
    let secret = HEXLOWER.decode(secret.as_bytes()).ok()?;
    Some(Key { made: made.parse().ok()?, secret: secret.try_into().ok()? })
}

/// Whether something changed.
fn rotate(keys: &mut Vec<Key>, lifetime: Duration, now: u64) -> Result<bool, SealError> {
    let before = keys.len();
    // A key's last token was sealed when its successor was made.
    let mut successor = None;
    keys.retain(|key| {
        let kept = successor.is_none_or(|made: u64| made.saturating_add(lifetime.as_secs()) > now);
        successor = Some(key.made);
        kept
    });
    let is_due = keys.first().is_none_or(|newest| newest.made.saturating_add(SEALS_FOR) <= now);
    if is_due {
        keys.insert(0, Key { made: now, secret: SealKey::generate()? });
    }
    Ok(is_due || keys.len() != before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ilium_store::{Principal, Role, TokenError};

    #[test]
    fn keys_survive_a_restart_and_overlap_when_they_rotate() {
        let folder = std::env::temp_dir().join(format!("ilium-token-keys-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("tokens.key");
        let (lifetime, start) = (Duration::from_secs(1800), 1_000_000);
        let open = |now| open_token_keys(&file, lifetime, now).unwrap();

        let ada = Principal::Role(Role::new("ada", *b"loom"));
        open(start);
        let late = start + SEALS_FOR - 10;
        let token = open(late).issue(&ada, late).unwrap();
        let rotated = start + SEALS_FOR + 10;
        assert_eq!(open(rotated).open(&token, rotated), Ok(ada));
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 2);
        let after = rotated + 1800;
        assert_eq!(open(after).open(&token, after), Err(TokenError::Altered));
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1);
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&file).unwrap());
        assert_eq!(mode & 0o777, 0o600);

        fs::write(&file, "nonsense\n").unwrap();
        assert!(matches!(open_token_keys(&file, lifetime, after), Err(KeyError::Broken { line: 1, .. })));
        fs::remove_dir_all(folder).unwrap();
    }
}
