//! HTTP beside the socket: ureq on short-lived threads, so that a slow answer holds up nothing else.
//!
//! A worker lives while there are requests and ends when there are none. Any status is an answer; redirects are not followed;
//! a body is at most 64 KiB; proxies named in the environment are ignored.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mio::Waker;
use rustls::ClientConfig;
use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::Connector;

use super::http_tcp::RacingConnector;
use super::http_tls::TlsConnector;
use super::logs;
use crate::io::{HttpFailure, HttpId, Method};

/// A longer body is a failure.
const MAX_BODY: usize = 65_536;
/// So many at a time; a server that answers one never does not hold up the others.
const MAX_WORKERS: usize = 4;
/// Requests that wait for a worker; the core has a handful at most.
const MAX_WAITING: usize = 64;

/// A request that the core asked for.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) http: HttpId,
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) timeout: Duration,
}

/// Its end.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) http: HttpId,
    pub(crate) reply: Result<Reply, HttpFailure>,
}

/// An answer of any status.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(Request, Instant)>,
    workers: usize,
    closed: bool,
}

struct Shared {
    agent: Agent,
    queue: Mutex<Queue>,
    answers: Sender<Response>,
    waker: Arc<Waker>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, http: HttpId, reply: Result<Reply, HttpFailure>) {
        // The loop may have ended meanwhile; then nobody wants to know.
        let _ = self.answers.send(Response { http, reply });
        let _ = self.waker.wake();
    }
}

/// The HTTP side of a driver.
pub(crate) struct Http {
    shared: Arc<Shared>,
    answers: Receiver<Response>,
    /// Under way, with their methods.
    open: Vec<(HttpId, Method)>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

impl Http {
    pub(crate) fn new(tls: Arc<ClientConfig>, waker: Arc<Waker>) -> Http {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("castline/", env!("CARGO_PKG_VERSION")))
            // Requests are rare: a kept connection would be dead by the next one, and TLS resumes anyway.
            .max_idle_connections(0)
            .build();
        let (sender, answers) = channel();
        let shared = Shared { agent: agent(config, tls), queue: Mutex::default(), answers: sender, waker };
        Http { shared: Arc::new(shared), answers, open: Vec::new() }
    }

    /// Begins a request; its end comes from [`Http::next`], after a wake-up.
    pub(crate) fn start(&mut self, request: Request) {
        let http = request.http;
        self.open.push((http, request.method));
        let deadline = Instant::now() + request.timeout;
        let mut queue = self.shared.queue();
        if queue.waiting.len() >= MAX_WAITING {
            drop(queue);
            return self.shared.answer(http, Err(HttpFailure::TimedOut));
        }
        queue.waiting.push_back((request, deadline));
        if queue.workers == MAX_WORKERS {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let log_queue = logs::attached();
        let worker = move || {
            let _attached = logs::attach(log_queue);
            work(&shared);
        };
        match std::thread::Builder::new().name("castline-http".to_owned()).spawn(worker) {
            Ok(_) => queue.workers += 1,
            Err(error) => {
                log::warn!("castline: no thread for HTTP: {error}");
                if queue.workers == 0 {
                    queue.waiting.clear();
                    drop(queue);
                    self.shared.answer(http, Err(HttpFailure::Unreachable));
                }
            }
        }
    }

    /// The next request that ended.
    pub(crate) fn next(&mut self) -> Option<Response> {
        let response = self.answers.try_recv().ok()?;
        self.open.retain(|(http, _)| *http != response.http);
        Some(response)
    }

    /// Whether something is being delivered: a `GET` can be broken off without loss.
    pub(crate) fn is_delivering(&self) -> bool {
        self.open.iter().any(|(_, method)| *method == Method::Post)
    }
}

impl Drop for Http {
    /// What waits is dropped, what is under way is broken off, and nobody is told.
    fn drop(&mut self) {
        let mut queue = self.shared.queue();
        queue.closed = true;
        queue.waiting.clear();
        drop(queue);
        self.shared.agent.clone().shutdown();
    }
}

fn agent(config: Config, tls: Arc<ClientConfig>) -> Agent {
    Agent::with_parts(config, RacingConnector.chain(TlsConnector::new(tls)), DefaultResolver::default())
}

fn work(shared: &Shared) {
    loop {
        let next = {
            let mut queue = shared.queue();
            let next = if queue.closed { None } else { queue.waiting.pop_front() };
            if next.is_none() {
                // Under the lock: a request that comes now starts a new worker.
                queue.workers -= 1;
            }
            next
        };
        let Some((request, deadline)) = next else { return };
        let http = request.http;
        let perform = std::panic::AssertUnwindSafe(|| perform(&shared.agent, request, deadline));
        let reply = std::panic::catch_unwind(perform).unwrap_or(Err(HttpFailure::Unreachable));
        shared.answer(http, reply);
    }
}

fn perform(agent: &Agent, request: Request, deadline: Instant) -> Result<Reply, HttpFailure> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(HttpFailure::TimedOut);
    }
    let mut builder = ::http::Request::builder().method(request.method.as_str()).uri(&request.url);
    for (name, value) in &request.headers {
        builder = builder.header(*name, value);
    }
    let answer = match request.method {
        Method::Get => builder.body(()).map_err(ureq::Error::from).and_then(|r| run(agent, r, left)),
        Method::Post => {
            builder.body(request.body).map_err(ureq::Error::from).and_then(|r| run(agent, r, left))
        }
    };
    let mut answer = answer.map_err(|error| failure(&error))?;
    let headers = answer.headers().iter().filter_map(|(name, value)| {
        // Names are in lower case already; a value that is no text tells the core nothing.
        value.to_str().ok().map(|value| (name.as_str().to_owned(), value.to_owned()))
    });
    let headers = headers.collect();
    let mut body = Vec::new();
    let read = answer.body_mut().as_reader().take(MAX_BODY as u64 + 1).read_to_end(&mut body);
    read.map_err(|error| read_failure(&error))?;
    if body.len() > MAX_BODY {
        return Err(HttpFailure::TooLarge);
    }
    Ok(Reply { status: answer.status().as_u16(), headers, body })
}

