/* Calls from inside the callback, the time budget, the log hook, two clients at once. */
#include "support.h"

static void online(castline_client *client) { await_state(client, CASTLINE_STATE_ONLINE); }

/* At least `count` events wait: the answers to requests that nobody could be sent. */
static castline_client *with_events(int count) {
  castline_client *client = connect_nowhere();
  castline_request_options soon;
  double deadline = seconds() + PATIENCE;
  int i;
  memset(&soon, 0, sizeof soon);
  soon.struct_size = (uint32_t)sizeof soon;
  soon.timeout_ms = 1;
  for (i = 0; i < 64; i++)
    CHECK_RESULT(castline_client_request(client, CASTLINE_CHANNEL_GAME, "ask", "{}", &soon, NULL), CASTLINE_OK);
  /* There is a place for the 65th when one of the 64 was answered; for so many, when as many were. */
  for (i = 0; i < count;) {
    CHECK(seconds() < deadline);
    if (castline_client_request(client, CASTLINE_CHANNEL_GAME, "ask", "{}", NULL, NULL) == CASTLINE_OK) i++;
    else frame();
  }
  return client;
}

struct seen {
  castline_client *client;
  int count, do_free, do_close;
};

static void on_event(void *user, const castline_event *event) {
  struct seen *seen = (struct seen *)user;
  const castline_event *other = event;
  seen->count++;
  CHECK(event->kind >= 1 && event->kind <= 15);
  CHECK_RESULT(castline_client_poll_event(seen->client, &other), CASTLINE_BUSY);
  CHECK(other == NULL);
  CHECK_RESULT(castline_client_tick(seen->client, 0, on_event, user), CASTLINE_BUSY);
  CHECK_RESULT(castline_client_track(seen->client, "seen", NULL), CASTLINE_OK);
  CHECK(castline_flags_i64(seen->client, "absent", 3) == 3);
  if (seen->do_close) {
    CHECK_RESULT(castline_client_close(seen->client, PATIENCE_MS), CASTLINE_OK);
    CHECK_RESULT(castline_client_track(seen->client, "seen", NULL), CASTLINE_CLOSED);
  }
  if (seen->do_free) {
    CHECK_RESULT(castline_client_free(seen->client), CASTLINE_OK);
    CHECK_RESULT(castline_client_free(seen->client), CASTLINE_INVALID_HANDLE);
    CHECK_RESULT(castline_client_track(seen->client, "seen", NULL), CASTLINE_INVALID_HANDLE);
  }
  /* Still there. */
  CHECK(event->kind >= 1 && event->kind <= 15);
}

/* Of a client that is closed already. */
static void count_event(void *user, const castline_event *event) {
  CHECK(event->kind >= 1 && event->kind <= 15);
  ((struct seen *)user)->count++;
}

/* As a game does, a frame apart: a tick never waits for the I/O thread, so one that meets it at the queue has nothing. Until at least `count` events
 * have come, or something else than OK. */
static castline_result tick_until(struct seen *seen, int count, uint32_t max_micros) {
  const double deadline = seconds() + PATIENCE;
  castline_result result = CASTLINE_OK;
  while (seen->count < count && result == CASTLINE_OK) {
    CHECK(seconds() < deadline);
    result = castline_client_tick(seen->client, max_micros, on_event, seen);
    if (seen->count < count) frame();
  }
  return result;
}

