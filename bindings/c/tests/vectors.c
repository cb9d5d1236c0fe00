/* The shared vectors (tests/vectors) as far as C can see them, from a server that answers with them (vectors.py).
 *
 * flags.json: every body, and every read of it; also from disk. envelope.json: what comes on the socket, or why it is no message. The others have no
 * door here: bucketing, rolls and backoff are functions that the interface does not have, and offers.json needs a clock of its own. */
#define _XOPEN_SOURCE 700
#include "support.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

struct text { const unsigned char *bytes; size_t length; };
struct value { int64_t number; double real; struct text text; };
enum getter { GET_BOOL, GET_I64, GET_F64, GET_STRING, GET_JSON };
enum source { SOURCE_SESSION, SOURCE_CACHED, SOURCE_STALE };
struct read { enum getter get; struct text flag; struct value otherwise, expected; };
struct about { struct text flag, variant; castline_reason reason; };
struct flags_case { struct text name; enum source source; struct text error, version; unsigned first_about, abouts, first_read, reads; };
struct envelope_case { struct text name, error; castline_channel channel; struct text type, payload; };
#include "vectors_tables.h"

#define COUNT(table) (sizeof (table) / sizeof *(table))

static const char *now;
static void fail(const char *what, const char *got) {
  fprintf(stderr, "%s: %s: %s\n", now, what, got);
  check_failed(__FILE__, __LINE__, "as the vectors say");
}

static const char *c(struct text text) { return (const char *)text.bytes; }
static int same(struct text text, castline_str got) { return text.length == got.len && memcmp(text.bytes, got.ptr, got.len) == 0; }

/* ---- the server ---- */

static unsigned port;
static pid_t server;
static void end_server(void) {
  kill(server, SIGKILL);
  waitpid(server, NULL, 0);
}

static void start_server(void) {
  int to[2], from[2];
  FILE *says;
  CHECK(pipe(to) == 0 && pipe(from) == 0);
  server = fork();
  CHECK(server >= 0);
  if (server == 0) {
    dup2(to[0], 0), dup2(from[1], 1);
    close(to[1]), close(from[0]);
    execlp(CASTLINE_PYTHON, CASTLINE_PYTHON, CASTLINE_VECTORS_PY, CASTLINE_VECTORS, "serve", (char *)NULL);
    _exit(127);
  }
  atexit(end_server);
  close(to[0]), close(from[1]);
  says = fdopen(from[0], "r");
  CHECK(says != NULL && fscanf(says, "%u", &port) == 1);
  fclose(says);
}

/* ---- a client, and what it says of what it did not take ---- */

static char refused[512];
static void keep_refusal(void *user, castline_log_level level, castline_str line) {
  const char *beginning = (const char *)user;
  if (level == CASTLINE_LOG_WARN && strncmp(line.ptr, beginning, strlen(beginning)) == 0) snprintf(refused, sizeof refused, "%s", line.ptr);
}

static char flags_refusal[] = "flags: ", envelope_refusal[] = "ignored what the server sent: ";

static castline_client *connect_to(const char *path, const char *directory, const char *token, char *refusal) {
  castline_options options = CASTLINE_OPTIONS_INIT;
  castline_client *client = NULL;
  char url[64];
  snprintf(url, sizeof url, "http://127.0.0.1:%u/%s", port, path);
  options.url = url;
  options.build = "2.0.0";
  options.player_id = "anna";
  options.data_dir = directory;
  options.token = token;
  options.log = keep_refusal;
  options.log_user_data = refusal;
  options.log_level = CASTLINE_LOG_WARN;
  refused[0] = 0;
  CHECK_RESULT(castline_client_connect(&options, &client), CASTLINE_OK);
  return client;
}

/* Polls until there is a refusal or an event of this kind, which is returned. */
static const castline_event *refusal_or(castline_client *client, castline_event_kind kind) {
  const double deadline = seconds() + PATIENCE;
  const castline_event *event;
  while (seconds() < deadline) {
    while (castline_client_poll_event(client, &event) == CASTLINE_OK) {
      if (event->kind == kind) return event;
    }
    if (refused[0] != 0) return NULL;
    frame();
  }
  fail("neither event nor refusal", "within 20 s");
  return NULL;
}

static void end(castline_client *client) {
  CHECK_RESULT(castline_client_close(client, PATIENCE_MS), CASTLINE_OK);
  CHECK_RESULT(castline_client_free(client), CASTLINE_OK);
}

/* ---- flags.json ---- */

static void check_text_read(const struct read *read, const char *got, size_t length) {
  if (length != read->expected.text.length || memcmp(got, read->expected.text.bytes, length + 1) != 0) fail(c(read->flag), got);
}

static unsigned values;
static void check_reads(const castline_client *client, const struct flags_case *flags) {
  char buffer[CASTLINE_FLAG_MAX];
  unsigned i;
  for (i = flags->first_about; i < flags->abouts; i++) {
    const struct about *about = &ABOUTS[i];
    const size_t length = castline_flags_variant(client, c(about->flag), buffer, sizeof buffer);
    if (length != about->variant.length || memcmp(buffer, about->variant.bytes, length + 1) != 0) fail("variant", buffer);
    if (castline_flags_reason(client, c(about->flag)) != about->reason) fail("reason", c(about->flag));
  }
  for (i = flags->first_read; i < flags->reads; i++) {
    const struct read *read = &READS[i];
    const char *flag = c(read->flag);
    values++;
    switch (read->get) {
      case GET_BOOL:
        if (castline_flags_bool(client, flag, read->otherwise.number != 0) != (read->expected.number != 0)) fail("bool", flag);
        break;
      case GET_I64:
        if (castline_flags_i64(client, flag, read->otherwise.number) != read->expected.number) fail("i64", flag);
        break;
      case GET_F64: {
        const double got = castline_flags_f64(client, flag, read->otherwise.real);
        if (got < read->expected.real || got > read->expected.real) fail("f64", flag);
        break;
      }
      case GET_STRING:
        check_text_read(read, buffer, castline_flags_string(client, flag, c(read->otherwise.text), buffer, sizeof buffer));
        break;
      case GET_JSON:
        check_text_read(read, buffer, castline_flags_json(client, flag, c(read->otherwise.text), buffer, sizeof buffer));
        break;
    }
  }
}

