//! Generators of types and of values in wire form, and the laws that hold of all of them.

use ilium_cql::CqlType;
use ilium_cql::json::{Style, from_json, parse_strict, to_json, to_json_as, write_json, write_text};
use ilium_cql::sort_key;
use ilium_cql::types::UserType;
use ilium_cql::value::text::{Duration, from_string, to_cql_literal};
use ilium_cql::value::{compare, list_elements, normalize, push_bytes, push_vector_element, validate};
use proptest::collection::vec;
use proptest::prelude::*;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

fn native() -> impl Strategy<Value = CqlType> {
    prop::sample::select(vec![
        CqlType::Ascii,
        CqlType::Bigint,
        CqlType::Blob,
        CqlType::Boolean,
        CqlType::Date,
        CqlType::Decimal,
        CqlType::Double,
        CqlType::Duration,
        CqlType::Float,
        CqlType::Inet,
        CqlType::Int,
        CqlType::Smallint,
        CqlType::Text,
        CqlType::Time,
        CqlType::Timestamp,
        CqlType::Timeuuid,
        CqlType::Tinyint,
        CqlType::Uuid,
        CqlType::Varint,
    ])
}

pub fn any_type() -> impl Strategy<Value = CqlType> {
    native().prop_recursive(3, 12, 3, |inner| {
        let one = || inner.clone().prop_map(Arc::new);
        prop_oneof![
            one().prop_map(|element| CqlType::List { element, frozen: true }),
            one().prop_map(|element| CqlType::Set { element, frozen: true }),
            (one(), one()).prop_map(|(key, value)| CqlType::Map { key, value, frozen: true }),
            vec(inner.clone(), 1..4).prop_map(|fields| CqlType::Tuple(fields.into())),
            (one(), 1u32..4).prop_map(|(element, dimension)| CqlType::Vector { element, dimension }),
            vec(inner, 1..4).prop_map(|fields| {
                let fields = fields.into_iter().enumerate();
                let fields = fields.map(|(i, ty)| (Arc::from(format!("F{i}")), ty)).collect();
                CqlType::Udt {
                    definition: Arc::new(UserType {
                        keyspace: Arc::from("ks"),
                        name: Arc::from("Made Up"),
                        fields,
                    }),
                    frozen: true,
                }
            }),
        ]
    })
}

fn bytes_of<T: std::fmt::Debug, const N: usize>(
    strategy: impl Strategy<Value = T> + 'static,
    to_bytes: impl Fn(T) -> [u8; N] + Clone + 'static,
) -> BoxedStrategy<Vec<u8>> {
    strategy.prop_map(move |value| to_bytes(value).to_vec()).boxed()
}

/// A value of a type, near the corners more often than not.
pub fn value_of(ty: &CqlType) -> BoxedStrategy<Vec<u8>> {
    let full = non_empty(ty);
    if ty.is_empty_allowed() { prop_oneof![9 => full, 1 => Just(Vec::new())].boxed() } else { full }
}

