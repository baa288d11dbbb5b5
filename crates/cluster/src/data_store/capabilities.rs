//! What the cluster is and can do, and what of a statement it cannot.

use ilium_cql::ast::{ColumnDefinition, Statement, TableChange, TypeChange, TypeName};
use ilium_cql::schema::Schema;
use ilium_store::{Capabilities, Error, Result};

use crate::cluster::Cluster;

const CASSANDRA: &str = "Apache Cassandra";

/// What all nodes can do: in the middle of an upgrade what the oldest can.
pub(super) fn of(cluster: &Cluster, schema: &Schema) -> Capabilities {
    let ring = cluster.ring();
    let oldest = ring.nodes.iter().map(|node| node.release.as_str()).min_by_key(|release| numbers(release));
    let release_version = oldest.unwrap_or_default().to_owned();
    // Its nodes call themselves Cassandra 3.0.8; its own tables tell.
    let is_scylla = schema.table("system_schema", "scylla_tables").is_some();
    let has_five = !is_scylla && numbers(&release_version) >= (5, 0);
    Capabilities {
        product: if is_scylla { "ScyllaDB" } else { CASSANDRA }.to_owned(),
        cluster_name: cluster.facts.cluster_name.clone(),
        storage_attached_indexes: has_five,
        vectors: has_five,
        release_version,
    }
}

/// Major and minor number.
fn numbers(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Refuses what needs a newer Cassandra in words that say so; an older one tells of a syntax it does not know.
pub(super) fn check(statement: &Statement, of: &Capabilities) -> Result<()> {
    let missing = if !of.vectors && has_vector(statement) {
        "vector needs 5.0"
    } else if !of.storage_attached_indexes && is_storage_attached(statement) {
        "a storage-attached index needs 5.0"
    } else {
        return Ok(());
    };
    // What another product has, it says itself.
    if of.product != CASSANDRA {
        return Ok(());
    }
    Err(Error::invalid(format!("this cluster is {} {}: {missing}", of.product, of.release_version)))
}

fn has_vector(statement: &Statement) -> bool {
    let of_columns =
        |columns: &[ColumnDefinition]| columns.iter().any(|column| is_vector(&column.column_type));
    match statement {
        Statement::CreateTable(create) => of_columns(&create.columns),
        Statement::AlterTable(alter) => {
            matches!(&alter.change, TableChange::Add { columns, .. } if of_columns(columns))
        }
        Statement::CreateType(create) => create.fields.iter().any(|(_, field)| is_vector(field)),
        Statement::AlterType(alter) => {
            matches!(&alter.change, TypeChange::Add { field_type, .. } if is_vector(field_type))
        }
        _ => false,
    }
}

fn is_vector(column_type: &TypeName) -> bool {
    match column_type {
        TypeName::Vector(..) => true,
        TypeName::List(part) | TypeName::Set(part) | TypeName::Frozen(part) => is_vector(part),
        TypeName::Map(key, value) => is_vector(key) || is_vector(value),
        TypeName::Tuple(parts) => parts.iter().any(is_vector),
        TypeName::Native(_) | TypeName::User(_) | TypeName::Custom(_) => false,
    }
}

fn is_storage_attached(statement: &Statement) -> bool {
    let Statement::CreateIndex(create) = statement else { return false };
    let class = create.using.as_deref().unwrap_or_default().rsplit('.').next().unwrap_or_default();
    class.eq_ignore_ascii_case("sai") || class.eq_ignore_ascii_case("StorageAttachedIndex")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_older_cassandra_is_named_where_something_needs_a_newer_one() {
        let of = |product: &str, release: &str| Capabilities {
            product: product.to_owned(),
            release_version: release.to_owned(),
            cluster_name: "Test".to_owned(),
            storage_attached_indexes: numbers(release) >= (5, 0),
            vectors: numbers(release) >= (5, 0),
        };
        let refusal = |text: &str, of: &Capabilities| {
            check(&ilium_cql::parse(text).unwrap(), of).err().map(|error| error.message)
        };
        let old = of(CASSANDRA, "4.0.18");
        for text in [
            "CREATE TABLE t (k int PRIMARY KEY, v vector<float, 3>)",
            "ALTER TABLE t ADD v frozen<list<vector<float, 3>>>",
            "CREATE TYPE u (v vector<int, 2>)",
            "ALTER TYPE u ADD v vector<int, 2>",
        ] {
            assert_eq!(
                refusal(text, &old).unwrap(),
                "this cluster is Apache Cassandra 4.0.18: vector needs 5.0"
            );
            assert_eq!(refusal(text, &of(CASSANDRA, "5.0.9")), None);
            assert_eq!(refusal(text, &of("ScyllaDB", "3.0.8")), None);
        }
        for class in ["sai", "StorageAttachedIndex", "org.apache.cassandra.index.sai.StorageAttachedIndex"] {
            let text = format!("CREATE CUSTOM INDEX ON t (v) USING '{class}'");
            assert!(refusal(&text, &old).unwrap().ends_with("a storage-attached index needs 5.0"), "{text}");
        }
        assert_eq!(refusal("CREATE INDEX ON t (v)", &old), None);
        assert_eq!(refusal("CREATE TABLE t (k int PRIMARY KEY)", &old), None);
        assert_eq!(numbers("5.1-SNAPSHOT"), (5, 1));
    }
}
