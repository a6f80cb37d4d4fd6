#include "tests/faults/load.h"

#include <cstdlib>
#include <iostream>
#include <thread>

#include "base/random.h"
#include "tests/support/wait.h"

namespace tallyman {
namespace {

// Between one disturbance and the next.
constexpr int64_t kRequestsBetween = 12;

// The server says: try again.
bool IsPassing(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kResourceExhausted;
}

// Ends the clients when a disturbance throws, so that what it says is heard.
struct Ending {
  std::atomic<bool>& stop;
  ~Ending() { stop = true; }
};

int64_t CountUpgrades(Server& server) {
  int64_t count = 0;
  v1::ListEventsRequest request;
  request.set_filter("kind=upgrade_started");
  request.set_page_size(1000);
  while (true) {
    auto page = server.Send<v1::ListEventsResponse>("EventService/ListEvents", request);
    EXPECT_TRUE(page.has_value()) << (page ? "" : page.error().message);
    if (!page) return count;
    count += page->events_size();
    if (page->next_page_token().empty()) return count;
    request.set_page_token(page->next_page_token());
  }
}

}  // namespace

int FaultsAsked(int by_default) {
  const char* asked = std::getenv("TALLYMAN_FAULTS");
  return asked != nullptr ? std::atoi(asked) : by_default;
}

bool Load::Send(Server& server, Acknowledged& request) {
  Result<v1::UpgradeNodesResponse> answer = Fail(Internal("NOT_SENT", "never sent"));
  const bool answered = WaitUntil(
      [&] {
        answer = server.Upgrade({request.node}, request.image, request.id);
        if (answer || !IsPassing(answer.error())) return true;
        ++resent_;
        return false;
      },
      std::chrono::seconds(120));
  EXPECT_TRUE(answered) << "seed " << seed_ << ": " << answer.error().message;
  if (!answer) {
    EXPECT_EQ(answer.error().reason, "UPGRADE_SAME_IMAGE")
        << "seed " << seed_ << ": " << answer.error().message;
    return false;
  }
  request.answer = answer->SerializeAsString();
  return true;
}

void Load::BeClient(int number) {
  SeededRandom random(seed_ + static_cast<uint64_t>(number));
  Server& server = *servers_[static_cast<size_t>(number) % servers_.size()];
  for (int64_t i = 0; !stop_; ++i) {
    Acknowledged request;
    request.node = "n-" + std::to_string(1 + random.Next() % static_cast<uint64_t>(nodes_));
    request.image = random.Next() % 2 == 0 ? "chain/full@1.0.0" : "chain/full@2.0.0";
    request.id = "c" + std::to_string(number) + "-" + std::to_string(i);
    if (!Send(server, request)) continue;
    std::lock_guard lock(mutex_);
    acknowledged_.push_back(std::move(request));
    ++count_;
  }
}

void Load::Run(int disturbances, const std::function<void(int)>& disturb) {
  std::cout << "seed " << seed_ << ", " << disturbances << " disturbances\n";
  std::vector<std::jthread> clients;
  const Ending ending{stop_};
  for (int i = 0; i < clients_; ++i) clients.emplace_back([this, i] { BeClient(i); });
  bool alive = true;
  for (int i = 0; i <= disturbances && alive; ++i) {
    const int64_t enough = count_ + kRequestsBetween;
    alive = WaitUntil([&] { return count_ >= enough; }, std::chrono::seconds(120));
    EXPECT_TRUE(alive) << "seed " << seed_ << ": nothing is answered after disturbance " << i;
    if (alive && i < disturbances) disturb(i);
  }
  stop_ = true;
  for (std::jthread& client : clients) client.join();
  std::cout << count_ << " requests acknowledged, " << resent_ << " sent again\n";
}

void Load::Prove(Server& server) const {
  std::lock_guard lock(mutex_);
  EXPECT_EQ(CountUpgrades(server), static_cast<int64_t>(acknowledged_.size()))
      << "seed " << seed_ << ": each request that was acknowledged, and no other, happened once";
  for (const Acknowledged& request : acknowledged_) {
    auto again = server.Upgrade({request.node}, request.image, request.id);
    ASSERT_TRUE(again.has_value()) << "seed " << seed_ << ", request " << request.id
                                   << " was acknowledged, but lost: " << again.error().message;
    EXPECT_EQ(again->SerializeAsString(), request.answer) << "seed " << seed_;
  }
  EXPECT_EQ(CountUpgrades(server), static_cast<int64_t>(acknowledged_.size()));
  server.ExpectBalanced();
}

}  // namespace tallyman
