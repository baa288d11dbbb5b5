//! The `compaction` option: kept and reported for the cluster a schema may go to; this engine reclaims space its own way.

use std::collections::BTreeMap;

use ilium_cql::value::text::double_to_text;
use ilium_store::{Error, Result};

use super::properties::parse_double;

const PACKAGE: &str = "org.apache.cassandra.db.compaction.";

/// Cassandra's floor for UnifiedCompactionStrategy's target size (`Controller.MIN_TARGET_SSTABLE_SIZE`), bytes.
const MIN_TARGET_SIZE: f64 = 1_048_576.0;
/// `Controller.DEFAULT_TARGET_SSTABLE_SIZE`, bytes.
const DEFAULT_TARGET_SIZE: f64 = 1_073_741_824.0;

/// The strategies of Cassandra 5.0.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strategy {
    SizeTiered,
    Leveled,
    TimeWindow,
    Unified,
}

impl Strategy {
    fn named(class: &str) -> Option<Strategy> {
        Some(match class {
            "SizeTieredCompactionStrategy" => Strategy::SizeTiered,
            "LeveledCompactionStrategy" => Strategy::Leveled,
            "TimeWindowCompactionStrategy" => Strategy::TimeWindow,
            "UnifiedCompactionStrategy" => Strategy::Unified,
            _ => return None,
        })
    }
}

/// The option as `system_schema.tables` has it: the full class name, the thresholds, and what was written.
pub fn compaction_of(written: &[(String, String)]) -> Result<BTreeMap<String, String>> {
    let mut options: BTreeMap<String, String> = written.iter().cloned().collect();
    let class = options
        .remove("class")
        .ok_or_else(|| Error::config("Missing sub-option 'class' for the 'compaction' option"))?;
    let class = if class.contains('.') { class } else { format!("{PACKAGE}{class}") };
    let strategy = class
        .strip_prefix(PACKAGE)
        .and_then(Strategy::named)
        .ok_or_else(|| Error::config(format!("Unable to find compaction strategy class '{class}'")))?;
    if let Some(overlapping) = options.get("provide_overlapping_tombstones") {
        let overlapping = overlapping.to_uppercase();
        if !["NONE", "ROW", "CELL"].contains(&overlapping.as_str()) {
            return Err(Error::config(format!(
                "Invalid value {overlapping} for 'provide_overlapping_tombstones' compaction sub-option - must be one \
                 of the following [NONE, ROW, CELL]."
            )));
        }
    }
    if strategy != Strategy::Unified {
        options.entry("min_threshold".into()).or_insert_with(|| "4".into());
        options.entry("max_threshold".into()).or_insert_with(|| "32".into());
    }
    let simple_name = class.strip_prefix(PACKAGE).unwrap_or(&class);
    validate(strategy, simple_name, &options)?;
    options.insert("class".into(), class);
    Ok(options)
}

/// Whether the strategy wants larger bloom filters by default (`CompactionParams.defaultBloomFilterFbChance`).
pub fn is_leveled(compaction: &BTreeMap<String, String>) -> bool {
    compaction.get("class").is_some_and(|class| class.ends_with(".LeveledCompactionStrategy"))
}

fn validate(strategy: Strategy, name: &str, options: &BTreeMap<String, String>) -> Result<()> {
    let mut checked = Checked { options, left: options.keys().map(String::as_str).collect() };
    checked.common()?;
    match strategy {
        Strategy::SizeTiered => checked.size_tiered()?,
        Strategy::Leveled => {
            checked.leveled()?;
            checked.size_tiered()?;
        }
        Strategy::TimeWindow => {
            checked.time_window()?;
            checked.size_tiered()?;
        }
        Strategy::Unified => checked.unified()?,
    }
    if strategy != Strategy::Unified {
        checked.take("min_threshold");
        checked.take("max_threshold");
    }
    if !checked.left.is_empty() {
        let left = checked.left.join(", ");
        return Err(Error::config(format!("Properties specified [{left}] are not understood by {name}")));
    }
    thresholds(options)
}

