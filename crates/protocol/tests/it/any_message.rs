//! Random messages. Texts are leaked: messages borrow theirs, and a test's few are soon gone with the process.

use std::{net::IpAddr, sync::Arc};

use ilium_cql::{CqlType, UserType};
use ilium_protocol::*;
use proptest::{collection::vec, option, prelude::*, sample::select};

pub fn text() -> impl Strategy<Value = &'static str> {
    prop_oneof!["[a-z_]{0,12}", "\\PC{0,20}"].prop_map(|text| &*text.leak())
}

pub fn bytes() -> impl Strategy<Value = &'static [u8]> {
    vec(any::<u8>(), 0..40).prop_map(|bytes| &*bytes.leak())
}

fn maybe_bytes() -> impl Strategy<Value = Option<&'static [u8]>> {
    option::of(bytes())
}

pub fn version() -> impl Strategy<Value = ProtocolVersion> {
    select(&ProtocolVersion::ALL[..])
}

fn consistency() -> impl Strategy<Value = Consistency> {
    select(&Consistency::ALL[..])
}

fn payload(version: ProtocolVersion) -> BoxedStrategy<Payload<'static>> {
    if version < ProtocolVersion::V4 {
        return Just(Payload::new()).boxed();
    }
    vec((text(), maybe_bytes()), 0..3).boxed()
}

fn value(version: ProtocolVersion) -> BoxedStrategy<Value<'static>> {
    let known = prop_oneof![4 => bytes().prop_map(Value::Bytes), 1 => Just(Value::Null)];
    if version < ProtocolVersion::V4 {
        return known.boxed();
    }
    prop_oneof![4 => known, 1 => Just(Value::Unset)].boxed()
}

pub fn values(version: ProtocolVersion, names: bool) -> BoxedStrategy<Values> {
    let positional = vec(value(version), 0..12).prop_map(|values| {
        let mut builder = ValuesBuilder::new();
        values.into_iter().for_each(|value| builder.push(value).unwrap());
        builder.finish()
    });
    if !names {
        return positional.boxed();
    }
    let named = vec((text(), value(version)), 0..12).prop_map(|values| {
        let mut builder = ValuesBuilder::new();
        values.into_iter().for_each(|(name, value)| builder.push_named(name, value).unwrap());
        builder.finish()
    });
    prop_oneof![positional, named].boxed()
}

prop_compose! {
    fn parameters(version: ProtocolVersion, with_values: bool)(
        consistency in consistency(),
        values in values(version, true),
        skip_metadata in any::<bool>(),
        page_size in option::of(prop_oneof![1..i32::MAX, i32::MIN..0]),
        paging_state in maybe_bytes(),
        serial_consistency in option::of(consistency()),
        timestamp in option::of(i64::MIN + 1..),
        keyspace in option::of(text()),
        now_in_seconds in option::of(any::<u32>()),
    ) -> QueryParameters<'static> {
        let v5 = version >= ProtocolVersion::V5;
        QueryParameters {
            consistency,
            values: if with_values { values } else { Values::none() },
            skip_metadata,
            page_size,
            paging_state,
            serial_consistency,
            timestamp,
            keyspace: keyspace.filter(|_| v5),
            now_in_seconds: now_in_seconds.filter(|_| v5),
        }
    }
}

fn batch(version: ProtocolVersion) -> impl Strategy<Value = BatchRequest<'static>> {
    let statement =
        prop_oneof![text().prop_map(BatchedStatement::Query), bytes().prop_map(BatchedStatement::Prepared)];
    let statement = (statement, values(version, false))
        .prop_map(|(statement, values)| BatchStatement { statement, values });
    let kind = select(&[BatchType::Logged, BatchType::Unlogged, BatchType::Counter][..]);
    (kind, vec(statement, 0..5), parameters(version, false))
        .prop_map(|(kind, statements, parameters)| BatchRequest { kind, statements, parameters })
}

