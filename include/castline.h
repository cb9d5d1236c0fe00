/* Castline for C99 and C++11. Printed from the Rust sources by `cargo xtask header`: change those.
 *
 * Strings in   UTF-8, NUL-terminated, copied before the call returns. NULL or bad UTF-8: INVALID_ARGUMENT, unless it says "or NULL".
 *              payload, props, context, data: one JSON object. selection: any JSON value.
 * Strings out  castline_str inside an event: owned by the client, valid until the next poll_event, tick or free on it. ptr is never
 *              NULL and ptr[len] is 0. Copy what you keep.
 * Handles      Tokens, looked up in a table, never dereferenced. NULL or freed: INVALID_HANDLE; a getter gives the default.
 * Threads      Any function from any thread; poll_event and tick from one at a time. No thread of the library calls your code.
 * Time         No function waits, except castline_client_close.
 * Results      A castline_result tells of the call itself. What the network or the server does comes as an event.
 * Free         castline_client_free is the only free; nothing else that you receive is yours. */
#ifndef CASTLINE_H
#define CASTLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

/** The ABI of this header, major << 16 | minor; see castline_abi_version. */
#define CASTLINE_ABI_VERSION 0x00010000u

/** A buffer of this size holds any flag's value. */
#define CASTLINE_FLAG_MAX 2048u

/** castline_options options = CASTLINE_OPTIONS_INIT; */
#define CASTLINE_OPTIONS_INIT { (uint32_t)sizeof(castline_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/** What a call did. What the network or the server does comes as an event. */
enum {
  /** Done, or on its way. */
  CASTLINE_OK = 0,
  /** No event waits. */
  CASTLINE_NO_EVENT = 1,
  /** An argument is not of its form; the log says which and how. */
  CASTLINE_INVALID_ARGUMENT = 2,
  /** The handle is NULL, was freed, or was never one. */
  CASTLINE_INVALID_HANDLE = 3,
  /** The client was closed. */
  CASTLINE_CLOSED = 4,
  /** A bound is reached: 64 clients, 64 open requests, 8 rooms, 1,024 calls that the I/O thread has not taken yet. */
  CASTLINE_FULL = 5,
  /** A message above 16,384 bytes with its envelope, or an analytics event above 2,048. */
  CASTLINE_TOO_LARGE = 6,
  /** Another thread polls, or a callback does. */
  CASTLINE_BUSY = 7,
  /** Another client uses this data directory. */
  CASTLINE_IN_USE = 8,
  /** The wait was longer than allowed. */
  CASTLINE_TIMED_OUT = 9,
  /** A struct_size that this library cannot read. */
  CASTLINE_UNSUPPORTED = 10,
  /** A defect of the library, or the system gave no thread, poller or random number. */
  CASTLINE_INTERNAL = 11,
};
typedef uint32_t castline_result;

/** When fetched flags take effect. */
enum {
  /** With the event FLAGS_CHANGED. */
  CASTLINE_FLAGS_IMMEDIATE = 0,
  /** Only in castline_offers_ready and castline_flags_apply; but a run's first answer at once while no flag has been read. */
  CASTLINE_FLAGS_AT_BREAK = 1,
};
typedef uint32_t castline_flag_updates;

/** How grave a log line is; as an option: lines up to this one are wanted. */
enum {
  /** No lines. */
  CASTLINE_LOG_OFF = 0,
  /** Something is broken. */
  CASTLINE_LOG_ERROR = 1,
  /** Something was lost, refused or set aside. */
  CASTLINE_LOG_WARN = 2,
  /** The connection's moves. */
  CASTLINE_LOG_INFO = 3,
  /** Everything else. */
  CASTLINE_LOG_DEBUG = 4,
};
typedef uint32_t castline_log_level;

