//! `trigrun tokens`.

use clap::{Args, Subcommand};
use trigrun_client::Call;

use crate::{
    commands::jobs::Limit,
    context::Context,
    exit::{Exit, Failure, OrFail},
    node::Node,
    path::segment,
    rows::TokenRow,
    times,
};

#[derive(Subcommand)]
pub enum Tokens {
    /// List API tokens; their secrets are never shown again
    #[command(visible_alias = "ls")]
    List(Limit),
    /// Create a token and print its secret, once
    #[command(after_help = "Example:
  trigrun tokens create ci --scope jobs:read --scope jobs:write --expires 90d")]
    Create(Create),
    /// Replace the secret of a token and print the new one; the old one ends at once
    Rotate(Id),
    /// End a token
    Revoke(Id),
}

#[derive(Args)]
pub struct Create {
    name: String,
    /// What the token may do; can be given several times
    #[arg(long = "scope", required = true, value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
    /// How long the token is valid, such as 90d
    #[arg(long, required = true, value_parser = times::seconds, value_name = "DURATION")]
    expires: u64,
}

#[derive(Args)]
pub struct Id {
    /// The id of the token
    id: String,
}

impl Tokens {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Self::List(limit) => list(context, limit).await,
            Self::Create(create) => create.run(context).await,
            Self::Rotate(Id { id }) => rotate(context, id).await,
            Self::Revoke(Id { id }) => {
                let call = Call::delete(format!("/v1/tokens/{}", segment(id)));
                let answer = context.call("the token was not revoked", call).await?;
                context.output.changed(id, &answer.text)?;
                Ok(Exit::Done)
            }
        }
    }
}

async fn list(context: &Context, limit: &Limit) -> Result<Exit, Failure> {
    let what = "the tokens cannot be listed";
    let tokens = context.client.list("/v1/tokens", &[], limit.items()).await.or_fail(what)?;
    let now = context.client.now().await.or_fail(what)?;
    context.output.list::<TokenRow>(&tokens, now)?;
    Ok(Exit::Done)
}

async fn rotate(context: &Context, id: &str) -> Result<Exit, Failure> {
    let answer = context
        .call("the token was not rotated", Call::post(format!("/v1/tokens/{}/rotate", segment(id))))
        .await?;
    let row: TokenRow = answer.json().or_fail("the token was rotated, and the response cannot be read")?;
    context.output.changed(&row.token.unwrap_or_default(), &answer.text)?;
    Ok(Exit::Done)
}

impl Create {
    async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let what = "the token was not created";
        let now = context.client.now().await.or_fail(what)?;
        let mut body = Node::map();
        body.set("name", Node::string(&self.name));
        body.set("scopes", Node::list(self.scopes.iter().map(Node::string)));
        body.set("expires_at", Node::string(times::after(now, self.expires).to_string()));
        let answer = context.call(what, Call::post("/v1/tokens").body(body.to_json())).await?;
        let row: TokenRow =
            answer.json().or_fail("the token was created, and the response cannot be read")?;
        context.output.note(&format!("{}: store this secret now, it is shown once", row.id));
        context.output.changed(&row.token.unwrap_or_default(), &answer.text)?;
        Ok(Exit::Done)
    }
}
