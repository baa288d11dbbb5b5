//! Replication settings: checked as Cassandra checks them, reported as they were written, and served by one node.
//!
//! Vocabulary: an *option* is a setting of the strategy, all of the map but its class. A data centre that is not ours
//! is no mistake here: a production schema names those of its cluster.

use std::collections::BTreeMap;

use ilium_store::{Error, Result};

const PACKAGE: &str = "org.apache.cassandra.locator.";
const FACTOR: &str = "replication_factor";
/// `DatabaseDescriptor.getDefaultKeyspaceRF`.
const DEFAULT_FACTOR: &str = "1";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strategy {
    Simple,
    NetworkTopology,
}

/// A keyspace's `replication` as `system_schema.keyspaces` has it, and what to tell the client about it.
pub struct Replication {
    pub map: BTreeMap<String, String>,
    pub warnings: Vec<String>,
}

/// Reads what CREATE or ALTER KEYSPACE wrote; `previous` is empty for CREATE.
pub fn replication_of(
    keyspace: &str,
    written: &[(String, String)],
    previous: &BTreeMap<String, String>,
    datacenter: &str,
) -> Result<Replication> {
    let mut options: BTreeMap<String, String> = written.iter().cloned().collect();
    let class = options.remove("class").ok_or_else(|| Error::config("Missing replication strategy class"))?;
    let class = if class.contains('.') { class } else { format!("{PACKAGE}{class}") };
    let strategy = match class.strip_prefix(PACKAGE) {
        Some("SimpleStrategy") => Strategy::Simple,
        Some("NetworkTopologyStrategy") => Strategy::NetworkTopology,
        Some("LocalStrategy") => {
            return Err(Error::invalid(
                "Unable to use given strategy class: LocalStrategy is reserved for internal use.",
            ));
        }
        Some("OldNetworkTopologyStrategy") => {
            return Err(Error::config(
                "The support for the OldNetworkTopologyStrategy has been removed in C* version 4.0. The keyspace \
                 strategy should be switch to NetworkTopologyStrategy",
            ));
        }
        _ => return Err(Error::config(format!("Unable to find replication strategy class '{class}'"))),
    };
    let warnings = match strategy {
        Strategy::Simple => simple(keyspace, &mut options, previous)?,
        Strategy::NetworkTopology => {
            expand_datacenters(&mut options, previous, datacenter);
            network_topology(keyspace, &options, datacenter)?
        }
    };
    options.insert("class".into(), class);
    Ok(Replication { map: options, warnings })
}

/// The replicas a stored setting asks for, over all data centres.
pub fn replicas(replication: &BTreeMap<String, String>) -> u64 {
    let options = replication.iter().filter(|(name, _)| *name != "class");
    options.filter_map(|(_, factor)| factor.parse::<u64>().ok()).sum()
}

fn simple(
    keyspace: &str,
    options: &mut BTreeMap<String, String>,
    previous: &BTreeMap<String, String>,
) -> Result<Vec<String>> {
    if !options.contains_key(FACTOR) {
        let factor = previous.get(FACTOR).map_or(DEFAULT_FACTOR, String::as_str);
        options.insert(FACTOR.to_owned(), factor.to_owned());
    }
    if let Some(unknown) = options.keys().find(|name| *name != FACTOR) {
        return Err(Error::config(format!(
            "Unrecognized strategy option {{{unknown}}} passed to SimpleStrategy for keyspace {keyspace}"
        )));
    }
    let factor = factor_of(options.get(FACTOR).map_or(DEFAULT_FACTOR, String::as_str))?;
    Ok(more_than_one(keyspace, factor).into_iter().collect())
}

fn more_than_one(keyspace: &str, factor: i32) -> Option<String> {
    (factor > 1).then(|| {
        format!(
            "Your replication factor {factor} for keyspace {keyspace} is higher than the number of nodes 1"
        )
    })
}

/// `replication_factor` stands for every data centre of the ring (`NetworkTopologyStrategy.prepareOptions`), and 0
/// for none.
fn expand_datacenters(
    options: &mut BTreeMap<String, String>,
    previous: &BTreeMap<String, String>,
    datacenter: &str,
) {
    if options.is_empty() {
        let factor = previous.get(FACTOR).map_or(DEFAULT_FACTOR, String::as_str);
        options.insert(FACTOR.to_owned(), factor.to_owned());
    }
    if let Some(factor) = options.remove(FACTOR) {
        for (name, factor) in previous.iter().filter(|(name, _)| *name != FACTOR && *name != "class") {
            options.entry(name.clone()).or_insert_with(|| factor.clone());
        }
        // Cassandra drops a factor that it cannot read here, and then misses a data centre.
        if let Ok(factor) = factor_of(&factor) {
            options.entry(datacenter.to_owned()).or_insert_with(|| factor.to_string());
        }
    }
    options.retain(|_, factor| factor != "0");
}

fn network_topology(
    keyspace: &str,
    options: &BTreeMap<String, String>,
    datacenter: &str,
) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    if options.is_empty() {
        return Err(Error::config("Configuration for at least one datacenter must be present"));
    }
    for (name, factor) in options {
        if name.eq_ignore_ascii_case(FACTOR) {
            return Err(Error::config(
                "replication_factor should not appear as an option at construction time for NetworkTopologyStrategy",
            ));
        }
        let factor = factor_of(factor)?;
        if name != datacenter {
            warnings.push(format!(
                "Datacenter {name} of keyspace {keyspace} is not part of this ring: its replication factor {factor} is \
                 kept and reported, and the data is served from {datacenter}"
            ));
        } else if let Some(warning) = more_than_one(keyspace, factor) {
            warnings.push(format!("{warning} for datacenter {datacenter}"));
        }
    }
    Ok(warnings)
}

