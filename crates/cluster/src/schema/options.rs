//! The options of a table.

use ilium_cql::schema::TableOptions;

use super::rows::{Row, SchemaError};

/// What the row of a table or view says; Cassandra 5.0's defaults for what its release does not tell.
pub fn read(row: &Row<'_>) -> Result<TableOptions, SchemaError> {
    let default = TableOptions::default();
    let text = |column, default: String| Ok(row.text(column)?.map_or(default, str::to_owned));
    let count = |column, default: u32| -> Result<u32, SchemaError> {
        let Some(count) = row.int(column)? else { return Ok(default) };
        u32::try_from(count).map_err(|_| row.error(column, format!("is {count}, which is below 0")))
    };
    Ok(TableOptions {
        additional_write_policy: text("additional_write_policy", default.additional_write_policy)?,
        allow_auto_snapshot: row.boolean("allow_auto_snapshot")?.unwrap_or(default.allow_auto_snapshot),
        bloom_filter_fp_chance: row
            .double("bloom_filter_fp_chance")?
            .unwrap_or(default.bloom_filter_fp_chance),
        caching: row.texts("caching")?.unwrap_or(default.caching),
        cdc: row.boolean("cdc")?.unwrap_or(default.cdc),
        comment: text("comment", default.comment)?,
        compaction: row.texts("compaction")?.unwrap_or(default.compaction),
        compression: row.texts("compression")?.unwrap_or(default.compression),
        crc_check_chance: row.double("crc_check_chance")?.unwrap_or(default.crc_check_chance),
        default_time_to_live: count("default_time_to_live", default.default_time_to_live)?,
        extensions: row.blobs("extensions")?.unwrap_or(default.extensions),
        gc_grace_seconds: count("gc_grace_seconds", default.gc_grace_seconds)?,
        incremental_backups: row.boolean("incremental_backups")?.unwrap_or(default.incremental_backups),
        max_index_interval: count("max_index_interval", default.max_index_interval)?,
        memtable: text("memtable", default.memtable)?,
        memtable_flush_period_in_ms: count(
            "memtable_flush_period_in_ms",
            default.memtable_flush_period_in_ms,
        )?,
        min_index_interval: count("min_index_interval", default.min_index_interval)?,
        read_repair: text("read_repair", default.read_repair)?,
        speculative_retry: text("speculative_retry", default.speculative_retry)?,
    })
}
