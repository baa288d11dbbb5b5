//! Query parameters: which there are, and what a request's say.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use data_encoding::{BASE64, BASE64URL};
use ilium_http::Refusal;
use ilium_store::{Consistency, PageState, SerialConsistency};

use crate::endpoints::Endpoint;
use crate::path::decode;

/// A query parameter some endpoint takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    Where,
    Fields,
    Sort,
    PageSize,
    PageState,
    Raw,
    CompactMapData,
    Keyspace,
    /// Of schema endpoints, as Stargate spells it.
    IfExistsSchema,
    AllowFiltering,
    IfNotExists,
    IfExists,
    If,
    Timestamp,
    Ttl,
    Consistency,
    SerialConsistency,
    Timeout,
    Tracing,
}

/// What a parameter's value is, for the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    Integer,
    Flag,
    OneOf(&'static [&'static str]),
    /// A text of this form.
    Pattern(&'static str),
}

const LEVELS: [(&str, Consistency); 10] = [
    ("ANY", Consistency::Any),
    ("ONE", Consistency::One),
    ("TWO", Consistency::Two),
    ("THREE", Consistency::Three),
    ("QUORUM", Consistency::Quorum),
    ("ALL", Consistency::All),
    ("LOCAL_QUORUM", Consistency::LocalQuorum),
    ("EACH_QUORUM", Consistency::EachQuorum),
    ("LOCAL_ONE", Consistency::LocalOne),
    ("NODE_LOCAL", Consistency::NodeLocal),
];
const LEVEL_NAMES: &[&str] = &[
    "ANY",
    "ONE",
    "TWO",
    "THREE",
    "QUORUM",
    "ALL",
    "LOCAL_QUORUM",
    "EACH_QUORUM",
    "LOCAL_ONE",
    "NODE_LOCAL",
    "SERIAL",
    "LOCAL_SERIAL",
];

/// The longest a request may ask to be given: as long as a request of the CQL API has.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(60);

