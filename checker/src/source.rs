//! Reads the learner's source for one purpose: to tell apart mistakes that look
//! alike from outside. It never decides a verdict.

use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use syn::visit::Visit;
use tokio::process::Command;

/// What the source says, as far as it can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hints {
    /// The line of a future that was built and never awaited.
    pub never_awaited: Option<usize>,
    /// The line where a future is awaited that was created some lines before,
    /// next to another one.
    pub created_then_awaited: Option<usize>,
    /// The line where a loop accepts a connection, which it then serves itself.
    pub awaits_between_accepts: Option<usize>,
}

/// The argument that makes the checker a reader of one source file.
pub const ARGUMENT: &str = "__source";

/// A longer file is not read.
const LONGEST: u64 = 256 * 1024;

/// A reader that takes longer has met something that nobody wrote by hand.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// Reads a source file, its modules left aside. A file that cannot be read or
/// parsed gives no hints.
///
/// A process of its own reads it: a parser calls itself for everything that lies
/// within something else, and a file can be deep enough to break that.
pub async fn hints(checker: &Path, file: &Path) -> Hints {
    let reading = Command::new(checker)
        .arg(ARGUMENT)
        .arg(file)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let read = tokio::time::timeout(READ_WITHIN, reading).await;
    read.ok()
        .and_then(Result::ok)
        .and_then(|output| serde_json::from_slice(&output.stdout).ok())
        .unwrap_or_default()
}

/// Runs a reader. `main` calls this when its first argument is [`ARGUMENT`].
pub fn main() -> ExitCode {
    let file = std::env::args_os().nth(2).unwrap_or_default();
    let hints = read(Path::new(&file)).unwrap_or_default();
    let told = serde_json::to_writer(std::io::stdout(), &hints);
    ExitCode::from(u8::from(told.is_err()))
}

fn read(file: &Path) -> Option<Hints> {
    let is_short = std::fs::metadata(file).ok()?.len() <= LONGEST;
    let text = is_short.then(|| std::fs::read_to_string(file))?.ok()?;
    hints_in(&text)
}

fn hints_in(text: &str) -> Option<Hints> {
    syn::parse_file(text).ok().map(|file| hints_of(&file))
}

fn hints_of(file: &syn::File) -> Hints {
    let mut asyncs = AsyncNames::default();
    asyncs.visit_file(file);
    let mut reader = Reader {
        asyncs,
        hints: Hints::default(),
    };
    reader.visit_file(file);
    reader.hints
}

/// The functions of this file that return a future.
#[derive(Default)]
struct AsyncNames(Vec<String>);

impl<'ast> Visit<'ast> for AsyncNames {
    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        let returns_future = match &signature.output {
            syn::ReturnType::Default => false,
            syn::ReturnType::Type(_, kind) => {
                let mut finder = NamesFuture(false);
                finder.visit_type(kind);
                finder.0
            }
        };
        if signature.asyncness.is_some() || returns_future {
            self.0.push(signature.ident.to_string());
        }
        syn::visit::visit_signature(self, signature);
    }
}

struct NamesFuture(bool);

impl<'ast> Visit<'ast> for NamesFuture {
    fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
        self.0 |= ["Future", "BoxFuture", "LocalBoxFuture"]
            .iter()
            .any(|name| segment.ident == name);
        syn::visit::visit_path_segment(self, segment);
    }
}

struct Reader {
    asyncs: AsyncNames,
    hints: Hints,
}

impl Reader {
    fn note_accepting(&mut self, visit: impl FnOnce(&mut Accepting)) {
        let mut inside = Accepting::default();
        visit(&mut inside);
        if inside.awaits && !inside.hands_over && self.hints.awaits_between_accepts.is_none() {
            self.hints.awaits_between_accepts = inside.accepts;
        }
    }

