//! The options of CREATE TABLE and ALTER TABLE, checked as Cassandra checks them (`TableAttributes`, `TableParams`).

use std::collections::BTreeMap;

use ilium_cql::ast::Property;
use ilium_cql::schema::{TableOptions, UuidBytes};
use ilium_cql::value::text::{double_to_text, parse_uuid};
use ilium_store::{Error, Result};

use super::compaction::{compaction_of, is_leveled};
use super::compression::compression_of;
use super::properties::Properties;
use super::retry_policy::retry_policy_of;

const KNOWN: [&str; 21] = [
    "additional_write_policy",
    "allow_auto_snapshot",
    "auto_repair",
    "bloom_filter_fp_chance",
    "caching",
    "cdc",
    "comment",
    "compaction",
    "compression",
    "crc_check_chance",
    "default_time_to_live",
    "extensions",
    "gc_grace_seconds",
    "id",
    "incremental_backups",
    "max_index_interval",
    "memtable",
    "memtable_flush_period_in_ms",
    "min_index_interval",
    "read_repair",
    "speculative_retry",
];

/// 20 years in seconds (`Attributes.MAX_TTL`).
const MAX_TTL: u32 = 20 * 365 * 24 * 60 * 60;
/// `BloomCalculations.minSupportedBloomFilterFpChance`.
const MIN_BLOOM_FILTER_FP_CHANCE: f64 = 6.71e-5;
/// The memtables a stock `cassandra.yaml` defines or shows; this engine has its own and keeps the name.
const MEMTABLES: [&str; 3] = ["default", "skiplist", "trie"];

/// What the WITH clause of CREATE TABLE asks for.
pub struct NewTableOptions {
    pub options: TableOptions,
    pub id: Option<UuidBytes>,
}

pub fn new_table_options(written: &[Property]) -> Result<NewTableOptions> {
    let properties = Properties::read(written, &KNOWN)?;
    let options = checked(&properties)?;
    let id = match properties.string("id")? {
        None => None,
        Some(text) => Some(parse_uuid(text).ok_or_else(|| Error::config("Invalid table id"))?),
    };
    Ok(NewTableOptions { options, id })
}

/// The options after ALTER TABLE ... WITH. Cassandra checks what was written against the defaults, not against what
/// the table had, and so do we.
pub fn altered_table_options(previous: &TableOptions, written: &[Property]) -> Result<TableOptions> {
    let properties = Properties::read(written, &KNOWN)?;
    checked(&properties)?;
    if properties.has("id") {
        return Err(Error::config("Cannot alter table id."));
    }
    let mut options = previous.clone();
    read_into(&mut options, &properties)?;
    Ok(options)
}

fn checked(properties: &Properties<'_>) -> Result<TableOptions> {
    if properties.has("auto_repair") {
        return Err(Error::config(
            "auto_repair option is not supported unless auto-repair is enabled with -Dcassandra.autorepair.enable=true",
        ));
    }
    let mut options = TableOptions::default();
    let ranges = read_into(&mut options, properties)?;
    if !properties.has("bloom_filter_fp_chance") && is_leveled(&options.compaction) {
        options.bloom_filter_fp_chance = 0.1;
    }
    ranges.check(&options)?;
    if options.cdc {
        return Err(Error::config("change data capture (cdc = true) is not supported by Ilium yet"));
    }
    Ok(options)
}

/// Whole-number options as written, which may be out of range.
struct Ranges {
    default_time_to_live: i32,
    gc_grace_seconds: i32,
    min_index_interval: i32,
    max_index_interval: i32,
    memtable_flush_period_in_ms: i32,
}

