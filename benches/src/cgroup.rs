//! A memory cgroup for a server: what it allocates and what it reads and writes of files share one limit.
//!
//! A process belongs to the group of the one that started it. So this program *enters* the group, starts the server, and
//! *leaves*: the server has not touched a page before it is in.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// A group of this program's making, removed when dropped (after its server).
#[derive(Debug)]
pub struct MemoryGroup {
    folder: PathBuf,
    /// The group this program was in.
    home: PathBuf,
    /// Version 2 names its files differently.
    unified: bool,
}

/// MiB held by a group.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub limit: u64,
    /// Of processes.
    pub anonymous: u64,
    /// Of files: the page cache.
    pub files: u64,
}

const REMEDY: &str = "the cold set needs a memory cgroup that this user may write to (version 1 mounted with `memory`, or \
     version 2 with the memory controller): run as root, and in a container with /sys/fs/cgroup writable";

impl MemoryGroup {
    pub fn new(name: &str, bytes: u64) -> Result<MemoryGroup> {
        let (home, unified) = home()?;
        // In version 2 a group with processes has no limits for groups below it, so the new one goes beside.
        let above =
            if unified { home.parent().filter(|above| above.join("cgroup.procs").exists()) } else { None };
        let above = above.unwrap_or(&home);
        let folder = above.join(format!("ilium-bench-{}-{name}", std::process::id()));
        if unified {
            let controllers = above.join("cgroup.subtree_control");
            fs::write(&controllers, "+memory")
                .with_context(|| format!("{}: {REMEDY}", controllers.display()))?;
        }
        fs::create_dir(&folder).with_context(|| format!("cannot make {}: {REMEDY}", folder.display()))?;
        let group = MemoryGroup { folder, home, unified };
        if unified {
            group.set("memory.max", bytes)?;
            group.set_if_there("memory.swap.max", 0)?;
        } else {
            group.set("memory.limit_in_bytes", bytes)?;
            group.set_if_there("memory.memsw.limit_in_bytes", bytes)?;
        }
        Ok(group)
    }

    fn set(&self, file: &str, value: u64) -> Result<()> {
        let file = self.folder.join(file);
        fs::write(&file, value.to_string())
            .with_context(|| format!("cannot write {}: {REMEDY}", file.display()))
    }

    /// Limits of swap exist where the kernel counts it.
    fn set_if_there(&self, file: &str, value: u64) -> Result<()> {
        if self.folder.join(file).exists() { self.set(file, value) } else { Ok(()) }
    }

    /// Runs `start` inside the group; the processes it starts stay there.
    pub fn holding<T>(&self, start: impl FnOnce() -> Result<T>) -> Result<T> {
        enter(&self.folder)?;
        let started = start();
        enter(&self.home)?;
        started
    }

    pub fn usage(&self) -> Usage {
        let read = |file: &str| fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        let stat = read("memory.stat");
        let field = |name: &str| -> u64 {
            let value = stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
            value.unwrap_or(0) >> 20
        };
        let (limit, anonymous, files) = if self.unified {
            ("memory.max", "anon ", "file ")
        } else {
            ("memory.limit_in_bytes", "rss ", "cache ")
        };
        Usage {
            limit: read(limit).trim().parse::<u64>().unwrap_or(0) >> 20,
            anonymous: field(anonymous),
            files: field(files),
        }
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // A process that was killed leaves its group a moment later.
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn enter(folder: &Path) -> Result<()> {
    let file = folder.join("cgroup.procs");
    fs::write(&file, std::process::id().to_string())
        .with_context(|| format!("cannot move to {}: {REMEDY}", file.display()))
}

/// The memory group this program is in, and whether it is one of version 2.
fn home() -> Result<(PathBuf, bool)> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("reading /proc/self/mounts")?;
    let groups = fs::read_to_string("/proc/self/cgroup").context("reading /proc/self/cgroup")?;
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(at), Some(kind), Some(options)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let unified = match kind {
            "cgroup" if options.split(',').any(|option| option == "memory") => false,
            "cgroup2" => {
                let controllers =
                    fs::read_to_string(Path::new(at).join("cgroup.controllers")).unwrap_or_default();
                if !controllers.split_whitespace().any(|name| name == "memory") {
                    continue;
                }
                true
            }
            _ => continue,
        };
        let inside = groups.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            let ours = if unified {
                controllers.is_empty()
            } else {
                controllers.split(',').any(|name| name == "memory")
            };
            ours.then_some(path)
        });
        let home = Path::new(at).join(inside.unwrap_or("/").trim_start_matches('/'));
        if !home.is_dir() {
            bail!("this program's memory group {} cannot be seen: {REMEDY}", home.display());
        }
        return Ok((home, unified));
    }
    bail!("no memory cgroup is mounted: {REMEDY}")
}