fn thresholds(options: &BTreeMap<String, String>) -> Result<()> {
    let threshold = |name: &str, default: i32| match options.get(name) {
        None => Ok(default),
        Some(text) => {
            text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit())).ok_or_else(|| {
                Error::config(format!(
                    "Invalid value {text} for '{name}' compaction sub-option - must be an integer"
                ))
            })
        }
    };
    let (min, max): (i32, i32) = (threshold("min_threshold", 4)?, threshold("max_threshold", 32)?);
    if min <= 0 || max <= 0 {
        return Err(Error::config(
            "Disabling compaction by setting compaction thresholds to 0 has been removed, set the compaction option \
             'enabled' to false instead.",
        ));
    }
    if min <= 1 {
        return Err(Error::config(format!("Min compaction threshold cannot be less than 2 (got {min})")));
    }
    if min > max {
        return Err(Error::config(format!(
            "Min compaction threshold (got {min}) cannot be greater than max compaction threshold (got {max})"
        )));
    }
    Ok(())
}

/// Options with those that no check has understood yet.
struct Checked<'a> {
    options: &'a BTreeMap<String, String>,
    left: Vec<&'a str>,
}

impl<'a> Checked<'a> {
    fn take(&mut self, name: &str) -> Option<&'a str> {
        self.left.retain(|left| *left != name);
        self.options.get(name).map(String::as_str)
    }

    fn take_integer<T: std::str::FromStr>(&mut self, name: &str, kind: &str) -> Result<Option<T>> {
        match self.take(name) {
            None => Ok(None),
            Some(text) => text
                .parse()
                .map(Some)
                .map_err(|_| Error::config(format!("{text} is not a parsable {kind} (base10) for {name}"))),
        }
    }

    fn take_boolean(&mut self, name: &str, message: impl FnOnce(&str) -> String) -> Result<()> {
        match self.take(name) {
            Some(text) if !text.eq_ignore_ascii_case("true") && !text.eq_ignore_ascii_case("false") => {
                Err(Error::config(message(text)))
            }
            _ => Ok(()),
        }
    }

    /// `AbstractCompactionStrategy.validateOptions`.
    fn common(&mut self) -> Result<()> {
        if let Some(text) = self.take("tombstone_threshold") {
            match parse_double(text) {
                None => {
                    return Err(Error::config(format!(
                        "{text} is not a parsable int (base10) for tombstone_threshold"
                    )));
                }
                Some(value) if value < 0.0 => {
                    return Err(Error::config(format!(
                        "tombstone_threshold must be greater than 0, but was {value:.6}"
                    )));
                }
                Some(_) => {}
            }
        }
        if let Some(value) = self.take_integer::<i64>("tombstone_compaction_interval", "int")?
            && value < 0
        {
            return Err(Error::config(format!(
                "tombstone_compaction_interval must be greater than 0, but was {value}"
            )));
        }
        self.take_boolean("unchecked_tombstone_compaction", |text| {
            format!("'unchecked_tombstone_compaction' should be either 'true' or 'false', not '{text}'")
        })?;
        self.take_boolean("log_all", |text| {
            format!("'log_all' should either be 'true' or 'false', not {text}")
        })?;
        self.take_boolean("enabled", |text| {
            format!("enabled should either be 'true' or 'false', not {text}")
        })?;
        self.take("only_purge_repaired_tombstones");
        self.take("provide_overlapping_tombstones");
        Ok(())
    }

    /// `SizeTieredCompactionStrategyOptions.validateOptions`.
    fn size_tiered(&mut self) -> Result<()> {
        if let Some(size) = self.take_integer::<i64>("min_sstable_size", "int")?
            && size < 0
        {
            return Err(Error::config(format!("min_sstable_size must be non negative: {size}")));
        }
        let mut ratio = |name: &str, default: f64| match self.take(name) {
            None => Ok(default),
            Some(text) => parse_double(text)
                .ok_or_else(|| Error::config(format!("{text} is not a parsable float for {name}"))),
        };
        let (low, high) = (ratio("bucket_low", 0.5)?, ratio("bucket_high", 1.5)?);
        if high <= low {
            return Err(Error::config(format!(
                "bucket_high value ({}) is less than or equal to the bucket_low value ({})",
                double_to_text(high),
                double_to_text(low)
            )));
        }
        Ok(())
    }

    /// `LeveledCompactionStrategy.validateOptions`.
    fn leveled(&mut self) -> Result<()> {
        for name in ["sstable_size_in_mb", "fanout_size"] {
            if let Some(size) = self.take_integer::<i32>(name, "int")?
                && size < 1
            {
                return Err(Error::config(format!("{name} must be larger than 0, but was {size}")));
            }
        }
        self.take("single_sstable_uplevel");
        // Cassandra counts eight levels, each as many times larger than the one before.
        let number =
            |name: &str, default: u128| self.options.get(name).map_or(Some(default), |t| t.parse().ok());
        let level = number("fanout_size", 10)
            .and_then(|fanout| fanout.checked_pow(8))
            .zip(number("sstable_size_in_mb", 1))
            .and_then(|(fanout, size)| fanout.checked_mul(size << 20));
        match level {
            Some(bytes) if bytes <= i64::MAX as u128 => Ok(()),
            bytes => Err(Error::config(format!(
                "At most {} bytes may be in a compaction level; your maxSSTableSize must be absurdly high to compute \
                 {}",
                i64::MAX,
                bytes.map_or("more".to_owned(), |bytes| bytes.to_string())
            ))),
        }
    }

    /// `TimeWindowCompactionStrategyOptions.validateOptions`.
    fn time_window(&mut self) -> Result<()> {
        let mut unit = |name: &str, valid: &[&str]| match self.take(name) {
            Some(text) if !valid.contains(&text) => {
                Err(Error::config(format!("{text} is not valid for {name}")))
            }
            _ => Ok(()),
        };
        unit("timestamp_resolution", &["SECONDS", "MILLISECONDS", "MICROSECONDS", "NANOSECONDS"])?;
        unit("compaction_window_unit", &["MINUTES", "HOURS", "DAYS"])?;
        if let Some(size) = self.take_integer::<i32>("compaction_window_size", "int")?
            && size < 1
        {
            return Err(Error::config(format!("{size} must be greater than 1 for compaction_window_size")));
        }
        if let Some(seconds) = self.take_integer::<i64>("expired_sstable_check_frequency_seconds", "int")?
            && seconds < 0
        {
            return Err(Error::config(format!(
                "expired_sstable_check_frequency_seconds must not be negative, but was {seconds}"
            )));
        }
        const UNSAFE: &str = "unsafe_aggressive_sstable_expiration";
        self.take_boolean(UNSAFE, |text| format!("{UNSAFE} is not 'true' or 'false' ({text})"))?;
        if self.options.get(UNSAFE).is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return Err(Error::config(format!(
                "{UNSAFE} is requested but not allowed, restart cassandra with \
                 -Dcassandra.allow_unsafe_aggressive_sstable_expiration=true to allow it"
            )));
        }
        Ok(())
    }

    /// `Controller.validateOptions` of UnifiedCompactionStrategy.
    fn unified(&mut self) -> Result<()> {
        if let Some(parameters) = self.take("scaling_parameters") {
            parameters.split(',').map(str::trim).try_for_each(scaling_parameter)?;
        }
        if let Some(shards) = self.take_integer::<i32>("base_shard_count", "int")?
            && shards <= 0
        {
            return Err(Error::config(format!(
                "Invalid configuration, base_shard_count should be positive: {shards}"
            )));
        }
        let target = self.take_target_size("target_sstable_size")?.unwrap_or(DEFAULT_TARGET_SIZE);
        self.take_target_size("flush_size_override")?;
        self.take_integer::<i32>("max_sstables_to_compact", "int")?;
        const FREQUENCY: &str = "expired_sstable_check_frequency_seconds";
        if let Some(seconds) = self.take_integer::<i64>(FREQUENCY, "long")?
            && seconds <= 0
        {
            return Err(Error::config(format!(
                "Invalid configuration, {FREQUENCY} should be positive: {seconds}"
            )));
        }
        self.take_boolean("unsafe_aggressive_sstable_expiration", |text| {
            format!("unsafe_aggressive_sstable_expiration should either be 'true' or 'false', not {text}")
        })?;
        if let Some(method) = self.take("overlap_inclusion_method")
            && !["NONE", "SINGLE", "TRANSITIVE"].contains(&method.to_uppercase().as_str())
        {
            return Err(Error::config(format!(
                "Invalid overlap inclusion method {method}. The valid options are [NONE, SINGLE, TRANSITIVE]."
            )));
        }
        self.minimal_size(target)?;
        if let Some(text) = self.take("sstable_growth") {
            let fraction = match text.trim().strip_suffix('%') {
                Some(percent) => parse_double(percent).map(|value| value / 100.0),
                None => parse_double(text),
            };
            match fraction {
                Some(growth) if (0.0..=1.0).contains(&growth) => {}
                Some(_) => {
                    return Err(Error::config(format!("sstable_growth {text} must be between 0 and 1")));
                }
                None => {
                    return Err(Error::config(format!(
                        "sstable_growth is not a valid number between 0 and 1: {text}"
                    )));
                }
            }
        }
        Ok(())
    }

    fn take_target_size(&mut self, name: &str) -> Result<Option<f64>> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let size = human_size(text).ok_or_else(|| {
            Error::config(format!(
                "{name} {text} is not a valid size in bytes: {text} does not end in unit B"
            ))
        })?;
        if size < MIN_TARGET_SIZE {
            return Err(Error::config(format!(
                "{name} {text} is not acceptable, size must be at least {}",
                human_text(MIN_TARGET_SIZE)
            )));
        }
        Ok(Some(size))
    }

    fn minimal_size(&mut self, target: f64) -> Result<()> {
        let Some(text) = self.take("min_sstable_size") else { return Ok(()) };
        let size = human_size(text).ok_or_else(|| {
            Error::config(format!("{text} is not a valid size in bytes for min_sstable_size"))
        })?;
        if size < 0.0 {
            return Err(Error::config(
                "Invalid configuration, min_sstable_size should be greater than or equal to 0 (zero)",
            ));
        }
        if size >= (target * std::f64::consts::FRAC_1_SQRT_2).ceil() {
            return Err(Error::config(format!(
                "Invalid configuration, min_sstable_size ({}) should be less than 70% of the targetSSTableSize ({})",
                human_text(size),
                human_text(target)
            )));
        }
        Ok(())
    }
}

