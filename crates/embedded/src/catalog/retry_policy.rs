//! The options `speculative_retry` and `additional_write_policy`: kept and reported in Cassandra's canonical text. With
//! one replica there is nobody else to ask.

use ilium_store::{Error, Result};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Percentile,
    Fixed,
}

/// `99p`, `50ms`, `MIN(99p,50ms)`, `ALWAYS` or `NEVER` from what was written (`SpeculativeRetryPolicy.fromString`).
pub fn retry_policy_of(text: &str) -> Result<String> {
    if text.eq_ignore_ascii_case("ALWAYS") {
        return Ok("ALWAYS".into());
    }
    if text.eq_ignore_ascii_case("NEVER") || text.eq_ignore_ascii_case("NONE") {
        return Ok("NEVER".into());
    }
    if let Some((_, simple)) = simple(text)? {
        return Ok(simple);
    }
    hybrid(text)?.ok_or_else(|| invalid(text))
}

fn invalid(text: &str) -> Error {
    Error::config(format!("Invalid value {text} for option 'speculative_retry'"))
}

fn simple(text: &str) -> Result<Option<(Kind, String)>> {
    let lower = text.to_lowercase();
    let number = lower.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let unit = lower.get(number.len()..).unwrap_or_default();
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Ok(None);
    }
    let kind = match unit {
        "p" | "percentile" => Kind::Percentile,
        "ms" => Kind::Fixed,
        _ => return Ok(None),
    };
    let value: f64 = number.parse().map_err(|_| invalid(text))?;
    if kind == Kind::Fixed {
        return Ok(Some((kind, format!("{}ms", value as i32))));
    }
    if value <= 0.0 || value >= 100.0 {
        return Err(Error::config(format!(
            "Invalid value {text} for PERCENTILE option 'speculative_retry': must be between (0.0 and 100.0)"
        )));
    }
    // Java's pattern `#.####`: at most four digits after the point, none that are zero at the end, and no zero before.
    let rounded = format!("{value:.4}");
    let shown = rounded.trim_end_matches('0').trim_end_matches('.');
    Ok(Some((kind, format!("{}p", shown.strip_prefix('0').filter(|s| !s.is_empty()).unwrap_or(shown)))))
}

fn hybrid(text: &str) -> Result<Option<String>> {
    let Some((function, rest)) = text.split_once('(') else { return Ok(None) };
    let function = function.to_uppercase();
    let arguments = rest.strip_suffix(')').and_then(|arguments| arguments.split_once(','));
    let (true, Some((first, second))) = (function == "MIN" || function == "MAX", arguments) else {
        return Ok(None);
    };
    let argument = |part: &str| simple(part.trim()).ok().flatten().ok_or_else(|| invalid(text));
    let (first, second) = (argument(first)?, argument(second)?);
    match (first, second) {
        ((Kind::Percentile, percentile), (Kind::Fixed, fixed))
        | ((Kind::Fixed, fixed), (Kind::Percentile, percentile)) => {
            Ok(Some(format!("{function}({percentile},{fixed})")))
        }
        ((kind, _), _) => {
            let kind = if kind == Kind::Fixed { "FIXED" } else { "PERCENTILE" };
            Err(Error::config(format!(
                "Invalid value {text} for option 'speculative_retry': MIN()/MAX() arguments should be of different \
                 types, but both are of type {kind}"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_read_in_every_spelling_and_print_in_one() {
        for (written, canonical) in [
            ("99PERCENTILE", "99p"),
            ("99.90p", "99.9p"),
            ("0.5p", ".5p"),
            ("10.7ms", "10ms"),
            ("none", "NEVER"),
            ("Always", "ALWAYS"),
            ("min(50ms, 99p)", "MIN(99p,50ms)"),
        ] {
            assert_eq!(retry_policy_of(written).unwrap(), canonical);
        }
        for (written, message) in [
            ("later", "Invalid value later for option 'speculative_retry'"),
            (
                "100p",
                "Invalid value 100p for PERCENTILE option 'speculative_retry': must be between (0.0 and 100.0)",
            ),
            (
                "MAX(1ms,2ms)",
                "Invalid value MAX(1ms,2ms) for option 'speculative_retry': MIN()/MAX() arguments should be of \
                 different types, but both are of type FIXED",
            ),
        ] {
            assert_eq!(retry_policy_of(written).unwrap_err().message, message);
        }
    }
}
