//! A run's results, as they are kept beside the report for programs to read.

use serde::{Deserialize, Serialize};

use crate::catalogue::Kind;
use crate::growth::Growth;
use crate::machine::Machine;
use crate::measure::{Figures, Held};
use crate::replay::Replay;
use crate::usage::Call;

/// Everything that a run found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Where and with what.
    pub machine: Machine,
    /// How the run was called.
    pub command: String,
    /// Whether the functions had a core to themselves.
    pub apart: bool,
    /// Cold starts of each subject.
    pub rounds: usize,
    /// Warm calls of each subject.
    pub warm_calls: u32,
    /// With a whole core, in the order of the catalogue. Empty when the part was not asked for.
    pub figures: Vec<Figures>,
    /// With a share of one.
    pub held: Held,
    /// Of long calls and full tables, if it was asked for.
    pub growth: Option<Growth>,
    /// Of the spool, if it was asked for.
    pub replay: Option<Replay>,
    /// Of what AWS charges for, if it was asked for.
    pub usage: Option<Vec<Call>>,
}

impl Results {
    /// The figures of the only subject of its kind.
    pub fn of_kind(&self, kind: Kind) -> Option<&Figures> {
        self.figures.iter().find(|figures| figures.kind == kind)
    }

    /// The figures of our functions.
    pub fn functions(&self) -> impl Iterator<Item = &Figures> {
        self.figures.iter().filter(|figures| figures.kind == Kind::Function)
    }
}

impl Results {
    /// A cold start as a small function has it: INIT with a whole core, the first callback held to a share of one. `None` when it was not measured.
    pub fn held_cold(&self, name: &str) -> Option<f64> {
        let Held::Measured(all) = &self.held else { return None };
        let held = all.iter().find(|held| held.name == name && held.trouble.is_none())?;
        let whole = self.figures.iter().find(|figures| figures.name == name)?;
        Some(whole.init.p50 + held.first.p50)
    }
}

/// A run that was never made, for the tests of what is written about runs.
#[cfg(test)]
pub(crate) fn example() -> Results {
    use crate::measure::HeldFigures;
    use crate::statistics::Spread;

    let spread = |p50: f64| Spread { p50, p90: p50 * 1.1, p99: p50 * 1.5 };
    let figures = |name: &str, kind, requests, cold: f64, warm_cpu| Figures {
        name: name.to_owned(),
        kind,
        requests,
        handshakes: requests as f64,
        init: spread(cold * 0.6),
        first: spread(cold * 0.4),
        cold: spread(cold),
        init_cpu: cold * 0.5,
        first_cpu: cold * 0.3,
        warm: spread(warm_cpu * 2.0),
        warm_cpu,
        resident_bytes: 5_000_000,
        program_bytes: 3_000_000,
        zip_bytes: 2_000_000,
    };
    let held = |name: &str, trouble: Option<&str>| HeldFigures {
        name: name.to_owned(),
        rounds: 10,
        first: spread(30.0),
        warm: spread(0.5),
        trouble: trouble.map(str::to_owned),
    };
    Results {
        machine: Machine {
            processor: "Example 9000".to_owned(),
            cores: 2,
            date: "2026-11-22".to_owned(),
            ..Machine::default()
        },
        command: "ringback-bench".to_owned(),
        apart: true,
        rounds: 20,
        warm_calls: 2_000,
        figures: vec![
            figures("floor", Kind::Floor, 0, 4.0, 0.05),
            figures("notify", Kind::Function, 1, 10.0, 0.15),
            figures("call-event", Kind::Function, 2, 10.0, 0.25),
            figures("stock", Kind::Stock, 2, 160.0, 0.3),
            figures("node", Kind::Node, 2, 650.0, 1.5),
            figures("python", Kind::Python, 2, 700.0, 3.0),
        ],
        held: Held::Measured(vec![
            held("floor", None),
            held("call-event", None),
            held("stock", Some("answered | 503")),
        ]),
        growth: None,
        replay: None,
        usage: None,
    }
}
