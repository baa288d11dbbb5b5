//! Tables made up.

use super::random::Random;
use super::text;
use super::value::Kind;
use crate::cases::file::Step;

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Partition,
    Clustering { descending: bool },
    Static,
    Regular,
}

#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) role: Role,
    /// The few literals that statements use for it.
    pub(super) pool: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    pub(super) counters: bool,
    /// Whether each write says its time, few times over and in any order. Otherwise the server's clock does, and
    /// conditions are used.
    pub(super) timed: bool,
    pub(super) indexes: Vec<String>,
    /// How many columns were ever added: a name is not used again.
    added: usize,
}

#[derive(Debug)]
pub(super) struct Schema {
    pub(super) types: Vec<Kind>,
    pub(super) tables: Vec<Table>,
    indexes: usize,
}

impl Column {
    fn new(random: &mut Random, name: String, kind: Kind, role: Role) -> Column {
        let mut pool: Vec<String> = (0..4).map(|_| kind.literal(random)).collect();
        pool.sort();
        pool.dedup();
        Column { name, kind, role, pool }
    }

    /// One of its literals.
    pub(super) fn value(&self, random: &mut Random) -> String {
        random.pick(&self.pool).cloned().unwrap_or_default()
    }
}

impl Table {
    fn new(random: &mut Random, number: usize, types: &[Kind]) -> Table {
        let counters = random.one_in(10);
        let mut columns = Vec::new();
        for n in 0..random.between(1, 2) {
            let kind = Kind::key(random, types);
            columns.push(Column::new(random, format!("p{n}"), kind, Role::Partition));
        }
        let clustering = random.below(4);
        for n in 0..clustering {
            let kind = Kind::key(random, types);
            let role = Role::Clustering { descending: random.one_in(3) };
            columns.push(Column::new(random, format!("c{n}"), kind, role));
        }
        let statics = if clustering > 0 { random.below(3) } else { 0 };
        for (letter, count, role) in
            [('s', statics, Role::Static), ('v', random.between(1, 4), Role::Regular)]
        {
            for n in 0..count {
                let kind = if counters { Kind::Counter } else { Kind::column(random, types) };
                columns.push(Column::new(random, format!("{letter}{n}"), kind, role));
            }
        }
        let timed = !counters && random.one_in(2);
        Table { name: format!("t{number}"), columns, counters, timed, indexes: Vec::new(), added: 0 }
    }

    pub(super) fn with_role(&self, wanted: impl Fn(Role) -> bool) -> Vec<&Column> {
        self.columns.iter().filter(|column| wanted(column.role)).collect()
    }

    pub(super) fn partition(&self) -> Vec<&Column> {
        self.with_role(|role| role == Role::Partition)
    }

    pub(super) fn clustering(&self) -> Vec<&Column> {
        self.with_role(|role| matches!(role, Role::Clustering { .. }))
    }

    pub(super) fn statics(&self) -> Vec<&Column> {
        self.with_role(|role| role == Role::Static)
    }

    pub(super) fn regular(&self) -> Vec<&Column> {
        self.with_role(|role| role == Role::Regular)
    }

    /// Columns that are no keys.
    pub(super) fn values(&self) -> Vec<&Column> {
        self.with_role(|role| matches!(role, Role::Static | Role::Regular))
    }

