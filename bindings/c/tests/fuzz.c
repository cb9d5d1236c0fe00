/* The whole C interface from a byte string: which call, on which handle, with which texts and numbers. Whatever the bytes say, the answer is a result
 * that fits what happened to the handle before, nothing is written beyond a buffer, and what is lent can be read.
 *
 * Guided by coverage: cargo xtask fuzz c --seconds 60. Without libFuzzer this is a program: fuzz FILE... plays files, fuzz alone plays
 * strings from a generator, the same ones each time. With FUZZ_WITH_SERVER set, some clients are connected to a real server (CASTLINE_SERVER). */
#define _XOPEN_SOURCE 700
#include "support.h"

#include <unistd.h>

enum { SLOTS = 4, MAX_CALLS = 120, MAX_TEXT = 5000, GUARD = 16 };

static const uint8_t *at, *end;

static uint8_t byte(void) { return at < end ? *at++ : 0; }
static uint32_t below(uint32_t limit) { return byte() % limit; }
static uint64_t word(unsigned bytes) {
  uint64_t value = 0;
  while (bytes-- > 0) value = value << 8 | byte();
  return value;
}

static uint32_t number(void) {
  static const uint32_t known[] = {0, 1, 2, 3, 4, 5, 6, 7, 15, 100, 999, 1000, 60000, 60001, 600000, 600001, INT32_MAX, UINT32_MAX};
  const uint32_t which = below(sizeof known / sizeof *known + 4);
  return which < sizeof known / sizeof *known ? known[which] : (uint32_t)word(4);
}

/* ---- texts: each is as long as it must be, and gone right after the call ---- */

static char *texts[16];
static unsigned text_count;

static const char *copy(const char *bytes, size_t length) {
  char *made = (char *)malloc(length + 1);
  CHECK(made != NULL && text_count < sizeof texts / sizeof *texts);
  memcpy(made, bytes, length);
  made[length] = 0;
  texts[text_count++] = made;
  return made;
}

static void drop_texts(void) {
  while (text_count > 0) {
    char *text = texts[--text_count];
    memset(text, 0xdd, strlen(text));
    free(text);
  }
}

static const char *text(void) {
  static const char *const known[] = {
      "", "a", "\xff", "a\xc3", "level_completed", "dice", "no spaces", "$mine", "line\nbreak", "{}", "{\"a\":1}", "{\"a\":{\"b\":[1,2]}}", "{\"a\":",
      "[1]", "null", "\"x\"", "{\"\\u0000\":\"\\ud800\"}", "1e999", "a.b.c", "../../etc/passwd", "%s%n", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]",
      "e30.eyJzdWIiOiJhbm5hIn0.x", "{\"tier\":\"gold\",\"level\":7}", "user=%7B%22id%22%3A1%7D&auth_date=1&hash=00"};
  const uint32_t which = below(sizeof known / sizeof *known + 12);
  size_t length;
  if (which < sizeof known / sizeof *known) return copy(known[which], strlen(known[which]));
  if (which == sizeof known / sizeof *known) return NULL;
  if (which <= sizeof known / sizeof *known + 1) {
    /* One letter, many times. */
    char *long_text;
    length = (size_t)word(2) % MAX_TEXT * (below(16) == 0 ? 8 : 1);
    long_text = (char *)malloc(length + 1);
    CHECK(long_text != NULL && text_count < sizeof texts / sizeof *texts);
    memset(long_text, 'n', length);
    long_text[length] = 0;
    texts[text_count++] = long_text;
    return long_text;
  }
  length = byte();
  if (length > (size_t)(end - at)) length = (size_t)(end - at);
  at += length;
  return copy((const char *)at - length, length);
}

/* ---- handles, and what is known of each ---- */

static struct slot { castline_client *handle; enum { NEVER, OPEN, CLOSED, FREED } life; } slots[SLOTS];

