//! A client's program beside an Ilium. The program prints what it checked, line by line; on the line
//! [`RESTART`] the server is killed and started again where it was, which the program is told on its input.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::wire::{Binds, Connection, Settings};
use ilium_testbed::{Cassandra, require};

/// What a program says when it wants the server killed and started again.
const RESTART: &str = "restart the server";

/// What it is told then.
const RESTARTED: &[u8] = b"restarted\n";

/// The last line of a program that found everything right.
const GOOD_END: &str = "all checked";

/// A program that says nothing for so long hangs: each waits a minute for an event, and says something after each.
const SILENCE: Duration = Duration::from_secs(300);

/// The product, built for this test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_ilium"))
}

/// Starts an Ilium and the program for its address, and wants the program to check everything and end well.
pub fn converse(program: impl FnOnce(SocketAddr) -> Command) -> Result<()> {
    converse_over_all(|server| program(server.address()))
}

/// As [`converse`], for a program that uses further APIs than CQL.
pub fn converse_over_all(program: impl FnOnce(&Ilium) -> Command) -> Result<()> {
    let folder = Folder::new()?;
    converse_with(
        |address| match address {
            None => Ilium::start(binary(), &folder, &[]),
            Some(address) => Ilium::start_at(binary(), &folder, address, &[]),
        },
        program,
    )
}

/// As [`converse`], with a gateway in front of a real Cassandra instead of the embedded engine; the gateway is what is
/// killed and started again. One program at a time: all use the same keyspaces.
pub fn converse_through_gateway(program: impl FnOnce(SocketAddr) -> Command) -> Result<()> {
    converse_over_all_through_gateway(|gateway| program(gateway.address()))
}

/// As [`converse_through_gateway`], for a program that uses further APIs than CQL.
pub fn converse_over_all_through_gateway(program: impl FnOnce(&Ilium) -> Command) -> Result<()> {
    static TURN: Mutex<()> = Mutex::new(());
    let Some(cassandra) = require("Cassandra", Cassandra::shared()) else { return Ok(()) };
    let _turn = TURN.lock();
    let mut direct = Connection::open(cassandra.address(), 5)?;
    for keyspace in ["app", "elsewhere", "housing"] {
        direct.query(&format!("DROP KEYSPACE IF EXISTS {keyspace}"), &Binds::None, &Settings::default())?;
    }
    converse_over_all_in_front_of(cassandra, program)
}

/// The same with a Cassandra of the caller's own.
pub fn converse_over_all_in_front_of(
    cassandra: &Cassandra,
    program: impl FnOnce(&Ilium) -> Command,
) -> Result<()> {
    let folder = Folder::new()?;
    converse_with(
        |address| {
            let at = address.map(|address| address.to_string());
            let flags: Vec<&str> = at.iter().flat_map(|at| ["--cql", at.as_str()]).collect();
            Ilium::gateway(binary(), &folder, &[cassandra.address()], &flags)
        },
        |gateway| {
            let mut program = program(gateway);
            // One node: more replicas than that could not agree on anything.
            program.env("REPLICATION_FACTOR", "1");
            program
        },
    )
}

/// `start` gets the address of the server that was killed.
fn converse_with(
    start: impl Fn(Option<SocketAddr>) -> Result<Ilium>,
    program: impl FnOnce(&Ilium) -> Command,
) -> Result<()> {
    let first = start(None)?;
    let (address, program) = (first.address(), program(&first));
    let mut server = Some(first);
    let talked = talk(program, |line| {
        if line != RESTART {
            return Ok(None);
        }
        if let Some(server) = server.take() {
            server.crash()?;
        }
        server = Some(start(Some(address))?);
        Ok(Some(RESTARTED))
    });
    let said = server.as_ref().map(|server| server.output().unwrap_or_default());
    talked.with_context(|| format!("the server said:\n{}", said.unwrap_or_default()))?;
    server.map_or(Ok(()), Ilium::stop)
}

/// Runs a program; what `hears` gives for a line is told to it. It must check everything and end well.
pub fn talk(program: Command, mut hears: impl FnMut(&str) -> Result<Option<&'static [u8]>>) -> Result<()> {
    let mut client = Client::start(program)?;
    let mut last = String::new();
    while let Some(line) = client.line()? {
        println!("{line}");
        if let Some(words) = hears(&line)? {
            client.tell(words)?;
        }
        last = line;
    }
    client.end().with_context(|| format!("after {last:?}"))?;
    ensure!(last == GOOD_END, "the program ended well, but its last line was {last:?}");
    Ok(())
}

/// A running program, killed if the test fails.
struct Client {
    child: Child,
    lines: mpsc::Receiver<String>,
    complaint: std::thread::JoinHandle<String>,
}

impl Client {
    fn start(mut command: Command) -> Result<Client> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let output = child.stdout.take().context("the program has no output")?;
        let mut errors = child.stderr.take().context("the program has no error output")?;
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let complaint = std::thread::spawn(move || {
            let mut said = Vec::new();
            let _ = errors.read_to_end(&mut said);
            String::from_utf8_lossy(&said).into_owned()
        });
        Ok(Client { child, lines, complaint })
    }

    /// The next line, or nothing at the end of the output.
    fn line(&mut self) -> Result<Option<String>> {
        match self.lines.recv_timeout(SILENCE) {
            Ok(line) => Ok(Some(line.trim_end().to_owned())),
            Err(mpsc::RecvTimeoutError::Disconnected) => Ok(None),
            Err(mpsc::RecvTimeoutError::Timeout) => bail!("the program said nothing for {SILENCE:?}"),
        }
    }

    fn tell(&mut self, words: &[u8]) -> Result<()> {
        let input = self.child.stdin.as_mut().context("the program has no input")?;
        input.write_all(words).and_then(|()| input.flush()).context("the program does not read its input")
    }

    /// Waits for its end, and gives its complaint as the error if that is not a good one.
    fn end(mut self) -> Result<()> {
        let status = self.child.wait()?;
        let complaint = std::mem::replace(&mut self.complaint, std::thread::spawn(String::new));
        let complaint = complaint.join().unwrap_or_default();
        ensure!(status.success(), "the program ended with {status}:\n{complaint}");
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
