//! The results as a picture: an SVG in colours that can be read on white and on black.

use std::fmt::Write;

use crate::catalogue::Kind;
use crate::measure::Figures;
use crate::report::{ms, ratio};
use crate::results::Results;

const WIDTH: f64 = 960.0;
const LABELS: f64 = 190.0;
const NUMBERS: f64 = 190.0;
const ROW: f64 = 26.0;
const BAR: f64 = 16.0;
const HEADING: f64 = 66.0;
const LEGEND: f64 = 34.0;
const BARS: f64 = WIDTH - LABELS - NUMBERS;
const STYLE: &str = "text{font:13px -apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;fill:#6e7781}\
    .heading{font-size:16px;font-weight:600}.ours{font-weight:600}\
    .init{fill:#d4820f}.first{fill:#1f9e89}.cpu{fill:#5b8def}.axis{stroke:#6e7781;stroke-opacity:.4}";

/// A bar of one or two parts.
struct Row {
    label: String,
    ours: bool,
    parts: Vec<(&'static str, f64)>,
    numbers: String,
}

struct Panel {
    heading: &'static str,
    explanation: String,
    rows: Vec<Row>,
}

/// The chart of a run; `None` when nothing was put side by side.
pub fn svg(results: &Results) -> Option<String> {
    let floor = results.of_kind(Kind::Floor)?;
    let panels = [compared(results, floor)?, against_the_floor(results, floor), warm(results, floor)];
    let rows: usize = panels.iter().map(|panel| panel.rows.len()).sum();
    let height = LEGEND + HEADING * panels.len() as f64 + ROW * rows as f64 + 12.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
         <title>Cold starts and warm callbacks</title>\n<style>{STYLE}</style>\n"
    );
    let mut top = 0.0;
    legend(&mut svg, &mut top);
    panels.iter().for_each(|panel| draw(&mut svg, &mut top, panel));
    svg += "</svg>\n";
    Some(svg)
}

/// One callback, written in several ways.
fn compared(results: &Results, floor: &Figures) -> Option<Panel> {
    let ours = results.functions().find(|figures| figures.name == "call-event")?;
    let others = [Kind::Stock, Kind::Node, Kind::Python].map(|kind| results.of_kind(kind));
    let rows = [Some(floor), Some(ours)].into_iter().chain(others).flatten();
    let rows = rows.map(|figures| Row {
        label: match figures.kind {
            Kind::Stock => "Rust, SDK as it comes".to_owned(),
            Kind::Node => "Node, AWS SDK v3".to_owned(),
            Kind::Python => "Python, boto3".to_owned(),
            Kind::Floor => "no-op floor".to_owned(),
            Kind::Function | Kind::Also => format!("Ringback {}", figures.name),
        },
        numbers: match figures.kind {
            Kind::Function => format!("{} ms", ms(figures.cold.p50)),
            _ => against(figures.cold.p50, ours.cold.p50, "ours"),
        },
        ..cold(figures, floor)
    });
    Some(Panel {
        heading: "Cold start of one callback, written in different ways",
        explanation: "from the start of the process to the first answer, with the TLS handshake to DynamoDB".to_owned(),
        rows: rows.collect(),
    })
}

fn against_the_floor(results: &Results, floor: &Figures) -> Panel {
    let rows =
        results.figures.iter().filter(|figures| matches!(figures.kind, Kind::Floor | Kind::Function | Kind::Also));
    Panel {
        heading: "Cold start of each function",
        explanation: "the same on a larger scale, against the least that a Lambda function can be".to_owned(),
        rows: rows.map(|figures| cold(figures, floor)).collect(),
    }
}

fn warm(results: &Results, floor: &Figures) -> Panel {
    let rows = results.figures.iter().map(|figures| Row {
        label: label(figures),
        ours: figures.kind == Kind::Function,
        parts: vec![("cpu", figures.warm_cpu)],
        numbers: against(figures.warm_cpu, floor.warm_cpu, "floor"),
    });
    Panel {
        heading: "CPU time of a warm callback",
        explanation: format!("median of {} callbacks, in turns of 100", results.warm_calls),
        rows: rows.collect(),
    }
}

