//! A pseudo-terminal: a serial port whose other end is a program.

use serialport::{SerialPort as _, TTYPort};
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a device behind a terminal has to say.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// Bytes for the driver.
    pub bytes: Vec<u8>,
    /// Nothing will come of its own: it may be left alone until the driver sends something.
    pub is_idle: bool,
}

/// How long an idle device is left alone before somebody looks whether it is to stop.
const NAP: Duration = Duration::from_millis(10);

/// A pseudo-terminal. Dropping it is what unplugging a cable is.
pub struct Terminal {
    master: TTYPort,
    path: String,
}

impl Terminal {
    /// Makes one.
    ///
    /// # Errors
    /// Where the system has none to give.
    pub fn new() -> io::Result<Self> {
        // The other end is closed here: a driver opens it for itself alone.
        let (master, slave) = TTYPort::pair()?;
        let path = slave.name().ok_or_else(|| io::Error::other("a terminal without a name"))?;
        Ok(Self { master, path })
    }

    /// The path that a driver opens.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Lets a device talk to the driver until it is to stop: `device` is given what the driver has
    /// sent, which may be nothing, and has some time to work.
    ///
    /// # Errors
    /// Those of the device, and where the terminal breaks.
    pub fn serve<E: From<io::Error>>(
        &mut self,
        stop: &AtomicBool,
        mut device: impl FnMut(&[u8]) -> Result<Reply, E>,
    ) -> Result<(), E> {
        let mut is_idle = true;
        while !stop.load(Ordering::Relaxed) {
            let bytes = self.receive(if is_idle { NAP } else { Duration::ZERO })?;
            let reply = device(&bytes)?;
            self.send(&reply.bytes)?;
            is_idle = reply.is_idle;
        }
        Ok(())
    }

    /// What the driver has sent, at once or within a time; empty if nothing, or if there is no driver.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn receive(&mut self, patience: Duration) -> io::Result<Vec<u8>> {
        if patience.is_zero() && self.master.bytes_to_read()? == 0 {
            return Ok(Vec::new());
        }
        self.master.set_timeout(patience.max(Duration::from_millis(1)))?;
        let mut bytes = vec![0; 4096];
        match self.master.read(&mut bytes) {
            Ok(n) => {
                bytes.truncate(n);
                Ok(bytes)
            }
            Err(error) => match error.kind() {
                io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => Ok(Vec::new()),
                // Nobody has the other end open.
                io::ErrorKind::BrokenPipe => {
                    std::thread::sleep(patience);
                    Ok(Vec::new())
                }
                _ => Err(error),
            },
        }
    }

    /// Sends bytes to the driver; without one they are lost, as on a wire.
    ///
    /// # Errors
    /// Where nobody reads them for a second.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.master.set_timeout(Duration::from_secs(1))?;
        match self.master.write_all(bytes) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }
}
