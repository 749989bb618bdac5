//! The results in words and tables: the part of `docs/performance.md` that no person writes.

use crate::bars::{self, Verdict};
use crate::calls::CallRow;
use crate::environments::Figures;
use crate::growth::{Growth, LengthRow, TableRow};
use crate::machine::Machine;
use crate::reading::{self, Reading, Throughput};
use crate::replay::Replay;
use crate::results::{Results, Spread};
use crate::starts::{Held, Starts};
use crate::subject::Kind;
use crate::table::Usage;

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
    page += &results.reading.as_ref().map(reading).unwrap_or_default();
    page
}

fn preamble(results: &Results) -> String {
    let Results { command, machine, rounds, warm_callbacks, .. } = results;
    let Machine { date, processor, cores, memory_gib, system, load, versions } = machine;
    let had_cores = if results.had_a_core {
        "The functions had one core to themselves. The harness, the Runtime API and the stub were on another."
    } else {
        "Functions and harness shared the cores, and took each other's time."
    };
    let versions: Vec<String> = versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let versions = versions.join(",\n  ");
    format!(
        "Written by `{command}` (`make bench`) on {date}.\n\n\
         * Machine: {cores} cores ({processor}), {memory_gib} GB,\n  \
         {system}. Its load average was {load} at the start.\n\
         * {had_cores}\n\
         * {rounds} cold starts and {warm_callbacks} warm callbacks of each, in turns.\n\
         * Versions: {versions}.\n"
    )
}

fn verdicts(results: &Results) -> String {
    let verdict = |bar: &Verdict| match bar.missed_by {
        None => "held".to_owned(),
        Some(part) if part.is_finite() => format!("**missed** by {:.0} %", part * 100.0),
        Some(_) => "**missed**".to_owned(),
    };
    let columns: [Column<'_, Verdict>; 4] = [
        ("what", &|bar| bar.what.clone()),
        ("bar", &|bar| bar.limit.clone()),
        ("measured", &|bar| bar.measured.clone()),
        ("", &verdict),
    ];
    section("The bars", "", &bars::verdicts(results), &columns)
}

fn side_by_side(all: &[Starts], floor: &Starts) -> String {
    let of = |figure: fn(&Starts) -> f64, in_words: fn(f64) -> String| {
        move |it: &Starts| format!("{} ({})", in_words(figure(it)), ratio(figure(it), figure(floor)))
    };
    let text = "Medians, and in parentheses how many times the floor's that is. `stock`, `node` and\n\
                `python` do what `call-event` does ([bench/peers](../bench/peers/README.md)). Their zip\n\
                is what one would deploy: of Node a bundle, of Python the function alone, because boto3\n\
                is Lambda's own.";
    let columns: [Column<'_, Starts>; 7] = [
        ("", &|it| it.name.clone()),
        ("cold start, ms", &of(|it| it.cold.p50, ms)),
        ("warm callback, ms", &of(|it| it.warm.p50, ms)),
        ("its CPU, ms", &of(|it| it.warm_cpu_ms, ms)),
        ("memory, MB", &of(|it| it.resident_bytes as f64, mb)),
        ("zip, MB", &of(|it| it.zip_bytes as f64, mb)),
        ("requests", &|it| it.requests.to_string()),
    ];
    section("Side by side", text, all, &columns)
}

fn in_detail(all: &[Starts]) -> String {
    let start: [Column<'_, Starts>; 7] = [
        ("", &|it| it.name.clone()),
        ("init", &|it| spread(it.init)),
        ("first callback", &|it| spread(it.first)),
        ("init CPU", &|it| ms(it.init_cpu_ms)),
        ("first CPU", &|it| ms(it.first_cpu_ms)),
        ("handshakes", &|it| format!("{:.1}", it.handshakes)),
        ("unpacked, MB", &|it| mb(it.program_bytes as f64)),
    ];
    let whole: [Column<'_, Starts>; 3] = [
        ("", &|it| it.name.clone()),
        ("cold start", &|it| spread(it.cold)),
        ("warm callback", &|it| spread(it.warm)),
    ];
    let text = "Times in ms, as median / 90th / 99th percentile.";
    section("The same in detail", text, all, &start) + "\n" + &table(all, &whole)
}

