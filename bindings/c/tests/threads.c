/* Eight threads on one client: every function from any thread, one poller at a time, free while calls are under way elsewhere. */
#define _XOPEN_SOURCE 700
#include "support.h"

#include <pthread.h>

enum { THREADS = 8, ROUNDS = 2 };

static castline_client *client;
static pthread_barrier_t start;

/* What a call may say while the client goes from open to closed to freed. */
static int allowed(castline_result result) {
  return result == CASTLINE_OK || result == CASTLINE_CLOSED || result == CASTLINE_INVALID_HANDLE || result == CASTLINE_FULL;
}

static void count_event(void *user, const castline_event *event) {
  CHECK(event->kind >= 1 && event->kind <= 15);
  ++*(int *)user;
}

static void poll_once(int *events) {
  const castline_event *event;
  castline_result result = castline_client_poll_event(client, &event);
  CHECK(result == CASTLINE_NO_EVENT || result == CASTLINE_BUSY || allowed(result));
  CHECK((result == CASTLINE_OK) == (event != NULL));
  result = castline_client_tick(client, 100, count_event, events);
  CHECK(result == CASTLINE_BUSY || allowed(result));
}

static void call_once(int n) {
  char price[CASTLINE_FLAG_MAX];
  castline_state state = castline_client_state(client);
  CHECK(state <= CASTLINE_STATE_CLOSED);
  CHECK(castline_client_server_time_ms(client) > 1600000000000);
  castline_flags_string(client, "starter_pack_price", "$2.99", price, sizeof price);
  CHECK(strcmp(price, "$2.99") == 0 || strcmp(price, "$1.99") == 0);
  CHECK(castline_flags_i64(client, "absent", n) == n);
  CHECK(allowed(castline_client_track(client, "tick", "{\"a\":1}")));
  switch (n % 8) {
    case 0: CHECK(allowed(castline_offers_ready(client, "level_completed", NULL, 0))); break;
    case 1: CHECK(allowed(castline_offers_not_ready(client))); break;
    case 2: CHECK(allowed(castline_client_request(client, CASTLINE_CHANNEL_GAME, "ask", "{}", NULL, NULL))); break;
    case 3: CHECK(allowed(castline_flags_apply(client))); break;
    case 4: CHECK(allowed(castline_rooms_join(client, "dice"))); break;
    case 5: CHECK(allowed(castline_client_lifecycle(client, CASTLINE_LIFECYCLE_FOREGROUND))); break;
    case 6: CHECK(allowed(castline_client_send(client, CASTLINE_CHANNEL_SOCIAL, "say", "{}"))); break;
    default: CHECK(allowed(castline_rooms_leave(client, "dice"))); break;
  }
}

/* Until the handle is gone, which is how a thread learns of it. */
static void *work(void *argument) {
  int number = *(int *)argument, events = 0, n;
  pthread_barrier_wait(&start);
  for (n = 0; castline_client_state(client) != CASTLINE_STATE_NONE; n++) {
    if (number < 2) poll_once(&events);
    call_once(n + number);
    /* One of them closes, another frees: the rest are in the middle of their calls. */
    if (number == 6 && n == 100) CHECK(allowed(castline_client_close(client, PATIENCE_MS)));
    if (number == 7 && n == 150) CHECK_RESULT(castline_client_free(client), CASTLINE_OK);
  }
  poll_once(&events);
  call_once(n);
  return NULL;
}

int main(void) {
  pthread_t threads[THREADS];
  int numbers[THREADS], round, i;
  server_start();
  server_put("/admin/flags/starter_pack_price",
             "{\"variants\":{\"control\":\"$2.99\",\"treatment\":\"$1.99\"},\"defaultVariant\":\"control\",\"rolloutBp\":10000}");
  for (round = 0; round < ROUNDS; round++) {
    client = round % 2 == 0 ? connect_player("anna") : connect_nowhere();
    CHECK(pthread_barrier_init(&start, NULL, THREADS) == 0);
    for (i = 0; i < THREADS; i++) {
      numbers[i] = i;
      CHECK(pthread_create(&threads[i], NULL, work, &numbers[i]) == 0);
    }
    for (i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    pthread_barrier_destroy(&start);
    CHECK(castline_client_state(client) == CASTLINE_STATE_NONE);
  }
  return 0;
}
