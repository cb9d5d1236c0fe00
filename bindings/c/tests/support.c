#define _XOPEN_SOURCE 700
#include "support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t server;
static char directory[64], url[64], admin_key[256];
static unsigned players_port, operators_port;

static int failed;

void check_failed(const char *file, int line, const char *what) {
  fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
  failed = 1;
  exit(1);
}

void check_result(const char *file, int line, const char *call, castline_result result, castline_result expected) {
  if (result == expected) return;
  fprintf(stderr, "%s:%d: %s is %s, not %s\n", file, line, call, castline_result_name(result), castline_result_name(expected));
  failed = 1;
  exit(1);
}

void check_text(const char *file, int line, const char *what, const char *text, const char *expected) {
  if (strcmp(text, expected) == 0) return;
  fprintf(stderr, "%s:%d: %s is \"%s\", not \"%s\"\n", file, line, what, text, expected);
  failed = 1;
  exit(1);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place) {
  (void)status, (void)kind, (void)place;
  return remove(path);
}

static void server_stop(void) {
  if (server > 0) {
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    server = 0;
    nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  }
}

/* A client that was freed while it was open, or whose close timed out, ends in the background: nothing of it may stay, and what it still uses is
 * no leak. (ThreadSanitizer has a thread of its own, which is not to be waited for.) */
static void await_end_of_threads(void) {
#ifndef __SANITIZE_THREAD__
  const double deadline = seconds() + PATIENCE;
  unsigned count = 0;
  while (!failed && count != 1) {
    char line[128];
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) sscanf(line, "Threads: %u", &count);
    if (status != NULL) fclose(status);
    if (seconds() > deadline) {
      fprintf(stderr, "%u threads are left at the end\n", count);
      server_stop();
      _exit(1);
    }
    frame();
  }
#endif
}

static void at_exit(void) {
  await_end_of_threads();
  server_stop();
}

static void read_file(const char *path, char *buffer, size_t capacity) {
  FILE *file = fopen(path, "r");
  CHECK(file != NULL);
  buffer[fread(buffer, 1, capacity - 1, file)] = 0;
  buffer[strcspn(buffer, "\r\n")] = 0;
  fclose(file);
}

void server_start(void) {
  const char *program = getenv("CASTLINE_SERVER");
  char line[256], path[128];
  int pipes[2];
  FILE *says;
  CHECK(program != NULL);
  snprintf(directory, sizeof directory, "/tmp/castline-c-XXXXXX");
  CHECK(mkdtemp(directory) != NULL);
  CHECK(pipe(pipes) == 0);
  server = fork();
  CHECK(server >= 0);
  if (server == 0) {
    dup2(pipes[1], 1);
    close(pipes[0]);
    setenv("RUST_LOG", "error", 1);
    /* It is no setting of the server's, and it would say so. */
    unsetenv("CASTLINE_SERVER");
    snprintf(path, sizeof path, "%s/server", directory);
    execl(program, program, "--dev", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data", path, (char *)NULL);
    fprintf(stderr, "%s cannot be started\n", program);
    _exit(127);
  }
  atexit(at_exit);
  close(pipes[1]);
  says = fdopen(pipes[0], "r");
  CHECK(says != NULL);
  while (operators_port == 0) {
    CHECK(fgets(line, sizeof line, says) != NULL);
    sscanf(line, "players ws://127.0.0.1:%u/ws", &players_port);
    sscanf(line, "operators http://127.0.0.1:%u", &operators_port);
  }
  fclose(says);
  snprintf(path, sizeof path, "%s/server/admin.key", directory);
  read_file(path, admin_key, sizeof admin_key);
  snprintf(url, sizeof url, "http://127.0.0.1:%u", players_port);
}

const char *server_url(void) { return url; }

const char *server_directory(const char *name) {
  static char path[256];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  return path;
}

/* One HTTP request; the body of a 200 goes to `answer`. */
static void http(unsigned port, const char *method, const char *path, const char *body, char *answer, size_t capacity) {
  struct sockaddr_in address;
  char text[4096], *end;
  size_t length = 0;
  ssize_t n;
  int tcp = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(tcp >= 0);
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons((uint16_t)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(connect(tcp, (const struct sockaddr *)&address, sizeof address) == 0);
  n = snprintf(text, sizeof text,
               "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"
               "Content-Length: %lu\r\nConnection: close\r\n\r\n%s",
               method, path, admin_key, (unsigned long)strlen(body), body);
  CHECK(n > 0 && (size_t)n < sizeof text);
  CHECK(write(tcp, text, (size_t)n) == n);
  while ((n = read(tcp, text + length, sizeof text - 1 - length)) > 0) length += (size_t)n;
  close(tcp);
  text[length] = 0;
  if (strncmp(text, "HTTP/1.1 200", 12) != 0) fprintf(stderr, "%s %s: %s\n", method, path, text);
  CHECK(strncmp(text, "HTTP/1.1 200", 12) == 0);
  end = strstr(text, "\r\n\r\n");
  CHECK(end != NULL && strlen(end + 4) < capacity);
  memmove(answer, end + 4, strlen(end + 4) + 1);
}

void server_put(const char *path, const char *body) {
  char answer[1024];
  http(operators_port, "PUT", path, body, answer, sizeof answer);
}

const char *server_token(const char *player, char *buffer, size_t capacity) {
  char body[128], answer[2048], *from, *to;
  snprintf(body, sizeof body, "{\"playerId\":\"%s\"}", player);
  http(players_port, "POST", "/auth/token", body, answer, sizeof answer);
  from = strstr(answer, "\"token\":\"");
  CHECK(from != NULL);
  from += strlen("\"token\":\"");
  to = strchr(from, '"');
  CHECK(to != NULL && (size_t)(to - from) < capacity);
  memcpy(buffer, from, (size_t)(to - from));
  buffer[to - from] = 0;
  return buffer;
}

castline_client *connect_player(const char *player) {
  castline_options options = CASTLINE_OPTIONS_INIT;
  castline_client *client = NULL;
  char token[1024];
  options.url = server_url();
  options.build = "2.0.0";
  options.token = server_token(player, token, sizeof token);
  CHECK_RESULT(castline_client_connect(&options, &client), CASTLINE_OK);
  CHECK(client != NULL);
  return client;
}

castline_client *connect_nowhere(void) {
  castline_options options = CASTLINE_OPTIONS_INIT;
  castline_client *client = NULL;
  options.url = "http://127.0.0.1:9";
  options.build = "2.0.0";
  options.token = "a.b.c";
  CHECK_RESULT(castline_client_connect(&options, &client), CASTLINE_OK);
  return client;
}

const castline_event *await_event_at(const char *file, int line, castline_client *client, castline_event_kind kind) {
  double deadline = seconds() + PATIENCE;
  const castline_event *event;
  while (seconds() < deadline) {
    while (castline_client_poll_event(client, &event) == CASTLINE_OK) {
      if (event->kind == kind) return event;
    }
    frame();
  }
  fprintf(stderr, "event %u: ", (unsigned)kind);
  check_failed(file, line, "it came in time");
  return NULL;
}

void await_state_at(const char *file, int line, castline_client *client, castline_state state) {
  double deadline = seconds() + PATIENCE;
  while (castline_client_state(client) != state && seconds() < deadline) frame();
  if (castline_client_state(client) != state) {
    fprintf(stderr, "state %u, now %u: ", (unsigned)state, (unsigned)castline_client_state(client));
    check_failed(file, line, "it came in time");
  }
}

void frame(void) {
  struct timespec pause = {0, 1000000};
  nanosleep(&pause, NULL);
}

double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