/* Which refusal the log tells of, in the vectors' word. */
static const char *flags_error(void) {
  const char *why = refused + strlen(flags_refusal);
  if (strstr(why, "the body is empty") != NULL) return "empty";
  if (strstr(why, "the limit is") != NULL) return "tooLarge";
  if (strstr(why, "the body is HTML") != NULL) return "html";
  if (strstr(why, "the body is not JSON") != NULL) return "notJson";
  if (strstr(why, "the body is not a flags answer") != NULL) return "wrongForm";
  return why;
}

static void one_body(unsigned number) {
  const struct flags_case *flags = &FLAGS_CASES[number];
  const castline_event *event;
  castline_client *client;
  char path[16], place[] = "/tmp/castline-vectors-XXXXXX", directory[64], file[128];
  now = c(flags->name);
  snprintf(path, sizeof path, "%u", number);
  if (flags->source == SOURCE_SESSION) {
    client = connect_to(path, NULL, NULL, flags_refusal);
    event = refusal_or(client, CASTLINE_EVENT_FLAGS_CHANGED);
    if (flags->error.bytes != NULL) {
      if (event != NULL) fail("was taken, and should be", c(flags->error));
      if (strcmp(flags_error(), c(flags->error)) != 0) fail("refused otherwise", refused);
    } else {
      if (event == NULL) fail("was not taken", refused);
      if (!same(flags->version, event->body.flags_changed.version)) fail("version", event->body.flags_changed.version.ptr);
      check_reads(client, flags);
    }
    end(client);
    return;
  }
  CHECK(mkdtemp(place) != NULL);
  snprintf(directory, sizeof directory, "%s/client", place);
  client = connect_to(path, directory, NULL, flags_refusal);
  CHECK(refusal_or(client, CASTLINE_EVENT_FLAGS_CHANGED) != NULL);
  end(client);
  client = connect_to(path, directory, NULL, flags_refusal);
  if (flags->source == SOURCE_STALE) {
    while (refusal_or(client, CASTLINE_EVENT_FLAGS_CHANGED) != NULL) continue;
    CHECK_RESULT(castline_flags_apply(client), CASTLINE_OK);
  }
  check_reads(client, flags);
  /* The open fetch is not waited for. */
  castline_client_close(client, 2000);
  CHECK_RESULT(castline_client_free(client), CASTLINE_OK);
  snprintf(file, sizeof file, "rm -r %s", place);
  CHECK(system(file) == 0);
}

/* ---- envelope.json ---- */

static const char *envelope_error(void) {
  const char *why = refused + strlen(envelope_refusal);
  if (strstr(why, "the limit is") != NULL) return "tooLarge";
  if (strstr(why, "nested deeper") != NULL) return "tooDeep";
  if (strncmp(why, "not a message", strlen("not a message")) == 0) return "invalid";
  return why;
}

static void envelopes(void) {
  castline_client *client = connect_to("envelope", NULL, "a.b.c", envelope_refusal);
  unsigned i;
  await_state(client, CASTLINE_STATE_ONLINE);
  for (i = 0; i < COUNT(ENVELOPE_CASES); i++) {
    const struct envelope_case *text = &ENVELOPE_CASES[i];
    const double deadline = seconds() + PATIENCE;
    const castline_event *event;
    int told = 0, over = 0;
    now = c(text->name);
    refused[0] = 0;
    CHECK_RESULT(castline_client_send(client, CASTLINE_CHANNEL_GAME, "next", "{}"), CASTLINE_OK);
    while (!over) {
      if (seconds() > deadline) fail("no marker", "within 20 s");
      while (!over && castline_client_poll_event(client, &event) == CASTLINE_OK) {
        const castline_message *message = &event->body.message;
        if (event->kind != CASTLINE_EVENT_MESSAGE) continue;
        if (message->channel == CASTLINE_CHANNEL_GAME && strcmp(message->type.ptr, "marker") == 0) {
          over = 1;
          continue;
        }
        told++;
        if (text->error.bytes != NULL) fail("was taken, and should be", c(text->error));
        if (message->channel != text->channel) fail("channel of", message->type.ptr);
        if (!same(text->type, message->type)) fail("type", message->type.ptr);
        if (!same(text->payload, message->payload)) fail("payload", message->payload.ptr);
      }
      frame();
    }
    if (text->error.bytes != NULL) {
      if (strcmp(envelope_error(), c(text->error)) != 0) fail("refused otherwise", refused);
    } else {
      if (refused[0] != 0) fail("was not taken", refused);
      if (told != 1) fail("told", told ? "more than once" : "nothing");
    }
  }
  CHECK(castline_client_state(client) == CASTLINE_STATE_ONLINE);
  end(client);
}

int main(void) {
  unsigned i;
  start_server();
  for (i = 0; i < COUNT(FLAGS_CASES); i++) one_body(i);
  envelopes();
  printf("flags.json: %u bodies, %u reads; envelope.json: %u texts (%u more that C cannot see)\n", (unsigned)COUNT(FLAGS_CASES), values,
         (unsigned)COUNT(ENVELOPE_CASES), (unsigned)ENVELOPE_CASES_UNSEEN);
  return 0;
}
