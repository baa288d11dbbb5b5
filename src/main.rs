//! `ilium`: Cassandra's data model and APIs in one binary.

mod cli;
mod clock;
mod config;
mod exit;
mod figures;
mod front;
mod gateway;
mod logging;
mod node;
mod open_files;
mod script;
mod security;
mod settings_table;
mod superuser_file;
mod traces;
mod up;

use std::process::ExitCode;

use clap::Parser;

/// Memory comes and goes on different threads here (a request's on a connection's, the table's on the committer's),
/// which the system's allocator does with locks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(said) => return exit::usage(&said),
    };
    let result = match cli.command {
        cli::Command::Up(flags) => config::up::resolve(*flags).and_then(up::run),
        cli::Command::Gateway(flags) => config::gateway::resolve(*flags).and_then(gateway::run),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(&error),
    }
}
