//! A run on its way from the claim to the recorder.

use anyhow::Context;

/// One job at one instant, with everything needed to send it.
pub struct Run {
    /// Its stream entry.
    pub entry: String,
    pub job: i64,
    /// When to send it, in unix microseconds.
    pub at: i64,
    pub path: String,
    pub body: String,
}

/// A run with its response.
pub struct Completed {
    pub entry: String,
    pub job: i64,
    pub at: i64,
    pub started: i64,
    pub latency_us: i32,
    pub status: i16,
    pub snippet: String,
}

/// The text of a stream entry. A body has no line breaks.
pub fn encode(job: i64, at: i64, path: &str, body: &str) -> String {
    format!("{job}\n{at}\n{path}\n{body}")
}

pub fn decode(entry: String, text: &str) -> anyhow::Result<Run> {
    let mut lines = text.splitn(4, '\n');
    let mut next = || lines.next().context("an entry of the stream is too short");
    let (job, at) = (next()?.parse()?, next()?.parse()?);
    Ok(Run { entry, job, at, path: next()?.to_owned(), body: next()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_run_is_decoded() {
        let run = decode("1-0".into(), &encode(7, 8, "/hook/7", "{}")).unwrap();
        assert_eq!((run.job, run.at, &*run.path, &*run.body), (7, 8, "/hook/7", "{}"));
        assert!(decode("1-0".into(), "7\n8").is_err());
    }
}
