//! A ring of two racks in the near data centre and two nodes far away, and which of them a prepared statement reaches.

use std::sync::Arc;

use ilium_cql::{CqlType, Token};
use ilium_protocol::{
    BindMetadata, ColumnList, ColumnSpec, Opcode, Prepared, ProtocolVersion, QueryResult, Response,
    RowsMetadata,
};

use super::{Asked, NEAR, Says, ScriptedNode, cluster_of, until};
use crate::Options;
use crate::cluster::Cluster;
use crate::ring::Node;

pub(crate) const VERSION: ProtocolVersion = ProtocolVersion::V4;

/// Of the statement that every node prepares; its one marker is the partition key.
pub(crate) const ID: &[u8] = b"by key";

/// The nodes in the order of their tokens: their data centres, racks and tokens.
const NODES: [(&str, &str, i64); 6] = [
    (NEAR, "a", -6_000_000_000_000_000_000),
    (NEAR, "b", -3_000_000_000_000_000_000),
    (NEAR, "a", 0),
    (NEAR, "b", 3_000_000_000_000_000_000),
    ("far", "a", 6_000_000_000_000_000_000),
    ("far", "b", 9_000_000_000_000_000_000),
];

/// For the range that ends at each node's token, its replicas near: clockwise the first node of each rack, rack a's here first.
const REPLICAS: [[usize; 2]; 6] = [[0, 1], [2, 1], [2, 3], [0, 3], [0, 1], [0, 1]];

pub(crate) struct Racks {
    /// `None`: it is gone.
    nodes: Vec<Option<ScriptedNode>>,
    pub cluster: Arc<Cluster>,
}

impl Racks {
    pub async fn start(local_rack: Option<&str>) -> Racks {
        let mut nodes = Vec::new();
        for _ in NODES {
            nodes.push(ScriptedNode::start(prepares).await);
        }
        let options = Options {
            newest_version: VERSION,
            local_rack: local_rack.map(str::to_owned),
            ..Options::new(Vec::new())
        };
        let cluster = cluster_of(options, &[], false);
        let ring =
            nodes.iter().zip(NODES).enumerate().map(|(number, (node, (datacenter, rack, token)))| Node {
                place: 0,
                host_id: (number as u128).to_be_bytes(),
                address: node.address,
                datacenter: datacenter.to_owned(),
                rack: rack.to_owned(),
                release: "5.0.9".to_owned(),
                tokens: vec![token],
            });
        let replication = [("class", "NetworkTopologyStrategy"), (NEAR, "2"), ("far", "1")];
        let replication = replication.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        cluster.set_ring(ring.collect(), &[(Arc::from("ks"), replication)].into());
        Racks { nodes: nodes.into_iter().map(Some).collect(), cluster }
    }

    /// How many EXECUTEs each node has heard.
    fn heard(&self) -> Vec<usize> {
        let count =
            |node: &Option<ScriptedNode>| node.as_ref().map_or(0, |node| node.heard(Opcode::Execute).len());
        self.nodes.iter().map(count).collect()
    }

    /// The node that is reached when this is asked.
    async fn reached(&self, ask: impl Future<Output = ()>) -> usize {
        // The busier of two that are equally near is left alone; a link asks for signs of life, too.
        until("nothing waits", || self.cluster.stats().in_flight == 0).await;
        let before = self.heard();
        ask.await;
        let after = self.heard();
        let reached: Vec<usize> = (0..NODES.len()).filter(|node| after[*node] > before[*node]).collect();
        assert_eq!(reached.len(), 1, "{before:?}, {after:?}");
        reached[0]
    }

    async fn lose(&mut self, lost: &[usize]) {
        for node in lost {
            self.nodes[*node] = None;
        }
        let left = self.nodes[..4].iter().flatten().count();
        until("their links are closed", || self.cluster.own_links().len() == left).await;
    }

    /// Holds what `ask` reaches, which executes the statement with a key, against where its partitions are.
    pub async fn check(&mut self, ask: impl AsyncFn(i32)) {
        until("the near ones are linked", || self.cluster.own_links().len() == 4).await;
        let has_rack = self.cluster.facts.home.rack.is_some();
        if !has_rack {
            for (range, replicas) in REPLICAS.iter().enumerate() {
                let mut reached = Vec::new();
                for _ in 0..16 {
                    reached.push(self.reached(ask(key_of(range))).await);
                }
                // Either replica, in turn, and nobody else.
                reached.sort_unstable();
                reached.dedup();
                let mut expected = replicas.to_vec();
                expected.sort_unstable();
                assert_eq!(reached, expected, "range {range}");
            }
            return;
        }
        // The replica of the own rack.
        for turn in 0..4 {
            for (range, [own_rack, _]) in REPLICAS.iter().enumerate() {
                assert_eq!(self.reached(ask(key_of(range))).await, *own_rack, "range {range}, turn {turn}");
            }
        }
        // Where that is gone the other replica of the own data centre, rather than another node of the own rack.
        self.lose(&[0]).await;
        for (range, [own_rack, other]) in REPLICAS.iter().enumerate() {
            let expected = if *own_rack == 0 { other } else { own_rack };
            assert_eq!(self.reached(ask(key_of(range))).await, *expected, "range {range}");
        }
        self.lose(&[1]).await;
        // Both replicas are gone: a near node that is none asks the far one.
        assert!([2, 3].contains(&self.reached(ask(key_of(0))).await));
        assert_eq!(self.reached(ask(key_of(1))).await, 2);
        assert!(self.nodes[4..].iter().flatten().all(|node| node.taken() == 0), "far nodes have links");
        self.lose(&[2, 3]).await;
        until("the far ones are linked", || {
            self.cluster.reach_out();
            self.cluster.own_links().len() == 2
        })
        .await;
        assert!(self.reached(ask(key_of(0))).await >= 4);
    }
}

/// A key whose token is in the range that ends at this node's.
pub(crate) fn key_of(range: usize) -> i32 {
    let ends: Vec<i64> = NODES.iter().map(|(_, _, token)| *token).collect();
    let is_there = |key: &i32| {
        let token = Token::of(&key.to_be_bytes()).0;
        ends.iter().position(|end| token <= *end).unwrap_or(0) == range
    };
    (0..).find(is_there).unwrap()
}

fn prepares(asked: &Asked) -> Says {
    let columns =
        [ColumnSpec { keyspace: "ks".into(), table: "t".into(), name: "k".into(), ty: CqlType::Int }];
    match asked.opcode {
        Opcode::Prepare => {
            let prepared = Prepared {
                id: ID,
                result_metadata_id: None,
                bind: BindMetadata { columns: ColumnList::specs(&columns), partition_key: vec![0].into() },
                result: RowsMetadata::none(),
            };
            Says::this(asked, &Response::Result(QueryResult::Prepared(prepared)))
        }
        _ => Says::AsUsual,
    }
}
