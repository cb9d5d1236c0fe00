/* What a game can get wrong: each is an error with a name, and the client goes on as before. */
#include "support.h"

#define ABSENT ((castline_client *)0)
static const char BAD[] = "\xff\xfe";

static char *large(size_t length, char with) {
  char *text = (char *)malloc(length + 1);
  CHECK(text != NULL);
  memset(text, with, length);
  text[length] = 0;
  return text;
}

/* ---- the log ---- */

static int lines;
static char last_line[256];
static void count_line(void *user, castline_log_level level, castline_str line) {
  CHECK(user == &lines);
  CHECK(level >= CASTLINE_LOG_ERROR && level <= CASTLINE_LOG_DEBUG);
  CHECK(line.ptr[line.len] == 0 && strlen(line.ptr) == line.len);
  snprintf(last_line, sizeof last_line, "%s", line.ptr);
  lines++;
}

/* ---- connect ---- */

static castline_result try_connect(const castline_options *options) {
  castline_client *client = (castline_client *)&lines;
  castline_result result = castline_client_connect(options, &client);
  CHECK((client == NULL) == (result != CASTLINE_OK));
  castline_client_close(client, PATIENCE_MS);
  castline_client_free(client);
  return result;
}

static void bad_options(void) {
  static const castline_options init = CASTLINE_OPTIONS_INIT;
  castline_options good = init, bad;
  castline_client *client = NULL, *second = NULL;
  char *huge = large(10u << 20, 'x');
  struct { castline_options known; uint64_t unknown; } larger;
  uint32_t size;
  good.url = server_url();
  good.build = "2.0.0";
  CHECK_RESULT(try_connect(&good), CASTLINE_OK);
  CHECK_RESULT(castline_client_connect(&good, NULL), CASTLINE_INVALID_ARGUMENT);
  CHECK_RESULT(try_connect(NULL), CASTLINE_INVALID_ARGUMENT);
#define BAD_OPTION(field, value) bad = good, bad.field = (value), CHECK_RESULT(try_connect(&bad), CASTLINE_INVALID_ARGUMENT)
  BAD_OPTION(url, NULL);
  BAD_OPTION(url, "");
  BAD_OPTION(url, BAD);
  BAD_OPTION(url, "ftp://example.com");
  BAD_OPTION(url, "http://example.com");
  BAD_OPTION(url, huge);
  BAD_OPTION(build, NULL);
  BAD_OPTION(build, BAD);
  BAD_OPTION(build, huge);
  BAD_OPTION(player_id, BAD);
  BAD_OPTION(player_id, "an na");
  BAD_OPTION(token, BAD);
  BAD_OPTION(token, "");
  BAD_OPTION(token, huge);
  BAD_OPTION(telegram_init_data, BAD);
  BAD_OPTION(telegram_init_data, huge);
  BAD_OPTION(data_dir, BAD);
  BAD_OPTION(data_dir, "");
  BAD_OPTION(flag_updates, 2);
  BAD_OPTION(flag_updates, UINT32_MAX);
  BAD_OPTION(log_level, 5);
  bad = good, bad.token = "a.b.c", bad.telegram_init_data = "query_id=1";
  CHECK_RESULT(try_connect(&bad), CASTLINE_INVALID_ARGUMENT);

  /* Of a structure that ends inside a field not even half a pointer is believed. */
  for (size = 0; size < sizeof good; size++) {
    bad = good, bad.struct_size = size;
    CHECK_RESULT(try_connect(&bad), size % 8 == 0 && size >= 24 ? CASTLINE_OK
                                    : size == 76 /* behind log_level */ ? CASTLINE_OK
                                    : size == 4 || size == 8 || size == 16 ? CASTLINE_INVALID_ARGUMENT /* no url, no build */
                                                                           : CASTLINE_UNSUPPORTED);
  }
  bad = good, bad.struct_size = UINT32_MAX;
  CHECK_RESULT(try_connect(&bad), CASTLINE_UNSUPPORTED);
  memset(&larger, 0, sizeof larger);
  larger.known = good, larger.known.struct_size = (uint32_t)sizeof larger;
  CHECK_RESULT(try_connect(&larger.known), CASTLINE_OK);
  larger.unknown = 1;
  CHECK_RESULT(try_connect(&larger.known), CASTLINE_UNSUPPORTED);

  /* The log says which option, before connect returns. */
  bad = good, bad.build = NULL, bad.log = count_line, bad.log_user_data = &lines, bad.log_level = CASTLINE_LOG_WARN;
  CHECK_RESULT(try_connect(&bad), CASTLINE_INVALID_ARGUMENT);
  CHECK(lines == 1 && strstr(last_line, "build") != NULL);
  bad.log_level = CASTLINE_LOG_OFF;
  CHECK_RESULT(try_connect(&bad), CASTLINE_INVALID_ARGUMENT);
  CHECK(lines == 1);

  good.data_dir = server_directory("shared");
  CHECK_RESULT(castline_client_connect(&good, &client), CASTLINE_OK);
  CHECK_RESULT(castline_client_connect(&good, &second), CASTLINE_IN_USE);
  CHECK(second == NULL);
  CHECK_RESULT(castline_client_close(client, PATIENCE_MS), CASTLINE_OK);
  CHECK_RESULT(castline_client_free(client), CASTLINE_OK);
  free(huge);
}

