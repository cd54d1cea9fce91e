//! For callers that block: the library that speaks restic's format, and threads of our own.

use std::io;
use std::sync::OnceLock;
use tokio::runtime::Runtime;

/// Waits for what is asked of a server, on a runtime of its own that lives as long as the process, so that connections
/// are kept whoever asks. Not to be called from async code.
///
/// # Errors
/// No thread could be started.
pub fn wait<T>(work: impl Future<Output = T>) -> io::Result<T> {
    runtime().map(|runtime| runtime.block_on(work))
}

/// Has something asked in the background.
///
/// # Errors
/// As for [`wait`].
pub(super) fn start(work: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    runtime().map(|runtime| drop(runtime.spawn(work)))
}

fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<io::Result<Runtime>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("s3").enable_all().build()
    });
    runtime.as_ref().map_err(|error| io::Error::new(error.kind(), error.to_string()))
}
