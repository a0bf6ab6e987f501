//! The bonus: today and tomorrow in callbacks, nested, so one after the other.
//!
//! Tomorrow's call is started within today's callback. Nothing of today's answer
//! is needed to start it. Can you start both at once, and answer when the second
//! of them is there, whichever that is?

use std::{env, error::Error, rc::Rc, time::Duration};

use callback_kit::{Error as CallError, EventLoop, Responder, Response};
use serde::Deserialize;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env_or("PORT", "8080").parse()?;
    let weather = Rc::new(WeatherService {
        url: env_or("WEATHER_URL", "http://127.0.0.1:7001/weather"),
        timeout: Duration::from_millis(env_or("UPSTREAM_TIMEOUT_MS", "2000").parse()?),
    });

    let events = EventLoop::new()?;
    let address = events.listen(
        ([127, 0, 0, 1], port).into(),
        move |events, request, responder| match request.path() {
            "/healthz" => responder.send(200, "ok"),
            "/tomorrow" => tomorrow(events, &weather, responder),
            _ => responder.send(404, "ask for /tomorrow"),
        },
    )?;
    println!("ex02-callbacks listens on http://{address}");
    events.run()?;
    Ok(())
}

fn tomorrow(events: &EventLoop, weather: &Rc<WeatherService>, responder: Responder) {
    let service = weather.clone();
    weather.temperature(events, "today", move |events, today| match today {
        Err(fault) => responder.send(fault.status, fault.reason),
        Ok(today) => service.temperature(
            events,
            "tomorrow",
            move |_events, tomorrow| match tomorrow {
                Err(fault) => responder.send(fault.status, fault.reason),
                Ok(tomorrow) => {
                    let body = json!({ "today": today, "tomorrow": tomorrow });
                    responder.send_json(200, body.to_string());
                }
            },
        ),
    });
}

struct WeatherService {
    url: String,
    timeout: Duration,
}

/// What the client is told where the weather service did not help.
struct Fault {
    status: u16,
    reason: String,
}

impl WeatherService {
    fn temperature(
        &self,
        events: &EventLoop,
        day: &str,
        callback: impl FnOnce(&EventLoop, Result<String, Fault>) + 'static,
    ) {
        let url = format!("{}/{day}", self.url);
        events.get(&url, self.timeout, move |events, result| {
            callback(events, temperature(result));
        });
    }
}

fn temperature(result: Result<Response, CallError>) -> Result<String, Fault> {
    #[derive(Deserialize)]
    struct Weather {
        temperature: String,
    }

    let response = result.map_err(|error| Fault {
        status: if matches!(error, CallError::Timeout) {
            504
        } else {
            502
        },
        reason: error.to_string(),
    })?;
    let fault = |reason| Fault {
        status: 502,
        reason,
    };
    if response.status != 200 {
        return Err(fault(format!("weather said {}", response.status)));
    }
    match serde_json::from_slice(&response.body) {
        Ok(Weather { temperature }) => Ok(temperature),
        Err(error) => Err(fault(error.to_string())),
    }
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
