//! Why running a statement stopped: an error for the client, or a read that must move to a thread that may block.

use ilium_store::{Error, ErrorKind};

use crate::storage::StorageError;

#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// Ran with `Io::Cached` and the data is on disk: run it again with `Io::Allowed` where blocking is fine.
    #[error("the data is on disk and this thread may not wait for it")]
    WouldRead,
    #[error(transparent)]
    Error(#[from] Error),
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Fault {
        match error {
            StorageError::WouldRead => Fault::WouldRead,
            other => Fault::Error(seam_error(&other)),
        }
    }
}

/// A storage error as the seam names it.
pub fn seam_error(error: &StorageError) -> Error {
    let kind = match error {
        StorageError::Damaged { .. } | StorageError::NewerFormat { .. } => ErrorKind::Corrupt,
        StorageError::Overloaded { .. } | StorageError::DiskFull { .. } => ErrorKind::Overloaded,
        StorageError::BatchTooLarge { .. } => ErrorKind::Invalid,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, error.to_string())
}
