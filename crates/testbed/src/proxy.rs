//! A TCP proxy that fails on request: it stands between a client and a server, and a test tells it what to do.
//!
//! *Up* is from the client to the server, *down* the other way. A fault of the *bytes* (delay, drop, damage, cut) concerns every
//! connection from that moment on; a fault of the *door* (refuse, half-open) only those that come then. [`Proxy::sever`]
//! ends those that are open.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Up,
    Down,
}

/// What is wrong with the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// What goes this way arrives at least so much later.
    Delay(Way, Duration),
    /// What goes this way is swallowed. Forwarded again, a stream goes on amid a frame.
    Drop(Way),
    /// One bit of every piece that goes this way is another.
    Damage(Way),
    /// After so many more bytes this way the connection that they went through is closed, both ways; once.
    Cut(Way, u64),
    /// Nothing listens: who connects is refused.
    Refuse,
    /// A connection is taken, and nothing is read from it or written to it until it is severed.
    HalfOpen,
}

/// Taken from a socket at once.
const CHUNK: usize = 64 * 1024;

/// A server that is not there must not hold up who closes the proxy.
const CONNECT: Duration = Duration::from_secs(5);

/// A running proxy. Dropping it closes all of its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    acceptor: Mutex<Option<Acceptor>>,
}

/// What listens.
#[derive(Debug)]
struct Acceptor {
    closing: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    fault: Mutex<Fault>,
    /// Both ends of each connection.
    open: Mutex<Vec<Arc<Pair>>>,
    taken: AtomicU64,
    dropped: AtomicU64,
}

/// The sockets of a connection; a held one has no server.
#[derive(Debug)]
struct Pair {
    client: TcpStream,
    server: Option<TcpStream>,
}

impl Pair {
    fn close(&self) {
        for socket in [Some(&self.client), self.server.as_ref()].into_iter().flatten() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Proxy {
    /// One that listens here and forwards there; port 0 takes a free one.
    pub fn start(listen: SocketAddr, target: SocketAddr) -> Result<Proxy> {
        let state = State {
            target,
            fault: Mutex::new(Fault::None),
            open: Mutex::new(Vec::new()),
            taken: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        };
        let mut proxy = Proxy { address: listen, state: Arc::new(state), acceptor: Mutex::new(None) };
        proxy.address = proxy.listen()?;
        Ok(proxy)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is wrong from now on. When this returns with [`Fault::Refuse`], nothing listens any more.
    pub fn set(&self, fault: Fault) -> Result<()> {
        *lock(&self.state.fault) = fault;
        if fault == Fault::Refuse {
            self.close();
        } else if lock(&self.acceptor).is_none() {
            self.listen()?;
        }
        Ok(())
    }

    /// Closes all connections that are open, those held half-open included.
    pub fn sever(&self) {
        lock(&self.state.open).drain(..).for_each(|pair| pair.close());
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        lock(&self.state.open).len()
    }

    /// How many connections were ever taken.
    pub fn taken(&self) -> u64 {
        self.state.taken.load(Ordering::Relaxed)
    }

    /// How many bytes were swallowed by [`Fault::Drop`].
    pub fn dropped(&self) -> u64 {
        self.state.dropped.load(Ordering::Relaxed)
    }

    fn listen(&self) -> Result<SocketAddr> {
        let listener =
            TcpListener::bind(self.address).with_context(|| format!("cannot listen at {}", self.address))?;
        let address = listener.local_addr()?;
        let closing = Arc::new(AtomicBool::new(false));
        let (state, told) = (Arc::clone(&self.state), Arc::clone(&closing));
        let thread = std::thread::spawn(move || {
            for client in listener.incoming() {
                if told.load(Ordering::Acquire) {
                    return;
                }
                if let Ok(client) = client {
                    let state = Arc::clone(&state);
                    std::thread::spawn(move || take(&state, client));
                }
            }
        });
        *lock(&self.acceptor) = Some(Acceptor { closing, thread });
        Ok(address)
    }

    fn close(&self) {
        if let Some(Acceptor { closing, thread }) = lock(&self.acceptor).take() {
            closing.store(true, Ordering::Release);
            // It waits for a connection: this is one, and it looks before it takes it.
            let _ = TcpStream::connect(self.address);
            let _ = thread.join();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.close();
        self.sever();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these is whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves a connection to its end.
fn take(state: &Arc<State>, client: TcpStream) {
    state.taken.fetch_add(1, Ordering::Relaxed);
    let held = *lock(&state.fault) == Fault::HalfOpen;
    let server = if held { None } else { TcpStream::connect_timeout(&state.target, CONNECT).ok() };
    if !held && server.is_none() {
        return; // as if the server had closed it
    }
    let pair = Arc::new(Pair { client, server });
    lock(&state.open).push(Arc::clone(&pair));
    if let Some(server) = &pair.server {
        let _ = (pair.client.set_nodelay(true), server.set_nodelay(true));
        std::thread::scope(|scope| {
            scope.spawn(|| pump(state, &pair, Way::Up, &pair.client, server));
            pump(state, &pair, Way::Down, server, &pair.client);
        });
        lock(&state.open).retain(|open| !Arc::ptr_eq(open, &pair));
    }
}

/// Carries bytes one way until one end closes or the fault says so.
fn pump(state: &State, pair: &Pair, way: Way, mut from: &TcpStream, mut to: &TcpStream) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(count) = from.read(&mut buffer) {
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        let (bytes, last) = match state.pass(way, bytes) {
            Passed::All => (bytes, false),
            Passed::Late(by) => {
                std::thread::sleep(by);
                (bytes, false)
            }
            Passed::Nothing => {
                state.dropped.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                continue;
            }
            Passed::Head(count) => (bytes.get(..count).unwrap_or(bytes), true),
            Passed::Damaged => {
                if let Some(byte) = buffer.get_mut(count / 2) {
                    *byte ^= 1;
                }
                (buffer.get(..count).unwrap_or_default(), false)
            }
        };
        let sent = to.write_all(bytes);
        if last {
            pair.close();
        }
        if last || sent.is_err() {
            break;
        }
    }
    // The other way may still have something to say.
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

/// What becomes of bytes.
enum Passed {
    All,
    Late(Duration),
    Nothing,
    Damaged,
    /// So many of them, and then the connection's end.
    Head(usize),
}

impl State {
    fn pass(&self, way: Way, bytes: &[u8]) -> Passed {
        let mut fault = lock(&self.fault);
        match &mut *fault {
            Fault::Delay(slow, by) if *slow == way => Passed::Late(*by),
            Fault::Drop(lost) if *lost == way => Passed::Nothing,
            Fault::Damage(harmed) if *harmed == way => Passed::Damaged,
            Fault::Cut(cut, left) if *cut == way => match left.checked_sub(bytes.len() as u64) {
                Some(rest) if rest > 0 => {
                    *left = rest;
                    Passed::All
                }
                _ => {
                    let head = usize::try_from(*left).unwrap_or(bytes.len());
                    *fault = Fault::None;
                    Passed::Head(head)
                }
            },
            _ => Passed::All,
        }
    }
}
