//! What is logged while something runs, for tests.

use std::io::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that this thread logs meanwhile, as text.
pub fn while_running(run: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let logs = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(logs, run);
    let lines = lines.0.lock();
    String::from_utf8_lossy(&lines).into_owned()
}
