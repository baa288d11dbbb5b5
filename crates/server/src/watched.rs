//! Files that are read again when they change, while the server runs: certificates, keys, passwords.
//!
//! They are looked at, not waited for: what a cluster mounts is swapped by a link, on file systems that tell nobody.

use std::fmt::Display;
use std::fs;
use std::future::{Future, ready};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::sleep;

/// How often they are looked at. A certificate is renewed days before it ends, so seconds do not matter.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Some files, and what they were like when they were last read.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    files: Vec<PathBuf>,
    seen: Vec<Option<Look>>,
}

/// What tells a changed file from itself: when it was written, its size, and which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    modified: Option<SystemTime>,
    size: u64,
    inode: u64,
}

impl Watched {
    /// To be made before the files are read: a change that comes between is seen the next time.
    pub fn new(files: Vec<PathBuf>) -> Watched {
        let seen = look(&files);
        Watched { files, seen }
    }

    /// Calls `take` if there was a change since it last succeeded; whether it did. What is half there fails, and is tried
    /// again.
    pub async fn take_if_changed<E, T>(&mut self, take: impl FnOnce() -> T) -> Result<bool, E>
    where
        T: Future<Output = Result<(), E>>,
    {
        let now = look(&self.files);
        if now == self.seen {
            return Ok(false);
        }
        take().await?;
        self.seen = now;
        Ok(true)
    }

    /// Looks at them until `stopping` turns true. `what` is named in the log; what cannot be used leaves the last that
    /// could.
    pub async fn keep_reading<E: Display>(
        self,
        what: &str,
        stopping: watch::Receiver<bool>,
        mut read: impl FnMut() -> Result<(), E>,
    ) {
        self.keep_taking(what, stopping, || ready(read())).await;
    }

    /// As [`keep_reading`](Self::keep_reading), where it takes a while to know whether what was read can be used.
    pub async fn keep_taking<E, T>(
        mut self,
        what: &str,
        mut stopping: watch::Receiver<bool>,
        mut take: impl FnMut() -> T,
    ) where
        E: Display,
        T: Future<Output = Result<(), E>>,
    {
        let mut has_failed = false;
        loop {
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            let taken = tokio::select! {
                taken = self.take_if_changed(&mut take) => taken,
                _ = stopping.wait_for(|stop| *stop) => return,
            };
            match taken {
                Ok(false) => {}
                // As loud as the warning that this ends.
                Ok(true) if std::mem::take(&mut has_failed) => {
                    tracing::warn!("{what}: read again, and good now");
                }
                Ok(true) => tracing::info!("{what}: read again, as the files changed"),
                Err(error) => {
                    has_failed = true;
                    tracing::warn!(%error, "{what}: the changed files cannot be used; the last good ones stay");
                }
            }
        }
    }
}

fn look(files: &[PathBuf]) -> Vec<Option<Look>> {
    let look = |file: &PathBuf| {
        let metadata = fs::metadata(file).ok()?;
        Some(Look { modified: metadata.modified().ok(), size: metadata.len(), inode: metadata.ino() })
    };
    files.iter().map(look).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logged;

    #[tokio::test]
    async fn a_file_is_read_again_once_after_a_change_and_until_it_can_be_used() {
        let folder = std::env::temp_dir().join(format!("ilium-watched-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("file");
        fs::write(&file, "one").unwrap();
        let mut watched = Watched::new(vec![file.clone()]);
        let text = || {
            ready(match fs::read_to_string(&file) {
                Ok(text) if text == "broken" => Err(text),
                _ => Ok(()),
            })
        };
        assert_eq!(watched.take_if_changed(text).await, Ok(false));
        fs::write(&file, "broken").unwrap();
        assert!(watched.take_if_changed(text).await.is_err());
        assert!(watched.take_if_changed(text).await.is_err());
        // As a mounted secret changes: another file in its place.
        fs::write(folder.join("other"), "second").unwrap();
        fs::rename(folder.join("other"), &file).unwrap();
        assert_eq!(watched.take_if_changed(text).await, Ok(true));
        assert_eq!(watched.take_if_changed(text).await, Ok(false));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_can_be_used_again_is_told_as_loudly_as_what_could_not() {
        let folder = std::env::temp_dir().join(format!("ilium-watched-again-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("file");
        fs::write(&file, "one").unwrap();
        let watched = Watched::new(vec![file.clone()]);
        fs::write(&file, "other").unwrap();
        let log = logged::while_running(|| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
            let (stop, stopping) = watch::channel(false);
            let mut reads = 0;
            let read = || {
                reads += 1;
                stop.send_replace(reads == 3);
                // Another time, so that there is something to read again.
                fs::write(&file, "x".repeat(reads)).unwrap();
                if reads == 1 { Err("half of it") } else { Ok(()) }
            };
            runtime.unwrap().block_on(watched.keep_reading("a file", stopping, read));
        });
        let lines: Vec<&str> = log.lines().collect();
        let [failed, good, plain] = lines[..] else { panic!("{log}") };
        assert!(failed.contains(" WARN ") && failed.contains("half of it"), "{log}");
        assert!(good.contains(" WARN ") && good.contains("a file: read again"), "{log}");
        assert!(plain.contains(" INFO ") && plain.contains("a file: read again"), "{log}");
        fs::remove_dir_all(folder).unwrap();
    }
}
