//! The names of the mistakes, from the deepest cause to the mildest.

mod page;

use std::fmt;

use serde::{Deserialize, Serialize};

/// A mistake by its stable name. The order is the order of causes: where two
/// fit, the one that stands first here is named first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Diagnosis {
    /// The program does not compile.
    NotCompiling,
    /// It runs, but not where the checker was told to look for it.
    NotListening,
    /// It panicked, or was ended by a signal of its own making.
    Crashed,
    /// It ended although nobody asked it to.
    Exited,
    /// It printed without end.
    FloodedOutput,
    /// It accepted a request and never answered.
    Hung,
    /// The thread that serves was stuck in a blocking call.
    BlockedRuntime,
    /// Each connection was served to its end before the next one was accepted.
    NotSpawned,
    /// A guard was held while a slow call was under way.
    GuardAcrossAwait,
    /// Clients were served one after another (or a few at a time).
    SerialisedClients,
    /// A future was built and never awaited, so its request was never sent.
    NeverAwaited,
    /// It answered without asking the service.
    NotAsked,
    /// A verdict of an earlier request was used again.
    CachedVerdict,
    /// The key did not reach auth as it was given.
    KeyMangled,
    /// The status of an answer was taken for what its body says.
    StatusForVerdict,
    /// Auth failed, and the data was given all the same.
    FailOpen,
    /// The service was asked before auth had said yes.
    AskedBeforePermission,
    /// Others waited for a reader that did not read.
    SlowReaderStallsAll,
    /// Whatever a reader did not read was kept, without end.
    UnboundedQueue,
    /// One client's bad frame ended what others needed.
    BadFrameKills,
    /// People heard what was said in another room.
    RoomsMixed,
    /// Messages of one sender came in another order.
    OrderLost,
    /// A message came more than once.
    Duplicated,
    /// A message did not come to everybody.
    NotDelivered,
    /// A reader missed something and was not told.
    SilentlyDropped,
    /// What belonged to a client was kept after it had left.
    LeaverKept,
    /// A frame over the limit was taken.
    OversizedAccepted,
    /// A ping got no pong.
    PingIgnored,
    /// A close frame was not answered, or the connection stayed.
    CloseIgnored,
    /// The sender of a bad frame was not told.
    BadFrameIgnored,
    /// More than one connection led to the parent.
    UpstreamPerBrowser,
    /// It tried again and again without a pause.
    ReconnectStorm,
    /// It did not come back to the parent.
    NoReconnect,
    /// A viewer got old levels instead of the newest.
    StaleQueue,
    /// A newest level did not arrive.
    LevelLost,
    /// A name that was re-pointed still led to the old place.
    StaleAddress,
    /// The method was not carried on.
    MethodLost,
    /// Path or query were not carried on as they came.
    PathMangled,
    /// Headers that belong to one connection were carried on.
    HopByHopForwarded,
    /// End-to-end headers were not carried on.
    HeadersLost,
    /// A body was collected whole before it was passed on.
    Buffered,
    /// Two futures were created, then awaited one after the other.
    CreatedNotStarted,
    /// Independent calls were made one after the other.
    Sequential,
    /// It asked the service twice for one answer.
    AskedTwice,
    /// The right values stood under the wrong names.
    LabelsSwap,
    /// It waited for another call although one had already failed.
    SlowFailure,
    /// It left a call running that nobody waits for any more.
    NotCancelled,
    /// It waited without limit for a service that hangs.
    NoTimeout,
    /// The body was not the one in the contract.
    WrongBody,
    /// An upstream fault was answered as a success.
    FaultHidden,
    /// The status was not the one in the contract.
    WrongStatus,
    /// It left processes of its own behind.
    ChildrenLeft,
    /// Every call opened a connection of its own (advice, no failure).
    ConnectionPerCall,
}