fn non_empty(ty: &CqlType) -> BoxedStrategy<Vec<u8>> {
    match ty {
        CqlType::Ascii => "[ -~\0]{0,3}".prop_map(String::into_bytes).boxed(),
        CqlType::Text => "\\PC{0,2}[\0a]{0,2}".prop_map(String::into_bytes).boxed(),
        CqlType::Blob | CqlType::Custom(_) => {
            vec(prop_oneof![Just(0u8), Just(1), Just(255), any::<u8>()], 0..5).boxed()
        }
        CqlType::Boolean => bytes_of(prop_oneof![Just(0u8), Just(1), Just(2)], |b| [b]),
        CqlType::Tinyint => bytes_of(any::<i8>(), i8::to_be_bytes),
        CqlType::Smallint => bytes_of(any::<i16>(), i16::to_be_bytes),
        CqlType::Int => bytes_of(any::<i32>().prop_map(|n| n >> (n & 31)), i32::to_be_bytes),
        CqlType::Date => bytes_of(any::<u32>(), u32::to_be_bytes),
        CqlType::Bigint | CqlType::Counter | CqlType::Timestamp => {
            bytes_of(any::<i64>().prop_map(|n| n >> (n & 63)), i64::to_be_bytes)
        }
        CqlType::Time => bytes_of(0i64..86_400_000_000_000, i64::to_be_bytes),
        CqlType::Float => bytes_of(
            prop_oneof![Just(0.0f32), Just(-0.0), Just(f32::NAN), any::<u32>().prop_map(f32::from_bits)],
            f32::to_be_bytes,
        ),
        CqlType::Double => bytes_of(
            prop_oneof![Just(0.0f64), Just(-0.0), Just(f64::NAN), any::<u64>().prop_map(f64::from_bits)],
            f64::to_be_bytes,
        ),
        CqlType::Varint => varint().boxed(),
        CqlType::Decimal => {
            let scale =
                prop_oneof![4 => -3..4i32, 1 => Just(i32::MIN), 1 => Just(i32::MAX), 1 => any::<i32>()];
            (scale, prop_oneof![varint(), (-200i64..200).prop_map(|n| (n * 10).to_be_bytes().to_vec())])
                .prop_map(|(scale, unscaled)| [&scale.to_be_bytes(), unscaled.as_slice()].concat())
                .boxed()
        }
        CqlType::Inet => prop_oneof![vec(any::<u8>(), 4), vec(any::<u8>(), 16)].boxed(),
        CqlType::Uuid => (any::<u128>(), 0u128..16)
            .prop_map(|(bits, version)| (bits & !(0xf << 76) | version << 76).to_be_bytes().to_vec())
            .boxed(),
        CqlType::Timeuuid => (any::<u128>(), prop::bool::ANY)
            .prop_map(|(bits, same_time)| {
                let bits = if same_time { bits & u128::from(u64::MAX) } else { bits };
                (bits & !(0xf << 76) | 1 << 76).to_be_bytes().to_vec()
            })
            .boxed(),
        CqlType::Duration => (any::<i32>(), any::<i32>(), any::<i64>(), prop::bool::ANY)
            .prop_map(|(months, days, nanos, negative)| {
                let (months, days, nanos) = (months & i32::MAX, days & i32::MAX, nanos & i64::MAX);
                let sign = if negative { -1 } else { 1 };
                Duration { months: months * sign, days: days * sign, nanos: nanos * i64::from(sign) }
                    .to_wire()
            })
            .boxed(),
        CqlType::Empty => Just(Vec::new()).boxed(),
        CqlType::List { element, .. } | CqlType::Set { element, .. } => entries(vec![value_of(element)]),
        CqlType::Map { key, value, .. } => entries(vec![value_of(key), value_of(value)]),
        CqlType::Tuple(fields) => fields_of(fields.iter().collect()),
        CqlType::Udt { definition, .. } => fields_of(definition.fields.iter().map(|(_, ty)| ty).collect()),
        CqlType::Vector { element, dimension } => {
            let element_type = element.clone();
            let one = if element.fixed_len().is_some() { non_empty(element) } else { value_of(element) };
            vec(one, *dimension as usize)
                .prop_map(move |elements| {
                    let mut out = Vec::new();
                    for element in elements {
                        push_vector_element(&mut out, &element_type, &element).unwrap();
                    }
                    out
                })
                .boxed()
        }
    }
}

/// Two's complement, sometimes with sign bytes to spare, sometimes longer than a hundred bytes.
fn varint() -> impl Strategy<Value = Vec<u8>> {
    let small = any::<i64>().prop_map(|n| n >> (n & 63));
    let long = prop_oneof![vec(any::<u8>(), 1..20), vec(any::<u8>(), 120..135)];
    prop_oneof![
        3 => small.prop_map(|n| num_bigint::BigInt::from(n).to_signed_bytes_be()),
        1 => long,
        1 => (any::<i16>(), 0usize..3).prop_map(|(n, spare)| {
            let mut bytes = vec![if n < 0 { 0xff } else { 0 }; spare];
            bytes.extend(n.to_be_bytes());
            bytes
        }),
    ]
}

fn entries(members: Vec<BoxedStrategy<Vec<u8>>>) -> BoxedStrategy<Vec<u8>> {
    vec(members, 0..4)
        .prop_map(|entries| {
            let mut out = (entries.len() as i32).to_be_bytes().to_vec();
            entries.iter().flatten().for_each(|part| push_bytes(&mut out, Some(part)).unwrap());
            out
        })
        .boxed()
}

