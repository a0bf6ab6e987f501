//! The bonus, solved: both calls at once in callbacks, joined by what they share.
//!
//! Compare it with `main.rs`: all of this is one line there, `try_join!`.

use std::{cell::RefCell, env, error::Error, rc::Rc, time::Duration};

use callback_kit::{Call, Error as CallError, EventLoop, Responder, Response};
use serde::Deserialize;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env_or("PORT", "8080").parse()?;
    let weather = WeatherService {
        url: env_or("WEATHER_URL", "http://127.0.0.1:7001/weather"),
        timeout: Duration::from_millis(env_or("UPSTREAM_TIMEOUT_MS", "2000").parse()?),
    };

    let events = EventLoop::new()?;
    let address = events.listen(
        ([127, 0, 0, 1], port).into(),
        move |events, request, responder| match request.path() {
            "/healthz" => responder.send(200, "ok"),
            "/tomorrow" => Join::start(events, &weather, responder),
            _ => responder.send(404, "ask for /tomorrow"),
        },
    )?;
    println!("ex02-callbacks-solution listens on http://{address}");
    events.run()?;
    Ok(())
}

const TODAY: usize = 0;
const TOMORROW: usize = 1;
const DAYS: [&str; 2] = ["today", "tomorrow"];

/// What the two callbacks share: each puts its own answer into its own place.
struct Join {
    /// Taken by whoever answers: the first fault, or the second answer.
    responder: Option<Responder>,
    temperatures: [Option<String>; 2],
    calls: Vec<Call>,
}

impl Join {
    fn start(events: &EventLoop, weather: &WeatherService, responder: Responder) {
        let join = Rc::new(RefCell::new(Join {
            responder: Some(responder),
            temperatures: [None, None],
            calls: Vec::new(),
        }));
        for day in [TODAY, TOMORROW] {
            let shared = join.clone();
            let call = weather.temperature(events, DAYS[day], move |result| {
                shared.borrow_mut().arrived(day, result);
            });
            join.borrow_mut().calls.push(call);
        }
    }

    fn arrived(&mut self, day: usize, result: Result<String, Fault>) {
        match result {
            Ok(temperature) => self.temperatures[day] = Some(temperature),
            Err(fault) => return self.fail(fault),
        }
        if let [Some(today), Some(tomorrow)] = &self.temperatures {
            let body = json!({ "today": today, "tomorrow": tomorrow });
            if let Some(responder) = self.responder.take() {
                responder.send_json(200, body.to_string());
            }
        }
    }

    fn fail(&mut self, fault: Fault) {
        for call in &self.calls {
            call.cancel();
        }
        if let Some(responder) = self.responder.take() {
            responder.send(fault.status, fault.reason);
        }
    }
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
        callback: impl FnOnce(Result<String, Fault>) + 'static,
    ) -> Call {
        let url = format!("{}/{day}", self.url);
        events.get(&url, self.timeout, move |_events, result| {
            callback(temperature(result));
        })
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