/** Which member of an event's body holds. A game ignores a kind that it does not know. */
enum {
  /** The connection moved; several moves between two polls may be told as one. */
  CASTLINE_EVENT_STATE_CHANGED = 1,
  /** Answer with castline_client_set_token. Told once until answered. No body. */
  CASTLINE_EVENT_TOKEN_NEEDED = 2,
  /** The resume failed: fetch your state afresh. No body. */
  CASTLINE_EVENT_SESSION_LOST = 3,
  /** A bound was reached; the count since the last report. */
  CASTLINE_EVENT_DROPPED = 4,
  /** Answer to castline_offers_ready: show it now. */
  CASTLINE_EVENT_OFFER_READY = 5,
  /** Answer to castline_offers_ready: nothing to show. What comes later waits for the next one. */
  CASTLINE_EVENT_NO_OFFER = 6,
  /** A surfaced offer ran out unanswered: take it off the screen. The library reports it as expired itself. */
  CASTLINE_EVENT_OFFER_EXPIRED = 7,
  /** What the flag getters return changes with this event. */
  CASTLINE_EVENT_FLAGS_CHANGED = 8,
  /** A request's reply. */
  CASTLINE_EVENT_REQUEST_COMPLETED = 9,
  /** The server's error for a request, or the library's. */
  CASTLINE_EVENT_REQUEST_FAILED = 10,
  /** Somebody joined or left a room, this client included. */
  CASTLINE_EVENT_ROOM_CHANGED = 11,
  /** A room's event. */
  CASTLINE_EVENT_ROOM_MESSAGE = 12,
  /** Room messages were missed: read the room's state afresh. */
  CASTLINE_EVENT_ROOM_GAP = 13,
  /** A bet's result; once a bet, perhaps after a restart. */
  CASTLINE_EVENT_BET_SETTLED = 14,
  /** Any other message: chat, announcements, the game's own. */
  CASTLINE_EVENT_MESSAGE = 15,
};
typedef uint32_t castline_event_kind;

/** Where the connection stands. */
enum {
  /** A bad handle has no state. */
  CASTLINE_STATE_NONE = 0,
  /** A socket is being opened or authenticated. */
  CASTLINE_STATE_CONNECTING = 1,
  /** Authenticated. */
  CASTLINE_STATE_ONLINE = 2,
  /** The next try comes in retry_in_ms; with 0 it waits for the network or a token. */
  CASTLINE_STATE_WAITING = 3,
  /** No socket on purpose: idle, or in the background. */
  CASTLINE_STATE_DORMANT = 4,
  /** The cause says why. AUTH alone can be left, by castline_client_set_token or castline_client_reconnect. */
  CASTLINE_STATE_FAILED = 5,
  /** The device is connected elsewhere; castline_client_reconnect takes it back. */
  CASTLINE_STATE_REPLACED = 6,
  /** The game closed the client. */
  CASTLINE_STATE_CLOSED = 7,
};
typedef uint32_t castline_state;

/** Why the state is what it is. */
enum {
  /** Nothing to explain. */
  CASTLINE_CAUSE_NONE = 0,
  /** The network failed, or the host reports none. */
  CASTLINE_CAUSE_NETWORK = 1,
  /** The server ended the connection. */
  CASTLINE_CAUSE_SERVER = 2,
  /** Nothing happened for long. */
  CASTLINE_CAUSE_IDLE = 3,
  /** The game is in the background. */
  CASTLINE_CAUSE_BACKGROUND = 4,
  /** A token is being waited for. */
  CASTLINE_CAUSE_TOKEN = 5,
  /** The server refused two tokens in a row. */
  CASTLINE_CAUSE_AUTH = 6,
  /** The two ends do not speak the same protocol. */
  CASTLINE_CAUSE_PROTOCOL = 7,
  /** The server wants a newer build of the game. */
  CASTLINE_CAUSE_BUILD_TOO_OLD = 8,
  /** The player is banned. */
  CASTLINE_CAUSE_BANNED = 9,
  /** The library cannot run here. */
  CASTLINE_CAUSE_UNSUPPORTED = 10,
  /** The game closed the client. */
  CASTLINE_CAUSE_CLOSED = 11,
};
typedef uint32_t castline_cause;

/** What was dropped because a bound was reached. */
enum {
  /** Events that the game did not poll. */
  CASTLINE_DROPPED_EVENTS = 1,
  /** Analytics events. */
  CASTLINE_DROPPED_ANALYTICS = 2,
  /** Messages that waited at the server. */
  CASTLINE_DROPPED_BACKLOG = 3,
  /** Log lines. */
  CASTLINE_DROPPED_LOGS = 4,
};
typedef uint32_t castline_dropped_what;

