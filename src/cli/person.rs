//! What a person at the terminal has to say: yes, or stop.

use super::trouble::Advice;
use anyhow::{Context, bail};
use std::io::{self, IsTerminal, Write};

/// Has a person say yes.
///
/// # Errors
/// They said no, or nobody is there.
pub fn ask(question: &str) -> anyhow::Result<()> {
    if !io::stdin().is_terminal() {
        return Err(Advice::new(
            "nothing was done: nobody is there to be asked",
            "add `--yes` if this is what you want",
        )
        .into());
    }
    let mut err = io::stderr().lock();
    write!(err, "{question} [y/N] ").and_then(|()| err.flush()).context("cannot ask")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("cannot read the answer")?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { bail!("nothing was done") }
}

/// Has SIGINT and SIGTERM cancel what this process does itself.
///
/// # Errors
/// The system's.
pub fn on_interrupt(cancel: &tokio_util::sync::CancellationToken) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start threads")?;
    let cancel = cancel.clone();
    std::thread::spawn(move || {
        runtime.block_on(async {
            let kinds = [tokio::signal::unix::SignalKind::interrupt(), tokio::signal::unix::SignalKind::terminate()];
            let [Ok(mut interrupt), Ok(mut terminate)] = kinds.map(tokio::signal::unix::signal) else { return };
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            cancel.cancel();
        });
    });
    Ok(())
}
