//! Answers to `SELECT * FROM` each source of a schema, of the embedded engine and of a real Cassandra.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ilium_cluster::schema::{SOURCES, SchemaError, read};
use ilium_cql::schema::Schema;
use ilium_embedded::{Engine, EngineOptions};
use ilium_protocol::{
    ColumnList, ColumnSpec, Consistency, Direction, Envelope, FrameReader, FrameWriter, Limits,
    ProtocolVersion, QueryParameters, QueryRequest, QueryResult, Request, RequestExtras, Response, Rows,
    RowsMetadata, Startup,
};
use ilium_store::{Binds, Context, DataStore, Principal, ResultKind};

/// The rows of one source.
pub struct Described {
    pub columns: Vec<ColumnSpec>,
    pub count: u32,
    pub cells: Bytes,
}

impl Described {
    fn rows(&self) -> Rows<'_> {
        let metadata = RowsMetadata::new(ColumnList::specs(&self.columns));
        Rows { metadata, row_count: self.count, cells: &self.cells }
    }

    /// The same from a release that does not have some columns.
    pub fn without(&self, names: &[&str]) -> Described {
        let kept = |column: &ColumnSpec| !names.contains(&&*column.name);
        let mut cells = Vec::new();
        for (index, cell) in self.rows().cells().enumerate() {
            if kept(&self.columns[index % self.columns.len()]) {
                let cell = cell.unwrap();
                cells.extend(cell.map_or(-1, |cell| cell.len() as i32).to_be_bytes());
                cells.extend_from_slice(cell.unwrap_or_default());
            }
        }
        let columns = self.columns.iter().filter(|column| kept(column)).cloned().collect();
        Described { columns, count: self.count, cells: cells.into() }
    }
}

/// The schema that these sources describe; version 0.
pub fn schema(sources: &[Option<Described>]) -> Schema {
    try_schema(sources).unwrap()
}

pub fn try_schema(sources: &[Option<Described>]) -> Result<Schema, SchemaError> {
    let rows: Vec<Option<Rows<'_>>> =
        sources.iter().map(|source| source.as_ref().map(Described::rows)).collect();
    read([0; 16], &rows.try_into().unwrap_or_else(|_| panic!("a row set for each source")))
}

/// An embedded engine in memory.
pub struct Embedded {
    pub engine: Engine,
    runtime: tokio::runtime::Runtime,
}

impl Embedded {
    pub fn with(statements: &[&str]) -> Embedded {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let engine = Engine::open(EngineOptions::new(None, Box::new(()), runtime.handle().clone())).unwrap();
        let embedded = Embedded { engine, runtime };
        for text in statements {
            embedded.run(text);
        }
        embedded
    }

    fn run(&self, text: &str) -> ResultKind {
        let statement = Arc::new(ilium_cql::parse(text).unwrap_or_else(|e| panic!("{text}: {e}")));
        let prepared = self.runtime.block_on(self.engine.prepare(statement, None).wait());
        let prepared = prepared.unwrap_or_else(|e| panic!("{text}: {e}"));
        let answer = self.engine.execute(&prepared, Binds::default(), &Context::new(Principal::System));
        self.runtime.block_on(answer.wait()).unwrap_or_else(|e| panic!("{text}: {e}")).result
    }

    pub fn describe(&self) -> Vec<Option<Described>> {
        let described = |source: &&str| {
            let ResultKind::Rows(rows) = self.run(&format!("SELECT * FROM {source}")) else { panic!() };
            let columns = rows.metadata.columns.iter().map(|column| ColumnSpec {
                keyspace: Arc::clone(&column.keyspace),
                table: Arc::clone(&column.table),
                name: Arc::clone(&column.name),
                ty: column.column_type.clone(),
            });
            Some(Described { columns: columns.collect(), count: rows.count, cells: rows.data })
        };
        SOURCES.iter().map(described).collect()
    }
}

/// A connection of version 4 where nobody logs in.
pub struct Upstream {
    socket: TcpStream,
    reader: FrameReader,
    writer: FrameWriter,
    input: BytesMut,
}

impl Upstream {
    pub fn connect(address: SocketAddr) -> Upstream {
        let mut upstream = Upstream {
            socket: TcpStream::connect(address).unwrap(),
            reader: FrameReader::new(Direction::Response, Limits::CLIENT),
            writer: FrameWriter::new(ProtocolVersion::V4),
            input: BytesMut::new(),
        };
        let startup = Request::Startup(Startup { options: vec![("CQL_VERSION", "3.0.0")] });
        let ready = upstream.ask(&startup);
        assert!(matches!(Response::decode(&ready).unwrap().1, Response::Ready));
        upstream
    }

    fn ask(&mut self, request: &Request<'_>) -> Envelope {
        self.writer.request(0, &RequestExtras::default(), request).unwrap();
        self.socket.write_all(self.writer.ready().unwrap()).unwrap();
        self.writer.ready().unwrap().clear();
        loop {
            if let Some(envelope) = self.reader.next(&mut self.input).unwrap() {
                return envelope;
            }
            let mut received = [0; 1 << 16];
            let length = self.socket.read(&mut received).unwrap();
            assert_ne!(length, 0, "the connection was closed");
            self.input.extend_from_slice(&received[..length]);
        }
    }

    fn query(&mut self, text: &str) -> Envelope {
        let parameters = QueryParameters::new(Consistency::One);
        self.ask(&Request::Query(QueryRequest { query: text, parameters }))
    }

    pub fn run(&mut self, text: &str) {
        let envelope = self.query(text);
        let (_, response) = Response::decode(&envelope).unwrap();
        assert!(matches!(response, Response::Result(_)), "{text}: {response:?}");
    }

    pub fn describe(&mut self) -> Vec<Option<Described>> {
        let described = |source: &&str| {
            let envelope = self.query(&format!("SELECT * FROM {source}"));
            match Response::decode(&envelope).unwrap().1 {
                Response::Result(QueryResult::Rows(rows)) => Some(Described {
                    columns: rows.metadata.columns.as_specs().unwrap().to_vec(),
                    count: rows.row_count,
                    cells: Bytes::copy_from_slice(rows.cells),
                }),
                Response::Error(error) => panic!("{source}: {}", error.message),
                other => panic!("{source}: {other:?}"),
            }
        };
        SOURCES.iter().map(described).collect()
    }
}
