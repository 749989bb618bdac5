//! The results in words and tables: the part of `docs/performance.md` that no person writes.

use std::fmt::Write;

use crate::bars::{self, Bar};
use crate::catalogue::Kind;
use crate::growth::Growth;
use crate::measure::{Figures, Held};
use crate::replay::Replay;
use crate::results::Results;
use crate::statistics::Spread;

const BEGIN: &str = "<!-- measured -->";
const END: &str = "<!-- /measured -->";
/// A page that nobody has written yet.
pub const EMPTY_PAGE: &str = "# Performance\n\n<!-- measured -->\n<!-- /measured -->\n";

/// The page with the results in place of those that it had; `None` when the page has no place for them.
pub fn into_page(page: &str, measured: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", measured.trim()))
}

/// Everything that was measured, with a chart of that name if there is one.
pub fn measured(results: &Results, chart: Option<&str>) -> String {
    let mut text = preamble(results);
    if let Some(chart) = chart.filter(|_| !results.figures.is_empty()) {
        let _ = write!(text, "\n![Cold starts and warm callbacks as bars]({chart})\n");
    }
    let bars = bars::bars(results);
    if !bars.is_empty() {
        text += "\n## The bars\n\n";
        text += &table_of_bars(&bars);
    }
    if let Some(floor) = results.of_kind(Kind::Floor) {
        text += "\n## Side by side\n\n";
        text += &side_by_side(&results.figures, floor);
        text += "\n`stock`, `node` and `python` do what `call-event` does ([bench/peers](../bench/peers/README.md)). Their zip is what one would deploy: of Node a bundle, of Python the function \
                 alone, because boto3 is Lambda's own.\n";
        text += "\n## The same in detail\n\n";
        text += &in_detail(&results.figures);
        text += &held(results, floor);
    }
    text += &results.growth.as_ref().map(growth).unwrap_or_default();
    text += &results.replay.as_ref().map(replay).unwrap_or_default();
    text
}

fn preamble(results: &Results) -> String {
    let machine = &results.machine;
    let cores = if results.apart {
        "The functions had one core to themselves; the harness, the Runtime API and the stub were on another"
    } else {
        "Functions and harness shared the cores, so that they took each other's time"
    };
    let counts = if results.figures.is_empty() {
        String::new()
    } else {
        format!(" {} cold starts and {} warm callbacks of each, in turns.", results.rounds, results.warm_calls)
    };
    let versions: Vec<String> = machine.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    format!(
        "Written by `{}` (`make bench`) on {}, on a machine with {} cores ({}), {} GB and {}, whose load average was {} when it began. {cores}.{counts}\n\nVersions: {}.\n",
        results.command,
        machine.date,
        machine.cores,
        machine.processor,
        machine.memory_gib,
        machine.system,
        machine.load,
        versions.join(", ")
    )
}

fn table_of_bars(bars: &[Bar]) -> String {
    let rows = bars.iter().map(|bar| {
        let verdict = match bar.missed_by {
            None => "held".to_owned(),
            Some(part) if part.is_finite() => format!("**missed** by {:.0} %", part * 100.0),
            Some(_) => "**missed**".to_owned(),
        };
        vec![bar.what.clone(), bar.limit.clone(), bar.measured.clone(), verdict]
    });
    table(&["what", "bar", "measured", ""], rows)
}

fn side_by_side(all: &[Figures], floor: &Figures) -> String {
    let rows = all.iter().map(|figures| {
        vec![
            figures.name.clone(),
            ms(figures.cold.p50),
            ratio(figures.cold.p50, floor.cold.p50),
            ms(figures.warm.p50),
            ratio(figures.warm.p50, floor.warm.p50),
            ms(figures.warm_cpu),
            ratio(figures.warm_cpu, floor.warm_cpu),
            mb(figures.resident_bytes),
            ratio(figures.resident_bytes as f64, floor.resident_bytes as f64),
            mb(figures.zip_bytes),
            ratio(figures.zip_bytes as f64, floor.zip_bytes as f64),
            figures.requests.to_string(),
        ]
    });
    let head = [
        "",
        "cold start, ms",
        "× floor",
        "warm callback, ms",
        "× floor",
        "its CPU, ms",
        "× floor",
        "memory, MB",
        "× floor",
        "zip, MB",
        "× floor",
        "requests",
    ];
    table(&head, rows)
}

