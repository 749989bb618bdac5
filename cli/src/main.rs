//! `ringback`: the program of those who run Ringback. It makes tokens, plays calls, checks a deployment, and
//! mends it.
//!
//! Each command has a file of its own. [`place`] finds the Ringback that a command works on: the local stack
//! that is running, or a deployment. What needs no network (a scenario, a plan, where an item names a user, a
//! line that a person reads) is a function of its arguments.

mod aim;
mod call;
mod commands;
mod confirm;
mod console;
mod deploy;
mod destroy;
mod devices;
mod doctor;
mod env;
mod erase;
mod error;
mod functions;
mod keys;
mod lines;
mod mentions;
mod output;
mod phones;
mod place;
mod play;
mod rebuild;
mod records;
mod replay;
mod restore;
mod scenario;
mod show;
mod tail;
mod target;
mod template;
mod token;
mod views;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match commands::Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            anstream::eprintln!(
                "ringback: {}",
                output::styled(output::BAD, &output::clean(&why.to_string()))
            );
            ExitCode::FAILURE
        }
    }
}