/// One of `N`, `L4`, `T4`, `-2`, `3` (`UnifiedCompactionStrategy.parseScalingParameter`).
fn scaling_parameter(text: &str) -> Result<()> {
    let malformed =
        || Error::config(format!("Scaling parameter {text} must match N|L[0-9]+|T[0-9]+|[+-]?[0-9]+"));
    if text == "N" {
        return Ok(());
    }
    match text.strip_prefix(['L', 'T']) {
        Some(fan) => match fan.parse::<i32>().map_err(|_| malformed())? {
            0 | 1 => Err(Error::config(format!("Fan factor cannot be lower than 2 in {text}"))),
            factor if factor < 0 => Err(malformed()),
            _ => Ok(()),
        },
        None => text.parse::<i32>().map(|_| ()).map_err(|_| malformed()),
    }
}

/// Bytes of a size such as `100MiB`, `1.5 GB` or `4096B` (`FBUtilities.parseHumanReadable`).
fn human_size(text: &str) -> Option<f64> {
    let number_and_prefix = text.strip_suffix('B')?;
    let (digits, factor) = match number_and_prefix.strip_suffix('i') {
        Some(binary) => {
            let prefix = binary.chars().next_back()?;
            let power = " KMGTPE".find(prefix).filter(|power| *power > 0)?;
            (binary.get(..binary.len() - 1)?, 1024f64.powi(power as i32))
        }
        None => match number_and_prefix.strip_suffix(['k', 'K', 'M', 'G', 'T', 'P', 'E']) {
            Some(digits) => {
                let prefix = number_and_prefix.chars().next_back()?.to_ascii_uppercase();
                (digits, 1000f64.powi(" KMGTPE".find(prefix)? as i32))
            }
            None => (number_and_prefix, 1.0),
        },
    };
    parse_double(digits).map(|value| value * factor)
}

