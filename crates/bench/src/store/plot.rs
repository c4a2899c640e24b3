//! store.svg: the cost of a fire and of an idle second by number of jobs, in total and by process.

use plotters::prelude::{IntoLogRange, SeriesLabelPosition::UpperLeft};
use std::collections::BTreeMap;

use super::sizes::Size;
use crate::report::plot::{Area, Points, chart, draw, max, side_by_side};

/// The cost by process, and the total.
type Costs = fn(&Size) -> (&BTreeMap<String, f64>, f64);

/// `None` for fewer than two numbers of jobs.
pub fn plot(sizes: &[Size]) -> anyhow::Result<Option<String>> {
    let (Some(first), Some(last)) = (sizes.first(), sizes.last()) else { return Ok(None) };
    if first.jobs >= last.jobs {
        return Ok(None);
    }
    let fire = lines(sizes, |size| (&size.fire.cost.us_per_run, size.fire.cost.us_per_run_sum));
    let idle = lines(sizes, |size| (&size.idle.percent, size.idle.percent_sum));
    let svg = side_by_side(|left, right| {
        over_jobs(left, "A fire", "µs of a processor", &fire)?;
        over_jobs(right, "While nothing is due", "% of a processor", &idle)
    });
    svg.map(Some)
}

fn lines(sizes: &[Size], costs: Costs) -> Vec<(&str, Points)> {
    let line =
        |value: &dyn Fn(&Size) -> f64| sizes.iter().map(|size| (size.jobs as f64, value(size))).collect();
    let mut lines = vec![("total without the sink", line(&|size| costs(size).1))];
    let names = sizes.iter().take(1).flat_map(|size| costs(size).0.keys());
    lines.extend(names.map(|name| {
        let cost = |size: &Size| costs(size).0.get(name).copied().unwrap_or(f64::NAN);
        (name.as_str(), line(&cost))
    }));
    lines
}

fn over_jobs(area: &Area<'_>, caption: &str, y: &str, lines: &[(&str, Points)]) -> anyhow::Result<()> {
    let jobs = || lines.iter().flat_map(|(_, points)| points).map(|point| point.0);
    let (fewest, most) = (jobs().fold(f64::MAX, f64::min), max(lines, |point| point.0));
    let highest = max(lines, |point| point.1);
    let chart = chart(area, caption).build_cartesian_2d((fewest..most).log_scale(), 0.0..highest * 1.2)?;
    draw(chart, lines, "jobs (log)", y, UpperLeft)
}
