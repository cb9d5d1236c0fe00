//! The client that a game holds: each method checks its arguments, puts a command into the driver's queue, and returns.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use mio::{Poll, Waker};

use super::clock::Clock;
use super::disk::Disk;
use super::handles::{Bets, Offers, Request, Rooms};
use super::http::Http;
use super::logs;
use super::options::Options;
use super::shared::{Message, Shared};
use super::socket::{Binary, Limits, Sockets, WAKER, client_config};
use super::thread::{self, Driver, Start};
use crate::command::{Command, Secret};
use crate::core::Core;
use crate::error::Error;
use crate::event::{Event, Lifecycle, RequestId, State};
use crate::flags::Flags;
use crate::protocol::limits::MAX_MESSAGE_BYTES;
use crate::protocol::{Channel, SUBPROTOCOL};

/// Bytes that may wait for a peer that reads slowly: all open requests at their largest, twice.
const MAX_QUEUED_BYTES: usize = 2 << 20;

/// A connection to the game's server, with flags, offers, rooms and bets.
///
/// Share it by `Arc`: every method takes `&self` and may be called from any thread. No method waits for the network; only
/// [`Client::close`] waits at all. Dropping it closes without waiting.
///
/// ```no_run
/// use castline::{Client, Event, FlagUpdates, Options, Outcome, State};
/// # mod game {
/// #     pub fn token() -> Option<String> { None }
/// #     pub fn show_offer(_: &castline::Offer, _left_ms: i64) {}
/// #     pub fn hide_offer() {}
/// #     pub fn offline(_: castline::Cause) {}
/// #     pub fn frame(_price: &str) -> bool { true }
/// # }
///
/// # fn main() -> Result<(), castline::Error> {
/// let options = Options::new("https://live.example.com", "2.0.0").data_dir("saves");
/// let client = Client::connect(options.flag_updates(FlagUpdates::AtBreak))?;
/// loop {
///     while let Some(event) = client.poll_event() {
///         match event {
///             Event::TokenNeeded => client.set_token(game::token().as_deref())?,
///             Event::OfferReady { offer } => {
///                 game::show_offer(&offer, offer.expires_at - client.server_time());
///                 client.offers().result(&offer.offer_id, Outcome::Shown)?;
///             }
///             Event::NoOffer { .. } | Event::OfferExpired { .. } => game::hide_offer(),
///             Event::StateChanged { state: State::Failed, cause, .. } => game::offline(cause),
///             _ => {}
///         }
///     }
///     let level_completed = game::frame(client.flags().string("starter_pack_price", "$2.99"));
///     if level_completed {
///         client.offers().ready("level_completed")?;
///     }
/// }
/// # }
/// ```
pub struct Client {
    shared: Arc<Shared>,
    messages: Sender<Message>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client and starts to connect. Returns at once, with the last run's flags loaded.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a bad option, [`Error::InUse`] for a data directory that another client uses,
    /// [`Error::Internal`] where the system gives no thread, poller or random number. Never for the network.
    pub fn connect(options: Options) -> Result<Client, Error> {
        let log_queue = options.log_queue.clone();
        let _attached = logs::attach(log_queue.clone());
        let config = options.checked()?;
        let tls = client_config(&options.extra_ca)?;
        let disk = options.data_dir.as_deref().map(Disk::open).transpose()?;
        let seed = getrandom::u64().map_err(|error| {
            log::error!("castline: no random number: {error}");
            Error::Internal
        })?;
        let internal = |error: std::io::Error| {
            log::error!("castline: the driver cannot start: {error}");
            Error::Internal
        };
        let clock = Clock::new();
        let updates = config.flag_updates;
        let started = catch_unwind(AssertUnwindSafe(move || {
            let mut start = Start { core: Core::new(config, seed, clock.now()), clock, disk };
            let (flags, later) = start.load();
            (start, flags, later)
        }));
        let (start, flags, later) = started.map_err(|_| Error::Internal)?;

        let poll = Poll::new().map_err(internal)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(internal)?);
        let registry = poll.registry().try_clone().map_err(internal)?;
        let limits = Limits {
            max_message: MAX_MESSAGE_BYTES,
            max_queued: MAX_QUEUED_BYTES,
            binary: Binary::Refuse,
            sub_protocol: Some(SUBPROTOCOL),
        };
        let sockets = Sockets::new(registry, Arc::clone(&waker), Arc::clone(&tls), options.resolver, limits);
        let http = Http::new(tls, Arc::clone(&waker));
        let server_clock = start.core.server_clock();
        let shared = Arc::new(Shared::new(clock, server_clock, waker, updates, flags, log_queue));
        let (sender, messages) = channel();
        let driver = Driver {
            core: start.core,
            clock,
            disk: start.disk,
            poll,
            sockets,
            http,
            messages,
            shared: Arc::clone(&shared),
            wake_at: u64::MAX,
            loads: Default::default(),
            saved: Default::default(),
            taken: 0,
            closed: false,
            last_words: None,
            more: false,
        };
        std::thread::Builder::new()
            .name("castline-io".to_owned())
            .spawn(move || thread::main(driver, later))
            .map_err(internal)?;
        Ok(Client { shared, messages: sender })
    }

    /// The next event, if there is one. An empty poll allocates nothing and takes no lock.
    ///
    /// One poller at a time: a second one, and one inside [`Client::tick`]'s closure, gets `None`. After
    /// [`Client::close`] the events that were still open come, and then none.
    pub fn poll_event(&self) -> Option<Event> {
        if self.shared.is_ticking() { None } else { self.shared.poll() }
    }

    /// Hands events to `f`, on this thread and with no lock held, until none is left or `budget` is used up; at least one.
    pub fn tick(&self, budget: Duration, mut f: impl FnMut(Event)) {
        if !self.shared.begin_tick() {
            return;
        }
        let _ending = EndTick(&self.shared);
        let start = Instant::now();
        while let Some(event) = self.shared.poll() {
            f(event);
            if start.elapsed() >= budget {
                return;
            }
        }
    }

    /// Where the connection stands now. [`Event::StateChanged`] tells of it in the order of events.
    pub fn state(&self) -> State {
        self.shared.state()
    }

    /// A consistent snapshot of all flags, which never changes. Wait-free; allocates nothing.
    pub fn flags(&self) -> Flags {
        self.shared.flags()
    }

    /// A safe point: fetched flags that wait take effect now. [`Offers::ready`] does this too. Nothing tells that some wait, and where
    /// none do nothing happens: call it wherever values may change before the player's eyes, in each frame of a menu if you like.
    pub fn apply_flags(&self) {
        self.shared.apply_flags();
    }

    /// What the game observes about its player, for targeting: a flat JSON object of at most 8 scalars. Fetches the flags anew.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for anything else.
    pub fn set_attributes(&self, flat_json: &str) -> Result<(), Error> {
        self.command(Command::SetAttributes(flat_json.to_owned()))
    }

    /// Offers at the right moment.
    pub fn offers(&self) -> Offers<'_> {
        Offers { client: self }
    }

    /// Rooms of players.
    pub fn rooms(&self) -> Rooms<'_> {
        Rooms { client: self }
    }

    /// Bets.
    pub fn bets(&self) -> Bets<'_> {
        Bets { client: self }
    }

    /// Sends a request. Exactly one [`Event::RequestCompleted`] or [`Event::RequestFailed`] with the returned id follows.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], [`Error::TooLarge`] above 16,384 bytes, [`Error::Full`] with 64 requests open.
    pub fn request(&self, request: Request) -> Result<RequestId, Error> {
        self.open_request(|id| request.into_command(id))
    }

    /// Sends a message that nobody answers. It is dropped while there is no connection.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], [`Error::TooLarge`] above 16,384 bytes.
    pub fn send(&self, channel: Channel, kind: &str, payload: &str) -> Result<(), Error> {
        self.command(Command::Send { channel, kind: kind.to_owned(), payload: payload.to_owned() })
    }

    /// Queues an analytics event; `props` is a JSON object. It is sent when that costs no wake-up of the radio.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], [`Error::TooLarge`] above 2,048 bytes.
    pub fn track(&self, name: &str, props: &str) -> Result<(), Error> {
        self.command(Command::Track { name: name.to_owned(), props: props.to_owned() })
    }

    /// Answers [`Event::TokenNeeded`], or gives a fresher token for the next connection. `None`: none is to be had now; the game
    /// is asked again after a back-off.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a text that cannot be a token.
    pub fn set_token(&self, token: Option<&str>) -> Result<(), Error> {
        self.command(Command::SetToken(token.map(|token| Secret(token.to_owned()))))?;
        self.shared.token_answered();
        Ok(())
    }

    /// The host's word on the app's life. After [`Client::close`] it does nothing.
    pub fn lifecycle(&self, what: Lifecycle) {
        if self.shared.check_alive().is_ok() && self.shared.begin_urgent().is_ok() {
            let _ = self.post(Message::Lifecycle(what));
        }
    }

    /// Connects now: takes the device back after `Replaced`, tries again after `Failed` for `Auth`, ends a back-off.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn reconnect(&self) -> Result<(), Error> {
        self.command(Command::Reconnect)
    }

    /// The server's wall clock, Unix ms; the device's clock until the server's first word. Takes no lock.
    pub fn server_time(&self) -> i64 {
        self.shared.server_clock.read(self.shared.clock.now())
    }

    /// Closes: sends what is queued, saves, and waits at most `max_wait` until everything is given back. What was still open is
    /// answered by events.
    ///
    /// # Errors
    /// [`Error::TimedOut`]: it goes on closing by itself. [`Error::Internal`] after a defect.
    pub fn close(&self, max_wait: Duration) -> Result<(), Error> {
        self.begin_close();
        if !self.shared.wait_ended(max_wait) {
            return Err(Error::TimedOut);
        }
        match self.shared.check_alive() {
            Err(Error::Internal) => Err(Error::Internal),
            _ => Ok(()),
        }
    }

    /// For the other faces, whose every call tells whether the client still takes it.
    #[doc(hidden)]
    pub fn check_alive(&self) -> Result<(), Error> {
        self.shared.check_alive()
    }

    /// Rounds of the driver's loop so far: for tests that prove that it sleeps.
    #[doc(hidden)]
    pub fn rounds(&self) -> u64 {
        self.shared.rounds.load(Ordering::Relaxed)
    }

    fn begin_close(&self) {
        if self.shared.close() {
            self.shared.force_command();
            let _ = self.post(Message::Command(Command::Close));
        }
    }

    /// Checks a command and queues it.
    pub(crate) fn command(&self, command: Command) -> Result<(), Error> {
        self.shared.check_alive()?;
        command.check()?;
        self.shared.begin_command()?;
        self.post(Message::Command(command))
    }

    /// `NotReady`, with the offer that was on its way to the game. Both in one step, so that no poll in between can take its place.
    pub(crate) fn not_ready(&self) -> Result<(), Error> {
        self.shared.check_alive()?;
        self.shared.begin_command()?;
        self.shared.withdraw(|withdrawn| self.post(Message::Command(Command::NotReady { withdrawn })))
    }

    /// The same for a command that will be answered.
    pub(crate) fn open_request(&self, make: impl FnOnce(RequestId) -> Command) -> Result<RequestId, Error> {
        self.shared.check_alive()?;
        let id = self.shared.begin_request()?;
        // Checked after the place was taken, for the check needs the command and the command its id.
        self.command(make(id)).inspect_err(|_| self.shared.end_request())?;
        Ok(id)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    fn post(&self, message: Message) -> Result<(), Error> {
        if self.messages.send(message).is_err() {
            self.shared.end_command();
            self.shared.check_alive()?;
            return Err(Error::Closed);
        }
        self.shared.wake();
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.begin_close();
    }
}

