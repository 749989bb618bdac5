//! `ringback replay`: moves dead letters back into the spool.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, QueueAttributeName, SendMessageBatchRequestEntry,
};
use clap::Args;
use serde_json::json;

use crate::error::Stop;
use crate::output::Output;
use crate::place::Where;

/// Send the dead letters through the spool again
#[derive(Args, Debug)]
pub(crate) struct Replay {
    /// Only say how many there are
    #[arg(long)]
    dry_run: bool,
}

/// The queues that letters are moved between.
trait Letters {
    async fn waiting(&self) -> Result<usize, Stop>;
    async fn take(&self, most: usize) -> Result<Vec<Message>, Stop>;
    /// Copies messages into the spool and returns those that it took.
    async fn copy(&self, messages: Vec<Message>) -> Result<Vec<Message>, Stop>;
    async fn delete(&self, messages: &[Message]) -> Result<(), Stop>;
}

impl Replay {
    pub(crate) async fn run(self, at: &Where, out: Output) -> Result<(), Stop> {
        let place = at.place().await?;
        out.tell(&place.description());
        let client = Client::new(&place.config("SQS"));
        let dead_letters = place.dead_letters.url(&client).await?;
        let queues = Queues { spool: place.spool.url(&client).await?, dead_letters, client };
        let waiting = queues.waiting().await?;
        if self.dry_run {
            let text = format!("{waiting} dead letters wait. Nothing was moved: this is a dry run.");
            out.result(&json!({ "waiting": waiting, "moved": 0 }), &text);
            return Ok(());
        }
        let moved = move_letters(&queues, waiting, out).await?;
        let text = format!("{moved} of {waiting} dead letters are back in the spool.");
        out.result(&json!({ "waiting": waiting, "moved": moved }), &text);
        Ok(())
    }
}

/// Moves messages by tens. Each is in one of the queues at any time.
///
/// SQS's own move takes only what came from another queue of SQS, and SNS fills this one too. No more are
/// moved than there were at the start: a message that is still bad comes back while others are being moved.
async fn move_letters(queues: &impl Letters, waiting: usize, out: Output) -> Result<usize, Stop> {
    let progress = out.progress(Some(waiting as u64), "dead letters");
    let mut moved = 0;
    while moved < waiting {
        let messages = queues.take((waiting - moved).min(10)).await?;
        if messages.is_empty() {
            break;
        }
        let copied = queues.copy(messages).await?;
        queues.delete(&copied).await?;
        moved += copied.len();
        progress.inc(copied.len() as u64);
    }
    progress.finish_and_clear();
    Ok(moved)
}

struct Queues {
    client: Client,
    dead_letters: String,
    spool: String,
}

impl Letters for Queues {
    async fn waiting(&self) -> Result<usize, Stop> {
        waiting(&self.client, &self.dead_letters).await
    }

    async fn take(&self, most: usize) -> Result<Vec<Message>, Stop> {
        let most = i32::try_from(most).unwrap_or(10);
        let receive =
            self.client.receive_message().queue_url(&self.dead_letters).max_number_of_messages(most);
        // Without a wait SQS asks some of its servers only, and may miss messages.
        let receive = receive.message_attribute_names("All").wait_time_seconds(2);
        let received = receive.send().await.map_err(Stop::aws("read the dead letters"))?;
        Ok(received.messages.unwrap_or_default())
    }

    async fn copy(&self, messages: Vec<Message>) -> Result<Vec<Message>, Stop> {
        let entries = messages.iter().enumerate().map(|(number, message)| {
            SendMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .message_body(message.body().unwrap_or_default())
                .set_message_attributes(message.message_attributes.clone())
                .build()
                .map_err(|error| Stop::new(error.to_string()))
        });
        let entries = entries.collect::<Result<Vec<_>, Stop>>()?;
        let sent =
            self.client.send_message_batch().queue_url(&self.spool).set_entries(Some(entries)).send().await;
        let sent = sent.map_err(Stop::aws("send to the spool"))?;
        let taken: Vec<&str> = sent.successful().iter().map(|entry| entry.id()).collect();
        if taken.is_empty() {
            let why =
                sent.failed().first().and_then(|failed| failed.message()).unwrap_or("SQS does not say why");
            return Err(Stop::new(format!("the spool takes no message: {why}")));
        }
        let numbered = messages.into_iter().enumerate();
        let copied = numbered.filter(|(number, _)| taken.contains(&number.to_string().as_str()));
        Ok(copied.map(|(_, message)| message).collect())
    }

