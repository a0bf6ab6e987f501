//! Threads that a handler blocks for moments only.
//!
//! A `/healthz` that comes then is answered soon, and no single wait of it is long enough
//! to tell from a late machine. But a program that is well never sleeps with a request
//! before it. So each moment is counted in which every thread of it slept and a `/healthz`
//! lay there; and in doubt crowd after crowd comes to an instance with one thread that
//! serves (where it lets itself be told), which is asleep whenever that one is.

use std::future::Future;
use std::time::Duration;

use mock_services::moment::Moment;

use crate::contract::Contract;
use crate::observation::{Dozed, HealthSeen, Observation, Rendezvous};
use crate::probe::{crowd, observe, waited};
use crate::probing::Probing;
use crate::run::Run;
use crate::stage::{ANSWER_QUIET, Health, Setting, Stage, Trouble, Unset, Waited};

/// Whether what a crowd met leaves it open if a thread was blocked for moments: the
/// program was seen asleep; or `/healthz` was not answered for so long that it may have
/// been, and nobody came to look.
fn is_doubtful(seen: &Observation) -> bool {
    /// While a machine is idle `/healthz` is answered more often than that.
    const UNWATCHED: Duration = Duration::from_millis(12);
    /// And many clients keep a program at work for longer.
    const OF_EACH: Duration = Duration::from_micros(1500);
    let clients = seen.rendezvous.first().map_or(0, |met| met.wanted);
    let unwatched = UNWATCHED.max(OF_EACH * u32::try_from(clients).unwrap_or(u32::MAX));
    seen.health_is_fine()
        && seen.health.is_some()
        && seen.trouble.is_none()
        && !seen.was_too_busy()
        && !seen.gave_up()
        && (seen.asleep > 0 || seen.unwatched > unwatched)
}

/// Makes sure, where that is needed, with crowds of a probe of its own.
///
/// # Errors
/// Faults that are not the learner's.
pub async fn make_sure_by(
    run: &Probing<'_>,
    met: &Observation,
    of: Setting,
    probe: impl AsyncFn(&Stage<'_>, &mut Observation) -> Result<(), Trouble>,
) -> anyhow::Result<Option<Observation>> {
    if !is_doubtful(met) {
        return Ok(None);
    }
    let one_thread = Setting { workers: 1, ..of };
    let seen = observe(run, "/healthz in crowd after crowd", one_thread, probe);
    seen.await.map(Some)
}

/// Makes sure, where that is needed, for a program that answers plain requests.
///
/// # Errors
/// Faults that are not the learner's.
pub async fn make_sure(
    run: &Probing<'_>,
    met: &Observation,
    of: Setting,
    contract: &Contract,
    clients: usize,
) -> anyhow::Result<Option<Observation>> {
    make_sure_by(run, met, of, async |stage, seen| {
        let target = contract.target(&stage.run.keys);
        crowds(stage, seen, clients, async || {
            in_midst(stage, clients, &target).await
        })
        .await
    })
    .await
}

/// What was seen of a program in the midst of a crowd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sights {
    /// So often it was asleep with a `/healthz` before it.
    asleep: u32,
    /// Whether one of those took long.
    slow: bool,
    /// So often somebody looked at it meanwhile.
    looks: u32,
}

impl Sights {
    fn add(&mut self, other: Self) {
        self.asleep = self.asleep.saturating_add(other.asleep);
        self.slow |= other.slow;
        self.looks += other.looks;
    }

    /// What was seen in all of those crowds.
    fn of_all(crowds: &[Self]) -> Self {
        let mut all = Self::default();
        crowds.iter().for_each(|one| all.add(*one));
        all
    }

    /// What is seen of one `/healthz`.
    fn of(health: &Health) -> Self {
        let looks = match health {
            Health::Answered { looks, .. } => *looks,
            _ => None,
        };
        Self {
            asleep: slept(health),
            slow: looks.is_some(),
            looks: looks.unwrap_or_default(),
        }
    }
}

/// Whether a program that sleeps would have been seen to. Who comes to look only now and
/// then, on a machine where everybody waits for the processor, sees nothing.
fn was_looked_at(crowds: &[Sights]) -> bool {
    /// Beside sixteen busy processes it was met asleep in half of them.
    const LOOKS: u32 = 10;
    /// And it is slow in every crowd, but for what nobody asked in time.
    const OF: usize = 2;
    let slow = crowds.iter().filter(|crowd| crowd.slow).count();
    slow * OF < crowds.len() || Sights::of_all(crowds).looks >= LOOKS
}

/// Whether it slept in more looks than by chance, however they are spread over crowds.
fn was_often_asleep(crowds: &[Sights]) -> bool {
    let all = Sights::of_all(crowds);
    all.slow && all.asleep > 2 && all.asleep >= all.looks / 5
}

