//! The weather service: `GET /weather/today` and `/weather/tomorrow`.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use wiremock::{MockServer, Request, ResponseTemplate};

use crate::scene::{self, Scene};

/// The path that its routes begin with.
pub const MOUNT: &str = "/weather";

/// Where it is, unless someone says otherwise.
pub const PORT: u16 = 7001;

const CITIES: [(&str, &str); 16] = [
    ("Munich", "Germany"),
    ("Porto", "Portugal"),
    ("Krasnoyarsk", "Russia"),
    ("Bandung", "Indonesia"),
    ("Utrecht", "Netherlands"),
    ("Sapporo", "Japan"),
    ("Ljubljana", "Slovenia"),
    ("Cork", "Ireland"),
    ("Medellín", "Colombia"),
    ("Tromsø", "Norway"),
    ("Leipzig", "Germany"),
    ("Hobart", "Australia"),
    ("Kigali", "Rwanda"),
    ("Valparaíso", "Chile"),
    ("Tartu", "Estonia"),
    ("Halifax", "Canada"),
];

/// Tenths of a degree from the coldest to the warmest reading.
const RANGE: u64 = 701;
const COLDEST: i64 = -250;

/// What the weather service answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Where.
    pub city: String,
    /// In which country.
    pub country: String,
    /// `10.1 C`
    pub temperature: String,
    /// From 0 to 1: `0.3`
    pub rain_probability: String,
}

/// The weather of one run, drawn from its seed. Every exchange is answered with
/// a temperature of its own, so an answer tells which exchange it came from. The
/// city changes from exchange to exchange too: a run that had one city would let a
/// program pass that always says that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    seed: u64,
}

impl Weather {
    /// The weather that belongs to a seed.
    pub fn from_seed(seed: u64) -> Self {
        Self { seed }
    }

    /// What is answered to an exchange. Temperatures repeat after 701 exchanges.
    pub fn reading(&self, exchange: u32) -> Reading {
        let mut drawn = fastrand::Rng::with_seed(self.seed);
        let first = drawn.usize(..CITIES.len());
        let (city, country) = CITIES[(first + exchange as usize) % CITIES.len()];
        let offset = drawn.u64(..RANGE);
        // 701 is a prime: every step visits every temperature before one repeats.
        let step = drawn.u64(100..600);
        let tenths = (offset + u64::from(exchange) * step) % RANGE;
        let tenths = COLDEST + i64::try_from(tenths).unwrap_or_default();
        let sign = if tenths < 0 { "-" } else { "" };
        Reading {
            city: city.to_owned(),
            country: country.to_owned(),
            temperature: format!("{sign}{}.{} C", tenths.abs() / 10, tenths.abs() % 10),
            rain_probability: format!("0.{}", exchange % 10),
        }
    }

    /// Starts the wiremock server that answers for it (through taps only).
    pub async fn serve(self) -> WeatherService {
        let server = scene::server().await;
        for day in ["today", "tomorrow"] {
            let at = format!("{MOUNT}/{day}");
            for (scene, status) in [(Scene::Well, 200), (Scene::Sick, 500)] {
                scene::mock(&at, scene)
                    .respond_with(move |request: &Request| {
                        ResponseTemplate::new(status)
                            .set_body_json(self.reading(scene::exchange_of(request)))
                    })
                    .mount(&server)
                    .await;
            }
            scene::mount_faults(&server, &at).await;
        }
        WeatherService { server }
    }
}

/// A running weather service. It ends when it is dropped.
#[derive(Debug)]
pub struct WeatherService {
    server: MockServer,
}

impl WeatherService {
    /// Where its wiremock server listens.
    pub fn address(&self) -> SocketAddr {
        *self.server.address()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_exchange_of_a_run_has_its_own_temperature() {
        for seed in 0..200 {
            let weather = Weather::from_seed(seed);
            let seen: HashSet<_> = (0..701).map(|id| weather.reading(id).temperature).collect();
            assert_eq!(seen.len(), 701, "seed {seed}");
        }
    }

    #[test]
    fn no_city_is_right_for_a_whole_run() {
        for seed in 0..200 {
            let weather = Weather::from_seed(seed);
            let seen: HashSet<_> = (0..16).map(|id| weather.reading(id).city).collect();
            assert_eq!(seen.len(), CITIES.len(), "seed {seed}");
        }
    }

    #[test]
    fn readings_look_like_the_contract_says() {
        let weather = Weather::from_seed(7);
        for id in 0..701 {
            let text = weather.reading(id).temperature;
            let number = text.strip_suffix(" C").expect("ends with the unit");
            let degrees: f64 = number.parse().expect("is a number");
            assert!((-25.0..=45.0).contains(&degrees), "{text}");
        }
    }
}
