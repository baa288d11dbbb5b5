//! A disk in memory that knows what a power loss would leave: only what was synced, and of the rest whatever sectors
//! and names happened to get there. It can also fail a call, or run out of space.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ilium_embedded::storage::{Disk, DiskFile};
use parking_lot::Mutex;

/// What an unsynced write may be torn into. Disks promise 512 bytes, most do 4096.
pub const SECTORS: [usize; 2] = [512, 4096];

#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<Sim>>, Arc<Mutex<()>>);

#[derive(Default)]
struct Sim {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    /// The names as a power loss leaves them at least, and the changes since.
    durable_names: BTreeMap<PathBuf, usize>,
    unsynced_names: Vec<NameChange>,
    locked: BTreeSet<PathBuf>,
    capacity: Option<u64>,
    calls: u64,
    fail: Option<Fail>,
    capture_at: Option<u64>,
    captured: Option<Moment>,
    witness: Option<Arc<dyn Fn() -> usize + Send + Sync>>,
}

#[derive(Clone, Default)]
struct Inode {
    /// What a reader sees.
    content: Vec<u8>,
    /// What is on disk for sure.
    durable: Vec<u8>,
}

#[derive(Clone)]
enum NameChange {
    Set(PathBuf, usize),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf, usize),
}

/// A call that is to fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fail {
    /// The next sync of a file whose name begins like this, and all after it.
    Sync(&'static str),
    /// The next write to such a file, once; half of it gets there.
    Write(&'static str),
}

/// The disk at one moment, and what the witness said then.
#[derive(Clone)]
pub struct Moment {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    unsynced_names: Vec<NameChange>,
    pub witnessed: usize,
}

/// A small generator, so that a seed says everything about a run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n.max(1)
    }

    pub fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }
}

impl Moment {
    /// What the machine finds if the process was killed: all that was written. What of it is on disk is the same as
    /// before: a power loss may still follow.
    pub fn after_kill(&self) -> SimDisk {
        let sim = Sim {
            inodes: self.inodes.clone(),
            names: self.names.clone(),
            durable_names: self.durable_names.clone(),
            unsynced_names: self.unsynced_names.clone(),
            ..Sim::default()
        };
        SimDisk(Arc::new(Mutex::new(sim)), Arc::default())
    }

    /// What the machine may find after a power loss.
    pub fn after_power_loss(&self, random: &mut Random) -> SimDisk {
        // From nothing unsynced to all of it.
        let odds = [1, 2, 4, u64::MAX][random.below(4) as usize];
        let sector = SECTORS[random.below(2) as usize];
        let mut names = self.durable_names.clone();
        for change in &self.unsynced_names {
            if odds != u64::MAX && random.chance(odds) {
                change.apply(&mut names);
            }
        }
        let inodes = self.inodes.iter().map(|inode| inode.torn(odds, sector, random)).collect();
        let mut sim = Sim { inodes, names, ..Sim::default() };
        sim.settle();
        SimDisk(Arc::new(Mutex::new(sim)), Arc::default())
    }
}

impl Inode {
    fn torn(&self, odds: u64, sector: usize, random: &mut Random) -> Self {
        let mut found = self.durable.clone();
        if odds != u64::MAX {
            if random.chance(odds) {
                found.resize(self.content.len(), 0);
            }
            for (at, new) in self.content.chunks(sector).enumerate() {
                let start = at * sector;
                let end = (start + new.len()).min(found.len());
                if start < end && random.chance(odds) {
                    found[start..end].copy_from_slice(&new[..end - start]);
                }
            }
        }
        Self { content: found, durable: Vec::new() }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Set(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }
}

impl SimDisk {
    /// A disk of so many bytes.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.0.lock().capacity = bytes;
    }

    pub fn fail(&self, fail: Fail) {
        self.0.lock().fail = Some(fail);
    }

    /// Makes all writes wait while the guard lives.
    pub fn hold_writes(&self) -> parking_lot::MutexGuard<'_, ()> {
        self.1.lock()
    }

    /// Calls that changed something so far.
    pub fn calls(&self) -> u64 {
        self.0.lock().calls
    }

    /// The disk as it is now.
    pub fn now(&self) -> Moment {
        self.0.lock().moment()
    }

    /// Keeps the disk as it is after the call of this number.
    pub fn capture_at(&self, call: u64, witness: Arc<dyn Fn() -> usize + Send + Sync>) {
        let mut sim = self.0.lock();
        sim.capture_at = Some(call);
        sim.witness = Some(witness);
    }

    pub fn captured(&self) -> Option<Moment> {
        self.0.lock().captured.take()
    }

    /// Every file with its content.
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let sim = self.0.lock();
        sim.names.iter().map(|(path, &inode)| (path.clone(), sim.inodes[inode].content.clone())).collect()
    }

    /// Puts these files on an empty disk.
    pub fn restore(&self, files: &BTreeMap<PathBuf, Vec<u8>>) {
        let mut sim = self.0.lock();
        for (path, content) in files {
            let inode = sim.inodes.len();
            sim.inodes.push(Inode { content: content.clone(), durable: content.clone() });
            sim.names.insert(path.clone(), inode);
        }
        sim.settle();
    }

    /// Replaces a file's content, behind everybody's back.
    pub fn overwrite(&self, path: &Path, content: Vec<u8>) {
        let mut sim = self.0.lock();
        let inode = sim.names[path];
        sim.inodes[inode] = Inode { durable: content.clone(), content };
    }
}

