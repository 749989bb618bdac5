//! `ringback`: the program of those who run Ringback. It makes tokens, plays calls, checks a deployment, and mends it.
//!
//! Each command has a file of its own. [`place`] finds the Ringback that a command works on: the local stack that is
//! running, or a deployment. What needs no network (a scenario, a plan, where an item names a user, a line that a person
//! reads) is a function of its arguments.

mod aim;
mod call;
mod confirm;
mod doctor;
mod env;
mod erase;
mod error;
mod lines;
mod mentions;
mod output;
mod place;
mod play;
mod records;
mod replay;
mod restore;
mod scenario;
mod show;
mod tail;
mod target;
mod token;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Run Ringback: make tokens, play calls, check a deployment and mend it.
#[derive(Parser, Debug)]
#[command(name = "ringback", version)]
struct Cli {
    #[command(flatten)]
    at: place::Where,
    /// Print results as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Token(token::MakeToken),
    Call(call::Call),
    Doctor(doctor::Doctor),
    Show(show::Show),
    Tail(tail::Tail),
    Replay(replay::Replay),
    Restore(restore::Restore),
    Erase(erase::Erase),
    Env(env::Env),
    /// Print completions for a shell, to be sourced by it
    Completions {
        shell: clap_complete::Shell,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Cli { at, json, command } = Cli::parse();
    let out = output::Output { json };
    let done = match command {
        Command::Token(command) => command.run(out),
        Command::Call(command) => Box::pin(command.run(&at, out)).await,
        Command::Doctor(command) => Box::pin(command.run(&at, out)).await,
        Command::Show(command) => command.run(&at, out).await,
        Command::Tail(command) => command.run(&at, out).await,
        Command::Replay(command) => command.run(&at, out).await,
        Command::Restore(command) => command.run(&at, out).await,
        Command::Erase(command) => command.run(&at, out).await,
        Command::Env(command) => command.run(&at, out).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "ringback", &mut std::io::stdout());
            Ok(())
        }
    };
    done.map_or_else(
        |why| {
            anstream::eprintln!(
                "ringback: {}",
                output::styled(output::BAD, &output::clean(&why.to_string()))
            );
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}
