//! `mock-services`: weather, auth and the noise parent on the ports of the
//! contract, to try an exercise by hand.

mod hub;

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use clap::{Parser, ValueEnum};
use mock_services::auth::{self, AuthService};
use mock_services::exchange::{Ending, Exchange};
use mock_services::journal::{Ids, Journal};
use mock_services::moment::Clock;
use mock_services::parent;
use mock_services::scene::Scene;
use mock_services::script::{Delivery, Treatment, Trickle};
use mock_services::tap::{Behind, Tap};
use mock_services::weather::{self, Weather};

use crate::hub::{BadDay, Hub};

#[derive(Debug, Parser)]
#[command(
    name = "mock-services",
    version,
    about = "Serves what the exercises talk to: weather, auth and the noise parent, as slowly or as badly as you like",
    after_help = "Example:\n  cargo run -p mock-services -- --latency 1s"
)]
struct Options {
    /// How long every answer of weather and auth takes
    #[arg(long, default_value = "0ms", value_parser = duration)]
    latency: Duration,
    /// What a round trip costs: once per request, once more per new connection
    #[arg(long, default_value = "0ms", value_parser = duration)]
    round_trip: Duration,
    /// What goes wrong at weather and auth
    #[arg(long, value_enum)]
    fault: Option<Fault>,
    /// What goes wrong at the noise parent
    #[arg(long, value_enum)]
    parent: Option<BadDay>,
    /// The key that auth says yes to
    #[arg(long, default_value = "supersecret")]
    key: String,
    /// What the weather is drawn from
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// The weather's port
    #[arg(long, default_value_t = weather::PORT)]
    weather_port: u16,
    /// Auth's port
    #[arg(long, default_value_t = auth::PORT)]
    auth_port: u16,
    /// The parent's port
    #[arg(long, default_value_t = parent::PORT)]
    parent_port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Fault {
    /// Status 500
    Sick,
    /// A body that is not what it says it is
    Garbage,
    /// The body breaks off half-way
    Cut,
    /// The connection is reset
    Reset,
    /// The request is taken and never answered
    Hang,
    /// Half of the body, then nothing more
    HangInBody,
    /// A byte every 50 ms
    Dribble,
    /// A byte every 50 ms, without end
    Trickle,
}

impl Fault {
    /// As one types it, with what it does: `hang (the request is taken and never answered)`.
    fn name(self) -> String {
        let value = self.to_possible_value().unwrap_or_default();
        let help = value
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        format!("{} ({})", value.get_name(), help.to_lowercase())
    }
}

impl Options {
    fn treatment(&self) -> Treatment {
        let latency = self.latency;
        let treatment = match self.fault {
            None => Treatment::default(),
            Some(Fault::Sick) => Treatment::scene(Scene::Sick),
            Some(Fault::Garbage) => Treatment::scene(Scene::Garbage),
            Some(Fault::Cut) => Treatment::delivery(Delivery::Cut),
            Some(Fault::Reset) => Treatment::delivery(Delivery::Reset),
            Some(Fault::Hang) => Treatment::delivery(Delivery::Hang),
            Some(Fault::HangInBody) => Treatment::delivery(Delivery::HangInBody),
            Some(Fault::Dribble) => {
                Treatment::delivery(Delivery::Dribble(Duration::from_millis(50)))
            }
            Some(Fault::Trickle) => Treatment::trickled(&Trickle::every(Duration::from_millis(50))),
        };
        Treatment {
            latency,
            ..treatment
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let longest = Duration::from_secs(3600);
    match humantime::parse_duration(text) {
        Ok(long) if long <= longest => Ok(long),
        Ok(_) => Err("an hour is the longest".to_owned()),
        Err(_) => Err("write it with its unit, as 200ms or 1s".to_owned()),
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(run(&options));
            runtime.shutdown_timeout(Duration::from_millis(200));
            outcome
        }
        Err(error) => Err(anyhow::Error::new(error).context("no thread to work in")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is gone, nobody is there to read it.
            let _ = writeln!(anstream::stderr(), "error: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(options: &Options) -> anyhow::Result<()> {
    let journal = Journal::new(Clock::start(), Ids::default());
    let weather_service = Weather::from_seed(u64::from(options.seed)).serve().await;
    let auth_service = AuthService::serve([options.key.clone()]).await;
    let open = async |service: &str, mount: &str, address, port: u16| {
        let behind = Behind {
            service: service.to_owned(),
            mount: mount.to_owned(),
            address,
            round_trip: options.round_trip,
        };
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let tap = Tap::open_at(at, behind, journal.clone())
            .await
            .map_err(|error| no_port(service, port, &error))?;
        let treatment = options.treatment();
        tap.play(move |_| treatment.clone());
        anyhow::Ok(tap)
    };
    let weather_tap = open(
        "weather",
        weather::MOUNT,
        weather_service.address(),
        options.weather_port,
    )
    .await?;
    let auth_tap = open(
        "auth",
        auth::MOUNT,
        auth_service.address(),
        options.auth_port,
    )
    .await?;
    let hub = Hub::open(options.parent_port, options.parent, journal.clock())
        .map_err(|error| no_port("parent", options.parent_port, &error))?;
    say(&table(options, &weather_tap.url(), &auth_tap.url(), &hub));
    tokio::select! {
        () = log(&journal) => {}
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            say("stopped\n");
        }
    }
    Ok(())
}

fn no_port(service: &str, port: u16, error: &std::io::Error) -> anyhow::Error {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "port {port} is taken, so {service} cannot listen there; end what holds it, \
             or choose another with --{service}-port"
        ),
        _ => anyhow::anyhow!("{service} cannot listen on 127.0.0.1:{port}: {error}"),
    }
}

/// What is served, and a line to try each: no line is wider than 80 columns where
/// the ports and the key are the usual ones, and each can be copied whole.
fn table(options: &Options, weather_url: &str, auth_url: &str, hub: &Hub) -> String {
    let quiet = Style::new().dimmed();
    let curl = |target: &str| format!("curl '{target}' -w '\\n%{{time_total}}\\n'");
    let key = &options.key;
    let rows = [
        (
            "WEATHER_URL",
            weather_url.to_owned(),
            vec![
                ("today's weather", curl(&format!("{weather_url}/today"))),
                ("tomorrow's", curl(&format!("{weather_url}/tomorrow"))),
            ],
        ),
        (
            "AUTH_URL",
            auth_url.to_owned(),
            vec![(
                "1 for this key, 0 for any other",
                curl(&format!("{auth_url}?key={key}")),
            )],
        ),
        (
            "PARENT_WS",
            hub.url(),
            vec![(
                match options.parent {
                    None => "what arrives, live",
                    Some(BadDay::Deaf) => "the parent takes connections and reads nothing",
                    Some(BadDay::Hang) => "the parent never answers a handshake",
                    Some(BadDay::Drop) => "the parent ends every connection",
                    Some(BadDay::Refuse) => "nobody listens, so this page is away, too",
                },
                format!("in a browser: {}", hub.page()),
            )],
        ),
    ];
    let ports = [options.weather_port, options.auth_port, options.parent_port];
    let mut text = if ports == [weather::PORT, auth::PORT, parent::PORT] {
        "Served where the exercises look for it:\n\n".to_owned()
    } else {
        "Served here; start your program with these variables:\n\n".to_owned()
    };
    for (variable, url, attempts) in rows {
        text += &format!("{variable}={url}\n");
        for (note, attempt) in attempts {
            text += &format!("  {quiet}# {note}{quiet:#}\n  {attempt}\n");
        }
    }
    text += &format!(
        "\nweather and auth take {} to answer{}.\nRequests are logged as they pass; Ctrl-C ends this.\n\n",
        humantime::format_duration(options.latency),
        match options.fault {
            Some(fault) => format!(", and this goes wrong: {}", fault.name()),
            None => String::new(),
        }
    );
    text
}

/// Prints every exchange when it begins and when it is over.
async fn log(journal: &Journal) {
    let mut changes = journal.changes();
    let mut known: Vec<(u32, bool)> = Vec::new();
    loop {
        for exchange in journal.exchanges().into_iter().skip(first_open(&known)) {
            match known.iter_mut().rev().find(|(id, _)| *id == exchange.id) {
                None => {
                    say(&begun(&exchange));
                    known.push((exchange.id, false));
                    if exchange.ended.is_some() {
                        say(&over(&exchange));
                        known.last_mut().into_iter().for_each(|k| k.1 = true);
                    }
                }
                Some((_, told)) if !*told && exchange.ended.is_some() => {
                    *told = true;
                    say(&over(&exchange));
                }
                Some(_) => {}
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Everything before it has been told whole.
fn first_open(known: &[(u32, bool)]) -> usize {
    known
        .iter()
        .position(|(_, told)| !told)
        .unwrap_or(known.len())
}

fn begun(x: &Exchange) -> String {
    format!(
        "{:>9.3} s  {:8} <- {} (connection {})\n",
        seconds(x.arrived.as_micros()),
        x.service,
        x.request.escape_debug(),
        x.connection
    )
}

fn over(x: &Exchange) -> String {
    let end = x.ended.unwrap_or(x.arrived);
    let good = AnsiColor::Green.on_default();
    let bad = AnsiColor::Red.on_default();
    let (style, how) = match (x.ending, x.status) {
        (Ending::Answered, Some(status)) => (good, status.to_string()),
        (Ending::Left, _) => (bad, "the asker left".to_owned()),
        _ => (bad, "broken off".to_owned()),
    };
    format!(
        "{:>9.3} s  {:8} -> {} {style}{how}{style:#} after {:.3} s\n",
        seconds(end.as_micros()),
        x.service,
        x.request.escape_debug(),
        end.since(x.arrived).as_secs_f64()
    )
}

fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}

/// Prints to standard output; where that is gone (`| head`), silently nothing.
fn say(text: &str) {
    let mut out = anstream::stdout();
    let _ = out.write_all(text.as_bytes());
    if out.is_terminal() {
        let _ = out.flush();
    }
}