/// `/healthz` again and again in the midst of clients that ask at once. What was seen of
/// the program; `None` where the machine was too busy.
///
/// # Errors
/// Where the program ends or floods.
pub async fn in_midst(
    stage: &Stage<'_>,
    clients: usize,
    target: &str,
) -> Result<Option<Sights>, Trouble> {
    let mut asking = crowd(stage, target, clients / 2);
    let Ok(mut health) = stage.keep_asking_health() else {
        return Ok(None); // it could be reached a moment ago
    };
    let mut more = crowd(stage, target, clients - clients / 2);
    let answered = async {
        while asking.join_next().await.is_some() {}
        while more.join_next().await.is_some() {}
    };
    if stage.patiently(answered, ANSWER_QUIET).await? != Waited::Done(()) {
        return Ok(None);
    }
    health.enough();
    let mut sights = Sights::default();
    while let Some(said) = health.next(stage).await? {
        sights.add(Sights::of(&said));
    }
    Ok(Some(sights))
}

/// `/healthz` again and again while people talk, and until it has been answered a few times
/// without sleep: what is said may keep a program busy for long. Each answer is noted.
///
/// # Errors
/// Where the program ends or floods.
pub async fn while_they_talk(
    stage: &Stage<'_>,
    talk: impl Future<Output = ()>,
    mut note: impl FnMut(Health),
) -> Result<(), Trouble> {
    const IN_A_ROW: u32 = 3;
    let Ok(mut health) = stage.keep_asking_health() else {
        note(Health::Broken);
        return Ok(());
    };
    talk.await;
    let mut in_a_row = 0;
    while let Some(said) = health.next(stage).await? {
        in_a_row = if slept(&said) == 0 { in_a_row + 1 } else { 0 };
        if in_a_row >= IN_A_ROW {
            health.enough();
        }
        note(said);
    }
    Ok(())
}

/// The same, and what was seen of the program; `None` where it broke off.
///
/// # Errors
/// Where the program ends or floods.
pub async fn in_talk(
    stage: &Stage<'_>,
    talk: impl Future<Output = ()>,
) -> Result<Option<Sights>, Trouble> {
    let mut sights = Some(Sights::default());
    let note = |said| match said {
        Health::Broken | Health::TooBusy => sights = None,
        said => {
            if let Some(sights) = &mut sights {
                sights.add(Sights::of(&said));
            }
        }
    };
    while_they_talk(stage, talk, note).await?;
    Ok(sights)
}

/// `/healthz` is asked alone a few times, and then in the midst of crowd after crowd of
/// `clients`. A thread that a handler blocks sleeps in most crowds; what a busy machine
/// delivers late sleeps now and then; and a program that is slow to answer `/healthz`
/// anyway is so when it is alone.
///
/// # Errors
/// Where the program ends or floods.
pub async fn crowds(
    stage: &Stage<'_>,
    seen: &mut Observation,
    clients: usize,
    mut crowd: impl AsyncFnMut() -> Result<Option<Sights>, Trouble>,
) -> Result<(), Trouble> {
    /// Where nothing is seen in so many, nothing is there.
    const ENOUGH: u32 = 5;
    /// Or in fewer, where each takes so long that `/healthz` has been asked very often.
    const FEWER: u32 = 3;
    const LONG: Duration = Duration::from_secs(1);
    seen.title = format!("{clients} clients at once, and one thread to serve them");
    seen.health = Some(HealthSeen::Answered(200));
    let Some(alone) = alone(stage).await? else {
        return Ok(());
    };
    let begun = stage.journal.clock().now();
    let mut sights: Vec<Sights> = Vec::new();
    let mut waits = Vec::new();
    loop {
        let (of, times) = (sights.len() as u32, times_asleep(&sights));
        let took = stage.journal.clock().now().since(begun);
        let enough = if took > LONG { FEWER } else { ENOUGH };
        let goes_on = if seen.asleep > 0 {
            of < CROWDS && of - times < CROWDS - BY_CHANCE
        } else {
            of < enough || (!was_looked_at(&sights) && of < 2 * CROWDS)
        };
        if !goes_on {
            break;
        }
        let Some(seen_in_it) = crowd().await? else {
            seen.too_busy = true;
            return Ok(());
        };
        if sights.is_empty() {
            // One crowd tells the story, and the others are like it.
            let released = stage.journal.clock().now();
            seen.recorded_until = Some(released);
            seen.rendezvous.push(Rendezvous {
                about: "clients",
                wanted: clients,
                reached: clients,
                waited: Waited::Done(()),
                released,
                sat_idle: None,
            });
        }
        sights.push(seen_in_it);
        seen.asleep = seen.asleep.saturating_add(seen_in_it.asleep);
        waits.push(longest(stage, waits.last().map_or(begun, |(_, end)| *end)));
        stage.idle().await;
    }
    let wait = median(waits.into_iter().map(|(wait, _)| wait).collect());
    let dozed = Dozed {
        times: times_asleep(&sights),
        of: sights.len() as u32,
        wait,
    };
    let said = what_it_means(dozed, alone);
    // It may have slept whenever nobody looked, or in each crowd once.
    let is_open = !was_looked_at(&sights) || was_often_asleep(&sights);
    seen.too_busy |= said == HealthSeen::Answered(200) && is_open;
    seen.health = Some(said);
    Ok(())
}

