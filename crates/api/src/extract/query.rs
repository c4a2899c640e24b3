//! Query parameters: each known, each once, each judged.

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use chrono::{DateTime, Utc};
use futures_util::future::{Ready, ready};
use std::{collections::BTreeMap, convert::Infallible, fmt::Display, str::FromStr};
use trigrun_core::domain::{
    invalid::{FieldErrors, Invalid},
    page::{self, Page},
};

use crate::{extract::body::nearest, openapi, problem::Problem, state::ApiResult, time::read_instant};

/// The parameters of a request, to be taken out one by one.
pub struct Parameters {
    given: BTreeMap<String, String>,
    /// All of them but limit and cursor: what a cursor is bound to.
    filters: String,
    /// The names that were asked for: what there is.
    known: Vec<String>,
    errors: FieldErrors,
}

impl FromRequest for Parameters {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::parse(request.query_string())))
    }
}

impl Parameters {
    pub fn parse(query: &str) -> Self {
        let mut parameters = Self {
            given: BTreeMap::new(),
            filters: String::new(),
            known: Vec::new(),
            errors: FieldErrors::default(),
        };
        let pairs: Vec<(String, String)> = actix_web::web::Query::<Vec<(String, String)>>::from_query(query)
            .map(|query| query.into_inner())
            .unwrap_or_default();
        for (name, value) in pairs {
            if name.contains('\0') || value.contains('\0') {
                let invalid = Invalid::new("parameter_invalid", "cannot hold the character U+0000");
                parameters.wrong(&name, invalid);
                continue;
            }
            if parameters.given.insert(name.clone(), value).is_some() {
                parameters.wrong(&name, Invalid::new("parameter_twice", "is given twice"));
            }
        }
        let filters =
            parameters.given.iter().filter(|(name, _)| !["limit", "cursor"].contains(&name.as_str()));
        parameters.filters = filters.map(|(name, value)| format!("{name}={value}\n")).collect();
        parameters
    }

    /// Operations that take parameters judge them themselves, and know which of them was meant; of the others, nobody would.
    pub fn none_unasked(request: &HttpRequest) -> ApiResult<()> {
        let query = request.query_string();
        let takes_none = |pattern: String| openapi::takes_no_parameters(&pattern, request.method().as_str());
        if query.is_empty() || !request.match_pattern().is_some_and(takes_none) {
            return Ok(());
        }
        Self::parse(query).finish().map(drop)
    }

    pub fn text(&mut self, name: &str) -> Option<String> {
        self.known.push(name.to_owned());
        self.given.remove(name)
    }

    pub fn parsed<T: FromStr>(&mut self, name: &str) -> Option<T>
    where
        T::Err: Display,
    {
        let text = self.text(name)?;
        let parsed = text.parse().map_err(|why: T::Err| Invalid::new("parameter_invalid", why.to_string()));
        self.errors.take(&format!("?{name}"), parsed)
    }

    pub fn flag(&mut self, name: &str) -> bool {
        let Some(text) = self.text(name) else { return false };
        let parsed = text.parse().map_err(|_| Invalid::new("parameter_invalid", "must be true or false"));
        self.errors.take(&format!("?{name}"), parsed).unwrap_or_default()
    }

    pub fn number(&mut self, name: &str) -> Option<i64> {
        let text = self.text(name)?;
        let parsed = text.parse().map_err(|_| Invalid::new("parameter_invalid", "must be a whole number"));
        self.errors.take(&format!("?{name}"), parsed)
    }

    pub fn instant(&mut self, name: &str) -> Option<DateTime<Utc>> {
        let text = self.text(name)?;
        let parsed = read_instant(&text)
            .map_err(|invalid| invalid.hint("e.g. 2027-01-01T09:00:00Z; in a URL, + is written %2B"));
        self.errors.take(&format!("?{name}"), parsed)
    }

    /// limit and cursor.
    pub fn page(&mut self) -> Page {
        let wanted = self.number("limit");
        let limit = self.errors.take("?limit", page::limit(wanted)).unwrap_or(page::DEFAULT_LIMIT);
        let cursor = self.text("cursor");
        let before =
            cursor.and_then(|cursor| self.errors.take("?cursor", page::read_cursor(&cursor, &self.filters)));
        Page { limit, before }
    }

    /// What a cursor of this list is bound to; or everything that is wrong, unknown parameters included.
    pub fn finish(mut self) -> ApiResult<String> {
        for name in std::mem::take(&mut self.given).into_keys() {
            let invalid = Invalid::new("unknown_parameter", "there is no such parameter here");
            let invalid = match nearest(&name, self.known.iter().map(String::as_str)) {
                Some(near) => invalid.hint(format!("did you mean {near}?")),
                None => invalid,
            };
            self.wrong(&name, invalid);
        }
        Problem::validation(self.errors)?;
        Ok(self.filters)
    }

    fn wrong(&mut self, name: &str, invalid: Invalid) {
        self.errors.push(format!("?{name}"), invalid);
    }
}
