//! `trigrun login`, `logout` and `whoami`.

use clap::Args;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::rc::Rc;
use trigrun_client::{Call, Client};

use crate::{
    context::{self, Context},
    environment,
    exit::{Exit, Failure, OrFail},
    globals::Globals,
    identity::{self, Identity},
    node::Node,
    output::{self, Output},
    profile::{self, Config, Profile},
    prompt, times,
};

/// All but `workspace:admin`, which a command line seldom needs.
const SCOPES: [&str; 6] =
    ["jobs:read", "jobs:write", "jobs:run", "executions:read", "secrets:write", "notifications:write"];
const ADMIN_SCOPE: &str = "workspace:admin";
const DEFAULT_PROFILE: &str = "default";

#[derive(Args)]
pub struct Login {
    /// The address of the server
    #[arg(long)]
    url: Option<String>,
    /// Read an API token from standard input instead of asking for a password
    #[arg(long)]
    with_token: bool,
    /// How long the new token is valid
    #[arg(long, value_parser = times::seconds, default_value = "90d", value_name = "DURATION")]
    expires: u64,
    /// Let the token administrate the workspace, too
    #[arg(long)]
    admin: bool,
    /// The name of the new token; `cli on HOST` unless it is given
    #[arg(long)]
    name: Option<String>,
    /// Allow a server on another machine without encryption
    #[arg(long)]
    allow_http: bool,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Me {
    user: Option<User>,
    role: Option<String>,
    scopes: Vec<String>,
    workspace: Named,
    token: Option<Token>,
    session: Option<Expiring>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct User {
    email: String,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Named {
    id: String,
    name: String,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Token {
    id: String,
    name: String,
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing)]
    token: Option<String>,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Expiring {
    expires_at: Option<Timestamp>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Session {
    token: String,
    expires_at: Option<Timestamp>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Memberships {
    data: Vec<Named>,
}

impl Login {
    pub async fn run(&self, globals: &Globals) -> Result<Exit, Failure> {
        let output = Output::new(globals);
        let is_interactive = prompt::is_interactive(globals.no_input);
        if !self.with_token && !is_interactive {
            return Err(Failure::new("there is no terminal to ask for a password on").line(
                "Give a token on standard input: trigrun login --with-token --url URL < FILE; or set TRIGRUN_URL and TRIGRUN_TOKEN.",
            ));
        }
        let mut identity = self.identity(globals, is_interactive)?;
        output.note(&format!("{} will be stored in {}", identity.url, identity.file.display()));
        let profile = if self.with_token {
            let token = prompt::stdin()?.trim().to_owned();
            if token.is_empty() || token.contains(char::is_whitespace) {
                return Err(Failure::new("standard input is not one line with a token"));
            }
            Profile { token: Some(token), ..Profile::default() }
        } else {
            self.by_password(globals, &identity, &output).await?
        };
        identity.token.clone_from(&profile.token);
        let client = context::client(globals, &identity, profile.token.clone(), profile.workspace.clone())?;
        let answer = client.call(Call::get("/v1/me")).await.or_fail("the token does not work")?;
        let me: Me = answer.json().or_fail("the response cannot be read")?;
        self.store(&identity, profile, &me)?;
        identity.source = format!("the profile {}", identity.profile);
        show(&output, &client, &identity, &me, &answer.text)?;
        Ok(Exit::Done)
    }

    /// Where to log in: there may be no profile yet.
    fn identity(&self, globals: &Globals, is_interactive: bool) -> Result<Identity, Failure> {
        let file = profile::path()?;
        let config = Config::read(&file)?;
        let profile =
            globals.profile.clone().or_else(|| environment::variable("TRIGRUN_PROFILE")).or(config.current);
        let profile = profile.unwrap_or_else(|| DEFAULT_PROFILE.to_owned());
        let given = self
            .url
            .clone()
            .or_else(|| globals.server.clone())
            .or_else(|| environment::variable("TRIGRUN_URL"));
        let given = given.or_else(|| config.profiles.get(&profile).map(|profile| profile.url.clone()));
        let url = match given {
            Some(url) => url,
            None if is_interactive => prompt::line("Address of the server")?,
            None => return Err(Failure::new("there is no address to log in to").line("Add --url URL.")),
        };
        let url = identity::parse_url(&url)?;
        identity::check_encryption(&url, self.allow_http)?;
        Ok(Identity {
            url,
            token: None,
            workspace: None,
            source: "no token".to_owned(),
            profile,
            file,
            expires_at: None,
        })
    }

    async fn by_password(
        &self,
        globals: &Globals,
        identity: &Identity,
        output: &Output,
    ) -> Result<Profile, Failure> {
        let mut body = Node::map();
        body.set("email", Node::string(prompt::line("E-mail address")?));
        body.set("password", Node::string(prompt::hidden("Password")?));
        let client = context::client(globals, identity, None, None)?;
        let what = "you were not logged in";
        let session: Session = client
            .call(Call::post("/v1/auth/login").body(body.to_json()))
            .await
            .or_fail(what)?
            .json()
            .or_fail(what)?;
        let client = context::client(globals, identity, Some(session.token.clone()), None)?;
        let workspaces: Memberships =
            client.call(Call::get("/v1/workspaces")).await.or_fail(what)?.json().or_fail(what)?;
        let workspace = choose(workspaces.data, globals.workspace.as_deref())?;
        let client =
            context::client(globals, identity, Some(session.token.clone()), Some(workspace.id.clone()))?;
        match self.make_token(&client).await {
            Ok(token) => {
                client
                    .call(Call::post("/v1/auth/logout").repeatable())
                    .await
                    .or_fail("the session was not ended")?;
                Ok(Profile {
                    token: token.token,
                    token_id: Some(token.id),
                    expires_at: token.expires_at,
                    ..Profile::default()
                })
            }
            Err(failure) if failure.exit == Exit::Refused => {
                output.note("Your role cannot make tokens: the session is kept instead.");
                let workspace = Some(workspace.id);
                Ok(Profile {
                    token: Some(session.token),
                    expires_at: session.expires_at,
                    workspace,
                    ..Profile::default()
                })
            }
            Err(failure) => Err(failure),
        }
    }

    async fn make_token(&self, client: &Client) -> Result<Token, Failure> {
        let what = "the token was not created";
        let mut body = Node::map();
        let name = self.name.clone().unwrap_or_else(|| format!("cli on {}", host()));
        body.set("name", Node::string(name));
        let scopes = SCOPES.into_iter().chain(self.admin.then_some(ADMIN_SCOPE));
        body.set("scopes", Node::list(scopes.map(Node::string)));
        let now = client.now().await.or_fail(what)?;
        body.set("expires_at", Node::string(times::after(now, self.expires).to_string()));
        client.call(Call::post("/v1/tokens").body(body.to_json())).await.or_fail(what)?.json().or_fail(what)
    }

    fn store(&self, identity: &Identity, profile: Profile, me: &Me) -> Result<(), Failure> {
        let mut config = Config::read(&identity.file)?;
        let token = me.token.as_ref();
        let profile = Profile {
            url: identity.url.to_string(),
            token_id: profile.token_id.or_else(|| token.map(|token| token.id.clone())),
            expires_at: profile.expires_at.or_else(|| token.and_then(|token| token.expires_at)),
            allow_http: self.allow_http,
            ..profile
        };
        config.profiles.insert(identity.profile.clone(), profile);
        config.current = Some(identity.profile.clone());
        config.write(&identity.file)
    }
}

fn choose(mut workspaces: Vec<Named>, wanted: Option<&str>) -> Result<Named, Failure> {
    if let Some(wanted) = wanted {
        let found =
            workspaces.into_iter().find(|workspace| workspace.id == wanted || workspace.name == wanted);
        return found.ok_or_else(|| {
            Failure::with(Exit::NotFound, format!("you are not a member of a workspace {wanted}"))
        });
    }
    if workspaces.len() < 2 {
        return workspaces.pop().ok_or_else(|| Failure::new("you are not a member of any workspace"));
    }
    for (number, workspace) in (1..).zip(&workspaces) {
        anstream::eprintln!("  {number}  {} ({})", workspace.name, workspace.id);
    }
    let answer = prompt::line("Number of the workspace")?;
    let number = answer.parse::<usize>().ok().filter(|number| (1..=workspaces.len()).contains(number));
    number
        .map(|number| workspaces.swap_remove(number - 1))
        .ok_or_else(|| Failure::new(format!("{answer} is not one of the numbers")))
}

/// The name of this machine.
fn host() -> String {
    let name = std::fs::read_to_string("/etc/hostname").ok().map(|name| name.trim().to_owned());
    let name = name.filter(|name| !name.is_empty()).or_else(|| environment::variable("HOSTNAME"));
    name.or_else(|| environment::variable("COMPUTERNAME")).unwrap_or_else(|| "this machine".to_owned())
}

/// Ends the token on the server, and forgets it.
pub async fn logout(globals: &Globals) -> Result<Exit, Failure> {
    let file = profile::path()?;
    let mut config = Config::read(&file)?;
    let name = globals
        .profile
        .clone()
        .or_else(|| environment::variable("TRIGRUN_PROFILE"))
        .or_else(|| config.current.clone());
    let found = name.and_then(|name| config.profiles.remove(&name).map(|profile| (name, profile)));
    let Some((name, profile)) = found else {
        return Err(Failure::new(format!("there is no profile to log out of in {}", file.display())));
    };
    let identity = Identity {
        url: identity::parse_url(&profile.url)?,
        token: profile.token.clone(),
        workspace: None,
        source: format!("the profile {name}"),
        profile: name.clone(),
        file: file.clone(),
        expires_at: None,
    };
    let output = Output::new(globals);
    let ended = match profile.token {
        Some(token) => {
            let client = context::client(globals, &identity, Some(token), None)?;
            client
                .call(Call::post("/v1/auth/logout").repeatable())
                .await
                .or_fail("the token was not ended on the server")
        }
        None => return Err(Failure::new(format!("the profile {name} has no token"))),
    };
    if config.current.as_ref() == Some(&name) {
        config.current = config.profiles.keys().next().cloned();
    }
    match ended {
        Ok(_) => output.note(&format!("logged out of {}; the token has ended", identity.url)),
        // It has ended already.
        Err(failure) if failure.is_code("unauthorized") => output.note("the token had ended before"),
        Err(failure) => {
            return Err(failure.line(format!("It is still in {}. Try again.", file.display())));
        }
    }
    config.write(&file)?;
    Ok(Exit::Done)
}

/// Shows who the token is.
pub async fn whoami(context: &Context) -> Result<Exit, Failure> {
    let answer = context.call("the server did not say who you are", Call::get("/v1/me")).await?;
    let me: Me = answer.json().or_fail("the response cannot be read")?;
    show(&context.output, &context.client, &context.identity, &me, &answer.text)?;
    Ok(Exit::Done)
}

fn show(output: &Output, client: &Client, identity: &Identity, me: &Me, json: &str) -> Result<(), Failure> {
    if output.is_data() {
        return output.document(json);
    }
    let Some(now) = client.server_now() else { return Ok(()) };
    let who = match (&me.user, &me.token) {
        (_, Some(token)) => format!("token {} ({})", token.name, token.id),
        (Some(user), None) => user.email.clone(),
        (None, None) => "unknown".to_owned(),
    };
    let expires_at = me.token.as_ref().and_then(|token| token.expires_at);
    let expires_at = expires_at.or_else(|| me.session.as_ref().and_then(|session| session.expires_at));
    let mut rows = vec![
        vec!["server".into(), identity.url.to_string().into()],
        vec!["you are".into(), who.into()],
        vec!["workspace".into(), format!("{} ({})", me.workspace.name, me.workspace.id).into()],
        vec!["scopes".into(), me.scopes.join(" ").into()],
        vec![
            "expires".into(),
            expires_at.map_or_else(|| "never".into(), |at| crate::table::Cell::Time(Some(at))),
        ],
        vec!["token from".into(), identity.source.clone().into()],
    ];
    if let Some(role) = &me.role {
        rows.insert(2, vec!["role".into(), role.clone().into()]);
    }
    if identity.source.starts_with("the profile") {
        rows.push(vec!["file".into(), identity.file.display().to_string().into()]);
    }
    match output.format {
        crate::globals::Format::Id => output::print(&format!("{}\n", me.workspace.id)),
        _ => output.table(&[], &rows, now),
    }
}

/// Warns of a file with tokens that other users can read.
pub fn warn_of_exposure(identity: &Rc<Identity>, output: &Output) {
    if profile::is_exposed(&identity.file) {
        let path = identity.file.display();
        output.warn(&format!("other users can read the tokens in {path}: chmod 600 {path}"));
    }
}
