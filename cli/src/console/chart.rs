//! The chart of outcomes by hour. plotters draws it in marks, not colours: style.css gives each mark the
//! colour of the theme, light or dark.

use plotters::prelude::*;

use super::overview::Hour;

/// Colours that stand for others. style.css finds them by their values.
const INK: RGBColor = RGBColor(1, 1, 1);
const GRID: RGBColor = RGBColor(2, 2, 2);
const RATE: RGBColor = RGBColor(3, 3, 3);
/// The first of the groups of outcomes; the others follow.
const FIRST_GROUP: u8 = 16;

const SIZE: (u32, u32) = (880, 300);
const FONT: (&str, u32) = ("sans-serif", 17);

type Drawn<T> = Result<T, DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>>;

/// The chart as SVG. A chart that cannot be drawn is empty: the table below it has the same numbers.
pub(super) fn outcomes_by_hour(hours: &[Hour]) -> String {
    let mut svg = String::new();
    match draw(&mut svg, hours) {
        Ok(()) => svg,
        Err(_) => String::new(),
    }
}

fn draw(svg: &mut String, hours: &[Hour]) -> Drawn<()> {
    let width = f64::from(u32::try_from(hours.len()).unwrap_or(u32::MAX));
    let highest = hours.iter().map(|hour| hour.groups().iter().sum::<i64>()).max().unwrap_or(0).max(4);
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&root)
        .margin_top(12)
        .x_label_area_size(34)
        .y_label_area_size(46)
        .right_y_label_area_size(62)
        .build_cartesian_2d(0.0..width, 0.0..float(highest) * 1.05)?
        .set_secondary_coord(0.0..width, 0.0..105.0);
    let label = |index: &f64| {
        let hour = hours.iter().zip(0_u32..).find(|(_, at)| (f64::from(*at) - index).abs() < 0.01);
        hour.map(|(hour, _)| hour.label()).unwrap_or_default()
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(13)
        .y_labels(4)
        .x_label_formatter(&label)
        .y_label_formatter(&|count| format!("{count:.0}"))
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(GRID)
        .label_style(FONT.into_font().color(&INK))
        .draw()?;
    chart
        .configure_secondary_axes()
        .y_labels(4)
        .y_label_formatter(&|rate| format!("{rate:.0} %"))
        .axis_style(GRID)
        .label_style(FONT.into_font().color(&INK))
        .draw()?;
    for (hour, index) in hours.iter().zip(0_u32..) {
        let (left, mut bottom) = (f64::from(index), 0.0);
        for (count, group) in hour.groups().into_iter().zip(0_u8..) {
            let top = bottom + float(count);
            let colour = RGBColor(FIRST_GROUP + group, FIRST_GROUP, FIRST_GROUP);
            let corners = [(left + 0.14, bottom), (left + 0.86, top)];
            if count > 0 {
                chart.draw_series([Rectangle::new(corners, colour.filled())])?;
            }
            bottom = top;
        }
    }
    let rates = hours
        .iter()
        .zip(0_u32..)
        .filter_map(|(hour, index)| Some((f64::from(index) + 0.5, hour.figures.answer_rate()? * 100.0)));
    let rates: Vec<(f64, f64)> = rates.collect();
    chart.draw_secondary_series([PathElement::new(rates.clone(), RATE.stroke_width(2))])?;
    chart.draw_secondary_series(rates.iter().map(|at| Circle::new(*at, 4, RATE.filled())))?;
    root.present()
}

#[expect(clippy::cast_precision_loss, reason = "a chart shows no difference beyond 2^53")]
fn float(count: i64) -> f64 {
    count as f64
}
