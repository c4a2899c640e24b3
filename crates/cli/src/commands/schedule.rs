//! `trigrun schedule`.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Deserialize;
use trigrun_client::Call;

use crate::{
    context::Context,
    exit::{Exit, Failure, OrFail},
    node::Node,
    output,
    table::Cell,
    times,
};

#[derive(Subcommand)]
pub enum Schedule {
    /// Say what a schedule means, when it fires, and what clock changes do to it
    #[command(after_help = "Examples:
  trigrun schedule explain '30 2 * * *' --tz Europe/Berlin
  trigrun schedule explain 15m")]
    Explain(Explain),
}

#[derive(Args)]
pub struct Explain {
    /// A cron expression, or a number of minutes such as 15m or 2h
    expression: String,
    /// The time zone, such as Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// How many fires
    #[arg(short = 'n', long, default_value_t = 10, value_name = "NUMBER")]
    count: u32,
    /// The fires from this time on (RFC 3339)
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Preview {
    schedule_in_words: String,
    fires: Vec<Fire>,
    fires_per_day: Option<f64>,
    clock_changes: Vec<ClockChange>,
    warnings: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fire {
    at: Option<Timestamp>,
    local: String,
    note: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ClockChange {
    effect: Option<String>,
    note: Option<String>,
}

impl Schedule {
    pub async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let Self::Explain(explain) = self;
        explain.run(context).await
    }
}

impl Explain {
    async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let what = "the schedule cannot be explained";
        let call = Call::post("/v1/schedules/preview").body(self.body().to_json()).repeatable();
        let answer = context.call(what, call).await?;
        if context.output.is_data() {
            context.output.document(&answer.text)?;
            return Ok(Exit::Done);
        }
        let preview: Preview = answer.json().or_fail(what)?;
        let now = context.client.now().await.or_fail(what)?;
        output::print(&format!("{}\n", preview.schedule_in_words))?;
        if let Some(per_day) = preview.fires_per_day.filter(|_| context.output.to_terminal) {
            output::print(&format!("about {per_day} fires a day\n\n"))?;
        }
        let row = |fire: Fire| {
            let at = fire.at.map(|at| at.to_string()).unwrap_or_default();
            vec![Cell::from(fire.local), at.into(), fire.note.unwrap_or_default().into()]
        };
        let rows: Vec<Vec<Cell>> = preview.fires.into_iter().map(row).collect();
        context.output.table(&["LOCAL", "UTC", "NOTE"], &rows, now)?;
        let changes = preview.clock_changes.into_iter().filter(|change| change.effect.is_some());
        let notes: Vec<String> = changes.filter_map(|change| change.note).collect();
        if context.output.to_terminal && !notes.is_empty() {
            output::print(&format!("\n{}\n", notes.join("\n")))?;
        }
        for warning in preview.warnings {
            context.output.warn(&warning);
        }
        Ok(Exit::Done)
    }

    fn body(&self) -> Node {
        let mut body = Node::map();
        match times::minutes(&self.expression) {
            Ok(minutes) => {
                body.set("kind", Node::string("recurring"));
                body.set_at(&["schedule", "every_n_minutes"], Node::number(minutes));
            }
            Err(_) => {
                body.set("kind", Node::string("cron"));
                body.set_at(&["schedule", "cron"], Node::string(&self.expression));
            }
        }
        if let Some(zone) = &self.tz {
            body.set_at(&["schedule", "timezone"], Node::string(zone));
        }
        if let Some(from) = self.from {
            body.set("from", Node::string(from.to_string()));
        }
        body.set("count", Node::number(self.count));
        body
    }
}
