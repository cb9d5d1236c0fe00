/* Random calls with hostile arguments, from a seed: whatever a game does, the answer is a result and the client lives. Another seed, and how many
 * calls: storm SEED CALLS. */
#include "support.h"

static uint64_t state;
static uint32_t next(uint32_t below) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33) % below;
}

static char long_name[200], huge[70000];

static const char *text(void) {
  static const char *const texts[] = {
      NULL, "", "a", "\xff", "\xc3", "a\xc3\xa9", "level_completed", "dice", "no spaces", "$mine", "line\nbreak", long_name, huge,
      "{}", "{\"a\":1}", "{\"a\":{\"b\":[1,2]}}", "{\"a\":", "[1]", "null", "\"x\"", "{\"\\u0000\":\"\\ud800\"}", "1e999", "a.b.c",
      "../../etc/passwd", "%s%n", "starter_pack_price"};
  return texts[next(sizeof texts / sizeof *texts)];
}

static uint32_t number(void) {
  static const uint32_t numbers[] = {0, 1, 2, 3, 4, 5, 6, 15, 100, 999, 1000, 60000, 60001, 600001, INT32_MAX, UINT32_MAX};
  return numbers[next(sizeof numbers / sizeof *numbers)];
}

static castline_client *clients[4];
static const castline_event *lent[4];
static unsigned counts[CASTLINE_INTERNAL + 1];

static void read_text(castline_str text) { CHECK(text.ptr != NULL && text.ptr[text.len] == 0); }

/* What is lent must be readable for as long as it is lent. */
static void read_event(const castline_event *event) {
  CHECK(event->kind >= CASTLINE_EVENT_STATE_CHANGED && event->kind <= CASTLINE_EVENT_MESSAGE);
  if (event->kind == CASTLINE_EVENT_REQUEST_FAILED) {
    read_text(event->body.request_failed.idempotency_key);
    read_text(event->body.request_failed.code_text);
    read_text(event->body.request_failed.message);
  }
  if (event->kind == CASTLINE_EVENT_NO_OFFER) read_text(event->body.no_offer.placement);
}

static void on_event(void *user, const castline_event *event);

