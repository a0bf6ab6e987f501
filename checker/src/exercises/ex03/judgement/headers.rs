//! What follows from the headers.

use mock_services::upstream::Headers;

use super::{got, shown};
use crate::diagnosis::Diagnosis;
use crate::exercises::ex03::probes;
use crate::judge::Fault;
use crate::observation::{Carried, Observation};

fn values<'a>(headers: &'a Headers, name: &str) -> Vec<&'a str> {
    headers
        .iter()
        .filter(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
        .collect()
}

/// The word that the run's headers are made of, as it stands in those we sent.
fn word(call: &Carried) -> String {
    values(&call.headers, "x-request-id")
        .first()
        .map(|value| (*value).to_owned())
        .unwrap_or_default()
}

/// What a call's headers were, there and back: those to arrive, and those of one
/// connection.
struct Lines {
    there: Headers,
    near: Headers,
    back: Headers,
    near_back: Headers,
}

/// What is wrong with the headers, both ways.
pub(in crate::exercises::ex03) fn headers(seen: &Observation) -> Option<Fault> {
    seen.carried.iter().find_map(|call| {
        let word = word(call);
        let lines = match call.about {
            "headers" => Lines {
                there: probes::end_to_end(&word),
                near: probes::hop_by_hop(&word),
                back: probes::answered_with(&word),
                near_back: probes::hop_by_hop_back(&word),
            },
            "more-headers" => Lines {
                there: probes::more_end_to_end(&word),
                near: probes::more_hop_by_hop(&word),
                back: probes::more_answered_with(&word),
                near_back: probes::more_hop_by_hop_back(&word),
            },
            _ => return None,
        };
        headers_of(call, &lines)
    })
}

fn headers_of(call: &Carried, lines: &Lines) -> Option<Fault> {
    let Ok(whole) = got(call)? else { return None };
    let received = call.received.as_ref()?;
    let evidence = [whole.exchange, received.exchange];
    let leaked = |from: &Headers, to: &Headers| -> Vec<String> {
        from.iter()
            // A proxy may well say these for its own connection.
            .filter(|(name, value)| {
                let values = values(to, name);
                if name == "connection" {
                    let own = |value: &str| {
                        let value = value.to_ascii_lowercase();
                        value.contains("x-hop-") || value.contains("x-back-")
                    };
                    values.iter().any(|value| own(value))
                } else {
                    values.contains(&value.as_str())
                }
            })
            .map(|(name, value)| format!("{name}: {value}"))
            .collect()
    };
    let there = leaked(&lines.near, &received.headers);
    let back = leaked(&lines.near_back, &whole.headers);
    let (leaks, who) = if there.is_empty() {
        (back, "The client")
    } else {
        (there, "The service")
    };
    if !leaks.is_empty() {
        return Some(
            Fault::new(
                Diagnosis::HopByHopForwarded,
                format!("{who} received `{}`.", leaks.join("`, `")),
                "These headers are about one connection, and a proxy has two. Leave out Connection, \
                 every header that it names, Keep-Alive, Proxy-Connection, TE, Trailer, \
                 Transfer-Encoding and Upgrade, both ways (RFC 9110, section 7.6.1).",
            )
            .proved_by(evidence),
        );
    }
    let what = match lost(&lines.there, &received.headers) {
        Some(lost) => lost.told("client", "service"),
        None => lost(&lines.back, &whole.headers)?.told("service", "client"),
    };
    Some(
        Fault::new(
            Diagnosis::HeadersLost,
            what,
            "Carry every end-to-end header, both ways. A name may come twice, and a value may be \
             any bytes or none: use a `HeaderMap` and its `append`, no map of single values, no \
             text.",
        )
        .proved_by(evidence),
    )
}

/// What did not arrive as it was sent.
#[derive(Debug, PartialEq, Eq)]
enum Lost {
    /// These did not arrive.
    Lines(Vec<String>),
    /// This one's values arrived otherwise, joined or in another order.
    Values {
        name: String,
        sent: Vec<String>,
        arrived: Vec<String>,
    },
}

impl Lost {
    fn told(&self, sender: &str, receiver: &str) -> String {
        match self {
            Self::Lines(lines) => {
                let some: Vec<_> = lines.iter().take(5).map(|line| shown(line)).collect();
                let more = match lines.len() - some.len() {
                    0 => String::new(),
                    more => format!(", and {more} more"),
                };
                format!(
                    "The {receiver} did not receive `{}`{more}.",
                    some.join("`, `")
                )
            }
            Self::Values {
                name,
                sent,
                arrived,
            } => format!(
                "The {sender} sent `{name}` in {} lines, `{}`; the {receiver} received `{}`.",
                sent.len(),
                sent.join("` and `"),
                arrived.join("` and `")
            ),
        }
    }
}

fn lost(from: &Headers, to: &Headers) -> Option<Lost> {
    let otherwise = from.iter().find_map(|(name, _)| {
        let (sent, arrived) = (values(from, name), values(to, name));
        let joined = |value: &&str| {
            let parts = |line: &&str| line.split(',').any(|part| part.trim() == *value);
            arrived.contains(value) || arrived.iter().any(parts)
        };
        // Nobody minds what is added.
        let mut rest = arrived.iter();
        let is_there = sent.iter().all(|value| rest.any(|other| other == value));
        (!is_there && sent.len() > 1 && sent.iter().all(joined)).then(|| Lost::Values {
            name: name.clone(),
            sent: sent.iter().copied().map(str::to_owned).collect(),
            arrived: arrived.iter().copied().map(str::to_owned).collect(),
        })
    });
    let lines: Vec<_> = from
        .iter()
        .filter(|(name, value)| !values(to, name).contains(&value.as_str()))
        .filter(|(name, _)| !matches!(&otherwise, Some(Lost::Values { name: other, .. }) if name == other))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    if lines.is_empty() {
        otherwise
    } else {
        Some(Lost::Lines(lines))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers_of_text(lines: &[(&str, &str)]) -> Headers {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        lines.iter().map(owned).collect()
    }

    #[test]
    fn a_header_that_came_twice_has_to_arrive_twice_and_in_order() {
        let sent = headers_of_text(&[("link", "1"), ("link", "2"), ("etag", "x")]);
        let lost_of = |arrived: &[(&str, &str)]| lost(&sent, &headers_of_text(arrived));
        assert_eq!(
            lost_of(&[("link", "1"), ("etag", "x"), ("link", "2")]),
            None
        );
        // What is added is nobody's business here.
        let more = [("link", "0"), ("link", "1"), ("link", "2"), ("etag", "x")];
        assert_eq!(lost_of(&more), None);
        let joined = lost_of(&[("link", "1, 2"), ("etag", "x")]);
        let told = joined.map(|lost| lost.told("client", "service"));
        assert_eq!(
            told.as_deref(),
            Some("The client sent `link` in 2 lines, `1` and `2`; the service received `1, 2`.")
        );
        assert!(matches!(
            lost_of(&[("link", "2"), ("link", "1"), ("etag", "x")]),
            Some(Lost::Values { .. })
        ));
        assert_eq!(
            lost_of(&[("link", "2"), ("etag", "x")]),
            Some(Lost::Lines(vec!["link: 1".to_owned()]))
        );
    }
}
