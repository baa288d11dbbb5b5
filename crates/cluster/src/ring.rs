//! The ring: nodes, tokens, and which nodes keep a partition.
//!
//! Vocabulary: a node's *place* is its number here, given once for as long as this process runs; its *distance* says how
//! gladly it is asked: 0 the own rack, 1 the own data centre, 2 elsewhere.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use ilium_cql::Token;
use ilium_cql::schema::UuidBytes;
use smallvec::SmallVec;

/// A node's number here.
pub(crate) type Place = u32;

pub(crate) type Replicas = SmallVec<[Place; 4]>;

/// Farther than any.
const ABSENT: u8 = u8::MAX;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub place: Place,
    pub host_id: UuidBytes,
    /// Where it serves clients.
    pub address: SocketAddr,
    pub datacenter: String,
    pub rack: String,
    pub release: String,
    pub tokens: Vec<i64>,
}

/// How a keyspace is replicated: `class` and the strategy's options.
pub(crate) type Replication = BTreeMap<String, String>;

/// The cluster at one moment.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    pub nodes: Vec<Arc<Node>>,
    /// By place.
    distances: Vec<u8>,
    /// By place, where the node is among [`nodes`](Self::nodes).
    at: Vec<usize>,
    /// Sorted; each token's owner.
    tokens: Vec<(i64, Place)>,
    /// For each keyspace the replicas of the range that ends at each token.
    keyspaces: HashMap<Arc<str>, Arc<Vec<Replicas>>>,
}

/// What is near.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Home {
    pub datacenter: String,
    pub rack: Option<String>,
}

impl Ring {
    pub fn new(nodes: Vec<Arc<Node>>, home: &Home, keyspaces: &BTreeMap<Arc<str>, Replication>) -> Ring {
        let places = nodes.iter().map(|node| node.place as usize + 1).max().unwrap_or(0);
        let mut distances = vec![ABSENT; places];
        let mut at = vec![usize::MAX; places];
        for (number, node) in nodes.iter().enumerate() {
            if let Some(at) = at.get_mut(node.place as usize) {
                *at = number;
            }
            if let Some(distance) = distances.get_mut(node.place as usize) {
                *distance = match (node.datacenter == home.datacenter, &home.rack) {
                    (false, _) => 2,
                    (true, Some(rack)) if *rack == node.rack => 0,
                    (true, _) => 1,
                };
            }
        }
        let owned = |node: &Arc<Node>| {
            let place = node.place;
            node.tokens.clone().into_iter().map(move |token| (token, place))
        };
        let mut tokens: Vec<(i64, Place)> = nodes.iter().flat_map(owned).collect();
        tokens.sort_unstable();
        let mut ring = Ring { nodes, distances, at, tokens, keyspaces: HashMap::new() };
        let mut made: BTreeMap<&Replication, Arc<Vec<Replicas>>> = BTreeMap::new();
        let mut replicas = HashMap::new();
        for (name, replication) in keyspaces {
            let of_keyspace = match made.get(replication) {
                Some(same) => Arc::clone(same),
                None => {
                    let new = Arc::new(ring.all_replicas(replication));
                    made.insert(replication, Arc::clone(&new));
                    new
                }
            };
            if !of_keyspace.is_empty() {
                replicas.insert(Arc::clone(name), of_keyspace);
            }
        }
        ring.keyspaces = replicas;
        ring
    }

    /// How far a node is; [`u8::MAX`] for one that left.
    pub fn distance(&self, place: Place) -> u8 {
        self.distances.get(place as usize).copied().unwrap_or(ABSENT)
    }

    /// The nodes that keep this token's partition; none where that is not known or every node has it.
    pub fn replicas(&self, keyspace: &str, token: Token) -> &[Place] {
        let Some(replicas) = self.keyspaces.get(keyspace) else { return &[] };
        let at = self.tokens.partition_point(|(other, _)| *other < token.0);
        let at = if at == self.tokens.len() { 0 } else { at };
        replicas.get(at).map_or(&[], |replicas| replicas)
    }

