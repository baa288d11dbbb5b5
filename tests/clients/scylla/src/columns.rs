//! A column of every type, with an ordinary value and an extreme one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use scylla::value::{
    CqlDate, CqlDecimal, CqlDuration, CqlTime, CqlTimestamp, CqlTimeuuid, CqlValue, CqlVarint,
};

pub struct Column {
    pub name: &'static str,
    pub kind: &'static str,
    pub ordinary: CqlValue,
    pub extreme: CqlValue,
}

pub fn all() -> Vec<Column> {
    let column = |name, kind, ordinary, extreme| Column { name, kind, ordinary, extreme };
    let mut two_to_the_200 = vec![1];
    two_to_the_200.extend([0; 25]);
    let below_bigint = vec![0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    vec![
        column("a_ascii", "ascii", CqlValue::Ascii("plain".to_owned()), CqlValue::Ascii(String::new())),
        column("a_bigint", "bigint", CqlValue::BigInt(42), CqlValue::BigInt(i64::MIN)),
        column("a_blob", "blob", CqlValue::Blob(vec![0, 1, 255]), CqlValue::Blob(Vec::new())),
        column("a_boolean", "boolean", CqlValue::Boolean(true), CqlValue::Boolean(false)),
        // Days since 1970-01-01, which is 2^31.
        column("a_date", "date", date(1 << 31), date(0)),
        column("a_decimal", "decimal", decimal(vec![100], 2), decimal(vec![255], 30)),
        column("a_double", "double", CqlValue::Double(0.1), CqlValue::Double(f64::NEG_INFINITY)),
        column("a_duration", "duration", duration(14, 3, 4_000_000_005), duration(-1, -2, -3)),
        column("a_float", "float", CqlValue::Float(0.5), CqlValue::Float(f32::MIN_POSITIVE)),
        column(
            "an_inet",
            "inet",
            CqlValue::Inet(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
            CqlValue::Inet(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))),
        ),
        column("an_int", "int", CqlValue::Int(7), CqlValue::Int(i32::MIN)),
        column("a_smallint", "smallint", CqlValue::SmallInt(300), CqlValue::SmallInt(i16::MIN)),
        column("a_text", "text", text("Straße 東京 🌆"), text("")),
        column("a_time", "time", CqlValue::Time(CqlTime(1)), CqlValue::Time(CqlTime(86_399_999_999_999))),
        column("a_timestamp", "timestamp", timestamp(1_767_323_045_678), timestamp(i64::MIN)),
        column(
            "a_timeuuid",
            "timeuuid",
            timeuuid(0x5f4b_1c80_1234_11ee_8c90_0242_ac12_0002),
            timeuuid(0x1381_4000_1dd2_11b2_8080_8080_8080_8080),
        ),
        column("a_tinyint", "tinyint", CqlValue::TinyInt(5), CqlValue::TinyInt(i8::MIN)),
        column("a_uuid", "uuid", uuid(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff), uuid(0)),
        column("a_varchar", "varchar", text("text by its other name"), text("\0")),
        column("a_varint", "varint", varint(two_to_the_200), varint(below_bigint)),
        column("a_list", "list<int>", CqlValue::List(ints(&[3, 1, 3])), CqlValue::List(ints(&[-1]))),
        column(
            "a_set",
            "set<text>",
            CqlValue::Set(vec![text("a"), text("b")]),
            CqlValue::Set(vec![text("")]),
        ),
        column(
            "a_map",
            "map<text, bigint>",
            CqlValue::Map(vec![(text("one"), CqlValue::BigInt(1)), (text("two"), CqlValue::BigInt(2))]),
            CqlValue::Map(vec![(text(""), CqlValue::BigInt(-1))]),
        ),
        column(
            "a_frozen",
            "frozen<list<frozen<set<int>>>>",
            CqlValue::List(vec![CqlValue::Set(ints(&[1, 2])), CqlValue::Set(ints(&[3]))]),
            CqlValue::List(Vec::new()),
        ),
        column(
            "a_tuple",
            "frozen<tuple<int, text, boolean>>",
            CqlValue::Tuple(vec![Some(CqlValue::Int(1)), Some(text("two")), None]),
            CqlValue::Tuple(vec![None, None, None]),
        ),
        column("a_type", "frozen<address>", address("Main Street", true), address("nothing else", false)),
        column("an_open_type", "address", address("Side Street", true), address("only a street", false)),
        column("a_vector", "vector<float, 3>", vector([1.0, -2.5, 0.25]), vector([0.0, 0.0, 0.0])),
    ]
}

fn text(text: &str) -> CqlValue {
    CqlValue::Text(text.to_owned())
}

fn ints(ints: &[i32]) -> Vec<CqlValue> {
    ints.iter().copied().map(CqlValue::Int).collect()
}

fn date(days: u32) -> CqlValue {
    CqlValue::Date(CqlDate(days))
}

fn decimal(unscaled: Vec<u8>, scale: i32) -> CqlValue {
    CqlValue::Decimal(CqlDecimal::from_signed_be_bytes_and_exponent(unscaled, scale))
}

fn varint(bytes: Vec<u8>) -> CqlValue {
    CqlValue::Varint(CqlVarint::from_signed_bytes_be(bytes))
}

fn duration(months: i32, days: i32, nanoseconds: i64) -> CqlValue {
    CqlValue::Duration(CqlDuration { months, days, nanoseconds })
}

fn timestamp(milliseconds: i64) -> CqlValue {
    CqlValue::Timestamp(CqlTimestamp(milliseconds))
}

fn timeuuid(bits: u128) -> CqlValue {
    CqlValue::Timeuuid(CqlTimeuuid::from_u128(bits))
}

fn uuid(bits: u128) -> CqlValue {
    CqlValue::Uuid(CqlTimeuuid::from_u128(bits).into())
}

fn vector(parts: [f32; 3]) -> CqlValue {
    CqlValue::Vector(parts.map(CqlValue::Float).into())
}

/// A value of the user-defined type; what is not `whole` has a street alone.
fn address(street: &str, whole: bool) -> CqlValue {
    let numbers = CqlValue::List(ints(&[1, 2]));
    let labels = CqlValue::Map(vec![(text("home"), text("1"))]);
    CqlValue::UserDefinedType {
        keyspace: "app".to_owned(),
        name: "address".to_owned(),
        fields: vec![
            ("street".to_owned(), Some(text(street))),
            ("numbers".to_owned(), whole.then_some(numbers)),
            ("labels".to_owned(), whole.then_some(labels)),
        ],
    }
}
