//! The binary. All of it is in the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    castline_server::cli::main()
}