fn run(
    agent: &Agent,
    request: ::http::Request<impl ureq::AsSendBody>,
    timeout: Duration,
) -> Result<::http::Response<ureq::Body>, ureq::Error> {
    let request = agent.configure_request(request).timeout_global(Some(timeout)).build();
    agent.run(request)
}

fn failure(error: &ureq::Error) -> HttpFailure {
    // The text names hosts and reasons; headers and bodies, where secrets are, are not in it.
    log::debug!("castline: HTTP failed: {error}");
    match error {
        ureq::Error::Timeout(_) => HttpFailure::TimedOut,
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => HttpFailure::TimedOut,
        _ => HttpFailure::Unreachable,
    }
}

fn read_failure(error: &io::Error) -> HttpFailure {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    match inner {
        Some(inner) => failure(inner),
        None if error.kind() == io::ErrorKind::TimedOut => HttpFailure::TimedOut,
        None => HttpFailure::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::sync::mpsc;

    use mio::{Events, Poll, Token};

    use super::*;
    use crate::native::socket::client_config;

    const PATIENCE: Duration = Duration::from_secs(20);

    struct Rig {
        poll: Poll,
        http: Http,
    }

    impl Rig {
        fn new() -> Rig {
            let poll = Poll::new().unwrap();
            let waker = Arc::new(Waker::new(poll.registry(), Token(0)).unwrap());
            Rig { poll, http: Http::new(client_config(b"").unwrap(), waker) }
        }

        fn start(&mut self, id: u64, method: Method, url: String, timeout: Duration) {
            let headers = vec![("authorization", "Bearer t".to_owned()), ("x-test", "1".to_owned())];
            let body = if method == Method::Post { "{\"a\":1}".to_owned() } else { String::new() };
            self.http.start(Request { http: HttpId(id), method, url, headers, body, timeout });
        }

        /// Sleeps in the poller: an answer must wake it.
        fn next(&mut self) -> Response {
            let deadline = Instant::now() + PATIENCE;
            loop {
                if let Some(response) = self.http.next() {
                    return response;
                }
                assert!(Instant::now() < deadline, "no answer woke the poller");
                self.poll.poll(&mut Events::with_capacity(4), Some(PATIENCE)).unwrap();
            }
        }

        fn get(&mut self, address: SocketAddr, timeout: Duration) -> Result<Reply, HttpFailure> {
            self.start(1, Method::Get, format!("http://{address}/flags?x=1"), timeout);
            let response = self.next();
            assert_eq!(response.http, HttpId(1));
            response.reply
        }
    }

    /// Answers every connection with these bytes once it has said its request, then ends it.
    fn server(answer: impl AsRef<[u8]> + Send + Sync + 'static) -> (SocketAddr, mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (told, requests) = mpsc::channel();
        std::thread::spawn(move || {
            for tcp in listener.incoming() {
                let mut tcp: TcpStream = tcp.unwrap();
                let (mut request, mut buf) = (String::new(), [0; 4096]);
                while !request.contains("\r\n\r\n")
                    || (request.starts_with("POST") && !request.ends_with('}'))
                {
                    let n = tcp.read(&mut buf).unwrap();
                    request.push_str(std::str::from_utf8(&buf[..n]).unwrap());
                }
                let _ = told.send(request);
                let _ = tcp.write_all(answer.as_ref());
            }
        });
        (address, requests)
    }

    fn page(status: &str, headers: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn every_status_is_an_answer_and_redirects_are_not_followed() {
        let html = "<html>Log in to the hotel's network</html>";
        for (status, headers, body) in [
            ("200 OK", "ETag: \"v1-x\"\r\n", "{}"),
            ("304 Not Modified", "", ""),
            ("302 Found", "Location: http://127.0.0.1:1/portal\r\n", html),
            ("429 Too Many Requests", "Retry-After: 7\r\n", ""),
            ("500 Internal Server Error", "", "oops"),
            ("200 OK", "Content-Type: text/html\r\n", html),
        ] {
            let (address, _) = server(page(status, headers, body));
            let reply = Rig::new().get(address, PATIENCE).unwrap();
            assert_eq!(reply.status.to_string(), status[..3]);
            assert_eq!(reply.body, body.as_bytes());
            if let Some((name, value)) = headers.trim().split_once(": ") {
                let name = name.to_ascii_lowercase();
                assert!(reply.headers.contains(&(name, value.to_owned())), "{:?}", reply.headers);
            }
        }
    }

    #[test]
    fn method_headers_and_body_arrive() {
        let (address, requests) = server(page("200 OK", "", ""));
        let mut rig = Rig::new();
        rig.start(7, Method::Post, format!("http://{address}/events"), PATIENCE);
        assert!(rig.next().reply.is_ok());
        let request = requests.recv_timeout(PATIENCE).unwrap();
        assert!(request.starts_with("POST /events HTTP/1.1\r\n"), "{request}");
        assert!(
            request.contains("authorization: Bearer t\r\n") && request.contains("x-test: 1\r\n"),
            "{request}"
        );
        assert!(request.ends_with("\r\n\r\n{\"a\":1}"), "{request}");
    }

    #[test]
    fn a_body_may_have_64_kib_and_not_a_byte_more() {
        for (length, good) in [(65_536, true), (65_537, false), (10_000_000, false)] {
            let (address, _) = server(page("200 OK", "", &"x".repeat(length)));
            let reply = Rig::new().get(address, PATIENCE);
            match reply {
                Ok(reply) => assert!(good && reply.body.len() == length),
                Err(failure) => assert!(!good && failure == HttpFailure::TooLarge, "{failure:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_answer_is_a_failure() {
        let truncated = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"version\":";
        for answer in ["", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 200 OK\r\nContent-", truncated] {
            let (address, _) = server(answer);
            assert_eq!(
                Rig::new().get(address, PATIENCE).unwrap_err(),
                HttpFailure::Unreachable,
                "{answer:?}"
            );
        }
        // Bound, so that nobody else gets the port, and never listening.
        let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        bound.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let nobody = bound.local_addr().unwrap().as_socket().unwrap();
        assert_eq!(Rig::new().get(nobody, PATIENCE).unwrap_err(), HttpFailure::Unreachable);
    }

    #[test]
    fn a_connect_that_nobody_answers_is_broken_off_with_the_client() {
        use socket2::{Domain, Socket, Type};
        // A full backlog takes no connection and does not refuse one.
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let dead = listener.local_addr().unwrap();
        let fill = || {
            let filler = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            filler.set_nonblocking(true).unwrap();
            let _ = filler.connect(&dead);
            filler
        };
        let _held = [fill(), fill(), fill(), fill()];
        let mut rig = Rig::new();
        rig.start(
            1,
            Method::Post,
            format!("http://{}/", dead.as_socket().unwrap()),
            Duration::from_secs(3600),
        );
        assert!(rig.http.is_delivering());
        let shared = Arc::clone(&rig.http.shared);
        drop(rig);
        let deadline = Instant::now() + PATIENCE;
        while shared.queue().workers > 0 {
            assert!(Instant::now() < deadline, "it still waits");
            std::thread::yield_now();
        }
    }

    #[test]
    fn silence_ends_with_the_requests_time() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap();
        let reply = Rig::new().get(address, Duration::from_millis(50));
        assert_eq!(reply.unwrap_err(), HttpFailure::TimedOut);
    }

    #[test]
    fn one_that_hangs_holds_up_none_and_workers_end() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, _) = server(page("200 OK", "", ""));
        let mut rig = Rig::new();
        rig.start(1, Method::Get, format!("http://{}/", silent.local_addr().unwrap()), PATIENCE);
        for id in 2..20 {
            rig.start(id, Method::Get, format!("http://{address}/"), PATIENCE);
        }
        let mut answered: Vec<u64> = (2..20).map(|_| rig.next().http.0).collect();
        answered.sort_unstable();
        assert_eq!(answered, (2..20).collect::<Vec<_>>());
        assert!(!rig.http.is_delivering(), "what is left is a GET");
        let shared = Arc::clone(&rig.http.shared);
        // It breaks off the one that hangs.
        drop(rig);
        let deadline = Instant::now() + PATIENCE;
        while shared.queue().workers > 0 {
            assert!(Instant::now() < deadline, "a worker stays without work");
            std::thread::yield_now();
        }
    }
}
