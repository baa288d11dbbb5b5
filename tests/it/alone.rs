//! A shell text run beside `ilium up` on its default ports, in a network of its own: where the tests run those ports may be
//! taken.

use std::process::{Command, Output};

use ilium_testbed::ilium::Folder;

/// Brings loopback up, starts the binary, waits for it, and runs the text.
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
eval "$TEXT"
"#;

/// What the text printed, with these variables beside its own environment; it must end well.
pub fn run(text: &str, variables: &[(&str, &str)]) -> Output {
    let folder = Folder::new().unwrap();
    std::fs::create_dir_all(folder.data().parent().unwrap()).unwrap();
    let output = Command::new("unshare")
        .args(["--net", "--map-root-user", "bash", "-c", SCRIPT])
        .env("PYTHON", "python3")
        .env("ILIUM", env!("CARGO_BIN_EXE_ilium"))
        .env("DATA", folder.data())
        .env("TEXT", text)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{wrong}");
    output
}
