//! The outcomes of each hour as bars, and the answer rate as a line.

use std::ops::Range;

use maud::{Markup, html};
use plotters::prelude::{
    ChartBuilder, Circle, Color, IntoDrawingArea, PathElement, RGBColor, Rectangle, SVGBackend,
};

use super::pages;

const SIZE: (u32, u32) = (960, 220);

/// One hour: its name, what became of its calls, and the part of them that was answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Hour {
    pub(super) name: String,
    pub(super) answered: i64,
    pub(super) missed: i64,
    /// Declined, busy, canceled, failed.
    pub(super) others: i64,
    /// Not ended yet.
    pub(super) open: i64,
    /// 0 to 1.
    pub(super) rate: Option<f64>,
}

/// Colours stand for classes: the style sheet has the real ones, for light and for dark.
const ANSWERED: RGBColor = RGBColor(1, 0, 0);
const MISSED: RGBColor = RGBColor(2, 0, 0);
const OTHERS: RGBColor = RGBColor(3, 0, 0);
const OPEN: RGBColor = RGBColor(4, 0, 0);
const RATE: RGBColor = RGBColor(5, 0, 0);
const TEXT: RGBColor = RGBColor(6, 0, 0);
const CLASSES: [(&str, &str); 6] = [
    ("#010000", "answered"),
    ("#020000", "missed"),
    ("#030000", "others"),
    ("#040000", "open"),
    ("#050000", "rate"),
    ("#060000", "text"),
];

/// The chart with its legend, and the same as a table for those who do not see it.
pub(super) fn outcomes(hours: &[Hour]) -> Markup {
    let Some(svg) = svg(hours) else { return html! { p .empty { "No calls in these hours." } } };
    let legend = [
        ("answered", "answered"),
        ("missed", "missed"),
        ("others", "declined, busy, canceled, failed"),
        ("open", "not ended"),
        ("rate", "answered, per cent"),
    ];
    html! {
        figure .chart {
            (pages::drawn(svg))
            figcaption {
                @for (class, name) in legend { span .key { i class=(class) {} (name) } }
            }
        }
        details {
            summary { "The same as a table" }
            (pages::scrolling("Outcomes by hour", &table(hours)))
        }
    }
}

fn table(hours: &[Hour]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Hour" }
                @for name in ["Answered", "Missed", "Others", "Not ended", "Answer rate"] {
                    th .number scope="col" { (name) }
                }
            } }
            tbody { @for hour in hours { tr {
                th scope="row" { (hour.name) }
                @for count in [hour.answered, hour.missed, hour.others, hour.open] {
                    td .number { (count) }
                }
                td .number { (hour.rate.map_or("–".to_owned(), |rate| format!("{:.0} %", rate * 100.0))) }
            } } }
        }
    }
}

fn svg(hours: &[Hour]) -> Option<String> {
    let most = hours.iter().map(|hour| hour.answered + hour.missed + hour.others + hour.open).max()?;
    if most == 0 {
        return None;
    }
    let mut svg = String::new();
    draw(&mut svg, hours, most).ok()?;
    Some(themed(svg))
}

#[expect(clippy::cast_precision_loss, reason = "counts and hours are far below 2^53")]
fn draw(svg: &mut String, hours: &[Hour], most: i64) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let whole: Range<f64> = 0.0..hours.len() as f64;
    let mut chart = ChartBuilder::on(&area)
        .margin(8)
        .x_label_area_size(26)
        .y_label_area_size(40)
        .right_y_label_area_size(44)
        .build_cartesian_2d(whole.clone(), 0.0..most as f64 * 1.08)?
        .set_secondary_coord(whole, 0.0..1.08);
    let text = ("sans-serif", 13, &TEXT);
    let name = |at: &f64| hours.get(at.floor() as usize).map(|hour| hour.name.clone()).unwrap_or_default();
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TEXT.mix(0.0))
        .bold_line_style(TEXT.mix(0.15))
        .axis_style(TEXT.mix(0.0))
        .x_labels(13)
        .y_labels(4)
        .x_label_formatter(&name)
        .y_label_formatter(&|count: &f64| format!("{count:.0}"))
        .label_style(text)
        .draw()?;
    chart
        .configure_secondary_axes()
        .y_labels(3)
        .y_label_formatter(&|rate: &f64| format!("{:.0} %", rate * 100.0))
        .axis_style(TEXT.mix(0.0))
        .label_style(text)
        .draw()?;
    for (place, hour) in hours.iter().enumerate() {
        let (left, mut from) = (place as f64 + 0.18, 0.0);
        let parts =
            [(hour.answered, ANSWERED), (hour.others, OTHERS), (hour.missed, MISSED), (hour.open, OPEN)];
        for (count, colour) in parts.into_iter().filter(|(count, _)| *count > 0) {
            let to = from + count as f64;
            chart.draw_series([Rectangle::new([(left, from), (left + 0.64, to)], colour.filled())])?;
            from = to;
        }
    }
    let rates: Vec<(f64, f64)> =
        hours.iter().enumerate().filter_map(|(place, hour)| Some((place as f64 + 0.5, hour.rate?))).collect();
    chart.draw_secondary_series([PathElement::new(rates.clone(), RATE.stroke_width(2))])?;
    chart.draw_secondary_series(rates.into_iter().map(|at| Circle::new(at, 3, RATE.filled())))?;
    area.present()?;
    Ok(())
}

/// With classes in place of colours, and as wide as there is room. The page's text has the same numbers, so
/// it is an image without words.
fn themed(mut svg: String) -> String {
    for (colour, class) in CLASSES {
        for attribute in ["fill", "stroke"] {
            let class = format!("class=\"{attribute} {class}\"");
            svg = svg.replace(&format!("{attribute}=\"{colour}\""), &class);
        }
    }
    let size = format!("width=\"{}\" height=\"{}\"", SIZE.0, SIZE.1);
    svg.replace(&size, "role=\"img\" aria-label=\"Outcomes by hour; the table below has the numbers\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_classes_in_place_of_colours_and_no_size_of_its_own() {
        let hour = Hour { name: "06".into(), answered: 3, missed: 1, rate: Some(0.75), ..Hour::default() };
        let svg = svg(&[hour.clone(), Hour { name: "07".into(), ..hour }]).unwrap();
        assert!(svg.contains("fill answered") && svg.contains("stroke rate"), "{svg}");
        assert!(!svg.contains("#0") && !svg.contains("width=\"960\""), "{svg}");
        assert_eq!(super::svg(&[Hour::default()]), None);
    }
}