impl Parameter {
    pub fn name(self) -> &'static str {
        match self {
            Parameter::Where => "where",
            Parameter::Fields => "fields",
            Parameter::Sort => "sort",
            Parameter::PageSize => "page-size",
            Parameter::PageState => "page-state",
            Parameter::Raw => "raw",
            Parameter::CompactMapData => "compactMapData",
            Parameter::Keyspace => "keyspace",
            Parameter::IfExistsSchema => "ifExists",
            Parameter::AllowFiltering => "allow-filtering",
            Parameter::IfNotExists => "if-not-exists",
            Parameter::IfExists => "if-exists",
            Parameter::If => "if",
            Parameter::Timestamp => "timestamp",
            Parameter::Ttl => "ttl",
            Parameter::Consistency => "consistency",
            Parameter::SerialConsistency => "serial-consistency",
            Parameter::Timeout => "timeout",
            Parameter::Tracing => "tracing",
        }
    }

    pub fn description(self) -> &'static str {
        match self {
            Parameter::Where => {
                "JSON: for each column operators with values, as {\"age\": {\"$gt\": 30, \"$lt\": 50}}. Operators: $eq $lt $lte \
                 $gt $gte $in $exists $contains $containsKey $containsEntry"
            }
            Parameter::Fields => {
                "the columns to give, with commas between: name, map['key'], writetime(name), count(*) as rows"
            }
            Parameter::Sort => "JSON: clustering columns with asc or desc, as {\"day\": \"desc\"}",
            Parameter::PageSize => "rows a page; 100 unless it is given",
            Parameter::PageState => "where to go on: the pageState of the page before",
            Parameter::Raw => "leaves the wrapper around the data out",
            Parameter::CompactMapData => "maps as objects (true, the default) or as lists of key and value",
            Parameter::Keyspace => "the keyspace of names that have none",
            Parameter::IfExistsSchema => "no error where there is none",
            Parameter::AllowFiltering => "reads rows that the filter leaves out, however many they are",
            Parameter::IfNotExists => "writes only where there is no row of this key; otherwise 409",
            Parameter::IfExists => "writes only where there is a row of this key; otherwise 412",
            Parameter::If => {
                "JSON: writes only where the row's columns are so, as {\"version\": {\"$eq\": 3}}; otherwise 412. Operators: \
                 $eq $ne $lt $lte $gt $gte $in"
            }
            Parameter::Timestamp => "the time of the write in microseconds since 1970",
            Parameter::Ttl => "seconds after which what is written expires; 0: never",
            Parameter::Consistency => "how many replicas must answer; LOCAL_QUORUM unless it is given",
            Parameter::SerialConsistency => {
                "how far conditional writes are agreed on; SERIAL unless it is given"
            }
            Parameter::Timeout => "milliseconds to answer in, or with a unit: 250ms, 5s; 60 s at most",
            Parameter::Tracing => {
                "has the cluster record how it runs the statement, and gives the id in the header cassandra-tracing-id"
            }
        }
    }

    pub fn form(self) -> Form {
        match self {
            Parameter::Raw
            | Parameter::CompactMapData
            | Parameter::IfExistsSchema
            | Parameter::AllowFiltering
            | Parameter::IfNotExists
            | Parameter::IfExists
            | Parameter::Tracing => Form::Flag,
            Parameter::PageSize | Parameter::Timestamp | Parameter::Ttl => Form::Integer,
            Parameter::Consistency => Form::OneOf(LEVEL_NAMES),
            Parameter::SerialConsistency => Form::OneOf(&["SERIAL", "LOCAL_SERIAL"]),
            // From 1 ms to a minute.
            Parameter::Timeout => {
                Form::Pattern("^(([1-9][0-9]{0,3}|[1-5][0-9]{4}|60000)(ms)?|([1-9]|[1-5][0-9]|60)s)$")
            }
            _ => Form::Text,
        }
    }
}

/// What a request's parameters say.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters<'q> {
    pub filter: Option<Cow<'q, str>>,
    pub fields: Option<Cow<'q, str>>,
    pub sort: Option<Cow<'q, str>>,
    pub page_size: Option<u32>,
    pub page_state: Option<PageState>,
    pub raw: bool,
    pub compact_maps: bool,
    pub keyspace: Option<Cow<'q, str>>,
    pub if_exists: bool,
    pub if_not_exists: bool,
    pub condition: Option<Cow<'q, str>>,
    pub allow_filtering: bool,
    /// Microseconds since the epoch.
    pub timestamp: Option<i64>,
    /// Seconds.
    pub ttl: Option<i32>,
    pub consistency: Option<Consistency>,
    pub serial_consistency: Option<SerialConsistency>,
    pub timeout: Duration,
    pub tracing: bool,
}

impl Default for Parameters<'_> {
    fn default() -> Self {
        Parameters {
            filter: None,
            fields: None,
            sort: None,
            page_size: None,
            page_state: None,
            raw: false,
            compact_maps: true,
            keyspace: None,
            if_exists: false,
            if_not_exists: false,
            condition: None,
            allow_filtering: false,
            timestamp: None,
            ttl: None,
            consistency: None,
            serial_consistency: None,
            timeout: MAX_TIMEOUT,
            tracing: false,
        }
    }
}

impl<'q> Parameters<'q> {
    /// Reads a query string. A parameter that the endpoint does not take is refused, as is one that comes twice.
    pub fn read(query: Option<&'q str>, endpoint: &Endpoint) -> Result<Parameters<'q>, Refusal> {
        let mut parameters = Parameters::default();
        let mut seen = 0u32;
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (unplus(name)?, unplus(value)?);
            let known = endpoint.parameters.iter().find(|known| known.name() == name);
            let parameter = *known.ok_or_else(|| unknown(&name, endpoint))?;
            let bit = 1 << parameter as u32;
            if seen & bit != 0 {
                return Err(Refusal::bad_request(format!("the query parameter '{name}' is given twice")));
            }
            seen |= bit;
            parameters.set(parameter, value)?;
        }
        Ok(parameters)
    }

