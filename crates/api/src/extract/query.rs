//! Query parameters: each known, each given once, each checked. What an operation takes is a type in its signature.

use chrono::{DateTime, Utc};
use std::{collections::BTreeMap, str::FromStr};
use trigrun_core::domain::{
    invalid::{FieldErrors, Invalid},
    page::{self, Page},
    target,
    wording::{did_you_mean, nearest},
};
use utoipa::{
    IntoParams,
    openapi::path::{Parameter, ParameterIn},
};

use crate::{result::ApiResult, time::read_instant};

/// The query parameters of an operation.
pub trait Query: Sized {
    /// Takes every parameter of the operation. Errors are collected in `parameters`.
    fn take(parameters: &mut Parameters) -> Self;

    /// Reads the query string of a request. A parameter that the operation does not have is an error.
    fn read(query: &str) -> ApiResult<Self> {
        let mut parameters = Parameters::parse(query);
        let read = Self::take(&mut parameters);
        parameters.finish()?;
        Ok(read)
    }
}

/// A struct of query parameters: its fields name the parameters, for the reader and for the OpenAPI document alike. Each field says how it is
/// read.
macro_rules! query {
    ($(#[$attribute:meta])* $visibility:vis struct $name:ident {
        $($(#[$of_field:meta])* $of_visibility:vis $field:ident: $type:ty = $reader:path,)*
    }) => {
        $(#[$attribute])*
        #[derive(utoipa::IntoParams)]
        #[into_params(parameter_in = Query)]
        $visibility struct $name {
            $($(#[$of_field])* $of_visibility $field: $type,)*
        }

        impl $crate::extract::query::Query for $name {
            fn take(parameters: &mut $crate::extract::query::Parameters) -> Self {
                Self { $($field: $reader(parameters, stringify!($field)),)* }
            }
        }
    };
}

pub(crate) use query;

/// An operation without query parameters.
pub struct NoParameters;

impl Query for NoParameters {
    fn take(_: &mut Parameters) -> Self {
        Self
    }
}

impl IntoParams for NoParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Vec::new()
    }
}

query! {
    pub struct Force {
        /// `true` proceeds where the response would otherwise be 409.
        #[param(required = false)]
        pub force: bool = Parameters::flag,
    }
}

query! {
    struct PageParameters {
        /// The maximum number of items on the page.
        #[param(minimum = 1, maximum = 250, default = 50)]
        limit: Option<i64> = Parameters::number,
        /// `next_cursor` of the previous page. The filters must be the same.
        cursor: Option<String> = Parameters::text,
    }
}

/// The query of a list: its filters, and which page of it is requested.
pub struct Paged<F = NoParameters> {
    pub filter: F,
    pub page: Page,
    /// The filters as text: a cursor is bound to them.
    pub filters: String,
}

impl<F: Query> Query for Paged<F> {
    fn take(parameters: &mut Parameters) -> Self {
        let filter = F::take(parameters);
        let PageParameters { limit, cursor } = PageParameters::take(parameters);
        Self { filter, page: parameters.page(limit, cursor), filters: parameters.filters.clone() }
    }
}

impl<F: IntoParams> IntoParams for Paged<F> {
    fn into_params(place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = F::into_params(&place);
        parameters.extend(PageParameters::into_params(place));
        parameters
    }
}

/// The parameters of a request, to be taken one by one.
pub struct Parameters {
    given: BTreeMap<String, String>,
    /// All parameters except limit and cursor.
    filters: String,
    /// The names that were taken: the parameters of the operation.
    known: Vec<String>,
    errors: FieldErrors,
}

impl Parameters {
    fn parse(query: &str) -> Self {
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
                let invalid = Invalid::new("parameter_invalid", "cannot contain the character U+0000");
                parameters.reject(&name, invalid);
                continue;
            }
            if parameters.given.insert(name.clone(), value).is_some() {
                parameters.reject(&name, Invalid::new("parameter_twice", "is given twice"));
            }
        }
        let filters =
            parameters.given.iter().filter(|(name, _)| !["limit", "cursor"].contains(&name.as_str()));
        parameters.filters = filters.map(|(name, value)| format!("{name}={value}\n")).collect();
        parameters
    }

    pub fn text(&mut self, name: &str) -> Option<String> {
        self.known.push(name.to_owned());
        self.given.remove(name)
    }

    pub fn parsed<T: FromStr<Err = Invalid>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        let parsed = text.parse().map_err(|why: Invalid| Invalid { code: "parameter_invalid", ..why });
        self.errors.take(&format!("?{name}"), parsed).ok()
    }

    /// Values separated by commas.
    pub fn each<T: FromStr<Err = Invalid>>(&mut self, name: &str) -> Vec<T> {
        let Some(text) = self.text(name) else { return Vec::new() };
        let parsed: Result<Vec<T>, Invalid> = text.split(',').map(str::parse).collect();
        let parsed = parsed.map_err(|why| Invalid { code: "parameter_invalid", ..why });
        self.errors.take(&format!("?{name}"), parsed).unwrap_or_default()
    }

    pub fn status_code(&mut self, name: &str) -> Option<u16> {
        let text = self.text(name)?;
        let code = text.parse().ok().filter(|code| (100..=599).contains(code));
        let invalid = || Invalid::new("parameter_invalid", "must be an HTTP status from 100 to 599");
        self.errors.take(&format!("?{name}"), code.ok_or_else(invalid)).ok()
    }

    pub fn host(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        self.errors.take(&format!("?{name}"), target::host(&text)).ok()
    }

    pub fn flag(&mut self, name: &str) -> bool {
        let Some(text) = self.text(name) else { return false };
        let parsed = text.parse().map_err(|_| Invalid::new("parameter_invalid", "must be true or false"));
        self.errors.take(&format!("?{name}"), parsed).unwrap_or_default()
    }

    pub fn number(&mut self, name: &str) -> Option<i64> {
        let text = self.text(name)?;
        let parsed = text.parse().map_err(|_| Invalid::new("parameter_invalid", "must be a whole number"));
        self.errors.take(&format!("?{name}"), parsed).ok()
    }

    pub fn instant(&mut self, name: &str) -> Option<DateTime<Utc>> {
        let text = self.text(name)?;
        let parsed = read_instant(&text)
            .map_err(|invalid| invalid.hint("Example: 2027-01-01T09:00:00Z. In a URL, write %2B for +."));
        self.errors.take(&format!("?{name}"), parsed).ok()
    }

    fn page(&mut self, limit: Option<i64>, cursor: Option<String>) -> Page {
        let limit = self.errors.take("?limit", page::limit(limit)).unwrap_or(page::DEFAULT_LIMIT);
        let before = cursor
            .and_then(|cursor| self.errors.take("?cursor", page::read_cursor(&cursor, &self.filters)).ok());
        Page { limit, before }
    }

    /// All errors of the query string. What was not taken is unknown.
    fn finish(mut self) -> ApiResult<()> {
        for name in std::mem::take(&mut self.given).into_keys() {
            let invalid = Invalid::new("unknown_parameter", "is not a parameter of this operation");
            let invalid = match self.hint(&name) {
                Some(hint) => invalid.hint(hint),
                None => invalid,
            };
            self.reject(&name, invalid);
        }
        Ok(self.errors.finish(Ok(()))?)
    }

    /// What the client probably meant by an unknown parameter.
    fn hint(&self, name: &str) -> Option<String> {
        let is_list = self.known.iter().any(|known| known == "cursor");
        let near = nearest(name, self.known.iter().map(String::as_str)).map(did_you_mean);
        match name.to_ascii_lowercase().as_str() {
            "page" | "offset" | "skip" | "start" | "after" | "starting_after" if is_list => {
                Some("Send `next_cursor` of the previous page as `cursor`.".to_owned())
            }
            "per_page" | "page_size" | "pagesize" | "size" | "count" | "max" if is_list => {
                Some(did_you_mean("limit"))
            }
            "sort" | "sort_by" | "order" | "order_by" | "orderby" | "direction" if is_list => {
                Some("Lists are newest first; there is no other order.".to_owned())
            }
            _ => near,
        }
    }

    fn reject(&mut self, name: &str, invalid: Invalid) {
        self.errors.push(format!("?{name}"), invalid);
    }
}
