//! Asking several nodes for what one of them is to give, without waiting for one that takes its time.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a node is waited for before the next is asked, too: a log-in takes a healthy one about 100 ms, most of it for the
/// password's hash, and a question of our own less.
const HEAD_START: Duration = Duration::from_millis(500);

/// The first success. The next is begun when one fails, or has had its head start; those that are still under way when there
/// is an answer are given up. An error that is `last_word` ends it; else the last error is given, or `none`.
pub(crate) async fn first_of<C, T, E, A>(
    candidates: impl IntoIterator<Item = C>,
    mut attempt: impl FnMut(C) -> A,
    last_word: impl Fn(&E) -> bool,
    none: E,
) -> Result<T, E>
where
    T: Send + 'static,
    E: std::fmt::Display + Send + 'static,
    A: Future<Output = Result<T, E>> + Send + 'static,
{
    let mut candidates = candidates.into_iter().fuse();
    let mut next = candidates.next();
    let mut under_way = JoinSet::new();
    let mut last = none;
    loop {
        if let Some(candidate) = next.take() {
            under_way.spawn(attempt(candidate));
            next = candidates.next();
        }
        let ended = match next {
            None => under_way.join_next().await,
            Some(_) => match timeout(HEAD_START, under_way.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            },
        };
        match ended {
            None if next.is_none() => return Err(last),
            None | Some(Err(_)) => {}
            Some(Ok(Ok(found))) => return Ok(found),
            Some(Ok(Err(error))) if last_word(&error) => return Err(error),
            Some(Ok(Err(error))) => {
                tracing::debug!(%error, "a node cannot be reached");
                last = error;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    /// What comes of nodes that each take so many milliseconds and then answer or fail, and after how long.
    async fn race(nodes: &[(u64, Result<u8, &'static str>)]) -> (Result<u8, &'static str>, u128) {
        let begun = Instant::now();
        let attempt = |(milliseconds, answer): (u64, _)| async move {
            sleep(Duration::from_millis(milliseconds)).await;
            answer
        };
        let won = first_of(nodes.to_vec(), attempt, |error| *error == "final", "nobody").await;
        (won, begun.elapsed().as_millis())
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_hangs_is_not_waited_for_and_one_that_fails_not_either() {
        assert_eq!(race(&[(100, Ok(1)), (1, Ok(2))]).await, (Ok(1), 100));
        assert_eq!(race(&[(60_000, Ok(1)), (100, Ok(2))]).await, (Ok(2), 600));
        assert_eq!(race(&[(10, Err("gone")), (100, Ok(2))]).await, (Ok(2), 110));
        // One that was slow may still be first.
        assert_eq!(race(&[(700, Ok(1)), (60_000, Ok(2))]).await, (Ok(1), 700));
        assert_eq!(race(&[(10, Err("final")), (100, Ok(2))]).await, (Err("final"), 10));
        assert_eq!(race(&[(10, Err("gone")), (20, Err("as well"))]).await, (Err("as well"), 30));
        assert_eq!(race(&[]).await, (Err("nobody"), 0));
    }
}
