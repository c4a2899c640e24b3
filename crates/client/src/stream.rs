//! The stream of executions that end: server-sent events.

use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::{collections::VecDeque, time::Duration};

use crate::problem::Error;

/// The server ends a stream after a minute, and sends comments meanwhile.
const STREAM_TIMEOUT: Duration = Duration::from_secs(90);

/// An event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamEvent {
    /// To be sent as `Last-Event-ID` to continue after this event.
    pub id: Option<String>,
    pub name: String,
    pub data: String,
}

/// A response that is read event by event. The server ends it after a minute.
pub struct Events {
    body: Incoming,
    url: String,
    reader: Reader,
}

impl Events {
    pub(crate) fn new(body: Incoming, url: String) -> Self {
        Self { body, url, reader: Reader::default() }
    }

    /// The next event; `None` when the stream has ended.
    pub async fn next(&mut self) -> Result<Option<StreamEvent>, Error> {
        loop {
            if let Some(event) = self.reader.complete.pop_front() {
                return Ok(Some(event));
            }
            let frame = tokio::time::timeout(STREAM_TIMEOUT, self.body.frame()).await;
            let frame =
                frame.map_err(|_| Error::Timeout { url: self.url.clone(), timeout: STREAM_TIMEOUT })?;
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => self.reader.push(frame.data_ref().map_or(&[], |data| data)),
                Some(Err(error)) => {
                    return Err(Error::Broken { url: self.url.clone(), cause: error.to_string() });
                }
            }
        }
    }
}

/// Reads the format of events (HTML Living Standard, 9.2.6) from parts of any size.
#[derive(Default)]
struct Reader {
    line: Vec<u8>,
    event: StreamEvent,
    complete: VecDeque<StreamEvent>,
}

impl Reader {
    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                self.end_line(line.trim_end_matches('\r'));
            } else {
                self.line.push(*byte);
            }
        }
    }

    fn end_line(&mut self, line: &str) {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if !event.name.is_empty() || !event.data.is_empty() || event.id.is_some() {
                self.complete.push_back(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.event.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.event.name),
            "data" if self.event.data.is_empty() => value.clone_into(&mut self.event.data),
            "data" => {
                self.event.data.push('\n');
                self.event.data.push_str(value);
            }
            // A comment, or a field that this client does not need.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_split() {
        let text =
            b": hello\n\nid: 7\nevent: execution\ndata: {\"a\":\ndata: 1}\n\nevent: lost\r\ndata: {}\r\n\r\n";
        for size in 1..text.len() {
            let mut reader = Reader::default();
            text.chunks(size).for_each(|chunk| reader.push(chunk));
            let events: Vec<_> = reader.complete.into();
            let expected = [(Some("7".to_owned()), "execution", "{\"a\":\n1}"), (None, "lost", "{}")];
            let expected = expected.map(|(id, name, data)| StreamEvent {
                id,
                name: name.to_owned(),
                data: data.to_owned(),
            });
            assert_eq!(events, expected, "in parts of {size}");
        }
    }
}