fn read_into(options: &mut TableOptions, properties: &Properties<'_>) -> Result<Ranges> {
    if let Some(on) = properties.boolean("allow_auto_snapshot")? {
        options.allow_auto_snapshot = on;
    }
    if let Some(chance) = properties.double("bloom_filter_fp_chance")? {
        options.bloom_filter_fp_chance = chance;
    }
    if let Some(map) = properties.map("caching")? {
        options.caching = caching_of(map)?;
    }
    if let Some(text) = properties.string("comment")? {
        options.comment = text.to_owned();
    }
    if let Some(map) = properties.map("compaction")? {
        options.compaction = compaction_of(map)?;
    }
    if let Some(map) = properties.map("compression")? {
        options.compression = compression_of(map)?;
    }
    if let Some(name) = properties.string("memtable")? {
        if !MEMTABLES.contains(&name) {
            return Err(Error::config(format!("Memtable configuration \"{name}\" not found.")));
        }
        options.memtable = if name == "default" { String::new() } else { name.to_owned() };
    }
    let whole = |name: &str, field: &mut u32| -> Result<i32> {
        let value = match properties.integer(name)? {
            None => return Ok(i32::try_from(*field).unwrap_or(i32::MAX)),
            Some(value) => value,
        };
        *field = u32::try_from(value).unwrap_or(0);
        Ok(value)
    };
    let ranges = Ranges {
        default_time_to_live: whole("default_time_to_live", &mut options.default_time_to_live)?,
        gc_grace_seconds: whole("gc_grace_seconds", &mut options.gc_grace_seconds)?,
        max_index_interval: whole("max_index_interval", &mut options.max_index_interval)?,
        memtable_flush_period_in_ms: whole(
            "memtable_flush_period_in_ms",
            &mut options.memtable_flush_period_in_ms,
        )?,
        min_index_interval: whole("min_index_interval", &mut options.min_index_interval)?,
    };
    if let Some(on) = properties.boolean("incremental_backups")? {
        options.incremental_backups = on;
    }
    if let Some(text) = properties.string("speculative_retry")? {
        options.speculative_retry = retry_policy_of(text)?;
    }
    if let Some(text) = properties.string("additional_write_policy")? {
        options.additional_write_policy = retry_policy_of(text)?;
    }
    if let Some(chance) = properties.double("crc_check_chance")? {
        options.crc_check_chance = chance;
    }
    if let Some(on) = properties.boolean("cdc")? {
        options.cdc = on;
    }
    if let Some(text) = properties.string("read_repair")? {
        let strategy = text.to_uppercase();
        if strategy != "BLOCKING" && strategy != "NONE" {
            return Err(Error::config(format!(
                "Invalid value {text} for option 'read_repair': only 'BLOCKING' and 'NONE' are allowed"
            )));
        }
        options.read_repair = strategy;
    }
    Ok(ranges)
}

impl Ranges {
    /// `TableParams.validate`.
    fn check(&self, options: &TableOptions) -> Result<()> {
        let (bloom, crc) = (options.bloom_filter_fp_chance, options.crc_check_chance);
        if bloom <= MIN_BLOOM_FILTER_FP_CHANCE || bloom > 1.0 || bloom.is_nan() {
            return Err(Error::config(format!(
                "bloom_filter_fp_chance must be larger than {} and less than or equal to 1.0 (got {})",
                double_to_text(MIN_BLOOM_FILTER_FP_CHANCE),
                double_to_text(bloom)
            )));
        }
        if !(0.0..=1.0).contains(&crc) {
            return Err(Error::config(format!(
                "crc_check_chance must be larger than or equal to 0 and smaller than or equal to 1.0 (got {})",
                double_to_text(crc)
            )));
        }
        let at_least = |name: &str, least: i32, value: i32| {
            if value >= least {
                return Ok(());
            }
            Err(Error::config(format!("{name} must be greater than or equal to {least} (got {value})")))
        };
        at_least("default_time_to_live", 0, self.default_time_to_live)?;
        if options.default_time_to_live > MAX_TTL {
            return Err(Error::config(format!(
                "default_time_to_live must be less than or equal to {MAX_TTL} (got {})",
                self.default_time_to_live
            )));
        }
        at_least("gc_grace_seconds", 0, self.gc_grace_seconds)?;
        at_least("min_index_interval", 1, self.min_index_interval)?;
        if self.max_index_interval < self.min_index_interval {
            return Err(Error::config(format!(
                "max_index_interval must be greater than or equal to min_index_interval ({}) (got {})",
                self.min_index_interval, self.max_index_interval
            )));
        }
        at_least("memtable_flush_period_in_ms", 0, self.memtable_flush_period_in_ms)
    }
}

