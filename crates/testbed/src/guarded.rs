//! Processes that never outlive the process that started them, not even when that one is killed by SIGKILL.
//!
//! The parts: the *child* is the program that was asked for. The *watcher* is a small shell that waits on a pipe
//! from us; when we end, however we end, the pipe closes and the watcher kills the child. The child begins as a
//! shell that waits for a word from us before it becomes the program, so there is no moment at which the program
//! runs unwatched. (`PR_SET_PDEATHSIG` would end the child with the *thread* that started it, and tests start
//! shared components from threads that end early.)

use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Becomes the program once told to; ends if the owner is gone first.
const CHILD: &str = r#"read -r go || exit 1; exec "$@" < /dev/null"#;

/// Waits for the end of its input (the owner's end), then kills the child and removes the folder it was given.
const WATCHER: &str = r#"
read -r _
kill -KILL "$1" 2> /dev/null
[ -n "$2" ] || exit 0
for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$1" 2> /dev/null || break; sleep 0.1; done
rm -rf -- "$2"
"#;

/// A running program and its watcher. Dropping it kills the program.
#[derive(Debug)]
pub struct Guarded {
    child: Child,
    watcher: Child,
    pipe: Option<ChildStdin>,
    scratch: Option<PathBuf>,
}

/// The signals a test sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Asks for a clean end.
    Term,
    /// Ends it at once.
    Kill,
    /// Holds it where it is: its sockets stay open and nothing is answered.
    Stop,
    /// Lets it go on after [`Signal::Stop`].
    Continue,
}

impl Guarded {
    /// Starts `program` with `args`, its output going to `log`. A `scratch` folder is removed at the end, whoever
    /// brings the end about.
    pub fn start(
        program: &Path,
        args: &[String],
        env: &[(String, String)],
        folder: &Path,
        log: File,
        scratch: Option<&Path>,
    ) -> Result<Guarded> {
        let mut child = Command::new("sh")
            .args(["-c", CHILD, "sh"])
            .arg(program)
            .args(args)
            .envs(env.iter().map(|(k, v)| (k, v)))
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let watcher = Command::new("sh")
            .args(["-c", WATCHER, "sh", &child.id().to_string()])
            .arg(scratch.unwrap_or_else(|| Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        let mut watcher = match watcher {
            Ok(watcher) => watcher,
            Err(e) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(e).context("cannot start the watcher");
            }
        };
        let pipe = watcher.stdin.take();
        let go = child.stdin.take();
        let guarded = Guarded { child, watcher, pipe, scratch: scratch.map(Path::to_path_buf) };
        go.context("the child has no input")?.write_all(b"go\n")?;
        Ok(guarded)
    }

    /// The process id of the program.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, or nothing while it runs.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends a signal, unless the program has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        let name = match signal {
            Signal::Kill => return Ok(self.child.kill()?),
            Signal::Term => "TERM",
            Signal::Stop => "STOP",
            Signal::Continue => "CONT",
        };
        let pid = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", r#"kill "-$2" "$1""#, "sh", &pid, name]).status()?;
        if !sent.success() {
            bail!("cannot send {name} to process {pid}");
        }
        Ok(())
    }

    /// Leaves the scratch folder where it is when this is dropped: another run is to go on with it.
    pub fn keep_folder(&mut self) {
        self.scratch = None;
    }

    /// Waits until the program has ended by itself or by a signal.
    pub fn wait(&mut self, at_most: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + at_most;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!("process {} did not end within {at_most:?}", self.child.id());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // The watcher goes first: it knows the child by its id alone, which is free for others once the child
        // has been waited for.
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
        drop(self.pipe.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(scratch) = &self.scratch {
            let _ = std::fs::remove_dir_all(scratch);
        }
    }
}