fn held(results: &Results, floor: &Starts) -> String {
    let title = "Held to 7 % of a core after INIT, as with 128 MB";
    if let Some(why) = &results.cannot_hold {
        return format!("\n## {title}\n\nThis machine does not let a process be held: {why}.\n");
    }
    let text = "INIT has a whole core on Lambda as well: a cold start is its median from above and the\n\
                held first callback's. Warm callbacks come 20 ms apart. Times in ms, as median / 90th /\n\
                99th percentile.";
    let of = |figure: fn(&Held) -> String| {
        move |it: &Starts| {
            it.held.as_ref().and_then(|held| held.as_ref().ok()).map(figure).unwrap_or_default()
        }
    };
    let failure =
        |it: &Starts| it.held.as_ref()?.as_ref().err().map(|why| format!("fails: {}", in_a_cell(why)));
    let cold = |it: &Starts| it.held_cold().map(ms).or_else(|| failure(it)).unwrap_or_default();
    let against = |it: &Starts| it.held_cold().zip(floor.held_cold()).map(|(it, floor)| ratio(it, floor));
    let columns: [Column<'_, Starts>; 6] = [
        ("", &|it| it.name.clone()),
        ("starts", &of(|held| held.rounds.to_string())),
        ("cold start", &cold),
        ("of the floor's", &|it| against(it).unwrap_or_default()),
        ("first callback", &of(|held| spread(held.first))),
        ("warm callback", &of(|held| spread(held.warm))),
    ];
    let rows = if results.starts.iter().any(|it| it.held.is_some()) { &results.starts[..] } else { &[] };
    section(title, text, rows, &columns)
}

fn calls(results: &Results) -> String {
    let text = "A callback of a call as calls usually go, on average over its callbacks. Of two\n\
                environments each gets every other callback. **Units** are write units, **bytes**\n\
                those of the items. **Published** are the bytes of the request that publishes the\n\
                push job, **answer** those of the function's answer. A callback prints one line;\n\
                **at WARN** are its bytes at that log level.";
    let columns: [Column<'_, CallRow>; 11] = [
        ("call", &|row| row.name.to_owned()),
        ("callbacks", &|row| row.callbacks.to_string()),
        ("environments", &|row| row.environments.to_string()),
        ("writes", &|row| two(row.usage.requests - row.usage.published)),
        ("units", &|row| two(row.usage.write_units)),
        ("items", &|row| two(row.usage.items)),
        ("bytes", &|row| whole(row.usage.item_bytes)),
        ("published", &|row| whole(row.usage.published_bytes)),
        ("answer", &|row| whole(row.usage.answer_bytes)),
        ("log", &|row| whole(row.usage.log_bytes)),
        ("at WARN", &|row| whole(row.log_bytes_at_warn)),
    ];
    section("What a callback uses", text, &results.calls, &columns)
}