/* ---- handles ---- */

static void ignore_event(void *user, const castline_event *event) { (void)user, (void)event; }

static void every_call_says(castline_client *client, castline_result expected) {
  castline_bet bet;
  const castline_event *event = (const castline_event *)&lines;
  uint64_t request = 77;
  memset(&bet, 0, sizeof bet);
  bet.struct_size = (uint32_t)sizeof bet, bet.game_id = "dice", bet.amount = 1, bet.selection = "{}";
  CHECK_RESULT(castline_client_set_token(client, "a.b.c"), expected);
  CHECK_RESULT(castline_client_set_token(client, NULL), expected);
  CHECK_RESULT(castline_client_lifecycle(client, CASTLINE_LIFECYCLE_FOREGROUND), expected);
  CHECK_RESULT(castline_client_reconnect(client), expected);
  CHECK_RESULT(castline_client_request(client, CASTLINE_CHANNEL_GAME, "ask", "{}", NULL, &request), expected);
  CHECK_RESULT(castline_client_send(client, CASTLINE_CHANNEL_GAME, "say", "{}"), expected);
  CHECK_RESULT(castline_client_track(client, "level", "{}"), expected);
  CHECK_RESULT(castline_flags_apply(client), expected);
  CHECK_RESULT(castline_flags_set_attributes(client, "{}"), expected);
  CHECK_RESULT(castline_offers_ready(client, "level_completed", NULL, 0), expected);
  CHECK_RESULT(castline_offers_not_ready(client), expected);
  CHECK_RESULT(castline_offers_result(client, "o1", CASTLINE_OUTCOME_SHOWN), expected);
  CHECK_RESULT(castline_rooms_join(client, "dice"), expected);
  CHECK_RESULT(castline_rooms_leave(client, "dice"), expected);
  CHECK_RESULT(castline_rooms_send(client, "dice", "roll", "{}"), expected);
  CHECK_RESULT(castline_bets_place(client, &bet, &request), expected);
  CHECK(request == 77);
  if (expected == CASTLINE_INVALID_HANDLE) {
    CHECK_RESULT(castline_client_poll_event(client, &event), expected);
    CHECK(event == NULL);
    CHECK_RESULT(castline_client_tick(client, 0, ignore_event, NULL), expected);
    CHECK_RESULT(castline_client_close(client, 0), expected);
  }
}

