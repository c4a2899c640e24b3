//! Short texts from clients: ids, cursors, tokens, trace contexts, e-mail addresses, names and enumerations. An accepted text has
//! one spelling, and a written text reads back the same.
//!
//! Fields: the text, and the filters of a list.

use crate::{assert_refusal, first_fields, instant};
use std::{fmt::Display, str::FromStr};
use trigrun_core::{
    domain::{
        access::{Scope, TokenKind, TokenSecret},
        id::*,
        job, page,
        schedule::Kind,
        user,
    },
    telemetry::trace,
};
use uuid::Uuid;

pub fn run(input: &[u8]) {
    let [text, filters] = first_fields(input);
    let uuid = input.first_chunk().map_or(Uuid::max(), |bytes| Uuid::from_bytes(*bytes));
    ids(&text, uuid);
    cursors(&text, &filters, uuid);
    tokens(&text, input);
    traces(&text, ExecutionId::from_uuid(uuid));
    users(&text);
    enumerations(&text);
    fires(JobId::from_uuid(uuid), &text);
}

fn ids(text: &str, uuid: Uuid) {
    let read = [
        id::<WorkspaceId>(text, uuid),
        id::<JobId>(text, uuid),
        id::<ExecutionId>(text, uuid),
        id::<SecretId>(text, uuid),
        id::<ChannelId>(text, uuid),
        id::<RuleId>(text, uuid),
        id::<NotificationId>(text, uuid),
        id::<UserId>(text, uuid),
        id::<TokenId>(text, uuid),
        id::<InvitationId>(text, uuid),
        id::<SessionId>(text, uuid),
        id::<ExecutorId>(text, uuid),
        id::<RequestId>(text, uuid),
    ];
    assert!(read.iter().filter(|is_id| **is_id).count() <= 1, "{text:?} is an id of two kinds");
}

/// Whether the text is one of these ids.
fn id<T>(text: &str, uuid: Uuid) -> bool
where
    T: Display + From<Uuid> + FromStr<Err = trigrun_core::domain::invalid::Invalid>,
{
    let written = T::from(uuid).to_string();
    assert_eq!(written.parse::<T>().map(|id| id.to_string()).as_ref(), Ok(&written));
    match text.parse::<T>() {
        Ok(id) => assert_eq!(id.to_string(), text),
        Err(invalid) => {
            assert_refusal(&invalid, &["id_invalid"]);
            return false;
        }
    }
    true
}

fn cursors(text: &str, filters: &str, uuid: Uuid) {
    let written = page::cursor(uuid, filters);
    assert_eq!(page::read_cursor(&written, filters), Ok(uuid));
    assert!(page::read_cursor(&written, &format!("{filters}x")).is_err(), "under other filters");
    match page::read_cursor(text, filters) {
        Ok(id) => assert_eq!(page::cursor(id, filters), text),
        Err(invalid) => assert_refusal(&invalid, &["cursor_invalid"]),
    }
}

fn tokens(text: &str, random: &[u8]) {
    for (kind, prefix) in [
        (TokenKind::Api, "trg_"),
        (TokenKind::Session, "trs_"),
        (TokenKind::Invitation, "tri_"),
        (TokenKind::Verification, "trv_"),
        (TokenKind::Operator, "tro_"),
    ] {
        let Some(token) = TokenSecret::from_random(kind, random) else { continue };
        assert!(token.reveal().starts_with(prefix) && token.kind() == kind);
        assert!(token.reveal().parse() == Ok(token.clone()));
        assert!(!format!("{token:?}").contains(&token.reveal()[4..12]));
    }
    match text.parse::<TokenSecret>() {
        Ok(token) => {
            assert_eq!(token.reveal(), text);
            assert!(
                text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            );
        }
        // The same text for each, so it reveals nothing about a token.
        Err(invalid) => assert_eq!("".parse::<TokenSecret>().err(), Some(invalid)),
    }
}

/// W3C Trace Context §3.2: a sent header is always well-formed, and continues a trace exactly if the received one is well-formed.
fn traces(text: &str, execution: ExecutionId) {
    let own = format!("{:032x}", execution.uuid().as_u128());
    for number in [1, 2, u16::MAX] {
        let sent = trace::of_attempt(Some(text), execution, number);
        let [trace, ..] = traceparent(&sent).unwrap_or_else(|| match execution.uuid().is_nil() {
            // The nil id, which no execution has, is not a valid trace id.
            true => ["", "", ""],
            false => panic!("{sent:?} is not a trace context"),
        });
        match traceparent(text) {
            Some([stored, _, flags]) => {
                assert_eq!(trace, stored, "{text:?} is not continued");
                assert!(sent.ends_with(flags), "{text:?} became {sent:?}");
            }
            None => assert!(
                trace == own || trace.is_empty(),
                "{text:?} is not a trace context, and is continued as {sent:?}"
            ),
        }
    }
}

/// Trace id, span id and flags of a well-formed header.
fn traceparent(text: &str) -> Option<[&str; 3]> {
    let [version, trace, span, flags] = text.split('-').collect::<Vec<_>>()[..] else { return None };
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_set = |text: &str| text.bytes().any(|byte| byte != b'0');
    let is_one = version == "00" && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    (is_one && is_set(trace) && is_set(span)).then_some([trace, span, flags])
}

fn users(text: &str) {
    match user::email(text) {
        Ok(email) => {
            assert_eq!(user::email(&email).as_ref(), Ok(&email), "the stored text is not accepted again");
            assert!(email.len() <= 254 && email.matches('@').count() == 1);
            assert!(!email.chars().any(|character| character.is_whitespace() || character.is_control()));
        }
        Err(invalid) => assert_refusal(&invalid, &["email_invalid"]),
    }
    assert_eq!(user::password(text).is_ok(), (10..=256).contains(&text.chars().count()));
    for (read, longest) in
        [(job::name(text), 200), (job::tags(vec![text.to_owned()]).map(|tags| tags.concat()), 64)]
    {
        match read {
            Ok(kept) => {
                assert_eq!(kept, text);
                assert!((1..=longest).contains(&kept.chars().count()) && !kept.chars().any(char::is_control));
            }
            Err(invalid) => assert_refusal(&invalid, &["length", "control_character"]),
        }
    }
}

fn enumerations(text: &str) {
    assert!(text.parse::<Kind>().is_ok_and(|kind| kind.as_str() == text) || text.parse::<Kind>().is_err());
    assert!(
        text.parse::<Scope>().is_ok_and(|scope| scope.as_str() == text) || text.parse::<Scope>().is_err()
    );
    let state = job::wanted_state(text);
    assert!(state.as_ref().map_or(true, |state| state.as_str() == text && text != "completed"));
}

/// Every process derives the same id of a fire, and the id lies in the range of a scan by time.
fn fires(job: JobId, text: &str) {
    let at = instant(text);
    let id = ExecutionId::of_fire(job, at);
    assert_eq!(id, ExecutionId::of_fire(job, at));
    assert_eq!(id.uuid().get_version_num(), 8);
    if (0..1 << 47).contains(&at.timestamp_millis()) {
        let after = at + chrono::TimeDelta::milliseconds(1);
        assert!(ExecutionId::lower_bound(at) <= id.uuid() && id.uuid() < ExecutionId::lower_bound(after));
    }
}