fn fields_of(fields: Vec<&CqlType>) -> BoxedStrategy<Vec<u8>> {
    let all: Vec<_> = fields.iter().map(|ty| prop::option::weighted(0.7, value_of(ty))).collect();
    let most = all.len();
    (all, prop_oneof![4 => Just(most), 1 => 0..=most])
        .prop_map(|(fields, kept)| {
            let mut out = Vec::new();
            for field in fields.iter().take(kept) {
                push_bytes(&mut out, field.as_deref()).unwrap();
            }
            out
        })
        .boxed()
}

pub fn typed_values(count: usize) -> impl Strategy<Value = (CqlType, Vec<Vec<u8>>)> {
    any_type().prop_flat_map(move |ty| {
        let values = vec(value_of(&ty), count);
        (Just(ty), values)
    })
}

/// A native value whose texts read back: not empty, finite, of a common era, of a moderate scale.
fn readable_scalar() -> impl Strategy<Value = (CqlType, Vec<u8>)> {
    native()
        .prop_flat_map(|ty| {
            let values = match ty {
                CqlType::Timestamp => bytes_of(-62_135_596_800_000..253_402_300_800_000i64, i64::to_be_bytes),
                _ => non_empty(&ty),
            };
            (Just(ty), values)
        })
        .prop_filter("the text of this value does not read back", |(ty, bytes)| match ty {
            CqlType::Float => f32::from_be_bytes(bytes.as_slice().try_into().unwrap()).is_finite(),
            CqlType::Double => f64::from_be_bytes(bytes.as_slice().try_into().unwrap()).is_finite(),
            CqlType::Decimal => {
                i32::from_be_bytes(bytes.as_slice()[..4].try_into().unwrap()).unsigned_abs() < 1 << 30
            }
            // Zero prints as nothing at all.
            CqlType::Duration => bytes != &[0, 0, 0],
            // An IPv6 address that maps an IPv4 one prints as that.
            CqlType::Inet => bytes.len() == 4 || !bytes.starts_with(&[0; 10]),
            _ => true,
        })
}

fn json_of(ty: &CqlType, bytes: &[u8]) -> String {
    let mut out = String::new();
    to_json(ty, bytes, &mut out).unwrap();
    out
}