    /// Whether an expression builds a future without awaiting it.
    fn builds_future(&self, expression: &syn::Expr) -> bool {
        match expression {
            syn::Expr::Async(_) => true,
            syn::Expr::Paren(inner) => self.builds_future(&inner.expr),
            syn::Expr::Group(inner) => self.builds_future(&inner.expr),
            syn::Expr::Call(call) => match &*call.func {
                syn::Expr::Path(path) => {
                    let last = path.path.segments.last().map(|s| s.ident.to_string());
                    let last = last.unwrap_or_default();
                    self.asyncs.0.contains(&last)
                        || (last == "pin" && call.args.iter().any(|a| self.builds_future(a)))
                }
                _ => false,
            },
            syn::Expr::MethodCall(call) => {
                // `client.get(url).send()`, and `fetch(…).boxed()`.
                let name = call.method.to_string();
                name == "send" && call.args.is_empty()
                    || self.asyncs.0.contains(&name)
                    || (["boxed", "boxed_local", "fuse"].contains(&name.as_str())
                        || name.starts_with("and_then")
                        || name.starts_with("map"))
                        && self.builds_future(&call.receiver)
            }
            syn::Expr::Macro(invocation) => {
                // `vec![fetch(…), fetch(…)]`, `[fetch(…), …]`
                invocation.mac.path.is_ident("vec") && {
                    let parser =
                        syn::punctuated::Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
                    invocation
                        .mac
                        .parse_body_with(parser)
                        .is_ok_and(|items| items.iter().any(|item| self.builds_future(item)))
                }
            }
            syn::Expr::Array(array) => array.elems.iter().any(|e| self.builds_future(e)),
            syn::Expr::Tuple(tuple) => tuple.elems.iter().any(|e| self.builds_future(e)),
            _ => false,
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_expr_loop(&mut self, each: &'ast syn::ExprLoop) {
        self.note_accepting(|inside| inside.visit_block(&each.body));
        syn::visit::visit_expr_loop(self, each);
    }

    fn visit_expr_while(&mut self, each: &'ast syn::ExprWhile) {
        self.note_accepting(|inside| inside.visit_expr_while(each));
        syn::visit::visit_expr_while(self, each);
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        // Names bound to futures in this block, in order.
        let mut bound: Vec<(String, usize, bool)> = Vec::new();
        let mut many = false;
        for statement in &block.stmts {
            match statement {
                syn::Stmt::Local(local) => {
                    let Some(init) = &local.init else { continue };
                    let (pattern, line) = (&local.pat, line_of(&init.expr));
                    if self.builds_future(&init.expr) {
                        let holds_many = matches!(
                            &*init.expr,
                            syn::Expr::Array(_) | syn::Expr::Tuple(_) | syn::Expr::Macro(_)
                        );
                        match names_in(pattern).as_slice() {
                            [] => {
                                self.hints.never_awaited.get_or_insert(line);
                            }
                            names => {
                                for name in names {
                                    bound.push((name.clone(), line, holds_many));
                                }
                                many |= holds_many;
                            }
                        }
                    }
                }
                syn::Stmt::Expr(syn::Expr::Call(call), Some(_))
                    if is_drop(call) && call.args.iter().any(|a| self.builds_future(a)) =>
                {
                    self.hints.never_awaited.get_or_insert(line_of(call));
                }
                syn::Stmt::Expr(expression, Some(_)) if self.builds_future(expression) => {
                    self.hints.never_awaited.get_or_insert(line_of(expression));
                }
                _ => {}
            }
        }
        if !bound.is_empty() {
            let mut uses = Uses::default();
            uses.visit_block(block);
            for (name, line, _) in &bound {
                let times = uses.mentioned.iter().filter(|n| *n == name).count();
                let dropped = uses.dropped.contains(name);
                if times == 0 || (dropped && times == 1) {
                    self.hints.never_awaited.get_or_insert(*line);
                }
            }
            let awaited = bound
                .iter()
                .filter(|(name, ..)| uses.awaited.iter().any(|(n, _)| n == name))
                .count();
            let in_a_loop = many && uses.awaits_in_loop;
            if (bound.len() >= 2 && awaited >= 2) || in_a_loop {
                let line = uses.awaited.first().map_or(bound[0].1, |(_, line)| *line);
                self.hints.created_then_awaited.get_or_insert(line);
            }
        }
        syn::visit::visit_block(self, block);
    }
}

/// What a loop does that accepts connections.
#[derive(Default)]
struct Accepting {
    accepts: Option<usize>,
    awaits: bool,
    hands_over: bool,
}

impl Accepting {
    /// `spawn`, `spawn_local`, `push` of a set of futures.
    fn note_call(&mut self, name: &syn::Ident) {
        let name = name.to_string();
        self.hands_over |= name.starts_with("spawn") || name.starts_with("push");
    }
}

impl<'ast> Visit<'ast> for Accepting {
    fn visit_expr_await(&mut self, expression: &'ast syn::ExprAwait) {
        match &*expression.base {
            syn::Expr::MethodCall(call) if call.method == "accept" => {
                self.accepts.get_or_insert(line_of(&call.method));
            }
            // A task that is waited for at once is not handed over.
            syn::Expr::Call(call) if is_spawn(call) => {
                self.awaits = true;
                return call.args.iter().for_each(|of| self.visit_expr(of));
            }
            _ => self.awaits = true,
        }
        syn::visit::visit_expr_await(self, expression);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(path) = &*call.func
            && let Some(last) = path.path.segments.last()
        {
            self.note_call(&last.ident);
        }
        syn::visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.note_call(&call.method);
        syn::visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        // `select!` and `join!` may do anything beside accepting.
        let name = invocation.path.segments.last().map(|s| &s.ident);
        self.hands_over |= name.is_some_and(|name| name == "select" || name == "join");
    }
}

fn is_spawn(call: &syn::ExprCall) -> bool {
    match &*call.func {
        syn::Expr::Path(path) => {
            let last = path.path.segments.last();
            last.is_some_and(|last| last.ident.to_string().starts_with("spawn"))
        }
        _ => false,
    }
}

/// What becomes of names within a block.
#[derive(Default)]
struct Uses {
    mentioned: Vec<String>,
    awaited: Vec<(String, usize)>,
    dropped: Vec<String>,
    awaits_in_loop: bool,
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_expr_await(&mut self, expression: &'ast syn::ExprAwait) {
        if let Some(name) = name_of(&expression.base) {
            self.awaited.push((name, line_of(&expression.base)));
        }
        syn::visit::visit_expr_await(self, expression);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if is_drop(call) {
            self.dropped.extend(call.args.iter().filter_map(name_of));
        }
        syn::visit::visit_expr_call(self, call);
    }

    fn visit_expr_for_loop(&mut self, each: &'ast syn::ExprForLoop) {
        let mut inside = Self::default();
        inside.visit_block(&each.body);
        let names = names_in(&each.pat);
        self.awaits_in_loop |= inside.awaited.iter().any(|(n, _)| names.contains(n));
        syn::visit::visit_expr_for_loop(self, each);
    }

    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        if let Some(name) = path.path.get_ident() {
            self.mentioned.push(name.to_string());
        }
        syn::visit::visit_expr_path(self, path);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        // Whatever a macro mentions may be used by it: `join!(a, b)`.
        collect_names(invocation.tokens.clone(), &mut self.mentioned);
    }
}

fn collect_names(tokens: proc_macro2::TokenStream, names: &mut Vec<String>) {
    for token in tokens {
        match token {
            proc_macro2::TokenTree::Ident(name) => names.push(name.to_string()),
            proc_macro2::TokenTree::Group(group) => collect_names(group.stream(), names),
            _ => {}
        }
    }
}

/// The names that a pattern binds; `_` binds none.
fn names_in(pattern: &syn::Pat) -> Vec<String> {
    match pattern {
        syn::Pat::Ident(name) => vec![name.ident.to_string()],
        syn::Pat::Type(typed) => names_in(&typed.pat),
        syn::Pat::Tuple(tuple) => tuple.elems.iter().flat_map(names_in).collect(),
        syn::Pat::Slice(slice) => slice.elems.iter().flat_map(names_in).collect(),
        _ => Vec::new(),
    }
}

fn name_of(expression: &syn::Expr) -> Option<String> {
    match expression {
        syn::Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
        syn::Expr::Paren(inner) => name_of(&inner.expr),
        syn::Expr::Reference(inner) => name_of(&inner.expr),
        _ => None,
    }
}

/// `drop(…)`, `std::mem::drop(…)`
fn is_drop(call: &syn::ExprCall) -> bool {
    match &*call.func {
        syn::Expr::Path(path) => path.path.segments.last().is_some_and(|s| s.ident == "drop"),
        _ => false,
    }
}

fn line_of(spanned: &impl syn::spanned::Spanned) -> usize {
    spanned.span().start().line
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_text_gives_hints_or_none(text in "[a-z(){}\\[\\]<>|&!.;:=,'\"# \n]{0,200}") {
            hints_in(&text);
        }
    }

