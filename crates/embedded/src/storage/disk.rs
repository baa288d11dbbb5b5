//! Every file system call of the store goes through here, so that a test can record writes and syncs, fail one of
//! them, or fill the disk.

use std::any::Any;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::ReadWriteFlags;

/// A file system, as far as the store needs one. A change of names (create, rename, remove, link) survives a power
/// loss once [`sync_dir`](Disk::sync_dir) has returned, a change of content once [`DiskFile::sync`] has.
pub trait Disk: Send + Sync + 'static {
    /// Makes an empty file, or empties the one there is, and gives it `size` bytes of zeros that are sure to have
    /// room on the disk.
    fn create(&self, path: &Path, size: u64) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Renames a file over whatever has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file; those who have it open keep it.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Gives a file that will not be written again a second name, or copies it where that is not possible.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes a folder and those above it, if absent.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// The names in a folder.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Bytes this process may still write on the disk of a folder.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
    /// Takes a lock that lasts until the value is dropped or the process ends; `None` if somebody else has it.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Any + Send + Sync>>>;
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Its size in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset`; an error if the file ends before.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
    /// Like [`read_at`](DiskFile::read_at), but only if the system can answer from its memory at once; `false` if not.
    fn read_at_once(&self, offset: u64, buffer: &mut [u8]) -> io::Result<bool>;
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// The first place from `offset` on that may hold anything but zeros; `None` if there is none. Never later than
    /// the true one.
    fn next_data(&self, offset: u64) -> io::Result<Option<u64>>;
    /// Returns once the content is on the disk.
    fn sync(&self) -> io::Result<()>;
}

/// The file system of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path, size: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        if size > 0 {
            match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size) {
                Ok(()) => {}
                // Some file systems cannot reserve room; the file then at least has its size.
                Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(size)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Arc::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        if std::fs::hard_link(from, to).is_err() {
            std::fs::copy(from, to)?;
            File::open(to)?.sync_all()?;
        }
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        std::fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Any + Send + Sync>>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl DiskFile for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }

    fn read_at_once(&self, offset: u64, buffer: &mut [u8]) -> io::Result<bool> {
        let wanted = buffer.len();
        match rustix::io::preadv2(self, &mut [IoSliceMut::new(buffer)], offset, ReadWriteFlags::NOWAIT) {
            Ok(read) => Ok(read == wanted),
            // Not in the system's memory, or a file system that cannot tell: the caller reads on a thread that may wait.
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::INTR) => {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
        match rustix::fs::seek(self, SeekFrom::Data(offset)) {
            Ok(at) => Ok(Some(at)),
            Err(rustix::io::Errno::NXIO) => Ok(None),
            // A file system that cannot tell.
            Err(_) => Ok(Some(offset)),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
