//! Names are registered, listed, re-pointed and removed.

use super::{Names, names, open, put, register, step, steps};
use crate::client::Sent;
use crate::observation::Observation;
use crate::stage::{ANSWER_QUIET, Stage, Trouble};

/// Registers, lists, re-points and removes.
pub(in crate::exercises::ex03) async fn registry(
    stage: &Stage<'_>,
    seen: &mut Observation,
) -> Result<(), Trouble> {
    seen.title = "names are registered, re-pointed and removed".to_owned();
    let Names { one, other } = names(stage.run.seed);
    let first = open(stage, "first").await?;
    let second = open(stage, "second").await?;
    let call = |name: &str| Sent::new("GET", format!("/proxy/{name}/where"));
    let quiet = ANSWER_QUIET;
    register(stage, seen, &one, &first.url()).await?;
    register(stage, seen, &other, &second.url()).await?;
    step(
        stage,
        seen,
        "list",
        Sent::new("GET", "/services"),
        None,
        quiet,
    )
    .await?;
    step(stage, seen, "first", call(&one), Some(&first), quiet).await?;
    step(stage, seen, "second", call(&other), Some(&second), quiet).await?;
    let nonsense = [
        "no url at all",
        "",
        "localhost:7001",
        "/only/a/path",
        "http://",
        "http://127.0.0.1:70000",
        "ftp://127.0.0.1:7001",
    ];
    let bad = |text| ("bad", put(&one, text));
    steps(stage, seen, nonsense.map(bad).into()).await?;
    let bad = ("bad", put("nobody", "no url at all"));
    steps(stage, seen, vec![bad]).await?;
    step(stage, seen, "still", call(&one), Some(&first), quiet).await?;
    let alike = [
        "nobody",
        &format!("{one}2"),
        &one[..one.len() - 1],
        &one.to_ascii_uppercase(),
    ];
    let unknown = alike.map(|name| ("unknown", call(name)));
    steps(stage, seen, unknown.into()).await?;
    register(stage, seen, &one, &second.url()).await?;
    step(stage, seen, "moved", call(&one), Some(&second), quiet).await?;
    let delete = Sent::new("DELETE", format!("/services/{other}"));
    step(stage, seen, "delete", delete, None, quiet).await?;
    step(stage, seen, "gone", call(&other), Some(&second), quiet).await?;
    let list = || Sent::new("GET", "/services");
    step(stage, seen, "rest", list(), None, quiet).await?;

    // A name that begins like another is another name.
    let longer = format!("{one}-too");
    register(stage, seen, &longer, &first.url()).await?;
    step(stage, seen, "first", call(&longer), Some(&first), quiet).await?;
    let delete = Sent::new("DELETE", format!("/services/{one}"));
    step(stage, seen, "delete", delete, None, quiet).await?;
    step(stage, seen, "first", call(&longer), Some(&first), quiet).await?;
    step(stage, seen, "gone", call(&one), Some(&second), quiet).await?;
    // As many as do not fit into a page, their URLs of every kind. Nobody calls them.
    let urls = [
        "",
        "/a",
        "/a/",
        "/Upper/Case",
        &format!("/{}", "long/".repeat(40)),
    ];
    let many = urls.iter().cycle().take(15).zip(1..);
    let many = many.map(|(path, nth)| {
        let url = format!("http://127.0.0.1:{}{path}", 7000 + nth);
        ("put", put(&format!("{other}-{nth}"), &url))
    });
    steps(stage, seen, many.collect()).await?;
    step(stage, seen, "rest", list(), None, quiet).await
}
