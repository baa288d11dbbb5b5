//! The gateways as clients see them: drivers learn from `system.local` and `system.peers` whom to connect to, and must find
//! the gateways there instead of the nodes behind them.
//!
//! Vocabulary: a *replica* is a gateway in front of this cluster; the *host* that a driver takes it for has an id made of
//! its address, so it is the same after a restart, and a token, so that together they cover the ring once.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use ilium_cql::ast::{Expr, ExprKind, LiteralKind, Operator, RelationKind, Select, Selection, Statement};
use ilium_protocol::{
    ColumnList, ColumnSpec, ProtocolVersion, QueryParameters, QueryResult, Response, Rows, RowsMetadata,
    Value, put_bytes,
};
use ilium_store::{ClusterEvent, Error, Frame};
use parking_lot::RwLock;

use crate::own;
use crate::table::{Row, Table};

/// The gateways in front of this cluster.
#[derive(Default)]
pub(crate) struct Gateways(RwLock<Replicas>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Replicas {
    /// Where clients reach this one.
    own: Option<SocketAddr>,
    /// All of them, this one included.
    all: BTreeSet<SocketAddr>,
}

/// A question about the ring that drivers ask.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RingQuestion {
    pub table: RingTable,
    select: Select,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RingTable {
    Local,
    Peers,
    PeersV2,
}

/// A question is shorter; what is longer is not looked at.
const LONGEST_QUESTION: usize = 2048;

impl RingQuestion {
    /// What a text asks of the ring; `None` if it asks for something else, or in a way that only the cluster understands.
    pub fn of(text: &str, keyspace: Option<&str>) -> Option<RingQuestion> {
        let start = text.trim_start();
        let selects = start.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("select"));
        if !selects || text.len() > LONGEST_QUESTION || !(contains(text, "local") || contains(text, "peers"))
        {
            return None;
        }
        let Ok(Statement::Select(select)) = ilium_cql::parse(text) else { return None };
        let named = select.from.keyspace.as_ref().map(|name| name.as_str());
        if named.or(keyspace) != Some("system") {
            return None;
        }
        let table = match select.from.name.as_str() {
            "local" => RingTable::Local,
            "peers" => RingTable::Peers,
            "peers_v2" => RingTable::PeersV2,
            _ => return None,
        };
        let plain =
            !select.json && !select.distinct && select.group_by.is_empty() && select.order_by.is_empty();
        let columns = match &select.selection {
            Selection::All => true,
            Selection::Items(items) => {
                items.iter().all(|item| matches!(item.value.kind, ExprKind::Column(_)))
            }
        };
        let understood = |kind: &RelationKind| matches!(kind, RelationKind::Column { operator: Operator::Equal, value, .. } if is_constant(value));
        let restrictions = select.restrictions.iter().all(|relation| understood(&relation.kind));
        let limit = select.limit.as_ref().is_none_or(is_constant);
        (plain && columns && restrictions && limit).then_some(RingQuestion { table, select })
    }

    /// The columns asked for, under the names asked for.
    fn columns(&self, known: &[ColumnSpec]) -> Result<Vec<(usize, ColumnSpec)>, Error> {
        let Selection::Items(items) = &self.select.selection else {
            return Ok(known.iter().cloned().enumerate().collect());
        };
        let column = |item: &ilium_cql::ast::Selector| {
            let undefined = |column: &str| {
                let table = &self.select.from.name;
                Error::invalid(format!("Undefined column name {column} in table system.{table}"))
            };
            let ExprKind::Column(name) = &item.value.kind else { return Err(undefined("*")) };
            let at = known.iter().position(|column| *column.name == *name.as_str());
            let at = at.ok_or_else(|| undefined(name.as_str()))?;
            let mut spec = known.get(at).cloned().ok_or_else(|| undefined(name.as_str()))?;
            if let Some(alias) = &item.alias {
                spec.name = Arc::from(alias.as_str());
            }
            Ok((at, spec))
        };
        items.iter().map(column).collect()
    }

    /// How many rows are asked for at most.
    fn limit(&self, parameters: &QueryParameters<'_>) -> Result<usize, Error> {
        let Some(limit) = &self.select.limit else { return Ok(usize::MAX) };
        let limit = match &limit.kind {
            ExprKind::Bind { index, .. } => match parameters.values.get(usize::from(*index)) {
                Some(Value::Bytes(bytes)) => bytes.try_into().ok().map(i32::from_be_bytes),
                Some(Value::Unset) => return Ok(usize::MAX),
                Some(Value::Null) => return Err(Error::invalid("Invalid null value of limit")),
                _ => None,
            },
            ExprKind::Literal(literal) => literal.text.parse::<i32>().ok(),
            _ => None,
        };
        let limit = limit.ok_or_else(|| Error::invalid("Invalid limit value"))?;
        // Cassandra's words (`SelectStatement.getLimit`).
        usize::try_from(limit)
            .ok()
            .filter(|limit| *limit > 0)
            .ok_or_else(|| Error::invalid("LIMIT must be strictly positive"))
    }

    /// Whether a row is among those asked for.
    fn matches(
        &self,
        columns: &[ColumnSpec],
        row: &[Option<Bytes>],
        parameters: &QueryParameters<'_>,
    ) -> bool {
        self.select.restrictions.iter().all(|relation| {
            let RelationKind::Column { column, value, .. } = &relation.kind else { return false };
            let at = columns.iter().position(|known| *known.name == *column.as_str());
            let cell = at.and_then(|at| row.get(at)).and_then(Option::as_ref);
            let wanted = match &value.kind {
                ExprKind::Bind { index, .. } => match parameters.values.get(usize::from(*index)) {
                    Some(Value::Bytes(bytes)) => Some(Bytes::copy_from_slice(bytes)),
                    _ => None,
                },
                ExprKind::Literal(literal) => match literal.kind {
                    LiteralKind::String => literal.text.parse::<IpAddr>().map_or_else(
                        |_| Some(Bytes::copy_from_slice(literal.text.as_bytes())),
                        |address| Some(of_address(address)),
                    ),
                    LiteralKind::Integer => literal.text.parse::<i32>().ok().map(of_int),
                    LiteralKind::Uuid => of_uuid_text(&literal.text),
                    _ => None,
                },
                _ => None,
            };
            wanted.is_some() && cell == wanted.as_ref()
        })
    }
}

