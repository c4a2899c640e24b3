//! `trigrun channels`.

use clap::{Args, Subcommand};
use trigrun_client::Call;

use crate::{
    commands::jobs::Limit,
    context::Context,
    exit::{Exit, Failure, OrFail},
    node::Node,
    path::segment,
    rows::ChannelRow,
    value::Source,
};

#[derive(Subcommand)]
pub enum Channels {
    /// List notification channels
    #[command(visible_alias = "ls")]
    List(Limit),
    /// Create a channel; its URL is a credential, and comes from a prompt, standard input, a variable or a file
    #[command(after_help = "Examples:
  trigrun channels create on-call --type email --to ops@example.com
  trigrun channels create on-call --type slack --from-env SLACK_WEBHOOK")]
    Create(Create),
    /// Send a test message
    Test(Named),
    /// Delete a channel
    #[command(visible_alias = "rm")]
    Delete(Delete),
}

#[derive(Args)]
pub struct Create {
    name: String,
    /// webhook, email, slack or discord
    #[arg(long = "type", value_name = "TYPE")]
    kind: String,
    /// An address, for e-mail; can be given several times
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["from_env", "from_file"])]
    to: Vec<String>,
    #[command(flatten)]
    source: Source,
}

#[derive(Args)]
pub struct Named {
    /// The name or id of the channel
    channel: String,
}

#[derive(Args)]
pub struct Delete {
    /// The name or id of the channel
    channel: String,
    /// Delete its notification rules, too
    #[arg(long)]
    force: bool,
}

impl Channels {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::List(limit) => list(context, limit).await,
            Self::Create(create) => create.run(context).await,
            Self::Test(named) => test(context, &named.channel).await,
            Self::Delete(delete) => delete.run(context).await,
        }
    }
}

async fn list(context: &Context, limit: &Limit) -> Result<Exit, Failure> {
    let what = "the channels cannot be listed";
    let channels =
        context.client.list("/v1/notification-channels", &[], limit.items()).await.or_fail(what)?;
    let now = context.client.now().await.or_fail(what)?;
    context.output.list::<ChannelRow>(&channels, now)?;
    Ok(Exit::Done)
}

/// The id of a channel, which has no key.
async fn id_of(context: &Context, what: &str, channel: &str) -> Result<String, Failure> {
    let channels = context.client.list("/v1/notification-channels", &[], usize::MAX).await.or_fail(what)?;
    let mut rows = channels.iter().filter_map(|row| serde_json::from_str::<ChannelRow>(row.get()).ok());
    rows.find(|row| row.id == channel || row.name == channel)
        .map(|row| row.id)
        .ok_or_else(|| Failure::with(Exit::NotFound, format!("there is no channel {channel}")))
}

async fn test(context: &Context, channel: &str) -> Result<Exit, Failure> {
    let what = "no message was sent";
    let id = id_of(context, what, channel).await?;
    let path = format!("/v1/notification-channels/{}/test", segment(&id));
    let answer = context.call(what, Call::post(path)).await?;
    let notification = Node::from_json(&answer.text).map_err(crate::output::unreadable)?;
    let id = notification.get("id").and_then(Node::as_str).unwrap_or_default();
    context.output.note(&format!("Its result: trigrun api GET /v1/notifications/{id}"));
    context.output.changed(id, &answer.text)?;
    Ok(Exit::Done)
}

impl Create {
    async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let mut body = Node::map();
        body.set("name", Node::string(&self.name));
        body.set("type", Node::string(&self.kind));
        if self.to.is_empty() {
            let url = self.source.read("URL of the channel", context.no_input)?;
            body.set_at(&["config", "url"], Node::string(url.trim()));
        } else {
            body.set_at(&["config", "to"], Node::list(self.to.iter().map(Node::string)));
        }
        let call = Call::post("/v1/notification-channels").body(body.to_json());
        let answer = context.call("the channel was not created", call).await?;
        let row: ChannelRow =
            answer.json().or_fail("the channel was created, and the response cannot be read")?;
        context.output.changed(&row.id, &answer.text)?;
        Ok(Exit::Done)
    }
}

impl Delete {
    async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let what = "the channel was not deleted";
        let id = id_of(context, what, &self.channel).await?;
        let mut call = Call::delete(format!("/v1/notification-channels/{}", segment(&id)));
        if self.force {
            call = call.query("force", "true");
        }
        let answer = context.call(what, call).await?;
        context.output.changed(&id, &answer.text)?;
        Ok(Exit::Done)
    }
}