/** Why a request or a join failed. 1 to 14 are the server's, from 100 on the library's. */
enum {
  /** A word that this version does not know; code_text has it. */
  CASTLINE_CODE_UNKNOWN = 0,
  /** Not JSON, too deep, a member missing, of the wrong type or out of range. */
  CASTLINE_CODE_INVALID_PAYLOAD = 1,
  /** Sent before the server knew the player. */
  CASTLINE_CODE_NOT_AUTHENTICATED = 2,
  /** A known channel, an unknown type. */
  CASTLINE_CODE_UNKNOWN_MESSAGE_TYPE = 3,
  /** An unknown channel. */
  CASTLINE_CODE_UNKNOWN_CHANNEL = 4,
  /** The message is above the server's bound. */
  CASTLINE_CODE_MESSAGE_TOO_LARGE = 5,
  /** Not executed; try again after retry_after_ms. */
  CASTLINE_CODE_RATE_LIMITED = 6,
  /** The token does not admit the player. */
  CASTLINE_CODE_FORBIDDEN = 7,
  /** There is no such thing; for an earlier run's bet: it was not placed and never will be. */
  CASTLINE_CODE_NOT_FOUND = 8,
  /** The room was not joined. */
  CASTLINE_CODE_NOT_IN_ROOM = 9,
  /** The room is full. */
  CASTLINE_CODE_ROOM_FULL = 10,
  /** The balance is below the stake. */
  CASTLINE_CODE_INSUFFICIENT_BALANCE = 11,
  /** The server seed was used; the library answers it itself. */
  CASTLINE_CODE_SEED_USED = 12,
  /** The key was used for another request. */
  CASTLINE_CODE_IDEMPOTENCY_MISMATCH = 13,
  /** The server's fault. */
  CASTLINE_CODE_INTERNAL = 14,
  /** The deadline passed and nothing was ever written to a socket. */
  CASTLINE_CODE_NOT_SENT = 100,
  /** It was written and not answered; it may have been executed. A bet may be placed again with the same key. */
  CASTLINE_CODE_UNKNOWN_OUTCOME = 101,
  /** The request belonged to another player. */
  CASTLINE_CODE_IDENTITY_CHANGED = 102,
  /** A queue is full. */
  CASTLINE_CODE_QUEUE_FULL = 103,
  /** The client was closed. */
  CASTLINE_CODE_CLOSED = 104,
};
typedef uint32_t castline_code;

/** What happened to a room. */
enum {
  /** This client is in it; re-joins too. */
  CASTLINE_ROOM_JOINED = 1,
  /** The server refused; the code says why. */
  CASTLINE_ROOM_JOIN_FAILED = 2,
  /** This client has left. */
  CASTLINE_ROOM_LEFT = 3,
  /** Another player came. */
  CASTLINE_ROOM_PLAYER_JOINED = 4,
  /** Another player went. */
  CASTLINE_ROOM_PLAYER_LEFT = 5,
};
typedef uint32_t castline_room_change;

/** How a bet ended. */
enum {
  /** A word that this version does not know. */
  CASTLINE_BET_UNKNOWN = 0,
  /** The player won. */
  CASTLINE_BET_WIN = 1,
  /** The player lost. */
  CASTLINE_BET_LOSE = 2,
  /** The stake came back. */
  CASTLINE_BET_VOID = 3,
};
typedef uint32_t castline_bet_outcome;

/** The logical channels. A game sends on SOCIAL and GAME; the others are the library's. */
enum {
  /** One that this version does not know. */
  CASTLINE_CHANNEL_UNKNOWN = 0,
  /** Offers and leases. */
  CASTLINE_CHANNEL_OFFERS = 1,
  /** Handshake, heartbeat, announcements, errors. */
  CASTLINE_CHANNEL_SYSTEM = 2,
  /** Chat. */
  CASTLINE_CHANNEL_SOCIAL = 3,
  /** Events of the game. */
  CASTLINE_CHANNEL_ANALYTICS = 4,
  /** Rooms, bets and the game's own messages. */
  CASTLINE_CHANNEL_GAME = 5,
};
typedef uint32_t castline_channel;

/** What the host tells about the app's life. */
enum {
  /** The player sees the game. */
  CASTLINE_LIFECYCLE_FOREGROUND = 1,
  /** The player does not; after 15 s of grace the socket closes. */
  CASTLINE_LIFECYCLE_BACKGROUND = 2,
  /** There is a network, perhaps another one than before. */
  CASTLINE_LIFECYCLE_NETWORK_CHANGED = 3,
  /** There is none: nothing is tried until NETWORK_CHANGED. */
  CASTLINE_LIFECYCLE_NETWORK_LOST = 4,
};
typedef uint32_t castline_lifecycle;

