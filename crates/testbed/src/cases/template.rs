//! Many cases out of one: what is systematic is written once.
//!
//! ```text
//! -- each: level = ONE, QUORUM, ALL
//! -- each: nodes = up; 3 stopped; 2 held, 3 held
//!
//! -- case: an insert at <level>, <nodes>
//! -- nodes: <nodes>
//! -- consistency: <level>
//! INSERT INTO t (k, v) VALUES (<n>, 1);
//! ```
//!
//! Every case that has a `<name>` in it is repeated for each value of that name, and for each pairing where it has
//! several; `<n>` is the case's number in the file. Values are parted by `;` where there is one, else by `,`. An `-- each:`
//! line within a case is for that case alone.

use anyhow::{Context as _, Result, bail};

/// A name and what it stands for, one after the other.
#[derive(Debug, Clone, PartialEq)]
struct Axis {
    name: String,
    values: Vec<String>,
}

const EACH: &str = "-- each:";
const CASE: &str = "-- case:";

/// The text with every case written out.
pub fn expand(text: &str) -> Result<String> {
    let mut blocks: Vec<Vec<&str>> = vec![Vec::new()];
    for line in text.lines() {
        if line.starts_with(CASE) {
            blocks.push(Vec::new());
        }
        blocks.last_mut().context("there is a first block")?.push(line);
    }
    let mut blocks = blocks.into_iter();
    let (head, common) = parted(&blocks.next().unwrap_or_default())?;
    let mut out = head;
    let mut number = 0;
    for block in blocks {
        let (body, own) = parted(&block)?;
        let used = |axis: &&Axis| body.contains(&format!("<{}>", axis.name));
        let other = |axis: &&Axis| own.iter().all(|mine| mine.name != axis.name);
        let axes: Vec<&Axis> = common.iter().filter(other).chain(&own).filter(used).collect();
        for written in product(&body, &axes) {
            number += 1;
            out += &written.replace("<n>", &number.to_string());
        }
    }
    Ok(out)
}

/// A block without its `each` lines, and what they say.
fn parted(block: &[&str]) -> Result<(String, Vec<Axis>)> {
    let (mut body, mut axes) = (String::new(), Vec::new());
    for line in block {
        match line.strip_prefix(EACH) {
            Some(axis) => axes.push(self::axis(axis)?),
            None => {
                body += line;
                body.push('\n');
            }
        }
    }
    Ok((body, axes))
}

fn axis(text: &str) -> Result<Axis> {
    let (name, values) = text.split_once('=').context("each: name = value, value")?;
    let between = if values.contains(';') { ';' } else { ',' };
    let values: Vec<String> = values.split(between).map(|v| v.trim().to_owned()).collect();
    if values.iter().any(String::is_empty) {
        bail!("each: {} has an empty value", name.trim());
    }
    Ok(Axis { name: name.trim().to_owned(), values })
}

fn product(body: &str, axes: &[&Axis]) -> Vec<String> {
    axes.iter().fold(vec![body.to_owned()], |written, axis| {
        let name = format!("<{}>", axis.name);
        written.iter().flat_map(|body| axis.values.iter().map(|value| body.replace(&name, value))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn a_case_is_written_out_for_each_pairing_of_the_names_in_it() {
        let text = "-- each: a = x, y\n-- each: b = 1, 2; 3\n-- setup\nS <a>;\n\
                    -- case: <a> with <b>\nQ <n>;\n-- case: plain\n-- case: <a>\n-- each: a = z\n";
        let written = "-- setup\nS <a>;\n\
                       -- case: x with 1, 2\nQ 1;\n-- case: x with 3\nQ 2;\n\
                       -- case: y with 1, 2\nQ 3;\n-- case: y with 3\nQ 4;\n\
                       -- case: plain\n-- case: z\n";
        assert_eq!(expand(text).unwrap(), written);
        assert!(expand("-- each: a = x,\n").is_err());
    }
}