fn is_constant(value: &Expr) -> bool {
    match &value.kind {
        ExprKind::Bind { name, .. } => name.is_none(),
        ExprKind::Literal(literal) => {
            matches!(literal.kind, LiteralKind::String | LiteralKind::Integer | LiteralKind::Uuid)
        }
        _ => false,
    }
}

fn contains(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

fn of_address(address: IpAddr) -> Bytes {
    match address {
        IpAddr::V4(address) => Bytes::copy_from_slice(&address.octets()),
        IpAddr::V6(address) => Bytes::copy_from_slice(&address.octets()),
    }
}

fn of_int(number: i32) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

fn of_uuid_text(text: &str) -> Option<Bytes> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let number = u128::from_str_radix(&digits, 16).ok()?;
    Some(Bytes::copy_from_slice(&number.to_be_bytes()))
}

impl Replicas {
    /// The id of the host that stands for a replica: a UUID of version 8 (RFC 9562, section 5.8) made of cluster and
    /// address.
    fn host_id(cluster: &str, address: SocketAddr) -> Bytes {
        let (high, low) = hash(format!("{cluster}/{address}").as_bytes());
        let mut id = [high.to_be_bytes(), low.to_be_bytes()].concat();
        for (at, mask, bits) in [(6, 0x0f, 0x80), (8, 0x3f, 0x80)] {
            if let Some(byte) = id.get_mut(at) {
                *byte = *byte & mask | bits;
            }
        }
        Bytes::from(id)
    }

    /// The token of the replica at a place among them: they part the ring evenly.
    fn token(&self, place: usize) -> i64 {
        let share = (1u128 << 64) / (self.all.len().max(1) as u128);
        let end = share * (place as u128 + 1) - 1;
        (end as i128 + i128::from(i64::MIN)) as i64
    }

