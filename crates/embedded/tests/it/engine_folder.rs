//! An engine's folder as a whole: copies of it, damage in it, and folders that earlier versions wrote.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ilium_store::ErrorKind;

use crate::model_engine::files;
use crate::select_fixture::Db;
use crate::storage_folder::Folder;

#[test]
fn a_checkpoint_taken_while_writes_go_on_opens_with_all_that_was_acknowledged_and_batches_whole() {
    let (folder, copy) = (Folder::new(), Folder::new());
    let db = Db::open(Some(folder.path().to_path_buf()));
    db.run("CREATE TABLE t (k int PRIMARY KEY, v int)");
    db.run("CREATE INDEX ON t (v)");
    let (acknowledged, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let before = std::thread::scope(|scope| {
        let writer = || {
            // A batch over two partitions, again and again.
            for i in 0.. {
                let (a, b) = (2 * i, 2 * i + 1);
                db.run(&format!(
                    "BEGIN BATCH INSERT INTO t (k, v) VALUES ({a}, {i}); INSERT INTO t (k, v) VALUES ({b}, {i}); APPLY BATCH"
                ));
                acknowledged.store(i + 1, Ordering::SeqCst);
                if stop.load(Ordering::SeqCst) {
                    break;
                }
            }
        };
        let enough = |count: usize| {
            while acknowledged.load(Ordering::SeqCst) < count {
                std::thread::yield_now();
            }
        };
        scope.spawn(writer);
        enough(100);
        // In files and in memory.
        db.engine.flush().unwrap();
        enough(200);
        let before = acknowledged.load(Ordering::SeqCst);
        db.engine.checkpoint(&copy.path().join("copy")).unwrap();
        enough(before + 20);
        stop.store(true, Ordering::SeqCst);
        before
    });
    let copied = Db::open(Some(copy.path().join("copy")));
    let count = copied.rows("SELECT k FROM t").len();
    assert!(count >= 2 * before, "{count} rows of {before} batches that were acknowledged");
    assert!(count.is_multiple_of(2), "half a batch: {count}");
    for i in 0..count / 2 {
        assert_eq!(copied.rows(&format!("SELECT k FROM t WHERE v = {i}")).len(), 2, "batch {i}");
    }
    copied.run("INSERT INTO t (k, v) VALUES (-1, -1)");
    assert!(copied.engine.scrub().unwrap().damage.is_empty());
    assert_eq!(db.rows("SELECT k FROM t WHERE k = -1").len(), 0, "the copy is on its own");
}

#[test]
fn a_scrub_names_the_table_and_the_file_of_a_flipped_byte_and_so_does_a_read() {
    let folder = Folder::new();
    {
        let db = Db::open(Some(folder.path().to_path_buf()));
        db.run("CREATE TABLE damaged (k int PRIMARY KEY, v text)");
        // Enough for blocks of their own: the schema is to be readable.
        for k in 0..1000 {
            db.run(&format!("INSERT INTO damaged (k, v) VALUES ({k}, 'row {k}')"));
        }
        db.engine.flush().unwrap();
        let scrubbed = db.engine.scrub().unwrap();
        assert!(scrubbed.damage.is_empty(), "{:?}", scrubbed.damage);
        assert!(scrubbed.files >= 1 && scrubbed.bytes > 500);
    }
    let is_table = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("table-");
    let table = files(folder.path().to_path_buf()).into_iter().find(is_table).unwrap();
    let mut bytes = std::fs::read(&table).unwrap();
    let place = bytes.windows(4).rposition(|window| window == b"row ").unwrap();
    bytes[place] ^= 1;
    std::fs::write(&table, bytes).unwrap();

    let db = Db::open(Some(folder.path().to_path_buf()));
    let file = table.display().to_string();
    let named = |message: &str| message.contains(&file) && message.contains("ks.damaged");
    let scrubbed = db.engine.scrub().unwrap();
    let [message] = &scrubbed.damage[..] else { panic!("{:?}", scrubbed.damage) };
    assert!(named(message), "{message}");
    let error = db.error("SELECT * FROM damaged");
    assert_eq!(error.kind, ErrorKind::Corrupt);
    assert!(named(&error.message), "{}", error.message);
}

const FIXTURE: [&str; 19] = [
    "CREATE TYPE u (a int, b text)",
    "CREATE TABLE wide (p int, c decimal, d text, s int static, v int, l list<int>, e set<decimal>, m map<text, int>, u u, \
     f frozen<map<int, text>>, PRIMARY KEY (p, c, d)) WITH CLUSTERING ORDER BY (c DESC, d ASC)",
    "CREATE INDEX by_v ON wide (v)",
    "CREATE INDEX by_value ON wide (values(m))",
    "CREATE INDEX by_d ON wide (d)",
    "CREATE TABLE plain (k text PRIMARY KEY, v int, gone int)",
    "CREATE TABLE counts (k int PRIMARY KEY, n counter)",
    "INSERT INTO wide (p, c, d, s, v, l, e, m, u, f) VALUES (1, 1.00, 'x', 9, 1, [1, 2], {1.0, 2.50}, {'a': 1, 'b': 1}, \
     {a: 1, b: 'y'}, {1: 'one'}) USING TIMESTAMP 100",
    "INSERT INTO wide (p, c, d, v) VALUES (1, 2, 'y', 1) USING TIMESTAMP 100",
    "INSERT INTO wide (p, c, d, v) VALUES (1, -3, 'z', 2) USING TIMESTAMP 100",
    "INSERT INTO plain (k, v, gone) VALUES ('old', 1, 1) USING TIMESTAMP 100",
    "INSERT INTO plain (k, v) VALUES ('ttl', 2) USING TTL 1000000",
    "UPDATE counts SET n = n + 5 WHERE k = 1",
    "ALTER TABLE plain DROP gone USING TIMESTAMP 50",
    "<flush>",
    "DELETE FROM wide USING TIMESTAMP 101 WHERE p = 1 AND c < 0",
    "DELETE m['a'] FROM wide USING TIMESTAMP 102 WHERE p = 1 AND c = 1.00 AND d = 'x'",
    "UPDATE counts SET n = n - 2 WHERE k = 1",
    "INSERT INTO plain (k, v) VALUES ('in the log', 3)",
];

fn check_fixture(db: &Db) {
    assert_eq!(
        db.rows("SELECT * FROM wide"),
        [
            ["1", "2", "\"y\"", "9", "null", "null", "null", "null", "null", "1"],
            [
                "1",
                "1.00",
                "\"x\"",
                "9",
                "[1.0, 2.50]",
                "{\"1\": \"one\"}",
                "[1, 2]",
                "{\"b\": 1}",
                "{\"a\": 1, \"b\": \"y\"}",
                "1"
            ]
        ]
    );
    assert_eq!(db.rows("SELECT c FROM wide WHERE v = 1"), [["2"], ["1.00"]]);
    assert!(db.rows("SELECT c FROM wide WHERE v = 2").is_empty());
    assert_eq!(db.rows("SELECT c FROM wide WHERE m CONTAINS 1"), [["1.00"]]);
    assert_eq!(db.rows("SELECT c FROM wide WHERE d = 'y'"), [["2"]]);
    assert_eq!(db.rows("SELECT n FROM counts"), [["3"]]);
    assert_eq!(db.rows("SELECT v FROM plain WHERE k = 'in the log'"), [["3"]]);
    assert_eq!(db.rows("SELECT v, ttl(v) FROM plain WHERE k = 'ttl'").len(), 1);
    db.run("ALTER TABLE plain ADD gone int");
    assert_eq!(db.rows("SELECT gone FROM plain WHERE k = 'old'"), [["1"]]);
    db.run("INSERT INTO wide (p, c, d, v) VALUES (5, 5, 'new', 5)");
    assert_eq!(db.rows("SELECT p FROM wide WHERE v = 5"), [["5"]]);
    assert!(db.engine.scrub().unwrap().damage.is_empty());
}

fn copied(from: &Path) -> Folder {
    let folder = Folder::new();
    for file in files(from.to_path_buf()) {
        std::fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
    }
    folder
}

#[test]
fn a_folder_of_format_1_opens_and_is_all_there() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/engine-1");
    let folder = copied(&fixture);
    check_fixture(&Db::open(Some(folder.path().to_path_buf())));
}

/// Writes the fixture of the present format into the folder that `ILIUM_ENGINE_FIXTURE` names: to be kept when a format
/// lands.
#[test]
fn a_folder_written_now_holds_what_the_fixtures_do() {
    let folder = Folder::new();
    let path = std::env::var_os("ILIUM_ENGINE_FIXTURE").map_or(folder.path().to_path_buf(), PathBuf::from);
    let small = ilium_embedded::storage::Options { segment_bytes: 8192, ..Default::default() };
    let db = Db::open_with(Some(path.clone()), small);
    for statement in FIXTURE {
        if statement == "<flush>" {
            db.engine.flush().unwrap();
        } else {
            db.run(statement);
        }
    }
    drop(db);
    let folder = copied(&path);
    check_fixture(&Db::open(Some(folder.path().to_path_buf())));
}
