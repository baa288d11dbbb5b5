//! A disk that fills up under a whole engine, on a small file system of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use ilium_embedded::storage::Options;
use ilium_store::{Binds, ErrorKind};

use crate::select_fixture::Db;
use crate::storage_folder::Folder;

/// Where the test, run again by itself in a mount namespace of its own, finds the small file system.
const MOUNTED: &str = "ILIUM_SMALL_DISK";
const NAME: &str = "small_disk::writes_stop_at_the_reserve_reads_go_on_and_writes_come_back_with_the_space";

#[test]
fn writes_stop_at_the_reserve_reads_go_on_and_writes_come_back_with_the_space() {
    if let Some(folder) = std::env::var_os(MOUNTED) {
        return fill_up(&PathBuf::from(folder));
    }
    let folder = Folder::new();
    let path = folder.path().to_str().unwrap();
    let mount = format!("mount -t tmpfs -o size=48m none {path}");
    let in_namespace = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script]).env(MOUNTED, path);
        command.output()
    };
    if !in_namespace(&mount).is_ok_and(|output| output.status.success()) {
        let required = std::env::var("ILIUM_REQUIRE").is_ok_and(|required| required == "all");
        assert!(!required, "this system lets nobody mount a small file system");
        eprintln!("left out: this system lets nobody mount a small file system");
        return;
    }
    let this = std::env::current_exe().unwrap();
    let output =
        in_namespace(&format!("{mount} && exec {} --exact {NAME} --nocapture", this.display())).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn fill_up(disk: &Path) {
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![0; 8 << 20]).unwrap();
    let options = || Options {
        reserve_bytes: 8 << 20,
        memory_bytes: 2 << 20,
        log_bytes: 4 << 20,
        segment_bytes: 1 << 20,
        ..Options::default()
    };
    let data = || Some(disk.join("data"));
    let db = Db::open_with(data(), options());
    db.run("CREATE TABLE t (k int PRIMARY KEY, v blob)");
    let insert = |db: &Db, k: i32| {
        // Nothing that compresses.
        let mut seed = u64::from(k as u32) + 1;
        let noise: String = (0..1250)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                format!("{:016x}", seed ^ (seed >> 29))
            })
            .collect();
        let text = format!("INSERT INTO t (k, v) VALUES ({k}, 0x{noise})");
        db.execute(&text, Binds::default(), &Db::context())
    };
    let mut written = 0;
    // A flush still under way gives its log's room back, and writes then go on for a while: hence twice.
    for _ in 0..2 {
        let error = loop {
            match insert(&db, written) {
                Ok(_) => written += 1,
                Err(error) => break error,
            }
            assert!(written < 10_000, "the disk never filled");
        };
        assert_eq!(error.kind, ErrorKind::Overloaded, "{error}");
        assert!(error.message.contains("kept in reserve"), "{}", error.message);
        assert!(written > 500, "{written} rows of 10,000 bytes");
        assert_eq!(db.rows("SELECT k FROM t").len(), written as usize);
        assert_eq!(db.rows("SELECT k FROM t WHERE k = 7").len(), 1);
    }

    std::fs::remove_file(&ballast).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Err(error) = insert(&db, written) {
        assert!(Instant::now() < deadline, "{error}");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(db);
    let db = Db::open_with(data(), options());
    assert_eq!(db.rows("SELECT k FROM t").len(), written as usize + 1);
    assert!(db.engine.scrub().unwrap().damage.is_empty());
}
