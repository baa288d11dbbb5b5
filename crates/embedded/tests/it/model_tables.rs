//! The model's tables, and what each write does to them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::model_rules::{Cell, Partition, Path, Row, Stamp};
use crate::model_writes::{Action, Change, DELETABLE, Table, Value, Write, at_of, int, key};

/// All tables, as Cassandra's rules have them.
#[derive(Clone, Default, Debug)]
pub struct Model {
    partitions: BTreeMap<(Table, i32), Partition>,
    /// The last place given in a list.
    place: i64,
    /// The time that column `x` was dropped with last: it shows newer cells only, even once it is there again.
    x_dropped: Option<i64>,
}

impl Model {
    pub fn partition(&self, table: Table, p: i32) -> Option<&Partition> {
        self.partitions.get(&(table, p))
    }

    pub fn truncate(&mut self, table: Table) {
        self.partitions.retain(|(of, _), _| *of != table);
    }

    /// Drops column `x`: what was written to it at this time or before is gone.
    pub fn drop_x(&mut self, time: i64) -> i64 {
        let time = self.x_dropped.map_or(time, |last| time.max(last));
        self.x_dropped = Some(time);
        for partition in self.partitions.values_mut() {
            for row in partition.rows.values_mut() {
                row.forget("x", time);
                row.put_aside("x");
            }
        }
        time
    }

    pub fn add_x(&mut self) {
        for partition in self.partitions.values_mut() {
            partition.rows.values_mut().for_each(|row| row.take_back("x"));
        }
    }

    /// Does what a write does; it reads what it must know from `before`.
    pub fn apply(&mut self, write: &Write, before: &Model, stamp: Stamp) {
        self.write(write, before, stamp);
        if let (Some(time), Some(partition)) =
            (self.x_dropped, self.partitions.get_mut(&(write.table, write.p)))
        {
            partition.rows.values_mut().for_each(|row| row.forget("x", time));
        }
    }