/* A client of the slots, or a number that is none. */
static struct slot *slot(struct slot *stray) {
  const uint32_t which = below(SLOTS * 3 + 1);
  uintptr_t number;
  unsigned i;
  if (which < SLOTS * 3) return &slots[which % SLOTS];
  number = (uintptr_t)word(8);
  /* Not one that it hits by luck: nothing would be known of what follows. */
  for (i = 0; i < SLOTS; i++) if ((uintptr_t)slots[i].handle == number) number = 0;
  stray->handle = (castline_client *)number;
  stray->life = FREED;
  return stray;
}

static castline_result known(const struct slot *client, castline_result result) {
  CHECK(result <= CASTLINE_INTERNAL && result != CASTLINE_INTERNAL);
  CHECK((result == CASTLINE_INVALID_HANDLE) == (client->life == NEVER || client->life == FREED));
  if (client->life == CLOSED) CHECK(result != CASTLINE_OK);
  return result;
}

/* ---- events ---- */

static void read_text(castline_str text) {
  CHECK(text.ptr != NULL && text.ptr[text.len] == 0);
  CHECK(memchr(text.ptr, 0xff, text.len) == NULL);
}

static void read_event(const castline_event *event) {
  const castline_event_body *body = &event->body;
  switch (event->kind) {
    case CASTLINE_EVENT_STATE_CHANGED:
      CHECK(body->state_changed.state <= CASTLINE_STATE_CLOSED && body->state_changed.cause <= CASTLINE_CAUSE_CLOSED);
      break;
    case CASTLINE_EVENT_TOKEN_NEEDED: case CASTLINE_EVENT_SESSION_LOST: break;
    case CASTLINE_EVENT_DROPPED: CHECK(body->dropped.count > 0); break;
    case CASTLINE_EVENT_OFFER_READY:
      read_text(body->offer_ready.offer_id), read_text(body->offer_ready.campaign_id), read_text(body->offer_ready.title);
      read_text(body->offer_ready.image_url), read_text(body->offer_ready.placement), read_text(body->offer_ready.data);
      break;
    case CASTLINE_EVENT_NO_OFFER: read_text(body->no_offer.placement); break;
    case CASTLINE_EVENT_OFFER_EXPIRED: read_text(body->offer_expired.offer_id); break;
    case CASTLINE_EVENT_FLAGS_CHANGED: read_text(body->flags_changed.version); break;
    case CASTLINE_EVENT_REQUEST_COMPLETED:
      read_text(body->request_completed.idempotency_key), read_text(body->request_completed.type), read_text(body->request_completed.payload);
      break;
    case CASTLINE_EVENT_REQUEST_FAILED:
      read_text(body->request_failed.idempotency_key), read_text(body->request_failed.code_text), read_text(body->request_failed.message);
      break;
    case CASTLINE_EVENT_ROOM_CHANGED: read_text(body->room_changed.game_id), read_text(body->room_changed.user_id); break;
    case CASTLINE_EVENT_ROOM_MESSAGE:
      read_text(body->room_message.game_id), read_text(body->room_message.from);
      read_text(body->room_message.event), read_text(body->room_message.data);
      break;
    case CASTLINE_EVENT_ROOM_GAP: read_text(body->room_gap.game_id); break;
    case CASTLINE_EVENT_BET_SETTLED:
      read_text(body->bet_settled.idempotency_key), read_text(body->bet_settled.server_seed);
      read_text(body->bet_settled.server_seed_hash), read_text(body->bet_settled.client_seed);
      break;
    case CASTLINE_EVENT_MESSAGE: read_text(body->message.type), read_text(body->message.payload); break;
    default: check_failed(__FILE__, __LINE__, "the header knows this kind of event");
  }
}

static void one_call(void);
static int depth;

static void on_event(void *user, const castline_event *event) {
  CHECK(user == &depth);
  read_event(event);
  if (depth < 2) one_call();
  /* It is lent until this returns, whatever was called meanwhile. */
  read_event(event);
}