fn in_detail(all: &[Figures]) -> String {
    let rows = all.iter().map(|figures| {
        vec![
            figures.name.clone(),
            spread(figures.init),
            spread(figures.first),
            spread(figures.cold),
            ms(figures.init_cpu),
            ms(figures.first_cpu),
            format!("{:.1}", figures.handshakes),
            spread(figures.warm),
            mb(figures.program_bytes),
        ]
    });
    let head = [
        "",
        "init",
        "first callback",
        "cold start",
        "CPU of init",
        "CPU of first callback",
        "handshakes",
        "warm callback",
        "unpacked, MB",
    ];
    format!("Times in ms, as median / 90th / 99th percentile.\n\n{}", table(&head, rows))
}

fn held(results: &Results, floor: &Figures) -> String {
    let head = "\n## Held to 7 % of a core after INIT, as with 128 MB\n\n";
    match &results.held {
        Held::Skipped => String::new(),
        Held::Impossible(why) => format!("{head}This machine does not let a process be held: {why}.\n"),
        Held::Measured(all) => {
            let floors = results.held_cold(&floor.name).unwrap_or(f64::NAN);
            let rows = all.iter().map(|held| match (&held.trouble, results.held_cold(&held.name)) {
                (None, Some(cold)) => vec![
                    held.name.clone(),
                    held.rounds.to_string(),
                    ms(cold),
                    ratio(cold, floors),
                    spread(held.first),
                    spread(held.warm),
                ],
                (trouble, _) => vec![
                    held.name.clone(),
                    held.rounds.to_string(),
                    format!("fails: {}", in_a_cell(trouble.as_deref().unwrap_or("not measured"))),
                ],
            });
            let head = format!(
                "{head}INIT has a whole core on Lambda as well, so that a cold start is its median from above and the held first callback's. Warm callbacks come 20 ms apart. Times \
                 in ms, as median / 90th / 99th percentile.\n\n"
            );
            head + &table(&["", "starts", "cold start", "× floor", "first callback", "warm callback"], rows)
        }
    }
}

fn growth(growth: &Growth) -> String {
    let us = |microseconds: f64| format!("{microseconds:.0}");
    let rows = growth.calls.iter().map(|row| {
        let last = row.last_tenth;
        vec![
            row.function.clone(),
            row.environments.to_string(),
            row.events.to_string(),
            row.calls.to_string(),
            us(row.whole.median_us),
            us(last.median_us),
            us(last.p99_us),
            us(last.cpu_us),
            format!("{:.2}", last.requests),
            format!("{:.2}", last.capacity),
            format!("{:.2}", row.whole.requests),
            format!("{:.2}", row.whole.capacity),
        ]
    });
    let head = [
        "",
        "environments",
        "events in a call",
        "calls",
        "median, µs",
        "of the last tenth, µs",
        "99th percentile",
        "CPU, µs",
        "requests",
        "capacity",
        "requests, over all",
        "capacity, over all",
    ];
    let people = growth.calls.iter().map(|row| format!("{} people (`{}`)", row.people, row.function));
    let mut people: Vec<String> = people.collect();
    people.dedup();
    let of_tables = growth.tables.iter().map(|row| {
        let figures = row.figures;
        vec![
            row.function.clone(),
            row.calls.to_string(),
            us(figures.median_us),
            us(figures.p99_us),
            us(figures.cpu_us),
            format!("{:.2}", figures.requests),
            format!("{:.2}", figures.capacity),
        ]
    });
    let of_tables = table(
        &["", "calls in the table", "median, µs", "99th percentile", "CPU, µs", "requests", "capacity"],
        of_tables,
    );
    format!(
        "\n## Growth\n\nA callback of one call that grows, with up to {}. Time, requests and write capacity units are those of the last tenth of each call, unless they say \
         otherwise. Of two environments each gets every other callback, and so finds a call that the other has changed since. The table is the harness's, in memory: its own time is not in these figures.\n\n{}\n{of_tables}",
        people.join(" and "),
        table(&head, rows)
    )
}