static void every_getter_gives_its_default(const castline_client *client) {
  char buffer[16];
  CHECK(castline_flags_bool(client, "gentle_curve", true) && !castline_flags_bool(client, "gentle_curve", false));
  CHECK(castline_flags_i64(client, "fish", -7) == -7);
  CHECK(castline_flags_f64(client, "fish", 0.5) >= 0.5 && castline_flags_f64(client, "fish", 0.5) <= 0.5);
  CHECK(castline_flags_string(client, "starter_pack_price", "$2.99", buffer, sizeof buffer) == 5);
  CHECK_TEXT(buffer, "$2.99");
  CHECK(castline_flags_json(client, "starter_pack_price", "{}", buffer, sizeof buffer) == 2);
  CHECK_TEXT(buffer, "{}");
  CHECK(castline_flags_variant(client, "starter_pack_price", buffer, sizeof buffer) == 0);
  CHECK_TEXT(buffer, "");
  CHECK(castline_flags_reason(client, "starter_pack_price") == CASTLINE_REASON_DEFAULT);
}

static void bad_handles(void) {
  castline_client *freed = connect_player("anna"), *next;
  void *foreign[4];
  int i;
  CHECK_RESULT(castline_client_close(freed, PATIENCE_MS), CASTLINE_OK);
  CHECK_RESULT(castline_client_free(freed), CASTLINE_OK);
  next = connect_player("anna");
  CHECK(next != freed);
  foreign[0] = freed, foreign[1] = foreign, foreign[2] = (void *)(uintptr_t)1, foreign[3] = (void *)UINTPTR_MAX;
  for (i = 0; i < 4; i++) {
    castline_client *bad = (castline_client *)foreign[i];
    every_call_says(bad, CASTLINE_INVALID_HANDLE);
    every_getter_gives_its_default(bad);
    CHECK(castline_client_state(bad) == CASTLINE_STATE_NONE);
    CHECK(castline_client_server_time_ms(bad) > 1600000000000);
    CHECK_RESULT(castline_client_free(bad), CASTLINE_INVALID_HANDLE);
  }
  every_call_says(ABSENT, CASTLINE_INVALID_HANDLE);
  every_getter_gives_its_default(ABSENT);
  CHECK(castline_client_state(ABSENT) == CASTLINE_STATE_NONE);
  CHECK_RESULT(castline_client_free(ABSENT), CASTLINE_OK);
  for (i = 0; i < 1000000; i++) {
    CHECK_RESULT(castline_client_track(freed, "level", "{}"), CASTLINE_INVALID_HANDLE);
  }
  await_state(next, CASTLINE_STATE_ONLINE);
  CHECK_RESULT(castline_client_close(next, PATIENCE_MS), CASTLINE_OK);
  CHECK_RESULT(castline_client_free(next), CASTLINE_OK);
}

static void the_table_is_full(void) {
  castline_client *clients[64], *more = NULL;
  castline_options options = CASTLINE_OPTIONS_INIT;
  int i;
  options.url = "http://127.0.0.1:9";
  options.build = "2.0.0";
  for (i = 0; i < 64; i++) clients[i] = connect_nowhere();
  CHECK_RESULT(castline_client_connect(&options, &more), CASTLINE_FULL);
  CHECK(more == NULL);
  CHECK_RESULT(castline_client_close(clients[7], PATIENCE_MS), CASTLINE_OK);
  CHECK_RESULT(castline_client_free(clients[7]), CASTLINE_OK);
  CHECK_RESULT(castline_client_connect(&options, &clients[7]), CASTLINE_OK);
  for (i = 0; i < 64; i++) {
    CHECK_RESULT(castline_client_close(clients[i], PATIENCE_MS), CASTLINE_OK);
    CHECK_RESULT(castline_client_free(clients[i]), CASTLINE_OK);
  }
}

/* ---- arguments ---- */

