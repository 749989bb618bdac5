//! `ringback restore`: copies the items of a restored table that the stack's table lacks.

use clap::Args;
use serde_json::json;

use crate::confirm::confirm;
use crate::error::Stop;
use crate::output::{Output, clean, now};
use crate::place::Where;
use crate::records::{Item, Records, Table, is_call, key};

const CALLS_NAMED: usize = 50;
/// For the stream of the table, a call that comes back is a new one.
const COUNTED_AGAIN: &str = "The lists of calls follow within minutes. The figures count these calls once \
    more: then run `ringback recount --from DAY --to DAY --repair` for their days.";

/// Put back what was deleted: copy what the table lacks of a restored one
#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// The table that point-in-time recovery has made
    from: String,
    /// Copy from a table that was not restored from this stack's
    #[arg(long)]
    any_source: bool,
    /// Only count what would be put back
    #[arg(long)]
    dry_run: bool,
    /// Do not ask in production: the stack's name
    #[arg(long, value_name = "STACK", conflicts_with = "dry_run")]
    yes: Option<String>,
}

impl Restore {
    pub(crate) async fn run(self, at: &Where, out: Output) -> Result<(), Stop> {
        let place = at.place().await?;
        out.tell(&place.description());
        let target = Table::of(&place);
        let production =
            place.deployed().filter(|stack| stack.is_production()).map(|stack| stack.name.as_str());
        let source = target.beside(&self.from);
        self.restore(&source, &target, production, place.reading.is_some(), out).await
    }

    async fn restore<T: Records>(
        &self,
        source: &T,
        target: &T,
        production: Option<&str>,
        counted: bool,
        out: Output,
    ) -> Result<(), Stop> {
        let (from, into) = (source.name(), target.name());
        if from == into {
            return Err(Stop::new(format!("{from} is the stack's own table: name the restored one")));
        }
        out.tell(&format!("Copies from {from} into {into}."));
        let described = source.describe().await?;
        let origin = described.restored_from.as_deref().unwrap_or("nowhere");
        if !self.any_source && origin != target.describe().await?.arn {
            let why = format!("{from} was restored from {origin}, not from {into}");
            return Err(Stop::new(format!("{why}: --any-source copies all the same")));
        }
        if let Some(name) = production.filter(|_| !self.dry_run) {
            confirm(name, "the stack's name", self.yes.as_deref())?;
        }
        let copied = copy(source, target, self.dry_run, described.items, out).await?;
        let value = json!({
            "added": copied.added, "there": copied.there, "expired": copied.expired, "differ": copied.differ,
        });
        let mut report = copied.report(from, into, self.dry_run);
        if counted && copied.added > 0 {
            report.push(COUNTED_AGAIN.to_owned());
        }
        out.result(&value, &report.join("\n"));
        Ok(())
    }
}

/// What became of the items of the restored table.
#[derive(Debug, Default)]
struct Copied {
    added: u64,
    there: u64,
    expired: u64,
    /// The calls whose item is there and differs.
    differ: Vec<String>,
}

impl Copied {
    fn report(&self, from: &str, into: &str, dry_run: bool) -> Vec<String> {
        let Self { added, there, expired, differ } = self;
        let are = if dry_run { "would be" } else { "are" };
        let counts = format!("{there} were there, {expired} have expired.");
        let mut lines = vec![format!("{added} items of {from} {are} back in {into}; {counts}")];
        if !differ.is_empty() {
            let count = differ.len();
            lines.push(format!(
                "{count} call items were there and differ: they may know less: docs/runbook.md"
            ));
            lines.extend(differ.iter().take(CALLS_NAMED).map(|sid| format!("  {}", clean(sid))));
            lines.extend(count.checked_sub(CALLS_NAMED + 1).map(|more| format!("  and {} more", more + 1)));
        }
        lines.push("Users who were erased since the backup are back with it: erase them again.".into());
        lines
    }
}