fn replay(replay: &Replay) -> String {
    format!(
        "\n## Replay\n\n{} spooled records of {} calls, in batches of {} to {} environments side by side on all cores: **{:.0} records a second**, {} lost, {} given back to the queue. A \
         record took {:.0} µs of CPU time, {:.2} requests ({:.2} of them refused, because the other environment had written first) and {:.2} write capacity units.\n",
        replay.messages,
        replay.calls,
        replay.batch,
        replay.environments,
        replay.records_a_second,
        replay.lost,
        replay.given_back,
        replay.cpu_us,
        replay.requests,
        replay.refused,
        replay.capacity
    )
}

/// The first column is words, the others are numbers.
fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|---|{}\n", head.join(" | "), "---:|".repeat(head.len().saturating_sub(1)));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

fn in_a_cell(text: &str) -> String {
    text.chars().map(|letter| if letter == '|' || letter.is_control() { ' ' } else { letter }).take(300).collect()
}

/// Milliseconds with three digits that count.
pub(crate) fn ms(milliseconds: f64) -> String {
    match milliseconds {
        small if small < 1.0 => format!("{small:.3}"),
        small if small < 10.0 => format!("{small:.2}"),
        middling if middling < 100.0 => format!("{middling:.1}"),
        large => format!("{large:.0}"),
    }
}

fn spread(spread: Spread) -> String {
    format!("{} / {} / {}", ms(spread.p50), ms(spread.p90), ms(spread.p99))
}

pub(crate) fn ratio(of: f64, against: f64) -> String {
    let ratio = of / against;
    if ratio < 10.0 { format!("{ratio:.2}") } else { format!("{ratio:.0}") }
}

fn mb(bytes: u64) -> String {
    let megabytes = bytes as f64 / 1e6;
    if megabytes < 0.1 { format!("{megabytes:.4}") } else { format!("{megabytes:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::example;

    #[test]
    fn figures_stand_beside_their_ratios_to_the_floor() {
        let text = measured(&example(), Some("performance.svg"));
        assert!(
            text.contains("| call-event | 10.0 | 2.50 | 0.500 | 5.00 | 0.250 | 5.00 | 5.00 | 1.00 | 2.00 | 1.00 | 2 |"),
            "{text}"
        );
        assert!(text.contains("(performance.svg)") && text.contains("Example 9000"));
    }

    #[test]
    fn a_missed_bar_is_shown_missed() {
        let mut results = example();
        assert!(!measured(&results, None).contains("**missed**"));
        results.figures[2].cold.p50 = 15.0;
        let text = measured(&results, None);
        assert!(
            text.contains("| cold start, call-event | ≤ 3.00 × floor | 3.75 × floor | **missed** by 25 % |"),
            "{text}"
        );
    }

    #[test]
    fn who_fails_while_held_is_said_to_fail_and_a_machine_that_holds_nobody_too() {
        let mut results = example();
        let text = measured(&results, None);
        // 6 ms of INIT with a whole core and 30 ms held.
        assert!(text.contains("| call-event | 10 | 36.0 |"), "{text}");
        assert!(text.contains("| stock | 10 | fails: answered   503 |"), "{text}");
        results.held = Held::Impossible("permission denied".to_owned());
        assert!(measured(&results, None).contains("does not let a process be held: permission denied"));
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = format!("# Title\n{BEGIN}\nold\n{END}\nBy hand.\n");
        let once = into_page(&page, "new\n").unwrap();
        assert_eq!(once, format!("# Title\n{BEGIN}\n\nnew\n\n{END}\nBy hand.\n"));
        assert_eq!(into_page(&once, "new"), Some(once));
        assert_eq!(into_page("no place", "new"), None);
    }
}
