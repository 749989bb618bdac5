//! Pages of lists: of what the queries of a page found, the rows that belong on it.

use std::cmp::Reverse;

/// What one query found in its partition, newest first.
#[derive(Clone, Debug)]
pub(super) struct Part<T> {
    /// Each with its sort key.
    pub(super) rows: Vec<(String, T)>,
    /// The sort key that the query came to, if it did not come to the end. What is older is not known.
    pub(super) reached: Option<String>,
}

/// The newest rows of all parts, at most `limit`, and the sort key to go on after, if there may be more.
///
/// A part that stopped early hides what is older than where it stopped. So the page ends there too.
///
/// After `Shards` was raised, a call can be in two parts. `is_current` tells of a part's place and a row
/// whether new rows of that call are put there: then this one counts.
pub(super) fn merge<T>(
    parts: Vec<Part<T>>,
    limit: usize,
    is_current: impl Fn(usize, &T) -> bool,
) -> (Vec<T>, Option<String>) {
    let frontier = parts.iter().filter_map(|part| part.reached.clone()).max();
    let placed = parts.into_iter().enumerate();
    let mut rows: Vec<_> =
        placed.flat_map(|(place, part)| part.rows.into_iter().map(move |row| (place, row))).collect();
    if let Some(frontier) = &frontier {
        rows.retain(|(_, (key, _))| key >= frontier);
    }
    let rank = |(place, (key, row)): &(usize, (String, T))| (key.clone(), is_current(*place, row));
    rows.sort_by_cached_key(|row| Reverse(rank(row)));
    let mut rows: Vec<(String, T)> = rows.into_iter().map(|(_, row)| row).collect();
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

    #[test]
    fn of_a_call_in_two_parts_the_row_that_is_written_now_counts() {
        let part = |row: &'static str| Part { rows: vec![("1".to_owned(), row)], reached: None };
        for parts in [["now", "before"], ["before", "now"]] {
            let (rows, _) = merge(parts.map(part).into(), 9, |_, row| *row == "now");
            assert_eq!(rows, ["now"]);
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
                let (rows, next) = merge(parts, limit, |_, _| true);
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
