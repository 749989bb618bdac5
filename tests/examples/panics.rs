//! A function that panics with what was sent, since none of the real ones can be made to: tests look at what becomes of the panic. `PANICS_AS` names the
//! callback that it takes, notify unless set.
#![allow(clippy::panic)]

use std::process::ExitCode;

use ringback::access::{Gate, Unverified};
use ringback::function;
use ringback::handler::Handler;
use ringback::model::Arrival;
use ringback::outcome::Handled;
use ringback::route::{self, Route};

struct Panicking {
    gate: Gate,
}

impl Handler for Panicking {
    fn gate(&self) -> &Gate {
        &self.gate
    }

    async fn handle(&self, request: Unverified, arrival: Arrival) -> Handled {
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
    function::run(async |environment| {
        let named = environment.optional("PANICS_AS").and_then(|callback| Route::of_callback(&callback));
        Ok(Panicking { gate: environment.gate(named.unwrap_or(&route::NOTIFY))? })
    })
    .await
}
