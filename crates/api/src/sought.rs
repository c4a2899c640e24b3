//! What a 404 says: the kind of object that the path names. It depends on the text of the path alone, not on what exists.

use std::cell::RefCell;
use trigrun_core::domain::id::{self, JobId, SessionId, TypedId, UserId};

tokio::task_local! {
    static SOUGHT: RefCell<Option<String>>;
}

/// Serves a request, whose extractors say what it looks for.
pub async fn scope<T>(work: impl Future<Output = T>) -> T {
    SOUGHT.scope(RefCell::default(), work).await
}

/// The request looks for an object of this kind, by its id or, if it is a job, its key.
pub fn by_id(noun: &str, text: &str) {
    let id_or_key = if noun == id::noun(JobId::PREFIX) { "id or key" } else { "id" };
    // A session belongs to a user, whatever the workspace.
    let place = if noun == id::noun(SessionId::PREFIX) { "" } else { " in this workspace" };
    not_found(noun, format!("There is no {noun} with this {id_or_key}{place}."), id::noun_of(text));
}

/// The same for an operator, who sees all workspaces.
pub fn by_id_anywhere<T: TypedId>(text: &str) {
    let noun = noun_for_operators(id::noun(T::PREFIX));
    let noun_of_text = id::noun_of(text).map(noun_for_operators);
    not_found(noun, format!("There is no {noun} with this id."), noun_of_text);
}

/// To tenants, a user is a member.
fn noun_for_operators(noun: &'static str) -> &'static str {
    if noun == id::noun(UserId::PREFIX) { "user" } else { noun }
}

fn not_found(noun: &str, mut detail: String, noun_of_text: Option<&str>) {
    if let Some(other) = noun_of_text.filter(|other| *other != noun) {
        let article = if other.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
        detail.push_str(&format!(" It is the id of {article} {other}."));
    }
    sought(detail);
}

/// Sets the detail of a 404.
pub fn sought(detail: impl Into<String>) {
    let _outside_of_a_request = SOUGHT.try_with(|sought| sought.replace(Some(detail.into())));
}

/// The detail of a 404, if the request looks for an object.
pub fn detail() -> Option<String> {
    SOUGHT.try_with(|sought| sought.borrow().clone()).ok().flatten()
}
