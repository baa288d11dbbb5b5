//! Statements that read rows.

use super::build::Build;
use super::random::Random;
use super::restrict::restrictions;
use super::schema::{Column, Role, Table};
use super::selection::{Shape, selection};
use super::value::Kind;
use super::write::sent;
use crate::cases::file::Step;

pub(super) fn statement(random: &mut Random, table: &Table) -> Step {
    let mut build = Build::new(random);
    let shape = Shape::new(random);
    build.text("SELECT ").text(&selection(random, table, &shape)).text(&format!(" FROM {}", table.name));
    let found = restrictions(random, table, &mut build);
    if shape.grouped {
        let keys = [table.partition(), table.clustering()].concat();
        let count = random.between(table.partition().len(), keys.len());
        let last = count.saturating_sub(1);
        let names = keys.iter().take(count).enumerate();
        let names: Vec<String> = names.map(|(n, column)| group(random, column, n == last)).collect();
        build.text(&format!(" GROUP BY {}", names.join(", ")));
    }
    let clustering = table.clustering();
    // Cassandra does not sort the rows of several partitions where they were asked for as JSON of all columns.
    if !(shape.json && found.several) && ((found.partition && random.one_in(3)) || random.one_in(30)) {
        order(random, &clustering, &mut build);
    }
    if random.one_in(6) && (!shape.aggregate && !shape.distinct || random.one_in(6)) {
        let limit = random.between(1, 3).to_string();
        build.text(" PER PARTITION LIMIT ").value(&limit);
    }
    if random.one_in(5) {
        let limit = if random.one_in(20) { 0 } else { random.between(1, 6) };
        build.text(" LIMIT ").value(&limit.to_string());
    }
    if found.filtering && !random.one_in(8) {
        build.text(" ALLOW FILTERING");
    }
    let mut step = build.step();
    // An empty list makes Cassandra give an empty page that says more follow.
    if random.one_in(3) && !step.text.contains("IN ()") {
        // In pages of one group Cassandra gives several of one row each, where lists name the partitions.
        let least = if shape.grouped && found.several { 2 } else { 1 };
        step.page = Some(random.between(least, 5) as i32);
    }
    let mut step = sent(random, &[table], false, step);
    // It says what a write's time is.
    step.timestamp = None;
    step
}

/// A column of a GROUP BY; the last one perhaps by hours, days or months.
fn group(random: &mut Random, column: &Column, is_last: bool) -> String {
    let lengths: &[&str] = match (&column.kind, column.role) {
        (Kind::Simple("timestamp"), Role::Clustering { descending: false }) => &["1h", "2d", "1mo"],
        (Kind::Simple("date"), Role::Clustering { descending: false }) => &["2d", "1mo"],
        _ => &[],
    };
    match random.pick(lengths).filter(|_| is_last) {
        Some(length) => format!("floor({}, {length})", column.name),
        None => column.name.clone(),
    }
}

/// The table's order or the other way around, of some columns; now and then an order it does not have.
fn order(random: &mut Random, clustering: &[&Column], build: &mut Build) {
    if clustering.is_empty() {
        return;
    }
    let turned = random.one_in(2);
    let columns: Vec<String> = clustering
        .iter()
        .take(random.between(1, clustering.len()))
        .map(|column| {
            let descending = column.role == Role::Clustering { descending: true };
            let descending = descending != turned || random.one_in(20);
            format!("{} {}", column.name, if descending { "DESC" } else { "ASC" })
        })
        .collect();
    build.text(&format!(" ORDER BY {}", columns.join(", ")));
}