pub fn request(version: ProtocolVersion) -> BoxedStrategy<Request<'static>> {
    let v5 = version >= ProtocolVersion::V5;
    prop_oneof![
        vec((text(), text()), 0..4).prop_map(|options| Request::Startup(Startup { options })),
        maybe_bytes().prop_map(Request::AuthResponse),
        Just(Request::Options),
        (text(), parameters(version, true))
            .prop_map(|(query, parameters)| Request::Query(QueryRequest { query, parameters })),
        (text(), option::of(text())).prop_map(move |(query, keyspace)| {
            Request::Prepare(PrepareRequest { query, keyspace: keyspace.filter(|_| v5) })
        }),
        (bytes(), bytes(), parameters(version, true)).prop_map(move |(id, metadata, parameters)| {
            let result_metadata_id = v5.then_some(metadata);
            Request::Execute(ExecuteRequest { id, result_metadata_id, parameters })
        }),
        batch(version).prop_map(Request::Batch),
        vec(select(&EventType::ALL[..]), 0..4).prop_map(Request::Register),
    ]
    .boxed()
}

pub fn request_extras(version: ProtocolVersion) -> impl Strategy<Value = RequestExtras<'static>> {
    (any::<bool>(), payload(version)).prop_map(|(tracing, payload)| RequestExtras { tracing, payload })
}

/// Every native type, and compounds of them. Collections and user-defined types are not frozen, since the wire
/// does not say so; inside a vector, whose class name does, they are.
pub fn column_type() -> impl Strategy<Value = CqlType> {
    let native = select(vec![
        CqlType::Ascii,
        CqlType::Bigint,
        CqlType::Blob,
        CqlType::Boolean,
        CqlType::Counter,
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
        CqlType::Empty,
        CqlType::Custom("com.example.Unknown(a,b)".into()),
    ]);
    native.clone().prop_recursive(3, 12, 4, move |inner| {
        let definition =
            (text(), text(), vec((text(), inner.clone()), 0..4)).prop_map(|(keyspace, name, fields)| {
                UserType {
                    keyspace: keyspace.into(),
                    name: name.into(),
                    fields: fields.into_iter().map(|(name, ty)| (Arc::from(name), ty)).collect(),
                }
            });
        let element = native.clone().prop_filter("a class that is not known hides the vector", |ty| {
            !matches!(ty, CqlType::Custom(_))
        });
        prop_oneof![
            inner.clone().prop_map(|ty| CqlType::List { element: Arc::new(ty), frozen: false }),
            inner.clone().prop_map(|ty| CqlType::Set { element: Arc::new(ty), frozen: false }),
            (inner.clone(), inner.clone()).prop_map(|(key, value)| CqlType::Map {
                key: Arc::new(key),
                value: Arc::new(value),
                frozen: false,
            }),
            vec(inner, 0..4).prop_map(|types| CqlType::Tuple(types.into())),
            definition
                .prop_map(|definition| CqlType::Udt { definition: Arc::new(definition), frozen: false }),
            (element.clone(), 1..9000u32)
                .prop_map(|(ty, dimension)| CqlType::Vector { element: Arc::new(ty), dimension }),
            (element, 1..9000u32).prop_map(|(ty, dimension)| {
                let element = Arc::new(CqlType::List { element: Arc::new(ty), frozen: true });
                CqlType::Vector { element, dimension }
            }),
        ]
    })
}

prop_compose! {
    fn column()(keyspace in "[ab]", table in "[cd]", name in text(), ty in column_type()) -> ColumnSpec {
        ColumnSpec { keyspace: keyspace.into(), table: table.into(), name: name.into(), ty }
    }
}

pub fn columns() -> impl Strategy<Value = Vec<ColumnSpec>> {
    vec(column(), 0..5)
}