/// In so many crowds it was seen asleep.
fn times_asleep(crowds: &[Sights]) -> u32 {
    /// One look may have met a request that was not there yet.
    const SLEEPS: u32 = 2;
    let in_which = |crowd: &&Sights| crowd.asleep >= SLEEPS;
    crowds.iter().filter(in_which).count() as u32
}

/// So many crowds come where the program sleeps in some.
const CROWDS: u32 = 10;

/// In so many it may sleep by chance.
const BY_CHANCE: u32 = 1;

/// What it means that the program slept so often, where a lone `/healthz` takes `alone`.
fn what_it_means(dozed: Dozed, alone: Duration) -> HealthSeen {
    /// On a busy machine some crowds pass while nobody could look.
    const IN_ALL_BUT: u32 = 4;
    /// What takes less, beyond what it takes alone, is now seen and now not.
    const PLAIN: Duration = Duration::from_millis(20);
    /// Where a lone one takes longer, though nobody sleeps over it, the machine is busy,
    /// and busier or less so by the time that crowds come: nothing follows from the two.
    const QUICK: Duration = Duration::from_millis(5);
    let Dozed { times, of, wait } = dozed;
    if of == CROWDS && of - times <= IN_ALL_BUT && wait >= alone + PLAIN {
        HealthSeen::Dozed(dozed)
    } else if times > BY_CHANCE && (wait > 2 * alone || alone > QUICK) {
        HealthSeen::DozedAtTimes(dozed)
    } else {
        // It takes no longer than it does alone.
        HealthSeen::Answered(200)
    }
}

/// The longest that a `/healthz` since then has waited, and when it is now.
fn longest(stage: &Stage<'_>, since: Moment) -> (Duration, Moment) {
    let asked = stage.health_journal.exchanges();
    let asked = asked.iter().filter(|x| x.arrived >= since).map(waited);
    (asked.max().unwrap_or_default(), stage.journal.clock().now())
}

/// Compares a `/healthz` that had to wait while there were clients with one in an instance
/// that has none: where it waits there, too, that is how the program answers it, and
/// nobody is blocked.
///
/// # Errors
/// Faults that are not the learner's.
pub async fn compare_with_alone(
    run: &Run,
    setting: Setting,
    seen: &mut Observation,
) -> anyhow::Result<()> {
    /// Whoever is not done with it by then is blocked for good.
    const WITHIN: Duration = Duration::from_secs(6);
    let silent = matches!(
        seen.health,
        Some(HealthSeen::Silent(_) | HealthSeen::SilentAfterwards(_))
    );
    let Some(in_company) = seen.health_waited.filter(|_| silent) else {
        return Ok(());
    };
    if seen.trouble.is_some() || seen.silence.is_some() {
        return Ok(());
    }
    let stood_still = run.pulse.stood_still();
    let stage = match Stage::set(run, setting).await {
        Ok(stage) => stage,
        Err(Unset::Trouble(..)) => return Ok(()),
        Err(Unset::Fault(error)) => return Err(error),
    };
    let alone = tokio::time::timeout(WITHIN, alone_beside(&stage, in_company)).await;
    stage.end(stood_still).await;
    match alone {
        Ok(Ok(Alone::AsSlow)) => seen.health = Some(HealthSeen::Answered(200)),
        Ok(Ok(Alone::MayBe)) => {
            seen.health = None;
            seen.too_busy = true;
        }
        Ok(Ok(Alone::Quicker) | Err(_)) | Err(_) => {}
    }
    Ok(())
}

/// How a lone `/healthz` compares.
enum Alone {
    Quicker,
    AsSlow,
    /// It was as slow, but maybe for want of a processor.
    MayBe,
}

/// Whether that is no longer than a lone `/healthz` takes. A program that sits idle for a
/// little more is told that it is blocked.
fn is_no_more(in_company: Duration, alone: Duration) -> bool {
    const MORE: Duration = Duration::from_millis(45);
    in_company <= alone * 3 / 2 + MORE
}

