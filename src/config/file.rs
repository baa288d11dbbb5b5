//! The configuration file. A key that is not known is refused, with the one it may have been meant for.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::exit::Failure;

/// What the file says, if there is one.
pub fn read<T: DeserializeOwned + Default>(path: Option<&Path>, keys: &[&str]) -> Result<T, Failure> {
    let Some(path) = path else { return Ok(T::default()) };
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::config(format!("cannot read the configuration file {}: {error}", path.display()))
    })?;
    parse(&text, keys).map_err(|what| Failure::config(format!("{}: {what}", path.display())))
}

pub fn parse<T: DeserializeOwned + Default>(text: &str, keys: &[&str]) -> Result<T, String> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(T::default());
    }
    let said: BTreeMap<String, serde_json::Value> =
        serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    for key in said.keys() {
        if !keys.contains(&key.as_str()) {
            return Err(unknown(key, keys));
        }
    }
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

fn unknown(key: &str, keys: &[&str]) -> String {
    let nearest = keys.iter().min_by_key(|known| strsim::damerau_levenshtein(known, key));
    match nearest {
        Some(nearest) => {
            format!("unknown key `{key}`; did you mean `{nearest}`? The keys are: {}", keys.join(", "))
        }
        None => format!("unknown key `{key}`"),
    }
}