/** Why a flag has its value: OpenFeature's words and OVERRIDE. */
enum {
  /** A word that this version does not know. */
  CASTLINE_REASON_UNKNOWN = 0,
  /** The configuration has one value for everybody. */
  CASTLINE_REASON_STATIC = 1,
  /** No such flag, or the server gave the default variant. */
  CASTLINE_REASON_DEFAULT = 2,
  /** Chosen by weight. */
  CASTLINE_REASON_SPLIT = 3,
  /** A rule matched. */
  CASTLINE_REASON_TARGETING_MATCH = 4,
  /** The flag is switched off. */
  CASTLINE_REASON_DISABLED = 5,
  /** From disk; this run's fetch is still open. */
  CASTLINE_REASON_CACHED = 6,
  /** From disk; this run's fetch failed. */
  CASTLINE_REASON_STALE = 7,
  /** This flag was malformed. */
  CASTLINE_REASON_ERROR = 8,
  /** A tester's override. */
  CASTLINE_REASON_OVERRIDE = 9,
};
typedef uint32_t castline_reason;

/** What the player did with an offer. */
enum {
  /** It is on the screen. */
  CASTLINE_OUTCOME_SHOWN = 1,
  /** Bought, or whatever accepting means. */
  CASTLINE_OUTCOME_ACCEPTED = 2,
  /** Sent away. */
  CASTLINE_OUTCOME_DECLINED = 3,
  /** It ran out; the library reports this itself when a surfaced offer ends. */
  CASTLINE_OUTCOME_EXPIRED = 4,
};
typedef uint32_t castline_outcome;

/** A client. A token, looked up in a table and never dereferenced: NULL and freed handles are harmless. */
typedef struct castline_client castline_client;

/**
 * A text inside an event: UTF-8, owned by the client, valid until the next castline_client_poll_event, castline_client_tick or
 * castline_client_free on it. ptr is never NULL and ptr[len] is 0. Copy what you keep.
 */
typedef struct {
  const char *ptr;
  size_t len;
} castline_str;

/**
 * A log line. Called only inside castline_client_connect, castline_client_poll_event and castline_client_tick, on the thread that
 * calls them; the line is valid until it returns. It must not throw or longjmp.
 */
typedef void (*castline_log_fn)(void *user_data, castline_log_level level, castline_str line);

/**
 * What a client is made with. Start from CASTLINE_OPTIONS_INIT; 0 and NULL mean the default. Read during castline_client_connect
 * only: it may live on the stack.
 */
typedef struct {
  /** sizeof(castline_options). */
  uint32_t struct_size;
  /** When fetched flags take effect. */
  castline_flag_updates flag_updates;
  /** Required. https://host[:port][/prefix]; http for loopback and private addresses only. */
  const char *url;
  /** Required. The game's build, 1 to 128 bytes. */
  const char *build;
  /** The player, for flags before the first token; must be the token's "sub". NULL: that "sub". */
  const char *player_id;
  /** A token to start with, or NULL. At most one of token and telegram_init_data; both NULL: CASTLINE_EVENT_TOKEN_NEEDED. */
  const char *token;
  /** Telegram's raw initData, from which tokens are made, or NULL. */
  const char *telegram_init_data;
  /** Where to remember flags, offers and unsent events, or NULL: nothing is remembered. One client per directory. */
  const char *data_dir;
  /** Where log lines go, or NULL. */
  castline_log_fn log;
  /** Handed to log as it is. */
  void *log_user_data;
  /** Lines up to this one are wanted. */
  castline_log_level log_level;
} castline_options;

/** CASTLINE_EVENT_STATE_CHANGED. */
typedef struct {
  /** The state now. */
  castline_state state;
  /** The state told before. */
  castline_state previous;
  /** Why. */
  castline_cause cause;
  /** The WebSocket's close code, or 0. */
  uint32_t code;
  /** Milliseconds to the next try; 0 where nothing is timed. */
  uint64_t retry_in_ms;
} castline_state_changed;

