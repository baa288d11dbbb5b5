//! Statements that a user typed.

use std::sync::{Arc, Mutex};
use std::task::Poll;

use axum::http::StatusCode;
use ilium_cql::ast::Statement;
use ilium_cql::schema::Schema;
use ilium_store::{
    Answer, BatchEntry, BatchKind, Binds, Cancellation, Capabilities, Context, DataStore, NoLogin, Outcome,
    Prepared, SchemaListener, TokenSplit,
};

use crate::site::{HOST, Site};

async fn shop() -> Site {
    let site = Site::new();
    let made = site
        .run("CREATE KEYSPACE shop WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}");
    assert!(made.await.html.contains("Created keyspace shop."));
    let made = site
        .run("CREATE TABLE shop.orders (customer text, number int, PRIMARY KEY (customer, number))")
        .await;
    assert!(made.html.contains("Created table shop.orders."));
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_a_table_with_its_time() {
    let site = shop().await;
    assert!(
        site.run("INSERT INTO shop.orders (customer, number) VALUES ('ada', 1)").await.html.contains("Done.")
    );
    let page = site.run("SELECT customer, number, count(*) FROM shop.orders").await;
    assert_eq!(page.cells(), ["ada", "1", "1"]);
    assert!(page.html.contains("1 row · ") && page.html.contains("ms"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_shown_with_its_place_beside_the_statement() {
    let site = shop().await;
    let page = site.statement("SELECT *\r\nFORM shop.orders").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    for expected in [
        "line 2:0 mismatched input &#39;FORM&#39; expecting K_FROM",
        "<mark>FORM</mark> shop.orders",
        "data-start=\"9\" data-end=\"13\"",
        ">SELECT *\nFORM shop.orders</textarea>",
    ] {
        assert!(page.html.contains(expected), "no {expected} in {}", page.html);
    }
    let page = site.statement("SELECT nothing FROM shop.orders").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.html.contains("Undefined column name nothing"), "{}", page.html);
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_are_shown() {
    let site = shop().await;
    let page = site.run("SELECT sum(number) FROM shop.orders").await;
    assert!(
        page.html.contains("<strong>Warning:</strong> Aggregation query used without partition key"),
        "{}",
        page.html
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_read_on_page_by_page() {
    let site = shop().await;
    for number in 0..120 {
        site.run(&format!("INSERT INTO shop.orders (customer, number) VALUES ('ada', {number})")).await;
    }
    let turn = async |page: &crate::site::Page, button: &str| {
        let names = ["statement", "keyspace", "consistency", "page", "states"];
        let fields = names.map(|name| (name, page.hidden(button, name).unwrap()));
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
        site.post("/console/statement", &fields).await
    };
    let fields =
        [("statement", "SELECT number FROM orders"), ("keyspace", "shop"), ("consistency", "QUORUM")];
    let first = site.post("/console/statement", &fields).await;
    let second = turn(&first, "Next").await;
    let third = turn(&second, "Next").await;
    let counts = [&first, &second, &third].map(|page| page.cells().len());
    assert_eq!((counts, &*third.cells()[19]), ([50, 50, 20], "119"));
    assert!(third.hidden("Next", "page").is_none());
    assert_eq!(turn(&turn(&third, "Back").await, "Back").await.cells(), first.cells());
}

#[tokio::test(flavor = "multi_thread")]
async fn use_chooses_the_keyspace_of_the_form() {
    let site = shop().await;
    assert!(site.run("USE shop").await.html.contains("<option selected>shop</option>"));
    let page =
        site.post("/console/statement", &[("statement", "SELECT * FROM orders"), ("keyspace", "shop")]).await;
    assert_eq!(page.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn markers_unknown_levels_and_long_statements_are_refused_with_the_reason() {
    let site = shop().await;
    let page = site.statement("SELECT * FROM shop.orders WHERE customer = ?").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.html.contains("Invalid amount of bind variables"));
    let page = site.post("/console/statement", &[("statement", "USE shop"), ("consistency", "MOST")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.html.contains("there is no consistency level MOST"));
    let page = site.statement(&format!("SELECT '{}'", "x".repeat(1 << 20))).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.html.contains("the limit is 1048576"));
    let page = site.statement(&"x".repeat(4 << 20)).await;
    assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_runs_from_a_page_of_this_server_only() {
    let site = shop().await;
    for origin in [None, Some("null"), Some("http://evil.example"), Some("http://localhost:8081")] {
        let page = site.post_from(origin, "/console/statement", &[("statement", "DROP KEYSPACE shop")]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{origin:?}");
    }
    let link = format!("http://{HOST}/console/statement?statement=DROP+KEYSPACE+shop");
    assert_eq!(site.get(&link).await.status, StatusCode::OK);
    assert_eq!(site.get("/console/keyspaces/shop").await.status, StatusCode::OK, "it is still there");
}

/// An engine whose answers never come.
struct Waits(Arc<dyn DataStore>, Arc<Mutex<Option<Cancellation>>>);

impl DataStore for Waits {
    fn prepare(&self, statement: Arc<Statement>, keyspace: Option<&str>) -> Answer<Arc<Prepared>> {
        self.0.prepare(statement, keyspace)
    }
    fn execute(&self, _: &Arc<Prepared>, _: Binds, context: &Context) -> Answer<Outcome> {
        *self.1.lock().unwrap() = Some(context.cancellation.clone());
        Answer::Later(Box::pin(std::future::pending()))
    }
    fn execute_batch(&self, kind: BatchKind, entries: Vec<BatchEntry>, context: &Context) -> Answer<Outcome> {
        self.0.execute_batch(kind, entries, context)
    }
    fn schema(&self) -> Arc<Schema> {
        self.0.schema()
    }
    fn listen(&self, listener: SchemaListener) {
        self.0.listen(listener);
    }
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
    fn token_splits(&self, keyspace: &str, table: &str, at_least: usize) -> Answer<Vec<TokenSplit>> {
        self.0.token_splits(keyspace, table, at_least)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_nobody_waits_for_any_more_is_cancelled() {
    let asked = Arc::<Mutex<Option<Cancellation>>>::default();
    let seen = Arc::clone(&asked);
    let site = Site::with(|engine| Arc::new(Waits(engine, seen)), Arc::new(NoLogin), false);
    let mut answer = Box::pin(site.statement("SELECT * FROM system.local"));
    std::future::poll_fn(|context| {
        assert!(answer.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    let cancellation = asked.lock().unwrap().clone().unwrap();
    assert!(!cancellation.is_cancelled());
    drop(answer);
    assert!(cancellation.is_cancelled());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_leads_to_a_statement_that_reads_it() {
    let site = shop().await;
    let page = site.get("/console/keyspaces/shop/orders").await;
    let link = page.link("about 0 partitions").unwrap();
    let page = site.get(&link).await;
    assert!(page.html.contains(">SELECT * FROM shop.orders</textarea>"), "{}", page.html);
}