static castline_result one_call(uint32_t at) {
  castline_client *client = clients[at];
  castline_request_options how;
  castline_options options = CASTLINE_OPTIONS_INIT;
  castline_bet bet;
  castline_result result;
  uint64_t request;
  char buffer[8];
  memset(&how, 0, sizeof how), memset(&bet, 0, sizeof bet);
  switch (next(28)) {
    case 0: return castline_client_set_token(client, text());
    case 1: return castline_client_lifecycle(client, number());
    case 2: return castline_client_reconnect(client);
    case 3:
      how.struct_size = next(4) ? (uint32_t)sizeof how : next((uint32_t)sizeof how);
      how.timeout_ms = number(), how.idempotency_key = text();
      return castline_client_request(client, number(), text(), text(), next(2) ? &how : NULL, next(2) ? &request : NULL);
    case 4: return castline_client_send(client, number(), text(), text());
    case 5: return castline_client_track(client, text(), text());
    case 6: return castline_flags_apply(client);
    case 7: return castline_flags_set_attributes(client, text());
    case 8: return castline_offers_ready(client, text(), text(), number());
    case 9: return castline_offers_not_ready(client);
    case 10: return castline_offers_result(client, text(), number());
    case 11: return castline_rooms_join(client, text());
    case 12: return castline_rooms_leave(client, text());
    case 13: return castline_rooms_send(client, text(), text(), text());
    case 14:
      bet.struct_size = next(4) ? (uint32_t)sizeof bet : next((uint32_t)sizeof bet);
      bet.game_id = text(), bet.amount = (int64_t)number() - 1, bet.selection = text();
      bet.client_seed = text(), bet.idempotency_key = text();
      return castline_bets_place(client, next(8) ? &bet : NULL, next(2) ? &request : NULL);
    case 15: castline_flags_bool(client, text(), true); return CASTLINE_OK;
    case 16: castline_flags_i64(client, text(), 1); castline_flags_f64(client, text(), 1); return CASTLINE_OK;
    case 17: castline_flags_string(client, text(), text(), next(4) ? buffer : NULL, next(sizeof buffer + 1)); return CASTLINE_OK;
    case 18: castline_flags_json(client, text(), text(), next(4) ? buffer : NULL, next(sizeof buffer + 1)); return CASTLINE_OK;
    case 19: castline_flags_variant(client, text(), buffer, sizeof buffer); castline_flags_reason(client, text()); return CASTLINE_OK;
    case 20: case 21: case 22:
      result = castline_client_poll_event(client, &lent[at]);
      CHECK((result == CASTLINE_OK) == (lent[at] != NULL));
      return result;
    case 23:
      result = castline_client_tick(client, number(), next(8) ? on_event : NULL, &clients[at]);
      /* The event before was valid until here, unless the call was refused for its arguments. */
      lent[at] = NULL;
      return result;
    case 24:
      if (next(40) == 0) {
        lent[at] = NULL;
        return castline_client_close(client, next(2));
      }
      return CASTLINE_OK;
    case 25:
      if (next(40) == 0) {
        lent[at] = NULL;
        return castline_client_free(client);
      }
      return CASTLINE_OK;
    case 26:
      if (castline_client_state(client) != CASTLINE_STATE_NONE) return CASTLINE_OK;
      options.url = next(4) ? (next(2) ? server_url() : "http://127.0.0.1:9") : text();
      options.build = next(8) ? "2.0.0" : text();
      options.token = next(2) ? "a.b.c" : NULL;
      options.flag_updates = next(3);
      lent[at] = NULL;
      return castline_client_connect(next(16) ? &options : NULL, &clients[at]);
    default: castline_client_server_time_ms(client); return CASTLINE_OK;
  }
}

static int depth;
static void on_event(void *user, const castline_event *event) {
  (void)user;
  if (depth++ == 0) {
    const uint32_t at = next(4);
    const castline_result result = one_call(at);
    CHECK(result <= CASTLINE_INTERNAL);
  }
  depth--;
  read_event(event);
}

int main(int argc, char **argv) {
  const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  const unsigned long calls = argc > 2 ? strtoul(argv[2], NULL, 10) : 20000;
  castline_client *whole;
  unsigned long n;
  uint32_t i;
  server_start();
  state = seed;
  memset(long_name, 'n', sizeof long_name - 1);
  memset(huge, 'h', sizeof huge - 1);
  for (n = 0; n < calls; n++) {
    const uint32_t at = next(4);
    const castline_result result = one_call(at);
    CHECK(result <= CASTLINE_INTERNAL);
    counts[result]++;
    if (lent[at] != NULL) read_event(lent[at]);
  }
  printf("seed %llu:", (unsigned long long)seed);
  for (i = 0; i <= CASTLINE_INTERNAL; i++) printf(" %s %u", castline_result_name(i) + strlen("CASTLINE_"), counts[i]);
  printf("\n");
  CHECK(counts[CASTLINE_OK] > 0 && counts[CASTLINE_INVALID_ARGUMENT] > 0 && counts[CASTLINE_INVALID_HANDLE] > 0 && counts[CASTLINE_INTERNAL] == 0);
  for (i = 0; i < 4; i++) {
    castline_client_close(clients[i], PATIENCE_MS);
    castline_client_free(clients[i]);
  }
  /* After all that the library serves the next one. */
  whole = connect_player("anna");
  await_state(whole, CASTLINE_STATE_ONLINE);
  CHECK_RESULT(castline_client_close(whole, PATIENCE_MS), CASTLINE_OK);
  CHECK_RESULT(castline_client_free(whole), CASTLINE_OK);
  return 0;
}
