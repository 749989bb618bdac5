//! The results in words and tables: the part of `docs/performance.md` that no person writes.

use std::fmt::Write;

use crate::bars;
use crate::growth::Growth;
use crate::replay::Replay;
use crate::results::{Results, Spread};
use crate::starts::Starts;
use crate::subject::Kind;

const BEGIN: &str = "<!-- measured -->";
const END: &str = "<!-- /measured -->";

/// The page with the results in place of those that it had; `None` when the page has no place for them.
pub fn into_page(page: &str, measured: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", measured.trim()))
}

/// Everything that was measured.
pub fn measured(results: &Results) -> String {
    let mut page = preamble(results);
    page += &verdicts(results);
    if let Some(floor) = results.of_kind(Kind::Floor) {
        page += &side_by_side(&results.starts, floor);
        page += &in_detail(&results.starts);
        page += &held(results, floor);
    }
    page += &calls(results);
    page += &results.growth.as_ref().map(growth).unwrap_or_default();
    page += &results.replay.as_ref().map(replay).unwrap_or_default();
    page
}

fn preamble(results: &Results) -> String {
    let machine = &results.machine;
    let had_cores = if results.had_a_core {
        "The functions had one core to themselves. The harness, the Runtime API and the stub were on another."
    } else {
        "Functions and harness shared the cores, and took each other's time."
    };
    let versions: Vec<String> = machine.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    format!(
        "Written by `{}` (`make bench`) on {}.\n\n\
         * Machine: {} cores ({}), {} GB, {}. Its load average was {} at the start.\n\
         * {had_cores}\n\
         * {} cold starts and {} warm callbacks of each, in turns.\n\
         * Versions: {}.\n",
        results.command,
        machine.date,
        machine.cores,
        machine.processor,
        machine.memory_gib,
        machine.system,
        machine.load,
        results.rounds,
        results.warm_callbacks,
        versions.join(",\n  "),
    )
}

fn verdicts(results: &Results) -> String {
    let rows = bars::verdicts(results).into_iter().map(|bar| {
        let verdict = match bar.missed_by {
            None => "held".to_owned(),
            Some(part) if part.is_finite() => format!("**missed** by {:.0} %", part * 100.0),
            Some(_) => "**missed**".to_owned(),
        };
        vec![bar.what, bar.limit, bar.measured, verdict]
    });
    section("The bars", "", &["what", "bar", "measured", ""], rows)
}

fn side_by_side(all: &[Starts], floor: &Starts) -> String {
    let beside = |figure: String, of: f64, floor: f64| format!("{figure} ({})", ratio(of, floor));
    let rows = all.iter().map(|it| {
        vec![
            it.name.clone(),
            beside(ms(it.cold.p50), it.cold.p50, floor.cold.p50),
            beside(ms(it.warm.p50), it.warm.p50, floor.warm.p50),
            beside(ms(it.warm_cpu_ms), it.warm_cpu_ms, floor.warm_cpu_ms),
            beside(mb(it.resident_bytes), it.resident_bytes as f64, floor.resident_bytes as f64),
            beside(mb(it.zip_bytes), it.zip_bytes as f64, floor.zip_bytes as f64),
            it.requests.to_string(),
        ]
    });
    let text = "Medians, and in parentheses how many times the floor's that is. `stock`, `node` and `python` do what\n\
                `call-event` does ([bench/peers](../bench/peers/README.md)). Their zip is what one would deploy: of Node a\n\
                bundle, of Python the function alone, because boto3 is Lambda's own.";
    let head = ["", "cold start, ms", "warm callback, ms", "its CPU, ms", "memory, MB", "zip, MB", "requests"];
    section("Side by side", text, &head, rows)
}

fn in_detail(all: &[Starts]) -> String {
    let rows = all.iter().map(|it| {
        vec![
            it.name.clone(),
            spread(it.init),
            spread(it.first),
            spread(it.cold),
            spread(it.warm),
            ms(it.init_cpu_ms),
            ms(it.first_cpu_ms),
            format!("{:.1}", it.handshakes),
            mb(it.program_bytes),
        ]
    });
    let head =
        ["", "init", "first callback", "cold start", "warm", "init CPU", "first CPU", "handshakes", "unpacked, MB"];
    section("The same in detail", "Times in ms, as median / 90th / 99th percentile.", &head, rows)
}

fn held(results: &Results, floor: &Starts) -> String {
    let title = "Held to 7 % of a core after INIT, as with 128 MB";
    if let Some(why) = &results.cannot_hold {
        return format!("\n## {title}\n\nThis machine does not let a process be held: {why}.\n");
    }
    let rows = results.starts.iter().filter_map(|it| {
        Some(match it.held.as_ref()? {
            Ok(held) => {
                let (cold, floor) = (it.held_cold().unwrap_or(f64::NAN), floor.held_cold().unwrap_or(f64::NAN));
                let (first, warm) = (spread(held.first), spread(held.warm));
                vec![it.name.clone(), held.rounds.to_string(), ms(cold), ratio(cold, floor), first, warm]
            }
            Err(why) => vec![it.name.clone(), format!("fails: {}", in_a_cell(why))],
        })
    });
    let text = "INIT has a whole core on Lambda as well: a cold start is its median from above and the held first\n\
                callback's. Warm callbacks come 20 ms apart. Times in ms, as median / 90th / 99th percentile.";
    section(title, text, &["", "starts", "cold start", "× floor", "first callback", "warm callback"], rows)
}

