//! The driver of the simulated device: it does what an `Output` says and reports what happened, and decides nothing.

use castline::protocol::limits::MAX_OPEN_REQUESTS;
use castline::{Command, Config, Core, Event, Flags, Inbox, Input, Method, Output, Secret};

use crate::coverage::Mark;
use crate::plan::TokenMode;
use crate::server::http::HttpCall;
use crate::trace::short;
use crate::world::{Item, Local, World};

/// More outputs than one input can sensibly bring about.
const MOST_OUTPUTS: usize = 5_000;

impl World {
    pub(crate) fn start_process(&mut self) {
        if self.device.process.is_some() {
            return;
        }
        if let Some(sleep) = self.device.asleep {
            return self.schedule(sleep.until, Item::Start);
        }
        let mut config = Config::new("https://live.example.com", "2.0.0");
        config.persistent = self.plan.persistent;
        config.flag_updates = self.plan.flag_updates;
        config.sdk.platform = "simulation".into();
        if self.plan.first_token && self.tokens == TokenMode::Good {
            config.token = self.make_token();
        }
        let with_token = config.token.is_some();
        let now = self.device.now(self.t);
        self.trace.line("device", || {
            format!("process {} starts, token in hand: {with_token}", self.device.number + 1)
        });
        let core = Core::new(config, self.rng.next(), now);
        let inbox = Inbox::new(self.plan.flag_updates, Flags::defaults());
        self.device.start(self.t, core, inbox);
        self.checks.process_starts(now, with_token);
        self.drain();
        // A host tells what it knows at the start.
        if self.network_lost {
            self.feed(Input::Lifecycle(castline::Lifecycle::NetworkLost));
        }
        if self.background {
            self.feed(Input::Lifecycle(castline::Lifecycle::Background));
        }
    }

    pub(crate) fn kill_process(&mut self) {
        let Some(process) = &self.device.process else { return };
        self.trace.line("device", || format!("the process dies, {} saves under way", process.saves.len()));
        let number = self.device.number;
        self.net.device_dies(self.t, number);
        let (pending, kept) = self.device.die(self.plan.persistent);
        if pending > 0 {
            self.cover.hit(Mark::KilledMidSave);
        }
        self.checks.process_dies(&kept);
        self.game.process_died();
    }

    pub(crate) fn command(&mut self, mut command: Command) {
        if let Command::NotReady { withdrawn } = &mut command
            && let Some(process) = &mut self.device.process
        {
            *withdrawn = process.inbox.not_ready();
        }
        if let Err(e) = command.check() {
            self.checks.fail("harness", format!("the game's own command is bad: {e}: {command:?}"));
            return;
        }
        // The bound on open requests is kept at the call, before the core hears of it.
        if matches!(command, Command::Request { .. } | Command::PlaceBet { .. })
            && self.checks.open_requests() >= MAX_OPEN_REQUESTS
        {
            self.cover.hit(Mark::TooManyRequests);
            return;
        }
        if matches!(command, Command::Ready { .. })
            && let Some(process) = &mut self.device.process
        {
            let _published = process.inbox.apply_flags();
        }
        self.feed(Input::Command(command));
    }

    pub(crate) fn set_token(&mut self, token: Option<String>) {
        self.command(Command::SetToken(token.map(Secret)));
    }

    pub(crate) fn feed(&mut self, input: Input<'_>) {
        let now = self.device.now(self.t);
        let Some(process) = &mut self.device.process else { return };
        self.trace.line("→ core", || describe(&input));
        self.checks.input(self.t, now, &input);
        process.core.handle(input, now);
        self.drain();
    }

    /// Does everything the core wants. Loads are answered before anything else is handed in.
    pub(crate) fn drain(&mut self) {
        let now = self.device.now(self.t);
        let mut loads = Vec::new();
        for round in 0.. {
            let Some(process) = &mut self.device.process else { return };
            let output = process.core.poll_output();
            let estimate = process.core.server_time(now);
            if !matches!(output, Output::WakeAt(_)) {
                self.trace.line("core →", || show(&output));
            }
            self.checks.output(&output, estimate);
            if round > MOST_OUTPUTS {
                self.checks.fail("wakes", format!("more than {MOST_OUTPUTS} outputs after one input"));
            }
            if self.checks.failure.is_some() {
                return;
            }
            match output {
                Output::WakeAt(at) => {
                    self.wake_at(at);
                    break;
                }
                Output::Load { key } => loads.push(key),
                other => self.perform(other),
            }
        }
        self.checks.drained(self.device.process.as_ref());
        if self.checks.idle_wake() {
            self.trace.line("core", || "did nothing".into());
        }
        for key in loads {
            let bytes = self.load(&key);
            self.checks.loaded(&key, bytes.is_some());
            self.feed(Input::Loaded { key, bytes: bytes.as_deref() });
        }
        self.watch_inbox();
    }

