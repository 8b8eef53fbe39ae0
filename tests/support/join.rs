//! Waiting for several futures in one task.

#![allow(unreachable_pub, reason = "each test binary has it as a module")]

use std::{
    future::{Future, poll_fn},
    task::Poll,
};

/// Awaits all of them, side by side.
pub async fn side_by_side<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let futures = futures.into_iter();
    let mut futures: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    poll_fn(|cx| {
        for (future, output) in &mut futures {
            if output.is_none()
                && let Poll::Ready(it) = future.as_mut().poll(cx)
            {
                *output = Some(it);
            }
        }
        match futures.iter().all(|(_, output)| output.is_some()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    let outputs = futures.into_iter();
    outputs.filter_map(|(_, output)| output).collect()
}
