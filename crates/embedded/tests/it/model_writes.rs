//! Random writes, as text for the engine; what they do to the model is in `model_tables`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::model_rules::Range;
use crate::model_tables::Model;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Two clustering columns, a static column, an index on `i`.
    Wide,
    /// No clustering columns, an index on the values of `m`.
    Plain,
    Counter,
}

impl Table {
    pub const ALL: [Table; 3] = [Table::Wide, Table::Plain, Table::Counter];

    pub fn name(self) -> &'static str {
        match self {
            Table::Wide => "wide",
            Table::Plain => "plain",
            Table::Counter => "counted",
        }
    }
}

#[derive(Clone, Debug)]
pub enum Value<T> {
    Unset,
    Null,
    Is(T),
}

#[derive(Clone, Debug)]
pub enum Change<T, K> {
    Replace(Vec<T>),
    Null,
    Add(Vec<T>),
    Prepend(Vec<T>),
    Remove(Vec<K>),
    /// A map's entry, or a list's first element.
    Put(T, bool),
}

#[derive(Clone, Debug, Default)]
pub struct Cells {
    pub s: Option<Value<i32>>,
    pub i: Option<Value<i32>>,
    pub x: Option<Value<i32>>,
    pub ss: Option<Change<i32, i32>>,
    pub m: Option<Change<(u8, i32), u8>>,
    pub l: Option<Change<i32, i32>>,
}

#[derive(Clone, Debug)]
pub enum Action {
    Insert(Cells),
    Update(Cells),
    /// A bit for each of [`DELETABLE`].
    DeleteCells(u8),
    DeleteRow,
    DeleteRange(Range),
    DeletePartition,
    Count(i8),
}

/// What a DELETE may name beside whole rows.
pub const DELETABLE: [&str; 8] = ["i", "x", "ss", "m", "l", "s", "m['a']", "l[0]"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    Always,
    NotExists,
    Exists,
    I(Option<i32>),
}

#[derive(Clone, Debug)]
pub struct Write {
    pub table: Table,
    pub p: i32,
    pub c: i32,
    pub d: i32,
    pub action: Action,
    /// Seconds from now: USING TIMESTAMP, or for a counter the client's own time stamp.
    pub age: Option<i8>,
    pub ttl: Option<u16>,
    pub guard: Guard,
}

/// What came of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    Done,
    NotApplied,
    Refused,
}

pub fn key(at: u8) -> &'static str {
    ["a", "b", "c"][usize::from(at) % 3]
}

pub fn int(value: i32) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

fn values<T: Clone + std::fmt::Debug>(
    one: impl Strategy<Value = T> + Clone,
) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(one, 0..3)
}

fn change<T: Clone + std::fmt::Debug + 'static, K: Clone + std::fmt::Debug + 'static>(
    one: impl Strategy<Value = T> + Clone + 'static,
    gone: impl Strategy<Value = K> + Clone + 'static,
) -> impl Strategy<Value = Change<T, K>> {
    prop_oneof![
        3 => values(one.clone()).prop_map(Change::Replace),
        1 => Just(Change::Null),
        3 => values(one.clone()).prop_map(Change::Add),
        1 => values(one.clone()).prop_map(Change::Prepend),
        2 => values(gone).prop_map(Change::Remove),
        2 => (one, any::<bool>()).prop_map(|(one, null)| Change::Put(one, null)),
    ]
}

fn value() -> impl Strategy<Value = Option<Value<i32>>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(Value::Unset)),
        1 => Just(Some(Value::Null)),
        5 => (-1..4i32).prop_map(|value| Some(Value::Is(value))),
    ]
}

fn cells() -> impl Strategy<Value = Cells> {
    let small = -1..4i32;
    (
        value(),
        value(),
        value(),
        prop::option::weighted(0.3, change(small.clone(), small.clone())),
        prop::option::weighted(0.3, change((0..3u8, small.clone()), 0..3u8)),
        prop::option::weighted(0.3, change(small.clone(), small)),
    )
        .prop_map(|(s, i, x, ss, m, l)| Cells { s, i, x, ss, m, l })
}

pub fn range() -> impl Strategy<Value = Range> {
    let at = 0..3i32;
    prop_oneof![
        at.clone().prop_map(Range::C),
        at.clone().prop_map(Range::CFrom),
        at.clone().prop_map(Range::CBelow),
        (at.clone(), at.clone()).prop_map(|(c, d)| Range::DAbove(c, d)),
        (at.clone(), at.clone()).prop_map(|(c, d)| Range::DThrough(c, d)),
        (at.clone(), at.clone()).prop_map(|(c, d)| Range::After(c, d)),
        (at.clone(), at).prop_map(|(c, d)| Range::Row(c, d)),
    ]
}