static void inside_the_callback(void) {
  struct seen seen = {NULL, 0, 0, 0};
  seen.client = with_events(10);
  /* A budget of nothing is one event; no limit is all of them. */
  CHECK_RESULT(tick_until(&seen, 1, 0), CASTLINE_OK);
  CHECK(seen.count == 1);
  CHECK_RESULT(tick_until(&seen, 10, UINT32_MAX), CASTLINE_OK);
  CHECK_RESULT(castline_client_close(seen.client, PATIENCE_MS), CASTLINE_OK);
  CHECK_RESULT(castline_client_tick(seen.client, UINT32_MAX, count_event, &seen), CASTLINE_OK);
  CHECK_RESULT(castline_client_free(seen.client), CASTLINE_OK);

  /* After free nothing comes. */
  memset(&seen, 0, sizeof seen);
  seen.client = with_events(10);
  seen.do_free = 1;
  CHECK_RESULT(tick_until(&seen, 1, UINT32_MAX), CASTLINE_CLOSED);
  CHECK(seen.count == 1);
  CHECK_RESULT(castline_client_tick(seen.client, UINT32_MAX, on_event, &seen), CASTLINE_INVALID_HANDLE);

  /* After close what waits can still be had. */
  memset(&seen, 0, sizeof seen);
  seen.client = with_events(10);
  seen.do_close = 1;
  CHECK_RESULT(tick_until(&seen, 1, UINT32_MAX), CASTLINE_CLOSED);
  CHECK(seen.count == 1);
  CHECK_RESULT(castline_client_tick(seen.client, UINT32_MAX, count_event, &seen), CASTLINE_OK);
  CHECK(seen.count > 10);
  CHECK_RESULT(castline_client_free(seen.client), CASTLINE_OK);
}

/* ---- the log ---- */

struct log {
  castline_client *client;
  int lines, of_my_calls, freed_at;
};

static void on_line(void *user, castline_log_level level, castline_str line) {
  struct log *log = (struct log *)user;
  const castline_event *event;
  CHECK(level >= CASTLINE_LOG_ERROR && level <= CASTLINE_LOG_DEBUG && line.ptr[line.len] == 0);
  log->lines++;
  log->of_my_calls += strstr(line.ptr, "castline_client_track: event names with $") != NULL;
  CHECK(strstr(line.ptr, "eyJ") == NULL);
  if (log->client != NULL) CHECK_RESULT(castline_client_poll_event(log->client, &event), CASTLINE_BUSY);
  if (log->freed_at == log->lines) CHECK_RESULT(castline_client_free(log->client), CASTLINE_OK);
}

static void the_log_hook(void) {
  castline_options options = CASTLINE_OPTIONS_INIT;
  struct log log = {NULL, 0, 0, 0};
  const castline_event *event;
  char token[1024];
  int i, before;
  options.url = server_url(), options.build = "2.0.0";
  options.token = server_token("anna", token, sizeof token);
  options.log = on_line, options.log_user_data = &log, options.log_level = CASTLINE_LOG_DEBUG;
  CHECK_RESULT(castline_client_connect(&options, &log.client), CASTLINE_OK);
  online(log.client);
  CHECK(log.lines == 0 || log.of_my_calls == 0);

  /* The bound: 64 lines wait; the rest is told by DROPPED. */
  while (castline_client_poll_event(log.client, &event) == CASTLINE_OK) {}
  before = log.lines;
  for (i = 0; i < 100; i++) CHECK_RESULT(castline_client_track(log.client, "$mine", NULL), CASTLINE_INVALID_ARGUMENT);
  CHECK(log.lines == before);
  event = await_event(log.client, CASTLINE_EVENT_DROPPED);
  CHECK(event->body.dropped.what == CASTLINE_DROPPED_LOGS);
  CHECK(event->body.dropped.count >= 36);
  /* The library's own lines take places too: how many is its threads' affair. */
  CHECK(log.of_my_calls > 0 && log.of_my_calls <= 64);

  /* Freed by the log function: not another line, not another event. */
  CHECK_RESULT(castline_client_track(log.client, "$mine", NULL), CASTLINE_INVALID_ARGUMENT);
  CHECK_RESULT(castline_client_track(log.client, "$mine", NULL), CASTLINE_INVALID_ARGUMENT);
  log.freed_at = log.lines + 1;
  CHECK_RESULT(castline_client_poll_event(log.client, &event), CASTLINE_NO_EVENT);
  CHECK(log.lines == log.freed_at && event == NULL);
  CHECK_RESULT(castline_client_poll_event(log.client, &event), CASTLINE_INVALID_HANDLE);
}

/* ---- two clients ---- */