/// `CachingParams.fromMap`.
fn caching_of(written: &[(String, String)]) -> Result<BTreeMap<String, String>> {
    let (mut keys, mut rows) = ("NONE".to_owned(), "NONE".to_owned());
    let mut unknown = Vec::new();
    for (name, value) in written {
        let value = value.as_str();
        let all_or_none = ["ALL", "NONE"].into_iter().find(|word| value.eq_ignore_ascii_case(word));
        match (name.as_str(), all_or_none) {
            ("keys", Some(word)) => keys = word.to_owned(),
            ("keys", None) => {
                return Err(Error::config(format!(
                    "Invalid value '{value}' for caching sub-option 'keys': only 'ALL' and 'NONE' are allowed"
                )));
            }
            ("rows_per_partition", Some(word)) => rows = word.to_owned(),
            ("rows_per_partition", None) => match value.parse::<i32>() {
                Ok(count) if value.bytes().all(|b| b.is_ascii_digit()) => {
                    rows = match count {
                        0 => "NONE".to_owned(),
                        i32::MAX => "ALL".to_owned(),
                        count => count.to_string(),
                    };
                }
                _ => {
                    return Err(Error::config(format!(
                        "Invalid value '{value}' for caching sub-option 'rows_per_partition': only 'ALL', 'NONE', and \
                         integer values are allowed"
                    )));
                }
            },
            _ => unknown.push(name.as_str()),
        }
    }
    if !unknown.is_empty() {
        let unknown = unknown.join(", ");
        return Err(Error::config(format!(
            "Invalid caching sub-options [{unknown}]: only 'keys' and 'rows_per_partition' are allowed"
        )));
    }
    Ok(BTreeMap::from([("keys".to_owned(), keys), ("rows_per_partition".to_owned(), rows)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ilium_cql::ast::{Name, PropertyValue};

    fn simple(name: &str, value: &str) -> Property {
        Property { name: Name::new(name), value: PropertyValue::Simple(value.into()) }
    }

    fn map(name: &str, entries: &[(&str, &str)]) -> Property {
        let entries = entries.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        Property { name: Name::new(name), value: PropertyValue::Map(entries) }
    }

    #[test]
    fn options_that_are_not_written_are_the_defaults() {
        assert_eq!(new_table_options(&[]).unwrap().options, TableOptions::default());
        let leveled = map("compaction", &[("class", "LeveledCompactionStrategy")]);
        assert_eq!(new_table_options(&[leveled]).unwrap().options.bloom_filter_fp_chance, 0.1);
        let caching = map("caching", &[("keys", "none"), ("rows_per_partition", "10")]);
        let caching = new_table_options(&[caching]).unwrap().options.caching;
        assert_eq!((&*caching["keys"], &*caching["rows_per_partition"]), ("NONE", "10"));
    }

    #[test]
    fn an_alteration_keeps_what_it_does_not_name() {
        let before = new_table_options(&[simple("comment", "a"), simple("gc_grace_seconds", "1")]).unwrap();
        let after = altered_table_options(&before.options, &[simple("gc_grace_seconds", "2")]).unwrap();
        assert_eq!((after.comment.as_str(), after.gc_grace_seconds), ("a", 2));
        let error = altered_table_options(&before.options, &[simple("id", "x")]).unwrap_err();
        assert_eq!(error.message, "Cannot alter table id.");
    }

    #[test]
    fn what_cassandra_refuses_is_refused_in_its_words() {
        for (property, message) in [
            (simple("nope", "1"), "Unknown property 'nope'"),
            (simple("gc_grace_seconds", "x"), "Invalid integer value x for 'gc_grace_seconds'"),
            (
                simple("gc_grace_seconds", "-1"),
                "gc_grace_seconds must be greater than or equal to 0 (got -1)",
            ),
            (
                simple("default_time_to_live", "630720001"),
                "default_time_to_live must be less than or equal to 630720000 (got 630720001)",
            ),
            (
                simple("bloom_filter_fp_chance", "0"),
                "bloom_filter_fp_chance must be larger than 6.71E-5 and less than or equal to 1.0 (got 0.0)",
            ),
            (
                simple("crc_check_chance", "1.1"),
                "crc_check_chance must be larger than or equal to 0 and smaller than or equal to 1.0 (got 1.1)",
            ),
            (
                simple("min_index_interval", "4096"),
                "max_index_interval must be greater than or equal to min_index_interval (4096) (got 2048)",
            ),
            (simple("memtable", "nope"), "Memtable configuration \"nope\" not found."),
            (simple("compaction", "x"), "Invalid value for property 'compaction'. It should be a map."),
            (map("comment", &[("a", "b")]), "Invalid value for property 'comment'. It should be a string"),
            (
                map("caching", &[("x", "1")]),
                "Invalid caching sub-options [x]: only 'keys' and 'rows_per_partition' are allowed",
            ),
            (simple("id", "x"), "Invalid table id"),
            (simple("cdc", "true"), "change data capture (cdc = true) is not supported by Ilium yet"),
        ] {
            let error = new_table_options(std::slice::from_ref(&property)).err().unwrap();
            assert_eq!(error.message, message, "{property:?}");
        }
        let twice = [simple("comment", "a"), simple("comment", "b")];
        assert_eq!(
            new_table_options(&twice).err().unwrap().message,
            "Multiple definitions for property 'comment'"
        );
    }
}
