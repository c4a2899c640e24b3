//! Spreads jobs that fire in the same minute over the minutes of an hour.

use std::collections::HashSet;

use crate::domain::{
    id::JobId,
    schedule::{Cron, MinuteSpan, Schedule},
    string_enum::string_enum,
    timer::{ParsedSchedules, StoredSchedule, Timer},
};

/// How many changes one proposal has at most.
pub const MAX_CHANGES: usize = 1000;

string_enum! {
    /// Why a job keeps its schedule.
    KeptReason {
        NotActive = "not_active", NotInWindow = "not_in_window", NotCron = "not_cron", SeveralMinutes = "several_minutes",
        AlreadySpread = "already_spread",
    }
}

/// The fires of a window, minute by minute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub minutes: Vec<u32>,
}

impl Load {
    /// The fires of the busiest minute.
    pub fn peak(&self) -> u32 {
        self.minutes.iter().copied().max().unwrap_or(0)
    }

    fn add(&mut self, schedule: &Schedule, timer: &Timer, span: MinuteSpan) -> Option<usize> {
        let minutes = schedule.minutes(timer.anchor, span).ok()?;
        minutes.indexes().for_each(|index| self.minutes[index] += 1);
        minutes.indexes().next()
    }
}

/// A proposed expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub job: JobId,
    /// The version of the job that has the expression `before`.
    pub version: i32,
    pub before: String,
    pub after: String,
}

/// A proposal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    pub before: Load,
    pub after: Load,
    pub changes: Vec<Change>,
    pub kept: Vec<(JobId, KeptReason)>,
    /// There were more jobs to decide on than a proposal can have.
    pub has_more: bool,
}

/// Proposes another minute of its hour for each chosen job that fires in `window`, or for all jobs if none are chosen. The loads count
/// all timers. A minute depends only on the id of its job and on the window: the same question gets the same answer.
///
/// Of all jobs, those that do not fire in the window are not listed.
pub fn spread(timers: &[Timer], chosen: Option<&[JobId]>, window: MinuteSpan) -> Spread {
    let none = Load { minutes: vec![0; window.len()] };
    let mut spread = Spread { before: none.clone(), after: none, ..Spread::default() };
    let mut parsed = ParsedSchedules::default();
    let wanted: Option<HashSet<JobId>> = chosen.map(|jobs| jobs.iter().copied().collect());
    for timer in timers {
        let schedule = parsed.get(&timer.schedule);
        let fires_at = spread.before.add(&schedule, timer, window);
        let is_wanted = wanted.as_ref().is_none_or(|wanted| wanted.contains(&timer.job));
        let moved = spread.decide(timer, &schedule, fires_at.filter(|_| is_wanted), window);
        spread.after.add(moved.as_ref().unwrap_or(&schedule), timer, window);
        if fires_at.is_none() && is_wanted && wanted.is_some() {
            spread.kept.push((timer.job, KeptReason::NotInWindow));
        }
    }
    let active: HashSet<JobId> = timers.iter().map(|timer| timer.job).collect();
    let absent = wanted.into_iter().flatten().filter(|job| !active.contains(job));
    spread.kept.extend(absent.map(|job| (job, KeptReason::NotActive)));
    spread.kept.sort_by_key(|(job, _)| *job);
    spread
}

impl Spread {
    /// The new schedule of a job that fires in the window. Records the decision.
    fn decide(
        &mut self,
        timer: &Timer,
        schedule: &Schedule,
        fires_at: Option<usize>,
        window: MinuteSpan,
    ) -> Option<Schedule> {
        let fires_at = fires_at?;
        if self.changes.len() + self.kept.len() >= MAX_CHANGES {
            self.has_more = true;
            return None;
        }
        match propose(timer, schedule, fires_at, window) {
            Ok((change, schedule)) => {
                self.changes.push(change);
                Some(schedule)
            }
            Err(reason) => {
                self.kept.push((timer.job, reason));
                None
            }
        }
    }
}

fn propose(
    timer: &Timer,
    schedule: &Schedule,
    fires_at: usize,
    window: MinuteSpan,
) -> Result<(Change, Schedule), KeptReason> {
    let (Schedule::Cron(cron), StoredSchedule::Cron { expression, .. }) = (schedule, &timer.schedule) else {
        return Err(KeptReason::NotCron);
    };
    let minutes = cron.minutes_of_hour(window, fires_at);
    let chosen = minutes.get(crc32fast::hash(timer.job.uuid().as_bytes()) as usize % minutes.len().max(1));
    let moved: Cron = chosen.and_then(|minute| cron.at_minute(*minute)).ok_or(KeptReason::SeveralMinutes)?;
    let (Ok(before), Ok(after)) =
        (schedule.minutes(timer.anchor, window), Schedule::Cron(moved.clone()).minutes(timer.anchor, window))
    else {
        return Err(KeptReason::SeveralMinutes);
    };
    if before == after {
        return Err(KeptReason::AlreadySpread);
    }
    let (before, after) = (expression.clone(), moved.expression().to_owned());
    Ok((Change { job: timer.job, version: timer.version, before, after }, Schedule::Cron(moved)))
}

#[cfg(test)]
mod tests;
