//! `ringback destroy`: runs `sam delete` on a stack that is Ringback's and in whose queues no message would
//! be lost. The tables stay, but for the lists of calls: they are made of the records.

use clap::Args;
use serde_json::json;

use crate::confirm::confirm;
use crate::deploy::Sam;
use crate::error::Stop;
use crate::output::Output;
use crate::place::{Deployed, Place, Where};
use crate::replay::held;

/// Delete the stack of --stack; its tables stay
#[derive(Args, Debug)]
pub(crate) struct Destroy {
    /// Delete a production stack, too
    #[arg(long)]
    production: bool,
    /// Delete it although messages wait in its queues
    #[arg(long)]
    lose_messages: bool,
    /// Do not ask: the stack's name once more
    #[arg(long, value_name = "STACK")]
    yes: Option<String>,
}

impl Destroy {
    pub(crate) async fn run(self, at: &Where, out: Output) -> Result<(), Stop> {
        let name = at.stack().ok_or_else(|| Stop::new("which stack? Give --stack NAME"))?;
        let place = at.deployment(name).await?;
        let Some(stack) = place.deployed() else { return Err(Stop::new("this is no deployment")) };
        out.tell(&place.description());
        if stack.is_production() && !self.production {
            return Err(Stop::new(format!("{name} is a production stack: add --production if it must go")));
        }
        let waiting = messages(&place, stack).await?;
        if !waiting.is_empty() && !self.lose_messages {
            let said = waiting.join(" and ");
            return Err(Stop::new(format!(
                "messages would be lost: {said}. Let replay run, or add --lose-messages"
            )));
        }
        confirm(name, "the stack's name", self.yes.as_deref())?;
        let sam = Sam::for_stack(&stack.region, at, out)?;
        if !sam.run(&["delete", "--no-prompts", "--stack-name", name])? {
            return Err(Stop::new(format!(
                "`sam delete` failed: see the events of {name} in CloudFormation"
            )));
        }
        let outputs = stack.outputs.iter();
        let stays = |output: &str| output.ends_with("TableName") && output != "ViewsTableName";
        let tables: Vec<&String> =
            outputs.filter(|(output, _)| stays(output)).map(|(_, table)| table).collect();
        let head = "These tables are still there, and cost money. To delete them for good:".to_owned();
        let text = tables.iter().fold(head, |text, table| {
            format!(
                "{text}\n  aws dynamodb update-table --table-name {table} --no-deletion-protection-enabled\
                 \n  aws dynamodb delete-table --table-name {table}"
            )
        });
        out.result(&json!({ "stack": name, "deleted": true, "tables_left": tables }), &text);
        Ok(())
    }
}

/// `7 in SpoolQueue`, for every queue that is not empty.
async fn messages(place: &Place, stack: &Deployed) -> Result<Vec<String>, Stop> {
    let client = aws_sdk_sqs::Client::new(&place.config("SQS"));
    let mut waiting = Vec::new();
    for (queue, url) in stack.resources(place, "AWS::SQS::Queue").await? {
        let count = held(&client, &url).await?;
        waiting.extend((count > 0).then(|| format!("{count} in {queue}")));
    }
    Ok(waiting)
}
