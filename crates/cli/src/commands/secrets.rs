//! `trigrun secrets`.

use clap::{Args, Subcommand};
use trigrun_client::{Call, Method};

use crate::{
    commands::jobs::Limit,
    context::Context,
    exit::{Exit, Failure, OrFail},
    node::Node,
    output,
    path::segment,
    rows::SecretRow,
    value::Source,
};

#[derive(Subcommand)]
pub enum Secrets {
    /// List the names of the secrets
    #[command(visible_alias = "ls")]
    List(Limit),
    /// Show which jobs use a secret; its value is never shown
    Get(Named),
    /// Store a secret, from a hidden prompt, standard input, a variable or a file
    #[command(after_help = "Examples:
  trigrun secrets set report-token
  trigrun secrets set report-token --from-env REPORT_TOKEN
  pass show report | trigrun secrets set report-token")]
    Set(Set),
    /// Delete a secret
    #[command(visible_alias = "rm")]
    Delete(Delete),
}

#[derive(Args)]
pub struct Named {
    /// The name of the secret
    name: String,
}

#[derive(Args)]
pub struct Set {
    /// The name of the secret: a-z, 0-9, - _
    name: String,
    #[command(flatten)]
    source: Source,
}

#[derive(Args)]
pub struct Delete {
    /// The name of the secret
    name: String,
    /// Delete it although jobs use it, which fail from then on
    #[arg(long)]
    force: bool,
}

impl Secrets {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::List(limit) => list(context, limit).await,
            Self::Get(named) => get(context, &named.name).await,
            Self::Set(set) => set.run(context).await,
            Self::Delete(delete) => delete.run(context).await,
        }
    }
}

async fn list(context: &Context, limit: &Limit) -> Result<Exit, Failure> {
    let what = "the secrets cannot be listed";
    let secrets = context.client.list("/v1/secrets", &[], limit.items()).await.or_fail(what)?;
    let now = context.client.now().await.or_fail(what)?;
    context.output.list::<SecretRow>(&secrets, now)?;
    Ok(Exit::Done)
}

async fn get(context: &Context, name: &str) -> Result<Exit, Failure> {
    let what = "the secret cannot be read";
    let answer = context.call(what, Call::get(format!("/v1/secrets/{}", segment(name)))).await?;
    if context.output.is_data() {
        context.output.document(&answer.text)?;
        return Ok(Exit::Done);
    }
    let row: SecretRow = answer.json().or_fail(what)?;
    let now = context.client.now().await.or_fail(what)?;
    let mut rows = vec![
        vec!["name".into(), row.name.into()],
        vec!["version".into(), row.version.to_string().into()],
        vec!["updated".into(), crate::table::Cell::Time(row.updated_at)],
    ];
    for job in row.used_by {
        rows.push(vec!["used by".into(), format!("{} ({})", job.name, job.job_id).into()]);
    }
    context.output.table(&[], &rows, now)?;
    Ok(Exit::Done)
}

/// Creates the secret, or replaces its value.
pub async fn store(context: &Context, name: &str, value: &str) -> Result<trigrun_client::Answer, Failure> {
    let mut body = Node::map();
    body.set("value", Node::string(value));
    let call = Call::new(Method::PUT, format!("/v1/secrets/{}", segment(name))).body(body.to_json());
    context.call(&format!("the secret {name} was not stored"), call).await
}

impl Set {
    async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let value = self.source.read(&format!("Value of {}", self.name), context.no_input)?;
        let answer = store(context, &self.name, &value).await?;
        let row: SecretRow =
            answer.json().or_fail("the secret was stored, and the response cannot be read")?;
        for warning in &row.warnings {
            context.output.warn(warning);
        }
        context
            .output
            .note(&format!("stored, version {}; headers refer to it as secret://{}", row.version, self.name));
        context.output.changed(&self.name, &answer.text)?;
        Ok(Exit::Done)
    }
}

impl Delete {
    async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let mut call = Call::delete(format!("/v1/secrets/{}", segment(&self.name)));
        if self.force {
            call = call.query("force", "true");
        }
        match context.call(&format!("the secret {} was not deleted", self.name), call).await {
            Err(failure) if failure.is_code("secret_in_use") => Err(failure
                .line(format!("They are: trigrun secrets get {}", self.name))
                .line("Add --force to delete it anyway.")),
            result => {
                result?;
                output::print(&format!("{}\n", self.name))?;
                Ok(Exit::Done)
            }
        }
    }
}