/// Adds what is missing. What is there is newer and stays; what has expired is left out.
async fn copy<T: Records>(
    source: &T,
    target: &T,
    dry_run: bool,
    about: u64,
    out: Output,
) -> Result<Copied, Stop> {
    // DynamoDB counts a table's items every six hours or so; a new table has none yet.
    let progress = out.progress(Some(about).filter(|about| *about > 0), "items");
    let (mut copied, now) = (Copied::default(), now().as_secs());
    let mut from = None;
    loop {
        let page = source.page(from).await?;
        for item in page.items {
            progress.inc(1);
            if has_expired(&item, now) {
                copied.expired += 1;
                continue;
            }
            let there =
                if dry_run { target.get(&key(&item)).await? } else { target.add(item.clone()).await? };
            match there {
                None => copied.added += 1,
                Some(there) => {
                    copied.there += 1;
                    if is_call(&item) && there != item {
                        copied.differ.push(key(&item).0);
                    }
                }
            }
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    progress.finish_and_clear();
    Ok(copied)
}

/// Whether DynamoDB deletes the item by itself, if it has not yet.
fn has_expired(item: &Item, now: u64) -> bool {
    let expires =
        item.get("expires_at").and_then(|value| value.as_n().ok()).and_then(|digits| digits.parse().ok());
    expires.is_some_and(|expires: u64| expires <= now)
}

#[cfg(test)]
mod tests {
    use ringback::testing::block_on;

    use super::*;
    use crate::records::memory::{Memory, item};

    const SILENT: Output = Output { json: true };

    fn tables() -> (Memory, Memory) {
        let mine = Memory { name: "mine", ..Memory::default() };
        mine.put("talk", "call", json!({ "status": "ringing" }));
        mine.put("others", "call", json!({}));
        let backup = Memory { name: "backup", restored_from: Some("arn:mine"), ..Memory::default() };
        backup.put("talk", "call", json!({ "status": "ended" }));
        backup.put("others", "call", json!({}));
        backup.put("lost", "call", json!({ "caller": { "user_id": "carol" } }));
        backup.put("old", "call", json!({ "expires_at": 1 }));
        (backup, mine)
    }

    fn command() -> Restore {
        Restore { from: "backup".into(), any_source: false, dry_run: false, yes: None }
    }

    fn restore(
        command: &Restore,
        backup: &Memory,
        mine: &Memory,
        production: Option<&str>,
    ) -> Result<(), Stop> {
        block_on(command.restore(backup, mine, production, true, SILENT))
    }

    #[test]
    fn what_is_lost_comes_back_and_what_is_there_stays() {
        let (backup, mine) = tables();
        let counted = block_on(copy(&backup, &mine, true, 0, SILENT)).unwrap();
        assert_eq!((counted.added, counted.there, mine.keys().len()), (1, 2, 2));
        let copied = block_on(copy(&backup, &mine, false, 0, SILENT)).unwrap();
        assert_eq!(mine.keys(), ["lost call", "others call", "talk call"]);
        assert_eq!(mine.items.borrow()[&("talk".into(), "call".into())]["status"].as_s().unwrap(), "ringing");
        assert_eq!(
            copied.report("backup", "mine", false),
            [
                "1 items of backup are back in mine; 2 were there, 1 have expired.",
                "1 call items were there and differ: they may know less: docs/runbook.md",
                "  talk",
                "Users who were erased since the backup are back with it: erase them again.",
            ]
        );
    }

    #[test]
    fn another_tables_backup_is_refused_unless_asked_for() {
        for origin in [Some("arn:theirs"), None] {
            let (mut backup, mine) = tables();
            backup.restored_from = origin;
            let error = restore(&command(), &backup, &mine, None).unwrap_err().to_string();
            assert!(error.contains("not from mine: --any-source"), "{error}");
            assert_eq!(mine.keys().len(), 2);
            assert_eq!(restore(&Restore { any_source: true, ..command() }, &backup, &mine, None), Ok(()));
            assert_eq!(mine.keys().len(), 3);
        }
        let (_, mine) = tables();
        assert!(restore(&command(), &mine, &mine, None).is_err());
    }

    #[test]
    fn production_wants_its_name_before_anything_comes_back() {
        let (backup, mine) = tables();
        for yes in [None, Some("theirs")] {
            let command = Restore { yes: yes.map(str::to_owned), ..command() };
            let error = restore(&command, &backup, &mine, Some("stack")).unwrap_err().to_string();
            assert!(error.starts_with("nothing was changed"), "{error}");
        }
        assert_eq!(restore(&Restore { dry_run: true, ..command() }, &backup, &mine, Some("stack")), Ok(()));
        assert_eq!(mine.keys().len(), 2);
        let sure = Restore { yes: Some("stack".into()), ..command() };
        assert_eq!(restore(&sure, &backup, &mine, Some("stack")), Ok(()));
        assert_eq!(mine.keys().len(), 3);
    }

    #[test]
    fn an_item_expires_at_its_second() {
        for (attributes, expired) in
            [(json!({ "expires_at": 10 }), true), (json!({ "expires_at": 11 }), false), (json!({}), false)]
        {
            assert_eq!(has_expired(&item(&attributes), 10), expired);
        }
    }
}
