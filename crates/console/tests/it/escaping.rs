//! What a user wrote is shown and never is a part of the page.

use crate::site::Site;

const EVIL: &str = "<script>alert(1)</script>\"'&";

/// Our own script is the only element of that kind.
fn is_harmless(html: &str) {
    assert_eq!(html.matches("<script").count(), 1, "{html}");
    assert!(!html.contains("alert(1)</script>"), "{html}");
    assert!(html.contains("&#60;script&#62;alert(1)&#60;/script&#62;"), "nothing to see: {html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_values_and_errors_are_escaped_wherever_they_are_shown() {
    let site = Site::new();
    let quoted = EVIL.replace('"', "\"\"");
    let text = EVIL.replace('\'', "''");
    site.run("CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
        .await;
    site.run(&format!(
        "CREATE TABLE k.t (\"{quoted}\" text PRIMARY KEY, v map<text, text>) WITH comment = '{text}'"
    ))
    .await;
    site.run(&format!("CREATE TYPE k.u (\"{quoted}\" int)")).await;
    site.run(&format!("INSERT INTO k.t (\"{quoted}\", v) VALUES ('{text}', {{'{text}': '{text}'}})")).await;
    let long = format!("INSERT INTO k.t (\"{quoted}\") VALUES ('{}')", text.repeat(50));
    site.run(&long).await;

    let table = site.get("/console/keyspaces/k/t").await;
    is_harmless(&table.html);
    assert!(table.cells().iter().any(|cell| cell == EVIL), "{:?}", table.cells());
    is_harmless(&site.get("/console/keyspaces/k").await.html);
    let encoded: String = form_urlencoded::byte_serialize(EVIL.as_bytes()).collect();
    is_harmless(&site.get(&format!("/console/keyspaces/k/t?key0={encoded}")).await.html);
    is_harmless(&site.get(&format!("/console/keyspaces/{}", encoded.replace('+', "%20"))).await.html);
    let nowhere = site.get(&format!("/console/{}", encoded.replace('+', "%20"))).await;
    assert!(!nowhere.html.contains("<script>alert"), "{}", nowhere.html);

    is_harmless(&site.run("SELECT * FROM k.t").await.html);
    is_harmless(&site.statement(&format!("SELECT \"{quoted}x\" FROM k.t")).await.html);
    is_harmless(&site.statement(&format!("SELECT * {EVIL}")).await.html);
    is_harmless(&site.statement(&format!("SELECT * FROM k.t -- </textarea>{EVIL}")).await.html);
}
