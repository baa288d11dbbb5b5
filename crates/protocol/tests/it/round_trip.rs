//! What is encoded decodes to itself, for every message, version and framing.

use bytes::BytesMut;
use ilium_cql::CqlType;
use ilium_protocol::*;
use proptest::prelude::*;

use crate::any_message::{
    bytes, column_type, columns, request, request_extras, response, response_extras, values, version,
};

/// The compressions a version can negotiate.
fn compressions(version: ProtocolVersion) -> &'static [Option<Compression>] {
    match version {
        ProtocolVersion::V5 => &[None, Some(Compression::Lz4)],
        _ => &[None, Some(Compression::Lz4), Some(Compression::Snappy)],
    }
}

pub fn pair(
    direction: Direction,
    version: ProtocolVersion,
    compression: Option<Compression>,
) -> (FrameWriter, FrameReader) {
    let mut writer = FrameWriter::new(version);
    let mut reader = FrameReader::new(direction, Limits::CLIENT);
    writer.negotiated(version, compression).unwrap();
    reader.negotiated(version, compression).unwrap();
    (writer, reader)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_request_comes_back_as_it_was(
        (version, requests) in version().prop_flat_map(|version| {
            let one = (any::<i16>(), request_extras(version), request(version));
            (Just(version), prop::collection::vec(one, 1..5))
        }),
    ) {
        for compression in compressions(version) {
            let (mut writer, mut reader) = pair(Direction::Request, version, *compression);
            for (stream, extras, request) in &requests {
                writer.request(*stream, extras, request).unwrap();
            }
            let input = writer.ready().unwrap();
            for (stream, extras, request) in &requests {
                let envelope = reader.next(input).unwrap().unwrap();
                prop_assert_eq!(envelope.header.stream, *stream);
                prop_assert_eq!(envelope.header.version, version);
                let (got_extras, got) = Request::decode(&envelope).unwrap();
                prop_assert_eq!(&got_extras, extras);
                prop_assert_eq!(&got, request);
            }
            prop_assert_eq!(reader.next(input).unwrap(), None);
            prop_assert!(input.is_empty());
        }
    }

    #[test]
    fn a_response_comes_back_as_it_was(
        (version, responses) in version().prop_flat_map(|version| {
            let one = (any::<i16>(), response_extras(version), response(version));
            (Just(version), prop::collection::vec(one, 1..5))
        }),
    ) {
        for compression in compressions(version) {
            let (mut writer, mut reader) = pair(Direction::Response, version, *compression);
            for (stream, extras, response) in &responses {
                writer.response(*stream, extras, response).unwrap();
            }
            let input = writer.ready().unwrap();
            for (stream, extras, response) in &responses {
                let envelope = reader.next(input).unwrap().unwrap();
                prop_assert_eq!(envelope.header.stream, *stream);
                let (got_extras, got) = Response::decode(&envelope).unwrap();
                prop_assert_eq!(&got_extras, extras);
                prop_assert_eq!(&got, response);
            }
            prop_assert_eq!(reader.next(input).unwrap(), None);
        }
    }

    #[test]
    fn a_class_name_stands_for_its_type(ty in column_type()) {
        let name = class_name(&ty);
        let back = parse_class_name(&name);
        // What holds a class that is not known is opaque as a whole.
        if !name.contains("com.example") {
            prop_assert_eq!(class_name(&back), name);
        } else {
            prop_assert_eq!(back, CqlType::Custom(name.as_str().into()));
        }
    }

    #[test]
    fn values_are_what_was_pushed(values in version().prop_flat_map(|version| values(version, true))) {
        let pushed: Vec<Value<'_>> = values.iter().collect();
        prop_assert_eq!(pushed.len(), values.len());
        for (index, value) in pushed.iter().enumerate() {
            prop_assert_eq!(values.get(index), Some(*value));
            let shared = values.shared(index);
            match value {
                Value::Bytes(bytes) => prop_assert_eq!(shared.as_deref(), Some(*bytes)),
                _ => prop_assert_eq!(shared, None),
            }
            prop_assert_eq!(values.name(index).is_some(), values.is_named());
        }
        prop_assert_eq!(values.get(pushed.len()), None);
    }

    #[test]
    fn metadata_encoded_ahead_is_the_same_as_encoded_in_place(
        version in version(),
        columns in columns(),
        cells in bytes(),
    ) {
        let encoded = EncodedColumns::new(&columns, version).unwrap();
        let mut sent = [ColumnList::specs(&columns), ColumnList::Encoded(&encoded)].map(|columns| {
            let mut writer = FrameWriter::new(version);
            let rows = Rows { metadata: RowsMetadata::new(columns), row_count: 1, cells };
            let response = Response::Result(QueryResult::Rows(rows));
            writer.response(1, &ResponseExtras::default(), &response).unwrap();
            writer.ready().unwrap().split()
        });
        let [first, second] = &mut sent;
        prop_assert_eq!(first, second);
    }
}

#[test]
fn cells_are_walked_row_by_row_and_a_cut_one_is_an_error() {
    let mut cells = BytesMut::new();
    for cell in [Some(&b"a"[..]), None, Some(b""), Some(b"bcd")] {
        put_bytes(&mut cells, cell).unwrap();
    }
    let metadata = RowsMetadata::new(ColumnList::Omitted(2));
    let rows = Rows { metadata, row_count: 2, cells: &cells };
    let walked: Vec<_> = rows.cells().map(Result::unwrap).collect();
    assert_eq!(walked, [Some(&b"a"[..]), None, Some(b""), Some(b"bcd")]);

    let cut = Rows { cells: &cells[..cells.len() - 1], ..rows.clone() };
    let walked: Vec<_> = cut.cells().collect();
    assert_eq!(walked.len(), 4);
    assert_eq!(walked[3], Err(ProtocolError::ValueTooLong { length: 3, remaining: 2 }));

    // A lie about the number of rows ends at the first cell that is not there.
    let many = Rows { row_count: u32::MAX, ..rows };
    assert_eq!(many.cells().count(), 5);
}

#[test]
fn an_envelope_is_forwarded_as_it_is_under_another_stream() {
    let (mut client, mut front) = pair(Direction::Request, ProtocolVersion::V4, Some(Compression::Lz4));
    let query = "SELECT * FROM a_table_with_a_long_name WHERE a_column_with_a_long_name = 1";
    let parameters = QueryParameters::new(Consistency::One);
    let request = Request::Query(QueryRequest { query, parameters });
    let extras = RequestExtras { tracing: true, payload: vec![("k", Some(b"v"))] };
    client.request(7, &extras, &request).unwrap();

    let mut envelope = front.next(client.ready().unwrap()).unwrap().unwrap();
    envelope.header.stream = 99;
    let (mut forwarder, mut back) = pair(Direction::Request, ProtocolVersion::V4, None);
    forwarder.envelope(&envelope).unwrap();
    let arrived = back.next(forwarder.ready().unwrap()).unwrap().unwrap();
    assert_eq!(arrived, envelope);
    assert_eq!(Request::decode(&arrived).unwrap(), (extras, request));

    let (mut other, _) = pair(Direction::Request, ProtocolVersion::V5, None);
    assert!(matches!(other.envelope(&envelope), Err(ProtocolError::VersionChanged { .. })));
}