    /// The ring's tokens in order.
    pub fn tokens(&self) -> impl Iterator<Item = i64> {
        self.tokens.iter().map(|(token, _)| *token)
    }

    fn node(&self, place: Place) -> Option<&Arc<Node>> {
        self.nodes.get(*self.at.get(place as usize)?)
    }

    fn all_replicas(&self, replication: &Replication) -> Vec<Replicas> {
        let class = replication.get("class").map(String::as_str).unwrap_or_default();
        // A transient replica, the number after the slash in `3/1`, is among the three.
        let factor = |text: &String| text.split('/').next().and_then(|n| n.parse::<usize>().ok());
        let all = |of: &dyn Fn(usize) -> Replicas| (0..self.tokens.len()).map(of).collect();
        if class.ends_with("SimpleStrategy") {
            let factor = replication.get("replication_factor").and_then(factor).unwrap_or(0);
            return all(&|start| self.simple(start, factor));
        }
        if class.ends_with("NetworkTopologyStrategy") {
            let centre = |(name, text): (&'_ String, &String)| {
                let there = || self.nodes.iter().filter(|node| node.datacenter == *name);
                let racks: BTreeSet<&str> = there().map(|node| node.rack.as_str()).collect();
                let wanted = factor(text)?.min(there().count());
                let name = self.nodes.iter().find(|node| node.datacenter == *name)?.datacenter.as_str();
                Some(Centre { name, wanted, racks: racks.len() })
            };
            let centres: Vec<Centre<'_>> = replication.iter().filter_map(centre).collect();
            return all(&|start| self.by_datacenter(start, &centres));
        }
        // LocalStrategy and EverywhereStrategy: any node will do.
        Vec::new()
    }

    /// Owners of the tokens from the one at `start`, clockwise.
    fn clockwise(&self, start: usize) -> impl Iterator<Item = Place> {
        let (before, after) = self.tokens.split_at(start);
        after.iter().chain(before).map(|(_, place)| *place)
    }

    fn simple(&self, start: usize, factor: usize) -> Replicas {
        let mut replicas = Replicas::new();
        for place in self.clockwise(start) {
            if replicas.len() >= factor {
                break;
            }
            if !replicas.contains(&place) {
                replicas.push(place);
            }
        }
        replicas
    }

