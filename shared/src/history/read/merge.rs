//! Pages of lists: of what the queries of a page found, the rows that belong on it.

use crate::call::model::Moment;
use crate::history::row::{CallRow, UserRow};

/// What one query found in its partition, newest first.
#[derive(Clone, Debug)]
pub(super) struct Part<T> {
    /// Each with its sort key.
    pub(super) rows: Vec<(String, T)>,
    /// The sort key that the query came to, if it did not come to the end. What is older is not known.
    pub(super) reached: Option<String>,
}

/// When a row was last changed, if it says so.
pub(super) trait Changed {
    fn changed(&self) -> Option<Moment>;
}

impl Changed for CallRow {
    fn changed(&self) -> Option<Moment> {
        self.last_event_at
    }
}

impl Changed for UserRow {
    fn changed(&self) -> Option<Moment> {
        self.ended_at
    }
}

/// The newest rows of all parts, at most `limit`, and the sort key to go on after, if there may be more.
///
/// A part that stopped early hides what is older than where it stopped. So the page ends there too.
pub(super) fn merge<T: Changed>(parts: Vec<Part<T>>, limit: usize) -> (Vec<T>, Option<String>) {
    let frontier = parts.iter().filter_map(|part| part.reached.clone()).max();
    let mut rows: Vec<_> = parts.into_iter().flat_map(|part| part.rows).collect();
    if let Some(frontier) = &frontier {
        rows.retain(|(key, _)| key >= frontier);
    }
    // After `Shards` was raised, a call can be in two shards: its newest row counts.
    rows.sort_by(|(a, one), (b, other)| (b, other.changed()).cmp(&(a, one.changed())));
    rows.dedup_by(|(a, _), (b, _)| a == b);
    let cut = rows.len() > limit;
    rows.truncate(limit);
    let next = if cut { rows.last().map(|(key, _)| key.clone()) } else { frontier };
    (rows.into_iter().map(|(_, row)| row).collect(), next)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Changed for u32 {
        fn changed(&self) -> Option<Moment> {
            None
        }
    }

    /// A query with a limit, as DynamoDB answers it.
    fn query(shard: &[u32], after: Option<&str>, limit: usize) -> Part<u32> {
        let older = shard.iter().rev().filter(|row| after.is_none_or(|after| key(**row).as_str() < after));
        let mut rows: Vec<_> = older.take(limit).map(|row| (key(*row), *row)).collect();
        let reached = if rows.len() == limit { rows.last().map(|(key, _)| key.clone()) } else { None };
        // A filter that DynamoDB applies after the limit.
        rows.retain(|(_, row)| row % 3 != 0);
        Part { rows, reached }
    }

    fn key(row: u32) -> String {
        format!("{row:04}")
    }

    proptest! {
        #[test]
        fn page_after_page_every_row_is_shown_once_and_the_newest_first(
            shards in proptest::collection::vec(proptest::collection::btree_set(0_u32..500, 0..40), 1..5),
            limit in 1_usize..8, scanned in 1_usize..12,
        ) {
            let shards: Vec<Vec<u32>> = shards.into_iter().map(|shard| shard.into_iter().collect()).collect();
            let (mut shown, mut after) = (Vec::new(), None);
            for _ in 0..1_000 {
                let parts = shards.iter().map(|shard| query(shard, after.as_deref(), scanned)).collect();
                let (rows, next) = merge(parts, limit);
                prop_assert!(rows.len() <= limit);
                shown.extend(rows);
                after = next;
                if after.is_none() {
                    break;
                }
            }
            prop_assert_eq!(after, None, "the list does not end");
            let mut all: Vec<u32> = shards.concat().into_iter().filter(|row| row % 3 != 0).collect();
            all.sort_unstable_by(|a, b| b.cmp(a));
            all.dedup();
            prop_assert_eq!(shown, all);
        }
    }
}
