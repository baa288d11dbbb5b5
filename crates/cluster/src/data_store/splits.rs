//! Ranges of tokens for readers that work side by side, from the ring and from what a node estimates of its share.

use ilium_store::{Result, TokenSplit};

use crate::cluster::Cluster;
use crate::error::unreachable;

/// What a node estimates of a table: a row for each range that is first of all its own.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Estimate {
    /// Bytes.
    size: f64,
    /// The share of the ring that it is of.
    share: f64,
}

/// At most this many ranges, whatever is asked for.
const MOST: usize = 1 << 16;

pub(super) async fn of(
    cluster: &Cluster,
    keyspace: &str,
    table: &str,
    at_least: usize,
) -> Result<Vec<TokenSplit>> {
    let tokens: Vec<i64> = cluster.ring().tokens().collect();
    let control = cluster.control().ok_or_else(|| unreachable("no node can be asked for its estimates"))?;
    let literal = |text: &str| text.replace('\'', "''");
    let text = format!(
        "SELECT range_start, range_end, mean_partition_size, partitions_count FROM system.size_estimates WHERE \
         keyspace_name = '{}' AND table_name = '{}'",
        literal(keyspace),
        literal(table)
    );
    let estimates = control.query(&text).await?;
    let ranges = estimates.rows().filter_map(|row| {
        let start = row.text("range_start")?.parse().ok()?;
        let end = row.text("range_end")?.parse().ok()?;
        let long = |column| Some(i64::from_be_bytes(row.bytes(column)?.as_ref().try_into().ok()?));
        let size = long("mean_partition_size")? as f64 * long("partitions_count")? as f64;
        Some(Estimate { size, share: width(start, end) })
    });
    let known = ranges.fold(Estimate::default(), |sum, one| Estimate {
        size: sum.size + one.size,
        share: sum.share + one.share,
    });
    // Tokens are uniform: the rest of the ring holds as much for its width.
    let whole = if known.share > 0.0 { known.size / known.share } else { 0.0 };
    Ok(split(&tokens, at_least.clamp(1, MOST), whole))
}

/// How much of the ring lies between two tokens.
fn width(after: i64, through: i64) -> f64 {
    let width = through.wrapping_sub(after).cast_unsigned();
    // A range from a token to itself is the whole ring.
    if width == 0 { 1.0 } else { width as f64 / RING }
}

const RING: f64 = 18_446_744_073_709_551_616.0;

/// The ring's ranges, each cut into as many as it takes. The first begins before every token, the last ends after.
fn split(tokens: &[i64], at_least: usize, whole: f64) -> Vec<TokenSplit> {
    let mut ends: Vec<i64> =
        tokens.iter().copied().filter(|token| *token < i64::MAX && *token > i64::MIN).collect();
    ends.push(i64::MAX);
    ends.dedup();
    let parts = at_least.div_ceil(ends.len()) as i128;
    let mut splits = Vec::with_capacity(ends.len() * parts as usize);
    let mut after = i64::MIN;
    for end in ends {
        let (from, through) = (i128::from(after), i128::from(end));
        for part in 0..parts {
            let bound = |part: i128| (from + (through - from) * part / parts) as i64;
            let (after, through) = (bound(part), bound(part + 1));
            if after < through {
                splits.push(TokenSplit { after, through, size: (whole * width(after, through)) as u64 });
            }
        }
        after = end;
    }
    splits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_the_ring_once_and_are_as_many_as_asked_for() {
        for tokens in [&[][..], &[0], &[-5 << 40, 7, 100 << 40], &[i64::MIN, 0, i64::MAX]] {
            for at_least in [1, 2, 7, 64] {
                let splits = split(tokens, at_least, 1e9);
                assert!(splits.len() >= at_least, "{tokens:?} {at_least}");
                assert_eq!(splits.first().map(|split| split.after), Some(i64::MIN));
                assert_eq!(splits.last().map(|split| split.through), Some(i64::MAX));
                assert!(splits.windows(2).all(|pair| pair[0].through == pair[1].after));
                let size: u64 = splits.iter().map(|split| split.size).sum();
                assert!((990_000_000..=1_000_000_000).contains(&size), "{size}");
            }
        }
    }

    #[test]
    fn a_range_may_go_round_the_end_of_the_ring() {
        assert_eq!(width(i64::MAX, i64::MIN) * RING, 1.0);
        assert!((width(1 << 62, -(1 << 62)) - 0.5).abs() < 1e-9);
        assert_eq!(width(3, 3), 1.0);
    }
}