    /// A set of one text.
    fn tokens(&self, place: usize) -> Bytes {
        let token = self.token(place).to_string();
        let mut set = BytesMut::new();
        set.put_i32(1);
        set.put_i32(token.len() as i32);
        set.put_slice(token.as_bytes());
        set.freeze()
    }
}

/// Two 64-bit halves of a hash that is the same in every process.
fn hash(bytes: &[u8]) -> (u64, u64) {
    let first = ilium_cql::Token::of(bytes).0.cast_unsigned();
    let second = ilium_cql::Token::of(&[bytes, b"/second"].concat()).0.cast_unsigned();
    (first, second)
}

impl Gateways {
    /// Whether clients are to see gateways at all: not before it is known where this one is.
    pub fn are_known(&self) -> bool {
        self.0.read().own.is_some()
    }

    /// Takes up who there is; gives what clients are to be told of it.
    pub fn set(&self, own: SocketAddr, others: impl IntoIterator<Item = SocketAddr>) -> Vec<ClusterEvent> {
        let mut all: BTreeSet<SocketAddr> = others.into_iter().collect();
        all.insert(own);
        let mut replicas = self.0.write();
        let before = std::mem::replace(&mut *replicas, Replicas { own: Some(own), all: all.clone() });
        if before.own.is_none() {
            return Vec::new();
        }
        let came = all.difference(&before.all).flat_map(|address| {
            let address = *address;
            [ClusterEvent::Topology { is_new: true, address }, ClusterEvent::Status { is_up: true, address }]
        });
        let went = before.all.difference(&all).flat_map(|address| {
            let address = *address;
            [
                ClusterEvent::Status { is_up: false, address },
                ClusterEvent::Topology { is_new: false, address },
            ]
        });
        came.chain(went).collect()
    }

    /// The rows of a table, made of what the cluster says of one of its nodes.
    fn rows(
        &self,
        table: RingTable,
        columns: &[ColumnSpec],
        local: &Row<'_>,
        cluster: &str,
    ) -> Vec<Vec<Option<Bytes>>> {
        let replicas = self.0.read();
        let asked = replicas.all.iter().enumerate().filter(|(_, address)| match table {
            RingTable::Local => Some(**address) == replicas.own,
            RingTable::Peers | RingTable::PeersV2 => Some(**address) != replicas.own,
        });
        let cell = |column: &ColumnSpec, place: usize, address: SocketAddr| match &*column.name {
            "host_id" => Some(Replicas::host_id(cluster, address)),
            "tokens" => Some(replicas.tokens(place)),
            "peer" | "native_address" | "rpc_address" | "broadcast_address" | "listen_address" => {
                Some(of_address(address.ip()))
            }
            "rpc_port" | "native_port" => Some(of_int(i32::from(address.port()))),
            "preferred_ip" | "preferred_port" | "truncated_at" => None,
            // Of a node behind: they are the same for all that clients may see.
            name => local.bytes(if name == "peer_port" { "broadcast_port" } else { name }).cloned(),
        };
        asked
            .map(|(place, address)| columns.iter().map(|column| cell(column, place, *address)).collect())
            .collect()
    }
}