/** CASTLINE_EVENT_DROPPED. */
typedef struct {
  /** What was dropped. */
  castline_dropped_what what;
  /** How many since the last report. */
  uint64_t count;
} castline_dropped;

/** CASTLINE_EVENT_OFFER_READY. */
typedef struct {
  /** Names this offer to this player. */
  castline_str offer_id;
  /** The campaign that it comes from. */
  castline_str campaign_id;
  /** The headline. */
  castline_str title;
  /** https, or "". */
  castline_str image_url;
  /** The break that it surfaced in. */
  castline_str placement;
  /** JSON that the campaign added, or "". */
  castline_str data;
  /** Per cent. */
  double discount;
  /** Server time, Unix ms: count down against castline_client_server_time_ms. */
  int64_t expires_at_ms;
} castline_offer;

/** CASTLINE_EVENT_NO_OFFER. */
typedef struct {
  /** The break's placement. */
  castline_str placement;
} castline_no_offer;

/** CASTLINE_EVENT_OFFER_EXPIRED. */
typedef struct {
  /** Which offer. */
  castline_str offer_id;
} castline_offer_expired;

/** CASTLINE_EVENT_FLAGS_CHANGED. */
typedef struct {
  /** The configuration's version. */
  castline_str version;
} castline_flags_changed;

/** CASTLINE_EVENT_REQUEST_COMPLETED. */
typedef struct {
  /** Its number; 0 for a bet of an earlier run, known by its key. */
  uint64_t request;
  /** Its key, or "". */
  castline_str idempotency_key;
  /** The reply's type. */
  castline_str type;
  /** The reply's payload, JSON. */
  castline_str payload;
} castline_request_completed;

/** CASTLINE_EVENT_REQUEST_FAILED. */
typedef struct {
  /** Its number; 0 for a bet of an earlier run, known by its key. */
  uint64_t request;
  /** Milliseconds to wait before another try, or 0. */
  uint64_t retry_after_ms;
  /** Its key, or "". */
  castline_str idempotency_key;
  /** The code as a word; the server's own where this version does not know it. */
  castline_str code_text;
  /** What was wrong, for a log. */
  castline_str message;
  /** Why. */
  castline_code code;
} castline_request_failed;

/** CASTLINE_EVENT_ROOM_CHANGED. */
typedef struct {
  /** The room. */
  castline_str game_id;
  /** The other player, or "". */
  castline_str user_id;
  /** How it changed. */
  castline_room_change change;
  /** Distinct players in it now. */
  uint32_t player_count;
  /** With CASTLINE_ROOM_JOIN_FAILED: why. */
  castline_code code;
} castline_room_changed;

/** CASTLINE_EVENT_ROOM_MESSAGE. */
typedef struct {
  /** The room. */
  castline_str game_id;
  /** The player who sent it; "": the engine. */
  castline_str from;
  /** Its name. */
  castline_str event;
  /** Its data, JSON. */
  castline_str data;
} castline_room_message;

/** CASTLINE_EVENT_ROOM_GAP. */
typedef struct {
  /** The room. */
  castline_str game_id;
  /** How many messages were missed. */
  uint64_t missing;
} castline_room_gap;

/** CASTLINE_EVENT_BET_SETTLED. */
typedef struct {
  /** The bet. */
  castline_str idempotency_key;
  /** The revealed seed, hex. */
  castline_str server_seed;
  /** Its SHA-256, hex. */
  castline_str server_seed_hash;
  /** The player's share of the roll. */
  castline_str client_seed;
  /** Gross, in minor units. */
  int64_t payout;
  /** After the payout. */
  int64_t balance;
  /** 0 to sides - 1. */
  int64_t roll;
  /** Faces of the die. */
  int64_t sides;
  /** How it ended. */
  castline_bet_outcome outcome;
} castline_bet_settled;

/** CASTLINE_EVENT_MESSAGE. */
typedef struct {
  /** Its type. */
  castline_str type;
  /** Its payload, JSON. */
  castline_str payload;
  /** Its channel. */
  castline_channel channel;
} castline_message;

/** The member that an event's kind names holds; TOKEN_NEEDED and SESSION_LOST have none. */
typedef union {
  castline_state_changed state_changed;
  castline_dropped dropped;
  castline_offer offer_ready;
  castline_no_offer no_offer;
  castline_offer_expired offer_expired;
  castline_flags_changed flags_changed;
  castline_request_completed request_completed;
  castline_request_failed request_failed;
  castline_room_changed room_changed;
  castline_room_message room_message;
  castline_room_gap room_gap;
  castline_bet_settled bet_settled;
  castline_message message;
} castline_event_body;

