//! The manifest: which tables belong to the store, what of them is hidden, and where the log begins. A small file,
//! replaced as a whole.

use std::path::{Path, PathBuf};

use super::StorageError;
use super::disk::Disk;
use super::encode::{Input, put_bytes, put_uint};
use super::table::Finished;

const MAGIC: [u8; 8] = *b"ilm-mani";
/// The format this version writes, and the newest it reads. It stands for the folder: a change to any of its files
/// that an older version would misread raises it.
const FORMAT: u32 = 1;

/// The file a manifest is in before it is the manifest.
pub(crate) const STAGED: &str = "manifest.new";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// No table has this id or a greater one.
    pub next_table: u64,
    /// The first segment of the log whose records are not in tables.
    pub first_segment: u64,
    pub runs: Vec<Vec<Listed>>,
}

/// A table of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub finished: Finished,
    pub hidden: Vec<Box<[u8]>>,
}

/// The manifest of a folder.
pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join("manifest")
}

impl Manifest {
    /// Replaces the manifest of `folder`; durable when it returns, and either the old or the new one at any moment.
    pub fn write(&self, disk: &dyn Disk, folder: &Path) -> Result<(), StorageError> {
        self.stage(disk, folder)?;
        Self::publish(disk, folder)
    }

    /// Writes what is to be the manifest beside it. After an error everything is as before.
    pub fn stage(&self, disk: &dyn Disk, folder: &Path) -> Result<(), StorageError> {
        let (new, bytes) = (folder.join(STAGED), self.to_bytes());
        let written = disk.create(&new, 0).and_then(|file| {
            file.write_at(0, &bytes)?;
            file.sync()
        });
        written.map_err(|error| StorageError::io("write", &new, error))
    }

    /// Makes what was staged the manifest. After an error either may be it, and no file of either may be removed.
    pub fn publish(disk: &dyn Disk, folder: &Path) -> Result<(), StorageError> {
        let path = path(folder);
        disk.rename(&folder.join(STAGED), &path)
            .map_err(|error| StorageError::io("replace", &path, error))?;
        disk.sync_dir(folder).map_err(|error| StorageError::io("sync", folder, error))
    }

    /// Reads the manifest of `folder`; `None` if there is none.
    pub fn read(disk: &dyn Disk, folder: &Path) -> Result<Option<Self>, StorageError> {
        let path = path(folder);
        let file = match disk.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StorageError::io("open", &path, error)),
        };
        let mut bytes = Vec::new();
        let read = file.size().and_then(|size| {
            bytes.resize(usize::try_from(size).unwrap_or(usize::MAX), 0);
            file.read_at(0, &mut bytes)
        });
        read.map_err(|error| StorageError::io("read", &path, error))?;
        Self::from_bytes(&bytes, &path).map(Some)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&FORMAT.to_le_bytes());
        put_uint(&mut out, self.next_table);
        put_uint(&mut out, self.first_segment);
        put_uint(&mut out, self.runs.len() as u64);
        for run in &self.runs {
            put_uint(&mut out, run.len() as u64);
            for listed in run {
                put_uint(&mut out, listed.finished.id);
                put_uint(&mut out, listed.finished.size);
                out.extend_from_slice(&listed.finished.seal.to_le_bytes());
                put_uint(&mut out, listed.hidden.len() as u64);
                listed.hidden.iter().for_each(|prefix| put_bytes(&mut out, prefix));
            }
        }
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, StorageError> {
        let damaged = |what: &str| StorageError::damaged(path, 0, what);
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(|| damaged("it is too short"))?;
        if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
            return Err(damaged("its checksum does not match"));
        }
        let mut input = Input(body);
        if input.array() != Some(MAGIC) {
            return Err(damaged("it is no manifest"));
        }
        match input.u32() {
            Some(FORMAT) => {}
            Some(found) => {
                return Err(StorageError::NewerFormat { file: path.to_path_buf(), found, known: FORMAT });
            }
            None => return Err(damaged("it is too short")),
        }
        let manifest = Self::read_body(&mut input).filter(|_| input.is_empty());
        manifest.ok_or_else(|| damaged("its content makes no sense"))
    }

    fn read_body(input: &mut Input<'_>) -> Option<Self> {
        let mut manifest = Self { next_table: input.uint()?, first_segment: input.uint()?, runs: Vec::new() };
        for _ in 0..input.len()? {
            let mut run = Vec::new();
            for _ in 0..input.len()? {
                let finished = Finished { id: input.uint()?, size: input.uint()?, seal: input.u32()? };
                let mut hidden = Vec::new();
                for _ in 0..input.len()? {
                    hidden.push(input.bytes()?.into());
                }
                run.push(Listed { finished, hidden });
            }
            manifest.runs.push(run);
        }
        Some(manifest)
    }
}
