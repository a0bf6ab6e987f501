//! `checker book` from outside: who may read, who may have code run, and that a
//! run ends with whoever wanted it.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use checker::book::door::{Door, Token};
use checker::book::pages::Pages;
use checker::book::runs::{Grade, Grading, Runs};
use checker::book::server::Server;
use checker::progress::Progress;
use checker::workshop::Workshop;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Anything takes less than this, or has failed.
const LIMIT: Duration = Duration::from_secs(30);

/// Grades nothing, and counts how often it was asked to.
#[derive(Default)]
struct Counter {
    begun: AtomicUsize,
    ended: AtomicUsize,
    /// The most that were under way at one moment.
    most: Mutex<usize>,
    /// Whether a run goes on until it is ended.
    endless: bool,
}

/// Counts that a run is over, however that came.
struct Ends(Arc<Counter>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

struct Grader(Arc<Counter>);

impl Grade for Grader {
    fn grade(&self, _: &str, _: Progress) -> Grading {
        let counter = Arc::clone(&self.0);
        Box::pin(async move {
            let begun = counter.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let under_way = begun - counter.ended.load(Ordering::SeqCst);
            {
                let mut most = counter.most.lock().expect("nobody panicked");
                *most = (*most).max(under_way);
            }
            let endless = counter.endless;
            let _ends = Ends(counter);
            if endless {
                std::future::pending::<()>().await;
            }
            anyhow::bail!("nothing is graded here")
        })
    }
}

struct Served {
    port: u16,
    token: String,
    counter: Arc<Counter>,
    server: Server,
    _task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

async fn serve(endless: bool) -> Served {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workshop = Workshop::find(root).expect("the workshop");
    let counter = Arc::new(Counter {
        endless,
        ..Counter::default()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let token = Token::draw().expect("randomness");
    let hex = token.as_hex();
    let runs = Runs::new(&workshop, Arc::new(Grader(Arc::clone(&counter))));
    let server = Server::new(&workshop, pages("one"), Door::new(port, token), runs);
    Served {
        port,
        token: hex,
        counter,
        server: server.clone(),
        _task: tokio::spawn(server.serve(listener)),
    }
}

fn pages(text: &str) -> Pages {
    let folder = tempfile::tempdir().expect("a folder");
    let page = format!("<html><body><script>1</script>{text}</body></html>");
    std::fs::write(folder.path().join("index.html"), page).expect("a page");
    Pages::read(folder.path()).expect("readable")
}

impl Served {
    async fn connect(&self, head: &str) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))
            .await
            .expect("it listens");
        stream.write_all(head.as_bytes()).await.expect("it reads");
        stream
    }

    /// The whole answer, head and body.
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, String)]) -> String {
        let mut stream = self.connect(&head(method, path, headers)).await;
        let mut answer = Vec::new();
        let read = timeout(LIMIT, stream.read_to_end(&mut answer)).await;
        read.expect("an answer in time").expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn right(&self) -> Vec<(&'static str, String)> {
        let host = format!("127.0.0.1:{}", self.port);
        vec![
            ("Origin", format!("http://{host}")),
            ("Host", host),
            ("X-Workshop-Token", self.token.clone()),
        ]
    }

    fn runs(&self) -> usize {
        self.counter.begun.load(Ordering::SeqCst)
    }
}

fn head(method: &str, path: &str, headers: &[(&str, String)]) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head + "\r\n"
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

/// Waits until this many runs have ended.
async fn ended(counter: &Counter, runs: usize) {
    let all = async {
        while counter.ended.load(Ordering::SeqCst) < runs {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, all).await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_our_own_page_of_this_launch_has_anything_run() {
    let served = serve(false).await;
    let port = served.port;
    let other = if port == 65_535 { port - 1 } else { port + 1 };
    let ours = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    let hosts = [
        Some(ours[0].clone()),
        Some(ours[1].clone()),
        Some("127.0.0.1".to_owned()),
        Some(format!("127.0.0.1:{other}")),
        Some(format!("[::1]:{port}")),
        Some(format!("0.0.0.0:{port}")),
        Some(format!("rebound.example:{port}")),
        Some(format!("127.0.0.1:{port}.rebound.example")),
        None,
    ];
    let origins = [
        Some(format!("http://127.0.0.1:{port}")),
        Some(format!("http://localhost:{port}")),
        Some(format!("https://127.0.0.1:{port}")),
        Some(format!("http://127.0.0.1:{other}")),
        Some("http://127.0.0.1".to_owned()),
        Some("http://elsewhere.example".to_owned()),
        Some("null".to_owned()),
        Some(String::new()),
        None,
    ];
    let tokens = [
        Some(served.token.clone()),
        Some(served.token.to_uppercase() + "0"),
        Some(served.token[..31].to_owned()),
        Some("0".repeat(32)),
        Some(String::new()),
        None,
    ];
    let methods = ["POST", "GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"];
    let mut intended = 0;
    for host in &hosts {
        for origin in &origins {
            for token in &tokens {
                for method in methods {
                    let headers: Vec<_> = [
                        ("Host", host),
                        ("Origin", origin),
                        ("X-Workshop-Token", token),
                    ]
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value.clone()?)))
                    .collect();
                    let ours = host.as_ref().is_some_and(|host| ours.contains(host));
                    let same = host
                        .as_ref()
                        .is_some_and(|host| *origin == Some(format!("http://{host}")));
                    let known = token.as_ref() == Some(&served.token);
                    let intends = ours && same && known && method == "POST";
                    intended += usize::from(intends);
                    let answer = served.ask(method, "/-/verify/ex02", &headers).await;
                    let row = format!("{method} {headers:?}: {answer}");
                    assert_eq!(status(&answer) == "200", intends, "{row}");
                    assert_eq!(served.runs(), intended, "{row}");
                    assert!(!answer.to_lowercase().contains("access-control"), "{row}");
                    assert!(!answer.contains(&served.token), "{row}");
                }
            }
        }
    }
    assert_eq!(intended, 2, "one for each name of this machine");
}