/// Also when the game's closure panics.
struct EndTick<'a>(&'a Shared);

impl Drop for EndTick<'_> {
    fn drop(&mut self) {
        self.0.end_tick();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Cause;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A client of a server that is not there.
    fn client() -> Client {
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Client::connect(Options::new(format!("http://{gone}"), "1")).unwrap()
    }

    #[test]
    fn a_defect_on_the_drivers_thread_stays_there() {
        let client = client();
        client.shared.force_command();
        client.post(Message::Panic).unwrap();
        assert!(client.shared.wait_ended(PATIENCE));
        assert_eq!(client.state(), State::Failed);
        let told = std::iter::from_fn(|| client.poll_event()).last();
        assert!(
            matches!(told, Some(Event::StateChanged { state: State::Failed, cause: Cause::Unsupported, .. })),
            "{told:?}"
        );
        assert_eq!(client.track("x", "{}"), Err(Error::Internal));
        assert_eq!(client.reconnect(), Err(Error::Internal));
        assert_eq!(client.flags().i64("x", 7), 7);
        client.lifecycle(Lifecycle::Foreground);
        assert_eq!(client.close(PATIENCE), Err(Error::Internal));
    }

    #[test]
    fn commands_that_nobody_takes_are_refused_at_the_bound() {
        let client = client();
        // As if the driver had stopped taking them.
        let waiting = (0..).take_while(|_| client.shared.begin_command().is_ok()).count();
        assert!(waiting >= 1_000, "{waiting}");
        assert_eq!(client.track("x", "{}"), Err(Error::Full));
        assert_eq!(client.bets().place(super::super::Bet::new("dice", 1, "{}")), Err(Error::Full));
        client.shared.end_command();
        assert_eq!(client.track("x", "{}"), Ok(()));
        assert_eq!(client.close(PATIENCE), Ok(()), "closing is never refused");
    }
}
