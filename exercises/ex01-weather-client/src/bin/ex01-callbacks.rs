//! The weather client in callbacks: one thread, and nobody waits for anybody else.
//!
//! Read it from `main`, and follow one request through it. Where does each line
//! run, and when?

use std::{env, error::Error, time::Duration};

use callback_kit::{Error as CallError, EventLoop, Request, Responder, Response};
use serde::Deserialize;

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env_or("PORT", "8080").parse()?;
    let timeout = Duration::from_millis(env_or("UPSTREAM_TIMEOUT_MS", "2000").parse()?);
    let url = env_or("WEATHER_URL", "http://127.0.0.1:7001/weather");

    let events = EventLoop::new()?;
    // ANCHOR: handler
    let address = events.listen(
        ([127, 0, 0, 1], port).into(),
        move |events: &EventLoop, request: Request, responder: Responder| match request.path() {
            "/healthz" => responder.send(200, "ok"),
            "/today" => {
                events.get(&format!("{url}/today"), timeout, move |_events, result| {
                    // Runs later, when the answer is there. Whoever asked is known
                    // only because the responder moved in here.
                    answer(responder, result);
                });
                // Runs at once, before the answer is there.
            }
            _ => responder.send(404, "ask for /today"),
        },
    )?;
    // ANCHOR_END: handler
    println!("ex01-callbacks listens on http://{address}");
    events.run()?;
    Ok(())
}

#[derive(Deserialize)]
struct Weather {
    city: String,
    temperature: String,
}

// ANCHOR: call
/// There is no `?` here: nobody up the stack waits for a result.
fn answer(responder: Responder, result: Result<Response, CallError>) {
    let response = match result {
        Ok(response) if response.status == 200 => response,
        Ok(response) => return responder.send(502, format!("weather said {}", response.status)),
        Err(CallError::Timeout) => return responder.send(504, "weather took too long"),
        Err(fault) => return responder.send(502, format!("weather: {fault}")),
    };
    match serde_json::from_slice(&response.body) {
        Ok(Weather { city, temperature }) => {
            responder.send(200, format!("Today it's {temperature} in {city}"));
        }
        Err(fault) => responder.send(502, format!("weather: {fault}")),
    }
}
// ANCHOR_END: call

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
