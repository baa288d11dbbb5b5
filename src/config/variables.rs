//! Variables of the environment that are named almost as ours: a slip of the finger, of which nobody would hear otherwise.

use clap::CommandFactory as _;

use crate::cli::Cli;
use crate::logging;

/// Letters by which a name may differ from that of a variable of ours to be taken for it. What differs by more is others':
/// Kubernetes names variables after services (`ILIUM_SERVICE_HOST`, `ILIUM_PORT`).
const NEAR: usize = 2;

/// Warns of those that are there.
pub fn warn_of_misspelled() {
    let ours = ours();
    for (name, _) in std::env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        if let Some(meant) = meant(name, &ours) {
            tracing::warn!(name, "no such variable is looked at; did you mean {meant}?");
        }
    }
}

/// Those of every command's flags, and of the log.
fn ours() -> Vec<String> {
    let cli = Cli::command();
    let flags = cli.get_subcommands().flat_map(clap::Command::get_arguments);
    let of_flags = flags.filter_map(|flag| flag.get_env()?.to_str().map(str::to_owned));
    of_flags.chain(logging::VARIABLES.map(str::to_owned)).collect()
}

/// The variable of ours that was meant by this one, which is none.
fn meant<'o>(name: &str, ours: &'o [String]) -> Option<&'o str> {
    if !name.starts_with("ILIUM_") || ours.iter().any(|known| known == name) {
        return None;
    }
    let distance = |known: &&String| strsim::damerau_levenshtein(known, name);
    ours.iter().min_by_key(distance).filter(|known| distance(known) <= NEAR).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_told_from_variables_of_ours_and_of_others() {
        let ours = ours();
        for (name, expected) in [
            ("ILIUM_CQLL", Some("ILIUM_CQL")),
            ("ILIUM_CONTACT_POINT", Some("ILIUM_CONTACT_POINTS")),
            ("ILIUM_LOG_FORMTA", Some("ILIUM_LOG_FORMAT")),
            ("ILIUM_CQL", None),
            ("ILIUM_DATA", None),
            ("ILIUM_LOG", None),
            ("ILIUM_PORT", None),
            ("ILIUM_SERVICE_HOST", None),
            ("ILIUM_PORT_9042_TCP_ADDR", None),
            ("ILIUM_REQUIRE", None),
            ("PATH", None),
        ] {
            assert_eq!(meant(name, &ours), expected, "{name}");
        }
    }
}
