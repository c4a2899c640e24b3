//! report.svg: the lateness of each load, and its rate from start to end.

use plotters::{
    coord::{Shift, ranged1d::ValueFormatter, types::RangedCoordf64},
    prelude::{
        SeriesLabelPosition::{UpperLeft, UpperRight},
        *,
    },
};

use trigrun_testkit::stats::median;

use crate::{
    measured::Measured,
    series::{Row, Series, is_variant},
};

pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub type Points = Vec<(f64, f64)>;

const SIZE: (u32, u32) = (1700, 640);
const FONT: (&str, u32) = ("sans-serif", 15);
const CAPTION: (&str, u32) = ("sans-serif", 20);
/// Below this, the delay of the sink itself dominates.
const MIN_MS: f64 = 0.05;
const SECONDS_PER_TENTH: f64 = 0.1;

/// The product's loads without their variants; `None` if none was measured.
pub fn plot(loads: &Series<Measured>) -> anyhow::Result<Option<String>> {
    let product: Vec<_> = loads.0.iter().filter(|row| !is_variant(&row.name)).collect();
    if product.is_empty() {
        return Ok(None);
    }
    let svg = side_by_side(|left, right| {
        lateness(left, &lines(&product, lateness_curve))?;
        rate(right, &lines(&product, per_second))
    });
    svg.map(Some)
}

/// Two charts in one picture.
pub fn side_by_side(
    charts: impl FnOnce(&Area<'_>, &Area<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (left, right) = root.split_horizontally(SIZE.0 / 2);
    charts(&left, &right)?;
    root.present()?;
    drop((left, right, root));
    Ok(svg)
}

fn lines<'a>(rows: &[&'a Row<Measured>], points: fn(&Row<Measured>) -> Points) -> Vec<(&'a str, Points)> {
    rows.iter().map(|row| (row.name.as_str(), points(row))).collect()
}

/// The median of the repetitions at each thousandth.
fn lateness_curve(row: &Row<Measured>) -> Points {
    let curves: Vec<_> = row.repetitions.iter().map(|measured| &measured.lateness_curve_ms).collect();
    let at = |thousandth: usize| median(curves.iter().filter_map(|curve| curve.get(thousandth).copied()));
    let point = |thousandth| (at(thousandth).unwrap_or(f64::NAN).max(MIN_MS), thousandth as f64 / 10.0);
    (0..=1000).map(point).collect()
}

/// Of the repetition with the median rate, without the last, incomplete tenth of a second.
fn per_second(row: &Row<Measured>) -> Points {
    let median = row.median(|measured| measured.runs_per_second);
    let measured = row.repetitions.iter().find(|measured| measured.runs_per_second >= median);
    let tenths = measured.map_or(&[][..], |measured| &measured.per_tenth);
    let whole = tenths.iter().take(tenths.len().saturating_sub(1)).enumerate();
    whole.map(|(at, runs)| (at as f64 * SECONDS_PER_TENTH, *runs as f64 / SECONDS_PER_TENTH)).collect()
}

fn lateness(area: &Area<'_>, lines: &[(&str, Points)]) -> anyhow::Result<()> {
    let max = max(lines, |point| point.0);
    let chart = chart(area, "Lateness").build_cartesian_2d((MIN_MS..max * 1.2).log_scale(), 0.0..100.0)?;
    draw(chart, lines, "lateness, ms (log)", "% of the runs", UpperLeft)
}

fn rate(area: &Area<'_>, lines: &[(&str, Points)]) -> anyhow::Result<()> {
    let (seconds, runs) = (max(lines, |point| point.0), max(lines, |point| point.1));
    let chart = chart(area, "Runs per second").build_cartesian_2d(0.0..seconds, 0.0..runs * 1.05)?;
    draw(chart, lines, "seconds since the first request", "runs per second", UpperRight)
}

pub fn chart<'a, 'svg>(area: &'a Area<'svg>, caption: &str) -> ChartBuilder<'a, 'static, SVGBackend<'svg>> {
    let mut chart = ChartBuilder::on(area);
    chart.caption(caption, CAPTION).margin(16).x_label_area_size(48).y_label_area_size(72);
    chart
}

/// At least 1, because an axis must have a length.
pub fn max(lines: &[(&str, Points)], value: fn(&(f64, f64)) -> f64) -> f64 {
    lines.iter().flat_map(|(_, points)| points).map(value).fold(1.0, f64::max)
}

/// Draws the lines with their names.
pub fn draw<'a, 'svg: 'a, X>(
    mut chart: ChartContext<'a, SVGBackend<'svg>, Cartesian2d<X, RangedCoordf64>>,
    lines: &[(&str, Points)],
    x: &str,
    y: &str,
    names_at: SeriesLabelPosition,
) -> anyhow::Result<()>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart.configure_mesh().x_desc(x).y_desc(y).label_style(FONT).light_line_style(WHITE).draw()?;
    for (index, (name, points)) in lines.iter().enumerate() {
        let style = Palette99::pick(index).stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    let mut names = chart.configure_series_labels();
    names.position(names_at).label_font(FONT).background_style(WHITE.mix(0.8));
    names.border_style(BLACK.mix(0.3)).draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        arrivals::{Arrival, Arrivals},
        cost::Cost,
    };

    #[test]
    fn every_load_of_the_product_is_drawn() {
        let mut loads = Series::default();
        assert!(plot(&loads).unwrap().is_none());
        let arrival = |id| Arrival { id, intended_us: 0, at_us: i64::try_from(id).unwrap() * 1000 };
        let arrivals = Arrivals((0..1000).map(arrival).collect());
        loads.add("load", Measured::new(&arrivals, 0, Cost::default()));
        loads.add(&crate::series::of_prototype("load"), Measured::new(&arrivals, 0, Cost::default()));
        let svg = plot(&loads).unwrap().unwrap();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
        assert_eq!(svg.matches("\nload\n").count(), 2);
    }
}
