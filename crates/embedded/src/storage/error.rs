//! What can go wrong in the store, in words a person can act on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why the store could not do what was asked. Cheap to clone: one failed sync answers every writer it carried.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// Only with [`Io::Cached`](super::Io::Cached): the answer is not in memory. Ask again with `Io::Allowed` from a
    /// thread that may block.
    #[error(
        "the answer is on disk and this caller may not wait for it; ask again from a thread that may block"
    )]
    WouldRead,

    /// A file does not hold what was written to it.
    #[error("{file} is damaged at byte {offset}: {what}; put a copy of the folder in its place")]
    Damaged { file: PathBuf, offset: u64, what: String },

    /// The operating system refused; `what` names the call.
    #[error("cannot {what} {file}: {source}")]
    Io {
        what: &'static str,
        file: PathBuf,
        #[source]
        source: Arc<io::Error>,
    },

    /// Free space has reached the reserve. Reads go on, and writes resume by themselves once there is room.
    #[error(
        "writes are refused: {free} bytes are free on the disk of {folder} and {reserve} are kept in reserve; \
         free some space, writing then resumes by itself"
    )]
    DiskFull { folder: PathBuf, free: u64, reserve: u64 },

    /// More bytes wait to be written than the queue may hold.
    #[error("{queued} bytes of writes wait already, the limit is {limit}; send fewer writes at once")]
    Overloaded { queued: usize, limit: usize },

    /// One batch is larger than the log takes.
    #[error("a batch of {bytes} bytes is over the limit of {limit}; split it")]
    BatchTooLarge { bytes: usize, limit: usize },

    /// A sync or an append failed earlier. After a failed sync the system may have thrown the pages away, so trying
    /// again could report success for data that is gone; only a restart reads back what is really there.
    #[error("writes are refused since an earlier failure ({why}); check the disk, then restart")]
    Poisoned { why: Arc<str> },

    /// A file is where the folder should be.
    #[error("{file} is a file; name a folder to keep the data in, or one that does not exist yet")]
    NoFolder { file: PathBuf },

    /// Another process has the folder open.
    #[error("the data folder {folder} is in use by another process; stop it first or choose another folder")]
    Locked { folder: PathBuf },

    /// The folder was written by a newer version.
    #[error(
        "{file} has format {found}, this version reads up to {known}; use the newer version that wrote it"
    )]
    NewerFormat { file: PathBuf, found: u32, known: u32 },

    /// A checkpoint goes into a folder of its own.
    #[error("the folder {folder} is not empty; name one that is, or that does not exist yet")]
    NotEmpty { folder: PathBuf },

    /// There are no files to copy.
    #[error("a store in memory has no files: start with a data folder to take checkpoints")]
    InMemory,

    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StorageError {
    pub(crate) fn io(what: &'static str, file: &Path, source: io::Error) -> Self {
        Self::Io { what, file: file.to_path_buf(), source: Arc::new(source) }
    }

    pub(crate) fn damaged(file: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged { file: file.to_path_buf(), offset, what: what.into() }
    }
}
