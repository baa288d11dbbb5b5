//! The engine's behaviour, one file an area.

mod storage_suite;
mod storage_toy;
mod storage_folder;
mod storage_damage;
mod storage_failures;
mod storage_model;
mod storage_power;
mod storage_reclaim;
mod storage_sim;
