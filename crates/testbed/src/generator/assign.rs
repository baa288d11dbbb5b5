//! What an UPDATE sets and a DELETE names.

use super::build::Build;
use super::random::Random;
use super::schema::Column;
use super::value::Kind;

/// A change of a column; `reads`: what needs the value that is there may be used.
pub(super) fn assign(random: &mut Random, column: &Column, build: &mut Build, reads: bool) {
    let (name, value) = (column.name.as_str(), column.value(random));
    if column.kind == Kind::Counter {
        build.text(&format!("{name} = {name} {} ", random.word(&["+", "-"]))).value(&value);
        return;
    }
    if (reads && random.one_in(3) || random.one_in(40)) && (column.kind.is_number() || is_text(&column.kind))
    {
        build.text(&format!("{name} = {name} + ")).value(&value);
        return;
    }
    match (&column.kind, random.below(6)) {
        (Kind::List(_), 1) => build.text(&format!("{name} = {name} + ")).value(&value),
        (Kind::List(_), 2) => build.text(&format!("{name} = ")).value(&value).text(&format!(" + {name}")),
        (Kind::List(element), 3) => {
            let element = if random.one_in(4) { "null".to_owned() } else { element.literal(random) };
            let index = random.below(3).to_string();
            build.text(&format!("{name}[")).value(&index).text("] = ").value(&element)
        }
        (Kind::List(_) | Kind::Set(_), 4) => build.text(&format!("{name} = {name} - ")).value(&value),
        (Kind::List(_) | Kind::Set(_) | Kind::Map(..), 5) => build.text(&format!("{name} += ")).value(&value),
        (Kind::Set(_) | Kind::Map(..), 1) => build.text(&format!("{name} = {name} + ")).value(&value),
        (Kind::Map(key, entry), 2) => {
            let key = key.literal(random);
            let entry = if random.one_in(4) { "null".to_owned() } else { entry.literal(random) };
            build.text(&format!("{name}[")).value(&key).text("] = ").value(&entry)
        }
        (Kind::Map(key, _), 3) => {
            let keys = Kind::Set(key.clone()).literal(random);
            build.text(&format!("{name} = {name} - ")).value(&keys)
        }
        (Kind::Udt(_, fields), 1..=3) => match random.pick(fields) {
            Some((field, kind)) => {
                let value = if random.one_in(4) { "null".to_owned() } else { kind.literal(random) };
                build.text(&format!("{name}.{field} = ")).value(&value)
            }
            None => build,
        },
        (_, 0) if random.one_in(3) => build.text(&format!("{name} = ")).unset_or(&value),
        _ => {
            let value = if random.one_in(5) { "null".to_owned() } else { value };
            build.text(&format!("{name} = ")).value(&value)
        }
    };
}

fn is_text(kind: &Kind) -> bool {
    matches!(kind, Kind::Simple("text" | "ascii"))
}

/// A column or a part of it to delete.
pub(super) fn target(random: &mut Random, column: &Column, build: &mut Build) {
    build.text(&column.name);
    if random.one_in(2) {
        return;
    }
    match &column.kind {
        Kind::Map(key, _) => {
            let key = key.literal(random);
            build.text("[").value(&key).text("]");
        }
        Kind::Set(element) => {
            let element = element.literal(random);
            build.text("[").value(&element).text("]");
        }
        Kind::List(_) => {
            let index = random.below(3).to_string();
            build.text("[").value(&index).text("]");
        }
        Kind::Udt(_, fields) => {
            if let Some((field, _)) = random.pick(fields) {
                build.text(&format!(".{field}"));
            }
        }
        _ => {}
    }
}