impl RingQuestion {
    /// The answer, from what a node says of itself and the columns of the table that is asked.
    pub fn answer(
        &self,
        gateways: &Gateways,
        cluster: &str,
        local: &Table,
        asked: &Table,
        version: ProtocolVersion,
        parameters: &QueryParameters<'_>,
    ) -> Result<Frame, Error> {
        let row = local.rows().next().ok_or_else(|| Error::internal("a node has no row in system.local"))?;
        let rows = gateways.rows(self.table, &asked.columns, &row, cluster);
        let columns = self.columns(&asked.columns)?;
        let mut cells = BytesMut::new();
        let mut count = 0;
        let limit = self.limit(parameters)?;
        let wanted = rows.iter().filter(|row| self.matches(&asked.columns, row, parameters)).take(limit);
        for row in wanted {
            count += 1;
            for (at, _) in &columns {
                let cell = row.get(*at).and_then(Option::as_deref);
                put_bytes(&mut cells, cell).map_err(|error| Error::internal(error.to_string()))?;
            }
        }
        let specs: Vec<ColumnSpec> = columns.into_iter().map(|(_, spec)| spec).collect();
        let columns = match parameters.skip_metadata {
            true => ColumnList::Omitted(specs.len() as u32),
            false => ColumnList::specs(&specs),
        };
        let rows = Rows { metadata: RowsMetadata::new(columns), row_count: count, cells: &cells };
        let answer = own::answer(version, &Response::Result(QueryResult::Rows(rows)));
        answer.map_err(|error| Error::internal(error.to_string()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use ilium_protocol::{Envelope, Flags, Header, Opcode};

    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, last], 9042))
    }

    #[test]
    fn questions_about_the_ring_are_told_from_others() {
        for (text, keyspace, is_one) in [
            ("SELECT * FROM system.local WHERE key='local'", None, true),
            ("select peer, host_id as h from system.peers_v2 where peer = ?", None, true),
            ("SELECT * FROM peers", Some("system"), true),
            ("SELECT * FROM peers", Some("shop"), false),
            ("SELECT * FROM shop.local", None, false),
            ("SELECT count(*) FROM system.peers", None, false),
            ("SELECT * FROM system.size_estimates", None, false),
            ("INSERT INTO system.local (key) VALUES ('peers')", None, false),
        ] {
            assert_eq!(RingQuestion::of(text, keyspace).is_some(), is_one, "{text}");
        }
    }

    #[test]
    fn no_more_hosts_are_told_than_are_asked_for() {
        let gateways = Gateways::default();
        let _ = gateways.set(address(1), (2..5).map(address));
        let table = crate::outside::local().unwrap();
        let (version, parameters) = (ProtocolVersion::V4, QueryParameters::default());
        let answer = |text: &str| {
            let question = RingQuestion::of(text, None).unwrap();
            let answer = question.answer(&gateways, "test", &table, &table, version, &parameters)?;
            let header = Header { version, flags: Flags::NONE, stream: 0, opcode: Opcode::Result };
            let answer = Table::decode(&Envelope { header, body: answer.body }).unwrap();
            Ok::<_, Error>(answer.rows().map(|row| row.address("peer").unwrap()).collect::<Vec<_>>())
        };
        let peers = |count: u8| (2..2 + count).map(|last| address(last).ip()).collect::<Vec<_>>();
        assert_eq!(answer("SELECT peer FROM system.peers").unwrap(), peers(3));
        assert_eq!(answer("SELECT * FROM system.peers LIMIT 2").unwrap(), peers(2));
        assert_eq!(answer("SELECT * FROM system.peers WHERE peer = '10.0.0.2' LIMIT 2").unwrap(), peers(1));
        assert!(answer("SELECT * FROM system.peers LIMIT 0").is_err());
    }

    #[test]
    fn replicas_part_the_ring_and_keep_their_ids() {
        let replicas = |count: u8| Replicas { own: None, all: (1..=count).map(address).collect() };
        assert_eq!(replicas(1).token(0), i64::MAX);
        assert_eq!((0..2).map(|place| replicas(2).token(place)).collect::<Vec<_>>(), [-1, i64::MAX]);
        let tokens: Vec<i64> = (0..3).map(|place| replicas(3).token(place)).collect();
        assert!(tokens.is_sorted() && tokens.len() == 3, "{tokens:?}");
        let id = Replicas::host_id("shop", address(1));
        assert_eq!(id, Replicas::host_id("shop", address(1)));
        assert_ne!(id, Replicas::host_id("shop", address(2)));
        assert_ne!(id, Replicas::host_id("other", address(1)));
    }

    #[test]
    fn clients_are_told_who_comes_and_goes() {
        let gateways = Gateways::default();
        assert!(gateways.set(address(1), [address(2)]).is_empty());
        let told = gateways.set(address(1), [address(3)]);
        assert_eq!(
            told,
            [
                ClusterEvent::Topology { is_new: true, address: address(3) },
                ClusterEvent::Status { is_up: true, address: address(3) },
                ClusterEvent::Status { is_up: false, address: address(2) },
                ClusterEvent::Topology { is_new: false, address: address(2) },
            ]
        );
        assert!(gateways.set(address(1), [address(3), address(1)]).is_empty());
    }
}
