//! The console in a real browser.

use ilium_testbed::cassandra::Options;
use ilium_testbed::ilium::{Folder, Ilium};
use ilium_testbed::{Cassandra, require};

use crate::clients::browser;
use crate::clients::dialogue::binary;
use crate::clients::obtained::tool;
use crate::tls::Certificate;

#[test]
fn a_person_finds_tables_and_runs_statements_with_and_without_a_mouse_by_day_and_by_night() {
    let Some(browser) = require("Chromium", browser::browser()) else { return };
    let folder = Folder::new().unwrap();
    let server = Ilium::start(binary(), &folder, &[]).unwrap();
    let mut program = browser.command("http", server.http(), &[]);
    let said = tool(program.env("FACTS", "Data centre,Durability,CQL,HTTP,Ilium")).unwrap();
    assert!(said.trim_end().ends_with("all checked"), "{said}");
    server.stop().unwrap();
}

#[test]
fn a_person_finds_the_same_in_front_of_a_cluster() {
    let Some(browser) = require("Chromium", browser::browser()) else { return };
    // One that has no keyspaces yet, of other tests.
    let Some(cassandra) = require("Cassandra", Cassandra::start(&Options::default())) else { return };
    let folder = Folder::new().unwrap();
    let gateway = Ilium::gateway(binary(), &folder, &[cassandra.address()], &[]).unwrap();
    let mut program = browser.command("http", gateway.http(), &[]);
    let said = tool(program.env("FACTS", "CQL,HTTP,Ilium,Engine,As Cassandra,Cluster,Keyspaces")).unwrap();
    assert!(said.trim_end().ends_with("all checked"), "{said}");
    gateway.stop().unwrap();
}

#[test]
fn a_person_logs_in_and_may_do_what_the_role_may() {
    let Some(browser) = require("Chromium", browser::browser()) else { return };
    let certificate = Certificate::made("console");
    let (chain, key) = (certificate.chain(), certificate.key());
    for (scheme, tls) in [("http", &[][..]), ("https", &["--tls-certificate", &chain, "--tls-key", &key])] {
        let folder = Folder::new().unwrap();
        let server = Ilium::start(binary(), &folder, &[&["--auth"], tls].concat()).unwrap();
        let (name, password) = first_superuser(&folder);
        let said = tool(&mut browser.command(scheme, server.http(), &[&name, &password])).unwrap();
        assert!(said.trim_end().ends_with("all checked"), "{said}");
        server.stop().unwrap();
    }
}

/// The name and password that the first start wrote down.
fn first_superuser(folder: &Folder) -> (String, String) {
    let text = std::fs::read_to_string(folder.data().join("superuser.txt")).unwrap();
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='));
        line.unwrap().trim().to_owned()
    };
    (value("username"), value("password"))
}
