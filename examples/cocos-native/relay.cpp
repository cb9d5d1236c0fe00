#include "relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

struct Pair {
  int game, server;
};

sockaddr_in loopback(unsigned short port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// An end as a broken network makes it: reset, and not closed in order.
void reset(int socket) {
  const linger at_once = {1, 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(socket);
}

// False when that direction has ended.
bool pass(int from, int to) {
  char buffer[16384];
  const ssize_t got = recv(from, buffer, sizeof buffer, 0);
  if (got <= 0) return false;
  for (ssize_t sent = 0; sent < got;) {
    const ssize_t now = send(to, buffer + sent, static_cast<size_t>(got - sent), MSG_NOSIGNAL);
    if (now <= 0) return false;
    sent += now;
  }
  return true;
}

}  // namespace

Relay::Relay(unsigned short server_port) : server_port_(server_port) {
  listener_ = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto *any = reinterpret_cast<sockaddr *>(&address);
  if (listener_ < 0 || bind(listener_, any, size) != 0 || listen(listener_, 16) != 0 || getsockname(listener_, any, &size) != 0) {
    std::perror("the relay cannot listen");
    std::exit(1);
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

Relay::~Relay() {
  over_ = true;
  thread_.join();
  close(listener_);
}

void Relay::run() {
  std::vector<Pair> pairs;
  const auto drop_all = [&pairs] {
    for (const auto &pair : pairs) {
      reset(pair.game);
      reset(pair.server);
    }
    pairs.clear();
  };
  while (!over_) {
    if (cut_) drop_all();
    std::vector<pollfd> watched = {{listener_, POLLIN, 0}};
    for (const auto &pair : pairs) {
      watched.push_back({pair.game, POLLIN, 0});
      watched.push_back({pair.server, POLLIN, 0});
    }
    // Awake often enough to notice the word of the other thread.
    if (poll(watched.data(), watched.size(), 5) <= 0 || cut_) {
      if (cut_ && (watched[0].revents & POLLIN) != 0) reset(accept(listener_, nullptr, nullptr));
      continue;
    }
    std::vector<Pair> kept;
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const bool from_game = watched[1 + 2 * i].revents == 0 || pass(pairs[i].game, pairs[i].server);
      const bool from_server = watched[2 + 2 * i].revents == 0 || pass(pairs[i].server, pairs[i].game);
      if (from_game && from_server) {
        kept.push_back(pairs[i]);
      } else {
        close(pairs[i].game);
        close(pairs[i].server);
      }
    }
    pairs = kept;
    if ((watched[0].revents & POLLIN) == 0) continue;
    const int game = accept(listener_, nullptr, nullptr);
    const int server = socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in address = loopback(server_port_);
    if (game < 0 || connect(server, reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0) {
      if (game >= 0) reset(game);
      close(server);
      continue;
    }
    const int yes = 1;
    setsockopt(game, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    pairs.push_back({game, server});
  }
  drop_all();
}
