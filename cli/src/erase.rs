//! `ringback erase`: every record of every call in which a user id appears, and the user's own list of calls.
//!
//! The user's list names the calls. Where there is none, or with `--scan`, the whole table is read. The
//! stream of the table takes the calls out of the other lists.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::json;

use crate::confirm::confirm;
use crate::error::Stop;
use crate::mentions::{Mention, mentions, names};
use crate::output::{Output, clean, counts};
use crate::place::Where;
use crate::records::{Item, Key, Records, Table, is_call, key};
use crate::views::{Lists, Views};

/// Erase one user: every record of every call in which the id appears
#[derive(Args, Debug)]
pub(crate) struct Erase {
    /// The user's id
    user: String,
    /// The user's service, where several services use the same ids
    #[arg(long, value_name = "SERVICE")]
    service_id: Option<String>,
    /// Read every record, not only the calls in the user's list
    #[arg(long)]
    scan: bool,
    /// Only say where the user is found
    #[arg(long)]
    dry_run: bool,
    /// Do not ask: the user's id once more
    #[arg(long, value_name = "USER", conflicts_with = "dry_run")]
    yes: Option<String>,
}

impl Erase {
    pub(crate) async fn run(self, at: &Where, out: Output) -> Result<(), Stop> {
        let place = at.place().await?;
        out.tell(&place.description());
        self.erase(&Table::of(&place), Views::of(&place).as_ref(), out).await
    }

    async fn erase(&self, table: &impl Records, lists: Option<&impl Lists>, out: Output) -> Result<(), Stop> {
        let (user, service) = (clean(&self.user), self.service_id.as_deref());
        let whole_table = self.scan || lists.is_none_or(|lists| lists.leaves_out(&self.user));
        let looked_in = lists.filter(|_| !whole_table);
        let rows = match lists {
            Some(lists) => lists.rows(&self.user, service).await?.len(),
            None => 0,
        };
        let found = find(table, looked_in, &BTreeSet::new(), &self.user, service, out).await?;
        let (calls, items) = (found.calls.len(), found.keys.len());
        let summary = |erased| {
            json!({
                "user": self.user, "calls": calls, "items": items, "rows": rows, "erased": erased,
                "scanned": looked_in.is_none(),
            })
        };
        if looked_in.is_some() {
            out.tell("Only the calls in the user's list were read. --scan reads every record.");
        }
        if found.calls.is_empty() && rows == 0 {
            let where_to = if looked_in.is_some() { "call of the user's list" } else { "record" };
            out.result(&summary(0), &format!("{user} is in no {where_to} of {}.", table.name()));
            return Ok(());
        }
        out.tell(&format!("{user} is in {calls} calls of {}, with {items} items.", table.name()));
        out.tell(&places(&found.mentions, service).join("\n"));
        if rows > 0 {
            out.tell(&format!("The user's own list has {rows} rows."));
        }
        if self.dry_run {
            out.result(&summary(0), "Nothing was erased: this is a dry run.");
            return Ok(());
        }
        confirm(&self.user, "the user's id", self.yes.as_deref())?;
        let progress = out.progress(Some(items as u64), "items");
        for key in &found.keys {
            let unfinished =
                |error| Stop::new(format!("{error}. Run it again with --scan, which finds the rest."));
            table.delete(key).await.map_err(unfinished)?;
            progress.inc(1);
        }
        progress.finish_and_clear();
        // The list may have lost these calls already.
        let left = find(table, looked_in, &found.calls, &self.user, service, out).await?.keys.len();
        if left > 0 {
            return Err(Stop::new(format!("{left} items arrived meanwhile: run it again with --scan")));
        }
        // Last, because it names the calls to a run that takes up an interrupted one.
        if let Some(lists) = lists {
            for row in lists.rows(&self.user, service).await? {
                lists.delete(&row).await?;
            }
        }
        let kept = "Backups keep them for up to 35 days, spool and dead letters for up to 14. \
            Registered phones stay: see `ringback devices list`.";
        let text = format!("{items} items and {rows} rows of the user's list are erased. {kept}");
        out.result(&summary(items), &text);
        Ok(())
    }
}