pub fn write() -> impl Strategy<Value = Write> {
    let action = prop_oneof![
        5 => cells().prop_map(Action::Insert),
        6 => cells().prop_map(Action::Update),
        2 => any::<u8>().prop_map(Action::DeleteCells),
        2 => Just(Action::DeleteRow),
        2 => range().prop_map(Action::DeleteRange),
        1 => Just(Action::DeletePartition),
        2 => any::<i8>().prop_map(Action::Count),
    ];
    let table = prop_oneof![4 => Just(Table::Wide), 2 => Just(Table::Plain), 1 => Just(Table::Counter)];
    let guard = prop_oneof![
        8 => Just(Guard::Always),
        1 => Just(Guard::NotExists),
        1 => Just(Guard::Exists),
        1 => prop::option::of(-1..4i32).prop_map(Guard::I),
    ];
    let age = prop::option::weighted(0.4, -40..40i8);
    let ttl = prop::option::weighted(0.3, 1..150u16);
    (table, (0..3i32, 0..3i32, 0..3i32), action, age, ttl, guard).prop_map(
        |(table, (p, c, d), action, age, ttl, guard)| {
            Write { table, p, c, d, action, age, ttl, guard }.made_legal()
        },
    )
}

impl Cells {
    fn is_empty(&self) -> bool {
        self.s.is_none() && self.has_no_regulars()
    }

    fn has_no_regulars(&self) -> bool {
        self.i.is_none() && self.x.is_none() && self.ss.is_none() && self.m.is_none() && self.l.is_none()
    }

    /// What INSERT can say of them.
    fn overwriting(mut self) -> Cells {
        fn over<T, K>(change: Change<T, K>) -> Change<T, K> {
            match change {
                Change::Add(values) | Change::Prepend(values) => Change::Replace(values),
                Change::Put(value, _) => Change::Replace(vec![value]),
                Change::Remove(_) => Change::Null,
                other => other,
            }
        }
        self.ss = self.ss.map(over);
        self.m = self.m.map(over);
        self.l = self.l.map(over);
        self
    }
}

impl Write {
    /// Turns what CQL has no statement for into one nearby.
    fn made_legal(mut self) -> Write {
        if self.table == Table::Counter {
            self.ttl = None;
            self.guard = Guard::Always;
            if matches!(self.action, Action::Insert(_) | Action::Update(_) | Action::DeleteCells(_)) {
                self.action = Action::Count(self.c as i8 * 5 - self.d as i8 * 4 + 1);
            }
            return self;
        }
        if let Action::Count(by) = self.action {
            self.action = Action::Update(Cells { i: Some(Value::Is(i32::from(by) % 4)), ..Cells::default() });
        }
        if let Action::Insert(cells) = self.action {
            self.action = Action::Insert(cells.overwriting());
        }
        if self.table == Table::Plain && matches!(self.action, Action::DeleteRange(_)) {
            self.action = Action::DeleteRow;
        }
        let fits = match (&self.action, self.guard) {
            (_, Guard::Always) => true,
            (Action::Insert(_), guard) => guard == Guard::NotExists,
            (Action::Update(_) | Action::DeleteCells(_) | Action::DeleteRow, guard) => {
                guard != Guard::NotExists
            }
            _ => false,
        };
        if !fits {
            self.guard = Guard::Always;
        }
        let statics = self.table == Table::Wide && self.guard == Guard::Always;
        match &mut self.action {
            Action::Insert(cells) | Action::Update(cells) if !statics => cells.s = None,
            Action::DeleteCells(which) if !statics => *which &= !32,
            _ => {}
        }
        // One DELETE names a column once.
        if let Action::DeleteCells(which) = &mut self.action {
            *which &= !(if *which & 8 != 0 { 64 } else { 0 } | if *which & 16 != 0 { 128 } else { 0 });
            if *which == 0 {
                *which = 1;
            }
        }
        if matches!(&self.action, Action::Update(cells) if cells.is_empty()) {
            self.action = Action::Update(Cells { i: Some(Value::Is(1)), ..Cells::default() });
        }
        if self.guard != Guard::Always {
            self.age = None;
        }
        if !matches!(self.action, Action::Insert(_) | Action::Update(_)) {
            self.ttl = None;
        }
        self
    }