    fn set(&mut self, parameter: Parameter, value: Cow<'q, str>) -> Result<(), Refusal> {
        let wrong = |expected: &str| {
            Refusal::bad_request(format!(
                "the query parameter '{}' must be {expected}, not '{value}'",
                parameter.name()
            ))
        };
        let flag = || match &*value {
            "true" | "True" | "TRUE" => Ok(true),
            "false" | "False" | "FALSE" => Ok(false),
            _ => Err(wrong("true or false")),
        };
        // Stargate takes an empty text for none.
        let text = |value: Cow<'q, str>| Some(value).filter(|text| !text.trim().is_empty());
        match parameter {
            Parameter::Raw => self.raw = flag()?,
            Parameter::CompactMapData => self.compact_maps = flag()?,
            Parameter::IfExistsSchema | Parameter::IfExists => self.if_exists = flag()?,
            Parameter::IfNotExists => self.if_not_exists = flag()?,
            Parameter::AllowFiltering => self.allow_filtering = flag()?,
            Parameter::Tracing => self.tracing = flag()?,
            Parameter::PageSize => {
                let size: i32 = value.parse().map_err(|_| wrong("a whole number of 32 bits"))?;
                // As in Stargate: none below 1.
                self.page_size = u32::try_from(size).ok().filter(|size| *size > 0);
            }
            Parameter::Timestamp => {
                let wrong = || wrong("microseconds since 1970 as a whole number of 64 bits");
                self.timestamp = Some(value.parse().map_err(|_| wrong())?);
            }
            Parameter::Ttl => {
                self.ttl = Some(value.parse().map_err(|_| wrong("seconds as a whole number of 32 bits"))?);
            }
            Parameter::Consistency => {
                self.consistency = Some(level(&value).ok_or_else(|| wrong(&LEVEL_NAMES.join(", ")))?);
            }
            Parameter::SerialConsistency => {
                self.serial_consistency = match level(&value) {
                    Some(Consistency::Serial) => Some(SerialConsistency::Serial),
                    Some(Consistency::LocalSerial) => Some(SerialConsistency::LocalSerial),
                    _ => return Err(wrong("SERIAL or LOCAL_SERIAL")),
                };
            }
            Parameter::Timeout => {
                let wrong = || wrong("milliseconds (or 250ms, 5s) from 1 to 60 s");
                self.timeout = timeout(&value).ok_or_else(wrong)?;
            }
            Parameter::PageState => {
                let wrong = || wrong("the pageState of an answer, with the characters + / = percent-encoded");
                self.page_state = match text(value.clone()) {
                    Some(text) => Some(page_state(&text).ok_or_else(wrong)?),
                    None => None,
                };
            }
            Parameter::Where => self.filter = text(value),
            Parameter::Fields => self.fields = text(value),
            Parameter::Sort => self.sort = text(value),
            Parameter::Keyspace => self.keyspace = text(value),
            Parameter::If => self.condition = text(value),
        }
        Ok(())
    }
}

/// What stands in a query, where `+` is a blank.
fn unplus(text: &str) -> Result<Cow<'_, str>, Refusal> {
    if !text.contains('+') {
        return decode(text);
    }
    Ok(Cow::Owned(decode(&text.replace('+', " "))?.into_owned()))
}

fn level(text: &str) -> Option<Consistency> {
    let name = text.to_ascii_uppercase().replace('-', "_");
    match name.as_str() {
        "SERIAL" => Some(Consistency::Serial),
        "LOCAL_SERIAL" => Some(Consistency::LocalSerial),
        name => LEVELS.iter().find(|(known, _)| *known == name).map(|(_, level)| *level),
    }
}