static void bad_arguments(void) {
  castline_client *client = connect_player("anna");
  castline_request_options how;
  castline_bet bet, bad;
  uint64_t request = 77;
  const char *texts[3];
  char *huge = large(10u << 20, 'x'), *deep = large(200, '['), *wide = large(17000, ' ');
  int i;
  wide[0] = '{', wide[16999] = '}';
  texts[0] = NULL, texts[1] = BAD, texts[2] = huge;
  await_state(client, CASTLINE_STATE_ONLINE);
  memset(&how, 0, sizeof how), memset(&bet, 0, sizeof bet);
  how.struct_size = (uint32_t)sizeof how;
  bet.struct_size = (uint32_t)sizeof bet, bet.game_id = "dice", bet.amount = 1, bet.selection = "{}";
#define INVALID(call) CHECK_RESULT(call, CASTLINE_INVALID_ARGUMENT)
  for (i = 0; i < 3; i++) {
    /* 10 MB where a name belongs are no name; where a payload belongs they are too large. */
    castline_result body = texts[i] == huge ? CASTLINE_TOO_LARGE : CASTLINE_INVALID_ARGUMENT;
    INVALID(castline_client_request(client, CASTLINE_CHANNEL_GAME, texts[i], "{}", NULL, &request));
    CHECK_RESULT(castline_client_request(client, CASTLINE_CHANNEL_GAME, "ask", texts[i], NULL, &request), body);
    INVALID(castline_client_send(client, CASTLINE_CHANNEL_GAME, texts[i], "{}"));
    CHECK_RESULT(castline_client_send(client, CASTLINE_CHANNEL_GAME, "say", texts[i]), body);
    INVALID(castline_client_track(client, texts[i], "{}"));
    INVALID(castline_flags_set_attributes(client, texts[i]));
    INVALID(castline_offers_ready(client, texts[i], NULL, 0));
    INVALID(castline_offers_result(client, texts[i], CASTLINE_OUTCOME_SHOWN));
    INVALID(castline_rooms_join(client, texts[i]));
    INVALID(castline_rooms_leave(client, texts[i]));
    INVALID(castline_rooms_send(client, texts[i], "roll", "{}"));
    INVALID(castline_rooms_send(client, "dice", texts[i], "{}"));
    CHECK_RESULT(castline_rooms_send(client, "dice", "roll", texts[i]), body);
    bad = bet, bad.game_id = texts[i];
    INVALID(castline_bets_place(client, &bad, &request));
    bad = bet, bad.selection = texts[i];
    CHECK_RESULT(castline_bets_place(client, &bad, &request), body);
    if (texts[i] != NULL) {
      CHECK_RESULT(castline_client_track(client, "level", texts[i]), body);
      CHECK_RESULT(castline_offers_ready(client, "level", texts[i], 0), body);
      INVALID(castline_client_set_token(client, texts[i]));
      how.idempotency_key = texts[i];
      INVALID(castline_client_request(client, CASTLINE_CHANNEL_GAME, "ask", "{}", &how, &request));
      bad = bet, bad.client_seed = texts[i];
      INVALID(castline_bets_place(client, &bad, &request));
      bad = bet, bad.idempotency_key = texts[i];
      INVALID(castline_bets_place(client, &bad, &request));
    }
  }
  how.idempotency_key = NULL;
  CHECK_RESULT(castline_client_track(client, "level", NULL), CASTLINE_OK);
  INVALID(castline_client_track(client, "$level", "{}"));
  INVALID(castline_client_track(client, "level", "[1]"));
  INVALID(castline_client_track(client, "level", "{\"a\":1"));
  INVALID(castline_client_track(client, "level", deep));
  INVALID(castline_flags_set_attributes(client, "{\"a\":{}}"));
  INVALID(castline_offers_ready(client, "level", "{\"a\":[]}", 0));
  INVALID(castline_offers_ready(client, "level", NULL, 999));
  INVALID(castline_offers_ready(client, "level", NULL, 60001));
  INVALID(castline_offers_result(client, "o1", 0));
  INVALID(castline_offers_result(client, "o1", 5));
  INVALID(castline_client_lifecycle(client, 0));
  INVALID(castline_client_lifecycle(client, UINT32_MAX));
  INVALID(castline_client_send(client, CASTLINE_CHANNEL_OFFERS, "say", "{}"));
  INVALID(castline_client_send(client, 99, "say", "{}"));
  INVALID(castline_rooms_join(client, "no spaces"));
  CHECK_RESULT(castline_client_send(client, CASTLINE_CHANNEL_GAME, "say", wide), CASTLINE_TOO_LARGE);
  how.timeout_ms = 600001;
  INVALID(castline_client_request(client, CASTLINE_CHANNEL_GAME, "ask", "{}", &how, &request));
  how.struct_size = 7;
  CHECK_RESULT(castline_client_request(client, CASTLINE_CHANNEL_GAME, "ask", "{}", &how, &request), CASTLINE_UNSUPPORTED);
  INVALID(castline_bets_place(client, NULL, &request));
  bad = bet, bad.struct_size = 0;
  CHECK_RESULT(castline_bets_place(client, &bad, &request), CASTLINE_UNSUPPORTED);
  for (i = 0; i < 3; i++) {
    bad = bet, bad.amount = i == 0 ? 0 : i == 1 ? -1 : INT64_MAX;
    INVALID(castline_bets_place(client, &bad, &request));
  }
  INVALID(castline_client_poll_event(client, NULL));
  INVALID(castline_client_tick(client, 0, NULL, NULL));
  CHECK(request == 77);

  /* The getters fail for nothing. */
  CHECK(castline_flags_i64(client, NULL, 3) == 3 && castline_flags_i64(client, BAD, 4) == 4 && castline_flags_i64(client, huge, 5) == 5);
  CHECK(castline_flags_string(client, "absent", NULL, NULL, 100) == 0);
  CHECK(castline_flags_string(client, "absent", huge, NULL, 0) == 10u << 20);
  CHECK(castline_flags_reason(client, NULL) == CASTLINE_REASON_DEFAULT);

  /* After all that it is the client that it was. */
  CHECK(castline_client_state(client) == CASTLINE_STATE_ONLINE);
  CHECK_RESULT(castline_client_close(client, PATIENCE_MS), CASTLINE_OK);
  CHECK_RESULT(castline_client_free(client), CASTLINE_OK);
  free(huge), free(deep), free(wide);
}

