//! What older versions get in place of what they do not have, and what is refused for them.

use bytes::BytesMut;
use ilium_protocol::*;

use crate::round_trip::pair;

fn sent(version: ProtocolVersion, response: &Response<'_>) -> Envelope {
    let (mut writer, mut reader) = pair(Direction::Response, version, None);
    writer.response(1, &ResponseExtras::default(), response).unwrap();
    reader.next(writer.ready().unwrap()).unwrap().unwrap()
}

fn error_for(version: ProtocolVersion, detail: ErrorDetail<'_>) -> String {
    let envelope = sent(version, &Response::Error(ErrorResponse::new("why", detail)));
    let Response::Error(error) = Response::decode(&envelope).unwrap().1 else { panic!() };
    format!("{}: {:?}", error.message, error.detail)
}

#[test]
fn an_error_that_a_version_does_not_have_becomes_the_nearest_it_has() {
    use ErrorDetail::*;
    use ProtocolVersion::{V3, V4, V5};
    let consistency = Consistency::Quorum;
    let reasons = || Failures::Reasons(vec![([127, 0, 0, 2].into(), FailureReason::Timeout)]);
    let read =
        ReadFailure { consistency, received: 1, block_for: 2, failures: reasons(), data_present: true };
    assert_eq!(
        error_for(V3, read.clone()),
        "why: ReadTimeout { consistency: Quorum, received: 1, block_for: 2, data_present: true }"
    );
    assert!(error_for(V4, read.clone()).contains("failures: Count(1)"));
    assert!(error_for(V5, read).contains("failures: Reasons([(127.0.0.2, Timeout)])"));

    let write_type = WriteType::Simple;
    let write = WriteFailure { consistency, received: 1, block_for: 2, failures: reasons(), write_type };
    assert_eq!(
        error_for(V3, write),
        "why: WriteTimeout { consistency: Quorum, received: 1, block_for: 2, write_type: Simple, \
         contentions: None }"
    );

    let cas = CasWriteUnknown { consistency, received: 1, block_for: 2 };
    for version in [V3, V4] {
        assert_eq!(
            error_for(version, cas.clone()),
            "why: WriteTimeout { consistency: Quorum, received: 1, block_for: 2, write_type: Cas, \
             contentions: None }"
        );
    }
    assert!(error_for(V5, cas).contains("CasWriteUnknown"));

    let contended = WriteTimeout {
        consistency,
        received: 1,
        block_for: 2,
        write_type: WriteType::Cas,
        contentions: Some(9),
    };
    assert!(error_for(V4, contended.clone()).contains("contentions: None"));
    assert!(error_for(V5, contended).contains("contentions: Some(9)"));

    assert_eq!(error_for(V3, CdcWriteFailure), "ERROR CDC_WRITE_FAILURE: why: Invalid");
    let function = FunctionFailure { keyspace: "k", function: "f", arguments: vec!["int"] };
    assert_eq!(error_for(V3, function), "ERROR FUNCTION_FAILURE: why: Invalid");
}

#[test]
fn a_function_changed_is_a_keyspace_updated_in_version_3() {
    let target = SchemaTarget::Function { name: "f", arguments: vec!["int"] };
    let change = SchemaChange { change: ChangeType::Created, keyspace: "k", target };
    let envelope = sent(ProtocolVersion::V3, &Response::Event(Event::SchemaChange(change)));
    let expected =
        SchemaChange { change: ChangeType::Updated, keyspace: "k", target: SchemaTarget::Keyspace };
    assert_eq!(Response::decode(&envelope).unwrap().1, Response::Event(Event::SchemaChange(expected)));
}

#[test]
fn warnings_are_left_out_for_version_3_and_long_texts_are_cut_between_characters() {
    let long = "é".repeat(40_000);
    let extras = ResponseExtras { warnings: vec!["careful", &long], ..ResponseExtras::default() };
    let error = Response::Error(ErrorResponse::new(&*long, ErrorDetail::Server));
    for version in ProtocolVersion::ALL {
        let (mut writer, mut reader) = pair(Direction::Response, version, None);
        writer.response(1, &extras, &error).unwrap();
        let envelope = reader.next(writer.ready().unwrap()).unwrap().unwrap();
        let (extras, response) = Response::decode(&envelope).unwrap();
        let Response::Error(error) = response else { panic!() };
        assert_eq!(error.message, &long[..65_534]);
        match version {
            ProtocolVersion::V3 => assert!(extras.warnings.is_empty()),
            _ => assert_eq!(extras.warnings, ["careful", &long[..65_534]]),
        }
    }
}