    async fn delete(&self, messages: &[Message]) -> Result<(), Stop> {
        let entries = messages.iter().enumerate().map(|(number, message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(number.to_string());
            entry
                .set_receipt_handle(message.receipt_handle.clone())
                .build()
                .map_err(|error| Stop::new(error.to_string()))
        });
        let entries = entries.collect::<Result<Vec<_>, Stop>>()?;
        let deleted =
            self.client.delete_message_batch().queue_url(&self.dead_letters).set_entries(Some(entries));
        deleted.send().await.map(drop).map_err(Stop::aws("delete from the dead letters"))
    }
}

/// Roughly how many messages of a queue can be received now.
pub(crate) async fn waiting(client: &Client, url: &str) -> Result<usize, Stop> {
    count(client, url, &[QueueAttributeName::ApproximateNumberOfMessages]).await
}

/// Roughly how many messages a queue holds, those that are being worked on or delayed among them.
pub(crate) async fn held(client: &Client, url: &str) -> Result<usize, Stop> {
    let all = [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ];
    count(client, url, &all).await
}

async fn count(client: &Client, url: &str, names: &[QueueAttributeName]) -> Result<usize, Stop> {
    let asked = client.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
    let answer = asked.send().await.map_err(Stop::aws("count the messages of a queue"))?;
    let counts = names.iter().filter_map(|name| answer.attributes()?.get(name)?.parse::<usize>().ok());
    Ok(counts.sum())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use ringback::testing::block_on;

    use super::*;

    /// Two queues. The spool refuses what is `bad`, and every message that was moved comes back at once.
    struct Memory {
        dead_letters: RefCell<Vec<Message>>,
        spool: RefCell<Vec<Message>>,
    }

    impl Letters for Memory {
        async fn waiting(&self) -> Result<usize, Stop> {
            Ok(self.dead_letters.borrow().len())
        }

        async fn take(&self, most: usize) -> Result<Vec<Message>, Stop> {
            Ok(self.dead_letters.borrow().iter().take(most).cloned().collect())
        }

        async fn copy(&self, messages: Vec<Message>) -> Result<Vec<Message>, Stop> {
            let copied: Vec<Message> =
                messages.into_iter().filter(|message| message.body() != Some("bad")).collect();
            self.spool.borrow_mut().extend(copied.clone());
            if copied.is_empty() { Err(Stop::new("refused")) } else { Ok(copied) }
        }

        async fn delete(&self, messages: &[Message]) -> Result<(), Stop> {
            let mut letters = self.dead_letters.borrow_mut();
            letters.retain(|letter| !messages.contains(letter));
            letters.extend(messages.iter().cloned());
            Ok(())
        }
    }

    fn queues(bodies: &[&str]) -> Memory {
        let message = |body: &&str| Message::builder().body(*body).build();
        Memory { dead_letters: RefCell::new(bodies.iter().map(message).collect()), spool: RefCell::default() }
    }

    #[test]
    fn a_letter_that_comes_back_at_once_is_not_moved_for_ever() {
        let bodies: Vec<String> = (0..23).map(|number| number.to_string()).collect();
        let queues = queues(&bodies.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(block_on(move_letters(&queues, 23, Output { json: true })), Ok(23));
        assert_eq!(queues.spool.borrow().len(), 23);
    }

    #[test]
    fn what_the_spool_refuses_stays_with_the_dead_letters() {
        let queues = queues(&["bad"]);
        assert!(block_on(move_letters(&queues, 1, Output { json: true })).is_err());
        assert_eq!(queues.dead_letters.borrow().len(), 1);
    }
}