#[tokio::test]
async fn a_token_anywhere_else_than_in_its_header_is_none() {
    let served = serve(false).await;
    let mut headers = served.right();
    let (_, token) = headers.pop().expect("the token");
    headers.push(("Cookie", format!("x-workshop-token={token}; token={token}")));
    let path = format!("/-/verify/ex02?token={token}");
    let answer = served.ask("POST", &path, &headers).await;
    assert_eq!(status(&answer), "403", "{answer}");
    // Two of them, one of which is right, are none either.
    let mut headers = served.right();
    headers.push(("X-Workshop-Token", token));
    let answer = served.ask("POST", "/-/verify/ex02", &headers).await;
    assert_eq!(status(&answer), "403", "{answer}");
    assert_eq!(served.runs(), 0);
}

#[tokio::test]
async fn a_page_is_read_under_our_own_names_only() {
    let served = serve(false).await;
    for (host, expected) in [
        (format!("127.0.0.1:{}", served.port), "200"),
        (format!("localhost:{}", served.port), "200"),
        (format!("rebound.example:{}", served.port), "403"),
        ("localhost".to_owned(), "403"),
    ] {
        for path in ["/", "/-/workshop", "/-/live.js"] {
            let answer = served.ask("GET", path, &[("Host", host.clone())]).await;
            assert_eq!(status(&answer), expected, "{host}{path}: {answer}");
            assert!(
                answer.contains("x-content-type-options: nosniff"),
                "{answer}"
            );
            assert!(
                answer.contains("content-security-policy: default-src 'none'"),
                "{answer}"
            );
            assert!(!answer.contains(&served.token), "{answer}");
        }
    }
}

#[tokio::test]
async fn no_address_leads_out_of_the_book() {
    let served = serve(false).await;
    let host = ("Host", format!("127.0.0.1:{}", served.port));
    for path in [
        "/../Cargo.toml",
        "/../../../../../../../etc/passwd",
        "/%2e%2e/Cargo.toml",
        "/..%2fCargo.toml",
        "/..\\Cargo.toml",
        "//etc/passwd",
        "/./index.html",
        "/-/verify/../live.js",
    ] {
        let answer = served.ask("GET", path, std::slice::from_ref(&host)).await;
        assert!(matches!(status(&answer), "404" | "400"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn each_page_has_scripts_of_its_own_only() {
    let served = serve(false).await;
    let host = ("Host", format!("127.0.0.1:{}", served.port));
    let mut nonces = Vec::new();
    for _ in 0..2 {
        let answer = served.ask("GET", "/", std::slice::from_ref(&host)).await;
        let nonce = answer
            .split("'nonce-")
            .nth(1)
            .and_then(|rest| rest.split('\'').next());
        let nonce = nonce.expect("a nonce").to_owned();
        let marked = answer
            .matches(&format!("<script nonce=\"{nonce}\""))
            .count();
        assert_eq!(marked, answer.matches("<script").count(), "{answer}");
        nonces.push(nonce);
    }
    assert_ne!(nonces[0], nonces[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_click_takes_the_place_of_the_run_under_way() {
    let served = serve(true).await;
    let head = head("POST", "/-/verify/ex02", &served.right());
    let mut streams = Vec::new();
    for nth in 1..=3 {
        streams.push(served.connect(&head).await);
        ended(&served.counter, nth - 1).await;
        while served.runs() < nth {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let mut first = String::new();
    let read = timeout(LIMIT, streams[0].read_to_string(&mut first)).await;
    read.expect("it is told").expect("an answer");
    assert!(first.contains(r#"{"state":"replaced"}"#), "{first}");
    assert_eq!(*served.counter.most.lock().expect("nobody panicked"), 1);
    assert_eq!(served.counter.ended.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_ends_with_the_page_that_wanted_it() {
    let served = serve(true).await;
    let head = head("POST", "/-/verify/ex02", &served.right());
    let mut stream = served.connect(&head).await;
    let mut some = [0; 16];
    let read = timeout(LIMIT, stream.read(&mut some)).await;
    assert!(read.expect("in time").expect("an answer") > 0);
    while served.runs() < 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(served.counter.ended.load(Ordering::SeqCst), 0);
    drop(stream);
    ended(&served.counter, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_save_is_told_to_the_pages_that_it_changes() {
    let served = serve(false).await;
    let host = ("Host", format!("127.0.0.1:{}", served.port));
    let mut stream = served.connect(&head("GET", "/-/saved", &[host])).await;
    let mut told = String::new();
    let hear = async {
        let mut some = [0; 1024];
        loop {
            let read = stream.read(&mut some).await.expect("readable");
            told += &String::from_utf8_lossy(&some[..read]);
            if told.contains("text/event-stream") && !told.contains("index.html") {
                served.server.replace(pages("two"));
            }
            if told.contains(r#"data: ["index.html"]"#) {
                return;
            }
            assert!(read > 0, "{told}");
        }
    };
    timeout(LIMIT, hear).await.expect("told in time");
}
