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

impl Role {
    pub(super) fn is_key(self) -> bool {
        matches!(self, Role::Partition | Role::Clustering { .. })
    }
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
    /// Whether values may expire. Then each statement says which second it is, and none looks at the clock.
    pub(super) aged: bool,
    /// The time to live of rows whose statement gives none.
    pub(super) lasts: usize,
    pub(super) indexes: Vec<Index>,
    /// Names that ALTER TABLE made, and those it took away, which may come again.
    pub(super) added: usize,
    pub(super) dropped: Vec<(String, Kind, Role)>,
}

#[derive(Debug, Clone)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) column: String,
    pub(super) create: String,
}

#[derive(Debug)]
pub(super) struct Schema {
    pub(super) types: Vec<Kind>,
    pub(super) tables: Vec<Table>,
    indexes: usize,
}

/// What the seconds that statements of aged tables say begin at: in 2033, so that nothing is past its grace yet.
pub(super) const NOW: i32 = 2_000_000_000;

impl Column {
    pub(super) fn new(random: &mut Random, name: String, kind: Kind, role: Role) -> Column {
        let mut column = Column { name, kind, role, pool: Vec::new() };
        column.fill(random);
        column
    }

    /// Makes up its literals.
    pub(super) fn fill(&mut self, random: &mut Random) {
        self.pool = (0..4).map(|_| self.kind.literal(random)).collect();
        self.pool.sort();
        self.pool.dedup();
    }

    /// Its type, as far as Cassandra sees it: of a descending column it only knows that its order is turned, and takes
    /// a collection for none.
    pub(super) fn open(&self) -> &Kind {
        match self.role {
            Role::Clustering { descending: true } => &self.kind,
            _ => self.kind.thawed(),
        }
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
        let aged = !counters && random.one_in(3);
        let lasts = if aged && random.one_in(3) { random.between(1, 60) } else { 0 };
        Table {
            name: format!("t{number}"),
            columns,
            counters,
            timed,
            aged,
            lasts,
            indexes: Vec::new(),
            added: 0,
            dropped: Vec::new(),
        }
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

    /// Columns with an index.
    pub(super) fn indexed(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| self.indexes.iter().any(|index| index.column == column.name))
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
        let mut options = Vec::new();
        if !orders.is_empty() {
            options.push(format!("CLUSTERING ORDER BY ({})", orders.join(", ")));
        }
        if self.lasts > 0 {
            options.push(format!("default_time_to_live = {}", self.lasts));
        }
        let with = if options.is_empty() { "" } else { " WITH " };
        format!(
            "CREATE TABLE {} ({}, PRIMARY KEY ({key})){with}{}",
            self.name,
            columns.join(", "),
            options.join(" AND ")
        )
    }
}

impl Schema {
    pub(super) fn new(random: &mut Random) -> Schema {
        let mut types = Vec::new();
        for number in 0..random.below(3) {
            let fields =
                (0..random.between(1, 3)).map(|n| (format!("f{n}"), Kind::field(random, &types))).collect();
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
                steps.push(text(index.create.clone()));
            }
        }
        steps
    }

    /// Makes up an index of a table and gives its statement.
    pub(super) fn index(&mut self, random: &mut Random, at: usize) -> Option<Step> {
        let number = self.indexes;
        let table = self.tables.get_mut(at)?;
        let column = random.pick(&table.columns)?;
        // What Cassandra keeps of a key in an index lasts by the clock of the machine, whatever a statement says.
        let clock = table.aged && column.role.is_key();
        // A static row's place in an index on the partition key depends on whether there was one before, in memory.
        let chance = column.role == Role::Partition && !table.statics().is_empty();
        if table.counters || clock || chance || table.indexes.len() > 2 {
            return None;
        }
        self.indexes += 1;
        let name = format!("{}_{}_i{number}", table.name, column.name);
        let (table_name, column) = (&table.name, column.name.clone());
        let target = target(random, table, &column);
        let create = format!("CREATE INDEX {name} ON {table_name} ({target})");
        table.indexes.push(Index { name, column, create: create.clone() });
        Some(text(create))
    }
}

/// What of a column is indexed; now and then what cannot be.
fn target(random: &mut Random, table: &Table, column: &str) -> String {
    let kind = table.columns.iter().find(|c| c.name == column).map(|c| &c.kind);
    let parts: &[&str] = match kind {
        Some(Kind::Frozen(inner)) if matches!(**inner, Kind::List(_) | Kind::Set(_) | Kind::Map(..)) => {
            &["full", "full", "full", "values"]
        }
        Some(Kind::Map(..)) => &["keys", "entries", "values", "", "full"],
        Some(Kind::List(_) | Kind::Set(_)) => &["values", "", "", "keys"],
        _ => &[""],
    };
    match random.word(parts).as_str() {
        "" => column.to_owned(),
        part => format!("{part}({column})"),
    }
}
