//! The local stack: everything that template.yaml runs on AWS, on one machine, behind `make run` and
//! `make test`.
//!
//! [`stack`] starts everything in order. `template` reads template.yaml; `emulator` runs MiniStack in place
//! of AWS; `gateway` stands in for API Gateway and the Lambda service, with `signature` for routes with IAM;
//! `functions` runs the functions; `phones` stands in for Apple, Google and people's phones. `cases` plays
//! the sample calls on all that, and `show` says what became of them.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod cases;
mod commands;
mod emulator;
mod error;
mod functions;
mod gateway;
mod history;
mod phones;
mod processes;
mod show;
mod signature;
mod stack;
mod stream;
mod template;

use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(about = "The local stack. STORE=dynamodb-local keeps the tables in Amazon's DynamoDB Local")]
enum Command {
    /// Start, play the cases, serve until Ctrl-C
    Run {
        /// Stop after the cases, and fail if one ended differently than expected
        #[arg(long)]
        once: bool,
    },
    /// Start on free ports, run a command with stack.env's variables, stop, and exit as the command does
    Exec {
        /// Replay spooled records
        #[arg(long)]
        replay: bool,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Run { once: false } => commands::run(),
        Command::Run { once: true } => commands::run_once(),
        Command::Exec { replay, command } => commands::execute(&command, replay),
    };
    done.unwrap_or_else(|why| {
        eprintln!("local stack: {why}");
        ExitCode::FAILURE
    })
}