fn timeout(text: &str) -> Option<Duration> {
    let millis = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(millis), _) => millis.parse().ok()?,
        (None, Some(seconds)) => seconds.parse::<u64>().ok()?.checked_mul(1000)?,
        (None, None) => text.parse().ok()?,
    };
    Some(Duration::from_millis(millis)).filter(|time| !time.is_zero() && *time <= MAX_TIMEOUT)
}

/// Base64 as it was given out, or with the characters that need no encoding in an address.
fn page_state(text: &str) -> Option<PageState> {
    // A `+` that was not encoded arrives as a blank.
    let text = text.replace(' ', "+");
    let bytes = BASE64.decode(text.as_bytes()).or_else(|_| BASE64URL.decode(text.as_bytes())).ok()?;
    Some(PageState(Bytes::from(bytes)))
}

fn unknown(name: &str, endpoint: &Endpoint) -> Refusal {
    let names = endpoint.parameters.iter().map(|parameter| parameter.name());
    let nearest = names
        .clone()
        .map(|known| (strsim::jaro_winkler(&known.to_lowercase(), &name.to_lowercase()), known))
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    let list: Vec<&str> = names.collect();
    // 0.7 takes `pagesize` for `page-size` and `filter` for nothing.
    let hint = match nearest {
        Some((likeness, nearest)) if likeness > 0.7 => format!("; did you mean '{nearest}'?"),
        _ if list.is_empty() => "; it takes none".to_owned(),
        _ => format!("; it takes {}", list.join(", ")),
    };
    Refusal::bad_request(format!("this endpoint has no query parameter '{name}'{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoints::{ENDPOINTS, Operation};

    fn endpoint(operation: Operation) -> &'static Endpoint {
        ENDPOINTS.iter().find(|endpoint| endpoint.operation == operation).unwrap()
    }

    fn read(query: &str) -> Result<Parameters<'_>, String> {
        Parameters::read(Some(query), endpoint(Operation::FindRows)).map_err(|refusal| refusal.description)
    }

    #[test]
    fn parameters_are_read_decoded() {
        let parameters = read(
            "where=%7B%22a%22%3A+1%7D&page-size=5&raw=true&compactMapData=false&consistency=local_one&timeout=5s&sort=",
        )
        .unwrap();
        assert_eq!(parameters.filter.as_deref(), Some("{\"a\": 1}"));
        assert_eq!((parameters.page_size, parameters.raw, parameters.compact_maps), (Some(5), true, false));
        assert_eq!(parameters.consistency, Some(Consistency::LocalOne));
        assert_eq!((parameters.timeout, parameters.sort), (Duration::from_secs(5), None));
        assert_eq!(read("page-size=0&timeout=250ms").unwrap().page_size, None);
    }

    #[test]
    fn an_unknown_parameter_is_refused_with_the_nearest_known_one() {
        assert_eq!(
            read("pagesize=5").unwrap_err(),
            "this endpoint has no query parameter 'pagesize'; did you mean 'page-size'?"
        );
        assert!(read("xyz=5").unwrap_err().contains("it takes where, allow-filtering, fields"));
        let drop = Parameters::read(Some("raw=true"), endpoint(Operation::DropTable)).unwrap_err();
        assert_eq!(drop.description, "this endpoint has no query parameter 'raw'; it takes none");
    }

    #[test]
    fn a_value_that_is_none_is_refused_with_what_it_must_be() {
        for query in [
            "raw=yes",
            "raw",
            "page-size=x",
            "page-size=99999999999",
            "consistency=most",
            "timeout=0",
            "timeout=61s",
            "page-state=!!!",
            "raw=true&raw=true",
            "where=%ff",
        ] {
            assert!(read(query).is_err(), "{query}");
        }
        assert!(read("consistency=most").unwrap_err().contains("LOCAL_QUORUM"));
    }
}