/** What the game is told. The library's memory, read through a pointer only: it may grow at its end. */
typedef struct {
  /** Says which member of body holds. */
  castline_event_kind kind;
  /** What it is about. */
  castline_event_body body;
} castline_event;

/**
 * An event in castline_client_tick, on the calling thread and with no lock held. The event is valid until it returns. It may call
 * anything, castline_client_free included; castline_client_poll_event and castline_client_tick return CASTLINE_BUSY. It must not
 * throw or longjmp.
 */
typedef void (*castline_event_fn)(void *user_data, const castline_event *event);

/** How a request is sent. Set struct_size to sizeof(castline_request_options) and the rest to 0. */
typedef struct {
  /** sizeof(castline_request_options). */
  uint32_t struct_size;
  /** How long to wait for the reply, reconnects included: 1 to 600,000. 0: 10,000. */
  uint32_t timeout_ms;
  /** Makes it safe to repeat, 1 to 64 bytes. NULL: not sent again after a reconnect. */
  const char *idempotency_key;
} castline_request_options;

/** A bet. Set struct_size to sizeof(castline_bet). */
typedef struct {
  /** sizeof(castline_bet). */
  uint32_t struct_size;
  /** The game. */
  const char *game_id;
  /** Minor units, 1 to 2^53-1. */
  int64_t amount;
  /** Any JSON value that the game's engine understands. */
  const char *selection;
  /** The player's share of the roll, 1 to 64 bytes. NULL: made. */
  const char *client_seed;
  /** Names the bet, 1 to 64 bytes: the same key places it once. NULL: made. */
  const char *idempotency_key;
} castline_bet;

/** The library's ABI, major << 16 | minor: do not run when its major part is not CASTLINE_ABI_VERSION's. Any thread. */
uint32_t castline_abi_version(void);

/** The library's version, such as "1.0.0". Any thread. Returns a static string. */
const char *castline_version(void);

/** A result's name, such as "CASTLINE_FULL"; "CASTLINE_?" for a number that is none. Any thread. Returns a static string. */
const char *castline_result_name(castline_result result);

/**
 * Starts a client and its one I/O thread; returns at once, the last run's flags loaded. Never fails for the network.
 *
 * options: read during the call only. *out: a handle, yours until castline_client_free; on failure NULL, and the game goes on with
 * that. Any thread; log is called on this one. Returns OK; INVALID_ARGUMENT (the log says which), IN_USE (data_dir), UNSUPPORTED
 * (struct_size), FULL (64 clients), INTERNAL (no thread, poller or random number).
 */
castline_result castline_client_connect(const castline_options *options,
                                        castline_client **out);

/**
 * The next event.
 *
 * *event: owned by the client, valid until the next castline_client_poll_event, castline_client_tick or castline_client_free on it;
 * NULL without one. Any thread, one at a time; log is called on this one. Never waits, so that an event which comes
 * at this very moment may be the next poll's; without an event it allocates nothing.
 * Returns OK; NO_EVENT; BUSY: another thread polls, or a callback does.
 */
castline_result castline_client_poll_event(castline_client *client,
                                           const castline_event **event);

/**
 * Hands events to fn, on this thread, until none is left or max_micros have passed; at least one (UINT32_MAX: no limit).
 *
 * An event is valid until fn returns; user_data is handed to fn as it is. Any thread, one at a time; log is called on this one.
 * Returns OK, also when there was none; CLOSED when the client was closed or freed meanwhile, in fn for example; BUSY: another
 * thread polls, or a callback does.
 */
castline_result castline_client_tick(castline_client *client,
                                     uint32_t max_micros,
                                     castline_event_fn fn,
                                     void *user_data);

/** The state now. Any thread. Returns NONE for a bad handle. */
castline_state castline_client_state(const castline_client *client);

/**
 * Answers TOKEN_NEEDED, or replaces the token for the next connection.
 *
 * token: copied; NULL: none to be had, ask again after a back-off. Any thread. Returns OK; INVALID_ARGUMENT for a text that cannot
 * be a token; CLOSED.
 */