    /// For when column `x` is dropped.
    pub fn without_x(mut self) -> Write {
        match &mut self.action {
            Action::Insert(cells) | Action::Update(cells) => cells.x = None,
            Action::DeleteCells(which) => *which &= !2,
            _ => {}
        }
        self.made_legal()
    }

    /// For a batch, which gives all its statements one time unless they say another.
    pub fn in_batch(mut self) -> Write {
        self.guard = Guard::Always;
        if self.table == Table::Counter {
            self.age = None;
        }
        self
    }

    /// For a conditional batch on one partition: a time of its own, conditions of one kind, no more than rows.
    pub fn in_conditional_batch(mut self, p: i32, conditional: bool) -> Write {
        self.p = p;
        if self.table == Table::Counter {
            self.table = Table::Wide;
        }
        self.age = None;
        if let Action::Insert(cells) | Action::Update(cells) = &mut self.action {
            cells.s = None;
        }
        self.action = match self.action {
            Action::Insert(cells) if !conditional => Action::Insert(cells),
            Action::Update(cells) if !cells.is_empty() => Action::Update(cells),
            Action::DeleteCells(which) => Action::DeleteCells(which & !32),
            _ => Action::DeleteRow,
        };
        self.guard = match self.guard {
            _ if !conditional => Guard::Always,
            Guard::I(value) => Guard::I(value),
            _ => Guard::I(None),
        };
        self.made_legal()
    }

    pub fn only_statics(&self) -> bool {
        match &self.action {
            Action::Update(cells) => cells.s.is_some() && cells.has_no_regulars(),
            Action::DeleteCells(which) => *which == 32,
            _ => false,
        }
    }

    /// The statement, and how many of its markers are to stay unset. `time`: that of USING TIMESTAMP.
    pub fn text(&self, time: Option<i64>) -> (String, usize) {
        let mut unset = 0;
        let mut using: Vec<String> = Vec::new();
        using.extend(time.map(|time| format!("TIMESTAMP {time}")));
        using.extend(self.ttl.map(|ttl| format!("TTL {ttl}")));
        let using = if using.is_empty() { String::new() } else { format!(" USING {}", using.join(" AND ")) };
        let name = self.table.name();
        let clustered = self.table != Table::Plain;
        let row = match &self.action {
            Action::DeletePartition => String::new(),
            Action::DeleteRange(range) => format!(" AND {}", range.text()),
            _ if !clustered || self.only_statics() => String::new(),
            _ => format!(" AND {}", Range::Row(self.c, self.d).text()),
        };
        let guard = match self.guard {
            Guard::Always => String::new(),
            Guard::NotExists => " IF NOT EXISTS".to_owned(),
            Guard::Exists => " IF EXISTS".to_owned(),
            Guard::I(None) => " IF i = null".to_owned(),
            Guard::I(Some(value)) => format!(" IF i = {value}"),
        };
        let place = format!("WHERE p = {}{row}{guard}", self.p);
        let text = match &self.action {
            Action::Insert(cells) => {
                let (mut columns, mut values) = (vec!["p"], vec![self.p.to_string()]);
                if clustered {
                    columns.extend(["c", "d"]);
                    values.extend([self.c.to_string(), self.d.to_string()]);
                }
                for (column, text) in assigned(cells, &mut unset) {
                    columns.push(column);
                    values.push(text.split_once(" = ").unwrap().1.to_owned());
                }
                let (columns, values) = (columns.join(", "), values.join(", "));
                format!("INSERT INTO {name} ({columns}) VALUES ({values}){guard}{using}")
            }
            Action::Update(cells) => {
                let sets: Vec<String> =
                    assigned(cells, &mut unset).into_iter().map(|(_, text)| text).collect();
                format!("UPDATE {name}{using} SET {} {place}", sets.join(", "))
            }
            Action::DeleteCells(which) => {
                let named: Vec<&str> =
                    (0..8).filter(|bit| which & (1 << bit) != 0).map(|bit| DELETABLE[bit]).collect();
                format!("DELETE {} FROM {name}{using} {place}", named.join(", "))
            }
            Action::DeleteRow | Action::DeleteRange(_) | Action::DeletePartition => {
                format!("DELETE FROM {name}{using} {place}")
            }
            Action::Count(by) => format!("UPDATE {name} SET hits = hits + {by} {place}"),
        };
        (text, unset)
    }

