//! What it costs to wait: `cargo run -p book --example waiting -- tasks 10000`.
//!
//! Starts so many threads or tasks that do nothing but wait, and says how much
//! memory the process holds while they do (on Linux, from `/proc/self/status`).

use std::{env, error::Error, fs, sync::Arc, thread, time::Instant};

use tokio::{runtime::Runtime, sync::Semaphore};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = env::args().skip(1);
    let kind = words.next().unwrap_or_default();
    let count: u32 = words.next().unwrap_or_default().parse()?;
    let began = Instant::now();
    match kind.as_str() {
        "threads" => threads(count)?,
        "tasks" => tasks(count)?,
        _ => return Err("say `threads 1000` or `tasks 1000`".into()),
    }
    println!("{count} {kind} wait after {:?}", began.elapsed());
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines() {
        if line.starts_with("VmRSS") || line.starts_with("Threads") {
            println!("{line}");
        }
    }
    Ok(())
}

/// Each of them has arrived, and sleeps, once this returns.
fn threads(count: u32) -> std::io::Result<()> {
    let here = Arc::new(std::sync::Barrier::new(count as usize + 1));
    for _ in 0..count {
        let here = here.clone();
        thread::Builder::new().spawn(move || {
            here.wait();
            loop {
                thread::park();
            }
        })?;
    }
    here.wait();
    Ok(())
}

/// Each of them has been polled once, and waits, once this returns.
fn tasks(count: u32) -> std::io::Result<()> {
    let runtime = Runtime::new()?;
    let here = Arc::new(Semaphore::new(0));
    for _ in 0..count {
        let here = here.clone();
        runtime.spawn(async move {
            here.add_permits(1);
            std::future::pending::<()>().await;
        });
    }
    let all = runtime.block_on(here.acquire_many(count));
    all.map_err(std::io::Error::other)?.forget();
    std::mem::forget(runtime); // they are to wait while the memory is read
    Ok(())
}
