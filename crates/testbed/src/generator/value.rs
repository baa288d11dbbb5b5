//! Types and literals of them, from few values, so that rows meet.

use super::random::Random;

/// A type of a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Simple(&'static str),
    List(Box<Kind>),
    Set(Box<Kind>),
    Map(Box<Kind>, Box<Kind>),
    Frozen(Box<Kind>),
    Tuple(Vec<Kind>),
    /// A user-defined type: its name and fields.
    Udt(String, Vec<(String, Kind)>),
    Vector(Box<Kind>, usize),
    Counter,
}

/// The types of a single value, with literals whose order is not that of their texts.
const SIMPLE: [(&str, &[&str]); 18] = [
    ("int", &["-1", "0", "1", "2", "7", "2147483647", "-2147483648"]),
    ("bigint", &["-1", "0", "1", "9223372036854775807"]),
    ("smallint", &["-300", "0", "1", "32767"]),
    ("tinyint", &["-128", "-1", "0", "1", "127"]),
    ("varint", &["-256", "-1", "0", "255", "123456789012345678901234567890"]),
    ("text", &["'a'", "'b'", "'ab'", "'B'", "'é'", "'日'", "''"]),
    ("ascii", &["'a'", "'b'", "'ab'", "'B'"]),
    ("boolean", &["true", "false"]),
    ("double", &["-1.5", "-0.0", "0.0", "2.5", "NaN", "Infinity"]),
    ("float", &["-1.5", "0.0", "0.1", "NaN", "-Infinity"]),
    // No two of one value: which of two spellings a key keeps depends on what Cassandra has flushed.
    ("decimal", &["-1.5", "0.50", "1", "100", "0.001"]),
    ("blob", &["0x00", "0x0000", "0x7f", "0x80", "0xff", "0x"]),
    (
        "uuid",
        &[
            "123e4567-e89b-12d3-a456-426614174000",
            "123e4567-e89b-42d3-a456-426614174000",
            "00000000-0000-0000-0000-000000000000",
        ],
    ),
    ("timeuuid", &["123e4567-e89b-12d3-a456-426614174000", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"]),
    ("inet", &["'10.0.0.1'", "'127.0.0.1'", "'::1'"]),
    ("date", &["'1969-12-31'", "'1970-01-01'", "'2024-02-29'"]),
    ("time", &["'00:00:00'", "'12:30:00.5'", "'23:59:59.999999999'"]),
    (
        "timestamp",
        &["'1969-12-31 23:59:59.999Z'", "'1970-01-01 00:00:00.000Z'", "'2024-02-29 12:00:00.000Z'"],
    ),
];

const DURATIONS: [&str; 3] = ["1mo", "-2d", "3h5ns"];

impl Kind {
    pub(super) fn simple(random: &mut Random) -> Kind {
        // Every other one an int or a text, which most operations are for.
        match random.below(4) {
            0 => Kind::Simple("int"),
            1 => Kind::Simple("text"),
            _ => Kind::Simple(random.pick(&SIMPLE).map_or("int", |(name, _)| name)),
        }
    }

    /// A type that can be part of a key.
    pub(super) fn key(random: &mut Random, types: &[Kind]) -> Kind {
        match random.below(14) {
            0 | 1 => Kind::frozen(random, types),
            _ => Kind::simple(random),
        }
    }

    /// A frozen type of several values.
    fn frozen(random: &mut Random, types: &[Kind]) -> Kind {
        match (random.below(5), random.pick(types)) {
            (0, _) => Kind::Frozen(Box::new(Kind::tuple(random))),
            (1, Some(kind)) => Kind::Frozen(Box::new(kind.clone())),
            (2, _) => Kind::Frozen(Box::new(Kind::nested(random, types))),
            _ => Kind::Frozen(Box::new(Kind::collection(random))),
        }
    }

    fn tuple(random: &mut Random) -> Kind {
        Kind::Tuple((0..random.between(1, 3)).map(|_| Kind::simple(random)).collect())
    }

    /// A collection of what has several values itself.
    fn nested(random: &mut Random, types: &[Kind]) -> Kind {
        let inner = match (random.below(3), random.pick(types)) {
            (0, Some(kind)) => kind.clone(),
            (1, _) => Kind::tuple(random),
            _ => Kind::collection(random),
        };
        let inner = Box::new(Kind::Frozen(Box::new(inner)));
        match random.below(4) {
            0 => Kind::List(inner),
            1 => Kind::Set(inner),
            2 => Kind::Map(inner, Box::new(Kind::simple(random))),
            _ => Kind::Map(Box::new(Kind::simple(random)), inner),
        }
    }

    /// A type of a column that is no key.
    pub(super) fn column(random: &mut Random, types: &[Kind]) -> Kind {
        match random.below(14) {
            0 | 1 => Kind::collection(random),
            2 => Kind::frozen(random, types),
            3 => Kind::tuple(random),
            4 | 5 => match random.pick(types) {
                Some(kind) if random.one_in(2) => kind.clone(),
                Some(kind) => Kind::Frozen(Box::new(kind.clone())),
                None => Kind::Simple("duration"),
            },
            6 => Kind::Vector(Box::new(Kind::Simple("float")), random.between(1, 3)),
            7 => Kind::Vector(Box::new(Kind::simple(random)), 2),
            8 => Kind::Map(Box::new(Kind::Simple("text")), Box::new(Kind::Simple("int"))),
            9 => Kind::nested(random, types),
            _ => Kind::simple(random),
        }
    }

    fn collection(random: &mut Random) -> Kind {
        let element = Box::new(Kind::simple(random));
        match random.below(3) {
            0 => Kind::List(element),
            1 => Kind::Set(element),
            _ => Kind::Map(element, Box::new(Kind::simple(random))),
        }
    }

    /// The type of a field, which holds nothing that is not frozen.
    pub(super) fn field(random: &mut Random, types: &[Kind]) -> Kind {
        match random.below(5) {
            0 => Kind::frozen(random, types),
            _ => Kind::simple(random),
        }
    }

    /// As CQL writes it.
    pub(super) fn cql(&self) -> String {
        match self {
            Kind::Simple(name) => (*name).to_owned(),
            Kind::List(element) => format!("list<{}>", element.cql()),
            Kind::Set(element) => format!("set<{}>", element.cql()),
            Kind::Map(key, value) => format!("map<{}, {}>", key.cql(), value.cql()),
            Kind::Frozen(inner) => format!("frozen<{}>", inner.cql()),
            Kind::Tuple(fields) => {
                let fields: Vec<String> = fields.iter().map(Kind::cql).collect();
                format!("tuple<{}>", fields.join(", "))
            }
            Kind::Udt(name, _) => name.clone(),
            Kind::Vector(element, count) => format!("vector<{}, {count}>", element.cql()),
            Kind::Counter => "counter".to_owned(),
        }
    }

    /// A literal of the type.
    pub(super) fn literal(&self, random: &mut Random) -> String {
        match self {
            Kind::Simple("duration") => random.word(&DURATIONS),
            Kind::Simple(name) => {
                let literals =
                    SIMPLE.iter().find(|(simple, _)| simple == name).map(|(_, literals)| *literals);
                random.word(literals.unwrap_or(&["null"]))
            }
            Kind::List(element) => format!("[{}]", several(element, random)),
            Kind::Set(element) => format!("{{{}}}", several(element, random)),
            Kind::Map(key, value) => {
                // Keys that differ: which of two entries of one key wins in a literal is a hash table's affair. A set
                // can be written in several ways.
                let most = if key.any(&|kind| matches!(kind, Kind::Set(_))) { 1 } else { 2 };
                let mut keys: Vec<String> =
                    (0..random.below(most + 1)).map(|_| key.literal(random)).collect();
                keys.sort();
                keys.dedup();
                let all: Vec<String> =
                    keys.iter().map(|k| format!("{k}: {}", value.literal(random))).collect();
                format!("{{{}}}", all.join(", "))
            }
            Kind::Frozen(inner) => inner.literal(random),
            Kind::Tuple(fields) => {
                let fields: Vec<String> = fields.iter().map(|kind| kind.or_null(random)).collect();
                format!("({})", fields.join(", "))
            }
            Kind::Udt(_, fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, kind)| format!("{name}: {}", kind.or_null(random))).collect();
                format!("{{{}}}", fields.join(", "))
            }
            Kind::Vector(element, count) => {
                let all: Vec<String> = (0..*count).map(|_| element.literal(random)).collect();
                format!("[{}]", all.join(", "))
            }
            Kind::Counter => random.word(&["1", "-5", "100"]),
        }
    }

    fn or_null(&self, random: &mut Random) -> String {
        if random.one_in(5) { "null".to_owned() } else { self.literal(random) }
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(
            self,
            Kind::Simple(
                "int" | "bigint" | "smallint" | "tinyint" | "varint" | "double" | "float" | "decimal"
            )
        )
    }

    /// Without `frozen`.
    pub(super) fn thawed(&self) -> &Kind {
        if let Kind::Frozen(inner) = self { inner.thawed() } else { self }
    }

    /// Whether it is that type or is made of it.
    pub(super) fn has(&self, other: &Kind) -> bool {
        self.any(&|kind| kind == other)
    }

    /// Whether it or a type it is made of is such.
    fn any(&self, is_such: &dyn Fn(&Kind) -> bool) -> bool {
        is_such(self)
            || match self {
                Kind::Simple(_) | Kind::Counter => false,
                Kind::List(inner) | Kind::Set(inner) | Kind::Frozen(inner) | Kind::Vector(inner, _) => {
                    inner.any(is_such)
                }
                Kind::Map(key, value) => key.any(is_such) || value.any(is_such),
                Kind::Tuple(fields) => fields.iter().any(|field| field.any(is_such)),
                Kind::Udt(_, fields) => fields.iter().any(|(_, field)| field.any(is_such)),
            }
    }

    /// Puts this in the place of the user-defined type of the same name, wherever it occurs; whether it does.
    pub(super) fn replace(&mut self, with: &Kind) -> bool {
        if let (Kind::Udt(name, _), Kind::Udt(other, _)) = (&*self, with)
            && name == other
        {
            *self = with.clone();
            return true;
        }
        match self {
            Kind::Simple(_) | Kind::Counter => false,
            Kind::List(inner) | Kind::Set(inner) | Kind::Frozen(inner) | Kind::Vector(inner, _) => {
                inner.replace(with)
            }
            Kind::Map(key, value) => key.replace(with) | value.replace(with),
            Kind::Tuple(fields) => fields.iter_mut().fold(false, |any, field| field.replace(with) | any),
            Kind::Udt(_, fields) => {
                fields.iter_mut().fold(false, |any, (_, field)| field.replace(with) | any)
            }
        }
    }
}

fn several(kind: &Kind, random: &mut Random) -> String {
    let all: Vec<String> = (0..random.below(4)).map(|_| kind.literal(random)).collect();
    all.join(", ")
}
