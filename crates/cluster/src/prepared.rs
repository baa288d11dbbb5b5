//! Statements that clients prepared, remembered by the id the cluster gave them: where an EXECUTE has to go, and how to
//! prepare again what a node has forgotten.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use ilium_cql::ast::Statement as Parsed;
use ilium_cql::identifier::quote_if_needed;
use ilium_cql::schema::{Column, Schema};
use ilium_protocol::{ColumnList, ColumnSpec, Prepared};
use ilium_store::Shown;
use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use smallvec::SmallVec;
use tokio::sync::OnceCell;

use crate::gateways::RingQuestion;

/// Which of a statement's values make its partition key, and in which keyspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyMarkers {
    pub keyspace: Arc<str>,
    pub markers: SmallVec<[u16; 4]>,
    /// Of those markers, for who binds by name.
    pub names: SmallVec<[Arc<str>; 4]>,
}

impl KeyMarkers {
    /// As the node tells them.
    fn told(answer: &Prepared<'_>) -> Option<KeyMarkers> {
        let markers = answer.bind.partition_key.as_ref();
        let specs = answer.bind.columns.as_specs()?;
        KeyMarkers::of(specs, SmallVec::from_slice(markers)).filter(|_| !markers.is_empty())
    }

    fn of(specs: &[ColumnSpec], markers: SmallVec<[u16; 4]>) -> Option<KeyMarkers> {
        let keyspace = Arc::clone(&specs.first()?.keyspace);
        let name = |marker: &u16| Some(Arc::clone(&specs.get(usize::from(*marker))?.name));
        let names = markers.iter().map(name).collect::<Option<_>>()?;
        Some(KeyMarkers { keyspace, markers, names })
    }

    /// By the names of the markers, which are those of the columns they are compared with or written to.
    fn found(answer: &Prepared<'_>, schema: &Schema) -> Option<KeyMarkers> {
        let specs = answer.bind.columns.as_specs()?;
        let first = specs.first()?;
        let table = schema.table(&first.keyspace, &first.table)?;
        let marker = |column: &Column| {
            let at = specs.iter().position(|spec| spec.name == column.name && spec.table == first.table)?;
            u16::try_from(at).ok()
        };
        KeyMarkers::of(specs, table.partition_key().map(marker).collect::<Option<_>>()?)
    }
}

#[derive(Debug)]
pub(crate) struct Statement {
    pub id: Box<[u8]>,
    /// As the client wrote it.
    pub text: Arc<str>,
    /// What is shown of it, once that was wanted.
    pub shown: OnceLock<Shown>,
    /// What unqualified names are in.
    pub keyspace: Option<Arc<str>>,
    /// `None`: the key is not all bound, or the version of the protocol does not tell.
    pub key: Option<KeyMarkers>,
    /// What it asks of the ring, if that is what it does.
    pub question: Option<RingQuestion>,
    /// The keyspace it chooses, in CQL's own spelling, if it is a `USE`.
    pub uses: Option<Arc<str>>,
    /// Of its rows, as they were when it was prepared.
    columns: Box<[ColumnSpec]>,
    /// Its rows have had other columns since it was first prepared.
    changed: AtomicBool,
}

impl Statement {
    /// `schema` is for an answer of a version that does not tell the key's markers.
    pub fn new(
        answer: &Prepared<'_>,
        text: &str,
        keyspace: Option<Arc<str>>,
        schema: Option<&Schema>,
    ) -> Statement {
        let key = KeyMarkers::told(answer).or_else(|| KeyMarkers::found(answer, schema?));
        let question = RingQuestion::of(text, keyspace.as_deref());
        let uses = used_keyspace(text);
        let columns = columns(answer).into();
        let (id, text, changed) = (answer.id.into(), text.into(), AtomicBool::new(false));
        let shown = OnceLock::new();
        Statement { id, text, shown, keyspace, key, question, uses, columns, changed }
    }

    /// Compares its columns with those it has when it is prepared again.
    pub fn prepared_again(&self, answer: &Prepared<'_>) {
        if *self.columns != *columns(answer) {
            self.changed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether clients may hold columns of it that are not those of its rows. Cassandra forgets a statement when its table
    /// changes, and a client that hears so learns the new columns; here it does not hear it. From version 5 on the
    /// columns' id tells, before it clients must get the columns with the rows.
    pub fn has_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }
}

fn columns<'a>(answer: &'a Prepared<'_>) -> &'a [ColumnSpec] {
    match &answer.result.columns {
        ColumnList::Specs(specs) => specs,
        ColumnList::Omitted(_) | ColumnList::Encoded(_) => &[],
    }
}

/// The keyspace that a text chooses, in CQL's own spelling.
pub(crate) fn used_keyspace(text: &str) -> Option<Arc<str>> {
    let start = text.trim_start();
    let is_use = start.get(..3).is_some_and(|word| word.eq_ignore_ascii_case("use"));
    // Behind a comment may be anything.
    if !is_use && !start.starts_with(['/', '-']) {
        return None;
    }
    match ilium_cql::parse(text) {
        Ok(Parsed::Use { keyspace }) => Some(quote_if_needed(keyspace.as_str()).into()),
        _ => None,
    }
}

/// Bounded in number, and in the bytes of their texts: the least used are forgotten.
pub(crate) struct Statements(Cache<Box<[u8]>, Arc<Statement>, ByText>);

/// A statement is as heavy as its text, what may be shown of that, and what is kept beside it.
#[derive(Clone)]
struct ByText;

/// What a statement takes besides its text, about.
const BESIDE: u64 = 512;

impl Weighter<Box<[u8]>, Arc<Statement>> for ByText {
    fn weight(&self, _id: &Box<[u8]>, statement: &Arc<Statement>) -> u64 {
        let text = statement.text.len();
        (text + text.min(Shown::LONGEST_TEXT)) as u64 + BESIDE
    }
}

impl Statements {
    /// `text` is the bytes of all texts together.
    pub fn new(limit: usize, text: u64) -> Statements {
        Statements(Cache::with_weighter(limit, text, ByText))
    }

