//! Services that are out of order.

use bytes::Bytes;
use mock_services::tap::Refusal;
use mock_services::upstream::{Fault, Part, Reply};

use super::{Names, names, open, register, step};
use crate::client::Sent;
use crate::observation::Observation;
use crate::stage::{ANSWER_QUIET, Stage, Trouble};

/// Services that refuse, reset, and break off in mid-body.
pub(in crate::exercises::ex03) async fn faults(
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
    seen.title = "services that refuse, reset, and break off; then one that is well".to_owned();
    let Names { one, other } = names(stage.run.seed);
    let service = open(stage, &one).await?;
    let quiet = ANSWER_QUIET;
    let refusal = Refusal::reserve().map_err(|_| Trouble::TooBusy)?;
    let url = refusal.url("").map_err(|_| Trouble::TooBusy)?;
    register(stage, seen, &one, &service.url()).await?;
    register(stage, seen, &other, &url).await?;
    let call = |name: &str| Sent::new("GET", format!("/proxy/{name}/today"));
    step(stage, seen, "refused", call(&other), None, quiet).await?;
    service.play(|_| Reply::fault(Fault::Reset));
    step(stage, seen, "reset", call(&one), Some(&service), quiet).await?;
    let half = Bytes::from_static(b"half of it");
    for (about, length) in [("cut", None), ("cut-of-length", Some(20))] {
        let half = half.clone();
        service.play(move |_| Reply {
            parts: vec![Part::Data(half.clone()), Part::Break],
            length,
            ..Reply::default()
        });
        step(stage, seen, about, call(&one), Some(&service), quiet).await?;
    }
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\nhalf of it\r\n";
    for (about, said, end) in [
        ("cut-by-reset", head, Some(Part::Break)),
        ("half-head", &head[..30], None),
    ] {
        let said = Part::Data(Bytes::from_static(said.as_bytes()));
        service.play(move |_| Reply {
            raw: true,
            parts: [said.clone()].into_iter().chain(end.clone()).collect(),
            ..Reply::default()
        });
        step(stage, seen, about, call(&one), Some(&service), quiet).await?;
    }
    service.play(|_| Reply::whole("well again"));
    step(stage, seen, "afterwards", call(&one), Some(&service), quiet).await
}
