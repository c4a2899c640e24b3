//! `trigrun api`: any operation of the API.

use clap::Args;
use trigrun_client::{Call, Method};

use crate::{
    context::Context,
    exit::{Exit, Failure, OrFail},
    globals::Format,
    node::Node,
    output, prompt,
};

#[derive(Args)]
pub struct Api {
    /// GET, POST, PUT, PATCH or DELETE
    method: String,
    /// The path, such as /v1/members
    path: String,
    /// A field of the body or, of a GET, a parameter, as name=value; a.b=value nests, and JSON values stay JSON
    #[arg(short, long = "field", value_name = "FIELD", value_parser = pair)]
    fields: Vec<(String, String)>,
    /// Take the body from a file, or - for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "fields")]
    input: Option<String>,
    /// Get all pages of a list
    #[arg(long, conflicts_with = "input")]
    paginate: bool,
    /// The Idempotency-Key, so that the request can be sent again
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text} is not name=value"))?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Api {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let method: Method = self
            .method
            .to_ascii_uppercase()
            .parse()
            .map_err(|_| Failure::new(format!("{} is not a method", self.method)))?;
        let path = if self.path.starts_with('/') { self.path.clone() } else { format!("/{}", self.path) };
        let what = format!("{method} {path} failed");
        if self.paginate {
            if method != Method::GET {
                return Err(Failure::new("only a GET has pages"));
            }
            return self.all_pages(context, &what, &path).await;
        }
        let mut call = Call::new(method.clone(), path);
        if let Some(file) = &self.input {
            call = call.body(prompt::file_or_stdin(file)?);
        } else if matches!(method, Method::GET | Method::DELETE | Method::HEAD) {
            call = self.fields.iter().fold(call, |call, (name, value)| call.query(name, value));
        } else if !self.fields.is_empty() {
            call = call.body(self.body().to_json());
        }
        if let Some(key) = &self.idempotency_key {
            call = call.key(Some(key));
        }
        let answer = context.call(&what, call).await?;
        let is_json = answer.header("content-type").is_some_and(|kind| kind.contains("json"));
        match answer.text.as_str() {
            "" => {}
            text if is_json => context.output.document(text)?,
            text => output::print(text)?,
        }
        Ok(Exit::Done)
    }

    async fn all_pages(&self, context: &Context, what: &str, path: &str) -> Result<Exit, Failure> {
        let query: Vec<(&str, &str)> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let items = context.client.list(path, &query, usize::MAX).await.or_fail(what)?;
        let items: Vec<&str> = items.iter().map(|item| item.get()).collect();
        match context.output.format {
            Format::Ndjson => items.iter().try_for_each(|item| context.output.document(item))?,
            _ => context.output.document(&format!("[{}]", items.join(",")))?,
        }
        Ok(Exit::Done)
    }

    fn body(&self) -> Node {
        let mut body = Node::map();
        for (name, value) in &self.fields {
            let path: Vec<&str> = name.split('.').collect();
            body.set_at(&path, Node::from_json(value).unwrap_or_else(|_| Node::string(value)));
        }
        body
    }
}