/// `ReplicationFactor.fromString`.
fn factor_of(text: &str) -> Result<i32> {
    if let Some((replicas, transient)) = text.split_once('/') {
        return Err(Error::config(match (replicas.parse::<i32>(), transient.parse::<i32>()) {
            (Ok(_), Ok(_)) => "Transient replication is not enabled on this node".to_owned(),
            _ => "Replication factor format is <replicas> or <replicas>/<transient>".to_owned(),
        }));
    }
    let factor: i32 = text.parse().map_err(|_| Error::config(format!("For input string: \"{text}\"")))?;
    if factor < 0 {
        return Err(Error::config(format!("Replication factor must be non-negative, found {factor}")));
    }
    Ok(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome = std::result::Result<(BTreeMap<String, String>, Vec<String>), String>;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
    }

    fn altered(previous: &[(&str, &str)], written: &[(&str, &str)]) -> Outcome {
        let written: Vec<_> = map(written).into_iter().collect();
        match replication_of("k", &written, &map(previous), "datacenter1") {
            Ok(read) => Ok((read.map, read.warnings)),
            Err(error) => Err(error.message),
        }
    }

    fn created(written: &[(&str, &str)]) -> Outcome {
        altered(&[], written)
    }

    const SIMPLE: &str = "org.apache.cassandra.locator.SimpleStrategy";
    const NETWORK: &str = "org.apache.cassandra.locator.NetworkTopologyStrategy";

    #[test]
    fn settings_are_kept_with_the_full_class_name() {
        let (kept, warnings) = created(&[("class", "SimpleStrategy"), (FACTOR, "3")]).unwrap();
        assert_eq!(kept, map(&[("class", SIMPLE), (FACTOR, "3")]));
        let warning = "Your replication factor 3 for keyspace k is higher than the number of nodes 1";
        assert_eq!(warnings, [warning]);
        let (kept, warnings) = created(&[("class", NETWORK), (FACTOR, "1")]).unwrap();
        assert_eq!((kept, warnings.len()), (map(&[("class", NETWORK), ("datacenter1", "1")]), 0));
    }

    #[test]
    fn a_data_centre_of_another_ring_is_accepted_with_a_warning() {
        let (kept, warnings) = created(&[("class", NETWORK), ("us-east", "3"), ("asia", "0")]).unwrap();
        assert_eq!(kept, map(&[("class", NETWORK), ("us-east", "3")]));
        assert!(warnings[0].starts_with("Datacenter us-east of keyspace k is not part of this ring"));
        let (_, warnings) = created(&[("class", NETWORK), ("datacenter1", "3")]).unwrap();
        assert!(warnings[0].ends_with("number of nodes 1 for datacenter datacenter1"), "{warnings:?}");
    }

    #[test]
    fn an_alteration_takes_from_the_previous_what_it_leaves_out() {
        let simple = [("class", SIMPLE), (FACTOR, "2")];
        let (kept, _) = altered(&simple, &[("class", "SimpleStrategy")]).unwrap();
        assert_eq!(kept, map(&simple));
        let (kept, _) = altered(&simple, &[("class", "NetworkTopologyStrategy")]).unwrap();
        assert_eq!(kept, map(&[("class", NETWORK), ("datacenter1", "2")]));
        let network = [("class", NETWORK), ("dc2", "3")];
        let (kept, _) = altered(&network, &[("class", NETWORK), (FACTOR, "2")]).unwrap();
        assert_eq!(kept, map(&[("class", NETWORK), ("datacenter1", "2"), ("dc2", "3")]));
    }

    #[test]
    fn what_cassandra_refuses_is_refused_in_its_words() {
        for (written, message) in [
            (
                vec![("class", "Nope")],
                "Unable to find replication strategy class 'org.apache.cassandra.locator.Nope'",
            ),
            (
                vec![("class", "LocalStrategy")],
                "Unable to use given strategy class: LocalStrategy is reserved for internal use.",
            ),
            (
                vec![("class", "SimpleStrategy"), (FACTOR, "1"), ("dc1", "1")],
                "Unrecognized strategy option {dc1} passed to SimpleStrategy for keyspace k",
            ),
            (vec![("class", "SimpleStrategy"), (FACTOR, "x")], "For input string: \"x\""),
            (
                vec![("class", "SimpleStrategy"), (FACTOR, "-1")],
                "Replication factor must be non-negative, found -1",
            ),
            (
                vec![("class", "SimpleStrategy"), (FACTOR, "3/1")],
                "Transient replication is not enabled on this node",
            ),
            (
                vec![("class", NETWORK), (FACTOR, "x")],
                "Configuration for at least one datacenter must be present",
            ),
            (
                vec![("class", NETWORK), ("dc1", "0")],
                "Configuration for at least one datacenter must be present",
            ),
        ] {
            assert_eq!(created(&written).unwrap_err(), message, "{written:?}");
        }
    }
}
