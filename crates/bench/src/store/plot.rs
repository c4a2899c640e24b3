//! store.svg: what a fire and an idle second cost, over the number of jobs.

use anyhow::Context;
use plotters::coord::Shift;
use plotters::prelude::{
    ChartBuilder, Circle, Color, DrawingArea, IntoDrawingArea, IntoLogRange, LineSeries, RGBColor,
    SVGBackend, WHITE,
};
use std::{fs, path::Path};

use super::sizes::Size;

const SIZE: (u32, u32) = (960, 360);
const INK: RGBColor = RGBColor(28, 100, 160);

/// Nothing is drawn of fewer than two numbers of jobs.
pub fn draw(sizes: &[Size], path: &Path) -> anyhow::Result<()> {
    let mut svg = String::new();
    let (Some(first), Some(last)) = (sizes.first(), sizes.last()) else { return Ok(()) };
    let jobs = (first.jobs as f64, last.jobs as f64);
    if jobs.0 >= jobs.1 {
        return Ok(());
    }
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let (left, right) = area.split_horizontally(SIZE.0 / 2);
        let points =
            |value: fn(&Size) -> f64| sizes.iter().map(|size| (size.jobs as f64, value(size))).collect();
        chart(&left, "µs of a processor for each fire", jobs, points(|size| size.fire.us_per_run_sum))?;
        chart(&right, "% of a processor while nothing is due", jobs, points(|size| size.idle.percent_sum))?;
        area.present()?;
    }
    fs::write(path, svg).with_context(|| path.display().to_string())
}

fn chart(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    title: &str,
    jobs: (f64, f64),
    points: Vec<(f64, f64)>,
) -> anyhow::Result<()> {
    let most = points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d((jobs.0..jobs.1).log_scale(), 0.0..most * 1.2)?;
    chart
        .configure_mesh()
        .x_desc("jobs")
        .x_label_formatter(&|jobs| format!("{jobs:.0}"))
        .light_line_style(INK.mix(0.05))
        .bold_line_style(INK.mix(0.15))
        .draw()?;
    chart.draw_series(LineSeries::new(points.iter().copied(), INK.stroke_width(2)))?;
    chart.draw_series(points.iter().map(|point| Circle::new(*point, 4, INK.filled())))?;
    Ok(())
}
