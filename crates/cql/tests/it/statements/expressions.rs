//! Terms and selectors.

use ilium_cql::ast::*;
use proptest::prelude::*;

use super::*;

fn expr(kind: ExprKind) -> Expr {
    Expr { kind, span: Span::default() }
}

fn literal() -> BoxedStrategy<Expr> {
    let of = |kind: LiteralKind, text: BoxedStrategy<String>| {
        text.prop_map(move |text| expr(ExprKind::Literal(Literal { kind, text })))
    };
    let nan = proptest::sample::select(&["NaN", "Infinity", "-Infinity"][..]).prop_map(str::to_owned);
    prop_oneof![
        3 => of(LiteralKind::Integer, "-?(0|[1-9][0-9]{0,11})".boxed()),
        2 => of(LiteralKind::String, text()),
        1 => of(LiteralKind::Float, "-?[0-9]{1,4}(\\.[0-9]{0,3}([eE][+-]?[0-9]{1,2})?|[eE][+-][0-9]{1,2})".boxed()),
        1 => of(LiteralKind::Boolean, "true|false|TRUE".boxed()),
        1 => of(LiteralKind::Uuid, "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9A-F]{4}-[0-9a-f]{12}".boxed()),
        1 => of(LiteralKind::Hex, "0[xX][0-9a-fA-F]{0,6}".boxed()),
        1 => of(LiteralKind::Duration, "-?[0-9]{1,3}(mo|w|ms|us|ns|µs|s|h)([0-9]{1,2}(s|h|mo))?|-?P1Y2DT3H|P2W".boxed()),
        1 => of(LiteralKind::NanOrInfinity, nan.boxed()),
    ]
    .boxed()
}

/// Markers get their numbers from the text, so all are numbered 0 here.
pub fn marker() -> BoxedStrategy<Expr> {
    proptest::option::of(name()).prop_map(|name| expr(ExprKind::Bind { name, index: 0 })).boxed()
}

/// What LIMIT takes.
pub fn integer_or_marker() -> BoxedStrategy<Expr> {
    let integer = "-?[1-9][0-9]{0,4}"
        .prop_map(|text| expr(ExprKind::Literal(Literal { kind: LiteralKind::Integer, text })));
    prop_oneof![integer, marker()].boxed()
}

pub fn json() -> BoxedStrategy<Expr> {
    let string = text().prop_map(|text| expr(ExprKind::Literal(Literal { kind: LiteralKind::String, text })));
    prop_oneof![string, marker()].boxed()
}

fn constant_or_marker() -> BoxedStrategy<Expr> {
    prop_oneof![5 => literal(), 2 => marker(), 1 => Just(expr(ExprKind::Null))].boxed()
}

pub fn term() -> BoxedStrategy<Expr> {
    simple_term(2).prop_flat_map(arithmetic).boxed()
}

pub fn tuple() -> BoxedStrategy<Expr> {
    some(term(), 1).prop_map(|items| expr(ExprKind::Tuple(items))).boxed()
}

/// A term without operators, nested `depth` deep.
fn simple_term(depth: u32) -> BoxedStrategy<Expr> {
    if depth == 0 {
        return constant_or_marker();
    }
    let simple = || simple_term(depth - 1);
    let inner = || simple().prop_flat_map(arithmetic);
    prop_oneof![
        6 => constant_or_marker(),
        1 => some(inner(), 0).prop_map(|items| expr(ExprKind::List(items))),
        1 => some(inner(), 0).prop_map(|items| expr(ExprKind::Set(items))),
        1 => some(inner(), 1).prop_map(|items| expr(ExprKind::Tuple(items))),
        1 => some((inner(), inner()), 1).prop_map(|entries| expr(ExprKind::Map(entries))),
        1 => some((name(), inner()), 1).prop_map(|fields| expr(ExprKind::Udt(fields))),
        2 => (qualified(), some(inner(), 0))
            .prop_map(|(function, arguments)| expr(ExprKind::Call { function, arguments })),
        1 => (type_name(), simple())
            .prop_map(|(to, value)| expr(ExprKind::TypeHint { to, value: Box::new(value) })),
        1 => (simple(), native_type())
            .prop_map(|(value, to)| expr(ExprKind::Cast { value: Box::new(value), to })),
    ]
    .boxed()
}

fn binary(operator: Arithmetic, left: Expr, right: Expr) -> Expr {
    expr(ExprKind::Binary { operator, left: Box::new(left), right: Box::new(right) })
}

