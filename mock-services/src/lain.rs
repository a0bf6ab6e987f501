//! How long something that came over TCP lay in the system's hands before we read it.
//! Where many want the processor, that is far longer than it took to get here.

#![allow(unsafe_code)] // a figure of the system's that no safe wrapper reads

use std::net::TcpStream;
use std::time::Duration;

/// What [`since_data_came`] may be wrong by: the system counts in ticks of 1 to 10 ms.
pub const TICK: Duration = Duration::from_millis(10);

/// The time since the newest data came, wrong by up to [`TICK`] either way. `None` where
/// the system does not tell.
#[cfg(target_os = "linux")]
pub fn since_data_came(stream: &TcpStream) -> Option<Duration> {
    use std::os::fd::AsRawFd as _;

    /// Where `tcpi_last_data_recv` lies in `struct tcp_info` of the kernel's `tcp.h`, which
    /// grows at its end only.
    const AT: std::ops::Range<usize> = 52..56;
    let mut info = [0; AT.end];
    let mut length = libc::socklen_t::try_from(info.len()).ok()?;
    // SAFETY: the descriptor is open for as long as the stream is borrowed, and the system
    // writes at most `length` bytes, which `info` has.
    let failed = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if failed != 0 || usize::try_from(length).ok()? < AT.end {
        return None;
    }
    let millis = u32::from_ne_bytes(info[AT].try_into().ok()?);
    Some(Duration::from_millis(millis.into()))
}

/// The time since the newest data came. This system does not tell.
#[cfg(not(target_os = "linux"))]
pub fn since_data_came(_stream: &TcpStream) -> Option<Duration> {
    None
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;
    use std::thread::sleep;

    use super::*;

    #[test]
    fn data_that_nobody_has_read_is_as_old_as_it_is() {
        const LAIN: Duration = Duration::from_millis(200);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        sleep(LAIN); // of the connection's own age
        let before = std::time::Instant::now();
        sender.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        sleep(LAIN);
        let (taken, _) = listener.accept().unwrap();
        let told = since_data_came(&taken).unwrap();
        assert!(told + TICK >= LAIN, "{told:?}");
        assert!(told <= before.elapsed() + TICK, "{told:?}");
    }
}