fn component(ty: &CqlType, bytes: &[u8], reversed: bool) -> Vec<u8> {
    let mut out = Vec::new();
    sort_key::encode(ty, bytes, reversed, &mut out).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn generated_values_are_valid((ty, values) in typed_values(1)) {
        prop_assert_eq!(validate(&ty, &values[0]), Ok(()), "{}", ty);
    }

    #[test]
    fn comparison_is_a_total_order((ty, values) in typed_values(3)) {
        let [a, b, c] = [&values[0], &values[1], &values[2]];
        prop_assert_eq!(compare(&ty, a, a), Ordering::Equal);
        prop_assert_eq!(compare(&ty, a, b), compare(&ty, b, a).reverse());
        if compare(&ty, a, b).is_le() && compare(&ty, b, c).is_le() {
            prop_assert!(compare(&ty, a, c).is_le(), "{}", ty);
        }
    }

    #[test]
    fn sort_keys_order_as_values_do((ty, values) in typed_values(2)) {
        let (a, b) = (&values[0], &values[1]);
        let order = compare(&ty, a, b);
        let (key_a, key_b) = (component(&ty, a, false), component(&ty, b, false));
        prop_assert_eq!(key_a.cmp(&key_b), order, "{}", ty);
        prop_assert_eq!(component(&ty, a, true).cmp(&component(&ty, b, true)), order.reverse(), "{} DESC", ty);
        if order.is_ne() {
            prop_assert!(!key_a.starts_with(&key_b) && !key_b.starts_with(&key_a), "{}", ty);
        }
    }

    #[test]
    fn sort_keys_begin_between_the_bounds((ty, values) in typed_values(1), reversed: bool) {
        let key = component(&ty, &values[0], reversed);
        prop_assert!(!matches!(key.first(), None | Some(0x00 | 0xff)));
    }

    #[test]
    fn sort_keys_decode_to_an_equal_value_and_to_its_bytes_unless_lossy(
        (ty, values) in typed_values(1),
        reversed: bool,
    ) {
        let value = &values[0];
        let mut key = component(&ty, value, reversed);
        key.extend_from_slice(&[0xab, 0x00]);
        let mut rest = key.as_slice();
        let back = sort_key::decode(&ty, reversed, &mut rest).unwrap();
        prop_assert_eq!(rest, &[0xab, 0x00]);
        prop_assert_eq!(validate(&ty, &back), Ok(()));
        prop_assert_eq!(compare(&ty, value, &back), Ordering::Equal);
        prop_assert_eq!(sort_key::loses_bytes(&ty, value), &back != value, "{}", ty);
        prop_assert!(sort_key::is_lossy(&ty) || &back == value, "{}", ty);
    }

    #[test]
    fn keys_of_several_components_order_column_by_column(
        (first, a) in typed_values(2),
        (second, b) in typed_values(2),
        desc_first: bool,
        desc_second: bool,
    ) {
        let key = |i: usize| {
            let mut out = component(&first, &a[i], desc_first);
            out.extend(component(&second, &b[i], desc_second));
            out
        };
        let directed = |order: Ordering, desc: bool| if desc { order.reverse() } else { order };
        let expected = directed(compare(&first, &a[0], &a[1]), desc_first)
            .then(directed(compare(&second, &b[0], &b[1]), desc_second));
        prop_assert_eq!(key(0).cmp(&key(1)), expected);
        // A bound after the first column lies on the right side of every key.
        let prefix = component(&first, &a[0], desc_first);
        for (byte, side) in [(0x00, Ordering::Greater), (0xff, Ordering::Less)] {
            let bound = [prefix.as_slice(), &[byte]].concat();
            prop_assert_eq!(key(0).cmp(&bound), side);
            let order = directed(compare(&first, &a[1], &a[0]), desc_first);
            prop_assert_eq!(key(1).cmp(&bound), order.then(side));
        }
    }

    #[test]
    fn what_json_gives_back_renders_as_the_same_json((ty, values) in typed_values(1)) {
        let json = json_of(&ty, &values[0]);
        // An empty value, NaN and an exponent beyond 32 bits have a JSON form that does not read back.
        if let Ok(Some(back)) = from_json(&ty, &serde_json::from_str(&json).unwrap()) {
            prop_assert_eq!(validate(&ty, &back), Ok(()), "{}", json);
            let again = from_json(&ty, &serde_json::from_str(&json_of(&ty, &back)).unwrap());
            prop_assert_eq!(again, Ok(Some(back)), "{}", json);
        }
    }

    #[test]
    fn what_json_of_the_rest_api_gives_back_renders_as_the_same_json((ty, values) in typed_values(1)) {
        for compact_maps in [true, false] {
            let style = Style::Rest { compact_maps };
            let json = |bytes: &[u8]| {
                let mut out = String::new();
                to_json_as(&ty, bytes, style, &mut out).map(|()| out)
            };
            let shown = json(&values[0]).unwrap();
            let parsed: serde_json::Value = serde_json::from_str(&shown).unwrap();
            let mut back = Vec::new();
            // What has a JSON form that does not read back: an empty value, an exponent beyond 32 bits.
            if write_json(&ty, &parsed, style, &mut back).is_ok() {
                prop_assert_eq!(validate(&ty, &back), Ok(()), "{}", &shown);
                // A set whose elements come twice is read as they are once, so it is what was read that stays.
                let parsed = serde_json::from_str(&json(&back).unwrap()).unwrap();
                let mut again = Vec::new();
                write_json(&ty, &parsed, style, &mut again).unwrap();
                prop_assert_eq!(again, back, "{}", &shown);
            }
            // The same as a string, as it stands in a path, where a key that comes twice is refused.
            let is_strict = parse_strict(&shown).is_ok();
            let (mut direct, mut through_text) = (Vec::new(), Vec::new());
            if is_strict && ty.is_freezable() && write_json(&ty, &parsed, style, &mut direct).is_ok() {
                write_text(&ty, &shown, style, &mut through_text).unwrap();
                prop_assert_eq!(direct, through_text, "{}", shown);
            }
        }
    }

    #[test]
    fn any_text_is_a_value_or_an_error((ty, _) in typed_values(1), text in "[\\[\\](){}:,'\"a1. -]{0,16}") {
        for compact_maps in [true, false] {
            let mut bytes = Vec::new();
            if write_text(&ty, &text, Style::Rest { compact_maps }, &mut bytes).is_ok() {
                prop_assert_eq!(validate(&ty, &bytes), Ok(()), "{} as {}", &text, &ty);
            }
        }
    }

    #[test]
    fn a_scalar_reads_back_from_its_json_and_its_literal((ty, value) in readable_scalar()) {
        let json = serde_json::from_str(&json_of(&ty, &value)).unwrap();
        let back = from_json(&ty, &json).unwrap().unwrap();
        prop_assert_eq!(compare(&ty, &back, &value), Ordering::Equal, "{} {}", ty, json);

        let literal = to_cql_literal(&ty, Some(&value)).unwrap();
        let text = match literal.strip_prefix('\'') {
            Some(quoted) => quoted.strip_suffix('\'').unwrap().replace("''", "'"),
            None => literal.strip_prefix("0x").unwrap_or(&literal).to_owned(),
        };
        let back = from_string(&ty, &text).unwrap();
        prop_assert_eq!(compare(&ty, &back, &value), Ordering::Equal, "{} {}", ty, literal);
    }

    #[test]
    fn normal_collections_are_left_alone_and_others_become_normal((ty, values) in typed_values(1)) {
        let once = normalize(&ty, &values[0]).unwrap().into_owned();
        prop_assert_eq!(validate(&ty, &once), Ok(()), "{}", ty);
        let twice = normalize(&ty, &once).unwrap();
        prop_assert!(matches!(twice, Cow::Borrowed(_)), "{}", ty);
        if let CqlType::Set { element, .. } = &ty {
            let elements: Vec<_> = list_elements(&once).unwrap().map(Result::unwrap).collect();
            prop_assert!(elements.is_sorted_by(|a, b| compare(element, a, b).is_lt()));
        }
    }

    #[test]
    fn a_type_reads_back_from_its_text(ty in any_type()) {
        let definitions = std::cell::RefCell::new(Vec::new());
        collect_definitions(&ty, &mut definitions.borrow_mut());
        // Generated definitions share a name; only types with one of them can be told apart by it.
        if definitions.borrow().len() > 1 {
            return Ok(());
        }
        let resolve = |_: &str| definitions.borrow().first().cloned();
        prop_assert_eq!(CqlType::parse(&ty.to_string(), &resolve), Ok(ty));
    }

    #[test]
    fn damaged_values_are_refused_or_handled_but_never_panic(
        (ty, values) in typed_values(2),
        at in any::<prop::sample::Index>(),
        byte: u8,
        cut: bool,
    ) {
        let mut damaged = values[0].clone();
        if !damaged.is_empty() {
            let at = at.index(damaged.len());
            if cut { damaged.truncate(at) } else { damaged[at] = byte }
        }
        let valid = validate(&ty, &damaged).is_ok();
        let _ = compare(&ty, &damaged, &values[1]);
        let mut key = Vec::new();
        let encoded = sort_key::encode(&ty, &damaged, false, &mut key);
        prop_assert!(encoded.is_ok() || !valid, "{}", ty);
        let _ = sort_key::decode(&ty, false, &mut damaged.as_slice());
        let literal = to_cql_literal(&ty, Some(&damaged));
        prop_assert!(literal.is_ok() || !valid, "{}", ty);
        let mut json = String::new();
        let rendered = to_json(&ty, &damaged, &mut json);
        prop_assert!(rendered.is_ok() || !valid, "{}", ty);
        if valid {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{}", json);
        }
    }
}

fn collect_definitions(ty: &CqlType, into: &mut Vec<Arc<UserType>>) {
    if let CqlType::Udt { definition, .. } = ty {
        into.push(definition.clone());
    }
    ty.parts().for_each(|part| collect_definitions(part, into));
}

#[test]
fn a_number_too_long_to_read_quickly_is_refused() {
    for ty in [CqlType::Varint, CqlType::Decimal] {
        let longest = "9".repeat(ilium_cql::value::text::MAX_NUMBER_LEN);
        assert!(from_string(&ty, &longest).is_ok());
        let error = from_string(&ty, &format!("{longest}9")).unwrap_err();
        assert!(error.message().contains("bind its bytes"), "{error}");
    }
}
