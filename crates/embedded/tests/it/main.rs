//! The engine's behaviour, one file an area.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod engine_folder;
mod model;
mod model_engine;
mod model_rules;
mod model_tables;
mod model_writes;
mod raw_cells;
mod retention;
mod roles;
mod select_bounds;
mod select_fixture;
mod select_index;
mod select_paging;
mod select_rows;
mod small_disk;
mod storage_damage;
mod storage_failures;
mod storage_fixture;
mod storage_folder;
mod storage_model;
mod storage_power;
mod storage_reclaim;
mod storage_sim;
mod storage_suite;
mod storage_toy;