    fn create(&self) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|c| {
                let suffix = if c.role == Role::Static { " static" } else { "" };
                format!("{} {}{suffix}", c.name, c.kind.cql())
            })
            .collect();
        let names =
            |columns: Vec<&Column>| columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>().join(", ");
        let mut key = format!("({})", names(self.partition()));
        let clustering = self.clustering();
        if !clustering.is_empty() {
            key += &format!(", {}", names(clustering.clone()));
        }
        let orders: Vec<String> = clustering
            .iter()
            .map(|c| {
                let descending = c.role == Role::Clustering { descending: true };
                format!("{} {}", c.name, if descending { "DESC" } else { "ASC" })
            })
            .collect();
        let order = match orders.as_slice() {
            [] => String::new(),
            orders => format!(" WITH CLUSTERING ORDER BY ({})", orders.join(", ")),
        };
        format!("CREATE TABLE {} ({}, PRIMARY KEY ({key})){order}", self.name, columns.join(", "))
    }

    /// Adds a column or drops one.
    pub(super) fn alter(&mut self, random: &mut Random, types: &[Kind]) -> Option<Step> {
        if self.counters {
            return None;
        }
        let regular = self.regular();
        if regular.len() > 1 && random.one_in(2) {
            let dropped = random.pick(&regular)?.name.clone();
            let indexed = self.indexes.iter().any(|index| index.starts_with(&format!("{dropped}_")));
            // One that is stored in parts and is no collection cannot be dropped, nor can one with an index.
            if !indexed {
                self.columns.retain(|c| c.name != dropped || matches!(c.kind, Kind::Udt(..)));
            }
            return Some(text(format!("ALTER TABLE {} DROP {dropped}", self.name)));
        }
        self.added += 1;
        let kind = Kind::column(random, types);
        let column = Column::new(random, format!("w{}", self.added), kind, Role::Regular);
        let alter = format!("ALTER TABLE {} ADD {} {}", self.name, column.name, column.kind.cql());
        self.columns.push(column);
        Some(text(alter))
    }
}

impl Schema {
    pub(super) fn new(random: &mut Random) -> Schema {
        let mut types = Vec::new();
        for number in 0..random.below(3) {
            let fields = (0..random.between(1, 3)).map(|n| (format!("f{n}"), Kind::field(random))).collect();
            types.push(Kind::Udt(format!("u{number}"), fields));
        }
        let tables = (0..random.between(1, 3)).map(|number| Table::new(random, number, &types)).collect();
        let mut schema = Schema { types, tables, indexes: 0 };
        for at in 0..schema.tables.len() {
            if random.one_in(2) {
                schema.index(random, at);
            }
        }
        schema
    }

    /// What makes it.
    pub(super) fn statements(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for kind in &self.types {
            if let Kind::Udt(name, fields) = kind {
                let fields: Vec<String> =
                    fields.iter().map(|(field, kind)| format!("{field} {}", kind.cql())).collect();
                steps.push(text(format!("CREATE TYPE {name} ({})", fields.join(", "))));
            }
        }
        for table in &self.tables {
            steps.push(text(table.create()));
            for index in &table.indexes {
                steps.push(text(index_statement(table, index)));
            }
        }
        steps
    }

    /// Makes up an index of a table and gives its statement.
    pub(super) fn index(&mut self, random: &mut Random, at: usize) -> Option<Step> {
        let number = self.indexes;
        let table = self.tables.get_mut(at)?;
        let column = random.pick(&table.columns)?;
        if table.counters || table.indexes.len() > 2 {
            return None;
        }
        self.indexes += 1;
        let index = format!("{}_i{number}", column.name);
        let statement = index_statement(table, &index);
        table.indexes.push(index);
        Some(text(statement))
    }
}

/// An index is named for its column and its number, which chooses what of a collection it is on.
fn index_statement(table: &Table, index: &str) -> String {
    let (column, number) = index.split_once("_i").unwrap_or((index, "0"));
    let kind = table.columns.iter().find(|c| c.name == column).map(|c| &c.kind);
    let target = match (kind, number.parse::<usize>().unwrap_or(0) % 3) {
        (Some(Kind::Frozen(inner)), _) if matches!(**inner, Kind::List(_) | Kind::Set(_) | Kind::Map(..)) => {
            format!("full({column})")
        }
        (Some(Kind::Map(..)), 0) => format!("keys({column})"),
        (Some(Kind::Map(..)), 1) => format!("entries({column})"),
        _ => column.to_owned(),
    };
    format!("CREATE INDEX {}_{index} ON {} ({target})", table.name, table.name)
}
