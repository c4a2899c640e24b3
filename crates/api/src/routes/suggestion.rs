//! The path that was probably meant by one that does not exist.

use trigrun_core::domain::wording::nearest;

/// What other APIs call the last part of a path. Where a word may have two meanings, the rest of the path decides.
const OTHER_NAMES: [(&str, &str); 22] = [
    ("run", "run-now"),
    ("trigger", "run-now"),
    ("execute", "run-now"),
    ("invoke", "run-now"),
    ("fire", "run-now"),
    ("runs", "executions"),
    ("history", "executions"),
    ("logs", "executions"),
    ("disable", "pause"),
    ("suspend", "pause"),
    ("stop", "pause"),
    ("stop", "cancel"),
    ("abort", "cancel"),
    ("kill", "cancel"),
    ("enable", "resume"),
    ("activate", "resume"),
    ("unpause", "resume"),
    ("retry", "replay"),
    ("rerun", "replay"),
    ("channels", "notification-channels"),
    ("rules", "notification-rules"),
    ("audit", "audit-log"),
];

/// The pattern of a known path that differs from `path` in the prefix or in one word.
pub fn suggestion<'a>(path: &str, patterns: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let path = path.trim_end_matches('/');
    let path = path.strip_prefix("/api").unwrap_or(path);
    let with_prefix = if path.starts_with("/v1/") { path.to_owned() } else { format!("/v1{path}") };
    [path, with_prefix.as_str()].into_iter().find_map(|path| {
        let given: Vec<&str> = path.split('/').collect();
        let differences = |pattern: &&str| differences(&given, pattern);
        patterns.clone().filter(|pattern| differences(pattern).is_some()).min_by_key(differences)
    })
}

/// How many words differ, at most one; `None` if the pattern is another path.
fn differences(given: &[&str], pattern: &str) -> Option<usize> {
    let known: Vec<&str> = pattern.split('/').collect();
    if known.len() != given.len() {
        return None;
    }
    let mut differences = 0;
    for (given, known) in given.iter().zip(known) {
        let is_parameter = known.starts_with('{') && !given.is_empty();
        if is_parameter || *given == known {
            continue;
        }
        let is_meant = OTHER_NAMES.contains(&(given, known)) || nearest(given, [known].into_iter()).is_some();
        differences += if is_meant { 1 } else { return None };
    }
    (differences <= 1).then_some(differences)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_or_the_prefix_may_differ() {
        let patterns = [
            "/v1/jobs",
            "/v1/jobs/{id}",
            "/v1/jobs/{id}/run-now",
            "/v1/jobs/{id}/pause",
            "/v1/jobs/{id}/executions",
            "/v1/executions/{id}/cancel",
            "/v1/notification-channels",
            "/livez",
        ];
        let meant = |path| suggestion(path, patterns.into_iter());
        for (path, pattern) in [
            ("/v1/jobs/job_1/run", "/v1/jobs/{id}/run-now"),
            ("/v1/jobs/job_1/trigger", "/v1/jobs/{id}/run-now"),
            ("/v1/jobs/job_1/run_now", "/v1/jobs/{id}/run-now"),
            ("/v1/jobs/job_1/stop", "/v1/jobs/{id}/pause"),
            ("/v1/executions/exe_1/stop", "/v1/executions/{id}/cancel"),
            ("/v1/job", "/v1/jobs"),
            ("/jobs/job_1", "/v1/jobs/{id}"),
            ("/api/v1/jobs", "/v1/jobs"),
            ("/v1/channels", "/v1/notification-channels"),
            ("/v1/jobs/job_1/history", "/v1/jobs/{id}/executions"),
        ] {
            assert_eq!(meant(path), Some(pattern), "{path}");
        }
        for path in ["/", "/v2/jobs/1/2/3", "/v1/executions/exe_1/history", "/.env", "/metrics"] {
            assert_eq!(meant(path), None, "{path}");
        }
    }
}
