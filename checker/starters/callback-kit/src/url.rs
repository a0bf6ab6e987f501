//! The few URLs that need no waiting to be understood.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// `http://127.0.0.1:7001/weather/today`, in parts.
#[derive(Debug, PartialEq)]
pub(crate) struct Url {
    pub(crate) address: SocketAddr,
    /// As the `Host` header wants it.
    pub(crate) host: String,
    /// Path and query.
    pub(crate) target: String,
}

impl Url {
    /// Takes IP addresses and `localhost` only: to ask a name server takes time,
    /// and the standard library's way to ask blocks the loop.
    pub(crate) fn parse(text: &str) -> Option<Url> {
        let rest = text.strip_prefix("http://")?;
        let rest = rest.split('#').next()?;
        let (host, target) = match rest.find(['/', '?']) {
            Some(at) if rest[at..].starts_with('/') => (&rest[..at], rest[at..].to_owned()),
            Some(at) => (&rest[..at], format!("/{}", &rest[at..])),
            None => (rest, "/".to_owned()),
        };
        // Anything else could smuggle a second request into the head.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        Some(Url {
            address: address(host)?,
            host: host.to_owned(),
            target,
        })
    }
}

fn address(host: &str) -> Option<SocketAddr> {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return Some(address);
    }
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()?),
        _ => (host, 80),
    };
    let ip: IpAddr = match name {
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        name => name.trim_matches(['[', ']']).parse().ok()?,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_url_apart() {
        let url = Url::parse("http://127.0.0.1:7001/weather/today?unit=C#top").unwrap();
        assert_eq!(url.address, "127.0.0.1:7001".parse().unwrap());
        assert_eq!(url.host, "127.0.0.1:7001");
        assert_eq!(url.target, "/weather/today?unit=C");
    }

    #[test]
    fn fills_in_what_is_left_out() {
        let url = Url::parse("http://localhost?q").unwrap();
        assert_eq!(url.address, "127.0.0.1:80".parse().unwrap());
        assert_eq!(url.target, "/?q");
        let url = Url::parse("http://[::1]").unwrap();
        assert_eq!(url.address, "[::1]:80".parse().unwrap());
    }

    #[test]
    fn refuses_what_it_cannot_call() {
        for text in [
            "",
            "https://127.0.0.1/",
            "http://",
            "http://example.org/",
            "http://127.0.0.1:seven/",
            "http://127.0.0.1/two words",
            "http://127.0.0.1/\r\nX: y",
        ] {
            assert_eq!(Url::parse(text), None, "{text:?}");
        }
    }
}
