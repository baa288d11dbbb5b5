use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ilium_testbed::guarded::Guarded;
use ilium_testbed::wire::{Binds, Connection, Outcome, Settings};
use ilium_testbed::{Cassandra, folders, require};

fn runs(pid: u32) -> bool {
    // A killed process that nobody has waited for yet is still listed.
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

pub fn soon(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within 20 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn sleeper(folder: &Path, scratch: Option<&Path>) -> Guarded {
    let log = File::create(folder.join("log")).unwrap();
    Guarded::start(Path::new("sleep"), &["600".to_owned()], &[], folder, log, scratch).unwrap()
}

#[test]
fn a_cassandra_answers_and_is_gone_when_dropped() {
    let Some(cassandra) = require("Cassandra", Cassandra::start(&Default::default())) else { return };
    let pid = cassandra.id();
    let folder = cassandra.folder().to_path_buf();
    assert!(folder.join("data").is_dir());
    drop(cassandra);
    assert!(!runs(pid));
    assert!(!folder.exists());
}

#[test]
fn a_cassandra_syncs_each_batch_and_answers_nodetool_when_asked_to() {
    let options = ilium_testbed::cassandra::Options { batch_sync: true, jmx: true, ..Default::default() };
    let Some(cassandra) = require("Cassandra", Cassandra::start(&options)) else { return };
    let settings = "SELECT value FROM system_views.settings WHERE name = 'commitlog_sync'";
    let mut connection = Connection::open(cassandra.address(), 5).unwrap();
    let answer = connection.query(settings, &Binds::None, &Settings::default()).unwrap();
    let Outcome::Rows(rows) = answer.outcome else { panic!("{answer:?}") };
    assert_eq!(rows.rows, [[Some(b"batch".to_vec())]]);
    assert!(cassandra.nodetool(&["status"]).unwrap().contains("UN"));
    assert!(cassandra.nodetool(&["compact", "no_such_keyspace"]).is_err());
}

#[test]
fn a_process_ends_when_a_test_panics() {
    let folder = folders::scratch("panics").unwrap();
    let held = folder.clone();
    let panicked = std::thread::spawn(move || {
        let sleeper = sleeper(&held, Some(&held));
        std::panic::panic_any(sleeper.id());
    })
    .join();
    let pid = *panicked.unwrap_err().downcast::<u32>().unwrap();
    assert!(!runs(pid));
    assert!(!folder.exists());
}

/// Run by the next test as a process of its own.
#[test]
#[ignore = "holds a process for another test"]
fn hold_a_process() {
    let folder = folders::scratch("held").unwrap();
    let sleeper = sleeper(&folder, Some(&folder));
    println!("holding {} {}", sleeper.id(), folder.display());
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn a_process_ends_when_its_owner_is_killed() {
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "processes::hold_a_process", "--nocapture"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    let line =
        lines.map(Result::unwrap).find_map(|l| l.split_once("holding ").map(|(_, rest)| rest.to_owned()));
    let line = line.unwrap();
    let (pid, folder) = line.split_once(' ').unwrap();
    let pid = pid.parse().unwrap();
    assert!(runs(pid));
    owner.kill().unwrap();
    owner.wait().unwrap();
    soon("the process ends", || !runs(pid));
    soon("its folder is removed", || !Path::new(folder).exists());
}
