//! Where callers log in.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::http::{StatusCode, header};
use ilium_cql::schema::Schema;
use ilium_store::{
    Answer, BatchEntry, BatchKind, Binds, Capabilities, Context, DataStore, Error, ErrorKind, Login, Outcome,
    Prepared, Principal, Role, SchemaListener, TokenSplit,
};

use crate::site::{Page, Site};

/// Knows `ada` with the password `loom`, and `gone`, whose role is dropped at once.
struct Roles;

impl Login for Roles {
    fn is_required(&self) -> bool {
        true
    }
    fn with_password(&self, name: &str, password: &str, _: Option<SocketAddr>) -> Answer<Principal> {
        Answer::Ready(match (name, password) {
            ("ada" | "gone", "loom") => Ok(Principal::Role(Role::new(name, password.as_bytes()))),
            _ => {
                Err(Error::new(ErrorKind::BadCredentials, "Provided username and/or password are incorrect"))
            }
        })
    }
    fn with_identity(&self, _: &str) -> Answer<Principal> {
        Answer::Ready(Err(Error::new(ErrorKind::BadCredentials, "unknown")))
    }
    fn check_again(&self, principal: &Principal) -> Answer<()> {
        Answer::Ready(match principal {
            Principal::Role(role) if *role == Role::new("ada", *b"loom") => Ok(()),
            _ => Err(Error::new(ErrorKind::BadCredentials, "there is no such role")),
        })
    }
}

/// An engine that writes down on whose behalf it is asked.
struct Witness {
    engine: Arc<dyn DataStore>,
    seen: Arc<Mutex<Vec<Principal>>>,
}

impl DataStore for Witness {
    fn prepare(
        &self,
        statement: Arc<ilium_cql::ast::Statement>,
        keyspace: Option<&str>,
    ) -> Answer<Arc<Prepared>> {
        self.engine.prepare(statement, keyspace)
    }
    fn execute(&self, prepared: &Arc<Prepared>, binds: Binds, context: &Context) -> Answer<Outcome> {
        assert!(context.deadline.is_some() && context.page_bytes.is_some());
        self.seen.lock().unwrap().push(context.principal.clone());
        // This engine keeps no roles, and would refuse one that it does not know.
        self.engine.execute(prepared, binds, &Context { principal: Principal::System, ..context.clone() })
    }
    fn execute_batch(&self, kind: BatchKind, entries: Vec<BatchEntry>, context: &Context) -> Answer<Outcome> {
        self.engine.execute_batch(kind, entries, context)
    }
    fn schema(&self) -> Arc<Schema> {
        self.engine.schema()
    }
    fn listen(&self, listener: SchemaListener) {
        self.engine.listen(listener);
    }
    fn capabilities(&self) -> Capabilities {
        self.engine.capabilities()
    }
    fn token_splits(&self, keyspace: &str, table: &str, at_least: usize) -> Answer<Vec<TokenSplit>> {
        self.engine.token_splits(keyspace, table, at_least)
    }
}

fn site(speaks_tls: bool) -> (Site, Arc<Mutex<Vec<Principal>>>) {
    let seen = Arc::<Mutex<Vec<Principal>>>::default();
    let witness = Arc::clone(&seen);
    let around = move |engine| Arc::new(Witness { engine, seen: witness }) as Arc<dyn DataStore>;
    (Site::with(around, Arc::new(Roles), speaks_tls), seen)
}

async fn log_in(site: &Site, name: &str, password: &str, next: &str) -> Page {
    site.post("/console/login", &[("name", name), ("password", password), ("next", next)]).await
}

fn cookie(page: &Page) -> &str {
    page.headers[header::SET_COOKIE].to_str().unwrap()
}

