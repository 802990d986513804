//! What the client says through `tracing`.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing::subscriber::DefaultGuard;

/// What is said on this thread from now on, in full detail.
pub struct Said {
    text: Text,
    _subscriber: DefaultGuard,
}

#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Said {
    pub fn begin() -> Self {
        let text = Text::default();
        let writer = text.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        Self { text, _subscriber: tracing::subscriber::set_default(subscriber) }
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<String> {
        String::from_utf8(self.text.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}