impl Diagnosis {
    /// Every diagnosis, deepest cause first.
    pub const ALL: [Self; 53] = [
        Self::NotCompiling,
        Self::NotListening,
        Self::Crashed,
        Self::Exited,
        Self::FloodedOutput,
        Self::Hung,
        Self::BlockedRuntime,
        Self::NotSpawned,
        Self::GuardAcrossAwait,
        Self::SerialisedClients,
        Self::NeverAwaited,
        Self::NotAsked,
        Self::CachedVerdict,
        Self::KeyMangled,
        Self::StatusForVerdict,
        Self::FailOpen,
        Self::AskedBeforePermission,
        Self::SlowReaderStallsAll,
        Self::UnboundedQueue,
        Self::BadFrameKills,
        Self::RoomsMixed,
        Self::OrderLost,
        Self::Duplicated,
        Self::NotDelivered,
        Self::SilentlyDropped,
        Self::LeaverKept,
        Self::OversizedAccepted,
        Self::PingIgnored,
        Self::CloseIgnored,
        Self::BadFrameIgnored,
        Self::UpstreamPerBrowser,
        Self::ReconnectStorm,
        Self::NoReconnect,
        Self::StaleQueue,
        Self::LevelLost,
        Self::StaleAddress,
        Self::MethodLost,
        Self::PathMangled,
        Self::HopByHopForwarded,
        Self::HeadersLost,
        Self::Buffered,
        Self::CreatedNotStarted,
        Self::Sequential,
        Self::AskedTwice,
        Self::LabelsSwap,
        Self::SlowFailure,
        Self::NotCancelled,
        Self::NoTimeout,
        Self::WrongBody,
        Self::FaultHidden,
        Self::WrongStatus,
        Self::ChildrenLeft,
        Self::ConnectionPerCall,
    ];

