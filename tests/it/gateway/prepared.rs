use ilium_testbed::ilium::Folder;
use ilium_testbed::wire::{Binds, Connection, Outcome, Settings};

use super::{gateway, ints};

/// Cassandra forgets a statement when its table changes, and the gateway prepares it again, which the client does not see:
/// so a client that reads rows by the columns it was once told must be told again.
#[test]
fn a_client_that_does_without_columns_gets_them_once_they_have_changed() {
    let folder = Folder::new().unwrap();
    let Some(gateway) = gateway(&folder) else { return };
    for version in [3, 4] {
        let mut connection = Connection::open(gateway.address(), version).unwrap();
        let mut run = |text: &str| connection.query(text, &Binds::None, &Settings::default()).unwrap();
        run(&format!(
            "CREATE KEYSPACE columns{version} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
        ));
        run(&format!("CREATE TABLE columns{version}.t (k int PRIMARY KEY, v int)"));
        run(&format!("INSERT INTO columns{version}.t (k, v) VALUES (1, 2)"));
        let select = format!("SELECT * FROM columns{version}.t WHERE k = ?");
        let Outcome::Prepared(prepared) = connection.prepare(&select, None).unwrap().outcome else {
            panic!()
        };
        let without = Settings { skip_metadata: true, ..Settings::default() };
        let mut columns = || {
            let answer = connection.execute(&prepared, &ints(&[1]), &without).unwrap();
            let Outcome::Rows(rows) = answer.outcome else { panic!("{answer:?}") };
            rows.columns.into_iter().map(|column| column.name).collect::<Vec<_>>()
        };
        assert!(columns().is_empty());
        let mut other = Connection::open(gateway.address(), version).unwrap();
        let alter = format!("ALTER TABLE columns{version}.t ADD a text");
        other.query(&alter, &Binds::None, &Settings::default()).unwrap();
        assert_eq!(columns(), ["k", "a", "v"]);
        // Not only at first: nobody told the client that anything has changed.
        assert_eq!(columns(), ["k", "a", "v"]);
    }
}