    fn read(body: &str) -> Hints {
        let file =
            format!("async fn fetch(day: &str) -> u32 {{ 1 }}\nasync fn handler() {{\n{body}\n}}");
        hints_of(&syn::parse_file(&file).expect("the sample parses"))
    }

    #[test]
    fn two_futures_awaited_in_turn_were_created_not_started() {
        let hints =
            read("let a = fetch(\"x\");\nlet b = fetch(\"y\");\nlet a = a.await; let b = b.await;");
        assert_eq!(hints.created_then_awaited, Some(5));
        assert_eq!(hints.never_awaited, None);
    }

    #[test]
    fn futures_in_a_list_awaited_in_a_loop_were_created_not_started() {
        let hints = read(
            "let all = vec![Box::pin(fetch(\"x\")), Box::pin(fetch(\"y\"))];\nfor one in all { one.await; }",
        );
        assert!(hints.created_then_awaited.is_some());
    }

    #[test]
    fn two_awaits_in_a_row_are_merely_sequential() {
        let hints = read("let a = fetch(\"x\").await; let b = fetch(\"y\").await;");
        assert_eq!(hints, Hints::default());
    }

    #[test]
    fn joined_futures_are_fine() {
        let hints =
            read("let a = fetch(\"x\"); let b = fetch(\"y\"); let (a, b) = tokio::join!(a, b);");
        assert_eq!(hints, Hints::default());
    }

