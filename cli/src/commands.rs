//! The list of commands.

use clap::{CommandFactory, Parser, Subcommand};

use crate::call::Call;
use crate::console::Console;
use crate::deploy::Deploy;
use crate::destroy::Destroy;
use crate::devices::Devices;
use crate::doctor::Doctor;
use crate::env::Env;
use crate::erase::Erase;
use crate::error::Stop;
use crate::keys::Keys;
use crate::output::Output;
use crate::place::Where;
use crate::rebuild::{Rebuild, Recount};
use crate::replay::Replay;
use crate::restore::Restore;
use crate::show::Show;
use crate::tail::Tail;
use crate::token::MakeToken;

/// Run Ringback: make tokens, play calls, check a deployment and mend it.
#[derive(Parser, Debug)]
#[command(name = "ringback", version)]
pub(crate) struct Cli {
    #[command(flatten)]
    at: Where,
    /// Print results as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Token(MakeToken),
    Call(Call),
    Console(Console),
    Doctor(Doctor),
    Show(Show),
    Tail(Tail),
    Rebuild(Rebuild),
    Recount(Recount),
    Replay(Replay),
    Restore(Restore),
    Erase(Erase),
    Devices(Devices),
    Keys(Keys),
    Env(Env),
    Deploy(Deploy),
    Destroy(Destroy),
    /// Print completions for a shell, to be sourced by it
    Completions {
        shell: clap_complete::Shell,
    },
}

impl Cli {
    pub(crate) async fn run(self) -> Result<(), Stop> {
        let Self { at, json, command } = self;
        let out = Output { json };
        match command {
            Command::Token(command) => command.run(out),
            Command::Call(command) => Box::pin(command.run(&at, out)).await,
            Command::Console(command) => Box::pin(command.run(&at, out)).await,
            Command::Doctor(command) => Box::pin(command.run(&at, out)).await,
            Command::Show(command) => command.run(&at, out).await,
            Command::Tail(command) => command.run(&at, out).await,
            Command::Rebuild(command) => Box::pin(command.run(&at, out)).await,
            Command::Recount(command) => Box::pin(command.run(&at, out)).await,
            Command::Replay(command) => command.run(&at, out).await,
            Command::Restore(command) => command.run(&at, out).await,
            Command::Erase(command) => command.run(&at, out).await,
            Command::Devices(command) => command.run(&at, out).await,
            Command::Keys(command) => command.run(&at, out).await,
            Command::Env(command) => command.run(&at, out).await,
            Command::Deploy(command) => command.run(&at, out).await,
            Command::Destroy(command) => command.run(&at, out).await,
            Command::Completions { shell } => {
                clap_complete::generate(shell, &mut Self::command(), "ringback", &mut std::io::stdout());
                Ok(())
            }
        }
    }
}
