/* What a frame pays: nanoseconds a call, measured and not judged. Build against the library that ships:
 *   cmake -S bindings/c/tests -B build -DCASTLINE_LIBRARY_DIR=target/c-library -DCASTLINE_SERVER=target/debug/castline-server
 *   cmake --build build --target cost && CASTLINE_SERVER=target/debug/castline-server build/cost */
#define _XOPEN_SOURCE 700
#include "support.h"

#include <pthread.h>

enum { CALLS = 1000000, RUNS = 5 };

static castline_client *client, *freed;
static volatile int64_t sink;

static void read_bool(void) { sink += castline_flags_bool(client, "gentle_curve", false); }
static void read_i64(void) { sink += castline_flags_i64(client, "absent", 1); }
static void read_string(void) {
  char price[32];
  sink += (int64_t)castline_flags_string(client, "starter_pack_price", "$2.99", price, sizeof price);
}
static void read_state(void) { sink += castline_client_state(client); }
static void read_freed(void) { sink += castline_client_state(freed); }
static void poll_empty(void) {
  const castline_event *event;
  sink += castline_client_poll_event(client, &event);
}

/* The best of some runs: the others were disturbed. */
static double nanoseconds(void (*call)(void)) {
  double best = 1e9;
  int run, i;
  for (run = 0; run < RUNS; run++) {
    double begun = seconds(), took;
    for (i = 0; i < CALLS; i++) call();
    took = (seconds() - begun) * 1e9 / CALLS;
    if (took < best) best = took;
  }
  return best;
}

static int running = 1;
static void *read_too(void *unused) {
  while (__atomic_load_n(&running, __ATOMIC_RELAXED)) castline_flags_bool(client, "gentle_curve", false);
  return unused;
}

int main(void) {
  pthread_t other;
  server_start();
  server_put("/admin/flags/starter_pack_price",
             "{\"variants\":{\"control\":\"$2.99\",\"treatment\":\"$1.99\"},\"defaultVariant\":\"control\",\"rolloutBp\":10000}");
  server_put("/admin/flags/gentle_curve", "{\"variants\":{\"off\":false,\"on\":true},\"defaultVariant\":\"off\",\"rolloutBp\":10000}");
  freed = connect_nowhere();
  castline_client_close(freed, PATIENCE_MS);
  castline_client_free(freed);
  client = connect_player("anna");
  await_event(client, CASTLINE_EVENT_FLAGS_CHANGED);
  await_state(client, CASTLINE_STATE_ONLINE);
  CHECK(castline_flags_bool(client, "gentle_curve", false));
  printf("flags_bool        %7.1f ns\n", nanoseconds(read_bool));
  printf("flags_i64, absent %7.1f ns\n", nanoseconds(read_i64));
  printf("flags_string      %7.1f ns\n", nanoseconds(read_string));
  printf("state             %7.1f ns\n", nanoseconds(read_state));
  printf("state, freed      %7.1f ns\n", nanoseconds(read_freed));
  printf("poll_event, empty %7.1f ns\n", nanoseconds(poll_empty));
  CHECK(pthread_create(&other, NULL, read_too, NULL) == 0);
  printf("flags_bool, another thread reads too %7.1f ns\n", nanoseconds(read_bool));
  __atomic_store_n(&running, 0, __ATOMIC_RELAXED);
  CHECK(pthread_join(other, NULL) == 0);
  CHECK_RESULT(castline_client_close(client, PATIENCE_MS), CASTLINE_OK);
  CHECK_RESULT(castline_client_free(client), CASTLINE_OK);
  return 0;
}