prop_compose! {
    fn rows_metadata(version: ProtocolVersion)(
        columns in prop_oneof![
            columns().prop_map(|columns| ColumnList::Specs(columns.into())),
            (0..100u32).prop_map(ColumnList::Omitted),
        ],
        paging_state in maybe_bytes(),
        new_metadata_id in maybe_bytes(),
    ) -> RowsMetadata<'static> {
        let new_metadata_id = new_metadata_id.filter(|_| version >= ProtocolVersion::V5);
        RowsMetadata { columns, paging_state, new_metadata_id }
    }
}

prop_compose! {
    fn prepared(version: ProtocolVersion)(
        id in bytes(),
        metadata in bytes(),
        columns in columns(),
        partition_key in vec(any::<u16>(), 0..4),
        result in rows_metadata(version),
    ) -> Prepared<'static> {
        let one_table = columns.windows(2).all(|pair| {
            (&pair[0].keyspace, &pair[0].table) == (&pair[1].keyspace, &pair[1].table)
        });
        // Only then are the indexes sent.
        let sent = version >= ProtocolVersion::V4 && one_table && !columns.is_empty();
        Prepared {
            id,
            result_metadata_id: (version >= ProtocolVersion::V5).then_some(metadata),
            bind: BindMetadata {
                columns: ColumnList::Specs(columns.into()),
                partition_key: if sent { partition_key.into() } else { Vec::new().into() },
            },
            result,
        }
    }
}

fn schema_change(version: ProtocolVersion) -> impl Strategy<Value = SchemaChange<'static>> {
    let simple = prop_oneof![
        Just(SchemaTarget::Keyspace),
        text().prop_map(SchemaTarget::Table),
        text().prop_map(SchemaTarget::Type),
    ];
    let target = if version < ProtocolVersion::V4 {
        simple.boxed()
    } else {
        prop_oneof![
            simple,
            (text(), vec(text(), 0..3))
                .prop_map(|(name, arguments)| SchemaTarget::Function { name, arguments }),
            (text(), vec(text(), 0..3))
                .prop_map(|(name, arguments)| SchemaTarget::Aggregate { name, arguments }),
        ]
        .boxed()
    };
    (select(&ChangeType::ALL[..]), text(), target).prop_map(|(change, keyspace, target)| SchemaChange {
        change,
        keyspace,
        target,
    })
}

fn event(version: ProtocolVersion) -> impl Strategy<Value = Event<'static>> {
    prop_oneof![
        (select(&TopologyChange::ALL[..]), any::<IpAddr>(), any::<u16>())
            .prop_map(|(change, ip, port)| Event::TopologyChange { change, node: (ip, port).into() }),
        (select(&NodeStatus::ALL[..]), any::<IpAddr>(), any::<u16>())
            .prop_map(|(status, ip, port)| Event::StatusChange { status, node: (ip, port).into() }),
        schema_change(version).prop_map(Event::SchemaChange),
    ]
}

fn failures(version: ProtocolVersion) -> BoxedStrategy<Failures> {
    if version < ProtocolVersion::V5 {
        return (0..1000u32).prop_map(Failures::Count).boxed();
    }
    vec((any::<IpAddr>(), select(&FailureReason::ALL[..])), 0..4).prop_map(Failures::Reasons).boxed()
}