async fn alone_beside(stage: &Stage<'_>, in_company: Duration) -> Result<Alone, Trouble> {
    /// On a busy machine a program seldom sits idle in the eyes of who looks.
    const TIMES: u32 = 5;
    for _ in 0..TIMES {
        let begun = stage.journal.clock().now();
        let idle = match stage.health().await? {
            Health::Silent { mut late, .. } => {
                let answered = async { while late.join_next().await.is_some() {} };
                let waited = stage.patiently(answered, ANSWER_QUIET).await?;
                if waited != Waited::Done(()) {
                    return Ok(Alone::Quicker);
                }
                true
            }
            Health::Answered { .. } => false,
            Health::Broken | Health::TooBusy => return Ok(Alone::MayBe),
        };
        if !is_no_more(in_company, longest(stage, begun).0) {
            return Ok(Alone::Quicker);
        }
        if idle {
            return Ok(Alone::AsSlow);
        }
    }
    Ok(Alone::MayBe)
}

/// How long a lone `/healthz` takes, in the median. `None` where the program sleeps over
/// it: that is how it answers, and not what clients do to it.
async fn alone(stage: &Stage<'_>) -> Result<Option<Duration>, Trouble> {
    const TIMES: u32 = 8;
    const BY_CHANCE: u32 = 1;
    let mut slept_over = 0;
    let mut waits = Vec::new();
    for _ in 0..TIMES {
        let begun = stage.journal.clock().now();
        slept_over += u32::from(slept(&stage.health().await?) > 0);
        waits.push(longest(stage, begun).0);
        if slept_over > BY_CHANCE {
            return Ok(None);
        }
    }
    Ok(Some(median(waits)))
}

/// The one in the middle; zero where there is none.
pub fn median(mut of: Vec<Duration>) -> Duration {
    of.sort_unstable();
    of.get(of.len() / 2).copied().unwrap_or_default()
}

/// How often the program was seen asleep with that `/healthz` before it.
fn slept(health: &Health) -> u32 {
    /// It slept for longer than anybody looked.
    const LONG: u32 = 100;
    match health {
        Health::Answered { asleep, .. } => *asleep,
        Health::Silent { .. } => LONG,
        Health::Broken | Health::TooBusy => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_seen_where_nobody_looks() {
        let crowd = |asleep, slow, looks| Sights {
            asleep,
            slow,
            looks,
        };
        // It answers at once, at least nearly always: there is nothing to see.
        assert!(was_looked_at(&[crowd(0, false, 0); 5]));
        let mut seldom = vec![crowd(0, false, 0); 4];
        seldom.push(crowd(0, true, 1));
        assert!(was_looked_at(&seldom));
        // It never does, and somebody looked, or did not.
        assert!(!was_looked_at(&[crowd(0, true, 1); 9]));
        assert!(was_looked_at(&[crowd(0, true, 2); 5]));
        assert!(!was_often_asleep(&[crowd(0, true, 4); 5]));
        assert!(was_often_asleep(&[crowd(1, true, 4); 5]));
        assert!(!was_often_asleep(&[crowd(1, true, 40); 5]));
        assert_eq!(times_asleep(&[crowd(1, true, 4), crowd(2, true, 4)]), 1);
    }

    #[test]
    fn who_sleeps_in_crowds_is_never_well_where_a_lone_answer_was_late_as_well() {
        let ms = Duration::from_millis;
        let of = |times, wait, alone| {
            let wait = ms(wait);
            let dozed = Dozed {
                times,
                of: 10,
                wait,
            };
            match what_it_means(dozed, ms(alone)) {
                HealthSeen::Dozed(_) => "blocked",
                HealthSeen::DozedAtTimes(_) => "open",
                _ => "well",
            }
        };
        assert_eq!(of(0, 90, 1), "well");
        assert_eq!(of(1, 90, 1), "well");
        assert_eq!(of(10, 90, 1), "blocked");
        assert_eq!(of(6, 90, 1), "blocked");
        assert_eq!(of(5, 90, 1), "open");
        // It takes little more than it does alone.
        assert_eq!(of(10, 15, 4), "open");
        assert_eq!(of(10, 7, 4), "well");
        // That was while the machine was busier.
        assert_eq!(of(10, 90, 80), "open");
        assert_eq!(of(5, 90, 80), "open");
        assert_eq!(of(0, 90, 80), "well");
    }

    #[test]
    fn what_takes_its_time_alone_may_take_it_in_company() {
        let ms = Duration::from_millis;
        assert!(is_no_more(ms(100), ms(100)));
        assert!(is_no_more(ms(190), ms(100)));
        assert!(!is_no_more(ms(200), ms(100)));
        assert!(!is_no_more(ms(300), ms(1)));
    }
}