    /// Cassandra's `NetworkTopologyStrategy.calculateNaturalReplicas`: in each data centre a node of every rack first, and
    /// nodes of racks that had one already only when there are no more racks.
    fn by_datacenter(&self, start: usize, centres: &[Centre<'_>]) -> Replicas {
        let mut gathered: SmallVec<[Gathered<'_>; 4]> = centres.iter().map(|_| Gathered::default()).collect();
        let mut missing = centres.iter().filter(|centre| centre.wanted > 0).count();
        for place in self.clockwise(start) {
            if missing == 0 {
                break;
            }
            let Some(node) = self.node(place) else { continue };
            let found = centres.iter().zip(&mut gathered).find(|(centre, _)| centre.name == node.datacenter);
            let Some((centre, of)) = found else { continue };
            if of.chosen.len() >= centre.wanted || of.chosen.contains(&place) {
                continue;
            }
            if of.racks.len() == centre.racks || !of.racks.contains(&node.rack.as_str()) {
                if of.racks.len() < centre.racks {
                    of.racks.push(node.rack.as_str());
                }
                of.chosen.push(place);
                if of.racks.len() == centre.racks {
                    let room = centre.wanted.saturating_sub(of.chosen.len());
                    let more: Replicas = of.passed_over.drain(..).take(room).collect();
                    of.chosen.extend(more);
                }
                if of.chosen.len() >= centre.wanted {
                    missing -= 1;
                }
            } else if !of.passed_over.contains(&place) {
                of.passed_over.push(place);
            }
        }
        gathered.into_iter().flat_map(|of| of.chosen).collect()
    }
}

/// A data centre that keeps replicas.
struct Centre<'r> {
    name: &'r str,
    /// Replicas it keeps: no more than it has nodes.
    wanted: usize,
    racks: usize,
}

/// What was found in one for a token.
#[derive(Default)]
struct Gathered<'r> {
    racks: SmallVec<[&'r str; 4]>,
    chosen: Replicas,
    passed_over: Replicas,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn node(place: Place, datacenter: &str, rack: &str, tokens: &[i64]) -> Arc<Node> {
        Arc::new(Node {
            place,
            host_id: [place as u8; 16],
            address: SocketAddr::from(([127, 0, 0, place as u8 + 1], 9042)),
            datacenter: datacenter.to_owned(),
            rack: rack.to_owned(),
            release: "5.0.9".to_owned(),
            tokens: tokens.to_vec(),
        })
    }

    fn ring(nodes: Vec<Arc<Node>>, replication: &[(&str, &str)]) -> Ring {
        let replication =
            replication.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let home = Home { datacenter: "a".to_owned(), rack: Some("r2".to_owned()) };
        Ring::new(nodes, &home, &BTreeMap::from([(Arc::from("ks"), replication)]))
    }

    #[test]
    fn a_token_belongs_to_the_range_that_ends_at_or_after_it() {
        let nodes =
            vec![node(0, "a", "r1", &[-100, 50]), node(1, "a", "r1", &[0]), node(2, "a", "r1", &[100])];
        let ring = ring(
            nodes,
            &[("class", "org.apache.cassandra.locator.SimpleStrategy"), ("replication_factor", "2")],
        );
        for (token, expected) in [
            (-101, [0, 1]),
            (-100, [0, 1]),
            (-99, [1, 0]),
            (0, [1, 0]),
            (1, [0, 2]),
            (51, [2, 0]),
            (101, [0, 1]),
        ] {
            assert_eq!(ring.replicas("ks", Token(token)), expected, "{token}");
        }
        assert!(ring.replicas("other", Token(0)).is_empty());
    }

    #[test]
    fn a_large_ring_is_worked_out_at_once() {
        let mut token = 1u64;
        let mut tokens = || {
            let next = |_| {
                token = token.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                token.cast_signed()
            };
            (0..256).map(next).collect::<Vec<i64>>()
        };
        let nodes = (0..60)
            .map(|place| {
                node(place, if place % 2 == 0 { "a" } else { "b" }, &format!("r{}", place % 5), &tokens())
            })
            .collect();
        let begun = std::time::Instant::now();
        let ring = ring(nodes, &[("class", "NetworkTopologyStrategy"), ("a", "3"), ("b", "3")]);
        assert_eq!(ring.replicas("ks", Token(0)).len(), 6);
        // Fifteen thousand tokens: walked once round for each it would be minutes.
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    #[test]
    fn each_rack_has_a_replica_before_one_has_two() {
        let nodes = vec![
            node(0, "a", "r1", &[0]),
            node(1, "a", "r1", &[10]),
            node(2, "b", "r1", &[15]),
            node(3, "a", "r2", &[20]),
        ];
        let class = ("class", "NetworkTopologyStrategy");
        let two = ring(nodes.clone(), &[class, ("a", "2")]);
        assert_eq!(two.replicas("ks", Token(0)), [0, 3]);
        assert_eq!(two.replicas("ks", Token(5)), [1, 3]);
        let three = ring(nodes, &[class, ("a", "3"), ("b", "1")]);
        assert_eq!(three.replicas("ks", Token(0)), [0, 3, 1, 2]);
        assert_eq!((0..4).map(|place| three.distance(place)).collect::<Vec<_>>(), [1, 1, 2, 0]);
        assert_eq!(three.distance(9), u8::MAX);
    }
}
