//! README's tour of one minute, run as it stands.

use std::process::Command;

use ilium_testbed::ilium::Folder;
use ilium_testbed::require;

use crate::clients::python;

/// Brings loopback up, starts the binary on the default port, waits for it, and runs the tour.
const SCRIPT: &str = r#"
set -eu
"$PYTHON" - <<'PY'
import fcntl, socket, struct
lo = struct.pack('16sh', b'lo', 0x1 | 0x40)  # IFF_UP, IFF_RUNNING
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8914, lo)  # SIOCSIFFLAGS
PY
"$ILIUM" up --data "$DATA" > "$DATA.log" &
server=$!
trap 'kill $server; wait $server' EXIT
until grep -q '^HTTP on 127.0.0.1:8080' "$DATA.log"; do
    kill -0 $server
done
eval "$TOUR"
"#;

/// The shell text of the section that begins with this heading.
fn shell_of(section: &str) -> String {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once(section).unwrap();
    let (_, rest) = rest.split_once("```sh\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_tour_runs_as_it_stands() {
    let Some(python) = require("cqlsh", python::cqlsh()) else { return };
    let folder = Folder::new().unwrap();
    std::fs::create_dir_all(folder.data().parent().unwrap()).unwrap();
    let path = format!("{}:{}", python.programs().display(), std::env::var("PATH").unwrap());
    // A network of its own: the tour names the default port, which may be taken here.
    let output = Command::new("unshare")
        .args(["--net", "--map-root-user", "bash", "-c", SCRIPT])
        .env("PATH", path)
        .env("PYTHON", python.programs().join("python"))
        .env("ILIUM", env!("CARGO_BIN_EXE_ilium"))
        .env("DATA", folder.data())
        .env("TOUR", shell_of("## A tour of one minute"))
        .output()
        .unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{wrong}");
    for expected in [
        "yarn",
        "[applied]",
        "False",
        "loom",
        "24.40",
        "CREATE TABLE shop.orders",
        r#""item":"yarn","price":4.50"#,
        "thread",
    ] {
        assert!(said.contains(expected), "no {expected:?} in:\n{said}\n{wrong}");
    }
}

#[test]
fn the_two_commands_are_as_promised() {
    assert_eq!(shell_of("## Run it").trim(), "cargo run --release -- up");
    assert_eq!(shell_of("## Test it").trim(), "cargo test");
}
