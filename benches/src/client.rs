//! One connection that keeps a window of requests in flight.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use ilium_protocol::{
    BatchRequest, BatchStatement, BatchType, BatchedStatement, Consistency, Direction, Envelope,
    ExecuteRequest, FrameReader, FrameWriter, Limits, PrepareRequest, ProtocolVersion, QueryParameters,
    QueryRequest, QueryResult, Request, RequestExtras, Response, Startup, Values,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Client {
    socket: TcpStream,
    reader: FrameReader,
    writer: FrameWriter,
    input: BytesMut,
}

/// A prepared statement's id with the id of its columns.
#[derive(Debug, Clone)]
pub struct StatementIds {
    pub id: Vec<u8>,
    pub columns: Vec<u8>,
}

/// One request of a workload.
pub enum Call<'c> {
    Execute { statement: &'c StatementIds, values: Values, page_size: Option<i32>, state: Option<Vec<u8>> },
    Batch { statement: &'c StatementIds, rows: Vec<Values> },
}

/// What the answers of a window amount to.
#[derive(Debug, Default)]
pub struct Tally {
    pub rows: u64,
    /// Sum over the cells: equal data gives an equal sum in any order.
    pub digest: u64,
    /// Microseconds each request took.
    pub latencies: Vec<u32>,
}

impl Tally {
    pub fn add(&mut self, other: Tally) {
        self.rows += other.rows;
        self.digest = self.digest.wrapping_add(other.digest);
        self.latencies.extend(other.latencies);
    }
}

/// An answer, as far as a workload must know.
pub struct Page {
    pub rows: u64,
    pub digest: u64,
    pub next: Option<Vec<u8>>,
}

impl Client {
    pub async fn connect(address: SocketAddr, version: ProtocolVersion) -> Result<Client> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let mut client = Client {
            socket,
            reader: FrameReader::new(Direction::Response, Limits::CLIENT),
            writer: FrameWriter::new(version),
            input: BytesMut::with_capacity(1 << 16),
        };
        let startup = Request::Startup(Startup { options: vec![("CQL_VERSION", "3.0.0")] });
        client.writer.request(0, &RequestExtras::default(), &startup)?;
        let answer = client.one().await?;
        if !matches!(Response::decode(&answer)?.1, Response::Ready) {
            bail!("the server did not accept the connection");
        }
        client.reader.negotiated(version, None)?;
        client.writer.negotiated(version, None)?;
        Ok(client)
    }

    async fn flush(&mut self) -> Result<()> {
        let out = self.writer.ready()?;
        self.socket.write_all_buf(out).await?;
        Ok(())
    }

    /// Sends what is written and waits for one answer.
    async fn one(&mut self) -> Result<Envelope> {
        self.flush().await?;
        loop {
            if let Some(envelope) = self.reader.next(&mut self.input).context("reading an answer")? {
                return Ok(envelope);
            }
            if self.socket.read_buf(&mut self.input).await? == 0 {
                bail!("the server closed the connection");
            }
        }
    }

    /// Runs a statement; the first cell of its first row, if it has any.
    pub async fn query(&mut self, text: &str) -> Result<Option<Vec<u8>>> {
        let parameters = QueryParameters::new(Consistency::LocalOne);
        let request = Request::Query(QueryRequest { query: text, parameters });
        self.writer.request(0, &RequestExtras::default(), &request)?;
        let answer = self.one().await?;
        match Response::decode(&answer)?.1 {
            Response::Error(error) => bail!("{text}: {}", error.message),
            Response::Result(QueryResult::Rows(rows)) => {
                Ok(rows.cells().next().transpose()?.flatten().map(<[u8]>::to_vec))
            }
            _ => Ok(None),
        }
    }

    pub async fn prepare(&mut self, text: &str) -> Result<StatementIds> {
        let request = Request::Prepare(PrepareRequest { query: text, keyspace: None });
        self.writer.request(0, &RequestExtras::default(), &request)?;
        let answer = self.one().await?;
        match Response::decode(&answer)?.1 {
            Response::Result(QueryResult::Prepared(prepared)) => Ok(StatementIds {
                id: prepared.id.to_vec(),
                columns: prepared.result_metadata_id.unwrap_or_default().to_vec(),
            }),
            Response::Error(error) => bail!("{text}: {}", error.message),
            _ => bail!("{text}: no prepared statement came back"),
        }
    }

    /// Runs calls with at most `window` of them unanswered, until `next` has no more.
    pub async fn run<'c>(
        &mut self,
        window: usize,
        mut next: impl FnMut() -> Option<Call<'c>>,
        tally: &mut Tally,
    ) -> Result<()> {
        let mut sent: Vec<Option<Instant>> = vec![None; window];
        let mut free: Vec<i16> = (0..window as i16).rev().collect();
        let mut more = true;
        loop {
            while more && let Some(stream) = free.pop() {
                let Some(call) = next() else {
                    free.push(stream);
                    more = false;
                    break;
                };
                if let Some(slot) = sent.get_mut(stream as usize) {
                    *slot = Some(Instant::now());
                }
                self.write(stream, &call)?;
            }
            if free.len() == window {
                return Ok(());
            }
            let mut answer = Some(self.one().await?);
            while let Some(envelope) = answer {
                let stream = envelope.header.stream;
                let page = page(&envelope)?;
                tally.rows += page.rows;
                tally.digest = tally.digest.wrapping_add(page.digest);
                if let Some(started) = sent.get_mut(stream as usize).and_then(Option::take) {
                    tally.latencies.push(started.elapsed().as_micros() as u32);
                }
                free.push(stream);
                answer = self.reader.next(&mut self.input).context("reading an answer")?;
            }
        }
    }

    /// Reads a whole result page by page.
    pub async fn scan(&mut self, statement: &StatementIds, page_size: i32, tally: &mut Tally) -> Result<()> {
        let mut state = None;
        loop {
            let started = Instant::now();
            let call = Call::Execute { statement, values: Values::none(), page_size: Some(page_size), state };
            self.write(0, &call)?;
            let answer = self.one().await?;
            let page = page(&answer)?;
            tally.rows += page.rows;
            tally.digest = tally.digest.wrapping_add(page.digest);
            tally.latencies.push(started.elapsed().as_micros() as u32);
            state = page.next;
            if state.is_none() {
                return Ok(());
            }
        }
    }

    fn write(&mut self, stream: i16, call: &Call<'_>) -> Result<()> {
        write(&mut self.writer, stream, call)
    }

    /// The connection's parts, for two threads that block.
    pub fn into_parts(self) -> Result<(std::net::TcpStream, FrameReader, FrameWriter)> {
        let socket = self.socket.into_std()?;
        socket.set_nonblocking(false)?;
        Ok((socket, self.reader, self.writer))
    }
}