impl Sim {
    /// Everything that is there is on disk.
    fn settle(&mut self) {
        self.durable_names = self.names.clone();
        self.unsynced_names.clear();
        self.inodes.iter_mut().for_each(|inode| inode.durable = inode.content.clone());
    }

    fn moment(&self) -> Moment {
        Moment {
            inodes: self.inodes.clone(),
            names: self.names.clone(),
            durable_names: self.durable_names.clone(),
            unsynced_names: self.unsynced_names.clone(),
            witnessed: self.witness.as_ref().map_or(0, |witness| witness()),
        }
    }

    fn called(&mut self) {
        self.calls += 1;
        if self.capture_at == Some(self.calls) {
            self.captured = Some(self.moment());
        }
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.unsynced_names.push(change);
        self.called();
    }

    fn inode(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn used(&self) -> u64 {
        let live: BTreeSet<usize> = self.names.values().copied().collect();
        live.into_iter().map(|inode| self.inodes[inode].content.len() as u64).sum()
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        match self.capacity {
            Some(capacity) if self.used() + bytes > capacity => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

impl Disk for SimDisk {
    fn create(&self, path: &Path, size: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut sim = self.0.lock();
        sim.reserve(size)?;
        let inode = sim.inodes.len();
        sim.inodes.push(Inode { content: vec![0; size as usize], durable: Vec::new() });
        sim.change_name(NameChange::Set(path.to_path_buf(), inode));
        Ok(Arc::new(SimFile { disk: self.clone(), inode, name: file_name(path) }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let inode = self.0.lock().inode(path)?;
        Ok(Arc::new(SimFile { disk: self.clone(), inode, name: file_name(path) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut sim = self.0.lock();
        let inode = sim.inode(from)?;
        sim.change_name(NameChange::Rename(from.to_path_buf(), to.to_path_buf(), inode));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut sim = self.0.lock();
        sim.inode(path)?;
        sim.change_name(NameChange::Remove(path.to_path_buf()));
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut sim = self.0.lock();
        let inode = sim.inode(from)?;
        sim.change_name(NameChange::Set(to.to_path_buf(), inode));
        Ok(())
    }

    fn create_dir(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let sim = self.0.lock();
        Ok(sim.names.keys().filter(|name| name.parent() == Some(path)).map(|name| file_name(name)).collect())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut sim = self.0.lock();
        let inside = |name: &PathBuf| name.parent() == Some(path);
        let Sim { unsynced_names, durable_names, .. } = &mut *sim;
        unsynced_names.retain(|change| {
            let here = match change {
                NameChange::Set(name, _) | NameChange::Remove(name) | NameChange::Rename(name, _, _) => {
                    inside(name)
                }
            };
            if here {
                change.apply(durable_names);
            }
            !here
        });
        sim.called();
        Ok(())
    }

    fn free_bytes(&self, _path: &Path) -> io::Result<u64> {
        let sim = self.0.lock();
        Ok(sim.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(sim.used())))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Any + Send + Sync>>> {
        let taken = self.0.lock().locked.insert(path.to_path_buf());
        Ok(taken
            .then(|| -> Box<dyn Any + Send + Sync> { Box::new(SimLock(self.clone(), path.to_path_buf())) }))
    }
}

struct SimLock(SimDisk, PathBuf);

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.0.lock().locked.remove(&self.1);
    }
}

struct SimFile {
    disk: SimDisk,
    inode: usize,
    name: String,
}

impl DiskFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().inodes[self.inode].content.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let sim = self.disk.0.lock();
        let offset = offset as usize;
        match sim.inodes[self.inode].content.get(offset..offset + buffer.len()) {
            Some(bytes) => buffer.copy_from_slice(bytes),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }

    fn read_at_once(&self, _offset: u64, _buffer: &mut [u8]) -> io::Result<bool> {
        Ok(false)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let _allowed = self.disk.1.lock();
        let mut sim = self.disk.0.lock();
        let end = offset as usize + bytes.len();
        let grows = end.saturating_sub(sim.inodes[self.inode].content.len());
        sim.reserve(grows as u64)?;
        let fails = matches!(sim.fail, Some(Fail::Write(name)) if self.name.starts_with(name));
        let content = &mut sim.inodes[self.inode].content;
        content.resize(content.len().max(end), 0);
        let written = if fails { bytes.len() / 2 } else { bytes.len() };
        content[offset as usize..offset as usize + written].copy_from_slice(&bytes[..written]);
        sim.called();
        if fails {
            sim.fail = None;
            return Err(io::Error::other("the disk did not take it"));
        }
        Ok(())
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<u64>> {
        Ok(Some(offset))
    }

    fn sync(&self) -> io::Result<()> {
        let mut sim = self.disk.0.lock();
        if matches!(sim.fail, Some(Fail::Sync(name)) if self.name.starts_with(name)) {
            return Err(io::Error::other("the disk did not sync"));
        }
        let inode = &mut sim.inodes[self.inode];
        inode.durable = inode.content.clone();
        sim.called();
        Ok(())
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