fn growth(growth: &Growth) -> String {
    let mut people: Vec<String> =
        growth.lengths.iter().map(|row| format!("{} people (`{}`)", row.people, row.function)).collect();
    people.dedup();
    let text = format!(
        "A callback of one call that grows, of up to\n{}.\n\
         Figures are those of the last tenth of each call, in parentheses over all of it; times in µs.\n\
         **×2**: of two environments each gets every other callback, and so finds a call that the other\n\
         has changed since. The table is in the harness's memory: its own time does not grow.",
        people.join(" and "),
    );
    let both = |of: fn(&Figures) -> f64, in_words: fn(f64) -> String| {
        move |row: &LengthRow| format!("{} ({})", in_words(of(&row.last_tenth)), in_words(of(&row.whole)))
    };
    let lengths: [Column<'_, LengthRow>; 8] = [
        ("", &|row| format!("{} ×{}", row.function, row.environments)),
        ("events", &|row| row.events.to_string()),
        ("calls", &|row| row.calls.to_string()),
        ("median", &both(|figures| figures.median_us, whole)),
        ("99th percentile", &|row| whole(row.last_tenth.p99_us)),
        ("CPU", &|row| whole(row.last_tenth.usage.cpu_us)),
        ("requests", &both(|figures| figures.usage.requests, two)),
        ("write units", &both(|figures| figures.usage.write_units, two)),
    ];
    let tables: [Column<'_, TableRow>; 7] = [
        ("", &|row| row.function.to_owned()),
        ("calls in the table", &|row| row.calls.to_string()),
        ("median", &|row| whole(row.figures.median_us)),
        ("99th percentile", &|row| whole(row.figures.p99_us)),
        ("CPU", &|row| whole(row.figures.usage.cpu_us)),
        ("requests", &|row| two(row.figures.usage.requests)),
        ("write units", &|row| two(row.figures.usage.write_units)),
    ];
    section("Growth", &text, &growth.lengths, &lengths) + "\n" + &table(&growth.tables, &tables)
}

fn replay(replay: &Replay) -> String {
    let Replay { messages, calls, batch, environments, records_a_second, lost, given_back, usage } = replay;
    let Usage { requests, refused, write_units, items, item_bytes, log_lines, log_bytes, cpu_us, .. } = usage;
    format!(
        "\n## Replay\n\n\
         {messages} spooled records of {calls} calls, in batches of {batch}.\n\
         {environments} environments took them side by side on all cores:\n\
         **{records_a_second:.0} records a second**, {lost} lost, {given_back} given back to the queue.\n\n\
         A record took {cpu_us:.0} µs of CPU, {requests:.2} requests and {write_units:.2} write units.\n\
         {refused:.2} of the requests were refused, because the other environment had written first.\n\
         {items:.2} items of {item_bytes:.0} bytes stay of it, and {log_lines:.2} log lines of \
         {log_bytes:.0} bytes.\n"
    )
}

fn reading(reading: &Reading) -> String {
    let text = "`project` follows the records' stream, `history` answers. A callback is two changes of the\n\
                records. Where they are counted alone, each callback is a batch of its own: the dearest\n\
                way. Figures are of the last tenth of a room's events or a user's calls; times in µs.";
    let lengths: [Column<'_, reading::LengthRow>; 8] = [
        ("project, a callback", &|row| row.what.to_owned()),
        ("", &|row| row.length.to_string()),
        ("median", &|row| whole(row.last_tenth.median_us)),
        ("99th percentile", &|row| whole(row.last_tenth.p99_us)),
        ("CPU", &|row| whole(row.last_tenth.usage.cpu_us)),
        ("requests", &|row| two(row.last_tenth.usage.requests)),
        ("write units", &|row| two(row.last_tenth.usage.write_units)),
        ("messages", &|row| two(row.last_tenth.usage.published)),
    ];
    let pages: [Column<'_, reading::PageRow>; 6] = [
        ("history, a page", &|row| format!("{} of {} calls", row.rows, row.calls)),
        ("median", &|row| whole(row.figures.median_us)),
        ("99th percentile", &|row| whole(row.figures.p99_us)),
        ("CPU", &|row| whole(row.figures.usage.cpu_us)),
        ("requests", &|row| two(row.figures.usage.requests)),
        ("read units", &|row| two(row.figures.usage.read_units)),
    ];
    let calls: [Column<'_, reading::CallRow>; 9] = [
        ("project, a whole call", &|row| row.name.to_owned()),
        ("callbacks", &|row| row.callbacks.to_string()),
        ("requests", &|row| two(row.usage.requests)),
        ("write units", &|row| two(row.usage.write_units)),
        ("rows", &|row| two(row.usage.items)),
        ("bytes", &|row| whole(row.usage.item_bytes)),
        ("messages", &|row| two(row.usage.published)),
        ("published", &|row| whole(row.usage.published_bytes)),
        ("log", &|row| whole(row.usage.log_bytes)),
    ];
    let Throughput { changes, calls: changed, environments, batch, changes_a_second, lost, usage } =
        &reading.throughput;
    let live = &reading.live;
    let fast = format!(
        "\n{changes} changes of {changed} calls, in batches of {batch}, to {environments} environments\n\
         side by side on all cores, one a shard: **{changes_a_second:.0} changes a second**, {lost} lost.\n\
         A change took {:.0} µs of CPU, {:.2} requests and {:.2} write units.\n\n\
         {} live rooms are listed in **{:.0} ms** (the slowest of {}: {:.0} ms), with {:.0} requests and\n\
         {:.0} read units; the list has {:.1} MB.\n",
        usage.cpu_us,
        usage.requests,
        usage.write_units,
        live.rooms,
        live.figures.median_us / 1e3,
        live.figures.callbacks,
        live.figures.p99_us / 1e3,
        live.figures.usage.requests,
        live.figures.usage.read_units,
        live.answer_bytes as f64 / 1e6,
    );
    let others = [table(&reading.pages, &pages), table(&reading.calls, &calls)].join("\n");
    section("Reading", text, &reading.lengths, &lengths) + "\n" + &others + &fast
}