static unsigned long lines, opened, calls;
static void on_line(void *user, castline_log_level level, castline_str line) {
  CHECK(user == &lines && level >= CASTLINE_LOG_ERROR && level <= CASTLINE_LOG_DEBUG);
  read_text(line);
  lines++;
}

/* ---- calls ---- */

static char directory[64];
static char server_word[1024];

static void open_client(struct slot *client) {
  castline_options options = CASTLINE_OPTIONS_INIT;
  castline_result result;
  const uint32_t where = below(16);
  if (client->life == OPEN || client->life == CLOSED) return;
  options.url = "http://127.0.0.1:9";
  /* Mostly right, for a client that is refused teaches little. */
  options.build = below(16) ? "2.0.0" : text();
  options.flag_updates = below(16) ? below(2) : number();
  options.player_id = below(8) ? below(2) ? NULL : "anna" : text();
  if (below(8) == 0) options.telegram_init_data = text();
  else options.token = below(2) ? "a.b.c" : below(4) ? NULL : text();
  options.data_dir = below(8) ? below(2) ? NULL : directory : below(4) ? directory : "\xff";
  options.log = below(2) ? on_line : NULL;
  options.log_user_data = &lines;
  options.log_level = below(16) ? below(5) : number();
  /* A larger structure than is here would be read beyond its end, as the header says. */
  if (below(32) == 0) options.struct_size = number();
  if (options.struct_size > sizeof options) options.struct_size = (uint32_t)sizeof options;
  if (where < 2) {
    /* Never another machine's: an address and a name are loopback's, or no address at all. */
    const char *wanted = text();
    char path[256];
    snprintf(path, sizeof path, "http://127.0.0.1:9/%s", wanted == NULL ? "" : wanted);
    options.url = where == 0 || (wanted != NULL && strstr(wanted, "//") != NULL) ? copy(path, strlen(path)) : wanted;
  } else if (server_word[0] != 0 && where < 12) {
    options.url = server_url();
    options.token = server_word;
    options.telegram_init_data = NULL;
    options.player_id = NULL;
  }
  client->handle = (castline_client *)&lines;
  result = castline_client_connect(below(32) ? &options : NULL, &client->handle);
  CHECK(result <= CASTLINE_INTERNAL && result != CASTLINE_INTERNAL && result != CASTLINE_INVALID_HANDLE);
  CHECK((client->handle == NULL) == (result != CASTLINE_OK));
  client->life = result == CASTLINE_OK ? OPEN : NEVER;
  opened += result == CASTLINE_OK;
}

/* A getter that copies: nothing beyond the buffer, and within it a text that ends. No server has flags here: the default comes. */
static void read_copying(castline_client *client) {
  const uint32_t what = below(3), capacity = below(70);
  const char *key = text(), *otherwise = what == 2 ? NULL : text();
  char *room = (char *)malloc(capacity + GUARD);
  const char *expected = otherwise == NULL ? "" : otherwise;
  size_t length, i;
  CHECK(room != NULL);
  memset(room, 0xa5, capacity + GUARD);
  switch (what) {
    case 0: length = castline_flags_string(client, key, otherwise, capacity ? room : NULL, capacity); break;
    case 1: length = castline_flags_json(client, key, otherwise, capacity ? room : NULL, capacity); break;
    default: length = castline_flags_variant(client, key, capacity ? room : NULL, capacity); break;
  }
  for (i = capacity; i < capacity + GUARD; i++) CHECK((uint8_t)room[i] == 0xa5);
  if (capacity > 0) CHECK(memchr(room, 0, capacity) != NULL);
  if (capacity > 0 && length < capacity) CHECK(room[length] == 0 && strlen(room) == length);
  if (length > 0) CHECK(length == strlen(expected));
  if (length > 0 && length < capacity) CHECK(strcmp(room, expected) == 0);
  free(room);
}

