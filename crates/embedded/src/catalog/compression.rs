//! The `compression` option: kept and reported; this engine compresses its own way.

use std::collections::BTreeMap;

use ilium_cql::value::text::double_to_text;
use ilium_store::{Error, Result};

use super::properties::parse_double;

const PACKAGE: &str = "org.apache.cassandra.io.compress.";

/// The option as `system_schema.tables` has it (`CompressionParams.fromMap`, `asMap`).
pub fn compression_of(written: &[(String, String)]) -> Result<BTreeMap<String, String>> {
    let mut options: BTreeMap<String, String> = written.iter().cloned().collect();
    let enabled = options.remove("enabled").is_none_or(|text| text.eq_ignore_ascii_case("true"));
    if !written.is_empty() && enabled && !options.contains_key("class") {
        return Err(Error::config("Missing sub-option 'class' for the 'compression' option."));
    }
    if !enabled && !options.is_empty() {
        return Err(Error::config(
            "If the 'enabled' option is set to false no other options must be specified",
        ));
    }
    let Some(class) = options.remove("class") else {
        return Ok(BTreeMap::from([("enabled".to_owned(), "false".to_owned())]));
    };
    if class.is_empty() {
        return Err(Error::config(
            "The 'class' option must not be empty. To disable compression use 'enabled' : false",
        ));
    }
    let chunk_kib = chunk_length(options.remove("chunk_length_in_kb"))?;
    let ratio = match options.remove("min_compress_ratio") {
        None => 0.0,
        Some(text) => parse_double(&text)
            .ok_or_else(|| Error::config(format!("Invalid value {text} for min_compress_ratio")))?,
    };
    let class = if class.contains('.') { class } else { format!("{PACKAGE}{class}") };
    compressor_options(&class, &options)?;

    if chunk_kib <= 0 {
        return Err(Error::config("Invalid negative or null chunk_length_in_kb"));
    }
    if chunk_kib & (chunk_kib - 1) != 0 {
        return Err(Error::config("chunk_length_in_kb must be a power of 2"));
    }
    if ratio < 0.0 {
        return Err(Error::config("Invalid negative min_compress_ratio"));
    }
    if ratio > 0.0 && ratio < 1.0 {
        return Err(Error::config("min_compress_ratio can either be 0 or greater than or equal to 1"));
    }
    options.insert("class".into(), class);
    options.insert("chunk_length_in_kb".into(), chunk_kib.to_string());
    if ratio != 0.0 {
        options.insert("min_compress_ratio".into(), double_to_text(ratio));
    }
    Ok(options)
}

/// KiB.
fn chunk_length(written: Option<String>) -> Result<i32> {
    let Some(text) = written else { return Ok(16) };
    let length: i32 = text.parse().map_err(|_| Error::config("Invalid value for chunk_length_in_kb"))?;
    if length > i32::MAX / 1024 {
        return Err(Error::config(format!("Value of chunk_length_in_kb is too large ({length})")));
    }
    Ok(length)
}

fn compressor_options(class: &str, options: &BTreeMap<String, String>) -> Result<()> {
    let known: &[&str] = match class.strip_prefix(PACKAGE) {
        Some("LZ4Compressor") => {
            lz4(options)?;
            &["lz4_compressor_type", "lz4_high_compressor_level"]
        }
        Some("ZstdCompressor") => &["compression_level"],
        Some("SnappyCompressor" | "DeflateCompressor" | "NoopCompressor") => &[],
        _ => return Err(Error::config(format!("Could not create Compression for type {class}"))),
    };
    match options.keys().find(|name| !known.contains(&name.as_str())) {
        Some(unknown) => Err(Error::config(format!("Unknown compression options {unknown}"))),
        None => Ok(()),
    }
}

fn lz4(options: &BTreeMap<String, String>) -> Result<()> {
    if let Some(kind) = options.get("lz4_compressor_type")
        && kind != "fast"
        && kind != "high"
    {
        return Err(Error::config(format!(
            "Invalid compressor type '{kind}' specified for LZ4 parameter 'lz4_compressor_type'. Valid options are \
             [high, fast]."
        )));
    }
    match options.get("lz4_high_compressor_level") {
        Some(level) if !level.parse().is_ok_and(|level: i32| (1..=17).contains(&level)) => {
            Err(Error::config(format!(
                "Invalid value [{level}] for parameter 'lz4_high_compressor_level'. Value must be between 1 and 17."
            )))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> std::result::Result<BTreeMap<String, String>, String> {
        let written: Vec<_> = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        compression_of(&written).map_err(|error| error.message)
    }

    #[test]
    fn compression_is_reported_with_its_class_and_chunk() {
        let off = BTreeMap::from([("enabled".to_string(), "false".to_string())]);
        assert_eq!(read(&[]), Ok(off.clone()));
        assert_eq!(read(&[("enabled", "false")]), Ok(off));
        let zstd = read(&[("class", "ZstdCompressor"), ("min_compress_ratio", "1.1")]).unwrap();
        assert_eq!(zstd["class"], "org.apache.cassandra.io.compress.ZstdCompressor");
        assert_eq!((&*zstd["chunk_length_in_kb"], &*zstd["min_compress_ratio"]), ("16", "1.1"));
    }

    #[test]
    fn what_cassandra_refuses_is_refused_in_its_words() {
        let lz4 = ("class", "LZ4Compressor");
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[("chunk_length_in_kb", "4")], "Missing sub-option 'class' for the 'compression' option."),
            (
                &[("enabled", "false"), lz4],
                "If the 'enabled' option is set to false no other options must be specified",
            ),
            (
                &[("class", "")],
                "The 'class' option must not be empty. To disable compression use 'enabled' : false",
            ),
            (
                &[("class", "Nope")],
                "Could not create Compression for type org.apache.cassandra.io.compress.Nope",
            ),
            (&[lz4, ("nope", "1")], "Unknown compression options nope"),
            (&[lz4, ("chunk_length_in_kb", "31")], "chunk_length_in_kb must be a power of 2"),
            (&[lz4, ("chunk_length_in_kb", "0")], "Invalid negative or null chunk_length_in_kb"),
            (&[lz4, ("chunk_length_in_kb", "x")], "Invalid value for chunk_length_in_kb"),
            (
                &[lz4, ("min_compress_ratio", "0.5")],
                "min_compress_ratio can either be 0 or greater than or equal to 1",
            ),
        ];
        for (options, message) in cases {
            assert_eq!(read(options).unwrap_err(), *message, "{options:?}");
        }
    }
}
