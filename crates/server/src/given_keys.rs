//! The keys of tokens from a file that the operator keeps, so that several replicas share them: each opens what another
//! sealed. It is only read; who rotates the keys writes it.
//!
//! A line is a key of 64 hexadecimal digits, 32 bytes; empty lines and those that begin with `#` are passed over. The first
//! seals, any opens.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER_PERMISSIVE;
use ilium_http::Access;
use ilium_store::{SealKey, Tokens};
use tokio::sync::watch;

use crate::KeyError;
use crate::watched::Watched;

/// A file with keys, read again when it changes.
#[derive(Debug)]
pub struct GivenKeys {
    file: PathBuf,
    lifetime: Duration,
    watched: Watched,
}

impl GivenKeys {
    /// `lifetime` is that of tokens.
    pub fn open(file: &Path, lifetime: Duration) -> Result<(GivenKeys, Tokens), KeyError> {
        let watched = Watched::new(vec![file.to_path_buf()]);
        let tokens = read(file, lifetime)?;
        Ok((GivenKeys { file: file.to_path_buf(), lifetime, watched }, tokens))
    }

    /// Reads the file again whenever it changes, until `stopping` turns true.
    pub async fn renew(self, access: &Access, stopping: watch::Receiver<bool>) {
        let GivenKeys { file, lifetime, watched } = self;
        let read = || read(&file, lifetime).map(|tokens| access.rotate(tokens));
        watched.keep_reading("the keys of tokens", stopping, read).await;
    }
}

fn read(file: &Path, lifetime: Duration) -> Result<Tokens, KeyError> {
    let text = fs::read_to_string(file);
    let text = text.map_err(|source| KeyError::Io { what: "read", file: file.to_path_buf(), source })?;
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let keys = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(at, line)| {
        let key = HEXLOWER_PERMISSIVE.decode(line.as_bytes()).ok();
        let key = key.and_then(|key| <[u8; SealKey::LENGTH]>::try_from(key).ok());
        key.ok_or_else(|| KeyError::NoKey { file: file.to_path_buf(), line: at })
    });
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(KeyError::Empty { file: file.to_path_buf() });
    }
    Ok(Tokens::new(&keys, lifetime)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ilium_store::{Principal, Role, TokenError};

    #[test]
    fn replicas_with_the_same_file_open_each_others_tokens_through_a_rotation() {
        let folder = std::env::temp_dir().join(format!("ilium-given-keys-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("keys");
        let (old, new) = ("0123456789abcdef".repeat(4), "FEDCBA9876543210".repeat(4));
        let open = |text: &str| {
            fs::write(&file, text).unwrap();
            GivenKeys::open(&file, Duration::from_secs(60)).map(|(_, tokens)| tokens)
        };
        let ada = Principal::Role(Role::new("ada", *b"loom"));
        let by_old = open(&format!("# made in March\n{old}\n")).unwrap();
        // First every replica learns to open what the new key seals, then they seal with it, then the old one goes.
        let learned = open(&format!("{old}\n\n{new}\n")).unwrap();
        let sealing = open(&format!("{new}\n{old}\n")).unwrap();
        let last = open(&new).unwrap();
        for (seals, opens) in [
            (&by_old, [true, true, true, false]),
            (&learned, [true, true, true, false]),
            (&sealing, [false, true, true, true]),
            (&last, [false, true, true, true]),
        ] {
            let token = seals.issue(&ada, 1000).unwrap();
            for (tokens, opens) in [&by_old, &learned, &sealing, &last].into_iter().zip(opens) {
                let expected = if opens { Ok(ada.clone()) } else { Err(TokenError::Altered) };
                assert_eq!(tokens.open(&token, 1001), expected);
            }
        }
        assert!(matches!(open("# none\n"), Err(KeyError::Empty { .. })));
        let broken = open(&format!("{old}\n0123\n")).err().unwrap().to_string();
        assert!(broken.contains("line 2") && broken.contains("64 hexadecimal digits"), "{broken}");
        assert!(!broken.contains("0123"), "{broken}");
        fs::remove_file(&file).unwrap();
        assert!(matches!(GivenKeys::open(&file, Duration::ZERO), Err(KeyError::Io { .. })));
        fs::remove_dir_all(folder).unwrap();
    }
}
