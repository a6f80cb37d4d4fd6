// A whole control plane on a SQLite file or a PostgreSQL database, as the program wires it, for
// programs that measure.
//
// Owns everything in it. Run() and UpgradeOne() may be called from many threads.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "api/dispatcher.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/system.h"
#include "control/audit/audit.h"
#include "control/control.h"
#include "control/nodes/nodes.h"
#include "control/read.h"
#include "store/store.h"

namespace tallyman {

struct RigOptions {
  bool create = false;
  bool durable = true;  // false: no waiting for the disk, to build a fleet
  bool combine = true;
  int64_t nodes_max = 0;  // of one request; 0: as the program has it
};

class Rig {
 public:
  // `database`: the path of a file, or postgres://... of a database that is there already.
  static Result<std::unique_ptr<Rig>> Open(const std::string& database, const RigOptions& options);

  control::Call As(std::string method) const {
    control::Call call;
    call.actor = actor;
    call.method = std::move(method);
    return call;
  }

  // Runs an operation of the control room and waits for its answer.
  template <class Request, class Answer>
  Result<Answer> Run(Result<control::Proposal<Answer>> (*operation)(const control::Authorized&,
                                                                    const Request&),
                     std::string method, const std::type_identity_t<Request>& request) {
    Answer answer;
    std::promise<Status> promise;
    auto future = promise.get_future();
    control::Run(
        *control, As(std::move(method)), operation, request,
        [&answer](const Answer& a) {
          answer = a;
          return std::string("answered");
        },
        [&promise](Result<std::string> bytes) {
          promise.set_value(bytes ? Status() : Fail(std::move(bytes).error()));
        });
    RETURN_IF_ERROR(future.get());
    return answer;
  }

  // Upgrades through the API's dispatcher, as a client in this process does. `done` hears how it
  // went, on another thread.
  void Upgrade(const std::vector<std::string>& nodes, const std::string& image, api::Answer done);
  Status UpgradeAndWait(const std::vector<std::string>& nodes, const std::string& image);

  Result<control::AuditAnswer> Audit() const {
    return control::Read(*control, As("AuditService/RunAudit"), control::RunAudit,
                         control::AuditRequest());
  }

  // Ids of all nodes in order of id.
  Result<std::vector<std::string>> NodeIds() const;
  Result<std::string> ImageIdOf(const std::string& version) const;

  Actor actor{.id = "bench", .role = Role::kAdmin};
  SystemClock clock;
  SeededRandom random{SystemSeed()};
  MemoryLog log;
  Metrics metrics;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<control::Control> control;
  std::unique_ptr<api::Dispatcher> dispatcher;

 private:
  Rig() = default;
};

// Prints the error and ends the program where a measurement makes no sense any more.
void MustBeOk(const Status& status);
template <class T>
T MustBeOk(Result<T> result) {
  MustBeOk(result ? Status() : Status(Fail(result.error())));
  return *std::move(result);
}

bool IsPostgres(const std::string& database);

// A copy of a prepared file to work on; what an earlier one left beside it is removed.
void CopyFleet(const std::string& from, const std::string& to);

// The value of an environment variable that run.sh sets.
std::string Setting(const char* name, const std::string& fallback);

}  // namespace tallyman
