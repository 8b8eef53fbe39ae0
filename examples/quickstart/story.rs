//! What happens to the vendors, one thing after the other.

use std::time::Duration;

use tokio::time::sleep;
use tower_reauth::{
    handle::{Generation, Status},
    test_util::Fault,
};

use crate::{
    crowd::{CALLERS, Crowd},
    show::Stage,
};

/// What only the story can tell.
#[derive(Default)]
pub(crate) struct Findings {
    /// Exchanges of each vendor's cold start.
    pub(crate) cold: Vec<u64>,
    /// Exchanges that failed in the outage.
    pub(crate) failed: u64,
    /// Requests that were refused after the revocation, and the exchanges that took.
    pub(crate) refused: u64,
    pub(crate) recovered_by: u64,
    /// Whether the story came to its end.
    pub(crate) complete: bool,
}

/// Quiet until then, so that there are a few more rotations.
const ENDS_AT: Duration = Duration::from_secs(9);

pub(crate) async fn tell(crowds: &[Crowd; 4], stage: &Stage, found: &mut Findings) {
    let [_, _, marketiger, vmware] = crowds;
    cold_start(crowds, stage, found).await;

    stage.say(
        "rotations",
        "tokens live for 2 or 6 s; each is exchanged before it dies,",
    );
    stage.say("", "beside the requests that still use it");
    next_token(marketiger, generation(marketiger)).await;

    outage(vmware, stage, found).await;
    revocation(marketiger, stage, found).await;
    sleep(ENDS_AT.saturating_sub(stage.elapsed())).await;
    crowds.iter().for_each(Crowd::call_it_a_day);
    for crowd in crowds {
        crowd.leave().await;
    }
}

async fn cold_start(crowds: &[Crowd; 4], stage: &Stage, found: &mut Findings) {
    stage.say(
        "cold start",
        format_args!("{CALLERS} callers each, all at once, and no good token yet"),
    );
    for crowd in crowds {
        crowd.first_answers().await;
        found.cold.push(crowd.vendor.counters().exchanges);
    }
    let exchanges: u64 = found.cold.iter().sum();
    stage.say(
        "",
        format_args!("everybody was answered; exchanges: {exchanges}"),
    );
}

/// The token endpoint fails until the layer has noticed. The token outlives that.
async fn outage(crowd: &Crowd, stage: &Stage, found: &mut Findings) {
    let (vendor, before) = (&crowd.vendor, crowd.vendor.counters());
    let last = generation(crowd);
    let down = Fault::Status(503, "down for maintenance".to_owned(), "text/plain");
    vendor.faults().until_cleared(down);
    stage.say(
        "outage",
        format_args!("{} exchanges no tokens: 503; the last lives on", crowd.name),
    );
    until(crowd, |status| status.failure.is_some()).await;
    vendor.faults().clear();
    stage.say("", "an exchange has failed, and the vendor is up again");
    next_token(crowd, last).await;

    let now = vendor.counters();
    let tries = now.token_requests - before.token_requests;
    found.failed = tries - (now.exchanges - before.exchanges);
    let failed = found.failed;
    stage.say(
        "",
        format_args!("the next token is there; exchanges that failed: {failed}"),
    );
}

/// Every access token is revoked, in the first half of its life: far from any rotation.
async fn revocation(crowd: &Crowd, stage: &Stage, found: &mut Findings) {
    next_token(crowd, generation(crowd)).await;
    sleep(crowd.lifetime / 5).await;
    let (before, last) = (crowd.vendor.counters(), generation(crowd));
    crowd.vendor.revoke_access_tokens();
    stage.say(
        "revocation",
        format_args!("{} revokes every access token", crowd.name),
    );
    next_token(crowd, last).await;
    // Time enough for an exchange too many, and not for the next rotation.
    sleep(crowd.lifetime / 4).await;

    let now = crowd.vendor.counters();
    found.refused = now.api_refused - before.api_refused;
    found.recovered_by = now.exchanges - before.exchanges;
    let (refused, exchanges) = (found.refused, found.recovered_by);
    stage.say(
        "",
        format_args!("requests refused and sent again: {refused}; exchanges: {exchanges}"),
    );
}

fn generation(crowd: &Crowd) -> Generation {
    crowd.session.status().generation
}

async fn next_token(crowd: &Crowd, last: Generation) {
    until(crowd, |status| status.generation > last).await;
}

async fn until(crowd: &Crowd, reached: impl Fn(&Status) -> bool) {
    let mut states = crowd.session.subscribe();
    while let Some(status) = states.changed().await {
        if reached(&status) {
            return;
        }
    }
}
