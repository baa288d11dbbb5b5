//! What runs here, keyspaces, tables and rows.

use axum::http::{StatusCode, header};

use crate::site::Site;

const MAKE: [&str; 2] = [
    "CREATE KEYSPACE shop WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 1}",
    "CREATE TABLE shop.orders (customer text, number int, item text, PRIMARY KEY (customer, number))",
];

async fn shop(rows: usize) -> Site {
    let site = Site::new();
    for statement in MAKE {
        site.run(statement).await;
    }
    for number in 0..rows {
        let customer = ["ada", "grace"][number % 2];
        let values = format!("VALUES ('{customer}', {number}, 'item {number}')");
        site.run(&format!("INSERT INTO shop.orders (customer, number, item) {values}")).await;
    }
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_says_what_runs_and_lists_tables_with_sizes() {
    let site = shop(20).await;
    let page = site.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.headers[header::CACHE_CONTROL], "no-store");
    for expected in
        ["Ilium answers as Cassandra 5.0.9", "north &#60;1&#62;", "NetworkTopologyStrategy, datacenter1: 1"]
    {
        assert!(page.html.contains(expected), "no {expected} in {}", page.html);
    }
    assert!(page.html.contains("<a href=\"/console/keyspaces/shop/orders\">"));
    assert_eq!(page.cells()[0], "2", "partitions");
    assert!(page.cells()[1].ends_with("B") && page.cells()[1] != "0\u{a0}B", "{:?}", page.cells());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_page_says_so_when_the_store_cannot_be_used() {
    let site = shop(0).await;
    let well = site.get("/").await.html;
    assert!(well.contains("answers as Cassandra") && !well.contains("role=\"alert\""), "{well}");
    let trouble = "none of the 3 nodes can be reached";
    site.troubles.lock().unwrap().push(trouble.to_owned());
    let ill = site.get("/").await.html;
    let (_, alert) = ill.split_once("role=\"alert\"").unwrap();
    assert!(alert.contains(trouble) && !ill.contains("answers as Cassandra"), "{ill}");
    // What is known stays there to be looked at.
    assert!(ill.contains("/console/keyspaces/shop/orders"), "{ill}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_keyspace_lists_its_tables_and_types() {
    let site = shop(0).await;
    site.run("CREATE TYPE shop.address (street text, zip int)").await;
    let page = site.get("/console/keyspaces/shop").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.html.contains("street text, zip int") && page.html.contains("/console/keyspaces/shop/orders")
    );
    assert!(site.get("/console/keyspaces/system").await.html.contains("/console/keyspaces/system/local"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tables_are_listed_in_parts() {
    let site = shop(0).await;
    for number in 0..204 {
        site.run(&format!("CREATE TABLE shop.t{number:03} (a int PRIMARY KEY)")).await;
    }
    let first = site.get("/").await;
    assert!(first.html.contains("All 205 tables") && !first.html.contains("shop/t200"));
    let all = site.get("/console/keyspaces/shop").await;
    assert_eq!(all.cells().len(), 2 * 200);
    let rest = site.get(&all.link("aria-label=\"Tables\"").unwrap()).await;
    assert_eq!(rest.cells().len(), 2 * 5);
    assert!(rest.html.contains("shop/t203") && rest.html.contains("Earlier tables"));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_lead_through_all_rows_and_back() {
    let site = shop(120).await;
    let mut pages = vec![site.get("/console/keyspaces/shop/orders").await];
    while let Some(next) = pages.last().unwrap().link("rel=\"next\"") {
        pages.push(site.get(&next).await);
    }
    let counts: Vec<usize> = pages.iter().map(|page| page.cells().len() / 3).collect();
    assert_eq!(counts, [50, 50, 20]);
    let numbers = pages.iter().flat_map(|page| page.cells().into_iter().skip(1).step_by(3));
    let mut numbers: Vec<i32> = numbers.map(|text| text.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..120).collect::<Vec<_>>());
    for at in (1..pages.len()).rev() {
        let back = site.get(&pages[at].link("rel=\"prev\"").unwrap()).await;
        assert_eq!(back.cells(), pages[at - 1].cells(), "before page {}", at + 1);
    }
    assert!(pages[0].link("rel=\"prev\"").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_partition_is_found_by_its_key() {
    let site = shop(120).await;
    let page = site.get("/console/keyspaces/shop/orders?key0=ada").await;
    assert_eq!(page.cells()[..3], ["ada", "0", "item 0"]);
    let next = site.get(&page.link("rel=\"next\"").unwrap()).await;
    assert_eq!(next.cells().len() / 3, 10, "the key goes along with the page");
    let none = site.get("/console/keyspaces/shop/orders?key0=nobody").await;
    assert!(none.html.contains("There is no such partition."));

    site.run("CREATE TABLE shop.odd (a frozen<list<int>>, b int, PRIMARY KEY ((a, b)))").await;
    site.run("INSERT INTO shop.odd (a, b) VALUES ([1, 2], 7)").await;
    let page = site.get("/console/keyspaces/shop/odd?key0=[1,2]&key1=7").await;
    assert_eq!(page.cells(), ["[1, 2]", "7"]);
    let wrong = site.get("/console/keyspaces/shop/odd?key0=[1,2]&key1=x").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.html.contains("Column b: Unable to make int from"), "{}", wrong.html);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_on_a_page() {
    let site = shop(0).await;
    for path in ["/console/keyspaces/nowhere", "/console/keyspaces/shop/nothing", "/console/nothing"] {
        let page = site.get(path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(page.headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
    }
    assert!(site.get("/console/keyspaces/shop/orders").await.html.contains("The table has no rows."));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_state_that_was_altered_is_refused_on_the_page() {
    let site = shop(60).await;
    let next = site.get("/console/keyspaces/shop/orders").await.link("rel=\"next\"").unwrap();
    let mut altered = next.clone();
    altered.replace_range(altered.len() - 5..altered.len() - 4, if next.contains('A') { "B" } else { "A" });
    assert_ne!(next, altered);
    let page = site.get(&altered).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.html.contains("Invalid value for the paging state"), "{}", page.html);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_shows_what_made_it() {
    let site = shop(0).await;
    assert!(site.get("/console/keyspaces/shop/orders").await.html.contains("CREATE TABLE shop.orders ("));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_asset_is_there_and_comes_once() {
    let site = Site::new();
    for (path, kind) in [("css", "text/css; charset=utf-8"), ("js", "text/javascript; charset=utf-8")] {
        let asset = site.get(&format!("/console/console.{path}")).await;
        assert_eq!(
            (asset.status, &asset.headers[header::CONTENT_TYPE]),
            (StatusCode::OK, &kind.parse().unwrap())
        );
        assert!(asset.headers.contains_key(header::ETAG));
    }
    assert_eq!(site.get("/console/icon.svg").await.headers[header::CONTENT_TYPE], "image/svg+xml");
}