    fn write(&mut self, write: &Write, before: &Model, stamp: Stamp) {
        let at = at_of(write, (write.c, Reverse(write.d)));
        let old = before.partition(write.table, write.p).and_then(|old| old.seen(&at, stamp.second));
        let old_list: Vec<(Path, Vec<u8>)> = old
            .iter()
            .flat_map(|row| row.elements("l"))
            .map(|(path, value)| (path.clone(), value.to_vec()))
            .collect();
        let partition = self.partitions.entry((write.table, write.p)).or_default();
        let gone = Cell::new(stamp, None);
        match &write.action {
            Action::DeletePartition => partition.delete(stamp.time),
            Action::DeleteRow if write.table == Table::Plain => partition.delete(stamp.time),
            Action::DeleteRow => partition.rows.entry(at).or_default().delete(stamp.time),
            Action::DeleteRange(range) => partition.delete_range(*range, stamp.time),
            Action::DeleteCells(which) => {
                if which & 32 != 0 {
                    partition.statics.put("s", gone.clone());
                }
                let row = partition.rows.entry(at).or_default();
                for bit in (0..8).filter(|bit| which & (1 << bit) != 0 && *bit != 5) {
                    match bit {
                        0 | 1 => row.put(DELETABLE[bit], gone.clone()),
                        6 => row.put_element("m", Path::Text("a".to_owned()), gone.clone()),
                        7 => row.put_element("l", old_list[0].0.clone(), gone.clone()),
                        _ => row.delete_collection(DELETABLE[bit], stamp.time),
                    }
                }
            }
            Action::Count(by) => {
                // Increments are never lost, whatever the client's clock says: each is later than the sum before it.
                let seen = partition.seen(&at, stamp.second).and_then(|row| row.cell("hits").cloned());
                let sum = seen
                    .as_ref()
                    .and_then(|cell| cell.value.as_deref())
                    .map_or(0, |value| i64::from_be_bytes(value.try_into().unwrap()));
                let time = stamp.time.max(seen.map_or(i64::MIN, |cell| cell.time + 1));
                let value = Some((sum + i64::from(*by)).to_be_bytes().to_vec());
                partition.rows.entry(at).or_default().put("hits", Cell { time, value, expiry: None });
            }
            Action::Insert(cells) | Action::Update(cells) => {
                put_simple(&mut partition.statics, "s", &cells.s, stamp);
                if write.only_statics() {
                    return;
                }
                let row = partition.rows.entry(at).or_default();
                if matches!(write.action, Action::Insert(_)) {
                    row.insert(stamp);
                }
                put_simple(row, "i", &cells.i, stamp);
                if let Some(Value::Is(value)) = &cells.x {
                    row.put("x", Cell::new(stamp, Some(value.to_string().into_bytes())));
                } else {
                    put_simple(row, "x", &cells.x, stamp);
                }
                let live = |value: i32| Cell::new(stamp, Some(int(value)));
                for change in cells.ss.iter() {
                    clear(row, "ss", change, stamp);
                    match change {
                        Change::Replace(values) | Change::Add(values) | Change::Prepend(values) => {
                            for value in values {
                                row.put_element("ss", Path::Int(*value), Cell::new(stamp, Some(Vec::new())));
                            }
                        }
                        Change::Put(value, _) => {
                            row.put_element("ss", Path::Int(*value), Cell::new(stamp, Some(Vec::new())));
                        }
                        Change::Remove(values) => {
                            values.iter().for_each(|v| row.put_element("ss", Path::Int(*v), gone.clone()))
                        }
                        Change::Null => {}
                    }
                }
                let path = |at: &u8| Path::Text(key(*at).to_owned());
                for change in cells.m.iter() {
                    clear(row, "m", change, stamp);
                    match change {
                        Change::Replace(entries) | Change::Add(entries) | Change::Prepend(entries) => {
                            // A literal keeps the last value of a key.
                            let entries: BTreeMap<u8, i32> = entries.iter().copied().collect();
                            entries.iter().for_each(|(at, v)| row.put_element("m", path(at), live(*v)));
                        }
                        Change::Put((at, _), true) => row.put_element("m", path(at), gone.clone()),
                        Change::Put((at, value), false) => row.put_element("m", path(at), live(*value)),
                        Change::Remove(keys) => {
                            keys.iter().for_each(|at| row.put_element("m", path(at), gone.clone()))
                        }
                        Change::Null => {}
                    }
                }
                for change in cells.l.iter() {
                    clear(row, "l", change, stamp);
                    match change {
                        Change::Replace(values) | Change::Add(values) => {
                            for value in values {
                                self.place += 1;
                                row.put_element("l", Path::At(self.place), live(*value));
                            }
                        }
                        Change::Prepend(values) => {
                            for value in values.iter().rev() {
                                self.place += 1;
                                row.put_element("l", Path::At(-self.place), live(*value));
                            }
                        }
                        Change::Remove(values) => {
                            for (path, value) in old_list.iter() {
                                if values.iter().any(|gone| int(*gone) == *value) {
                                    row.put_element("l", path.clone(), gone.clone());
                                }
                            }
                        }
                        Change::Put(_, true) => row.put_element("l", old_list[0].0.clone(), gone.clone()),
                        Change::Put(value, false) => {
                            row.put_element("l", old_list[0].0.clone(), live(*value))
                        }
                        Change::Null => {}
                    }
                }
            }
        }
    }
}

fn put_simple(row: &mut Row, column: &'static str, value: &Option<Value<i32>>, stamp: Stamp) {
    match value {
        None | Some(Value::Unset) => {}
        Some(Value::Null) => row.put(column, Cell::new(stamp, None)),
        Some(Value::Is(value)) => row.put(column, Cell::new(stamp, Some(int(*value)))),
    }
}

/// An overwritten collection loses what was there a microsecond before; one set to null all of it.
fn clear<T, K>(row: &mut Row, column: &'static str, change: &Change<T, K>, stamp: Stamp) {
    match change {
        Change::Replace(_) | Change::Null => row.delete_collection(column, stamp.time - 1),
        _ => {}
    }
}