/* ---- bounds ---- */

static void bounds(void) {
  castline_client *client = connect_nowhere();
  const castline_event *event;
  uint64_t first = 0, request = 0, after = 99;
  int i, answers = 0;
  char room[16];
  for (i = 0; i < 64; i++) {
    CHECK_RESULT(castline_client_request(client, CASTLINE_CHANNEL_GAME, "ask", "{}", NULL, &request), CASTLINE_OK);
    CHECK(request != 0);
    if (i == 0) first = request;
  }
  CHECK(request == first + 63);
  CHECK_RESULT(castline_client_request(client, CASTLINE_CHANNEL_GAME, "ask", "{}", NULL, &after), CASTLINE_FULL);
  CHECK(after == 99);
  for (i = 0; i < 8; i++) {
    snprintf(room, sizeof room, "room%d", i);
    CHECK_RESULT(castline_rooms_join(client, room), CASTLINE_OK);
  }
  CHECK_RESULT(castline_rooms_join(client, "room8"), CASTLINE_FULL);
  CHECK_RESULT(castline_rooms_join(client, "room0"), CASTLINE_OK);

  /* Each open request is answered at the end, and the events outlive it. */
  CHECK_RESULT(castline_client_close(client, PATIENCE_MS), CASTLINE_OK);
  every_call_says(client, CASTLINE_CLOSED);
  CHECK(castline_client_state(client) == CASTLINE_STATE_CLOSED);
  while (castline_client_poll_event(client, &event) == CASTLINE_OK) {
    if (event->kind == CASTLINE_EVENT_REQUEST_FAILED) {
      CHECK(event->body.request_failed.code == CASTLINE_CODE_CLOSED || event->body.request_failed.code == CASTLINE_CODE_NOT_SENT);
      CHECK(event->body.request_failed.request == first + (uint64_t)answers);
      answers++;
    }
  }
  CHECK(answers == 64);
  CHECK(event == NULL);
  CHECK_RESULT(castline_client_close(client, 0), CASTLINE_OK);
  CHECK_RESULT(castline_client_free(client), CASTLINE_OK);
}

int main(void) {
  server_start();
  bad_options();
  bad_handles();
  the_table_is_full();
  bad_arguments();
  bounds();
  return 0;
}