    #[test]
    fn a_loop_that_serves_what_it_accepts_is_found() {
        for body in [
            "loop { let (client, _) = listener.accept().await?; serve(client).await; }",
            "while let Ok((client, _)) = listener.accept().await { serve(client).await; }",
        ] {
            assert_eq!(read(body).awaits_between_accepts, Some(3), "{body}");
        }
    }

    #[test]
    fn a_loop_that_hands_over_what_it_accepts_serves_nobody_itself() {
        for body in [
            "loop { let (client, _) = listener.accept().await?; tokio::spawn(async move { serve(client).await }); }",
            "loop { let (client, _) = listener.accept().await?; tasks.spawn(serve(client)); pause().await; }",
            "loop { let (client, _) = listener.accept().await?; serve(client); }",
            "loop { tokio::select! { client = listener.accept() => {} } }",
            "loop { serve(client).await; }",
        ] {
            assert_eq!(read(body).awaits_between_accepts, None, "{body}");
        }
    }

    #[test]
    fn futures_that_nobody_awaits_are_found() {
        for body in [
            "let _ = fetch(\"x\");",
            "fetch(\"x\");",
            "let _unused = client.get(url).send();",
            "let a = fetch(\"x\"); drop(a);",
            "drop(fetch(\"x\"));",
        ] {
            assert_eq!(read(body).never_awaited, Some(3), "{body}");
        }
    }

    #[test]
    fn awaited_and_spawned_futures_are_not_taken_for_forgotten() {
        for body in [
            "let a = fetch(\"x\"); tokio::spawn(a);",
            "let a = fetch(\"x\"); a.await;",
            "let a = fetch(\"x\"); tokio::join!(a);",
            "fetch(\"x\").await;",
        ] {
            assert_eq!(read(body).never_awaited, None, "{body}");
        }
    }
}
