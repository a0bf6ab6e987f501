//! Many clients at once.

use mock_services::exchange::Exchange;
use mock_services::upstream::Reply;

use super::registered;
use crate::asleep;
use crate::exercises::ex03::Released;
use crate::observation::Observation;
use crate::probe::all_held;
use crate::stage::{Stage, Trouble};

/// Many clients of one service, every answer withheld until all have been asked
/// for; `/healthz` meanwhile.
pub(in crate::exercises::ex03) async fn crowd(
    clients: usize,
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
    let (name, service) = registered(stage, seen).await?;
    if seen.silence.is_some() {
        return Ok(());
    }
    let held = Released::default();
    let hold = held.0.clone();
    service.play(move |_| Reply::held("together", &hold));
    let in_flight = |_: &[Exchange]| service.received().len();
    all_held(stage, seen, clients, &together(&name), in_flight, || {
        drop(held);
    })
    .await
}

/// What each of many clients asks for.
fn together(name: &str) -> String {
    format!("/proxy/{name}/together")
}

/// Crowd after crowd of them, to make sure that no thread is blocked for moments.
pub(in crate::exercises::ex03) async fn crowds(
    clients: usize,
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
    let (name, _service) = registered(stage, seen).await?;
    // It did answer that a moment ago.
    seen.too_busy |= seen.silence.is_some();
    if seen.too_busy {
        return Ok(());
    }
    let target = together(&name);
    asleep::crowds(stage, seen, clients, async || {
        asleep::in_midst(stage, clients, &target).await
    })
    .await
}