castline_result castline_client_set_token(castline_client *client,
                                          const char *token);

/**
 * What the host knows; repeats are harmless. BACKGROUND flushes and, after 15 s, closes the socket. Any thread. Returns OK;
 * INVALID_ARGUMENT for a number that is none of the four; CLOSED.
 */
castline_result castline_client_lifecycle(castline_client *client,
                                          castline_lifecycle what);

/**
 * Leaves REPLACED, DORMANT, WAITING and FAILED (AUTH), and tries now. For a player's tap, not for a timer. Any thread. Returns OK,
 * also in any other open state; CLOSED.
 */
castline_result castline_client_reconnect(castline_client *client);

/** The server's clock, Unix ms. Any thread. Returns the device's until the server's first word, and for a bad handle. */
int64_t castline_client_server_time_ms(const castline_client *client);

/**
 * Flushes, says goodbye, ends the I/O thread. The one function that waits: at most max_wait_ms. Answers that are open come as events.
 *
 * After it, queued events can be polled and flags read; other calls return CLOSED. Any thread. Returns OK: the library may be
 * unloaded when no other client is open; TIMED_OUT: it goes on by itself.
 */
castline_result castline_client_close(castline_client *client,
                                      uint32_t max_wait_ms);

/**
 * Gives back handle and events, without waiting; an open client ends in the background. The handle is invalid from now on.
 *
 * Any thread, also in a callback and with calls in flight elsewhere: those end as they would have, and no callback comes after them.
 * Returns OK, also for NULL.
 */
castline_result castline_client_free(castline_client *client);

/**
 * A flag whose value is a boolean.
 *
 * Wait-free, no allocation, no failure. key: read during the call. Any thread. Returns default_value for a bad handle or key, an
 * unknown flag, another type. The first read of a flag records an exposure.
 */
bool castline_flags_bool(const castline_client *client,
                         const char *key,
                         bool default_value);

/** A flag whose value is a number without fraction within +-(2^53-1). Otherwise as castline_flags_bool. */
int64_t castline_flags_i64(const castline_client *client, const char *key, int64_t default_value);

/** A flag whose value is a number. Otherwise as castline_flags_bool. */
double castline_flags_f64(const castline_client *client, const char *key, double default_value);

/**
 * A flag whose value is a string: copies it and a NUL into buffer, which is yours and may be CASTLINE_FLAG_MAX bytes to hold any.
 *
 * A value that does not fit is not cut: the default is copied instead (cut if it must be, at a character). Otherwise as
 * castline_flags_bool; default_value NULL is "". Returns the length of the value, or of the default where that holds, without the
 * NUL: it was copied whole when that is less than capacity. capacity 0: the length alone, and buffer may be NULL.
 */
size_t castline_flags_string(const castline_client *client,
                             const char *key,
                             const char *default_value,
                             char *buffer,
                             size_t capacity);

/** Any flag's value as JSON text. Otherwise as castline_flags_string. */
size_t castline_flags_json(const castline_client *client,
                           const char *key,
                           const char *default_json,
                           char *buffer,
                           size_t capacity);

/** The flag's variant, "" when there is none: copies it and a NUL into buffer. No exposure. Otherwise as castline_flags_string. */
size_t castline_flags_variant(const castline_client *client,
                              const char *key,
                              char *buffer,
                              size_t capacity);

/**
 * Why the flag has its value. No exposure. Wait-free, no allocation, no failure. key: read during the call. Any thread. Returns
 * DEFAULT for a bad handle or key and an unknown flag, too; castline_flags_variant has none for those.
 */
castline_reason castline_flags_reason(const castline_client *client,
                                      const char *key);

/**
 * A safe point: what was fetched is visible on return; FLAGS_CHANGED follows if it differs. No event tells that something waits, and where
 * nothing does nothing happens: call it wherever values may change before the player's eyes, in each frame of a menu if you like. Any
 * thread. Returns OK; CLOSED.
 */
castline_result castline_flags_apply(castline_client *client);

/**
 * What targeting may use: fetches the flags anew.
 *
 * attributes: flat JSON, at most 8 scalars and 1,024 bytes; copied. Any thread. Returns OK; INVALID_ARGUMENT; CLOSED.
 */
castline_result castline_flags_set_attributes(castline_client *client, const char *attributes);