    /// Whether it may be done, as `before` stands at `second`.
    pub fn came(&self, before: &Model, second: i64) -> Came {
        let at = (self.c, Reverse(self.d));
        let partition = before.partition(self.table, self.p);
        let seen = partition.and_then(|partition| partition.seen(&at_of(self, at), second));
        let applies = match self.guard {
            Guard::Always => true,
            Guard::NotExists => seen.is_none(),
            Guard::Exists => seen.is_some(),
            Guard::I(value) => {
                seen.as_ref().and_then(|row| row.cell("i")).map(|cell| cell.value.clone().unwrap())
                    == value.map(int)
            }
        };
        let needs_element = match &self.action {
            Action::Update(cells) => matches!(cells.l, Some(Change::Put(..))),
            Action::DeleteCells(which) => which & 128 != 0,
            _ => false,
        };
        let has_element = seen.is_some_and(|row| row.elements("l").next().is_some());
        match (applies, needs_element && !has_element) {
            (false, _) => Came::NotApplied,
            (true, true) => Came::Refused,
            (true, false) => Came::Done,
        }
    }
}

/// A table without clustering columns keeps its one row here.
pub fn at_of(write: &Write, at: (i32, Reverse<i32>)) -> (i32, Reverse<i32>) {
    if write.table == Table::Plain { (0, Reverse(0)) } else { at }
}

fn assigned(cells: &Cells, unset: &mut usize) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    let mut simple = |column: &'static str, value: &Option<Value<i32>>, quote: &str| {
        let text = match value {
            None => return,
            Some(Value::Unset) => {
                *unset += 1;
                "?".to_owned()
            }
            Some(Value::Null) => "null".to_owned(),
            Some(Value::Is(value)) => format!("{quote}{value}{quote}"),
        };
        out.push((column, format!("{column} = {text}")));
    };
    simple("s", &cells.s, "");
    simple("i", &cells.i, "");
    simple("x", &cells.x, "'");
    let list = |values: &[i32]| format!("{values:?}");
    let set = |values: &[i32]| {
        let values: Vec<String> =
            values.iter().collect::<BTreeSet<_>>().iter().map(|v| v.to_string()).collect();
        format!("{{{}}}", values.join(", "))
    };
    let map = |entries: &[(u8, i32)]| {
        let entries: BTreeMap<&str, i32> = entries.iter().map(|(at, value)| (key(*at), *value)).collect();
        let entries: Vec<String> = entries.iter().map(|(at, value)| format!("'{at}': {value}")).collect();
        format!("{{{}}}", entries.join(", "))
    };
    let keys = |keys: &[u8]| {
        let keys: BTreeSet<String> = keys.iter().map(|at| format!("'{}'", key(*at))).collect();
        format!("{{{}}}", keys.into_iter().collect::<Vec<_>>().join(", "))
    };
    if let Some(change) = &cells.ss {
        let text = match change {
            Change::Replace(values) => format!("ss = {}", set(values)),
            Change::Null => "ss = null".to_owned(),
            Change::Add(values) | Change::Prepend(values) => format!("ss = ss + {}", set(values)),
            Change::Remove(values) => format!("ss = ss - {}", set(values)),
            Change::Put(value, _) => format!("ss = ss + {}", set(&[*value])),
        };
        out.push(("ss", text));
    }
    if let Some(change) = &cells.m {
        let text = match change {
            Change::Replace(values) => format!("m = {}", map(values)),
            Change::Null => "m = null".to_owned(),
            Change::Add(values) | Change::Prepend(values) => format!("m = m + {}", map(values)),
            Change::Remove(values) => format!("m = m - {}", keys(values)),
            Change::Put((at, _), true) => format!("m['{}'] = null", key(*at)),
            Change::Put((at, value), false) => format!("m['{}'] = {value}", key(*at)),
        };
        out.push(("m", text));
    }
    if let Some(change) = &cells.l {
        let text = match change {
            Change::Replace(values) => format!("l = {}", list(values)),
            Change::Null => "l = null".to_owned(),
            Change::Add(values) => format!("l = l + {}", list(values)),
            Change::Prepend(values) => format!("l = {} + l", list(values)),
            Change::Remove(values) => format!("l = l - {}", list(values)),
            Change::Put(_, true) => "l[0] = null".to_owned(),
            Change::Put(value, false) => format!("l[0] = {value}"),
        };
        out.push(("l", text));
    }
    out
}
