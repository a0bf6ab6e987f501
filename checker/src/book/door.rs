//! Who may come in, and who may have code run.
//!
//! Any page that is open in the reader's browser can send requests to this
//! server. So reading needs the Host that we serve under (a name that an
//! attacker points at 127.0.0.1 is another Host), and whatever runs code needs
//! a POST, the Origin of our own pages, and the token of this launch.

use std::fmt::{self, Write as _};

use anyhow::Context as _;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};

/// The header that carries the token.
pub const TOKEN: HeaderName = HeaderName::from_static("x-workshop-token");

/// What only the pages of this launch know: 128 random bits.
#[derive(Clone)]
pub struct Token([u8; 16]);

impl Token {
    /// Draws one.
    ///
    /// # Errors
    /// Where the system has no randomness to give.
    pub fn draw() -> anyhow::Result<Self> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)
            .context("the system gave no random numbers, so no launch would be safe")?;
        Ok(Self(bits))
    }

    /// As it stands in the address: 32 digits.
    pub fn as_hex(&self) -> String {
        self.0.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// Whether somebody knows it. It takes the same time however much is right.
    fn is(&self, said: &[u8]) -> bool {
        let own = self.as_hex();
        let differ = own
            .bytes()
            .zip(said)
            .fold(0, |differ, (a, b)| std::hint::black_box(differ | (a ^ b)));
        own.len() == said.len() && differ == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Decides by a request's head alone.
#[derive(Clone, Debug)]
pub struct Door {
    hosts: [String; 2],
    token: Token,
}

/// Why somebody was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A Host that is not ours.
    Host,
    /// Running something is a POST.
    Method,
    /// A page that is not ours.
    Origin,
    /// Not of this launch.
    Token,
}

impl Door {
    /// The door of a server on that port.
    pub fn new(port: u16, token: Token) -> Self {
        Self {
            hosts: [format!("127.0.0.1:{port}"), format!("localhost:{port}")],
            token,
        }
    }

    /// Whether this request may read.
    ///
    /// # Errors
    /// Why it may not.
    pub fn may_read(&self, headers: &HeaderMap) -> Result<(), Refused> {
        self.host(headers).map(drop)
    }

    /// Whether this request may have something run.
    ///
    /// # Errors
    /// Why it may not.
    pub fn may_run(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refused> {
        let host = self.host(headers)?;
        if method != Method::POST {
            return Err(Refused::Method);
        }
        let origin = only(headers, &header::ORIGIN).ok_or(Refused::Origin)?;
        if origin.strip_prefix(b"http://") != Some(host.as_bytes()) {
            return Err(Refused::Origin);
        }
        let token = only(headers, &TOKEN).ok_or(Refused::Token)?;
        if !self.token.is(token) {
            return Err(Refused::Token);
        }
        Ok(())
    }

    fn host(&self, headers: &HeaderMap) -> Result<&str, Refused> {
        let said = only(headers, &header::HOST).ok_or(Refused::Host)?;
        let host = self.hosts.iter().find(|host| host.as_bytes() == said);
        host.map(String::as_str).ok_or(Refused::Host)
    }
}

/// A header that is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut all = headers.get_all(name).iter();
    let one = all.next()?;
    all.next().is_none().then(|| one.as_bytes())
}

impl Refused {
    /// What the answer's status is.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Host | Self::Origin | Self::Token => StatusCode::FORBIDDEN,
        }
    }

    /// What to do about it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Host => {
                "This is the book of a workshop; open it by the address that `checker book` printed."
            }
            Self::Method => "Only a POST runs an exercise.",
            Self::Origin => "Only the book's own pages may run an exercise.",
            Self::Token => {
                "This page is of an earlier launch; open the address that `checker book` printed last."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_whole_or_not_at_all() {
        let token = Token([0xa5; 16]);
        let whole = "a5".repeat(16);
        assert!(token.is(whole.as_bytes()));
        for wrong in [
            "",
            "a5",
            &whole[1..],
            &"a4".repeat(16),
            &format!("{whole}0"),
        ] {
            assert!(!token.is(wrong.as_bytes()), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_not_shown_where_things_are_logged() {
        let token = Token([0xa5; 16]);
        let shown = format!("{:?}", Door::new(1, token));
        assert!(!shown.contains("a5a5") && !shown.contains("165"), "{shown}");
    }

    #[test]
    fn two_launches_have_two_tokens() {
        let [one, other] = [Token::draw(), Token::draw()].map(|token| token.expect("randomness"));
        assert_ne!(one.as_hex(), other.as_hex());
    }

    #[test]
    fn a_header_said_twice_is_none() {
        let door = Door::new(8, Token([1; 16]));
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, "localhost:8".parse().expect("a value"));
        assert_eq!(door.may_read(&headers), Ok(()));
        headers.append(header::HOST, "localhost:8".parse().expect("a value"));
        assert_eq!(door.may_read(&headers), Err(Refused::Host));
    }
}
