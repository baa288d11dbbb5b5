//! Starts a real Cassandra, prints where it answers CQL, and ends it when its input ends.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

use std::io::Read as _;
use std::process::ExitCode;

use ilium_testbed::Cassandra;

fn main() -> ExitCode {
    match Cassandra::start(&Default::default()) {
        Ok(cassandra) => {
            println!("{}", cassandra.address());
            println!(
                "process {}, folder {}; ends with this command's input",
                cassandra.id(),
                cassandra.folder().display()
            );
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("cassandra: {e:#}");
            ExitCode::from(69)
        }
    }
}
