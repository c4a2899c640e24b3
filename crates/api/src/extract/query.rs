//! Query parameters: each known, each given once, each checked. What an operation takes is a type in its signature.

use chrono::{DateTime, Utc};
use std::{collections::BTreeMap, str::FromStr, time::Duration};
use trigrun_core::{
    domain::{
        baseline::{DEFAULT_BASELINE_RUNS, MAX_BASELINE_RUNS},
        invalid::{FieldErrors, Invalid},
        job::key::JobRef,
        operator,
        page::{self, Page},
        retry::MAX_ATTEMPTS,
        target, user,
        wording::{did_you_mean, nearest},
    },
    store::executions::MAX_NAMED_JOBS,
};
use utoipa::{
    IntoParams,
    openapi::path::{Parameter, ParameterIn},
};

use crate::{result::ApiResult, streams::MAX_STREAM_SECONDS, time::read_instant, waiting::MAX_WAIT_SECONDS};

/// Of how many jobs the activity is returned at once, and how much of it.
const MAX_ACTIVE_JOBS: usize = 100;
const MAX_ACTIVITY_RUNS: i64 = 64;
const DEFAULT_ACTIVITY_RUNS: i64 = 20;

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
    pub struct Wait {
        /// How many seconds to wait for the execution to end. The response comes as soon as it has ended, or with its present state after
        /// this time. Of more than 64 waiting requests of an account, the others get the present state at once.
        #[param(value_type = Option<u8>, minimum = 0, maximum = 25, default = 0)]
        pub wait: Duration = Parameters::wait,
    }
}

query! {
    pub struct PageParameters {
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
        let page = PageParameters::take(parameters).page(parameters, page::read_cursor);
        Self { filter, page, filters: parameters.filters.clone() }
    }
}

impl PageParameters {
    /// The page. `read` reads a cursor, given the filters that it is bound to.
    pub fn page<P>(
        self,
        parameters: &mut Parameters,
        read: impl FnOnce(&str, &str) -> Result<P, Invalid>,
    ) -> Page<P> {
        let Parameters { errors, filters, .. } = parameters;
        let limit = errors.take("?limit", page::limit(self.limit)).unwrap_or(page::DEFAULT_LIMIT);
        let before = self.cursor.and_then(|cursor| errors.take("?cursor", read(&cursor, filters)).ok());
        Page { limit, before }
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

    /// How many attempts an execution can have had at least.
    pub fn attempts(&mut self, name: &str) -> Option<u16> {
        self.whole(name, MAX_ATTEMPTS.into()).and_then(|count| u16::try_from(count).ok())
    }

    /// The number of an attempt. Interruptions can add some to the most that a job can ask for.
    pub fn attempt(&mut self, name: &str) -> Option<u16> {
        self.whole(name, i16::MAX.into()).and_then(|number| u16::try_from(number).ok())
    }

    /// A number of executions.
    pub fn runs(&mut self, name: &str) -> i64 {
        self.whole(name, MAX_BASELINE_RUNS).unwrap_or(DEFAULT_BASELINE_RUNS)
    }

    /// A whole number from 1 to `max`.
    fn whole(&mut self, name: &str, max: i64) -> Option<i64> {
        let text = self.text(name)?;
        let number = text.parse().ok().filter(|number| (1..=max).contains(number));
        let invalid = || Invalid::new("parameter_invalid", format!("must be a whole number from 1 to {max}"));
        self.errors.take(&format!("?{name}"), number.ok_or_else(invalid)).ok()
    }

    pub fn host(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        self.errors.take(&format!("?{name}"), target::host(&text)).ok()
    }

    pub fn host_name(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        self.errors.take(&format!("?{name}"), target::host_name(&text)).ok()
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

    /// A number of seconds to wait; zero if it is not given.
    pub fn wait(&mut self, name: &str) -> Duration {
        let Some(text) = self.text(name) else { return Duration::ZERO };
        let seconds = text.parse().ok().filter(|seconds| (0..=MAX_WAIT_SECONDS).contains(seconds));
        let invalid = || {
            let detail = format!("must be a whole number of seconds from 0 to {MAX_WAIT_SECONDS}");
            Invalid::new("parameter_invalid", detail)
        };
        let seconds = self.errors.take(&format!("?{name}"), seconds.ok_or_else(invalid));
        Duration::from_secs(seconds.unwrap_or_default().unsigned_abs())
    }

    /// For how many seconds a stream lasts.
    pub fn stream_seconds(&mut self, name: &str) -> Duration {
        let seconds = self.whole(name, MAX_STREAM_SECONDS).unwrap_or(MAX_STREAM_SECONDS);
        Duration::from_secs(seconds.unsigned_abs())
    }

    pub fn instant(&mut self, name: &str) -> Option<DateTime<Utc>> {
        let text = self.text(name)?;
        let parsed = read_instant(&text)
            .map_err(|invalid| invalid.hint("Example: 2027-01-01T09:00:00Z. In a URL, write %2B for +."));
        self.errors.take(&format!("?{name}"), parsed).ok()
    }

    /// All parameters except limit and cursor, as text.
    pub fn filters(&self) -> &str {
        &self.filters
    }

    /// The jobs whose executions are listed, by their ids or keys.
    pub fn jobs(&mut self, name: &str) -> Vec<JobRef> {
        self.each_up_to(name, MAX_NAMED_JOBS)
    }

    /// The jobs whose activity is returned: at least one.
    pub fn jobs_of_activity(&mut self, name: &str) -> Vec<JobRef> {
        self.require(name);
        self.each_up_to(name, MAX_ACTIVE_JOBS)
    }

    /// An e-mail address, which is required.
    pub fn email(&mut self, name: &str) -> String {
        self.required(name, user::email)
    }

    /// Why an operator does something, which is required.
    pub fn reason(&mut self, name: &str) -> String {
        self.required(name, operator::reason)
    }

    /// If it is missing or invalid, the request fails, and the value is not used.
    fn required(&mut self, name: &str, check: impl Fn(&str) -> Result<String, Invalid>) -> String {
        self.require(name);
        let Some(text) = self.text(name) else { return String::new() };
        self.errors.take(&format!("?{name}"), check(&text)).unwrap_or_default()
    }

    fn require(&mut self, name: &str) {
        if !self.given.contains_key(name) {
            self.reject(name, Invalid::new("required", "is required"));
        }
    }

    /// How many executions of a job its activity has.
    pub fn runs_of_activity(&mut self, name: &str) -> i64 {
        self.whole(name, MAX_ACTIVITY_RUNS).unwrap_or(DEFAULT_ACTIVITY_RUNS)
    }

    fn each_up_to<T: FromStr<Err = Invalid>>(&mut self, name: &str, max: usize) -> Vec<T> {
        let all = self.each(name);
        if all.len() > max {
            let detail = format!("has {} values; at most {max} are allowed", all.len());
            self.reject(name, Invalid::new("too_many", detail));
        }
        all
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
            "sort_by" | "order" | "order_by" | "orderby" | "direction"
                if self.known.iter().any(|known| known == "sort") =>
            {
                Some(did_you_mean("sort"))
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