/**
 * Queues a request; with a key it is repeated over reconnects until its deadline (at most 10 min). One REQUEST_COMPLETED or
 * REQUEST_FAILED follows.
 *
 * channel: GAME or SOCIAL. payload: one JSON object. options: or NULL. *request (or NULL): its number, never 0. Texts are copied.
 * Any thread. Returns OK; INVALID_ARGUMENT; TOO_LARGE; FULL: 64 are open; UNSUPPORTED (struct_size); CLOSED.
 */
castline_result castline_client_request(castline_client *client,
                                        castline_channel channel,
                                        const char *type,
                                        const char *payload,
                                        const castline_request_options *options,
                                        uint64_t *request);

/**
 * Sends a message without a reply. Not kept: when not ONLINE it is lost, and that is OK.
 *
 * channel: GAME or SOCIAL. payload: one JSON object. Texts are copied. Any thread. Returns OK; INVALID_ARGUMENT; TOO_LARGE; CLOSED.
 */
castline_result castline_client_send(castline_client *client,
                                     castline_channel channel,
                                     const char *type,
                                     const char *payload);

/**
 * Queues an analytics event, on disk while offline.
 *
 * props: one JSON object, or NULL for none. Texts are copied. Any thread. Returns OK; INVALID_ARGUMENT, also for a name that begins
 * with '$'; TOO_LARGE: over 2 KiB; CLOSED.
 */
castline_result castline_client_track(castline_client *client,
                                      const char *name,
                                      const char *props);

/**
 * A break in play of lease_ms (0: 10,000; else 1,000 to 60,000), and a safe point for flags. One OFFER_READY or NO_OFFER follows.
 * Replaces an open break.
 *
 * placement: where the player is, 1 to 128 bytes. context: flat JSON or NULL. Texts are copied. Any thread. Returns OK;
 * INVALID_ARGUMENT; TOO_LARGE; CLOSED.
 */
castline_result castline_offers_ready(castline_client *client,
                                      const char *placement,
                                      const char *context,
                                      uint32_t lease_ms);

/** Play goes on: an offer that comes now waits for the next break. Any thread. Returns OK, also when no break was open; CLOSED. */
castline_result castline_offers_not_ready(castline_client *client);

/**
 * Reports what became of an offer, as the event $offer_result: kept until the server has it. The same pair twice is sent once.
 *
 * offer_id: copied. Any thread. Returns OK; INVALID_ARGUMENT for a text that names no offer and a number that is no outcome; CLOSED.
 */
castline_result castline_offers_result(castline_client *client,
                                       const char *offer_id,
                                       castline_outcome outcome);

/**
 * Joins a room. ROOM_CHANGED follows: JOINED or JOIN_FAILED. The client re-joins after a lost session, until castline_rooms_leave.
 *
 * game_id: copied. Any thread. Returns OK; INVALID_ARGUMENT; FULL: 8 rooms; CLOSED.
 */
castline_result castline_rooms_join(castline_client *client,
                                    const char *game_id);

/**
 * Leaves a room. ROOM_CHANGED follows: LEFT.
 *
 * game_id: copied. Any thread. Returns OK; INVALID_ARGUMENT; CLOSED.
 */
castline_result castline_rooms_leave(castline_client *client, const char *game_id);

/**
 * Sends a game_event to everyone in the room; not kept.
 *
 * data: one JSON object. Texts are copied. Any thread. Returns OK; INVALID_ARGUMENT; TOO_LARGE; CLOSED.
 */
castline_result castline_rooms_send(castline_client *client, const char *game_id, const char *event, const char *data);

/**
 * Places a bet; as castline_client_request, always with a key. REQUEST_COMPLETED: acknowledged (type "bet_acknowledged", or already
 * "bet_settled"). BET_SETTLED with the same key is the result.
 *
 * bet: read during the call only. *request (or NULL): its number, never 0. Any thread. Returns OK; INVALID_ARGUMENT, also for an
 * amount not in 1 to 2^53-1; TOO_LARGE; FULL: 64 requests are open; UNSUPPORTED (struct_size); CLOSED.
 */
castline_result castline_bets_place(castline_client *client,
                                    const castline_bet *bet,
                                    uint64_t *request);

#ifdef __cplusplus
}
#endif

#endif /* CASTLINE_H */
