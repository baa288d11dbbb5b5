//! Folders as earlier versions wrote them still open.

use std::path::{Path, PathBuf};

use ilium_embedded::storage::{Batch, DiskStore, Durability, Options, Store};

use crate::storage_folder::Folder;
use crate::storage_toy::{Rows, Toy, deleted, live, rows};

fn fixture(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/storage-{format}"))
}

fn open(folder: &Path) -> DiskStore {
    let options = Options { durability: Durability::Group, segment_bytes: 2048, ..Options::default() };
    DiskStore::open(folder, Toy::new(), options).unwrap()
}

/// What is in every fixture: two tables, one of them compressed, a dropped prefix, and two records in the log.
fn fill(store: &DiskStore) {
    let commit = |entries: &[(&[u8], Vec<u8>)]| {
        let mut batch = Batch::new();
        entries.iter().for_each(|(key, value)| batch.put(key, value));
        store.commit(batch).wait().unwrap();
    };
    for i in 0..40u8 {
        commit(&[(&[b'a', i], live(10, &[i; 40])), (&[b'b', i], live(10, b"dropped"))]);
    }
    store.compact().unwrap();
    let mut batch = Batch::new();
    batch.drop_prefix(b"b");
    store.commit(batch).wait().unwrap();
    commit(&[(b"a\x01", deleted(11)), (b"b\x07", live(1, b"after the drop"))]);
    store.flush().unwrap();
    commit(&[(b"a\x02", live(12, b"newer"))]);
    commit(&[(b"c\x01", live(1, b"in the log"))]);
}

fn expected() -> Rows {
    let mut rows: Rows = (0..40u8).map(|i| (vec![b'a', i], vec![i; 40])).collect();
    rows.remove(b"a\x01".as_slice());
    rows.insert(b"a\x02".to_vec(), b"newer".to_vec());
    rows.insert(b"b\x07".to_vec(), b"after the drop".to_vec());
    rows.insert(b"c\x01".to_vec(), b"in the log".to_vec());
    rows
}

#[test]
fn a_folder_of_format_1_opens() {
    let folder = Folder::new();
    for entry in std::fs::read_dir(fixture(1)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let store = open(folder.path());
    assert_eq!(rows(&store.view()), expected());
    assert!(store.scrub().unwrap().damage.is_empty());
    assert!(store.stats().tables >= 2);
}

/// Writes the fixture of the present format into the folder that `ILIUM_STORAGE_FIXTURE` names: to be kept when a
/// format lands.
#[test]
fn a_fixture_holds_what_is_expected() {
    let folder = Folder::new();
    let path = std::env::var_os("ILIUM_STORAGE_FIXTURE").map_or(folder.path().to_path_buf(), PathBuf::from);
    let store = open(&path);
    fill(&store);
    assert_eq!(rows(&store.view()), expected());
}
