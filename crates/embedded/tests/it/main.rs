//! The engine's behaviour, one file an area.

mod storage_suite;
mod storage_toy;
mod storage_folder;