/// What stands above a column, and what a row has in it.
type Column<'a, Row> = (&'a str, &'a dyn Fn(&Row) -> String);

/// A table under a title; nothing without a row.
fn section<Row>(title: &str, text: &str, rows: &[Row], columns: &[Column<'_, Row>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let text = if text.is_empty() { String::new() } else { format!("{text}\n\n") };
    format!("\n## {title}\n\n{text}{}", table(rows, columns))
}

/// The first column is words, the others are numbers.
fn table<Row>(rows: &[Row], columns: &[Column<'_, Row>]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let head = line(columns.iter().map(|(head, _)| (*head).to_owned()).collect());
    let rule = format!("|---|{}\n", "---:|".repeat(columns.len().saturating_sub(1)));
    let rows = rows.iter().map(|row| line(columns.iter().map(|(_, cell)| cell(row)).collect()));
    head + &rule + &rows.collect::<String>()
}

fn two(count: f64) -> String {
    format!("{count:.2}")
}

fn whole(count: f64) -> String {
    format!("{count:.0}")
}

/// The page has lines of at most 110 characters; `performance.json` has the whole text.
fn in_a_cell(text: &str) -> String {
    text.chars()
        .map(|letter| if letter == '|' || letter.is_control() { ' ' } else { letter })
        .take(60)
        .collect()
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

fn mb(bytes: f64) -> String {
    let megabytes = bytes / 1e6;
    if megabytes < 0.1 { format!("{megabytes:.4}") } else { format!("{megabytes:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::example;

    #[test]
    fn figures_stand_beside_their_ratios_to_the_floor() {
        let page = measured(&example());
        let row = "| call-event | 10.0 (2.50 ×) | 0.500 (5.00 ×) | 0.250 (5.00 ×) | 5.00 (1.00 ×) | \
            2.00 (1.00 ×) | 2 |";
        assert!(page.contains(row) && page.contains("Example 9000"), "{page}");
        assert!(page.lines().all(|line| line.chars().count() <= 110), "{page}");
    }

    #[test]
    fn a_missed_bar_is_shown_missed() {
        let mut results = example();
        results.starts[2].cold.p50 = 15.0;
        let row = "| cold start, call-event | ≤ 2.60 × floor | 3.75 × floor | **missed** by 44 % |";
        let page = measured(&results);
        assert!(page.contains(row), "{page}");
    }

    #[test]
    fn a_subject_that_fails_while_held_and_a_machine_that_holds_none_are_said() {
        let mut results = example();
        let page = measured(&results);
        // 6 ms of INIT with a whole core and 4 ms held.
        assert!(page.contains("| call-event | 10 | 10.0 |"), "{page}");
        assert!(page.contains("| stock |  | fails: it answered   503 |"), "{page}");
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
