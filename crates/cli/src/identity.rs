//! Which server, and with which token: options, then the environment, then the profile.

use std::path::PathBuf;
use trigrun_client::Url;

use crate::{
    environment::variable,
    exit::{Exit, Failure},
    globals::Globals,
    profile::{self, Config, Profile},
};

const DEFAULT_PROFILE: &str = "default";

/// The server and the token of a command, and where they come from.
pub struct Identity {
    pub url: Url,
    pub token: Option<String>,
    pub workspace: Option<String>,
    pub source: String,
    /// The name of the profile, which `login` writes.
    pub profile: String,
    pub file: PathBuf,
    /// When the profile's token expires.
    pub expires_at: Option<jiff::Timestamp>,
}

impl Identity {
    /// Finds the server and the token.
    pub fn find(globals: &Globals) -> Result<Self, Failure> {
        let file = profile::path()?;
        let config = Config::read(&file)?;
        let name = globals
            .profile
            .clone()
            .or_else(|| variable("TRIGRUN_PROFILE"))
            .or_else(|| config.current.clone());
        let profile = name.as_ref().and_then(|name| config.profiles.get(name));
        if let (Some(name), None) = (&globals.profile, profile) {
            let known: Vec<&str> = config.profiles.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Failure::with(
                Exit::Refused,
                format!("there is no profile {name} in {}; it has {known}", file.display()),
            ));
        }
        let is_chosen = globals.profile.is_some();
        let environment = |name: &str| variable(name).filter(|_| !is_chosen);
        let url = globals.server.clone().or_else(|| environment("TRIGRUN_URL"));
        let url = url.or_else(|| profile.map(|profile| profile.url.clone())).ok_or_else(no_server)?;
        let url = parse_url(&url)?;
        check_encryption(
            &url,
            profile.is_some_and(|profile| profile.allow_http && is_same(&profile.url, &url)),
        )?;
        let name = name.unwrap_or_else(|| DEFAULT_PROFILE.to_owned());
        let (token, source) = match (environment("TRIGRUN_TOKEN"), profile) {
            (Some(token), _) => (Some(token), "TRIGRUN_TOKEN".to_owned()),
            (None, Some(profile)) if profile.token.is_some() => {
                check_owner(&name, profile, &url)?;
                (profile.token.clone(), format!("the profile {name}"))
            }
            (None, _) => (None, "no token".to_owned()),
        };
        let is_of_profile = source.starts_with("the profile");
        Ok(Self {
            url,
            token,
            workspace: globals.workspace.clone(),
            source,
            profile: name,
            file,
            expires_at: profile.filter(|_| is_of_profile).and_then(|profile| profile.expires_at),
        })
    }

    /// The token, which a command needs.
    pub fn require_token(&self) -> Result<(), Failure> {
        match self.token {
            Some(_) => Ok(()),
            None => Err(Failure::with(Exit::Refused, format!("there is no token for {}", self.url))
                .line("Log in with `trigrun login`, or set TRIGRUN_TOKEN.")),
        }
    }

    /// Adds to a 401 what the user can do about it.
    pub fn explain(&self, failure: Failure) -> Failure {
        let is_unauthorized = failure.problem.as_ref().is_some_and(|problem| problem.code == "unauthorized");
        if !is_unauthorized {
            return failure;
        }
        let expiry = self.expires_at.map(|at| format!(", which expires on {}", at.strftime("%Y-%m-%d")));
        failure.line(format!(
            "The token is that of {}{}. Log in with `trigrun login`, or set TRIGRUN_TOKEN.",
            self.source,
            expiry.unwrap_or_default()
        ))
    }
}

fn no_server() -> Failure {
    Failure::with(Exit::Refused, "there is no server to talk to")
        .line("Log in with `trigrun login --url URL`, or set TRIGRUN_URL and TRIGRUN_TOKEN.")
}

/// Reads the address of a server. `host` alone means https.
pub fn parse_url(text: &str) -> Result<Url, Failure> {
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&full)
        .map_err(|error| Failure::new(format!("{text} is not the URL of a server: {error}")))?;
    let is_server = matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none();
    if !is_server || !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::new(format!(
            "{text} is not the URL of a server, such as https://trigrun.example.com"
        )));
    }
    Ok(url)
}

/// Refuses to send a token over a network without encryption.
pub fn check_encryption(url: &Url, is_allowed: bool) -> Result<(), Failure> {
    let is_loopback = match url.host() {
        Some(trigrun_client::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(trigrun_client::Host::Ipv4(address)) => address.is_loopback(),
        Some(trigrun_client::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "https" || is_loopback || is_allowed {
        return Ok(());
    }
    Err(Failure::with(
        Exit::Refused,
        format!("{url} is not encrypted, and a token would be readable on the way"),
    )
    .line("Use https, or log in with `trigrun login --allow-http` if you trust the network."))
}

fn is_same(text: &str, url: &Url) -> bool {
    parse_url(text).is_ok_and(|own| own == *url)
}

/// A token is sent to the server that it belongs to only.
fn check_owner(name: &str, profile: &Profile, url: &Url) -> Result<(), Failure> {
    if is_same(&profile.url, url) {
        return Ok(());
    }
    Err(Failure::with(
        Exit::Refused,
        format!("the token of the profile {name} belongs to {}, not to {url}", profile.url),
    )
    .line("Set TRIGRUN_TOKEN, or log in to this server: trigrun login --url URL --profile NAME"))
}