    /// The stable name, as it stands in reports and file names.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotCompiling => "not-compiling",
            Self::NotListening => "not-listening",
            Self::Crashed => "crashed",
            Self::Exited => "exited",
            Self::FloodedOutput => "flooded-output",
            Self::Hung => "hung",
            Self::BlockedRuntime => "blocked-runtime",
            Self::NotSpawned => "not-spawned",
            Self::GuardAcrossAwait => "guard-across-await",
            Self::SerialisedClients => "serialised-clients",
            Self::NeverAwaited => "never-awaited",
            Self::NotAsked => "not-asked",
            Self::CachedVerdict => "cached-verdict",
            Self::KeyMangled => "key-mangled",
            Self::StatusForVerdict => "status-for-verdict",
            Self::FailOpen => "fail-open",
            Self::AskedBeforePermission => "asked-before-permission",
            Self::Buffered => "buffered",
            Self::SlowReaderStallsAll => "slow-reader-stalls-all",
            Self::UnboundedQueue => "unbounded-queue",
            Self::BadFrameKills => "bad-frame-kills",
            Self::RoomsMixed => "rooms-mixed",
            Self::OrderLost => "order-lost",
            Self::Duplicated => "duplicated",
            Self::NotDelivered => "not-delivered",
            Self::SilentlyDropped => "silently-dropped",
            Self::LeaverKept => "leaver-kept",
            Self::OversizedAccepted => "oversized-accepted",
            Self::PingIgnored => "ping-ignored",
            Self::CloseIgnored => "close-ignored",
            Self::BadFrameIgnored => "bad-frame-ignored",
            Self::UpstreamPerBrowser => "upstream-per-browser",
            Self::ReconnectStorm => "reconnect-storm",
            Self::NoReconnect => "no-reconnect",
            Self::StaleQueue => "stale-queue",
            Self::LevelLost => "level-lost",
            Self::StaleAddress => "stale-address",
            Self::MethodLost => "method-lost",
            Self::PathMangled => "path-mangled",
            Self::HopByHopForwarded => "hop-by-hop-forwarded",
            Self::HeadersLost => "headers-lost",
            Self::CreatedNotStarted => "created-not-started",
            Self::Sequential => "sequential",
            Self::AskedTwice => "asked-twice",
            Self::LabelsSwap => "labels-swap",
            Self::SlowFailure => "slow-failure",
            Self::NotCancelled => "not-cancelled",
            Self::NoTimeout => "no-timeout",
            Self::FaultHidden => "fault-hidden",
            Self::WrongStatus => "wrong-status",
            Self::WrongBody => "wrong-body",
            Self::ChildrenLeft => "children-left",
            Self::ConnectionPerCall => "connection-per-call",
        }
    }

    /// The mistake in one line, as a headline says it.
    pub const fn headline(self) -> &'static str {
        match self {
            Self::NotCompiling => "it does not compile yet",
            Self::NotListening => "it does not listen where it was told to",
            Self::Crashed => "it panicked, or was killed by a signal of its own making",
            Self::Exited => "it ended by itself",
            Self::FloodedOutput => "it prints without end",
            Self::Hung => "it took a request and never answered",
            Self::BlockedRuntime => "a blocking call stops the thread that serves",
            Self::NotSpawned => "one connection is served to its end before the next",
            Self::GuardAcrossAwait => "a lock is held while a call waits",
            Self::SerialisedClients => "clients wait for each other",
            Self::NeverAwaited => "a future was built but never awaited",
            Self::NotAsked => "it answered without asking the service",
            Self::CachedVerdict => "an old verdict lets people in, or keeps them out",
            Self::KeyMangled => "the key is not the same when it reaches auth",
            Self::StatusForVerdict => "a status was taken for a yes",
            Self::FailOpen => "no answer was taken for a yes",
            Self::AskedBeforePermission => "it asked before it was allowed to",
            Self::Buffered => "bodies are collected instead of streamed",
            Self::SlowReaderStallsAll => "one slow reader stops all the others",
            Self::UnboundedQueue => "what nobody reads piles up",
            Self::BadFrameKills => "one bad frame breaks more than itself",
            Self::RoomsMixed => "rooms are not apart",
            Self::OrderLost => "messages overtake each other",
            Self::Duplicated => "a message came twice",
            Self::NotDelivered => "a message did not come to everybody",
            Self::SilentlyDropped => "somebody missed something and was not told",
            Self::LeaverKept => "clients that have left are still kept",
            Self::OversizedAccepted => "a frame over the limit was taken",
            Self::PingIgnored => "a ping got no pong",
            Self::CloseIgnored => "a goodbye was not answered",
            Self::BadFrameIgnored => "the sender of a bad frame was not told",
            Self::UpstreamPerBrowser => "every browser opens its own way to the parent",
            Self::ReconnectStorm => "it tries again without a pause",
            Self::NoReconnect => "it does not come back",
            Self::StaleQueue => "a viewer gets old levels, not the newest",
            Self::LevelLost => "a newest level never arrived",
            Self::StaleAddress => "a name still leads to the old place",
            Self::MethodLost => "the method is not the one that was sent",
            Self::PathMangled => "path or query are not the ones that were sent",
            Self::HopByHopForwarded => "headers of one connection leak into the next",
            Self::HeadersLost => "headers are lost on the way",
            Self::CreatedNotStarted => "created is not started",
            Self::Sequential => "one after the other",
            Self::AskedTwice => "it asked twice for one answer",
            Self::LabelsSwap => "the right values under the wrong names",
            Self::SlowFailure => "it waits on although one call has failed",
            Self::NotCancelled => "it leaves a call running that nobody needs",
            Self::NoTimeout => "it waits for ever on a service that hangs",
            Self::FaultHidden => "a failure was answered as a success",
            Self::WrongStatus => "the status is not the one in the contract",
            Self::WrongBody => "the body is not the one in the contract",
            Self::ChildrenLeft => "it leaves processes behind",
            Self::ConnectionPerCall => "a new connection for every call",
        }
    }

    /// The diagnosis with that name.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.code() == code)
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lists_every_diagnosis_once_in_the_order_of_causes() {
        assert!(Diagnosis::ALL.windows(2).all(|w| w[0] < w[1]));
    }

    #[test]
    fn codes_and_serialised_names_are_the_same() {
        for diagnosis in Diagnosis::ALL {
            let json = serde_json::to_string(&diagnosis).expect("a unit variant serialises");
            assert_eq!(json, format!("\"{}\"", diagnosis.code()));
            assert_eq!(Diagnosis::from_code(diagnosis.code()), Some(diagnosis));
        }
    }
}
