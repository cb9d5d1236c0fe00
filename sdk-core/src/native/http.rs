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
use ureq::unversioned::transport::{Connector, TcpConnector};

use super::http_tls::TlsConnector;
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
        Http { shared: Arc::new(shared), answers }
    }

    /// Begins a request; its end comes from [`Http::next`], after a wake-up.
    pub(crate) fn start(&self, request: Request) {
        let http = request.http;
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
        match std::thread::Builder::new().name("castline-http".to_owned()).spawn(move || work(&shared)) {
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
    pub(crate) fn next(&self) -> Option<Response> {
        self.answers.try_recv().ok()
    }
}

impl Drop for Http {
    /// What waits is dropped; what is under way ends by itself, at its time-out at the latest, and tells nobody.
    fn drop(&mut self) {
        let mut queue = self.shared.queue();
        queue.closed = true;
        queue.waiting.clear();
    }
}

fn agent(config: Config, tls: Arc<ClientConfig>) -> Agent {
    let connector = ().chain(TcpConnector::default()).chain(TlsConnector::new(tls));
    Agent::with_parts(config, connector, DefaultResolver::default())
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
