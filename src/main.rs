//! The `seawall` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    seawall::cli::main()
}