/// Appends a request to what the writer holds.
pub fn write(writer: &mut FrameWriter, stream: i16, call: &Call<'_>) -> Result<()> {
    let mut parameters = QueryParameters::new(Consistency::LocalOne);
    let request = match call {
        Call::Execute { statement, values, page_size, state } => {
            parameters.values = values.clone();
            parameters.skip_metadata = true;
            parameters.page_size = *page_size;
            parameters.paging_state = state.as_deref();
            Request::Execute(ExecuteRequest {
                id: &statement.id,
                result_metadata_id: Some(&statement.columns),
                parameters,
            })
        }
        Call::Batch { statement, rows } => Request::Batch(BatchRequest {
            kind: BatchType::Unlogged,
            statements: rows
                .iter()
                .map(|values| BatchStatement {
                    statement: BatchedStatement::Prepared(&statement.id),
                    values: values.clone(),
                })
                .collect(),
            parameters,
        }),
    };
    writer.request(stream, &RequestExtras::default(), &request)?;
    Ok(())
}

pub fn page(envelope: &Envelope) -> Result<Page> {
    match Response::decode(envelope)?.1 {
        Response::Result(QueryResult::Rows(rows)) => {
            let mut sum = 0u64;
            for cell in rows.cells() {
                sum = sum.wrapping_add(digest(cell?.unwrap_or_default()));
            }
            let next = rows.metadata.paging_state.map(<[u8]>::to_vec);
            Ok(Page { rows: u64::from(rows.row_count), digest: sum, next })
        }
        Response::Error(error) => bail!("{}", error.message),
        _ => Ok(Page { rows: 0, digest: 0, next: None }),
    }
}

/// A cell's part of a digest.
pub fn digest(cell: &[u8]) -> u64 {
    let weighed = cell.iter().zip(1..).map(|(byte, at): (&u8, u64)| u64::from(*byte) * at);
    weighed.fold(0, u64::wrapping_add)
}
