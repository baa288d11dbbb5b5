//! Statements that clients prepared, remembered by the id the cluster gave them: where an EXECUTE has to go, and how to
//! prepare again what a node has forgotten.

use std::sync::{Arc, OnceLock};

use ilium_protocol::{ColumnList, Prepared};
use ilium_store::Effect;
use quick_cache::sync::Cache;
use smallvec::SmallVec;

use crate::effect;
use crate::gateways::RingQuestion;

/// Which of a statement's values make its partition key, and in which keyspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyMarkers {
    pub keyspace: Arc<str>,
    pub markers: SmallVec<[u16; 4]>,
}

#[derive(Debug)]
pub(crate) struct Statement {
    pub id: Box<[u8]>,
    /// As the client wrote it.
    pub text: Arc<str>,
    /// What unqualified names are in.
    pub keyspace: Option<Arc<str>>,
    /// `None`: the key is not all bound, or the version of the protocol does not tell.
    pub key: Option<KeyMarkers>,
    /// What it asks of the ring, if that is what it does.
    pub question: Option<RingQuestion>,
    effect: OnceLock<Option<Effect>>,
}

impl Statement {
    pub fn new(answer: &Prepared<'_>, text: &str, keyspace: Option<Arc<str>>) -> Statement {
        let first = match &answer.bind.columns {
            ColumnList::Specs(specs) => specs.first().map(|column| Arc::clone(&column.keyspace)),
            ColumnList::Omitted(_) | ColumnList::Encoded(_) => None,
        };
        let markers = answer.bind.partition_key.as_ref();
        let key = first
            .filter(|_| !markers.is_empty())
            .map(|keyspace| KeyMarkers { keyspace, markers: SmallVec::from_slice(markers) });
        let question = RingQuestion::of(text, keyspace.as_deref());
        let (id, text) = (answer.id.into(), text.into());
        Statement { id, text, keyspace, key, question, effect: OnceLock::new() }
    }

    /// Whether it gives the same when it is done twice. What our parser does not know, it does not.
    pub fn may_repeat(&self) -> bool {
        let of_text = || ilium_cql::parse(&self.text).ok().map(|statement| effect::of(&statement));
        self.effect.get_or_init(of_text).is_some_and(effect::may_repeat)
    }
}

/// Bounded: the least used are forgotten.
pub(crate) struct Statements(Cache<Box<[u8]>, Arc<Statement>>);

impl Statements {
    pub fn new(limit: usize) -> Statements {
        Statements(Cache::new(limit))
    }

    pub fn get(&self, id: &[u8]) -> Option<Arc<Statement>> {
        self.0.get(id)
    }

    /// A client of a version that does not tell the key's markers takes nothing away from those that know them.
    pub fn keep(&self, statement: Statement) {
        if statement.key.is_some() || self.0.get(&statement.id).is_none() {
            self.0.insert(statement.id.clone(), Arc::new(statement));
        }
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}