static void one_call(void) {
  struct slot stray, *client = slot(&stray);
  castline_client *handle = client->handle;
  castline_request_options how;
  castline_bet bet;
  castline_result result;
  uint64_t request = 0;
  const castline_event *event;
  const uint32_t which = below(28);
  /* The arguments are read before the call, one after the other, so that the same bytes mean the same everywhere. */
  const char *first, *second, *third;
  uint32_t some;
  memset(&how, 0, sizeof how), memset(&bet, 0, sizeof bet);
  depth++, calls++;
  switch (which) {
    case 0: open_client(client == &stray ? &slots[0] : client); break;
    case 1: first = text(), known(client, castline_client_set_token(handle, first)); break;
    case 2: some = number(), known(client, castline_client_lifecycle(handle, some)); break;
    case 3: known(client, castline_client_reconnect(handle)); break;
    case 4:
      how.struct_size = below(4) ? (uint32_t)sizeof how : number();
      how.timeout_ms = number(), how.idempotency_key = below(2) ? text() : NULL;
      if (how.struct_size > sizeof how) how.struct_size = (uint32_t)sizeof how;
      some = number(), first = text(), second = text();
      result = known(client, castline_client_request(handle, some, first, second, below(2) ? &how : NULL, below(2) ? &request : NULL));
      if (request != 0) CHECK(result == CASTLINE_OK);
      break;
    case 5: some = number(), first = text(), second = text(), known(client, castline_client_send(handle, some, first, second)); break;
    case 6: first = text(), second = text(), known(client, castline_client_track(handle, first, second)); break;
    case 7: known(client, castline_flags_apply(handle)); break;
    case 8: first = text(), known(client, castline_flags_set_attributes(handle, first)); break;
    case 9: case 10:
      first = text(), second = text(), some = number();
      known(client, castline_offers_ready(handle, first, second, some));
      break;
    case 11: known(client, castline_offers_not_ready(handle)); break;
    case 12: first = text(), some = number(), known(client, castline_offers_result(handle, first, some)); break;
    case 13: first = text(), known(client, castline_rooms_join(handle, first)); break;
    case 14: first = text(), known(client, castline_rooms_leave(handle, first)); break;
    case 15: first = text(), second = text(), third = text(), known(client, castline_rooms_send(handle, first, second, third)); break;
    case 16:
      bet.struct_size = below(4) ? (uint32_t)sizeof bet : number();
      if (bet.struct_size > sizeof bet) bet.struct_size = (uint32_t)sizeof bet;
      bet.game_id = text(), bet.amount = below(2) ? (int64_t)number() : (int64_t)word(8), bet.selection = text();
      bet.client_seed = below(2) ? text() : NULL, bet.idempotency_key = below(2) ? text() : NULL;
      result = known(client, castline_bets_place(handle, below(16) ? &bet : NULL, below(2) ? &request : NULL));
      if (request != 0) CHECK(result == CASTLINE_OK);
      break;
    case 17: first = text(), some = below(2), CHECK(castline_flags_bool(handle, first, some == 1) == (some == 1)); break;
    case 18: {
      const int64_t otherwise = (int64_t)word(8);
      first = text(), CHECK(castline_flags_i64(handle, first, otherwise) == otherwise);
      break;
    }
    case 19: {
      const uint64_t bits = word(8);
      double otherwise, got;
      memcpy(&otherwise, &bits, sizeof bits);
      first = text(), got = castline_flags_f64(handle, first, otherwise);
      CHECK(memcmp(&got, &otherwise, sizeof got) == 0 || otherwise != otherwise);
      break;
    }
    case 20: read_copying(handle); break;
    case 21: first = text(), CHECK(castline_flags_reason(handle, first) <= CASTLINE_REASON_OVERRIDE); break;
    case 22: case 23:
      event = (const castline_event *)&lines;
      result = castline_client_poll_event(handle, below(16) ? &event : NULL);
      CHECK(result <= CASTLINE_INVALID_HANDLE || result == CASTLINE_BUSY);
      if (result == CASTLINE_OK) read_event(event);
      if (depth > 1) CHECK(result != CASTLINE_OK || client->life != FREED);
      break;
    case 24:
      some = number();
      result = castline_client_tick(handle, some, below(16) ? on_event : NULL, &depth);
      CHECK(result <= CASTLINE_CLOSED || result == CASTLINE_BUSY);
      break;
    case 25: {
      const castline_state state = castline_client_state(handle);
      CHECK((state == CASTLINE_STATE_NONE) == (client->life == NEVER || client->life == FREED));
      if (client->life == CLOSED) CHECK(state == CASTLINE_STATE_CLOSED);
      castline_client_server_time_ms(handle);
      CHECK(castline_result_name(number()) != NULL);
      break;
    }
    case 26:
      result = castline_client_close(handle, below(2) ? 0 : 50);
      CHECK(result == CASTLINE_OK || result == CASTLINE_TIMED_OUT || result == CASTLINE_INVALID_HANDLE || result == CASTLINE_CLOSED);
      CHECK((result == CASTLINE_INVALID_HANDLE) == (client->life == NEVER || client->life == FREED));
      if (client->life == OPEN) client->life = CLOSED;
      break;
    default:
      result = castline_client_free(handle);
      CHECK(result == CASTLINE_OK || (result == CASTLINE_INVALID_HANDLE && client->life == FREED));
      if (client->life != NEVER) client->life = FREED;
      break;
  }
  depth--;
  /* A callback's own call is inside another one, whose texts are still read. */
  if (depth == 0) drop_texts();
}

