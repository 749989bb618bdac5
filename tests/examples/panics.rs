//! A function that panics with what was sent, since none of the real ones can be made to: tests look at what becomes of the panic. `PANICS_AS` names the
//! callback that it takes, notify unless set.
#![allow(clippy::panic)]

use std::process::ExitCode;

use ringback::access::{Gate, Unverified};
use ringback::handler::Handler;
use ringback::lambda;
use ringback::line;
use ringback::model::Arrival;
use ringback::outcome::OutcomeDetails;
use ringback::route::Route;
use ringback::settings::Environment;

struct Panicking {
    gate: Gate,
}

impl Handler for Panicking {
    fn gate(&self) -> &Gate {
        &self.gate
    }

    async fn handle(&self, request: Unverified, arrival: Arrival) -> OutcomeDetails {
        match self.gate.admit(request, arrival) {
            Ok(verified) => {
                let sent: Vec<(&str, &str)> = verified.parameters().verbatim().collect();
                panic!("{sent:?}")
            }
            Err(refusal) => refusal.into(),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let gate = |environment: &Environment| {
        let named = environment.optional("PANICS_AS").and_then(|callback| Route::from_callback(&callback));
        environment.gate(named.unwrap_or(&line::NOTIFY))
    };
    lambda::run(gate, async |gate| Panicking { gate }).await
}