/// `1.000MiB`, `512B` (`FBUtilities.prettyPrintMemory`).
fn human_text(size: f64) -> String {
    let mut value = size;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{value:.0}B") } else { format!("{value:.3}{unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.3}EiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> std::result::Result<BTreeMap<String, String>, String> {
        let written: Vec<_> = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        compaction_of(&written).map_err(|error| error.message)
    }

    #[test]
    fn a_strategy_gets_its_full_name_and_the_thresholds_it_supports() {
        let tiered = read(&[("class", "SizeTieredCompactionStrategy")]).unwrap();
        assert_eq!(tiered["class"], "org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy");
        assert_eq!((&*tiered["min_threshold"], &*tiered["max_threshold"]), ("4", "32"));
        let unified = read(&[("class", "UnifiedCompactionStrategy"), ("scaling_parameters", "T4, L10,N,-3")]);
        assert_eq!(unified.unwrap().len(), 2);
        let full = "org.apache.cassandra.db.compaction.LeveledCompactionStrategy";
        assert!(is_leveled(&read(&[("class", full), ("sstable_size_in_mb", "160")]).unwrap()));
    }

    #[test]
    fn what_cassandra_refuses_is_refused_in_its_words() {
        let stcs = ("class", "SizeTieredCompactionStrategy");
        let twcs = ("class", "TimeWindowCompactionStrategy");
        let ucs = ("class", "UnifiedCompactionStrategy");
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[], "Missing sub-option 'class' for the 'compaction' option"),
            (
                &[("class", "Nope")],
                "Unable to find compaction strategy class 'org.apache.cassandra.db.compaction.Nope'",
            ),
            (
                &[stcs, ("nope", "1")],
                "Properties specified [nope] are not understood by SizeTieredCompactionStrategy",
            ),
            (
                &[stcs, ("min_threshold", "x")],
                "Invalid value x for 'min_threshold' compaction sub-option - must be an integer",
            ),
            (&[stcs, ("min_threshold", "1")], "Min compaction threshold cannot be less than 2 (got 1)"),
            (
                &[stcs, ("min_threshold", "40")],
                "Min compaction threshold (got 40) cannot be greater than max compaction threshold (got 32)",
            ),
            (&[twcs, ("compaction_window_unit", "YEARS")], "YEARS is not valid for compaction_window_unit"),
            (&[twcs, ("compaction_window_size", "0")], "0 must be greater than 1 for compaction_window_size"),
            (
                &[ucs, ("min_threshold", "4")],
                "Properties specified [min_threshold] are not understood by UnifiedCompactionStrategy",
            ),
            (
                &[ucs, ("target_sstable_size", "1KiB")],
                "target_sstable_size 1KiB is not acceptable, size must be at least 1.000MiB",
            ),
        ];
        for (options, message) in cases {
            assert_eq!(read(options).unwrap_err(), *message, "{options:?}");
        }
    }
}
