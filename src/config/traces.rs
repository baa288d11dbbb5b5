//! Where traces go, by flag or file, and else as OpenTelemetry's own variables say
//! (the specification's "Environment Variable" pages). A variable for traces alone wins over the one for all signals.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use ilium_server::{Sampler, TraceOptions};
use percent_encoding::percent_decode_str;

use crate::cli::VERSION;
use crate::exit::Failure;

/// `OTEL_EXPORTER_OTLP_TIMEOUT`'s default.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where an endpoint of all signals takes traces (OTLP 1, "OTLP/HTTP Request").
const PATH: &str = "/v1/traces";

/// `None`: nothing is traced. `said` is what flag and file say, `service` the name where nobody gives another.
pub fn resolve(
    flag: Option<String>,
    file: Option<String>,
    service: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<TraceOptions>, Failure> {
    let variables = Variables(variable);
    let of_all = |base: String| format!("{}{PATH}", base.trim_end_matches('/'));
    for said in [&flag, &file].into_iter().flatten() {
        if !said.starts_with("http://") && !said.starts_with("https://") {
            return Err(Failure::config(format!(
                "otlp-endpoint is `{said}`; write it as http://collector:4318, or with https://"
            )));
        }
    }
    let endpoint = flag
        .map(of_all)
        .or_else(|| variables.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
        .or_else(|| variables.get("OTEL_EXPORTER_OTLP_ENDPOINT").map(of_all))
        .or_else(|| file.map(of_all));
    let is_off = variables.get("OTEL_SDK_DISABLED").is_some_and(|off| off.eq_ignore_ascii_case("true"))
        || variables.get("OTEL_TRACES_EXPORTER").is_some_and(|exporter| exporter == "none");
    let Some(endpoint) = endpoint.filter(|_| !is_off) else { return Ok(None) };
    if let Some((name, protocol)) = variables.otlp("PROTOCOL").filter(|(_, it)| it != "http/protobuf") {
        return Err(Failure::config(format!(
            "{name} is {protocol}, and traces are sent by http/protobuf alone: set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL and \
             an endpoint for it (port 4318 by custom), or OTEL_TRACES_EXPORTER=none for no traces"
        )));
    }
    let headers = match variables.otlp("HEADERS") {
        Some((name, list)) => headers(&name, &list)?,
        None => HeaderMap::new(),
    };
    let timeout = match variables.otlp("TIMEOUT") {
        Some((name, text)) => match text.parse() {
            Ok(milliseconds @ 1..) => Duration::from_millis(milliseconds),
            _ => {
                return Err(Failure::config(format!("{name} is {text}; it must be milliseconds, 1 or more")));
            }
        },
        None => TIMEOUT,
    };
    Ok(Some(TraceOptions {
        endpoint,
        authorities: variables.otlp("CERTIFICATE").map(|(_, file)| file.into()),
        headers,
        timeout,
        sampler: sampler(&variables)?,
        resource: resource(&variables, service)?,
    }))
}

struct Variables<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// An empty one counts as none (the specification's "Parsing empty value").
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    /// Of the exporter: the name it has, and what it says.
    fn otlp(&self, what: &str) -> Option<(String, String)> {
        let names =
            ["OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"].map(|start| format!("{start}{what}"));
        names.into_iter().find_map(|name| self.get(&name).map(|value| (name, value)))
    }
}

fn sampler<F: Fn(&str) -> Option<String>>(variables: &Variables<F>) -> Result<Sampler, Failure> {
    let (name, argument) = ("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG");
    let given = variables.get(name).unwrap_or_else(|| "parentbased_always_on".to_owned());
    let (kind, follows_caller) = match given.strip_prefix("parentbased_") {
        Some(kind) => (kind, true),
        None => (given.as_str(), false),
    };
    let ratio = match kind {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => match variables.get(argument) {
            None => 1.0,
            Some(text) => match text.parse() {
                Ok(ratio) if (0.0..=1.0).contains(&ratio) => ratio,
                _ => {
                    let problem = format!("{argument} is {text}; it must be a ratio from 0 to 1, as 0.01");
                    return Err(Failure::config(problem));
                }
            },
        },
        _ => {
            return Err(Failure::config(format!(
                "{name} is {given}; known are always_on, always_off, traceidratio, and each after parentbased_"
            )));
        }
    };
    Ok(Sampler { ratio, follows_caller })
}

fn resource<F: Fn(&str) -> Option<String>>(
    variables: &Variables<F>,
    service: &str,
) -> Result<Vec<(String, String)>, Failure> {
    let name = "OTEL_RESOURCE_ATTRIBUTES";
    let given = variables.get(name).map(|list| pairs(name, &list)).transpose()?.unwrap_or_default();
    let mut resource = vec![
        ("service.name".to_owned(), service.to_owned()),
        ("service.version".to_owned(), VERSION.to_owned()),
    ];
    let named = variables.get("OTEL_SERVICE_NAME").map(|name| ("service.name".to_owned(), name));
    for (key, value) in given.into_iter().chain(named) {
        resource.retain(|(known, _)| *known != key);
        resource.push((key, value));
    }
    Ok(resource)
}

fn headers(name: &str, list: &str) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (key, value) in pairs(name, list)? {
        // What is wrong is not shown: it may be a key.
        let wrong = || Failure::config(format!("{name} has a header that HTTP does not allow"));
        let key = HeaderName::try_from(key).map_err(|_| wrong())?;
        let mut value = HeaderValue::try_from(value).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

/// `key=value,key=value`, values percent-encoded.
fn pairs(name: &str, list: &str) -> Result<Vec<(String, String)>, Failure> {
    let pairs = list.split(',').map(str::trim).filter(|pair| !pair.is_empty()).map(|pair| {
        let decoded = |text: &str| percent_decode_str(text.trim()).decode_utf8().ok().map(String::from);
        let (key, value) = pair.split_once('=')?;
        Some((decoded(key).filter(|key| !key.is_empty())?, decoded(value)?))
    });
    let wrong =
        || Failure::config(format!("{name} is no list as key=value,key=value, values percent-encoded"));
    pairs.collect::<Option<_>>().ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4318/");

    fn with(flag: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<TraceOptions>, String> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        let variable = |name: &str| find(name).map(|(_, value)| (*value).to_owned());
        let file = Some("http://file".to_owned()).filter(|_| variables.is_empty());
        resolve(flag.map(str::to_owned), file, "ilium", variable).map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_nearest_word_says_where_spans_go() {
        let endpoint = |flag, variables: &[_]| with(flag, variables).unwrap().map(|options| options.endpoint);
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://own/as/it/is");
        assert_eq!(endpoint(Some("http://flag"), &[ENDPOINT, own]).unwrap(), "http://flag/v1/traces");
        assert_eq!(endpoint(None, &[ENDPOINT, own]).unwrap(), "http://own/as/it/is");
        assert_eq!(endpoint(None, &[ENDPOINT]).unwrap(), "http://all:4318/v1/traces");
        assert_eq!(endpoint(None, &[]).unwrap(), "http://file/v1/traces");
        assert_eq!(endpoint(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]), None);
        assert_eq!(endpoint(None, &[ENDPOINT, ("OTEL_SDK_DISABLED", "True")]), None);
        assert_eq!(endpoint(None, &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]), None);
    }

    #[test]
    fn an_endpoint_that_is_no_address_is_shown_as_it_was_given() {
        let error = with(Some("collector:4318"), &[]).unwrap_err();
        assert!(error.contains("`collector:4318`") && error.contains("http://"), "{error}");
    }

    #[test]
    fn variables_say_what_is_recorded_and_of_whom() {
        let options = with(
            None,
            &[
                ENDPOINT,
                ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
                ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
                ("OTEL_SERVICE_NAME", "shop"),
                ("OTEL_RESOURCE_ATTRIBUTES", "service.name=no,deployment.environment.name=a%20b"),
                ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=s%3Dcret, X-Other = 2"),
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
            ],
        );
        let options = options.unwrap().unwrap();
        assert_eq!(options.sampler, Sampler { ratio: 0.25, follows_caller: true });
        assert_eq!(options.timeout, Duration::from_millis(1500));
        assert_eq!(options.headers.get("x-key").unwrap(), "s=cret");
        assert_eq!(options.headers.get("x-other").unwrap(), "2");
        assert!(!format!("{options:?}").contains("cret"), "{options:?}");
        for (key, value) in [("service.name", "shop"), ("deployment.environment.name", "a b")] {
            let of_key = options.resource.iter().filter(|(known, _)| known == key);
            assert_eq!(of_key.map(|(_, value)| value).collect::<Vec<_>>(), [value]);
        }
        assert_eq!(with(Some("http://c"), &[]).unwrap().unwrap().sampler, Sampler::default());
    }

    #[test]
    fn what_a_variable_cannot_mean_is_refused_by_its_name() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "soon"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "no pair"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ("OTEL_RESOURCE_ATTRIBUTES", "=x"),
        ] {
            assert!(with(None, &[ENDPOINT, (name, value)]).unwrap_err().contains(name), "{name}");
        }
        let ratio = [ENDPOINT, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "7")];
        assert!(with(None, &ratio).unwrap_err().contains("OTEL_TRACES_SAMPLER_ARG"));
        // Of what is off nothing is asked.
        assert!(with(None, &[("OTEL_TRACES_SAMPLER", "nonsense")]).unwrap().is_none());
    }
}
