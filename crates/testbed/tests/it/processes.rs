use ilium_testbed::{Cassandra, require};

#[test]
fn a_cassandra_answers_and_is_gone_when_dropped() {
    let started = std::time::Instant::now();
    let Some(cassandra) = require("Cassandra", Cassandra::start(&Default::default())) else { return };
    println!("started in {:?}", started.elapsed());
    let pid = cassandra.id();
    let folder = cassandra.folder().to_path_buf();
    assert!(folder.join("data").is_dir());
    drop(cassandra);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert!(!folder.exists());
}