/// Every detail the version can carry as it is.
fn error_detail(version: ProtocolVersion) -> BoxedStrategy<ErrorDetail<'static>> {
    let plain = select(vec![
        ErrorDetail::Server,
        ErrorDetail::Protocol,
        ErrorDetail::BadCredentials,
        ErrorDetail::Overloaded,
        ErrorDetail::IsBootstrapping,
        ErrorDetail::Truncate,
        ErrorDetail::Syntax,
        ErrorDetail::Unauthorized,
        ErrorDetail::Invalid,
        ErrorDetail::Config,
        ErrorDetail::Other(0x4321),
    ]);
    let counts = || (consistency(), any::<i32>(), any::<i32>());
    let kind = || select(&WriteType::ALL[..]);
    let v5 = version >= ProtocolVersion::V5;
    let everywhere = prop_oneof![
        plain,
        counts().prop_map(|(consistency, required, alive)| ErrorDetail::Unavailable {
            consistency,
            required,
            alive
        }),
        (counts(), kind(), option::of(any::<u16>())).prop_map(
            move |((consistency, received, block_for), write_type, contentions)| {
                let contentions = contentions.filter(|_| v5 && write_type == WriteType::Cas);
                ErrorDetail::WriteTimeout { consistency, received, block_for, write_type, contentions }
            }
        ),
        (counts(), any::<bool>()).prop_map(|((consistency, received, block_for), data_present)| {
            ErrorDetail::ReadTimeout { consistency, received, block_for, data_present }
        }),
        (text(), text()).prop_map(|(keyspace, table)| ErrorDetail::AlreadyExists { keyspace, table }),
        bytes().prop_map(|id| ErrorDetail::Unprepared { id }),
    ];
    if version < ProtocolVersion::V4 {
        return everywhere.boxed();
    }
    let from_v4 = prop_oneof![
        (counts(), failures(version), any::<bool>()).prop_map(
            |((consistency, received, block_for), failures, data_present)| {
                ErrorDetail::ReadFailure { consistency, received, block_for, failures, data_present }
            }
        ),
        (counts(), failures(version), kind()).prop_map(
            |((consistency, received, block_for), failures, write_type)| {
                ErrorDetail::WriteFailure { consistency, received, block_for, failures, write_type }
            }
        ),
        (text(), text(), vec(text(), 0..3)).prop_map(|(keyspace, function, arguments)| {
            ErrorDetail::FunctionFailure { keyspace, function, arguments }
        }),
        Just(ErrorDetail::CdcWriteFailure),
    ];
    if !v5 {
        return prop_oneof![everywhere, from_v4].boxed();
    }
    let from_v5 = counts().prop_map(|(consistency, received, block_for)| ErrorDetail::CasWriteUnknown {
        consistency,
        received,
        block_for,
    });
    prop_oneof![2 => everywhere, 2 => from_v4, 1 => from_v5].boxed()
}

pub fn response(version: ProtocolVersion) -> BoxedStrategy<Response<'static>> {
    let rows = (rows_metadata(version), 0..1000usize, bytes()).prop_map(|(metadata, rows, cells)| {
        // As many as there may be: a cell has four bytes at least.
        let most = cells.len() / (4 * metadata.columns.count().max(1));
        QueryResult::Rows(Rows { metadata, row_count: rows.min(most) as u32, cells })
    });
    let result = prop_oneof![
        Just(QueryResult::Void),
        rows,
        text().prop_map(QueryResult::SetKeyspace),
        prepared(version).prop_map(QueryResult::Prepared),
        schema_change(version).prop_map(QueryResult::SchemaChange),
    ];
    prop_oneof![
        2 => (text(), error_detail(version)).prop_map(|(message, detail)| {
            Response::Error(ErrorResponse::new(message, detail))
        }),
        1 => Just(Response::Ready),
        1 => text().prop_map(Response::Authenticate),
        1 => vec((text(), vec(text(), 0..4)), 0..4)
            .prop_map(|options| Response::Supported(Supported { options })),
        5 => result.prop_map(Response::Result),
        1 => event(version).prop_map(Response::Event),
        1 => maybe_bytes().prop_map(Response::AuthChallenge),
        1 => maybe_bytes().prop_map(Response::AuthSuccess),
    ]
    .boxed()
}

pub fn response_extras(version: ProtocolVersion) -> impl Strategy<Value = ResponseExtras<'static>> {
    let warnings =
        if version < ProtocolVersion::V4 { Just(Vec::new()).boxed() } else { vec(text(), 0..3).boxed() };
    (option::of(any::<[u8; 16]>()), warnings, payload(version))
        .prop_map(|(tracing_id, warnings, payload)| ResponseExtras { tracing_id, warnings, payload })
}