#[test]
fn what_a_version_cannot_say_is_an_error_when_it_is_encoded() {
    let refused = |version, request: Request<'_>, extras: RequestExtras<'_>| {
        let (mut writer, _) = pair(Direction::Request, version, None);
        let error = writer.request(1, &extras, &request).unwrap_err();
        assert!(writer.ready().unwrap().is_empty());
        error.to_string()
    };
    let query = |parameters| Request::Query(QueryRequest { query: "q", parameters });
    let plain = QueryParameters::new(Consistency::One);
    let none = RequestExtras::default;

    let mut unset = ValuesBuilder::new();
    unset.push(Value::Unset).unwrap();
    let parameters = plain.clone().with_values(unset.finish());
    assert_eq!(
        refused(ProtocolVersion::V3, query(parameters), none()),
        "a value that is not set needs protocol version 4/v4 or later, this connection speaks 3/v3"
    );
    let parameters = QueryParameters { keyspace: Some("k"), ..plain.clone() };
    assert!(refused(ProtocolVersion::V4, query(parameters), none()).contains("a keyspace"));
    let parameters = QueryParameters { now_in_seconds: Some(1), ..plain.clone() };
    assert!(refused(ProtocolVersion::V4, query(parameters), none()).contains("the current time"));
    let prepare = Request::Prepare(PrepareRequest { query: "q", keyspace: Some("k") });
    assert!(refused(ProtocolVersion::V4, prepare, none()).contains("a keyspace in PREPARE"));
    let payload = RequestExtras { payload: vec![("k", None)], ..none() };
    assert!(refused(ProtocolVersion::V3, Request::Options, payload).contains("CUSTOM_PAYLOAD"));
    let parameters = QueryParameters { timestamp: Some(i64::MIN), ..plain.clone() };
    assert!(refused(ProtocolVersion::V5, query(parameters), none()).starts_with("Out of bound timestamp"));
    let parameters = QueryParameters { page_size: Some(0), ..plain };
    assert_eq!(refused(ProtocolVersion::V5, query(parameters), none()), "The page size cannot be 0");

    let mut named = ValuesBuilder::new();
    named.push_named("a", Value::Null).unwrap();
    assert_eq!(named.push(Value::Null), Err(ProtocolError::MixedNames));
    let statement = BatchStatement { statement: BatchedStatement::Query("q"), values: named.finish() };
    let parameters = QueryParameters::new(Consistency::One);
    let batch = BatchRequest { kind: BatchType::Logged, statements: vec![statement], parameters };
    assert!(refused(ProtocolVersion::V5, Request::Batch(batch), none()).contains("CASSANDRA-10246"));

    let mut writer = FrameWriter::new(ProtocolVersion::V5);
    assert_eq!(
        writer.negotiated(ProtocolVersion::V5, Some(Compression::Snappy)).unwrap_err().to_string(),
        "Snappy compression is not supported in protocol V5"
    );
}

#[test]
fn any_negative_length_is_null_in_version_3_and_stays_null_when_sent_on() {
    // QUERY "q" at ONE with one value of length -2.
    let body = [&[0, 0, 0, 1, b'q', 0, 1, 1, 0, 1][..], &(-2i32).to_be_bytes()].concat();
    let mut received = BytesMut::from(&[3, 0, 0, 5, 7, 0, 0, 0, body.len() as u8][..]);
    received.extend_from_slice(&body);
    let mut reader = FrameReader::new(Direction::Request, Limits::SERVER);
    let mut as_v4 = received.clone();
    as_v4[0] = 4;

    let envelope = reader.next(&mut received).unwrap().unwrap();
    let (extras, request) = Request::decode(&envelope).unwrap();
    let Request::Query(query) = &request else { panic!() };
    assert_eq!(query.parameters.values.iter().collect::<Vec<_>>(), [Value::Null]);
    let (mut writer, mut reader4) = pair(Direction::Request, ProtocolVersion::V4, None);
    writer.request(5, &extras, &request).unwrap();
    let sent_on = reader4.next(writer.ready().unwrap()).unwrap().unwrap();
    assert_eq!(Request::decode(&sent_on).unwrap().1, request);

    let envelope = reader.next(&mut as_v4).unwrap().unwrap();
    let Request::Query(query) = Request::decode(&envelope).unwrap().1 else { panic!() };
    assert_eq!(query.parameters.values.iter().collect::<Vec<_>>(), [Value::Unset]);
}

#[test]
fn startup_is_checked_with_cassandras_words() {
    let startup = |options: &[(&'static str, &'static str)]| Startup { options: options.to_vec() };
    assert_eq!(
        startup(&[]).check_cql_version().unwrap_err().to_string(),
        "Missing value CQL_VERSION in STARTUP message"
    );
    assert_eq!(
        startup(&[("cql_version", "2.0.0")]).check_cql_version().unwrap_err().to_string(),
        "CQL version 2.0.0 is not supported by the binary protocol (supported version are >= 3.0.0)"
    );
    startup(&[("Cql_Version", "3.4.7")]).check_cql_version().unwrap();

    let compression = |name, version| startup(&[("COMPRESSION", name)]).compression(version);
    assert_eq!(compression("LZ4", ProtocolVersion::V5).unwrap(), Some(Compression::Lz4));
    assert_eq!(compression("snappy", ProtocolVersion::V4).unwrap(), Some(Compression::Snappy));
    assert_eq!(
        compression("GZip", ProtocolVersion::V4).unwrap_err().to_string(),
        "Unknown compression algorithm: gzip"
    );
    assert!(compression("snappy", ProtocolVersion::V5).is_err());
    assert!(startup(&[("THROW_ON_OVERLOAD", "1")]).throws_on_overload());
    assert!(EventType::TraceComplete.check_version(ProtocolVersion::V3).is_err());
}
