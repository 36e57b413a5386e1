//! Serial ports.

use std::io;
use std::time::Duration;

/// A line to an accelerator.
pub trait Port {
    /// Sends bytes.
    ///
    /// # Errors
    /// Where the line is closed or takes nothing.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Waits for bytes, so long at most; returns how many have come, 0 if none.
    ///
    /// # Errors
    /// Where the line is closed.
    fn receive(&mut self, bytes: &mut [u8], patience: Duration) -> io::Result<usize>;
}

/// A port of the system.
pub struct SerialPort {
    port: Box<dyn serialport::SerialPort>,
}

/// How long a port may take to accept what is sent.
const SEND_PATIENCE: Duration = Duration::from_secs(5);

impl SerialPort {
    /// Opens a port, 8N1 without flow control.
    ///
    /// # Errors
    /// Where there is none, it is in use or may not be used, or does not have the rate.
    pub fn open(path: &str, baud: u32) -> io::Result<Self> {
        let port = serialport::new(path, baud).timeout(SEND_PATIENCE).open()?;
        Ok(Self { port })
    }
}

impl Port for SerialPort {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.port.set_timeout(SEND_PATIENCE)?;
        self.port.write_all(bytes)
    }

    fn receive(&mut self, bytes: &mut [u8], patience: Duration) -> io::Result<usize> {
        // Less than a millisecond would be rounded to nothing.
        self.port.set_timeout(patience.max(Duration::from_millis(1)))?;
        match self.port.read(bytes) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if is_no_data(&error) => Ok(0),
            other => other,
        }
    }
}

fn is_no_data(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::TimedOut | io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
    )
}
