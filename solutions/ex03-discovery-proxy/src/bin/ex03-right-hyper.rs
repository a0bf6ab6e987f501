//! Right, without axum: hyper on both sides, and a connection of its own for each call.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{TryFutureExt, future};
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    body::{Body, Incoming},
    client, header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time,
};
use url::Url;

type Answer = Response<Either<Full<Bytes>, Incoming>>;

/// A status and what to say with it.
type Fault = (StatusCode, String);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let proxy = Arc::new(Proxy {
        services: Mutex::default(),
        timeout: Duration::from_millis(env_or("UPSTREAM_TIMEOUT_MS", "2000").parse()?),
    });
    let port: u16 = env_or("PORT", "8080").parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("ex03 listens on http://{}", listener.local_addr()?);
    loop {
        let (client, _) = listener.accept().await?;
        client.set_nodelay(true)?;
        let proxy = proxy.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let answer = proxy.answer(request);
                answer.or_else(|(status, why)| future::ok::<_, hyper::Error>(say(status, why)))
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(client), service);
            if let Err(error) = connection.await {
                eprintln!("lost a client: {error}");
            }
        });
    }
}

fn say(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(body.into())));
    *answer.status_mut() = status;
    answer
}

struct Proxy {
    /// URLs as they were put: a `Url` would be shown with a `/` more.
    services: Mutex<BTreeMap<String, String>>,
    timeout: Duration,
}

impl Proxy {
    async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Fault> {
        let path = request.uri().path().to_owned();
        let parts = Vec::from_iter(path.splitn(4, '/').skip(1));
        match (request.method(), &parts[..]) {
            (_, ["healthz"]) => Ok(say(StatusCode::OK, "ok")),
            (_, ["proxy", name, _path]) => self.forward(name, request).await,
            (&Method::GET, ["services"]) => {
                let services = self.services.lock().unwrap().clone();
                let list = serde_json::to_string(&services).map_err(broken)?;
                let mut answer = say(StatusCode::OK, list);
                let json = header::HeaderValue::from_static("application/json");
                answer.headers_mut().insert(header::CONTENT_TYPE, json);
                Ok(answer)
            }
            (&Method::PUT, ["services", name]) => {
                let url = request.into_body().collect().await.map_err(broken)?;
                let url = service_url(&url.to_bytes())
                    .ok_or((StatusCode::BAD_REQUEST, "that is no http URL".to_owned()))?;
                self.services
                    .lock()
                    .unwrap()
                    .insert((*name).to_owned(), url);
                Ok(say(StatusCode::NO_CONTENT, ""))
            }
            (&Method::DELETE, ["services", name]) => {
                self.services.lock().unwrap().remove(*name);
                Ok(say(StatusCode::NO_CONTENT, ""))
            }
            _ => Err((StatusCode::NOT_FOUND, "ask for something else".to_owned())),
        }
    }

    fn find(&self, name: &str) -> Option<Url> {
        let url = self.services.lock().unwrap().get(name).cloned();
        url?.parse().ok()
    }

    async fn forward(&self, name: &str, request: Request<Incoming>) -> Result<Answer, Fault> {
        let unknown = || (StatusCode::NOT_FOUND, "no such service".to_owned());
        let url = self.find(name).ok_or_else(unknown)?;
        let host = url
            .host_str()
            .unwrap_or_default()
            .trim_matches(['[', ']'])
            .to_owned();
        let port = url.port_or_known_default().unwrap_or(80);

        let (mut head, body) = request.into_parts();
        let came = head.uri.path_and_query().map_or("", |path| path.as_str());
        let rest = came.splitn(4, '/').nth(3).unwrap_or_default();
        let target = format!("{}/{rest}", url.path().trim_end_matches('/'));
        strip(&mut head.headers);
        let authority = url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
        let mut call = Request::builder().method(head.method).uri(target);
        for (name, value) in &head.headers {
            if name != header::HOST {
                call = call.header(name, value);
            }
        }
        call = call.header(header::HOST, authority);
        if !body.is_end_stream() && !head.headers.contains_key(header::CONTENT_LENGTH) {
            call = call.header(header::TRANSFER_ENCODING, "chunked");
        }
        let (moved, mut movement) = watch::channel(());
        let still = moved.clone();
        let call = call.body(body.map_frame(move |frame| {
            moved.send_replace(());
            frame
        }));
        let call = call.map_err(broken)?;

        let exchange = async {
            let service = TcpStream::connect((host, port)).await.map_err(broken)?;
            service.set_nodelay(true).map_err(broken)?;
            let (mut calls, connection) = client::conn::http1::handshake(TokioIo::new(service))
                .await
                .map_err(broken)?;
            // Ends, and closes, when the answer has been read or dropped.
            tokio::spawn(connection);
            calls.send_request(call).await.map_err(broken)
        };
        let silence = async {
            while time::timeout(self.timeout, movement.changed())
                .await
                .is_ok()
            {}
            drop(still); // kept until here: without a sender, changed() would not wait
        };
        let answer = tokio::select! {
            answer = exchange => answer?,
            () = silence => {
                let late = "the service took too long";
                return Err((StatusCode::GATEWAY_TIMEOUT, late.to_owned()));
            }
        };
        let (head, body) = answer.into_parts();
        let mut answer = Response::new(Either::Right(body));
        *answer.status_mut() = head.status;
        *answer.headers_mut() = head.headers;
        strip(answer.headers_mut());
        Ok(answer)
    }
}

fn broken(why: impl ToString) -> Fault {
    (StatusCode::BAD_GATEWAY, why.to_string())
}

fn service_url(text: &[u8]) -> Option<String> {
    let text = str::from_utf8(text).ok()?.trim();
    let uri: Uri = text.parse().ok()?;
    let url = Url::parse(text).ok()?;
    let plain = uri.scheme_str() == Some("http") && url.query().is_none();
    (plain && url.fragment().is_none()).then(|| text.to_owned())
}

fn strip(headers: &mut HeaderMap) {
    let mut gone = Vec::from(
        [
            "connection",
            "keep-alive",
            "proxy-connection",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
        ]
        .map(str::to_owned),
    );
    for line in headers.get_all(header::CONNECTION) {
        let names = line.to_str().unwrap_or_default().split(',');
        gone.extend(names.map(|name| name.trim().to_owned()));
    }
    for name in gone {
        headers.remove(name);
    }
}

fn env_or(name: &str, default: &str) -> String {
    env::var(name).unwrap_or_else(|_| default.to_owned())
}