fn cold(figures: &Figures, floor: &Figures) -> Row {
    Row {
        label: label(figures),
        ours: figures.kind == Kind::Function,
        // The median of a sum is not the sum of the medians: the first part is INIT's share of it.
        parts: vec![("init", figures.init.p50), ("first", (figures.cold.p50 - figures.init.p50).max(0.0))],
        numbers: against(figures.cold.p50, floor.cold.p50, "floor"),
    }
}

fn label(figures: &Figures) -> String {
    if figures.kind == Kind::Floor { "no-op floor".to_owned() } else { figures.name.clone() }
}

fn against(of: f64, other: f64, name: &str) -> String {
    format!("{} ms · {} × {name}", ms(of), ratio(of, other))
}

fn legend(svg: &mut String, top: &mut f64) {
    for (left, class, text) in [(LABELS, "init", "init"), (LABELS + 70.0, "first", "first callback")] {
        let (swatch, baseline, words) = (*top + 10.0, *top + 21.0, left + 19.0);
        let _ =
            writeln!(svg, "<rect class=\"{class}\" x=\"{left}\" y=\"{swatch}\" width=\"13\" height=\"13\" rx=\"2\"/>");
        let _ = writeln!(svg, "<text x=\"{words}\" y=\"{baseline}\">{text}</text>");
    }
    *top += LEGEND;
}

fn draw(svg: &mut String, top: &mut f64, panel: &Panel) {
    let (heading, explanation) = (*top + 30.0, *top + 50.0);
    let _ = writeln!(svg, "<text class=\"heading\" x=\"12\" y=\"{heading}\">{}</text>", panel.heading);
    let _ = writeln!(svg, "<text x=\"12\" y=\"{explanation}\">{}</text>", panel.explanation);
    *top += HEADING;
    let total = |row: &Row| row.parts.iter().map(|(_, value)| value).sum::<f64>();
    let longest = panel.rows.iter().map(total).fold(f64::MIN_POSITIVE, f64::max);
    let bottom = *top + ROW * panel.rows.len() as f64;
    let _ = writeln!(svg, "<line class=\"axis\" x1=\"{LABELS}\" x2=\"{LABELS}\" y1=\"{top}\" y2=\"{bottom}\"/>");
    for row in &panel.rows {
        let (baseline, bar, end) = (*top + 17.0, *top + 5.0, LABELS - 10.0);
        let class = if row.ours { "ours" } else { "" };
        let _ = writeln!(
            svg,
            "<text class=\"{class}\" x=\"{end}\" y=\"{baseline}\" text-anchor=\"end\">{}</text>",
            escaped(&row.label)
        );
        let mut left = LABELS;
        for (part, value) in &row.parts {
            let width = value / longest * BARS;
            let _ = writeln!(
                svg,
                "<rect class=\"{part}\" x=\"{left:.1}\" y=\"{bar:.1}\" width=\"{width:.1}\" height=\"{BAR}\"/>"
            );
            left += width;
        }
        let words = left + 8.0;
        let _ = writeln!(svg, "<text class=\"{class}\" x=\"{words:.1}\" y=\"{baseline}\">{}</text>", row.numbers);
        *top += ROW;
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::example;

    #[test]
    fn a_bar_is_as_long_as_its_figure_and_none_leaves_the_picture() {
        let svg = svg(&example()).unwrap();
        let numbers = |class: &str| -> Vec<(f64, f64)> {
            let attribute = |tag: &str, name: &str| -> f64 {
                tag.split_once(&format!(" {name}=\"")).unwrap().1.split('"').next().unwrap().parse().unwrap()
            };
            let tags = svg.split('<').filter(|tag| tag.starts_with(&format!("rect class=\"{class}\"")));
            tags.map(|tag| (attribute(tag, "x"), attribute(tag, "width"))).collect()
        };
        let cpu = numbers("cpu");
        assert_eq!(cpu.len(), 6);
        // Python's 3 ms against Node's 1.5 ms.
        assert!((cpu[5].1 - BARS).abs() < 0.1 && (cpu[4].1 - BARS / 2.0).abs() < 0.1);
        for (x, width) in numbers("first") {
            assert!(x + width + NUMBERS < WIDTH + 0.1);
        }
    }

    #[test]
    fn without_a_floor_there_is_nothing_to_draw() {
        let mut results = example();
        results.figures.remove(0);
        assert_eq!(svg(&results), None);
    }
}