/// Where a user is found.
#[derive(Debug, Default)]
struct Found {
    calls: BTreeSet<String>,
    mentions: Vec<Mention>,
    /// All items of these calls. What names the user goes last, the call item at the end, so that a run that
    /// was interrupted can be repeated and finds the rest.
    keys: Vec<Key>,
}

/// Finds the user in the calls of the lists and in other known calls; without lists, in the whole table.
async fn find(
    table: &impl Records,
    lists: Option<&impl Lists>,
    known: &BTreeSet<String>,
    user: &str,
    service: Option<&str>,
    out: Output,
) -> Result<Found, Stop> {
    let progress = out.progress(None, "items read");
    let mut found = Found::default();
    // A call's other items need not name the user, and may stand before the one that does. Their keys are
    // kept, not they.
    let mut all: Vec<(bool, bool, Key)> = Vec::new();
    let mut look_at = |items: &[Item]| {
        for item in items {
            progress.inc(1);
            let named = names(item, user, service);
            if named {
                found.calls.insert(key(item).0);
                found
                    .mentions
                    .extend(mentions(item).into_iter().filter(|mention| mention.is_of(user, service)));
            }
            all.push((named, is_call(item), key(item)));
        }
    };
    match lists {
        Some(lists) => {
            let rows = lists.rows(user, service).await?;
            let listed = rows.into_iter().filter_map(|row| row.sid);
            for sid in listed.chain(known.iter().cloned()).collect::<BTreeSet<String>>() {
                look_at(&table.of_session(&sid).await?);
            }
        }
        None => {
            let mut from = None;
            loop {
                let page = table.page(from).await?;
                look_at(&page.items);
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
        }
    }
    progress.finish_and_clear();
    all.retain(|(_, _, (sid, _))| found.calls.contains(sid));
    all.sort();
    found.keys = all.into_iter().map(|(_, _, key)| key).collect();
    Ok(found)
}

/// Where the user is named, so that a person can judge whether it is the user.
fn places(found: &[Mention], service: Option<&str>) -> Vec<String> {
    let lines = [("found as", false), ("without a service, which go too:", true)];
    let line = |(text, without): (&str, bool)| {
        let chosen = found.iter().filter(|each| (service.is_some() && !each.has_service()) == without);
        let counts = counts(chosen.map(|each| each.place.as_str()));
        (!counts.is_empty()).then(|| format!("  {text} {counts}"))
    };
    lines.into_iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use ringback::testing::block_on;

    use super::*;
    use crate::records::memory::Memory;
    use crate::views::memory::Memory as ListsInMemory;

    const SILENT: Output = Output { json: true };

    fn table() -> Memory {
        let table = Memory { name: "mine", ..Memory::default() };
        table.put(
            "talk",
            "call",
            json!({ "caller": { "user_id": "alice" }, "callee": { "user_id": "bob" } }),
        );
        table.put("talk", "event#0#b", json!({ "who": { "user_id": "bob" } }));
        table.put("talk", "event#1#a", json!({ "who": { "user_id": "alice" } }));
        table.put("talk", "event#2#c", json!({ "what": "agent_reached_callee" }));
        // This call item has forgotten her.
        table.put("room", "call", json!({ "room": { "id": "r" } }));
        table.put("room", "event#1#a", json!({ "who": { "service_id": "one", "user_id": "alice" } }));
        table.put("room", "event#2#b", json!({ "who": { "service_id": "one", "user_id": "bob" } }));
        table.put("others", "call", json!({ "caller": { "user_id": "bob" }, "duration_s": 30 }));
        table
    }

    const NO_LISTS: Option<&ListsInMemory> = None;

    fn command(user: &str, dry_run: bool, yes: Option<&str>) -> Erase {
        Erase { user: user.into(), service_id: None, scan: false, dry_run, yes: yes.map(str::to_owned) }
    }

    fn erase(table: &Memory, user: &str, dry_run: bool, yes: Option<&str>) -> Result<(), Stop> {
        block_on(command(user, dry_run, yes).erase(table, NO_LISTS, SILENT))
    }

    /// Alice's list lacks the room.
    fn lists() -> ListsInMemory {
        let lists = ListsInMemory::default();
        lists.put("alice", "one", Some("talk"));
        lists.put("alice", "one", None);
        lists.put("bob", "one", Some("others"));
        lists
    }

    #[test]
    fn nothing_is_erased_in_a_dry_run_or_without_the_users_id() {
        let table = table();
        assert_eq!(erase(&table, "alice", true, None), Ok(()));
        for yes in [None, Some("bob")] {
            assert!(
                erase(&table, "alice", false, yes)
                    .unwrap_err()
                    .to_string()
                    .starts_with("nothing was changed")
            );
        }
        assert_eq!(table.keys().len(), 8);
    }

    #[test]
    fn whole_calls_of_the_user_go_and_no_others() {
        let table = table();
        assert_eq!(erase(&table, "30", false, Some("30")), Ok(()));
        assert_eq!(table.keys().len(), 8);
        assert_eq!(erase(&table, "alice", false, Some("alice")), Ok(()));
        assert_eq!(table.keys(), ["others call"]);
    }

    #[test]
    fn the_users_list_says_which_calls_go_and_goes_itself() {
        let (table, lists) = (table(), lists());
        let erase = |command: Erase| block_on(command.erase(&table, Some(&lists), SILENT));
        assert_eq!(erase(command("alice", true, None)), Ok(()));
        assert_eq!((table.keys().len(), lists.rows.borrow().len()), (8, 3));
        assert_eq!(erase(command("alice", false, Some("alice"))), Ok(()));
        assert!(table.keys().iter().all(|key| !key.starts_with("talk")));
        assert_eq!(lists.rows.borrow().iter().map(|(user, ..)| *user).collect::<Vec<_>>(), ["bob"]);
        assert!(table.keys().contains(&"room call".to_owned()));
    }

    #[test]
    fn a_scan_finds_what_the_list_lacks_and_users_without_a_list() {
        for (scan, unindexed) in [(true, vec![]), (false, vec!["alice"])] {
            let (table, lists) = (table(), ListsInMemory { unindexed, ..lists() });
            let erase = Erase { scan, ..command("alice", false, Some("alice")) };
            assert_eq!(block_on(erase.erase(&table, Some(&lists), SILENT)), Ok(()));
            assert_eq!(table.keys(), ["others call"]);
            assert_eq!(lists.rows.borrow().len(), 1);
        }
    }

    #[test]
    fn a_list_outlives_an_interrupted_run() {
        for stops_after in 0..4 {
            let (table, lists) = (table(), lists());
            table.deletes_left.set(Some(stops_after));
            let erase =
                || block_on(command("alice", false, Some("alice")).erase(&table, Some(&lists), SILENT));
            assert!(erase().is_err());
            assert_eq!(lists.rows.borrow().len(), 3);
            table.deletes_left.set(None);
            assert_eq!(erase(), Ok(()));
            assert!(table.keys().iter().all(|key| !key.starts_with("talk")), "{stops_after}");
        }
    }

    #[test]
    fn an_interrupted_run_can_be_run_again_and_finds_the_rest() {
        for stops_after in 0..7 {
            let table = table();
            table.deletes_left.set(Some(stops_after));
            assert!(erase(&table, "alice", false, Some("alice")).is_err());
            table.deletes_left.set(None);
            assert_eq!(erase(&table, "alice", false, Some("alice")), Ok(()));
            assert_eq!(table.keys(), ["others call"], "{stops_after}");
        }
    }

    #[test]
    fn the_items_that_name_the_user_go_last_and_the_call_item_at_the_end() {
        let found = block_on(find(&table(), NO_LISTS, &BTreeSet::new(), "alice", None, SILENT)).unwrap();
        let talk: Vec<&str> =
            found.keys.iter().filter(|(sid, _)| sid == "talk").map(|(_, key)| key.as_str()).collect();
        assert_eq!(talk, ["event#0#b", "event#2#c", "event#1#a", "call"]);
    }

    #[test]
    fn what_has_no_service_is_listed_apart() {
        let found = |service| {
            block_on(find(&table(), NO_LISTS, &BTreeSet::new(), "alice", service, SILENT)).unwrap().mentions
        };
        assert_eq!(places(&found(None), None), ["  found as caller 1, who 2"]);
        let one = Some("one");
        let apart = ["  found as who 1", "  without a service, which go too: caller 1, who 1"];
        assert_eq!(places(&found(one), one), apart);
    }
}
