//! A function that panics with what was sent, because no test can make a real one panic.
//!
//! Tests check what becomes of the panic. `PANICS_AS` names its callback: notify unless set.
#![allow(clippy::panic)]

use std::process::ExitCode;

use ringback::call::model::Arrival;
use ringback::door::route::Route;
use ringback::door::{access::Gate, request::Unverified};
use ringback::lambda;
use ringback::lambda::handler::Handler;
use ringback::lambda::outcome::OutcomeDetails;
use ringback::lambda::settings::Environment;
use ringback::line;

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
