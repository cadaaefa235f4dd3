//! Connections of one thread, by readiness.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read, Write},
    net::{self, SocketAddr},
    time::{Duration, Instant},
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpStream, UdpSocket},
};

use super::wire::{Answer, Wire};

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;
/// Shorter pauses are slept in steps of this: the kernel's own wait is in whole milliseconds.
const STEP: Duration = Duration::from_micros(100);

/// How the connections are made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Udp,
}

enum Socket {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

pub(crate) struct Connection<W> {
    socket: Socket,
    wire: W,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Requests that were sent, with the time they were due.
    under_way: Vec<(u32, Instant)>,
    /// Requests that are due and wait for their turn.
    waiting: VecDeque<(u64, Instant)>,
}

impl<W: Wire> Connection<W> {
    /// Sends `number` now.
    pub(crate) fn send(&mut self, number: u64, due: Instant) -> io::Result<()> {
        let id = self.wire.ask(number, &mut self.output);
        self.under_way.push((id, due));
        if matches!(self.socket, Socket::Udp(_)) {
            self.flush()?;
        }
        Ok(())
    }

    /// Lets a request wait until fewer than the connection's share are under way.
    pub(crate) fn queue(&mut self, number: u64, due: Instant) {
        self.waiting.push_back((number, due));
    }

    /// Sends what waits, as far as `depth` allows.
    pub(crate) fn advance(&mut self, depth: usize) -> io::Result<()> {
        while self.under_way.len() < depth
            && let Some((number, due)) = self.waiting.pop_front()
        {
            self.send(number, due)?;
        }
        self.flush()
    }

    /// When the request of an answer was due; `None` for an answer to nothing.
    pub(crate) fn due(&mut self, id: u32) -> Option<Instant> {
        let place = self.under_way.iter().position(|(asked, _)| *asked == id)?;
        Some(self.under_way.swap_remove(place).1)
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            let sent = match &mut self.socket {
                Socket::Tcp(socket) => socket.write(&self.output),
                Socket::Udp(socket) => socket.send(&self.output),
            };
            match sent {
                Ok(sent) => drop(self.output.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => match self.socket {
                    Socket::Tcp(_) => break,
                    // A datagram is lost rather than late.
                    Socket::Udp(_) => self.output.clear(),
                },
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn receive(&mut self, chunk: &mut [u8], done: &mut dyn FnMut(Answer)) -> io::Result<()> {
        loop {
            let received = match &mut self.socket {
                Socket::Tcp(socket) => socket.read(chunk),
                Socket::Udp(socket) => socket.recv(chunk),
            };
            let length = match received {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.input.extend_from_slice(&chunk[..length]);
            self.wire.take(&mut self.input, &mut self.output, done);
            // A stream that gave less than was asked for is empty.
            if matches!(self.socket, Socket::Tcp(_)) && length < chunk.len() {
                return Ok(());
            }
        }
    }
}

/// All connections to one server.
pub(crate) struct Fleet<W> {
    poll: Poll,
    events: Events,
    chunk: Vec<u8>,
    answers: Vec<Answer>,
    connections: Vec<Connection<W>>,
}

impl<W: Wire> Fleet<W> {
    /// Makes `count` connections.
    pub(crate) fn connect(
        address: SocketAddr,
        transport: Transport,
        count: usize,
        wire: impl Fn(usize) -> W,
    ) -> io::Result<Self> {
        let mut fleet = Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            chunk: vec![0; CHUNK],
            answers: Vec::new(),
            connections: Vec::with_capacity(count),
        };
        for number in 0..count {
            fleet.add(address, transport, wire(number))?;
        }
        Ok(fleet)
    }

    fn add(&mut self, address: SocketAddr, transport: Transport, wire: W) -> io::Result<()> {
        let token = Token(self.connections.len());
        let registry = self.poll.registry();
        let interest = Interest::READABLE | Interest::WRITABLE;
        let socket = match transport {
            Transport::Tcp => {
                let stream = net::TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                let mut stream = TcpStream::from_std(stream);
                registry.register(&mut stream, token, interest)?;
                Socket::Tcp(stream)
            }
            Transport::Udp => {
                let socket = net::UdpSocket::bind("127.0.0.1:0")?;
                socket.connect(address)?;
                socket.set_nonblocking(true)?;
                let mut socket = UdpSocket::from_std(socket);
                registry.register(&mut socket, token, interest)?;
                Socket::Udp(socket)
            }
        };
        let mut connection = Connection {
            socket,
            wire,
            input: Vec::new(),
            output: Vec::new(),
            under_way: Vec::new(),
            waiting: VecDeque::new(),
        };
        connection.wire.open(&mut connection.output);
        connection.flush()?;
        self.connections.push(connection);
        Ok(())
    }

    pub(crate) fn connections(&mut self) -> &mut [Connection<W>] {
        &mut self.connections
    }

    /// Takes what came by `until`, and at least what is there. `done` gets each answer and its connection,
    /// which may then send more.
    pub(crate) fn turn(
        &mut self,
        until: Instant,
        done: &mut dyn FnMut(&mut Connection<W>, Answer) -> io::Result<()>,
    ) -> io::Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        let millisecond = Duration::from_millis(1);
        let wait = match left < millisecond {
            true => Duration::ZERO,
            false => left - millisecond,
        };
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        if self.events.is_empty() && wait.is_zero() && !left.is_zero() {
            std::thread::sleep(left.min(STEP));
        }
        for event in &self.events {
            let connection = &mut self.connections[event.token().0];
            if event.is_readable() {
                let answers = &mut self.answers;
                connection.receive(&mut self.chunk, &mut |answer| answers.push(answer))?;
                for answer in answers.drain(..) {
                    done(connection, answer)?;
                }
            }
            connection.flush()?;
        }
        Ok(())
    }
}