/// `first`, alone or with operators as the grammar groups them.
fn arithmetic(first: Expr) -> BoxedStrategy<Expr> {
    let second = constant_or_marker();
    let third = constant_or_marker();
    (second, third, 0..8u8)
        .prop_map(move |(second, third, shape)| {
            let first = first.clone();
            let negated = |of| expr(ExprKind::Negate(Box::new(of)));
            match shape {
                0 => negated(first),
                1 => binary(Arithmetic::Add, first, second),
                2 => binary(Arithmetic::Subtract, binary(Arithmetic::Multiply, first, second), third),
                3 => binary(Arithmetic::Add, first, binary(Arithmetic::Divide, negated(second), third)),
                4 => binary(Arithmetic::Modulo, binary(Arithmetic::Multiply, first, second), third),
                _ => first,
            }
        })
        .boxed()
}

pub fn selector() -> BoxedStrategy<Expr> {
    plain_selector(2).prop_flat_map(modified).prop_flat_map(arithmetic).boxed()
}

fn column_expr() -> BoxedStrategy<Expr> {
    name().prop_map(|name| expr(ExprKind::Column(name))).boxed()
}

/// A selector without operators and modifiers, nested `depth` deep.
fn plain_selector(depth: u32) -> BoxedStrategy<Expr> {
    if depth == 0 {
        return prop_oneof![2 => column_expr(), 1 => constant_or_marker()].boxed();
    }
    let plain = || plain_selector(depth - 1);
    let inner = || plain().prop_flat_map(modified).prop_flat_map(arithmetic);
    // With columns for keys it reads back as a user-defined type's value, and `(a): b` as a hint for marker `:b`.
    let is_map = |entries: &Vec<(Expr, Expr)>| {
        !entries.iter().all(|(key, _)| matches!(key.kind, ExprKind::Column(_)))
            && !entries.iter().any(|(key, _)| key.to_string().ends_with(')'))
    };
    let map = some((inner(), inner()), 1)
        .prop_filter("reads back as something else", is_map)
        .prop_map(|entries| expr(ExprKind::Map(entries)));
    let call = (qualified(), some(inner(), 0))
        .prop_filter("reads back as count(*)", |(function, arguments)| {
            let constant = matches!(arguments.as_slice(), [Expr { kind: ExprKind::Literal(_), .. }]);
            !(constant && function.name.as_str() == "count")
        })
        .prop_map(|(function, arguments)| expr(ExprKind::Call { function, arguments }));
    let meta = proptest::sample::select(&[CellMeta::WriteTime, CellMeta::MaxWriteTime, CellMeta::Ttl][..]);
    prop_oneof![
        6 => column_expr(),
        2 => constant_or_marker(),
        1 => Just(expr(ExprKind::CountRows)),
        1 => some(inner(), 0).prop_map(|items| expr(ExprKind::List(items))),
        1 => some(inner(), 0).prop_map(|items| expr(ExprKind::Set(items))),
        1 => some(inner(), 1).prop_map(|items| expr(ExprKind::Tuple(items))),
        1 => map,
        1 => some((name(), inner()), 1).prop_map(|fields| expr(ExprKind::Udt(fields))),
        2 => call,
        1 => (type_name(), plain())
            .prop_map(|(to, value)| expr(ExprKind::TypeHint { to, value: Box::new(value) })),
        1 => (inner(), native_type())
            .prop_map(|(value, to)| expr(ExprKind::Cast { value: Box::new(value), to })),
        1 => (meta, column_expr().prop_flat_map(modified))
            .prop_map(|(what, of)| expr(ExprKind::CellMeta { what, of: Box::new(of) })),
    ]
    .boxed()
}

/// `of`, alone or with a field, an element or a slice of it.
fn modified(of: Expr) -> BoxedStrategy<Expr> {
    let in_parentheses = matches!(of.kind, ExprKind::Tuple(_));
    (name(), simple_term(1), simple_term(1), 0..10u8)
        .prop_map(move |(field, from, to, shape)| {
            let of = of.clone();
            let field_of = |of| expr(ExprKind::Field { of: Box::new(of), field: field.clone() });
            let (from, to) = (Box::new(from.clone()), Box::new(to.clone()));
            match shape {
                0 => field_of(of),
                1 => field_of(field_of(of)),
                // `(a)[0]` is a hint of type `a` for a list.
                2 if !in_parentheses => expr(ExprKind::Element { of: Box::new(of), key: from }),
                3 => expr(ExprKind::Slice { of: Box::new(of), from: Some(from), to: None }),
                4 => expr(ExprKind::Slice { of: Box::new(of), from: None, to: Some(to) }),
                5 => {
                    let slice = ExprKind::Slice { of: Box::new(of), from: Some(from), to: Some(to) };
                    field_of(expr(slice))
                }
                _ => of,
            }
        })
        .boxed()
}