fn calls(results: &Results) -> String {
    let rows = results.calls.iter().map(|row| {
        let usage = row.usage;
        let counts = [usage.requests - usage.published, usage.write_units, usage.items];
        let bytes =
            [usage.item_bytes, usage.published_bytes, usage.answer_bytes, usage.log_bytes, row.log_bytes_at_warn];
        let mut cells = vec![row.name.to_owned(), row.callbacks.to_string(), row.environments.to_string()];
        cells.extend(counts.map(|count| format!("{count:.2}")));
        cells.extend(bytes.map(|bytes| format!("{bytes:.0}")));
        cells
    });
    let text = "A callback of a call as calls usually go, on average over its callbacks. Of two environments each gets\n\
                every other callback. **Published** are the bytes of the request that publishes the push job, **answer**\n\
                those of the function's answer. A callback prints one line; **at WARN** are its bytes at that log level.";
    let head = [
        "bytes of a callback",
        "callbacks",
        "environments",
        "writes",
        "write units",
        "items",
        "items' bytes",
        "published",
        "answer",
        "log",
        "at WARN",
    ];
    section("What a callback uses", text, &head, rows)
}

fn growth(growth: &Growth) -> String {
    let us = |microseconds: f64| format!("{microseconds:.0}");
    let rows = growth.lengths.iter().map(|row| {
        let (last, whole) = (row.last_tenth, row.whole);
        let both = |last: f64, whole: f64| format!("{last:.2} ({whole:.2})");
        vec![
            format!("{} ×{}", row.function, row.environments),
            row.events.to_string(),
            row.calls.to_string(),
            us(whole.median_us),
            us(last.median_us),
            us(last.p99_us),
            us(last.usage.cpu_us),
            both(last.usage.requests, whole.usage.requests),
            both(last.usage.write_units, whole.usage.write_units),
        ]
    });
    let mut people: Vec<String> =
        growth.lengths.iter().map(|row| format!("{} people (`{}`)", row.people, row.function)).collect();
    people.dedup();
    let text = format!(
        "A callback of one call that grows, with up to {}.\n\
         Figures are those of the last tenth of each call, in parentheses over all of it; times in µs. **×2**: of two\n\
         environments each gets every other callback, and so finds a call that the other has changed since. The table\n\
         is in the harness's memory: its own time does not grow.",
        people.join(" and "),
    );
    let head = ["", "events", "calls", "median of all", "median", "99th", "CPU", "requests", "write units"];
    let of_tables = growth.tables.iter().map(|row| {
        let figures = row.figures;
        let usage = figures.usage;
        let times = [figures.median_us, figures.p99_us, usage.cpu_us].map(us);
        let counts = [usage.requests, usage.write_units].map(|count| format!("{count:.2}"));
        [row.function.to_owned(), row.calls.to_string()].into_iter().chain(times).chain(counts).collect()
    });
    let head_of_tables = ["", "calls in the table", "median", "99th", "CPU", "requests", "write units"];
    section("Growth", &text, &head, rows) + "\n" + &table(&head_of_tables, of_tables)
}

fn replay(replay: &Replay) -> String {
    let usage = replay.usage;
    format!(
        "\n## Replay\n\n\
         {} spooled records of {} calls, in batches of {} to {} environments side by side on all cores:\n\
         **{:.0} records a second**, {} lost, {} given back to the queue.\n\n\
         A record took {:.0} µs of CPU, {:.2} requests ({:.2} of them refused, because the other environment had written\n\
         first) and {:.2} write units. {:.2} items of {:.0} bytes stay of it, and {:.2} log lines of {:.0} bytes.\n",
        replay.messages,
        replay.calls,
        replay.batch,
        replay.environments,
        replay.records_a_second,
        replay.lost,
        replay.given_back,
        usage.cpu_us,
        usage.requests,
        usage.refused,
        usage.write_units,
        usage.items,
        usage.item_bytes,
        usage.log_lines,
        usage.log_bytes,
    )
}

/// A table under a title; nothing without a row.
fn section(title: &str, text: &str, head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return String::new();
    }
    let text = if text.is_empty() { String::new() } else { format!("{text}\n\n") };
    format!("\n## {title}\n\n{text}{}", table(head, rows))
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
fn ms(milliseconds: f64) -> String {
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

fn ratio(of: f64, against: f64) -> String {
    let ratio = of / against;
    if ratio < 10.0 { format!("{ratio:.2} ×") } else { format!("{ratio:.0} ×") }
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
        let page = measured(&example());
        let row =
            "| call-event | 10.0 (2.50 ×) | 0.500 (5.00 ×) | 0.250 (5.00 ×) | 5.00 (1.00 ×) | 2.00 (1.00 ×) | 2 |";
        assert!(page.contains(row) && page.contains("Example 9000"), "{page}");
    }

    #[test]
    fn a_missed_bar_is_shown_missed() {
        let mut results = example();
        results.starts[2].cold.p50 = 15.0;
        let row = "| cold start, call-event | ≤ 3.00 × floor | 3.75 × floor | **missed** by 25 % |";
        let page = measured(&results);
        assert!(page.contains(row), "{page}");
    }

    #[test]
    fn a_subject_that_fails_while_held_and_a_machine_that_holds_none_are_said() {
        let mut results = example();
        let page = measured(&results);
        // 6 ms of INIT with a whole core and 4 ms held.
        assert!(page.contains("| call-event | 10 | 10.0 |"), "{page}");
        assert!(page.contains("| stock | fails: it answered   503 |"), "{page}");
        results.cannot_hold = Some("permission denied".to_owned());
        assert!(measured(&results).contains("does not let a process be held: permission denied"));
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = format!("# Title\n{BEGIN}\nold\n{END}\nBy hand.\n");
        let once = into_page(&page, "new\n").unwrap();
        assert_eq!(once, format!("# Title\n{BEGIN}\n\nnew\n\n{END}\nBy hand.\n"));
        assert_eq!(into_page("no place", "new"), None);
    }
}