    pub fn get(&self, id: &[u8]) -> Option<Arc<Statement>> {
        self.0.get(id)
    }

    /// One whose key is not known takes nothing away from those that know it.
    pub fn keep(&self, statement: Statement) {
        let known = self.0.get(&statement.id);
        if let Some(known) = &known
            && (known.has_changed() || known.columns != statement.columns)
        {
            known.changed.store(true, Ordering::Relaxed);
            statement.changed.store(true, Ordering::Relaxed);
        }
        if statement.key.is_some() || known.is_none() {
            self.0.insert(statement.id.clone(), Arc::new(statement));
        }
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// What is being prepared again, by statement and node: those who wait for the same wait together.
#[derive(Default)]
pub(crate) struct Preparing(Mutex<HashMap<OnNode, Arc<OnceCell<bool>>>>);

/// A statement's id and a node.
type OnNode = (Box<[u8]>, SocketAddr);

impl Preparing {
    /// Has a statement prepared on a node, once for all that ask at the same time. `prepare` says whether it is.
    pub async fn once(
        &self,
        statement: &Statement,
        node: SocketAddr,
        prepare: impl Future<Output = bool>,
    ) -> bool {
        let key = (statement.id.clone(), node);
        let cell = Arc::clone(self.0.lock().entry(key.clone()).or_default());
        let prepared = *cell.get_or_init(|| prepare).await;
        self.0.lock().remove(&key);
        prepared
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use ilium_cql::CqlType;
    use ilium_cql::schema::{ColumnKind, Keyspace, Table};
    use ilium_protocol::{BindMetadata, ColumnList, ColumnSpec, RowsMetadata};

    use super::*;

    /// `ks.t (a, b, c)` with the partition key `(b, a)`.
    fn schema() -> Schema {
        let column = |name: &str, kind, position| Column {
            name: name.into(),
            column_type: CqlType::Int,
            kind,
            position,
            descending: false,
        };
        let table = Table {
            keyspace: "ks".into(),
            name: "t".into(),
            id: [0; 16],
            columns: vec![
                column("b", ColumnKind::PartitionKey, 0),
                column("a", ColumnKind::PartitionKey, 1),
                column("c", ColumnKind::Regular, 0),
            ],
            indexes: Vec::new(),
            dropped_columns: Default::default(),
            options: Default::default(),
            flags: Default::default(),
        };
        let keyspace = Keyspace {
            name: "ks".into(),
            durable_writes: true,
            replication: Default::default(),
            is_virtual: false,
            tables: [(Arc::from("t"), Arc::new(table))].into(),
            types: Default::default(),
        };
        Schema { version: [0; 16], keyspaces: [(Arc::from("ks"), Arc::new(keyspace))].into() }
    }

    fn key_of(markers: &[&str], told: &[u16]) -> Option<Vec<u16>> {
        let spec = |name: &&str| ColumnSpec {
            keyspace: "ks".into(),
            table: "t".into(),
            name: (*name).into(),
            ty: CqlType::Int,
        };
        let specs: Vec<ColumnSpec> = markers.iter().map(spec).collect();
        let answer = Prepared {
            id: b"id",
            result_metadata_id: None,
            bind: BindMetadata { columns: ColumnList::specs(&specs), partition_key: told.into() },
            result: RowsMetadata::none(),
        };
        let statement = Statement::new(&answer, "INSERT", None, Some(&schema()));
        statement.key.map(|key| key.markers.to_vec())
    }

    #[test]
    fn the_key_is_as_the_node_tells_or_as_the_schema_has_it() {
        assert_eq!(key_of(&["a", "b", "c"], &[2, 1]), Some(vec![2, 1]));
        assert_eq!(key_of(&["a", "b", "c"], &[]), Some(vec![1, 0]));
        assert_eq!(key_of(&["a", "in(b)"], &[]), None);
        assert_eq!(key_of(&[], &[]), None);
    }
}