fn leads_to(page: &Page) -> &str {
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.html);
    page.headers[header::LOCATION].to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_shown_before_the_login_which_leads_on_to_what_was_asked_for() {
    let (mut site, seen) = site(false);
    for path in
        ["/", "/console/statement", "/console/keyspaces/system", "/console/keyspaces/system/local?page=2"]
    {
        let expected: String = form_urlencoded::byte_serialize(path.as_bytes()).collect();
        assert_eq!(leads_to(&site.get(path).await), format!("/console/login?next={expected}"));
    }
    let asked = site.post("/console/statement", &[("statement", "SELECT * FROM system.local")]).await;
    assert_eq!(leads_to(&asked), "/console/login?next=%2Fconsole%2Fstatement");
    assert!(seen.lock().unwrap().is_empty(), "the store was asked");

    let form = site.get("/console/login?next=/console/keyspaces/system").await;
    assert!(form.html.contains("name=\"next\" value=\"/console/keyspaces/system\""));
    let logged_in = log_in(&site, "ada", "loom", "/console/keyspaces/system").await;
    assert_eq!(leads_to(&logged_in), "/console/keyspaces/system");
    let set = cookie(&logged_in).to_owned();
    assert!(
        set.starts_with("ilium_token=") && set.ends_with("; Path=/; Max-Age=600; HttpOnly; SameSite=Strict"),
        "{set}"
    );
    site.keep(&set);
    let page = site.get("/").await;
    assert!(page.status == StatusCode::OK && page.html.contains("<bdi>ada</bdi>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_runs_on_behalf_of_who_is_logged_in() {
    let (mut site, seen) = site(false);
    site.keep(cookie(&log_in(&site, "ada", "loom", "").await));
    site.run("CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
        .await;
    site.run("CREATE TABLE k.t (a int PRIMARY KEY)").await;
    for path in ["/", "/console/keyspaces/k", "/console/keyspaces/k/t"] {
        assert_eq!(site.get(path).await.status, StatusCode::OK);
    }
    let seen = seen.lock().unwrap();
    assert!(seen.len() >= 7, "{seen:?}");
    assert!(
        seen.iter().all(|principal| *principal == Principal::Role(Role::new("ada", *b"loom"))),
        "{seen:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_an_altered_token_and_a_dropped_role_do_not_get_in() {
    let (mut site, _) = site(false);
    let page = log_in(&site, "ada", "<wrong>", "").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.html.contains("Provided username and/or password are incorrect"));
    assert!(!page.html.contains("wrong") && !page.headers.contains_key(header::SET_COOKIE));
    assert!(
        !page.headers.contains_key(header::WWW_AUTHENTICATE),
        "a browser would ask in a window of its own"
    );

    let gone = log_in(&site, "gone", "loom", "").await;
    site.keep(cookie(&gone));
    assert!(leads_to(&site.get("/").await).starts_with("/console/login"));
    let good = log_in(&site, "ada", "loom", "").await;
    let token = cookie(&good).split(';').next().unwrap().to_owned();
    for altered in [format!("{token}A"), token[..token.len() - 4].to_owned(), "ilium_token=".to_owned()] {
        site.keep(&altered);
        assert!(leads_to(&site.get("/").await).starts_with("/console/login"), "{altered}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_other_sites_are_refused_though_the_browser_sends_the_cookie_along() {
    let (mut site, seen) = site(false);
    site.keep(cookie(&log_in(&site, "ada", "loom", "").await));
    let fields = [("statement", "SELECT * FROM system.local"), ("name", "ada"), ("password", "loom")];
    for path in ["/console/statement", "/console/login", "/console/logout"] {
        for origin in [None, Some("null"), Some("https://evil.example")] {
            let page = site.post_from(origin, path, &fields).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} {origin:?}");
        }
    }
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_takes_the_cookie_back_and_with_tls_it_goes_no_other_way() {
    let (site, _) = site(true);
    assert!(cookie(&log_in(&site, "ada", "loom", "").await).ends_with("; SameSite=Strict; Secure"));
    let out = site.post("/console/logout", &[]).await;
    assert_eq!(leads_to(&out), "/console/login");
    assert!(cookie(&out).starts_with("ilium_token=; Path=/; Max-Age=0;"));
    assert_eq!(leads_to(&log_in(&site, "ada", "loom", "//evil.example").await), "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_authentication_there_is_no_login() {
    assert_eq!(leads_to(&Site::new().get("/console/login").await), "/");
}