static void two_clients(void) {
  castline_client *anna = connect_player("anna"), *bob = connect_player("bob");
  const castline_event *event;
  uint64_t of_anna, of_bob;
  char text[64];
  online(anna);
  online(bob);
  CHECK_RESULT(castline_client_request(anna, CASTLINE_CHANNEL_GAME, "no_such_type_a", "{}", NULL, &of_anna), CASTLINE_OK);
  CHECK_RESULT(castline_client_request(bob, CASTLINE_CHANNEL_GAME, "no_such_type_b", "{}", NULL, &of_bob), CASTLINE_OK);
  event = await_event(anna, CASTLINE_EVENT_REQUEST_FAILED);
  CHECK(event->body.request_failed.request == of_anna);
  CHECK_TEXT(event->body.request_failed.code_text.ptr, "UNKNOWN_MESSAGE_TYPE");
  snprintf(text, sizeof text, "%s", event->body.request_failed.message.ptr);
  /* One's event stays while the other polls and goes. */
  CHECK(await_event(bob, CASTLINE_EVENT_REQUEST_FAILED)->body.request_failed.request == of_bob);
  CHECK_RESULT(castline_client_close(bob, PATIENCE_MS), CASTLINE_OK);
  CHECK_RESULT(castline_client_free(bob), CASTLINE_OK);
  CHECK_TEXT(event->body.request_failed.message.ptr, text);
  CHECK(event->body.request_failed.code == CASTLINE_CODE_UNKNOWN_MESSAGE_TYPE);
  CHECK(castline_client_state(anna) == CASTLINE_STATE_ONLINE);
  CHECK_RESULT(castline_client_close(anna, PATIENCE_MS), CASTLINE_OK);
  CHECK_RESULT(castline_client_free(anna), CASTLINE_OK);
}

/* ---- flags in buffers ---- */

static void buffers(void) {
  castline_client *client;
  char buffer[64];
  server_put("/admin/flags/motd", "{\"variants\":{\"a\":\"a\u00e9\u20ac\",\"b\":\"\"},\"defaultVariant\":\"a\"}");
  client = connect_player("dora");
  await_event(client, CASTLINE_EVENT_FLAGS_CHANGED);
  CHECK(castline_flags_string(client, "motd", "x", buffer, sizeof buffer) == 6);
  CHECK_TEXT(buffer, "a\xc3\xa9\xe2\x82\xac");
  CHECK(castline_flags_string(client, "motd", "x", buffer, 7) == 6);
  CHECK_TEXT(buffer, "a\xc3\xa9\xe2\x82\xac");
  /* What does not fit is not cut: the default is there. */
  CHECK(castline_flags_string(client, "motd", "x", buffer, 6) == 6);
  CHECK_TEXT(buffer, "x");
  CHECK(castline_flags_string(client, "motd", "\xc3\xa9\xc3\xa9", buffer, 4) == 6);
  CHECK_TEXT(buffer, "\xc3\xa9");
  buffer[0] = 'z';
  CHECK(castline_flags_string(client, "motd", "x", buffer, 0) == 6 && buffer[0] == 'z');
  CHECK(castline_flags_string(client, "motd", "x", NULL, 0) == 6);
  CHECK(castline_flags_json(client, "motd", "x", buffer, sizeof buffer) >= 8 && buffer[0] == '"');
  CHECK(castline_flags_variant(client, "motd", buffer, sizeof buffer) == 1);
  CHECK_TEXT(buffer, "a");
  CHECK(castline_flags_bool(client, "motd", true));
  CHECK(castline_flags_reason(client, "motd") != CASTLINE_REASON_UNKNOWN);
  CHECK_RESULT(castline_client_close(client, PATIENCE_MS), CASTLINE_OK);
  CHECK(castline_flags_string(client, "motd", "x", buffer, sizeof buffer) == 6);
  CHECK_RESULT(castline_client_free(client), CASTLINE_OK);
  CHECK(castline_flags_string(client, "motd", "x", buffer, sizeof buffer) == 1);
}

int main(void) {
  server_start();
  inside_the_callback();
  the_log_hook();
  two_clients();
  buffers();
  return 0;
}
