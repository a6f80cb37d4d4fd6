// The Client that needs no server: the whole control plane in this process, on its own database or
// on one that servers share.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "client/client.h"
#include "client/retry.h"
#include "main/dsn.h"
#include "model/request.h"

namespace tallyman::app {

struct InProcessOptions {
  DatabaseName database;
  Actor actor;
  // As of ReadSecretKeys().
  std::string secret_key_file = {};
  // True: any call creates a missing database; false: only a call that can succeed on an empty one.
  bool may_create = false;
  // A call is tried again for so long while a database that others share cannot be reached.
  std::chrono::milliseconds outage_max{0};
  client::OnWait on_wait = {};  // may be empty
};

// Opens the database at the first call. Thread-safe. Owns neither clock nor randomness nor log,
// which must outlive it.
class InProcessClient final : public client::Client {
 public:
  InProcessClient(InProcessOptions options, Clock& clock, Random& random, Log& log);
  ~InProcessClient() override;

  Status Call(std::string_view method, const google::protobuf::Message& request,
              google::protobuf::Message& response) override;
  Status Stream(std::string_view method, const google::protobuf::Message& request,
                const std::function<bool(const google::protobuf::Message&)>& on_message,
                const std::atomic<bool>* stop) override;

 private:
  struct Room;
  Status CallOnce(std::string_view method, const google::protobuf::Message& request,
                  google::protobuf::Message& response);
  Status Open(bool may_create);
  // CLOCK_SKEW, with a database that other machines share.
  Status CheckClock();

  const InProcessOptions options_;
  Clock& clock_;
  Random& random_;
  Log& log_;
  std::mutex mutex_;  // guards the opening
  std::unique_ptr<Room> room_;
  bool clock_is_right_ = false;
};

}  // namespace tallyman::app
