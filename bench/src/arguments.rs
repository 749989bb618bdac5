//! What a run is asked for.

use std::ffi::OsString;
use std::num::ParseIntError;
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::prelude::{Long, ValueExt};

use crate::catalogue::Also;
use crate::error::BenchError;

/// How to ask.
pub const USAGE: &str = "\
ringback-bench [OPTIONS]
  --rounds NUMBER                cold starts of each subject (20)
  --warm NUMBER                  warm callbacks of each subject (2000)
  --only NAME,NAME               these subjects alone, and the floor
  --also NAME=BOOTSTRAP=FUNCTION another build of a function, beside the others
  --bootstraps FOLDER            where <function>/bootstrap are (target/lambda)
  --part starts|growth|replay|usage|all
  --skip-throttled               without the run at 7 % of a core
  --out FILE                     the page to write into, with its chart and its figures beside it; else the report is printed
  --json FILE                    where to keep the results (target/bench/results.json)";

/// What there is to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Starts and callbacks, side by side.
    Starts,
    /// Long calls and full tables.
    Growth,
    /// The spool.
    Replay,
    /// What AWS charges for.
    Usage,
    /// Everything.
    All,
}

impl Part {
    /// Whether this is asked for.
    pub fn has(self, part: Self) -> bool {
        self == part || self == Self::All
    }
}

/// A run's settings.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// Cold starts of each subject.
    pub rounds: usize,
    /// Warm callbacks of each subject.
    pub warm_calls: u32,
    /// Names of subjects; all when empty.
    pub only: Vec<String>,
    /// Other builds.
    pub also: Vec<Also>,
    /// Where the functions are.
    pub bootstraps: PathBuf,
    /// What to measure.
    pub part: Part,
    /// Whether to measure at a share of a core too.
    pub throttled: bool,
    /// The page.
    pub out: Option<PathBuf>,
    /// The results.
    pub json: PathBuf,
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            rounds: 20,
            warm_calls: 2_000,
            only: Vec::new(),
            also: Vec::new(),
            bootstraps: "target/lambda".into(),
            part: Part::All,
            throttled: true,
            out: None,
            json: "target/bench/results.json".into(),
        }
    }
}

impl Arguments {
    /// Reads a command line, without the program's name.
    ///
    /// # Errors
    /// [`BenchError::Usage`].
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, BenchError> {
        Self::read(lexopt::Parser::from_args(arguments))
            .map_err(|error| BenchError::Usage(format!("{error}\n\n{USAGE}")))
    }

    fn read(mut parser: lexopt::Parser) -> Result<Self, lexopt::Error> {
        let mut arguments = Self::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("rounds") => arguments.rounds = at_least_one(&mut parser)?,
                Long("warm") => arguments.warm_calls = at_least_one(&mut parser)?,
                Long("only") => {
                    arguments.only = parser.value()?.string()?.split(',').map(str::to_owned).collect();
                }
                Long("also") => {
                    let also = Also::parse(&parser.value()?.string()?).map_err(|error| error.to_string())?;
                    arguments.also.push(also);
                }
                Long("bootstraps") => arguments.bootstraps = parser.value()?.into(),
                Long("part") => arguments.part = part(&parser.value()?.string()?)?,
                Long("skip-throttled") => arguments.throttled = false,
                Long("out") => arguments.out = Some(parser.value()?.into()),
                Long("json") => arguments.json = parser.value()?.into(),
                other => return Err(other.unexpected()),
            }
        }
        Ok(arguments)
    }
}

fn at_least_one<T: FromStr<Err = ParseIntError> + PartialEq + Default>(
    parser: &mut lexopt::Parser,
) -> Result<T, lexopt::Error> {
    let number: T = parser.value()?.parse()?;
    if number == T::default() { Err("nothing of 0 can be measured".into()) } else { Ok(number) }
}

fn part(word: &str) -> Result<Part, lexopt::Error> {
    match word {
        "starts" => Ok(Part::Starts),
        "growth" => Ok(Part::Growth),
        "replay" => Ok(Part::Replay),
        "usage" => Ok(Part::Usage),
        "all" => Ok(Part::All),
        _ => Err(format!("--part starts, growth, replay, usage or all, not {word}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Arguments, BenchError> {
        Arguments::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_line_of_options_says_what_to_measure() {
        let arguments =
            parsed("--rounds 5 --only node,python --also fat=a/bootstrap=notify --part starts --skip-throttled")
                .unwrap();
        assert_eq!((arguments.rounds, arguments.warm_calls), (5, 2_000));
        assert_eq!(arguments.only, ["node", "python"]);
        let also = Also { name: "fat".to_owned(), bootstrap: "a/bootstrap".into(), function: "notify".to_owned() };
        assert_eq!(arguments.also, [also]);
        assert!(arguments.part.has(Part::Starts) && !arguments.part.has(Part::Replay) && !arguments.throttled);
    }

    #[test]
    fn what_makes_no_sense_is_answered_with_how_to_ask() {
        for line in ["--rounds 0", "--rounds many", "--also fat=a/bootstrap", "--part half", "--fast", "starts"] {
            assert!(parsed(line).unwrap_err().to_string().contains("--bootstraps FOLDER"), "{line}");
        }
    }
}
