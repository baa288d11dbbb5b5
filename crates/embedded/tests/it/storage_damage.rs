//! Damage: every byte of every file flipped, every file cut at every length. The store answers with the right rows or
//! names the file; it never answers with others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ilium_embedded::storage::{Batch, DiskStore, Durability, Io, Options, StorageError, Store};

use crate::storage_model::small_options;
use crate::storage_sim::SimDisk;
use crate::storage_toy::{Rows, Toy, deleted, live, rows};

const FOLDER: &str = "/data";

fn options(disk: &SimDisk) -> Options {
    Options { segment_bytes: 1024, ..small_options(disk.clone(), Durability::Group) }
}

fn open(disk: &SimDisk) -> Result<DiskStore, StorageError> {
    DiskStore::open(Path::new(FOLDER), Toy::new(), options(disk))
}

/// A store with tables, a dropped prefix, and a log of a few records.
fn sample() -> (SimDisk, Rows) {
    let disk = SimDisk::default();
    let store = open(&disk).unwrap();
    let commit = |entries: &[(&[u8], Vec<u8>)]| {
        let mut batch = Batch::new();
        entries.iter().for_each(|(key, value)| batch.put(key, value));
        store.commit(batch).wait().unwrap();
    };
    for i in 0..12u8 {
        commit(&[(&[b'a', i], live(10, &[i; 60])), (&[b'b', i], live(10, b"dropped"))]);
    }
    store.flush().unwrap();
    let mut batch = Batch::new();
    batch.drop_prefix(b"b");
    store.commit(batch).wait().unwrap();
    commit(&[(b"a\x01", deleted(11)), (b"c\x01", live(1, b"in a second table"))]);
    store.flush().unwrap();
    commit(&[(b"a\x02", live(12, b"newer"))]);
    commit(&[(b"d\x01", live(1, b"in the log")), (b"d\x02", live(1, b"with it"))]);
    let expected = rows(&store.view());
    assert_eq!(expected.len(), 11 + 1 + 2);
    drop(store);
    (without_leftovers(&disk, &expected), expected)
}

/// The end may have cut a compaction short; what it had made is nobody's, and damage to it harms nobody.
fn without_leftovers(disk: &SimDisk, expected: &Rows) -> SimDisk {
    let mut files = disk.files();
    let tables: Vec<PathBuf> =
        files.keys().filter(|path| path.display().to_string().contains("table-")).cloned().collect();
    for path in tables {
        let mut fewer = files.clone();
        fewer.remove(&path);
        let rest = SimDisk::default();
        rest.restore(&fewer);
        if read_all(&rest).is_ok_and(|rows| rows == *expected) {
            files = fewer;
        }
    }
    let kept = SimDisk::default();
    kept.restore(&files);
    kept
}

/// What a reader finds: all rows forwards and by key, and a clean scrub; or the first error.
fn read_all(disk: &SimDisk) -> Result<Rows, StorageError> {
    let store = open(disk)?;
    let view = store.view();
    let mut found = Vec::new();
    let mut range = view.prefix(&[], false, Io::Allowed);
    while let Some((key, value)) = range.next()? {
        found.push((key.to_vec(), value.to_vec()));
    }
    let mut out = Vec::new();
    for (key, value) in &found {
        assert!(view.get(key, Io::Allowed, &mut out)?);
        assert_eq!(&out, value);
    }
    if let Some(damage) = store.scrub()?.damage.into_iter().next() {
        return Err(damage.error);
    }
    Ok(rows(&view))
}

fn check(
    files: &BTreeMap<PathBuf, Vec<u8>>,
    path: &Path,
    content: Vec<u8>,
    expected: &Rows,
    what: &str,
) -> bool {
    let disk = SimDisk::default();
    disk.restore(files);
    disk.overwrite(path, content);
    match read_all(&disk) {
        Ok(found) => {
            assert_eq!(&found, expected, "{what} of {} changed the rows", path.display());
            false
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.contains(&path.display().to_string()), "{what} of {}: {message}", path.display());
            true
        }
    }
}

#[test]
fn no_flipped_byte_changes_what_is_read() {
    let (disk, expected) = sample();
    let files = disk.files();
    assert!(files.len() >= 4, "{:?}", files.keys());
    let mut flips = 0;
    for (path, content) in &files {
        flips += 2 * content.len();
        let mut noticed = 0;
        for at in 0..content.len() {
            for flip in [0x01, 0xff] {
                let mut damaged = content.clone();
                damaged[at] ^= flip;
                noticed +=
                    usize::from(check(&files, path, damaged, &expected, &format!("byte {at} ^ {flip:#x}")));
            }
        }
        let log = path.display().to_string().contains("log-");
        assert!(
            log || noticed == 2 * content.len(),
            "{}: {noticed} of {}",
            path.display(),
            2 * content.len()
        );
    }
    println!("{flips} flips in {} files", files.len());
}

#[test]
fn no_cut_file_changes_what_is_read() {
    let (disk, expected) = sample();
    let files = disk.files();
    for (path, content) in &files {
        for len in 0..content.len() {
            let noticed = check(&files, path, content[..len].to_vec(), &expected, &format!("a cut at {len}"));
            assert!(noticed, "{} was cut at {len} and nobody noticed", path.display());
        }
    }
    println!("{} cuts", files.values().map(Vec::len).sum::<usize>());
}

#[test]
fn a_missing_file_is_named() {
    let (disk, _) = sample();
    let files = disk.files();
    // The last segment may be one that was made ahead of time and never used.
    let is_log = |path: &&PathBuf| path.display().to_string().contains("log-");
    let spare = files.keys().filter(is_log).skip(1).last();
    for path in files.keys().filter(|path| Some(*path) != spare) {
        let mut fewer = files.clone();
        fewer.remove(path);
        let disk = SimDisk::default();
        disk.restore(&fewer);
        let error =
            open(&disk).err().unwrap_or_else(|| panic!("{} is missing and nobody noticed", path.display()));
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let (disk, _) = sample();
    let path = Path::new(FOLDER).join("manifest");
    let mut manifest = disk.files()[&path].clone();
    manifest[8] += 1;
    let body = manifest.len() - 4;
    let crc = crc32fast::hash(&manifest[..body]);
    manifest[body..].copy_from_slice(&crc.to_le_bytes());
    disk.overwrite(&path, manifest);
    let error = open(&disk).err().unwrap();
    assert!(matches!(error, StorageError::NewerFormat { found: 2, known: 1, .. }), "{error}");
}
