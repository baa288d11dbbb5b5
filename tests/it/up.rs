//! `ilium up` as a person runs it.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A running `ilium up`, killed if the test fails.
struct Up {
    child: Child,
    first_line: String,
}

impl Up {
    fn start(flags: &[&str]) -> Up {
        let mut child = ilium(flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap());
        let mut first_line = String::new();
        lines.read_line(&mut first_line).unwrap();
        Up { child, first_line }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it did not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ilium(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ilium"));
    command.args(["up", "--http", "127.0.0.1:0"]).args(flags);
    command
}

fn refused(flags: &[&str]) -> Output {
    ilium(flags).output().unwrap()
}

fn scratch(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("ilium-up-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn it_says_where_it_listens_and_ends_cleanly_on_both_signals() {
    for signal in ["TERM", "INT"] {
        let mut up = Up::start(&["--in-memory", "--cql", "127.0.0.1:0"]);
        assert!(up.first_line.starts_with("CQL on 127.0.0.1:"), "{}", up.first_line);
        assert!(!up.first_line.contains(":0 "), "{}", up.first_line);
        up.signal(signal);
        assert_eq!(up.exit_code(), Some(0));
    }
}

#[test]
fn it_listens_on_loopback_only_and_says_why() {
    let output = refused(&["--in-memory", "--cql", "0.0.0.0:0"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(error.contains("without authentication") && error.contains("loopback"), "{error}");
    assert!(error.contains("or use --auth"), "{error}");
}

#[test]
fn a_second_process_is_kept_out_of_a_folder() {
    let folder = scratch("lock");
    let data = folder.join("data");
    let data = data.to_str().unwrap();
    let _first = Up::start(&["--data", data, "--cql", "127.0.0.1:0"]);
    let output = refused(&["--data", data, "--cql", "127.0.0.1:0"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(74));
    assert!(error.contains("in use by another process"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_is_not_taken_for_the_folder_of_the_data() {
    let folder = scratch("file");
    let file = folder.join("up.log");
    std::fs::write(&file, "").unwrap();
    let output = refused(&["--data", file.to_str().unwrap(), "--cql", "127.0.0.1:0"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(74));
    assert!(error.contains("up.log is a file; name a folder"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}

/// Later the password may be another.
#[test]
fn the_first_superusers_password_is_told_of_by_the_start_that_made_it_alone() {
    let folder = scratch("superuser");
    let data = folder.join("data");
    let said = || {
        let mut command = ilium(&["--auth", "--data", data.to_str().unwrap(), "--cql", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut up = Up { child, first_line: String::new() };
        let mut said = String::new();
        while !said.contains("Stop: Ctrl-C") {
            said += &lines.next().unwrap().unwrap();
        }
        up.signal("TERM");
        assert_eq!(up.exit_code(), Some(0));
        said
    };
    let (first, second) = (said(), said());
    assert!(first.contains("superuser.txt") && first.contains("cqlsh --credentials"), "{first}");
    assert!(!second.contains("superuser.txt") && second.contains("cqlsh -u NAME"), "{second}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn an_unknown_key_of_the_file_is_refused_with_the_nearest() {
    let folder = scratch("config");
    let file = folder.join("ilium.yaml");
    std::fs::write(&file, "durabilty: group\n").unwrap();
    let output = refused(&["--config", file.to_str().unwrap()]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(error.contains("did you mean `durability`"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_wrong_statement_of_the_init_file_is_named_with_its_line() {
    let folder = scratch("init");
    let file = folder.join("schema.cql");
    let text = "CREATE KEYSPACE a WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1};\n\n\
                CREATE TABLE a.t (k nosuchtype PRIMARY KEY);\n";
    std::fs::write(&file, text).unwrap();
    let output = refused(&["--in-memory", "--cql", "127.0.0.1:0", "--init", file.to_str().unwrap()]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(65));
    assert!(error.contains("line 3") && error.contains("nosuchtype"), "{error}");
    std::fs::write(&file, "CREATE KEYSPACE a WITH\n").unwrap();
    let output = refused(&["--in-memory", "--cql", "127.0.0.1:0", "--init", file.to_str().unwrap()]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(65));
    assert!(error.contains("ends amid its last statement") && !error.contains("line"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_command_line_that_is_wrong_is_told_so_and_help_is_no_failure() {
    let run = |arguments: &[&str]| {
        let run = Command::new(env!("CARGO_BIN_EXE_ilium")).args(arguments).output().unwrap();
        (run.status.code(), String::from_utf8(run.stdout).unwrap(), String::from_utf8(run.stderr).unwrap())
    };
    for (arguments, words) in [
        (&["foo"][..], "unrecognized subcommand 'foo'"),
        (&["gateway", "--slow", "abc"], "invalid value 'abc'"),
        (&["up", "--nosuch"], "unexpected argument '--nosuch'"),
        (&[], "Usage: ilium"),
    ] {
        let (code, _, error) = run(arguments);
        assert_eq!(code, Some(64), "{arguments:?}: {error}");
        assert!(error.contains(words), "{error}");
    }
    for arguments in [&["--help"][..], &["--version"], &["gateway", "--help"]] {
        let (code, output, error) = run(arguments);
        assert_eq!((code, error.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(output.contains("ilium"), "{output}");
    }
}

#[test]
fn the_version_names_the_commit() {
    let output = Command::new(env!("CARGO_BIN_EXE_ilium")).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let commit =
        text.trim().strip_suffix(')').and_then(|text| text.rsplit_once('(')).map(|(_, commit)| commit);
    assert_eq!(commit.map(str::len), Some(12), "{text}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let up = Up::start(&["--in-memory", "--cql", "127.0.0.1:0"]);
    let address = up.first_line.split_whitespace().nth(2).unwrap().to_owned();
    let output = refused(&["--in-memory", "--cql", &address]);
    let mut error = String::new();
    output.stderr.as_slice().read_to_string(&mut error).unwrap();
    assert_eq!(output.status.code(), Some(69));
    assert!(error.contains(&address), "{error}");
}