    fn wake_at(&mut self, at: u64) {
        let due = if at == u64::MAX { None } else { Some(self.device.time_of(self.t, at)) };
        let due = due.map(|due| self.device.timer(due));
        let Some(process) = &mut self.device.process else { return };
        if process.wake_at == at && process.wakes > 0 && due.is_some_and(|due| due > self.t) {
            // The timer that runs already will do, unless it has just fired.
            if !self.checks.just_woke() {
                return;
            }
        }
        process.wake_at = at;
        process.wakes += 1;
        let number = process.wakes;
        if let Some(due) = due {
            self.deliver(due, Local::Wake(number));
        }
    }

    fn perform(&mut self, output: Output) {
        let process_number = self.device.number;
        match output {
            Output::OpenSocket { socket, url } => {
                if url != "wss://live.example.com/ws" {
                    self.checks.fail("wire", format!("OpenSocket to {url}"));
                }
                self.net.open(self.t, process_number, socket);
            }
            Output::SendText { socket, text } => {
                if let Some(link) = self.net.of_socket(process_number, socket) {
                    self.net.text_up(self.t, link, text);
                }
            }
            Output::CloseSocket { socket, code: _ } => {
                if let Some(link) = self.net.of_socket(process_number, socket) {
                    self.net.device_closes(self.t, link);
                }
            }
            Output::HttpRequest { http, method, url, headers, body, timeout_ms } => {
                let call = HttpCall { post: method == Method::Post, url, headers, body };
                self.http_request(http, call, u64::from(timeout_ms));
            }
            Output::FetchToken { ticket } => {
                let (token, after) = self.ask_token();
                // A provider answers the question; a game that polls answers with `set_token`.
                let answer = if self.plan.token_by_game {
                    Local::SetToken(token)
                } else {
                    Local::Token(ticket, token)
                };
                self.deliver(self.t + after, answer);
            }
            Output::Save { key, bytes } => {
                let step = self.checks.step();
                let (number, takes) = self.device.save(key, bytes, step);
                self.deliver(self.t + takes, Local::Saved(number));
            }
            Output::Flags(flags) => {
                if let Some(process) = &mut self.device.process {
                    let _published = process.inbox.offer_flags(flags);
                }
            }
            Output::Event { event, durable } => {
                if let Some(process) = &mut self.device.process {
                    process.inbox.push(event, durable);
                }
            }
            _ => {}
        }
    }

    /// The game is called once a frame; here it looks when there is something, after its own delay.
    fn watch_inbox(&mut self) {
        let delay = self.game.poll_delay();
        let Some(process) = &mut self.device.process else { return };
        if process.inbox.len() >= 256 {
            self.cover.hit(Mark::InboxFull);
        }
        if !process.poll_due && !process.inbox.is_empty() {
            process.poll_due = true;
            self.deliver(self.t + delay, Local::Poll);
        }
    }

    pub(crate) fn poll(&mut self) {
        let mut events = Vec::new();
        let Some(process) = &mut self.device.process else { return };
        process.poll_due = false;
        let mut durable = false;
        while let Some(handed) = process.inbox.pop() {
            durable |= handed.durable;
            events.push(handed.event);
        }
        let taken = process.inbox.taken();
        for event in &events {
            self.trace.line("game takes", || format!("{event:?}"));
            self.checks.popped(event, &mut self.cover);
        }
        if durable || self.rng.chance(10) {
            self.feed(Input::Taken { events: taken });
        }
        for event in events {
            self.react(&event);
        }
        // What the reaction brought about is looked at in the next frame.
        self.watch_inbox();
    }

    fn react(&mut self, event: &Event) {
        if let Event::OfferReady { offer } = event {
            for command in self.game.judge(&offer.offer_id) {
                self.command(command);
            }
        }
    }
}

fn describe(input: &Input<'_>) -> String {
    match input {
        Input::Token { ticket, token } => {
            format!("Token {} {}", ticket.0, if token.is_some() { "given" } else { "none" })
        }
        Input::Text { socket, text } => format!("Text #{} {}", socket.0, short(text)),
        Input::Loaded { key, bytes } => {
            format!("Loaded {key:?} {:?}", bytes.map(|b| short(&String::from_utf8_lossy(b))))
        }
        Input::HttpResponse { http, reply } => match reply {
            Ok(r) => {
                format!("HttpResponse {} {} {}", http.0, r.status, short(&String::from_utf8_lossy(r.body)))
            }
            Err(e) => format!("HttpResponse {} {e:?}", http.0),
        },
        other => format!("{other:?}"),
    }
}

fn show(output: &Output) -> String {
    match output {
        Output::SendText { socket, text } => format!("SendText #{} {}", socket.0, short(text)),
        Output::Save { key, bytes } => format!("Save {key:?} {}", short(&String::from_utf8_lossy(bytes))),
        Output::Flags(flags) => format!("Flags {}", flags.version()),
        Output::HttpRequest { http, url, body, .. } => {
            format!("HttpRequest {} {url} {}", http.0, short(body))
        }
        other => format!("{other:?}"),
    }
}