static void remove_directory(void) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", directory);
  if (system(command) != 0) fprintf(stderr, "%s stays\n", directory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  unsigned i;
  if (directory[0] == 0) {
    snprintf(directory, sizeof directory, "/tmp/castline-fuzz-XXXXXX");
    CHECK(mkdtemp(directory) != NULL);
    atexit(remove_directory);
    if (getenv("FUZZ_WITH_SERVER") != NULL) {
      server_start();
      server_token("anna", server_word, sizeof server_word);
    }
  }
  at = data, end = data + size, depth = 0;
  memset(slots, 0, sizeof slots);
  for (i = 0; i < MAX_CALLS && at < end; i++) one_call();
  for (i = 0; i < SLOTS; i++) {
    if (slots[i].life != OPEN && slots[i].life != CLOSED) continue;
    castline_client_close(slots[i].handle, 5000);
    CHECK_RESULT(castline_client_free(slots[i].handle), CASTLINE_OK);
    CHECK_RESULT(castline_client_free(slots[i].handle), CASTLINE_INVALID_HANDLE);
  }
  return 0;
}

#ifdef CASTLINE_FUZZ_MAIN
static void play_file(const char *path) {
  static uint8_t bytes[1 << 16];
  FILE *file = fopen(path, "rb");
  size_t size;
  CHECK(file != NULL);
  size = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  LLVMFuzzerTestOneInput(bytes, size);
}

int main(int argc, char **argv) {
  static uint8_t bytes[1024];
  uint64_t state = 1;
  unsigned n, i;
  for (n = 1; n < (unsigned)argc; n++) play_file(argv[n]);
  for (n = 0; argc == 1 && n < 400; n++) {
    size_t size;
    for (i = 0; i < sizeof bytes; i++) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      bytes[i] = (uint8_t)(state >> 40);
    }
    size = 16u + (unsigned)(state >> 33) % (sizeof bytes - 16u);
    /* The first byte pair opens a client: without one there is little to do. */
    bytes[0] = 0, bytes[1] = 0;
    LLVMFuzzerTestOneInput(bytes, size);
  }
  printf("%u strings, %lu calls, %lu clients, %lu log lines\n", n, calls, opened, lines);
  CHECK(argc > 1 || opened > 0);
  return 0;
}
#endif
