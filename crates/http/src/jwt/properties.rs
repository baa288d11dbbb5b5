//! Tokens as an issuer might make them, and as somebody else might alter them.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};

use super::tests::{Issuer, NOW, rules};
use super::verify;

/// A claim, and whether a token with it may be believed.
type Claim = (Option<Value>, bool);

/// JSON of any kind.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z ]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..3)
                .prop_map(|fields| fields.into_iter().collect::<Map<_, _>>().into()),
        ]
    })
}

fn no_number() -> impl Strategy<Value = Value> {
    anything().prop_filter("a number", |value| !value.is_number())
}

/// What is right, as often as what is not.
fn claim(
    right: BoxedStrategy<Value>,
    wrong: BoxedStrategy<Value>,
    may_be_missing: bool,
) -> BoxedStrategy<Claim> {
    prop_oneof![
        8 => right.prop_map(|value| (Some(value), true)),
        1 => wrong.prop_map(|value| (Some(value), false)),
        1 => Just((None, may_be_missing)),
    ]
    .boxed()
}

fn issuers() -> BoxedStrategy<Claim> {
    let right = rules().issuer;
    let is_other = {
        let right = right.clone();
        move |value: &Value| *value != json!(right)
    };
    claim(Just(json!(right)).boxed(), anything().prop_filter("the right one", is_other).boxed(), false)
}

fn audiences() -> BoxedStrategy<Claim> {
    let others = || prop::collection::vec("[a-z]{0,6}".prop_map(Value::from), 0..3);
    let among = (others(), others())
        .prop_map(|(before, after)| json!([before, vec![json!("ilium")], after].concat()));
    let wrong = anything().prop_filter("the right one", |value| {
        *value != json!("ilium") && value.as_array().is_none_or(|values| !values.contains(&json!("ilium")))
    });
    claim(prop_oneof![Just(json!("ilium")), among].boxed(), wrong.boxed(), false)
}

/// The clocks may differ by thirty seconds: just at that as well as far from it.
fn ends() -> BoxedStrategy<Claim> {
    let right = prop_oneof![
        (NOW - 29..NOW).prop_map(Value::from),
        (NOW..u64::MAX).prop_map(Value::from),
        (0.0..1e12).prop_map(|later: f64| json!(NOW as f64 + later)),
    ];
    let wrong = prop_oneof![
        (NOW - 60..=NOW - 30).prop_map(Value::from),
        (i64::MIN..0).prop_map(Value::from),
        no_number(),
    ];
    claim(right.boxed(), wrong.boxed(), false)
}

fn begins() -> BoxedStrategy<Claim> {
    let right =
        prop_oneof![(NOW..=NOW + 30).prop_map(Value::from), (i64::MIN..NOW as i64).prop_map(Value::from)];
    let wrong = prop_oneof![
        (NOW + 31..NOW + 60).prop_map(Value::from),
        (NOW * 2..u64::MAX).prop_map(Value::from),
        no_number(),
    ];
    claim(right.boxed(), wrong.boxed(), true)
}

/// A claim that names roles, and the names that are in it.
fn roles() -> impl Strategy<Value = (Option<Value>, Vec<String>)> {
    let list = prop::collection::vec(anything(), 0..4).prop_map(|values| {
        let names = values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect();
        (Some(Value::from(values)), names)
    });
    prop_oneof![
        "[a-z]{0,8}".prop_map(|name| (Some(json!(name)), vec![name])),
        list,
        no_name().prop_map(|value| (Some(value), Vec::new())),
        Just((None, Vec::new())),
    ]
}

fn no_name() -> impl Strategy<Value = Value> {
    anything().prop_filter("names", |value| !value.is_string() && !value.is_array())
}

fn token(issuer: &Issuer, claims: [(&str, Option<Value>); 5]) -> String {
    let claims: Map<String, Value> =
        claims.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    issuer.token(&claims.into())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn a_token_that_is_signed_is_believed_if_all_its_claims_are_right_and_names_the_roles_it_says(
        (iss, aud, exp, nbf) in (issuers(), audiences(), ends(), begins()),
        (role, names) in roles(),
    ) {
        let issuer = Issuer::new();
        let is_right = iss.1 && aud.1 && exp.1 && nbf.1;
        let token = token(&issuer, [("iss", iss.0), ("aud", aud.0), ("exp", exp.0), ("nbf", nbf.0), ("role", role)]);
        let believed = verify(&token, &issuer.keys(), &rules(), NOW);
        prop_assert_eq!(believed.is_ok(), is_right, "{:?}", believed);
        if let Ok(claims) = believed {
            prop_assert_eq!(claims.values("role"), names);
        }
    }

    #[test]
    fn no_byte_of_a_token_can_be_another(role in anything(), at in any::<Index>(), byte in 0..0x80_u8) {
        let issuer = Issuer::new();
        let claims = json!({"iss": rules().issuer, "aud": "ilium", "exp": NOW + 60, "role": role});
        let token = issuer.token(&claims);
        let keys = issuer.keys();
        prop_assert!(verify(&token, &keys, &rules(), NOW).is_ok());
        let at = at.index(token.len());
        let mut altered = token.into_bytes();
        prop_assume!(altered[at] != byte);
        altered[at] = byte;
        let altered = String::from_utf8(altered).unwrap();
        prop_assert!(verify(&altered, &keys, &rules(), NOW).is_err(), "byte {at}: {altered}");
    }
}
