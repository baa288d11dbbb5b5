//! The configuration file. A key that is not known is refused, with the one it may have been meant for; a value that is
//! wrong, with its key.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::exit::Failure;

/// The keys that a command's file may have.
pub struct Keys {
    pub of: &'static [&'static str],
    /// Those of the other command, and its name: some have one file in mind and start the other.
    pub elsewhere: (&'static str, &'static [&'static str]),
}

/// What the file says, if there is one.
pub fn read<T: DeserializeOwned + Default>(path: Option<&Path>, keys: &Keys) -> Result<T, Failure> {
    let Some(path) = path else { return Ok(T::default()) };
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::config(format!("cannot read the configuration file {}: {error}", path.display()))
    })?;
    parse(&text, keys).map_err(|what| Failure::config(format!("{}: {what}", path.display())))
}

pub fn parse<T: DeserializeOwned + Default>(text: &str, keys: &Keys) -> Result<T, String> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(T::default());
    }
    let said: BTreeMap<String, serde_json::Value> =
        serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    for key in said.keys() {
        if !keys.of.contains(&key.as_str()) {
            return Err(unknown(key, keys));
        }
    }
    let mut key = None;
    let parsed = serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        serde_path_to_error::deserialize(deserializer).map_err(|error| {
            key = Some(error.path().to_string());
            error.into_inner()
        })
    });
    parsed.map_err(|error: serde_saphyr::Error| match key {
        Some(key) => format!("the value of `{key}` cannot be read: {error}"),
        None => error.to_string(),
    })
}

/// What a flag takes with commas between; a file may have it so, or as a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List(Vec<String>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<List, D::Error> {
        struct EitherWay;

        impl<'de> Visitor<'de> for EitherWay {
            type Value = List;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list, or one text with commas between")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<List, E> {
                Ok(List(text.split(',').map(str::to_owned).collect()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<List, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(List(list))
            }
        }

        deserializer.deserialize_any(EitherWay)
    }
}

/// What a flag or else the file says, without the space around commas and without what is empty between two.
pub fn list(flag: Option<Vec<String>>, file: Option<List>) -> Vec<String> {
    let said = flag.or(file.map(|list| list.0)).unwrap_or_default();
    said.iter().map(|item| item.trim()).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

fn unknown(key: &str, keys: &Keys) -> String {
    let known = keys.of.join(", ");
    let (command, elsewhere) = keys.elsewhere;
    if elsewhere.contains(&key) {
        return format!("`{key}` is a key of `{command}`, not of this command, whose keys are: {known}");
    }
    match keys.of.iter().min_by_key(|known| strsim::damerau_levenshtein(known, key)) {
        Some(nearest) => format!("unknown key `{key}`; did you mean `{nearest}`? The keys are: {known}"),
        None => format!("unknown key `{key}`"),
    }
}
