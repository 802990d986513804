//! Sockets of a sandbox's own network in the caller's hands: so programs in it are reached, and reach their caller, although
//! the network leads nowhere.
//!
//! A socket belongs to the network in which it was made, wherever it is used. So the sandbox's first process only makes
//! sockets and hands them out, and nothing has to run in the sandbox to forward what passes through them.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::protocol::{Command, Status};
use super::sandbox::{Sandbox, State};
use super::{connection, packet, sys};
use crate::Error;

/// How many connections wait to be accepted.
const BACKLOG: u32 = 256;

impl Sandbox {
    /// Connects to what listens on a port of the sandbox's loopback interface.
    ///
    /// # Errors
    /// [`Error::NothingListens`], [`Error::Paused`], [`Error::Ended`], [`Error::HelperDied`], or what the system answered.
    pub async fn connect(&self, port: u16) -> Result<TcpStream, Error> {
        let socket = self.socket().await?;
        socket.connect(loopback(port)).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::ConnectionRefused => Error::NothingListens { id: self.id.clone(), port },
            _ => Error::io(format!("connect to port {port} of the sandbox"), error),
        })
    }

    /// Listens on a port of the sandbox's loopback interface: its programs connect to it, and the caller accepts.
    ///
    /// # Errors
    /// As [`Sandbox::connect`]; a program that listens there already is what the system answers.
    pub async fn listen(&self, port: u16) -> Result<TcpListener, Error> {
        let socket = self.socket().await?;
        let listening =
            socket.set_reuseaddr(true).and_then(|()| socket.bind(loopback(port))).and_then(|()| socket.listen(BACKLOG));
        listening.map_err(|error| Error::io(format!("listen on port {port} of the sandbox"), error))
    }

    async fn socket(&self) -> Result<TcpSocket, Error> {
        match self.state() {
            State::Running => {}
            // Its first process may stand still too, and would answer when it goes on.
            State::Paused => return Err(Error::Paused { id: self.id.clone() }),
            State::Destroyed => return Err(Error::Ended { id: self.id.clone() }),
        }
        let (status, theirs) = packet::pair().map_err(|error| Error::io("make a socket", error))?;
        let status = sys::watch(status).map_err(|error| Error::io("watch a socket", error))?;
        if connection::send(&self.control, &[Command::Socket as u8], &[theirs.as_fd()]).await.is_err() {
            return Err(self.why_ended().await);
        }
        drop(theirs);
        let Ok(Some((bytes, descriptors))) = connection::receive_packet(&status).await else {
            return Err(self.why_ended().await);
        };
        match (packet::parse(&bytes), descriptors.into_iter().next()) {
            (Ok(Status::Done), Some(made)) => Ok(TcpSocket::from_std_stream(made.into())),
            (Ok(Status::Failed { step, errno }), _) => Err(Error::io(step, std::io::Error::from_raw_os_error(errno))),
            _ => Err(self.why_ended().await),
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Makes a socket of this process's network.
pub fn make_socket() -> Result<OwnedFd, rustix::io::Errno> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}
