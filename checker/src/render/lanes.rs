//! WebSockets in a timeline: each is a lane from the moment it opened to its
//! end, with marks for what went over it.

use std::collections::HashMap;

use mock_services::exchange::{Exchange, Way};
use mock_services::moment::Moment;

/// Whether an exchange is a WebSocket that has been opened.
pub(super) fn is_lane(exchange: &Exchange) -> bool {
    exchange.request.starts_with("WS ") && exchange.status == Some(101)
}

/// How many frames went that way.
pub(super) fn count(exchange: &Exchange, way: Way) -> u64 {
    exchange
        .frames
        .iter()
        .filter(|frames| frames.way == way)
        .map(|frames| u64::from(frames.count))
        .sum()
}

/// When the first and the last frames of all went over it.
pub(super) fn talk(exchange: &Exchange) -> Option<(Moment, Moment)> {
    let moments = || exchange.frames.iter().map(|frames| frames.at);
    Some((moments().min()?, moments().max()?))
}

/// When it was opened.
pub(super) fn opened(exchange: &Exchange) -> Moment {
    exchange.answered.unwrap_or(exchange.arrived)
}

/// Whether a lane received nothing while another one to the same place did.
pub(super) fn is_stalled(exchange: &Exchange, all: &[Exchange]) -> bool {
    let until = exchange
        .ended
        .unwrap_or_else(|| Moment::from_micros(u64::MAX));
    is_lane(exchange)
        && count(exchange, Way::Received) == 0
        && all
            .iter()
            .filter(|other| is_lane(other) && other.service == exchange.service)
            .flat_map(|other| &other.frames)
            .any(|frames| {
                frames.way == Way::Received && (opened(exchange)..until).contains(&frames.at)
            })
}

/// What sets lanes apart from each other, by their ids.
pub(super) type Classes = HashMap<u32, (bool, usize)>;

/// Whether something was sent over each lane, and into which group it falls by
/// how much it received. Nothing is a group of its own; apart from that, groups
/// lie far apart, wherever that may be: 440 among readers of 8,000 stand out,
/// 118 among readers of 166 do not.
pub(super) fn classes(all: &[&Exchange]) -> Classes {
    const FAR: u64 = 4;
    let mut by_count: Vec<_> = all
        .iter()
        .filter(|x| is_lane(x))
        .map(|x| (x.service.as_str(), count(x, Way::Received), *x))
        .collect();
    by_count.sort_by_key(|(service, received, _)| (*service, *received));
    let mut classes = Classes::new();
    let mut class = 0;
    let mut before = None;
    for (service, received, x) in by_count {
        let is_far = before.is_none_or(|(other, fewer)| {
            other != service || fewer == 0 && received > 0 || fewer * FAR < received
        });
        if is_far {
            class += 1;
        }
        before = Some((service, received));
        classes.insert(x.id, (count(x, Way::Sent) > 0, class));
    }
    classes
}

/// What went over each of them: `1`, or `26–30`.
pub(super) fn range(alike: &[&Exchange], way: Way) -> String {
    let counts = || alike.iter().map(|x| count(x, way));
    let (least, most) = (counts().min(), counts().max());
    match (least, most) {
        (Some(least), Some(most)) if least < most => format!("{least}–{most}"),
        _ => most.unwrap_or(0).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn a_lane_that_receives_nothing_while_others_do_is_stalled() {
        let all = samples::stalled_timeline().exchanges;
        let stalled: Vec<_> = all
            .iter()
            .filter(|x| is_stalled(x, &all))
            .map(|x| x.id)
            .collect();
        assert_eq!(stalled, [1]);
    }

    #[test]
    fn a_lane_that_had_gone_before_is_not_stalled() {
        let mut all = samples::stalled_timeline().exchanges;
        all[0].ended = Some(opened(&all[0]));
        assert!(!is_stalled(&all[0], &all));
    }

    #[test]
    fn groups_lie_far_apart() {
        let class_of = |received: &[u32]| {
            let lanes: Vec<_> = received
                .iter()
                .zip(1..)
                .map(|(count, id)| samples::lane(id, "you", "/ws", &[(2.0, Way::Received, *count)]))
                .collect();
            let classes = classes(&lanes.iter().collect::<Vec<_>>());
            (1..=received.len())
                .map(|id| classes[&u32::try_from(id).expect("few")].1)
                .collect::<Vec<_>>()
        };
        assert_eq!(class_of(&[166, 118, 100]), [1, 1, 1]);
        assert_eq!(class_of(&[8193, 443, 8, 8]), [3, 2, 1, 1]);
        assert_eq!(class_of(&[0, 1]), [1, 2]);
    }
}
